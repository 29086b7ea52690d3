"""The demo bank keeps the contract, and can be broken on demand."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ivrbot.bank.simulator import FAULTS_FILE, BankSimulator, Faults
from ivrbot.errors import BankOutcomeUnknown, BankRejected, BankUnavailable, ConfigError
from ivrbot.model.bank import BankOperation, BankRequest, Fact
from ivrbot.model.call import AssuranceLevel
from tests.contract.bank import ANNA, KEY, MARIA, PYOTR, BankContract, ask, customer_id, statuses


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[BankSimulator]:
    simulator = BankSimulator(tmp_path, KEY)
    yield simulator
    await simulator.close()


class TestBankSimulator(BankContract):
    """The contract."""


async def test_show_has_the_shape_that_bank_show_prints(bank: BankSimulator) -> None:
    shown = await bank.show(PYOTR)
    card = {"last4": "1188", "kind": "debit", "status": "active", "balance_minor": 32005, "currency": "RUB"}
    expected = {"caller": PYOTR, "name": "Пётр Ильич Орлов", "cards": [card], "claims": [], "services": []}
    assert shown == [expected]
    assert [row["caller"] for row in await bank.show()] == [ANNA, PYOTR, MARIA]
    assert await bank.show("+70000000000") == []
    assert json.loads(json.dumps(shown)) == shown


async def test_reset_restores_the_first_day_and_keeps_the_log(bank: BankSimulator) -> None:
    before = await bank.show()
    await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="all")
    assert await bank.show() != before
    await bank.reset()
    assert await bank.show() == before
    assert [row["operation"] for row in await bank.log()] == ["block_card", "reset"]
    assert await bank.verify_log() is None
    again = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
    assert again.values["blocked"] == ("4271",)


async def test_state_outlives_the_process(tmp_path: Path) -> None:
    first = BankSimulator(tmp_path, KEY)
    answer = await ask(first, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
    await first.close()
    second = BankSimulator(tmp_path, KEY)
    assert await ask(second, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271") == answer
    await second.close()


async def test_two_processes_share_the_file(tmp_path: Path, bank: BankSimulator) -> None:
    other = BankSimulator(tmp_path, KEY)
    answers = await asyncio.gather(
        *(
            ask(who, ANNA, BankOperation.BLOCK_CARD, f"k{n}", card="4271")
            for n, who in enumerate([bank, other] * 5)
        )
    )
    assert len({answer.reference for answer in answers}) == 1
    assert await bank.verify_log() is None
    await other.close()


async def test_down_means_nothing_happened(bank: BankSimulator) -> None:
    who = await customer_id(bank, ANNA)
    bank.faults = Faults(unavailable=True)
    with pytest.raises(BankUnavailable):
        await bank.execute(BankRequest(BankOperation.BLOCK_CARD, who, {"card": "4271"}, "k1"))
    with pytest.raises(BankUnavailable):
        await bank.find_customer(ANNA)
    with pytest.raises(BankUnavailable):
        await bank.fact_hashes(who)
    bank.faults = Faults()
    assert (await statuses(bank, ANNA))["4271"] == "active"


async def test_a_lost_answer_is_found_again_by_its_key(bank: BankSimulator) -> None:
    bank.faults = Faults(lost_answers=1)
    with pytest.raises(BankOutcomeUnknown):
        await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
    assert (await statuses(bank, ANNA))["4271"] == "blocked"
    answer = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
    assert answer.values["already_blocked"] is False
    done = [row["reference"] for row in await bank.log() if row["operation"] == "block_card"]
    assert done == [answer.reference, answer.reference]


async def test_refusal_on_demand(bank: BankSimulator) -> None:
    bank.faults = Faults(reject=True)
    with pytest.raises(BankRejected):
        await ask(bank, ANNA, BankOperation.GET_BALANCE, card="4271")


async def test_a_slow_bank_answers_in_the_end(bank: BankSimulator) -> None:
    bank.faults = Faults(latency_ms=1)
    assert (await ask(bank, ANNA, BankOperation.GET_BALANCE, card="4271")).values["balance_minor"] == 1_234_567


async def test_a_request_given_up_by_the_caller_is_all_or_nothing(bank: BankSimulator) -> None:
    who = await customer_id(bank, ANNA)
    request = BankRequest(BankOperation.BLOCK_CARD, who, {"card": "4271"}, "k1")
    task = asyncio.create_task(bank.execute(request))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    answer = await bank.execute(request)
    assert (await statuses(bank, ANNA))["4271"] == "blocked"
    logged = {row["reference"] for row in await bank.log() if row["operation"] == "block_card"}
    assert logged == {answer.reference}


async def test_faults_come_from_a_file_too(tmp_path: Path, bank: BankSimulator) -> None:
    (tmp_path / FAULTS_FILE).write_text('{"unavailable": true}', "utf-8")
    with pytest.raises(BankUnavailable):
        await bank.find_customer(ANNA)
    (tmp_path / FAULTS_FILE).write_text("{}", "utf-8")
    assert await bank.find_customer(ANNA) is not None
    (tmp_path / FAULTS_FILE).write_text('{"on_fire": true}', "utf-8")
    with pytest.raises(ConfigError, match="lost_answers"):
        await bank.find_customer(ANNA)


async def test_an_unusable_file_is_an_unavailable_bank(tmp_path: Path) -> None:
    (tmp_path / "demo_bank.sqlite").write_bytes(b"this is no database, and long enough to be taken for one" * 40)
    simulator = BankSimulator(tmp_path, KEY)
    with pytest.raises(BankUnavailable):
        await simulator.find_customer(ANNA)
    await simulator.close()


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too short"):
        BankSimulator(tmp_path, b"short")


async def test_with_a_new_key_the_facts_are_hashed_anew(tmp_path: Path) -> None:
    first = BankSimulator(tmp_path, KEY)
    old = await first.fact_hashes(await customer_id(first, ANNA))
    await first.close()
    second = BankSimulator(tmp_path, KEY[::-1])
    new = await second.fact_hashes(await customer_id(second, ANNA))
    await second.close()
    assert all(not old.hashes[fact] & new.hashes[fact] and new.hashes[fact] for fact in Fact)


async def test_dates_are_told_from_the_day_of_the_call(tmp_path: Path) -> None:
    # 22:30 UTC is already the next day in Moscow, where the bank is.
    simulator = BankSimulator(tmp_path, KEY, clock=lambda: datetime(2026, 12, 10, 22, 30, tzinfo=UTC))
    salary = await ask(simulator, ANNA, BankOperation.GET_SALARY)
    loan = await ask(simulator, PYOTR, BankOperation.GET_LOAN)
    deposit = await ask(simulator, MARIA, BankOperation.GET_DEPOSIT)
    await simulator.close()
    assert salary.values["came_on"] == "2026-12-10"
    assert loan.values["payment_on"] == "2027-01-10"
    assert deposit.values["ends_on"] == "2027-01-20"


async def test_the_log_says_who_did_what_and_how_surely(bank: BankSimulator) -> None:
    request = BankRequest(
        BankOperation.BLOCK_CARD,
        await customer_id(bank, ANNA),
        {"card": "4271"},
        "k1",
        level=AssuranceLevel.IDENTIFIED,
        facts_used=("last_four",),
        call_id="0b7a",
    )
    answer = await bank.execute(request)
    with pytest.raises(BankRejected):
        await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k2", card="1188")
    done, refused = await bank.log()
    assert (done["operation"], done["result"], done["reference"]) == ("block_card", "ok", answer.reference)
    assert (done["level"], done["facts_used"], done["call_id"]) == ("identified", ["last_four"], "0b7a")
    assert refused["result"].startswith("rejected")


@pytest.mark.parametrize(
    ("tampering", "first_broken"),
    [
        ("UPDATE log SET entry_json = replace(entry_json, 'identified', 'verified') WHERE seq = 2", 2),
        ("UPDATE log SET entry_json = replace(entry_json, 'none', 'strong') WHERE seq = 2", 2),
        ("DELETE FROM log WHERE seq = 1", 1),
        ("DELETE FROM log WHERE seq = 3", 3),
        ("DELETE FROM log", 1),
        ("UPDATE log SET seq = seq + 1 WHERE seq = 3", 3),
    ],
)
async def test_tampering_with_the_log_is_found(
    tmp_path: Path, bank: BankSimulator, tampering: str, first_broken: int
) -> None:
    for n in range(3):
        request = BankRequest(BankOperation.LIST_CARDS, await customer_id(bank, ANNA), call_id=f"identified {n}")
        await bank.execute(request)
    assert await bank.verify_log() is None
    db = sqlite3.connect(tmp_path / "demo_bank.sqlite")
    db.execute(tampering)
    db.commit()
    db.close()
    broken = await bank.verify_log()
    assert broken is not None and broken.row == first_broken


def test_no_code_word_name_or_birth_lies_in_the_file_as_a_fact(tmp_path: Path) -> None:
    async def use() -> None:
        simulator = BankSimulator(tmp_path, KEY)
        await ask(simulator, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
        await simulator.close()

    asyncio.run(use())
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (
        "черёмуха",
        "черемуха",
        "чиримуха",
        "cherry",
        "метроном",
        "акварель",
        "1989-03-05",
        "1975-11-21",
    ):
        assert secret.encode() not in stored


async def test_an_offer_comes_again_after_thirty_days(tmp_path: Path) -> None:
    now = [datetime(2026, 3, 1, tzinfo=UTC)]
    simulator = BankSimulator(tmp_path, KEY, clock=lambda: now[0])
    dues = []
    for day, month in ((1, 3), (30, 3), (31, 3)):
        now[0] = datetime(2026, month, day, tzinfo=UTC)
        answer = await ask(simulator, ANNA, BankOperation.PLAN_OFFER, f"{month}-{day}", offer="online_bank")
        dues.append(answer.values["due"])
    await simulator.close()
    assert dues == [True, False, True]


async def test_claims_and_services_are_shown(bank: BankSimulator) -> None:
    spending = (await ask(bank, ANNA, BankOperation.FIND_OPERATION, amount_minor=5_000_00)).values
    claim = await ask(bank, ANNA, BankOperation.REGISTER_CLAIM, "k1", entry=spending["entry"])
    await ask(bank, ANNA, BankOperation.CONNECT_SMS_SERVICE, "k2")
    (shown,) = await bank.show(ANNA)
    assert [(row["reference"], row["amount_minor"]) for row in shown["claims"]] == [(claim.reference, 500_000)]
    assert shown["services"] == ["sms"]
    assert {row["operation"] for row in await bank.log()} == {
        "find_operation",
        "register_claim",
        "connect_sms_service",
    }


async def test_a_file_of_an_older_catalogue_is_filled_up(tmp_path: Path) -> None:
    first = BankSimulator(tmp_path, KEY)
    await ask(first, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
    await first.close()
    db = sqlite3.connect(tmp_path / "demo_bank.sqlite")
    db.execute("DELETE FROM meta WHERE name = 'catalogue'")
    db.execute("DELETE FROM products")
    db.commit()
    db.close()
    second = BankSimulator(tmp_path, KEY)
    assert (await ask(second, ANNA, BankOperation.GET_SALARY)).values["found"] is True
    assert (await statuses(second, ANNA))["4271"] == "blocked"
    await second.close()

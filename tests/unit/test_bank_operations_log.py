"""The bot's own log of bank operations: what stands in it, and that no tampering goes unseen."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ivrbot.bank.logged import LOG_FILE, LoggedBank, OperationsFile
from ivrbot.bank.simulator import BankSimulator, Faults
from ivrbot.errors import BankOutcomeUnknown, BankRejected, BankUnavailable
from ivrbot.model.bank import BankOperation, BankRequest, Refused
from ivrbot.model.call import AssuranceLevel
from tests.contract.bank import ANNA, KEY, customer_id

CHAIN = b"a chain's key of its own"


@dataclass
class Desk:
    """A logged bank and its parts."""

    folder: Path
    demo: BankSimulator
    operations: OperationsFile
    bank: LoggedBank

    async def ask(self, operation: BankOperation, key: str = "", **arguments: Any) -> None:
        who = await customer_id(self.demo, ANNA)
        await self.bank.execute(BankRequest(operation, who, arguments, key, call_id="0b7a"))

    async def rows(self) -> list[dict[str, Any]]:
        """All but the first."""
        return (await self.operations.entries())[1:]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    demo = BankSimulator(tmp_path, KEY)
    operations = OperationsFile(tmp_path, CHAIN, lambda: datetime(2026, 5, 4, 12, tzinfo=UTC))
    bank = LoggedBank(demo, operations)
    yield Desk(tmp_path, demo, operations, bank)
    await bank.close()


async def test_a_write_stands_there_before_and_after_it_was_done(desk: Desk) -> None:
    request = BankRequest(
        BankOperation.BLOCK_CARD,
        await customer_id(desk.demo, ANNA),
        {"card": "4271"},
        "k1",
        level=AssuranceLevel.IDENTIFIED,
        facts_used=("last_four",),
        call_id="0b7a",
        confirmation="confirm_block by keys",
    )
    answer = await desk.bank.execute(request)
    asked, done = await desk.rows()
    assert (asked["result"], done["result"]) == ("asked", "ok")
    assert done["reference"] == answer.reference
    same = {"operation", "customer_id", "arguments", "idempotency_key", "call_id", "level", "facts_used"}
    assert {name: asked[name] for name in same} == {name: done[name] for name in same}
    assert (done["level"], done["facts_used"]) == ("identified", ["last_four"])
    assert done["confirmation"] == "confirm_block by keys"
    assert await desk.operations.verify() is None


async def test_what_is_refused_stands_there_too(desk: Desk) -> None:
    with pytest.raises(BankRejected):
        await desk.ask(BankOperation.BLOCK_CARD, "k1", card="1188")
    refused = Refused(
        "get_balance", "c-1001", AssuranceLevel.IDENTIFIED, ("code_word",), "0b7b", "failures_in_call"
    )
    await desk.bank.note_refusal(refused)
    asked, rejected, never_asked = await desk.rows()
    assert asked["result"] == "asked" and rejected["result"].startswith("rejected: ")
    assert never_asked["result"] == "refused: failures_in_call"
    assert (never_asked["operation"], never_asked["facts_used"]) == ("get_balance", ["code_word"])
    assert [row["operation"] for row in await desk.demo.log()] == ["block_card"]


async def test_a_lost_answer_and_a_bank_that_is_away_are_told_apart(desk: Desk) -> None:
    desk.demo.faults = Faults(lost_answers=1)
    with pytest.raises(BankOutcomeUnknown):
        await desk.ask(BankOperation.BLOCK_CARD, "k1", card="4271")
    desk.demo.faults = Faults(unavailable=True)
    request = BankRequest(BankOperation.GET_BALANCE, "c-1001", {"card": "4271"})
    with pytest.raises(BankUnavailable):
        await desk.bank.execute(request)
    assert [row["result"] for row in await desk.rows()] == ["asked", "unknown", "unavailable"]


async def test_what_cannot_be_noted_is_not_done(tmp_path: Path) -> None:
    (tmp_path / LOG_FILE).mkdir()
    demo = BankSimulator(tmp_path, KEY)
    bank = LoggedBank(demo, OperationsFile(tmp_path, CHAIN, lambda: datetime.now(UTC)))
    who = await customer_id(demo, ANNA)
    for operation, key in ((BankOperation.BLOCK_CARD, "k1"), (BankOperation.GET_BALANCE, "")):
        with pytest.raises(BankUnavailable):
            await bank.execute(BankRequest(operation, who, {"card": "4271"}, key))
    await bank.note_refusal(
        Refused("get_balance", who, AssuranceLevel.NONE, (), "0b7b", "locked")
    )  # does not raise
    (customer,) = await demo.show(ANNA)
    assert {card["status"] for card in customer["cards"]} == {"active"}
    await bank.close()


async def test_long_texts_are_kept_as_their_hash(desk: Desk) -> None:
    words = "у окна номер три меня полчаса не замечал никто из сотрудников"
    await desk.ask(BankOperation.RECORD_NOTE, "k1", kind="complaint", note=words)
    for row in await desk.rows():
        assert row["arguments"]["kind"] == "complaint"
        assert row["arguments"]["note"].startswith("sha256:")


async def test_two_processes_write_one_chain(desk: Desk) -> None:
    other = OperationsFile(desk.folder, CHAIN, lambda: datetime.now(UTC))
    for number in range(6):
        await (other, desk.operations)[number % 2].note({"operation": f"n{number}"})
    assert [row["operation"] for row in await desk.rows()] == [f"n{number}" for number in range(6)]
    assert await other.verify() is None
    await other.close()


SWAP = """
UPDATE log SET seq = -1 WHERE seq = 2; UPDATE log SET seq = 2 WHERE seq = 3; UPDATE log SET seq = 3 WHERE seq = -1;
"""


@pytest.mark.parametrize(
    ("tampering", "row", "why"),
    [
        ("UPDATE log SET entry_json = replace(entry_json, 'n1', 'n9') WHERE seq = 3", 3, "changed"),
        ("UPDATE log SET entry_json = entry_json || ' ' WHERE seq = 2", 2, "changed"),
        (SWAP, 2, "changed"),
        ("DELETE FROM log WHERE seq = 2", 2, "missing"),
        ("DELETE FROM log WHERE seq = 1; UPDATE log SET seq = seq - 1", 1, "changed"),
        ("DELETE FROM log WHERE seq = 4", 4, "missing"),
        ("DELETE FROM log WHERE seq = 4; UPDATE log_head SET seq = 3", 4, "missing"),
        ("DELETE FROM log WHERE seq > 2; DELETE FROM log_head", 3, "missing"),
        ("DELETE FROM log; DELETE FROM log_head", 1, "missing"),
        ("INSERT INTO log SELECT 5, entry_json, chain FROM log WHERE seq = 4", 5, "changed"),
    ],
)
async def test_tampering_is_found_and_the_row_named(desk: Desk, tampering: str, row: int, why: str) -> None:
    for number in range(3):
        await desk.operations.note({"operation": f"n{number}"})
    assert await desk.operations.verify() is None
    with sqlite3.connect(desk.folder / LOG_FILE) as db:
        db.executescript(tampering)
    db.close()
    broken = await desk.operations.verify()
    assert broken is not None
    assert (broken.row, broken.why) == (row, why)


async def test_an_emptied_log_stays_broken_when_it_is_written_on(desk: Desk) -> None:
    await desk.operations.note({"operation": "n0"})
    with sqlite3.connect(desk.folder / LOG_FILE) as db:
        db.executescript("DELETE FROM log; DELETE FROM log_head")
    db.close()
    again = OperationsFile(desk.folder, CHAIN, lambda: datetime.now(UTC))
    await again.note({"operation": "n1"})
    broken = await again.verify()
    assert broken is not None and broken.row == 1
    await again.close()


async def test_another_key_does_not_verify_and_cannot_go_on(desk: Desk) -> None:
    await desk.operations.note({"operation": "n0"})
    stranger = OperationsFile(desk.folder, b"somebody else's key, long enough", lambda: datetime.now(UTC))
    broken = await stranger.verify()
    assert broken is not None and broken.row == 1
    await stranger.note({"operation": "forged"})
    found = await desk.operations.verify()
    assert found is not None and found.row == 3
    await stranger.close()

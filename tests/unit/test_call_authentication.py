"""The ladder of one call, driven: counters of all calls, codes by short message, an attack on all customers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.call.alarms import spraying_alarm
from ivrbot.call.attempts import ALARM, ALL, AttemptCounter, side_subject
from ivrbot.call.authentication import Authenticator, CustomerLocks
from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import BankUnavailable
from ivrbot.identity.policy import load_policy
from ivrbot.identity.spraying import is_sprayed
from ivrbot.language.phonetic import phonetic_key
from ivrbot.model.attempts import Reserved, Tally
from ivrbot.model.bank import Customer, Fact, FactHashes, fact_hash
from ivrbot.model.call import AssuranceLevel, CallId
from ivrbot.model.dialogue import Authenticate, AuthReply, Value
from ivrbot.simulate.world import OwnBank
from tests.fakes.sms import MemorySms
from tests.fakes.store import MemoryStore

POLICY = load_policy(PROJECT_ROOT / "flows" / "assurance.yml")
KEY = b"key of these tests, long enough"
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
ANNA = "+79161234567"
WISH: dict[str, Value] = {"limit_kind": "cash", "amount_minor": 20_000_000}


@dataclass
class World:
    """A bank, counters and a gateway that several calls share."""

    store: MemoryStore = field(default_factory=MemoryStore)
    bank: OwnBank = field(default_factory=lambda: OwnBank(KEY))
    sms: MemorySms = field(default_factory=MemorySms)
    alarms: list[Tally] = field(default_factory=list)
    clock_s: float = 0.0
    codes: Iterable[int] = ()

    def call(self, name: str = "call-1", caller: str = ANNA, locks: CustomerLocks | None = None) -> Authenticator:
        async def alarm(window: Tally) -> None:
            self.alarms.append(window)

        codes = iter([*self.codes, *range(1000)])
        return Authenticator(
            bank=self.bank,
            attempts=self.store,
            policy=POLICY,
            key=KEY,
            locks=locks or CustomerLocks(),
            call_id=CallId(name),
            caller=caller,
            now=lambda: NOW + timedelta(seconds=self.clock_s),
            sms=self.sms,
            alarm=alarm,
            clock_s=lambda: self.clock_s,
            random_below=lambda _below: next(codes),
        )


@pytest.fixture
def world() -> World:
    return World()


async def begin(call: Authenticator, operation: str = "change_limits") -> AuthReply:
    details: dict[str, Value] = WISH if operation == "change_limits" else {}
    return await call.run(Authenticate(operation, begin=True, details=details), "ru")


async def tell(call: Authenticator, fact: str, *said: str, operation: str = "change_limits") -> AuthReply:
    keyed = all(set(one) <= set("0123456789*#") for one in said)
    return await call.run(Authenticate(operation, fact, said, keyed), "ru")


async def to_the_code(call: Authenticator) -> AuthReply:
    """A customer who has proven both facts."""
    assert (await begin(call)).fact == "code_word"
    await tell(call, "code_word", "черёмуха")
    return await tell(call, "last_four", "4271")


async def test_a_code_goes_to_the_number_on_file_and_opens_what_it_says(world: World) -> None:
    call = world.call()
    reply = await to_the_code(call)
    assert (reply.status, reply.fact, reply.say) == ("ask", "one_time_code", "utter_code_sent")
    [(number, text)] = world.sms.sent
    assert number == ANNA
    assert "дневной лимит по картам 200 000 ₽" in text
    assert not call.allows("change_limits", WISH)
    assert (await tell(call, "one_time_code", world.sms.code)).status == "granted"
    assert call.allows("change_limits", WISH)
    assert not call.allows("change_limits", {**WISH, "amount_minor": 30_000_000})
    assert not call.allows("change_limits", {**WISH, "limit_kind": "payments"})
    assert not call.allows("change_contacts")


async def test_a_code_is_used_up_by_the_operation(world: World) -> None:
    call = world.call()
    await to_the_code(call)
    code = world.sms.code
    await tell(call, "one_time_code", code)
    levels = [call.state.level]
    call.used("change_limits")
    levels.append(call.state.level)
    assert levels == [AssuranceLevel.STRONG, AssuranceLevel.VERIFIED]
    assert not call.allows("change_limits", WISH)
    assert (await begin(call)).fact == "one_time_code"
    assert len(world.sms.sent) == 2
    assert (await tell(call, "one_time_code", code)).status == "wrong"


async def test_the_code_of_one_call_is_worth_nothing_in_another(world: World) -> None:
    mine, his = world.call("call-1"), world.call("call-2")
    await to_the_code(mine)
    code = world.sms.code
    world.codes = [777_777]
    his = world.call("call-2")
    await to_the_code(his)
    assert (await tell(his, "one_time_code", code)).status == "wrong"


async def test_a_code_is_over_after_five_minutes_and_another_is_sent(world: World) -> None:
    call = world.call()
    await to_the_code(call)
    first = world.sms.code
    world.clock_s = 301
    reply = await tell(call, "one_time_code", first)
    assert (reply.status, reply.fact, reply.say) == ("ask", "one_time_code", "utter_code_over")
    assert call.state.failures == 0
    assert len(world.sms.sent) == 2
    assert (await tell(call, "one_time_code", world.sms.code)).status == "granted"


async def test_a_wrong_code_counts_for_customer_number_and_all(world: World) -> None:
    call = world.call()
    await to_the_code(call)
    assert (await tell(call, "one_time_code", "999999")).status == "wrong"
    since = NOW - timedelta(days=1)
    customer = call.state.customer_id
    assert await world.store.failures_since(f"customer:{customer}", since) == 1
    assert await world.store.failures_since(ALL, since) == 1
    assert await world.store.failures_since(f"side:{customer}", since) == 0


async def test_a_code_that_is_said_is_not_compared(world: World) -> None:
    call = world.call()
    await to_the_code(call)
    reply = await tell(call, "one_time_code", " ".join(["ноль"] * 6))
    assert (reply.fact, reply.say) == ("one_time_code", "utter_code_by_keys")
    assert call.state.failures == 0
    assert not call.state.second


async def test_codes_are_sent_three_times_in_a_call(world: World) -> None:
    call = world.call()
    await to_the_code(call)
    for _ in range(2):
        assert (await tell(call, "one_time_code", "не пришло")).say == "utter_code_sent_again"
    reply = await tell(call, "one_time_code", "*")
    assert (reply.status, call.decision("change_limits", reply)["reason"]) == ("refused", "code_sends_used_up")
    assert len(world.sms.sent) == 3


async def test_codes_are_sent_ten_times_a_day_over_all_calls(world: World) -> None:
    replies = []
    for number in range(12):
        replies.append((await to_the_code(world.call(f"call-{number}"))).status)
    assert replies == ["ask"] * 10 + ["refused"] * 2
    assert len(world.sms.sent) == 10
    world.clock_s = 24 * 3600 + 1
    assert (await to_the_code(world.call("next day"))).status == "ask"


async def test_a_gateway_that_fails_leads_to_an_operator_with_the_reason(world: World) -> None:
    world.sms.broken = True
    call = world.call()
    reply = await to_the_code(call)
    assert (reply.status, reply.reason) == ("refused", "sms_failure")
    assert call.decision("change_limits", reply)["facts"] == ["code_word", "last_four"]


async def test_a_decision_tells_names_and_never_what_was_said(world: World) -> None:
    call = world.call()
    reply = await to_the_code(call)
    told = [call.decision("change_limits", reply)]
    reply = await tell(call, "one_time_code", world.sms.code)
    told.append(call.decision("change_limits", reply))
    assert told[1] == {
        "operation": "change_limits",
        "status": "granted",
        "level": "strong",
        "facts": ["code_word", "last_four"],
        "second": ["one_time_code"],
        "asked": "",
        "reason": "",
        "failures": 0,
    }
    shown = json.dumps(told, ensure_ascii=False) + repr(call.state) + repr(reply)
    for secret in ("черёмуха", "4271", world.sms.code, ANNA[1:]):
        assert secret not in shown


# --- counting ---------------------------------------------------------------------------------------


class Slow(MemoryStore):
    """Lets other calls run between any two steps, as often as it is told."""

    def __init__(self, pauses: list[int]) -> None:
        super().__init__()
        self._pauses = pauses

    async def _pause(self) -> None:
        for _ in range(self._pauses.pop() if self._pauses else 1):
            await asyncio.sleep(0)

    async def reserve(self, *args: object) -> Reserved:
        await self._pause()
        reserved = await super().reserve(*args)  # type: ignore[arg-type]
        await self._pause()
        return reserved

    async def release(self, rows: object) -> None:
        await self._pause()
        await super().release(rows)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.integers(0, 4), max_size=40),
    st.integers(2, 8),
    st.lists(st.sampled_from(["карандаш", "самолёт", "черёмуха"]), min_size=8, max_size=8),
)
async def test_calls_at_once_get_no_guess_beyond_the_limit(
    pauses: list[int], calls: int, words: list[str]
) -> None:
    """As in several processes: no lock is shared, only the counters are."""
    world = World(store=Slow(pauses))
    compared = 0

    async def attack(number: int) -> None:
        nonlocal compared
        call = world.call(f"call-{number}")
        await begin(call, "get_balance")
        for word in (words[number], "самолёт"):
            before = call.state.failures
            reply = await tell(call, "code_word", word, operation="get_balance")
            compared += call.state.failures > before
            if reply.status == "refused":
                return

    await asyncio.gather(*(attack(number) for number in range(calls)))
    assert compared <= POLICY.limits.failures_per_day
    customer = await world.bank.find_customer(ANNA)
    assert customer is not None
    counted = await world.store.failures_since(f"customer:{customer.customer_id}", NOW - timedelta(days=1))
    assert counted == compared


async def test_who_hangs_up_while_he_is_judged_has_failed(world: World) -> None:
    counter = AttemptCounter(world.store, POLICY, KEY, CallId("c"), ANNA, lambda: NOW, _nobody)
    with pytest.raises(asyncio.CancelledError):
        async with counter.judging("customer-1"):
            raise asyncio.CancelledError
    counts = await counter.counts("customer-1")
    assert (counts.customer, counts.number, counts.side, counts.number_side) == (1, 1, 1, 1)


async def test_a_bank_that_fails_costs_the_caller_nothing(world: World) -> None:
    counter = AttemptCounter(world.store, POLICY, KEY, CallId("c"), ANNA, lambda: NOW, _nobody)
    with pytest.raises(BankUnavailable):
        async with counter.judging("customer-1"):
            raise BankUnavailable("down")
    counts = await counter.counts("customer-1")
    assert (counts.customer, counts.number, counts.side, counts.number_side) == (0, 0, 0, 0)


async def test_right_answers_leave_no_count(world: World) -> None:
    call = world.call()
    await to_the_code(call)
    await tell(call, "one_time_code", world.sms.code)
    customer_id = call.state.customer_id
    for subject in (f"customer:{customer_id}", f"side:{customer_id}", side_subject(KEY, ANNA), ALL):
        assert await world.store.failures_since(subject, NOW - timedelta(days=1)) == 0


async def _nobody(_window: Tally) -> None:
    raise AssertionError("no alarm was due")


# --- one guess at many customers --------------------------------------------------------------------

RULES = POLICY.spraying


@pytest.mark.parametrize(
    ("window", "day", "found"),
    [
        (Tally(30, 15), Tally(0, 0), True),
        (Tally(29, 15), Tally(0, 0), False),
        (Tally(30, 14), Tally(0, 0), False),
        (Tally(30, 30), Tally(863, 500), True),
        (Tally(30, 30), Tally(865, 500), False),
        (Tally(300, 290), Tally(20_000, 15_000), False),
        (Tally(700, 600), Tally(20_000, 15_000), True),
    ],
)
def test_an_attack_is_many_times_what_is_usual(window: Tally, day: Tally, found: bool) -> None:
    assert is_sprayed(window, day, RULES) is found


class ManyCustomers(OwnBank):
    """Every telephone is a customer's."""

    async def find_customer(self, phone: str):  # type: ignore[no-untyped-def]
        found = await super().find_customer(ANNA)
        assert found is not None
        return type(found)(f"customer-of-{phone}", "", phone)

    async def fact_hashes(self, customer_id: str) -> FactHashes:
        return FactHashes(customer_id, {})


async def spray(world: World, calls: int) -> None:
    for number in range(calls):
        call = world.call(f"spray-{number}", caller=f"+7916000{number:04d}")
        await begin(call, "get_balance")
        for _ in range(2):
            await tell(call, "code_word", "карандаш", operation="get_balance")


async def test_spraying_over_customers_and_numbers_raises_one_alarm(world: World) -> None:
    world.bank = ManyCustomers(KEY)
    await spray(world, 25)
    [window] = world.alarms
    assert window.failures == RULES.failures
    assert window.calls >= RULES.calls


async def test_after_the_alarm_all_but_emergencies_go_to_operators_for_a_while(world: World) -> None:
    world.bank = ManyCustomers(KEY)
    await spray(world, 25)
    call = world.call("honest", caller="+79169999999")
    reply = await begin(call, "get_balance")
    assert reply == AuthReply("refused")
    assert call.decision("get_balance", reply)["reason"] == "spraying"
    assert (await begin(world.call("stolen", caller="+79169999998"), "block_card")).status == "ask"
    assert (await begin(world.call("office", caller="+79169999997"), "find_office")).status == "granted"
    world.clock_s = RULES.hold_s + 1
    assert (await begin(world.call("later", caller="+79169999996"), "get_balance")).status == "ask"


async def test_ordinary_slips_of_a_large_bank_are_no_attack(world: World) -> None:
    world.bank = ManyCustomers(KEY)
    for minute in range(24 * 60):
        await world.store.add_failure(
            ALL, CallId(f"day-{minute}"), NOW - timedelta(days=1) + timedelta(minutes=minute)
        )
    await spray(world, 15)  # 30 wrong answers on top of the 10 of every window
    assert world.alarms == []
    assert not await world.store.failures_since(ALARM, NOW - timedelta(days=2))


# --- guesses beside the question at many customers ---------------------------------------------------

OFFICE = "+79991112233"
ENOUGH = POLICY.limits.side_guesses_per_number


class OneWord(ManyCustomers):
    """Accounts are those whose number begins with 7904, and the same code word is everybody's."""

    async def find_customer(self, phone: str) -> Customer | None:
        return await super().find_customer(phone) if phone.startswith("+7904") else None

    async def fact_hashes(self, customer_id: str) -> FactHashes:
        word = fact_hash(KEY, customer_id, Fact.CODE_WORD, phonetic_key("черёмуха", "ru"))
        return FactHashes(customer_id, {Fact.CODE_WORD: frozenset({word})})


async def guess_beside(
    world: World, number: int, word: str = "карандаш", caller: str = OFFICE, account: str = "7904"
) -> Authenticator:
    """A call that names one more account and guesses at the code word where the birth is asked for."""
    call = world.call(f"beside-{number}", caller)
    assert (await begin(call, "get_balance")).fact == "phone"
    reply = await tell(call, "phone", f"{account}000{number:04d}", operation="get_balance")
    for fact, said in (("code_word", "не помню"), ("date_of_birth", word)):
        assert reply.fact == fact
        reply = await tell(call, fact, said, operation="get_balance")
    return call


@pytest.mark.parametrize("caller", [OFFICE, ""])
async def test_guesses_beside_the_question_are_counted_for_the_calling_number(world: World, caller: str) -> None:
    world.bank = OneWord(KEY)
    for number in range(7):
        call = await guess_beside(world, number, caller=caller)
        assert call.state.failures == 0
    since = NOW - timedelta(days=1)
    assert await world.store.failures_since(side_subject(KEY, caller), since) == 7
    assert await world.store.failures_since(ALL, since) == 7


@pytest.mark.parametrize("caller", [OFFICE, ""])
async def test_a_number_that_has_guessed_enough_proves_nothing_beside_the_question(
    world: World, caller: str
) -> None:
    world.bank = OneWord(KEY)
    assert (await guess_beside(world, 0, "черёмуха", caller)).state.facts == (Fact.CODE_WORD,)
    for number in range(1, ENOUGH + 4):
        await guess_beside(world, number, caller=caller)
    call = await guess_beside(world, 99, "черёмуха", caller)
    assert (call.state.facts, call.state.failures, call.state.refusal) == ((), 0, None)
    since = NOW - timedelta(days=1)
    assert await world.store.failures_since(side_subject(KEY, caller), since) == ENOUGH
    # What he is asked for still counts, and nobody else's telephone is concerned.
    assert (await tell(call, "code_word", "черёмуха", operation="get_balance")).status == "ask"
    assert call.state.facts == (Fact.CODE_WORD,)
    other = await guess_beside(world, 100, "черёмуха", caller="+79991112234" if caller else OFFICE)
    assert other.state.facts == (Fact.CODE_WORD,)


async def test_guesses_at_accounts_that_do_not_exist_count_for_the_number_as_well(world: World) -> None:
    world.bank = OneWord(KEY)
    for number in range(ENOUGH + 2):
        call = await guess_beside(world, number, account="7905")
        assert call.state.customer_id is None
    since = NOW - timedelta(days=1)
    assert await world.store.failures_since(side_subject(KEY, OFFICE), since) == ENOUGH


async def test_guesses_beside_the_question_from_ever_new_numbers_raise_the_alarm(world: World) -> None:
    world.bank = OneWord(KEY)
    for number in range(RULES.failures + 5):
        if world.alarms:
            break
        await guess_beside(world, number, caller=f"+7999555{number:04d}")
    [window] = world.alarms
    assert window.failures == RULES.failures


async def test_remarks_of_a_usual_day_raise_no_alarm(world: World) -> None:
    world.bank = OneWord(KEY)
    for minute in range(24 * 60):
        at = NOW - timedelta(days=1) + timedelta(minutes=minute)
        await world.store.add_failure(ALL, CallId(f"day-{minute}"), at)
    for number in range(39):
        await guess_beside(world, number, caller=f"+7999555{number:04d}")
    assert world.alarms == []


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_alarm_stands_at_the_front_of_the_fraud_queue_and_names_nobody(language: str) -> None:
    dossier = spraying_alarm(
        CallId("c"),
        language,  # type: ignore[arg-type]
        Tally(41, 33),
        window_s=RULES.window_s,
        hold_s=RULES.hold_s,
        at=NOW,
    )
    assert (dossier.queue, dossier.priority, dossier.reason.value) == ("block_card", 10, "fraud")
    assert (dossier.caller, dossier.customer_id, dossier.customer_name) == ("", "", "")
    assert "41" in dossier.transcript[0].text
    assert "33" in dossier.transcript[0].text

"""A call that ends with a promise to call back: kept before it is spoken, else the caller is transferred."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from ivrbot import app
from ivrbot.call.channel import Completes, Heard, Keyed
from ivrbot.call.dossier_context import DossierContext, gather_context
from ivrbot.call.ending import HAND_OVER_S
from ivrbot.dialogue.commanding import MAX_WAITS, STILL_THERE_MS, WAIT_MS
from ivrbot.errors import BankUnavailable, StorageUnavailable
from ivrbot.model.bank import BankOperation, BankRequest
from ivrbot.model.call import CallId, CallOutcome, CallRegistration, Disposition, Dossier, EscalationReason
from ivrbot.model.dialogue import Collect
from ivrbot.model.events import EventType
from ivrbot.model.operators import CallbackAsked, QueueState
from ivrbot.operators.desk import OperatorDesk
from ivrbot.storage.callback_tables import callback_numbers
from ivrbot.storage.callbacks import CallbackBook
from tests.fakes.calls import Clock, FakeNlu, ScriptedCaller
from tests.unit.test_call_session import ANNA, BALANCE, LOST, Line, escalated, line

__all__ = ["line"]

BUSY = QueueState("other", 5, 2, 0, 60.0, 185.0, app.utc_now())


def claims_of(customer_id: str) -> BankRequest:
    return BankRequest(BankOperation.LIST_CLAIMS, customer_id)


class BusyDesk(OperatorDesk):
    """The real desk behind a queue that is busy; `lost` makes promises fail, `keeps` keeps places."""

    lost = False
    keeps = False
    free = 0

    async def hold_place(self, registration: CallRegistration, queue: str) -> bool:
        return self.keeps

    async def state(self, queue: str) -> QueueState | None:
        return replace(BUSY, queue=queue, free=self.free)

    async def promise_callback(
        self, registration: CallRegistration, dossier: Dossier, asked: CallbackAsked
    ) -> None:
        if self.lost:
            raise StorageUnavailable("away")
        await super().promise_callback(registration, dossier, asked)


@pytest.fixture
def desk(line: Line) -> BusyDesk:
    made = BusyDesk(line.core.store, callbacks=CallbackBook(line.core.store), now=app.utc_now)
    line.parts = replace(line.parts, operators=made)
    return made


async def test_who_will_not_wait_is_promised_a_call_back(line: Line, desk: BusyDesk) -> None:
    caller = ScriptedCaller(["оператора", Keyed("1"), ""])
    end = await line.call(caller)
    assert (end.disposition, end.reason, end.escalated_to) == (Disposition.ESCALATED, "callback", "")
    assert any("Примерное ожидание: 3" in text or "Примерное ожидание: три" in text for text in caller.said)
    assert "перезвоним" in caller.said[-1]
    ((kept, number),) = await CallbackBook(line.core.store).listed(5)
    assert (kept.call_id, number) == (line.call_id, ANNA)
    assert end.dossier is not None and kept.dossier_id == end.dossier.dossier_id
    outcome = await line.core.store.outcome(line.call_id)
    assert outcome is not None and outcome.action == "callback"
    (asked,) = line.of(EventType.CALLBACK_ASKED)
    assert asked["dossier"] == kept.dossier_id
    assert not line.of(EventType.ESCALATED)
    assert ANNA not in str(line.events)


async def test_who_waits_is_transferred_with_what_he_said(line: Line, desk: BusyDesk) -> None:
    dossier = escalated(await line.call(["оператора", "я подожду"]), EscalationReason.CALLER_ASKED)
    assert dossier.last_words == "я подожду"
    (told,) = line.of(EventType.WAIT_TOLD)
    assert (told["choice"], told["waiting"]) == ("wait", 5)


async def test_who_asks_for_time_is_waited_for_and_not_queued(line: Line, desk: BusyDesk) -> None:
    caller = ScriptedCaller(["оператора", "минутку", "спасибо", "", "да я здесь", "перезвоните", ""])
    end = await line.call(caller)
    assert end.reason == "callback"
    assert [collect.timeout_ms for collect in caller.asked[1:6]] == [
        6000,
        WAIT_MS,
        WAIT_MS,
        STILL_THERE_MS,
        STILL_THERE_MS,
    ]
    assert ["жду" in text for text in caller.said].count(True) == 1
    assert ["на линии" in text for text in caller.said].count(True) == 1


async def test_the_line_is_not_kept_for_ever_at_the_question(line: Line, desk: BusyDesk) -> None:
    end = await line.call(["оператора", *["подождите"] * (MAX_WAITS + 2)])
    escalated(end, EscalationReason.CALLER_ASKED)


async def test_a_promise_that_cannot_be_kept_is_not_made(line: Line, desk: BusyDesk) -> None:
    desk.lost = True
    caller = ScriptedCaller(["оператора", Keyed("1"), ""])
    escalated(await line.call(caller), EscalationReason.CALLER_ASKED)
    assert not any("перезвоним. Ни кодов" in text for text in caller.said)
    assert not line.of(EventType.CALLBACK_ASKED)


@pytest.mark.parametrize("hangs", [False, True])
async def test_who_is_transferred_instead_is_not_called_back_as_well(
    line: Line, desk: BusyDesk, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    """The call-back is kept already when its outcome cannot be stored, or takes too long."""
    store, clock, saved = line.core.store, Clock(), list[CallOutcome]()
    save = store.save_outcome

    async def stumbling(call_id: CallId, outcome: CallOutcome) -> None:
        saved.append(outcome)
        if outcome.action == "callback":
            assert len(await CallbackBook(store).listed(5)) == 1
            if hangs:
                clock.forward(HAND_OVER_S + 0.1)
                await asyncio.Event().wait()
            raise StorageUnavailable("away")
        await save(call_id, outcome)

    monkeypatch.setattr(store, "save_outcome", stumbling)
    escalated(await line.call(["оператора", Keyed("1"), ""]), EscalationReason.CALLER_ASKED)
    assert [outcome.action for outcome in saved] == ["callback", "transfer"]
    assert await CallbackBook(store).listed(5) == ()
    assert await store.read(lambda conn: conn.execute(select(callback_numbers)).all()) == []


async def test_who_is_promised_a_call_back_is_not_transferred_when_the_time_is_over(
    line: Line, desk: BusyDesk
) -> None:
    class Lingers(ScriptedCaller):
        """The time for the whole call ends in the words of the promise."""

        async def finish(self) -> None:
            if "перезвоним" in self.said[-1]:
                clock.forward(line.parts.max_call_s + 1)
                await asyncio.Event().wait()

    clock, caller = Clock(), Lingers(["оператора", Keyed("1"), ""])
    end = await line.call(caller)
    assert (end.disposition, end.reason, end.escalated_to) == (Disposition.ESCALATED, "callback", "")
    assert "перезвоним" in caller.said[-1], "nothing is said of an operator"
    ((kept, _),) = await CallbackBook(line.core.store).listed(5)
    outcome = await line.core.store.outcome(line.call_id)
    assert outcome is not None and (outcome.action, outcome.dossier_id) == ("callback", kept.dossier_id)
    assert not line.of(EventType.ESCALATED)


async def test_an_emergency_is_never_asked(line: Line, desk: BusyDesk) -> None:
    caller = ScriptedCaller([LOST, "оператора"])
    dossier = escalated(await line.call(caller), EscalationReason.CALLER_ASKED)
    assert dossier.queue == "block_card"
    assert not line.of(EventType.WAIT_TOLD)


async def test_hanging_up_at_the_question_is_a_call_given_up(line: Line, desk: BusyDesk) -> None:
    end = await line.call(["оператора"])
    assert end.disposition is Disposition.ABANDONED
    assert await CallbackBook(line.core.store).listed(5) == ()


async def test_open_claims_are_for_callers_who_are_known_surely_enough(line: Line) -> None:
    customer = await line.bank.find_customer(ANNA)
    assert customer is not None
    listed = await line.bank.execute(BankRequest(BankOperation.LIST_OPERATIONS, customer.customer_id))
    rows: Any = listed.values["operations"]
    entry = next(row["entry"] for row in rows if row["amount_minor"] < 0)
    claim = await line.bank.execute(
        BankRequest(BankOperation.REGISTER_CLAIM, customer.customer_id, {"entry": entry}, idempotency_key="k")
    )
    registration = CallRegistration(line.call_id, caller=ANNA)
    known = await gather_context(line.bank, None, registration, claims_of(customer.customer_id))
    assert [found.reference for found in known.claims] == [claim.reference]
    assert known.claims[0].amount_minor > 0
    assert (await gather_context(line.bank, None, registration, None)).claims == ()
    dossier = escalated(await line.call(["оператора"]), EscalationReason.CALLER_ASKED)
    assert dossier.claims == (), "only the number is known"


async def test_a_bank_that_is_away_costs_the_dossier_its_claims_only(line: Line) -> None:
    line.bank.failures["list_claims"] = [BankUnavailable("down")]
    registration = CallRegistration(line.call_id, caller=ANNA)
    assert await gather_context(line.bank, None, registration, claims_of("c-1")) == DossierContext()


async def test_a_slot_that_was_keyed_is_sure(line: Line) -> None:
    dossier = escalated(await line.call([LOST, "4271", "оператора"]), EscalationReason.CALLER_ASKED)
    assert dossier.confidence and all(0 <= sure <= 1 for sure in dossier.confidence.values())
    assert dossier.confidence.keys() == dossier.slots.keys()


OFFICES = {
    "где ваше отделение": "find_office",
    "пока жду скажите где ваше отделение": "find_office",
    "оператора": "operator",
    "нет": "deny",
}


async def test_who_waits_is_served_by_the_bot_and_then_handed_over_all_the_same(
    line: Line, desk: BusyDesk
) -> None:
    desk.keeps = True
    line.parts = replace(line.parts, nlu=FakeNlu(OFFICES))
    caller = ScriptedCaller(["оператора", Keyed("3"), "где ваше отделение", "в казани", "нет"])
    dossier = escalated(await line.call(caller), EscalationReason.CALLER_ASKED)
    assert (dossier.queue, dossier.topic) == ("other", "")
    told = [data["response"] for data in line.of(EventType.BOT_SAID)]
    kept = told.index("utter_place_kept")
    assert told[kept + 1] == "utter_ask_meanwhile"
    assert "utter_office_first" in told[kept:]
    assert told[-2:] == ["utter_ask_meanwhile", "utter_stay_in_queue"]
    assert len(line.of(EventType.WAIT_TOLD)) == 1


async def test_a_wish_named_at_once_is_served_at_once(line: Line, desk: BusyDesk) -> None:
    desk.keeps = True
    line.parts = replace(line.parts, nlu=FakeNlu(OFFICES))
    caller = ScriptedCaller(["оператора", "пока жду скажите где ваше отделение", "в казани", "оператора"])
    escalated(await line.call(caller), EscalationReason.CALLER_ASKED)
    told = [data["response"] for data in line.of(EventType.BOT_SAID)]
    kept = told.index("utter_place_kept")
    assert told[kept + 1 : kept + 3] == ["utter_operator_hint", "utter_ask_city"]


async def test_between_two_topics_a_free_operator_takes_him(line: Line, desk: BusyDesk) -> None:
    desk.keeps = True

    class Frees(ScriptedCaller):
        """While he hears of offices an operator becomes free."""

        async def listen(self, collect: Collect, completes: Completes) -> Heard:
            heard = await super().listen(collect, completes)
            desk.free = int(collect.slot == "city")
            return heard

    line.parts = replace(line.parts, nlu=FakeNlu(OFFICES))
    caller = Frees(["оператора", "пока жду скажите где ваше отделение", "в казани"])
    escalated(await line.call(caller), EscalationReason.CALLER_ASKED)
    told = [data["response"] for data in line.of(EventType.BOT_SAID)]
    assert told[-3:] == ["utter_office_first", "utter_office_hours", "utter_transfer"]


async def test_an_emergency_that_breaks_while_his_place_is_kept_goes_to_its_own_queue(
    line: Line, desk: BusyDesk
) -> None:
    desk.keeps = True
    line.bank.lookup_failures = [BankUnavailable("down")] * 2  # for his code word, and for himself
    end = await line.call(["оператора", Keyed("3"), LOST])
    dossier = escalated(end, EscalationReason.BANK_UNAVAILABLE)
    assert (dossier.queue, dossier.topic, dossier.priority) == ("block_card", "block_card", 10)


async def test_what_else_breaks_while_his_place_is_kept_leaves_him_his_place(line: Line, desk: BusyDesk) -> None:
    desk.keeps = True
    line.bank.lookup_failures = [BankUnavailable("down")] * 2
    end = await line.call(["оператора", Keyed("3"), BALANCE])
    dossier = escalated(end, EscalationReason.CALLER_ASKED)
    assert (dossier.queue, dossier.topic, dossier.priority) == ("other", "", 0)

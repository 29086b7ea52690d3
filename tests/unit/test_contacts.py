"""Calls to contacts: what the bot did, what people did, how it closed, in every kind of call."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.analytics.contacts import fold
from ivrbot.model.call import CallId, CallRegistration, Disposition
from ivrbot.model.contact import CallMaterial, Contact, ContactNote, EndedBy, Origin, Unserved
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.experiment import Arm, Exposure
from ivrbot.model.queue import EPOCH, QueueRow
from ivrbot.model.shadow import CallDisposition, Outcome

RING = datetime(2026, 9, 1, 12, 0, 0, tzinfo=UTC)
CALL = CallId("0b8f7f3e-1f6e-4d57-9d0e-3f6f0d9ac001")
E = EventType

ANSWERED_AFTER_S = 2


def unit_of(number: str, call_id: str) -> str:
    return f"unit-of-{number or call_id}"


def events(*told: tuple[float, EventType, dict[str, Any]]) -> tuple[CallEvent, ...]:
    """The registration at the ring, the first word two seconds later; times are seconds of the call."""
    whole = [(0.0, E.CALL_REGISTERED, {}), (0.0, E.CALL_STARTED, {}), *told]
    return tuple(
        CallEvent(CALL, seq, kind, round(at_s * 1000), RING + timedelta(seconds=at_s + (seq > 0) * 2), data)
        for seq, (at_s, kind, data) in enumerate(whole)
    )


def stated(at_s: float, branch: str, route: str = "bot") -> list[tuple[float, EventType, dict[str, Any]]]:
    return [
        (at_s, E.TOPIC_STATED, {"topic": f"about_{branch}", "branch": branch}),
        (at_s, E.ASSIGNED, {"branch": branch, "route": route}),
    ]


def replied(at_s: float, served: bool = True) -> tuple[float, EventType, dict[str, Any]]:
    return (at_s, E.BANK_REPLIED, {"status": "ok", "served": served})


def ended(
    at_s: float, disposition: str, reason: str = "", to: str = ""
) -> tuple[float, EventType, dict[str, Any]]:
    return (at_s, E.CALL_ENDED, {"disposition": disposition, "reason": reason, "escalated_to": to})


def handed_over(at_s: float, reason: str = "caller_asked") -> list[tuple[float, EventType, dict[str, Any]]]:
    return [(at_s, E.ESCALATED, {"reason": reason}), ended(at_s, "escalated", reason, "balance")]


def rows(*told: str, start_s: float = 30, queue: str = "balance") -> tuple[QueueRow, ...]:
    made = []
    for text in told:
        second, event, *data = text.split()
        at = RING + timedelta(seconds=start_s + float(second))
        made.append(QueueRow((at - EPOCH) // timedelta(microseconds=1), "17.1", queue, "NONE", event, tuple(data)))
    return tuple(made)


SERVED_ROWS = rows("0 ENTERQUEUE x unit 1", "10 CONNECT 10 y 1", "70 COMPLETEAGENT 10 60 1")
GIVEN_UP = rows("0 ENTERQUEUE x unit 1", "40 ABANDON 1 1 40")


def material(*told: tuple[float, EventType, dict[str, Any]], **more: Any) -> CallMaterial:
    registration = CallRegistration(CALL, caller="+79990000001", uniqueid="17.1")
    return CallMaterial(CALL, registration, events=events(*told), **more)


def only(of: CallMaterial) -> Contact:
    (contact,) = fold(of, unit_of=unit_of)
    return contact


def test_served_by_the_bot() -> None:
    contact = only(material(*stated(8, "balance"), replied(30), ended(40, "resolved", "served")))
    assert (contact.branch, contact.topic, contact.outcome) == ("balance", "about_balance", Outcome.RESOLVED)
    assert contact.human is None and contact.closed and contact.origin is Origin.PRODUCT
    assert contact.bot is not None and contact.bot.routed
    assert contact.bot.done_after_s == ANSWERED_AFTER_S + 30
    assert contact.duration_s == contact.bot.served_s == ANSWERED_AFTER_S + 40
    assert contact.unit == "unit-of-+79990000001"


@pytest.mark.parametrize("disposition", ["resolved", "abandoned"])
def test_a_bot_that_did_nothing_has_resolved_nothing(disposition: str) -> None:
    contact = only(material(*stated(8, "balance"), replied(30, served=False), ended(40, disposition)))
    assert contact.outcome is Outcome.UNRESOLVED and contact.closed


def test_the_control_arm_is_measured_from_the_same_ring() -> None:
    told = material(*stated(8, "balance", "operator"), *handed_over(9, "control_arm"), rows=SERVED_ROWS)
    contact = only(told)
    assert contact.outcome is Outcome.RESOLVED and contact.closed
    assert contact.human is not None and contact.human.wait_s == 10 and contact.human.talk_s == 60
    assert contact.human.asked_at == RING + timedelta(seconds=ANSWERED_AFTER_S + 9)
    assert contact.bot is not None and not contact.bot.routed
    assert contact.duration_s == 100  # ring to the end of the talk


def test_until_the_queue_is_heard_of_nothing_is_known() -> None:
    contact = only(material(*stated(8, "balance", "operator"), *handed_over(9)))
    assert contact.outcome is Outcome.UNKNOWN and not contact.closed
    assert contact.human is not None and contact.human.entered_at is None


def test_given_up_in_the_queue_after_the_bot() -> None:
    contact = only(material(*stated(8, "balance"), *handed_over(28), rows=GIVEN_UP))
    assert contact.outcome is Outcome.UNRESOLVED
    assert contact.human is not None and contact.human.unserved is Unserved.ABANDONED
    assert contact.human.ended_by is EndedBy.CALLER


def test_the_operators_word_counts_and_does_not_move_the_call() -> None:
    word = CallDisposition(CALL, RING, "desk", "loan_info", "loans", Outcome.UNRESOLVED)
    told = material(*stated(8, "balance"), *handed_over(28), rows=SERVED_ROWS, disposition=word)
    contact = only(told)
    assert (contact.outcome, contact.branch, contact.misrouted) == (Outcome.UNRESOLVED, "balance", True)
    assert only(replace(told, disposition=replace(word, branch="balance"))).misrouted is False


def test_a_bot_that_died_leaves_its_caller_to_people() -> None:
    contact = only(material(*stated(8, "balance"), rows=SERVED_ROWS))
    assert contact.bot is not None and contact.bot.disposition is None and contact.bot.reason == "bot_lost"
    assert contact.diagnostics.engine_failures == 1
    assert contact.human is not None and contact.outcome is Outcome.RESOLVED


def test_a_caller_who_never_stated_a_topic_is_a_contact_of_no_branch() -> None:
    contact = only(material(ended(4, "abandoned", "hung_up")))
    assert contact.branch == "" and contact.outcome is Outcome.UNRESOLVED


def test_two_topics_are_two_contacts_and_people_answer_for_the_open_one() -> None:
    told = material(*stated(8, "balance"), replied(30), *stated(38, "loans"), *handed_over(58), rows=SERVED_ROWS)
    balance, loans = fold(told, unit_of=unit_of)
    assert (balance.branch, balance.human, balance.outcome) == ("balance", None, Outcome.RESOLVED)
    assert loans.branch == "loans" and loans.human is not None
    assert loans.started_at == RING + timedelta(seconds=ANSWERED_AFTER_S + 38)
    assert balance.bot is not None and balance.bot.served_s == ANSWERED_AFTER_S + 38
    assert loans.bot is not None and loans.bot.disposition is Disposition.ESCALATED


def test_a_misheard_topic_that_is_put_right_leaves_the_first_one_to_people_too() -> None:
    told = material(*stated(8, "loans"), *stated(15, "balance"), *handed_over(20), rows=SERVED_ROWS)
    assert all(contact.human is not None for contact in fold(told, unit_of=unit_of))


def exposure(branch: str, arm: Arm = Arm.TREATMENT) -> Exposure:
    return Exposure(CALL, "drawn-unit", branch, arm, 0.5, "half", 1, "r", RING + timedelta(seconds=5))


def test_the_front_is_the_whole_call_and_the_unit_is_the_drawn_one() -> None:
    told = material(
        *stated(8, "balance"),
        replied(30),
        *handed_over(40),
        exposures=(exposure("front"), exposure("balance")),
        rows=SERVED_ROWS,
    )
    contacts = {contact.branch: contact for contact in fold(told, unit_of=unit_of)}
    assert set(contacts) == {"front", "balance"}
    front = contacts["front"]
    assert front.unit == "drawn-unit" and front.started_at == RING
    assert front.human is not None and front.bot is not None and front.bot.done_after_s == ANSWERED_AFTER_S + 30


def test_a_draw_for_another_menu_joins_the_queue() -> None:
    told = CallMaterial("17.1", exposures=(exposure("balance", Arm.CONTROL),), rows=GIVEN_UP)
    contact = only(told)
    assert (contact.branch, contact.unit, contact.origin) == ("balance", "drawn-unit", Origin.PRODUCT)
    assert contact.outcome is Outcome.UNRESOLVED and contact.bot is None
    waiting = only(replace(told, rows=()))
    assert waiting.outcome is Outcome.UNKNOWN and waiting.human is not None


def test_a_call_that_the_product_never_saw() -> None:
    contact = only(CallMaterial("17.1", rows=SERVED_ROWS, queue_branch={"balance": "loans"}))
    assert (contact.call_id, contact.branch, contact.unit) == ("queue:17.1", "loans", "unit")
    assert contact.origin is Origin.QUEUE_LOG and contact.outcome is Outcome.RESOLVED
    assert contact.duration_s == 70


def test_rows_of_no_queue_are_no_contact() -> None:
    assert fold(CallMaterial("17.1", rows=rows("0 BOTCTX a b c")), unit_of=unit_of) == ()


NOTE = ContactNote(
    CALL, Origin.CSV, RING, "balance", "csv-unit", wait_s=12, talk_s=90, hold_s=5, after_work_s=20, score=4
)


def test_an_imported_call_alone() -> None:
    contact = only(CallMaterial("ext-1", note=NOTE))
    assert (contact.origin, contact.unit, contact.score) == (Origin.CSV, "csv-unit", 4)
    assert contact.human is not None
    assert (contact.human.wait_s, contact.human.talk_s, contact.human.after_work_s) == (12, 90, 20)
    unanswered = only(CallMaterial("ext-1", note=replace(NOTE, talk_s=None, answered=False)))
    assert unanswered.outcome is Outcome.UNRESOLVED
    coded = only(CallMaterial("ext-1", note=replace(NOTE, outcome=Outcome.UNRESOLVED)))
    assert coded.outcome is Outcome.UNRESOLVED


def test_an_imported_call_adds_to_one_that_the_product_saw() -> None:
    told = material(*stated(8, "balance", "operator"), *handed_over(9), note=NOTE)
    alone = only(told)
    assert alone.human is not None and alone.human.talk_s == 90 and alone.unit == "unit-of-+79990000001"
    both = only(replace(told, rows=SERVED_ROWS))
    assert both.human is not None
    assert (both.human.talk_s, both.human.wait_s) == (60, 10)  # the log wins
    assert (both.human.hold_s, both.human.after_work_s, both.score) == (5, 20, 4)


def test_a_wall_clock_that_jumps_in_the_call_moves_nothing() -> None:
    told = material(*stated(8, "balance"), replied(30), ended(40, "resolved", "served"))
    jumped = tuple(
        replace(event, at=event.at - timedelta(hours=1)) if event.seq > 3 else event for event in told.events
    )
    assert fold(replace(told, events=jumped), unit_of=unit_of) == fold(told, unit_of=unit_of)


def test_a_clock_that_jumps_while_it_rings_counts_no_ring() -> None:
    told = material(*stated(8, "balance"), replied(30), ended(40, "resolved", "served"))
    jumped = (told.events[0], *(replace(event, at=event.at + timedelta(hours=1)) for event in told.events[1:]))
    assert only(replace(told, events=jumped)).duration_s == 40


@given(st.permutations(range(3)), st.permutations(range(7)), st.booleans())
def test_order_and_repetition_of_what_arrives_change_nothing(
    row_order: list[int], event_order: list[int], twice: bool
) -> None:
    told = material(*stated(8, "balance"), replied(20, served=False), *handed_over(28), rows=SERVED_ROWS)
    arrived = tuple(SERVED_ROWS[at] for at in row_order) * (1 + twice)
    shuffled = tuple(told.events[at] for at in event_order)
    assert fold(replace(told, rows=arrived, events=shuffled), unit_of=unit_of) == fold(told, unit_of=unit_of)

"""Rows of queues to what people did, in any order, also repeated."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.analytics.queue_fold import fold_queue, score_of
from ivrbot.model.contact import EndedBy, HumanPart, Unserved
from ivrbot.model.queue import EPOCH, QueueRow

T0 = 1_764_000_000


def rows(*told: str) -> list[QueueRow]:
    """Each "second event data..." of one call; "queue:event" names another queue than balance."""
    made = []
    for text in told:
        second, event, *data = text.split()
        queue, _, event = event.rpartition(":")
        at_us = round((T0 + float(second)) * 1e6)
        made.append(QueueRow(at_us, "c.1", queue or "balance", "NONE", event, tuple(data)))
    return made


def folded(*told: str) -> HumanPart:
    part = fold_queue(rows(*told))
    assert part is not None
    return part


SERVED = ("0 ENTERQUEUE u x 1", "10 CONNECT 10 id 2", "70 COMPLETECALLER 10 60 1")
SECOND_QUEUE = (
    "0 ENTERQUEUE u x 1",
    "30 EXITWITHTIMEOUT 1 1 30",
    "30 other:ENTERQUEUE u x 1",
    "42 other:CONNECT 12 id 2",
    "100 other:COMPLETEAGENT 12 58 1",
)
PASSED_ON = (
    "0 ENTERQUEUE u x 1",
    "5 CONNECT 5 id 1",
    "65 BLINDTRANSFER 200 ctx 5 60 1",
    "66 loans:ENTERQUEUE u x 1",
    "96 loans:EXITEMPTY 1 1 30",
)
LOOP = (
    "0 ENTERQUEUE u x 1",
    "30 EXITWITHTIMEOUT 1 1 30",
    "30 other:ENTERQUEUE u x 1",
    "60 other:EXITWITHTIMEOUT 1 1 30",
)


def test_served() -> None:
    part = folded(*SERVED)
    assert (part.wait_s, part.talk_s, part.ended_by, part.unserved) == (10, 60, EndedBy.CALLER, None)
    assert part.connected_at == EPOCH + timedelta(seconds=T0 + 10)


def test_given_up() -> None:
    part = folded("0 ENTERQUEUE u x 1", "40 ABANDON 1 1 40")
    assert (part.connected_at, part.wait_s, part.unserved) == (None, 40, Unserved.ABANDONED)
    assert part.ended_by is EndedBy.CALLER


def test_a_time_out_and_then_another_queue_is_one_wait_and_no_abandonment() -> None:
    part = folded(*SECOND_QUEUE)
    assert (part.wait_s, part.talk_s, part.unserved, part.ended_by) == (42, 58, None, EndedBy.AGENT)


def test_time_outs_until_the_caller_has_gone() -> None:
    part = folded(*LOOP)
    assert (part.wait_s, part.unserved, part.ended_by) == (60, Unserved.TIMED_OUT, EndedBy.SYSTEM)


def test_passed_on_to_an_empty_queue() -> None:
    part = folded(*PASSED_ON)
    assert (part.transfers, part.talk_s, part.unserved) == (1, 60, Unserved.QUEUE_EMPTY)
    assert part.connected_at is not None


@pytest.mark.parametrize(
    "told",
    [("0 ENTERQUEUE u x 1",), SERVED[:2], (*LOOP, "62 ENTERQUEUE u x 1")],
    ids=["waiting", "talking", "again"],
)
def test_what_goes_on_has_no_end(told: tuple[str, ...]) -> None:
    part = folded(*told)
    assert part.ended_by is None and part.unserved is None


@pytest.mark.parametrize("event", ["TRANSFER", "ATTENDEDTRANSFER", "BLINDTRANSFER"])
def test_the_talk_before_a_transfer_counts(event: str) -> None:
    assert folded("0 ENTERQUEUE u x 1", "9 CONNECT 9 id 1", f"49 {event} BRIDGE b 9 40 1").talk_s == 40


def test_the_clock_of_the_pbx_goes_back_an_hour_while_he_waits() -> None:
    part = folded("4000 ENTERQUEUE u x 1", "410 CONNECT 10 id 2", "470 COMPLETEAGENT 10 60 1")
    assert (part.wait_s, part.talk_s) == (10, 60)


def test_the_clock_of_the_pbx_goes_forward_an_hour_while_he_waits() -> None:
    assert folded("0 ENTERQUEUE u x 1", "3610 CONNECT 10 id 2", "3670 COMPLETEAGENT 10 60 1").wait_s == 10


def test_nothing_asked_and_nothing_told() -> None:
    assert fold_queue([]) is None
    at = EPOCH + timedelta(seconds=T0)
    assert fold_queue([], at) == HumanPart(at)


def test_fields_that_are_no_numbers_are_nothing() -> None:
    part = folded("0 ENTERQUEUE u x 1", "10 CONNECT", "70 COMPLETECALLER nan -5 1")
    assert part.talk_s == 0


def test_the_last_valid_score_counts() -> None:
    assert score_of(rows("1 BOTSCORE 4", "2 BOTSCORE 9", "3 BOTSCORE")) == 4
    assert score_of(rows(*SERVED)) is None


STORIES = [rows(*told) for told in (SERVED, SECOND_QUEUE, PASSED_ON, LOOP)]


@given(st.data())
def test_neither_order_nor_repetition_matters(data: st.DataObject) -> None:
    story = data.draw(st.sampled_from(STORIES))
    arrived = data.draw(st.permutations(story)) + data.draw(st.lists(st.sampled_from(story), max_size=5))
    assert fold_queue(arrived) == fold_queue(story)


_FIELD = st.text("0123456789-.x", max_size=6)
_EVENTS = [
    "ENTERQUEUE",
    "CONNECT",
    "COMPLETEAGENT",
    "ABANDON",
    "EXITWITHTIMEOUT",
    "TRANSFER",
    "EXITWITHKEY",
    "DID",
]
_ROW = st.builds(
    QueueRow,
    at_us=st.integers(0, 10**9),
    callid=st.just("c"),
    queue=st.sampled_from(["balance", "other"]),
    agent=st.just("NONE"),
    event=st.sampled_from(_EVENTS),
    data=st.lists(_FIELD, max_size=5).map(tuple),
)


@given(st.lists(_ROW, max_size=12))
def test_no_rows_break_the_fold_and_times_are_never_negative(told: list[QueueRow]) -> None:
    part = fold_queue(told)
    if part is not None:
        assert part.talk_s >= 0
        assert part.wait_s is None or part.wait_s >= 0
        assert part.connected_at is None or any(row.event == "CONNECT" for row in told)

"""A turn that was taken up again is one turn to whoever reads the call."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ivrbot.model.call import CallId
from ivrbot.model.events import TAKEN_UP, CallEvent, EventType, JsonValue, as_talked

Told = tuple[EventType, dict[str, JsonValue]]

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def call(*events: Told) -> list[CallEvent]:
    return [CallEvent(CallId("c"), seq, type_, seq * 10, NOW, data) for seq, (type_, data) in enumerate(events)]


CUT_OFF: tuple[Told, ...] = (
    (EventType.BOT_SAID, {"text": "what?"}),
    (EventType.CALLER_SAID, {"text": "balance"}),
    (EventType.TOPIC_STATED, {"topic": "check_balance"}),
    (EventType.BOT_SAID, {"text": "which card?"}),
    (EventType.RESPONSE_GAP, {"gap_ms": 300}),
)
THEN: tuple[Told, ...] = (
    (EventType.CALLER_SAID, {"text": "balance of my card"}),
    (EventType.BOT_SAID, {"text": "which card?"}),
)


def test_its_first_answer_was_none_and_what_was_done_stands() -> None:
    talk = as_talked(call(*CUT_OFF, (EventType.TURN_RESUMED, {"result": TAKEN_UP}), *THEN))
    assert [event.data.get("text") for event in talk] == ["what?", None, None, "balance of my card", "which card?"]
    assert [event.type for event in talk][1:3] == [EventType.TOPIC_STATED, EventType.TURN_RESUMED]


@pytest.mark.parametrize("result", ["before_answer", "own_turn", "asked_again"])
def test_any_other_result_takes_nothing_back(result: str) -> None:
    events = call(*CUT_OFF, (EventType.TURN_RESUMED, {"result": result}), *THEN)
    assert as_talked(events) == tuple(events)


def test_with_nothing_said_before_there_is_nothing_to_take_back() -> None:
    events = call((EventType.BOT_SAID, {}), (EventType.TURN_RESUMED, {"result": TAKEN_UP}))
    assert as_talked(events) == tuple(events)

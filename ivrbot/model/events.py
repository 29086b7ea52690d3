"""Call events: the append-only record from which every number is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ivrbot.model.call import CallId

JsonScalar = str | int | float | bool | None
JsonValue = JsonScalar | list["JsonValue"] | dict[str, "JsonValue"]


class EventType(StrEnum):
    """Every kind of event; names are part of the export format."""

    CALL_REGISTERED = "call_registered"
    CALL_STARTED = "call_started"
    BOT_SAID = "bot_said"
    CALLER_SAID = "caller_said"
    KEYS_PRESSED = "keys_pressed"
    NO_INPUT = "no_input"
    NO_MATCH = "no_match"
    BARGE_IN = "barge_in"
    FALSE_BARGE_IN = "false_barge_in"
    TURN_RESUMED = "turn_resumed"
    RESPONSE_GAP = "response_gap"
    TOPIC_STATED = "topic_stated"
    ASSIGNED = "assigned"
    AUTHENTICATION = "authentication"
    VOICE_COMPARED = "voice_compared"
    VOICE_CONSENT = "voice_consent"
    VOICE_ENROLLED = "voice_enrolled"
    BANK_REQUESTED = "bank_requested"
    BANK_REPLIED = "bank_replied"
    ENGINE_FAILED = "engine_failed"
    FRAMES_DROPPED = "frames_dropped"
    RECORDING_STARTED = "recording_started"
    RECORDING_ENDED = "recording_ended"
    ESCALATED = "escalated"
    WAIT_TOLD = "wait_told"
    CALLBACK_ASKED = "callback_asked"
    CALLBACK_DIALLED = "callback_dialled"
    CALLBACK_ENDED = "callback_ended"
    SCORE_ASKED = "score_asked"
    CALL_SCORED = "call_scored"
    OPERATOR_SAID = "operator_said"
    CALL_ENDED = "call_ended"


TAKEN_UP = "taken_up"
"""Result of a `turn_resumed` after which the turn before counts as not said."""

_TAKEN_BACK = frozenset({EventType.CALLER_SAID, EventType.BOT_SAID, EventType.RESPONSE_GAP})


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One fact of one call, secrets already masked.

    Attributes:
        seq: counts from 0 within the call; (call_id, seq) is unique.
        t_ms: since the call started, monotonic clock.
        at: aware UTC wall time.
        data: JSON-able details.
    """

    call_id: CallId
    seq: int
    type: EventType
    t_ms: int
    at: datetime
    data: Mapping[str, JsonValue] = field(default_factory=dict)


def as_talked(events: Iterable[CallEvent]) -> tuple[CallEvent, ...]:
    """A call's events as its talk went: a turn that was taken up again is one turn, its first answer was none.

    Args:
        events: of one call, in order.
    """
    talked: list[CallEvent] = []
    for event in events:
        if event.type is EventType.TURN_RESUMED and event.data.get("result") == TAKEN_UP:
            said = (at for at in range(len(talked) - 1, -1, -1) if talked[at].type is EventType.CALLER_SAID)
            first = next(said, len(talked))
            talked[first:] = [one for one in talked[first:] if one.type not in _TAKEN_BACK]
        talked.append(event)
    return tuple(talked)

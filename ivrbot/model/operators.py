"""The operators' side: how a queue stands now, and callers who asked to be called back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from ivrbot.model.call import CallId, QueueName
from ivrbot.model.speech import Language

CallbackId = NewType("CallbackId", str)
"""A UUID in its canonical text form."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue at one moment.

    Attributes:
        waiting: callers waiting in it.
        operators: logged in and not paused; nobody is served while there are none.
        free: of these, not in a call.
        hold_s: mean wait of those served lately; None: not known.
        expected_wait_s: of a caller who enters now at normal priority; None: not known, so not to be told.
        as_of: when this was true.
    """

    queue: str
    waiting: int
    operators: int
    free: int
    hold_s: float | None
    expected_wait_s: float | None
    as_of: datetime

    @property
    def serves_at_once(self) -> bool:
        """Somebody is free and nobody waits."""
        return self.free > 0 and self.waiting == 0


def expected_wait_s(*, operators: int, free: int, ahead: int, talk_s: float, hold_s: float) -> float | None:
    """Mean wait of a caller who enters a queue now.

    With all N operators busy for exponential times of mean h, one of them becomes free every h / N seconds, and a
    caller with n in front of him needs n + 1 of these: (n + 1) h / N. Operators' work after a call is not known to
    the PBX, so the true wait is rather longer.

    Args:
        operators: N, logged in and not paused.
        free: of these, not in a call.
        ahead: n, callers who will be served before him.
        talk_s: h, mean talk; 0: not known.
        hold_s: mean wait of those served lately; 0: not known.

    Returns:
        Seconds; 0 when an operator is free for him; None when it cannot be told.

    Source: the M/M/N queue given its length: Gross, Shortle, Thompson, Harris, "Fundamentals of Queueing Theory"
    (4th ed.), section 2.4.
    """
    if operators == 0:
        return None
    if free > ahead:
        return 0.0
    if talk_s > 0:
        return (ahead - free + 1) * talk_s / operators
    return float(hold_s) if hold_s > 0 else None


class CallbackState(StrEnum):
    """Where a call-back stands."""

    OPEN = "open"
    DIALLING = "dialling"
    DONE = "done"
    GIVEN_UP = "given_up"


class CallbackResult(StrEnum):
    """How one attempt ended; names are part of the dialplan's report."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    NO_OPERATOR = "no_operator"
    NOT_PLACED = "not_placed"
    LOST = "lost"
    """Nothing was reported: the bot or the PBX died meanwhile."""

    @property
    def rang(self) -> bool:
        """The caller's telephone was, or may have been, rung: it counts as an attempt."""
        return self not in (CallbackResult.NO_OPERATOR, CallbackResult.NOT_PLACED)


@dataclass(frozen=True, slots=True)
class Callback:
    """A caller who asked to be called back. His number is kept apart from it, where it can be erased.

    Attributes:
        callback_id: also the name under which its events are kept.
        call_id: the call in which it was asked for.
        asked_at: when.
        due_at: not to be dialled before.
        dossier_id: what the operator reads first.
        tries: times that it was begun; the newest one is the one that is reported.
        attempts: of these, times that the caller's telephone was, or may have been, rung.
        result: of the last attempt, "" before the first.
        claimed_until: while DIALLING: after this nobody will report any more.
    """

    callback_id: CallbackId
    call_id: CallId
    asked_at: datetime
    due_at: datetime
    queue: QueueName
    topic: str
    dossier_id: str
    language: Language
    state: CallbackState = CallbackState.OPEN
    tries: int = 0
    attempts: int = 0
    result: str = ""
    claimed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallbackAsked:
    """What the caller agreed to.

    Attributes:
        due_at: not to be dialled before.
        number: E.164; never logged.
    """

    due_at: datetime
    number: str = field(repr=False)


class PhoneState(StrEnum):
    """What an operator's telephone does with a caller of a queue."""

    RINGING = "ringing"
    TALKING = "talking"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class PhoneNews:
    """An operator's telephone, as the PBX tells of it.

    Attributes:
        operator: the member's name in the queue ("operator1").
        state: what it does now.
        channels: the PBX's ids of the caller's channel and of the whole contact.
    """

    operator: str
    state: PhoneState
    channels: tuple[str, ...]

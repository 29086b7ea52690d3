"""What calls and recognisers tell each other about load: who waits, what is left out, what was measured.

Plain data, and one context variable through which a call names itself to the recogniser that it opens, so that no
engine needs to know about calls.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum


class Ease(IntEnum):
    """How much of a recogniser's optional work is left out; each step holds those before it."""

    ALL = 0
    NO_PARTIALS = 1
    NO_SECOND_PASSES = 2
    NO_DIPS = 3


@dataclass(slots=True)
class Wanted:
    """Who wants the readings of an utterance; changed by the call while readings wait.

    Attributes:
        call: the call, "" for files and tests.
        waits: the caller has finished and waits for the answer; False while he still holds the floor.
    """

    call: str = ""
    waits: bool = True


wanted_var: ContextVar[Wanted | None] = ContextVar("wanted", default=None)
"""For whom an utterance is opened; recognisers look at it in `open` and keep what they find."""


@dataclass(frozen=True, slots=True)
class RecogniserFigures:
    """What a pool of recognisers did since it was asked last.

    Attributes:
        instances: jobs that can run at the same time.
        asked: readings of turns that were asked for (no partials, no second passes).
        reads: those that were given to an instance.
        waited_s: seconds that they waited, together.
        longest_wait_s: the longest of these waits, or of a reading that still waits.
        served: readings that ended, those tried within speech among them.
        served_s: seconds that they took once begun, together.
        busy_s: seconds of instances taken by jobs of all kinds that ended.
        waiting: readings that wait now.
    """

    instances: int
    asked: int = 0
    reads: int = 0
    waited_s: float = 0.0
    longest_wait_s: float = 0.0
    served: int = 0
    served_s: float = 0.0
    busy_s: float = 0.0
    waiting: int = 0

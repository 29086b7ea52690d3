"""Whether one more call can be served without those under way waiting too long for their answers.

Takes what was measured, gives the reason why not. The recognisers are a queue of Poisson arrivals (readings that
the calls ask for) before a few servers: Erlang C tells how many readings would wait longer than the bar if one
more call asked as often as the others do. Beside that: the readings' measured wait, the event loop's lag, free
memory. A reason that holds is given up only after a time below its bar. Pure: the clock is an argument.

Source: `ivrbot.stats.erlang` (M/M/c, exponential tail of the wait). Arrivals of real calls are a little more
regular, service times less variable than exponential ones: the estimate errs on the side of waiting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ivrbot.model.capacity import RecogniserFigures
from ivrbot.stats.erlang import service_level

LATE_SHARE: Final = 0.05
"""Readings that may wait longer than the bar: the bar is a 95th percentile."""
BUSY_SHARE: Final = 0.85
"""Share of their time that recognisers may be busy. Those that stream take speech in many small readings: few of
them would wait long until there is hardly any time left at all."""
CALM: Final = 0.6
"""Share of a bar below which a reason begins to be given up."""
HOLD_S: Final = 10.0
"""How long it has to stay there."""

MEMORY_S: Final = 120.0
"""Time constant of what is remembered of calls and readings."""
PRIOR_CALL_S: Final = 60.0
"""Seconds of calls that the usual figures below count for, before calls have been measured."""
PRIOR_READS_PER_CALL_S: Final = 0.15
"""A turn every ten seconds, every other one read twice."""
PRIOR_READ_S: Final = 0.15


class Refusal(StrEnum):
    """Why a caller goes to an operator before the bot answers."""

    CAP = "cap"
    RECOGNISER = "recogniser"
    LOOP = "loop"
    MEMORY = "memory"
    NOT_READY = "not_ready"


@dataclass(frozen=True, slots=True)
class HeadroomBars:
    """From where on nobody more is taken.

    Attributes:
        always: calls that are taken whatever is measured, memory apart.
        wait_s: wait for a recogniser that 19 of 20 readings must not pass, seconds.
        lag_s: mean lag of the event loop, seconds.
        free_bytes: memory that must be left; 0: not looked at.
    """

    always: int
    wait_s: float
    lag_s: float
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Queue:
    """A pool of recognisers as the estimate sees it.

    Attributes:
        servers: recognisers.
        reads_per_call_s: readings that one call asks for in a second.
        read_s: seconds that one takes.
        wait_s: mean wait that was measured of late, seconds.
    """

    servers: int
    reads_per_call_s: float
    read_s: float
    wait_s: float

    def late_share(self, calls: int, wait_s: float) -> float:
        """Share of readings that would wait longer than `wait_s` with so many calls: 0..1, 1 in overload."""
        return 1.0 - service_level(self.servers, calls * self.reads_per_call_s * 3600, self.read_s, wait_s)

    def busy_share(self, calls: int) -> float:
        """Share of their time that the recognisers would be busy with so many calls; above 1 in overload."""
        return calls * self.reads_per_call_s * self.read_s / self.servers


class Demand:
    """What calls ask of a pool, remembered for some minutes; the usual figures stand in until enough was seen.

    Readings tried within speech run on idle recognisers only and are not counted as asked for, though they often
    save the reading at the pause: so the rate is never taken to be lower than the usual one.
    """

    def __init__(self) -> None:
        self._call_s = self._asked = self._served = self._served_s = self._waited_s = self._reads = 0.0
        self._servers = 1

    def note(self, figures: RecogniserFigures, calls: int, over_s: float) -> None:
        """Learn what happened.

        Args:
            figures: of the pool.
            calls: under way meanwhile.
            over_s: seconds since the last time.
        """
        kept = math.exp(-over_s / MEMORY_S)
        self._servers = max(1, figures.instances)
        self._call_s = kept * self._call_s + calls * over_s
        self._asked = kept * self._asked + figures.asked
        self._served = kept * self._served + figures.served
        self._served_s = kept * self._served_s + figures.served_s
        # What was waited is news, not habit: forgotten ten times as fast.
        soon = math.exp(-10 * over_s / MEMORY_S)
        self._reads = soon * self._reads + figures.reads
        self._waited_s = soon * self._waited_s + figures.waited_s

    @property
    def queue(self) -> Queue:
        """The pool now."""
        reads = self._asked + PRIOR_CALL_S * PRIOR_READS_PER_CALL_S
        prior_reads = PRIOR_CALL_S * PRIOR_READS_PER_CALL_S
        return Queue(
            self._servers,
            max(PRIOR_READS_PER_CALL_S, reads / (self._call_s + PRIOR_CALL_S)),
            (self._served_s + prior_reads * PRIOR_READ_S) / (self._served + prior_reads),
            self._waited_s / (self._reads + 1.0),
        )


@dataclass(frozen=True, slots=True)
class HeadroomLook:
    """What a decision is made from.

    Attributes:
        calls: under way or announced, without the one that asks.
        queues: pools of recognisers.
        lag_s: mean lag of the event loop of late, seconds.
        free_bytes: memory that is left; None: not known.
    """

    calls: int
    queues: tuple[Queue, ...]
    lag_s: float
    free_bytes: int | None


def shares(look: HeadroomLook, bars: HeadroomBars) -> dict[Refusal, float]:
    """Every measure as a share of its bar: from 1 on it is a reason to refuse."""
    calls = look.calls + 1
    recogniser = max(
        (
            max(
                queue.late_share(calls, bars.wait_s) / LATE_SHARE,
                queue.busy_share(calls) / BUSY_SHARE,
                queue.wait_s / bars.wait_s,
            )
            for queue in look.queues
        ),
        default=0.0,
    )
    memory = 0.0
    if look.free_bytes is not None and bars.free_bytes:
        memory = bars.free_bytes / max(1, look.free_bytes)
    small = look.calls < bars.always
    return {
        Refusal.MEMORY: memory,
        Refusal.RECOGNISER: 0.0 if small else recogniser,
        Refusal.LOOP: 0.0 if small else look.lag_s / bars.lag_s,
    }


class Admission:
    """Decides, and remembers why it refused.

    Args:
        bars: from where on nobody more is taken.
    """

    def __init__(self, bars: HeadroomBars) -> None:
        self._bars = bars
        self._calm_since_s: dict[Refusal, float | None] = {}

    @property
    def refusing(self) -> tuple[Refusal, ...]:
        """Reasons that hold, as of the last decision."""
        return tuple(self._calm_since_s)

    def decide(self, look: HeadroomLook, now_s: float) -> Refusal | None:
        """Why one more call cannot be taken; None: it can.

        Args:
            look: what was measured.
            now_s: of a clock that does not go back.
        """
        for reason, share in shares(look, self._bars).items():
            self._note(reason, share, now_s)
        small = look.calls < self._bars.always
        holds = [one for one in self._calm_since_s if one is Refusal.MEMORY or not small]
        return holds[0] if holds else None

    def _note(self, reason: Refusal, share: float, now_s: float) -> None:
        if share >= 1.0 or (share >= CALM and reason in self._calm_since_s):
            self._calm_since_s[reason] = None
        elif reason in self._calm_since_s:
            since_s = self._calm_since_s[reason]
            if since_s is None:
                self._calm_since_s[reason] = now_s
            elif now_s - since_s >= HOLD_S:
                del self._calm_since_s[reason]

"""Who of several workers is started when, and who leads: decided without a clock, a process or a socket.

Takes what happened and when, gives whom to start, who leads and how all of it ends. The first worker starts alone
(it makes what all need: keys, tables, what training left behind) and leads; the others follow one after another.
One that ends is replaced after a pause that grows while it keeps failing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ivrbot.cli.supervisor import BACKOFF_S, LASTING_S, PERMANENT_EXITS


class Phase(StrEnum):
    """Where a worker stands."""

    RESTING = "resting"  # waits for its start
    STARTING = "starting"  # loads models
    SERVING = "serving"  # takes calls
    LEAVING = "leaving"  # was told to stop: finishes its calls


LIVING: Final = (Phase.SERVING, Phase.LEAVING)


@dataclass(slots=True)
class _Chair:
    phase: Phase = Phase.RESTING
    started_s: float = 0.0
    due_s: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class Roster:
    """The workers of one supervisor, by their numbers from 1.

    Attributes:
        count: workers wanted.
        leader: the one that has the web and the work that is done once; None while nobody can.
        stopping: nobody is started any more.
        code: what to end with.
    """

    count: int
    leader: int | None = None
    stopping: bool = False
    code: int = 0
    _chairs: dict[int, _Chair] = field(default_factory=dict)
    _served: bool = False

    def __post_init__(self) -> None:
        self._chairs = {number: _Chair() for number in range(1, self.count + 1)}

    def those(self, *phases: Phase) -> tuple[int, ...]:
        """Numbers of workers in one of some phases."""
        return tuple(number for number, chair in self._chairs.items() if chair.phase in phases)

    @property
    def over(self) -> bool:
        """Nothing is left to wait for."""
        return self.stopping and len(self.those(Phase.RESTING)) == self.count

    def due(self, now_s: float) -> int | None:
        """Whom to start now, one at a time: models that load together load no sooner, and disturb calls more."""
        if self.stopping or self.those(Phase.STARTING):
            return None
        waiting = self.those(Phase.RESTING) if self._served else (1,)
        return next((number for number in waiting if self._chairs[number].due_s <= now_s), None)

    def started(self, number: int, now_s: float) -> None:
        """Its process runs."""
        chair = self._chairs[number]
        chair.phase, chair.started_s = Phase.STARTING, now_s

    def serves(self, number: int) -> None:
        """It has given its first sign of life."""
        if self._chairs[number].phase is Phase.STARTING:
            self._chairs[number].phase = Phase.SERVING
            self._served = True

    def leaves(self, number: int) -> None:
        """It takes no new calls any more."""
        self._chairs[number].phase = Phase.LEAVING

    def ended(self, number: int, code: int, now_s: float) -> float:
        """Its process is gone; gives the pause before the next.

        An end that starting again would not change ends everything, unless others serve: they were right to start,
        so what is wrong now may be put right again.
        """
        chair = self._chairs[number]
        was, chair.phase = chair.phase, Phase.RESTING
        if self.leader == number:
            self.leader = None
        ordered = code == 0 and was is Phase.LEAVING
        if code in PERMANENT_EXITS and not ordered and not self.those(*LIVING):
            self.stopping, self.code = True, self.code or code
        lasted = now_s - chair.started_s > LASTING_S
        chair.failures = 0 if ordered else 1 if lasted else chair.failures + 1
        pause_s = BACKOFF_S[min(chair.failures, len(BACKOFF_S) - 1)] if chair.failures > 1 else 0.0
        chair.due_s = now_s + pause_s
        return pause_s

    def elect(self) -> bool:
        """Name a leader where there is none, or one that leaves while others serve; True when it is another."""
        serving = self.those(Phase.SERVING)
        if self.leader is not None and (self.stopping or not serving or self.leader in serving):
            return False
        before, able = self.leader, serving or self.those(Phase.LEAVING)
        self.leader = min(able, default=None)
        return self.leader is not None and self.leader != before

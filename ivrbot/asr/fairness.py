"""Whose job is next: classes by how much a caller misses it, and fair shares of the recognisers within a class.

Takes jobs with a call, a kind, an expected cost and a deadline, gives the next one. Readings that a caller waits
for go before readings made while he still speaks, these before partials, these before second passes. Within a
class calls share by start-time fair queueing: a call's next job starts, in virtual time, where its last one ended,
or now if it was silent; the smallest start is served. So a call that asks for much waits behind calls that ask for
little, whatever the number of its jobs. The cost is seconds of an instance, expected first, put right later.

A reading made early counts as waited for as soon as the caller has finished, or once it has waited `AGEING_S`; so
no reading starves. Partials and second passes may: nobody misses them. Pure: no clock, no event loop.

Source: P. Goyal, H. M. Vin, H. Cheng, "Start-time Fair Queueing: a scheduling algorithm for integrated services
packet switching networks" (SIGCOMM 1996), section 2, definition of start and finish tags and of virtual time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from ivrbot.model.capacity import Ease, Wanted

AGEING_S: Final = 1.0


class JobKind(IntEnum):
    """What a job is good for."""

    READ = 0
    """A reading of a turn: waited for, or made early at a pause."""
    DIP = 1
    """A reading tried at a dip of the voice, before there is a pause."""
    PARTIAL = 2
    """What an unfinished utterance says so far."""
    SECOND = 3
    """A second pass, or a wider search, over what has a reading already."""


_LEFT_OUT_FROM: Final = {
    JobKind.PARTIAL: Ease.NO_PARTIALS,
    JobKind.SECOND: Ease.NO_SECOND_PASSES,
    JobKind.DIP: Ease.NO_DIPS,
}


def allowed(kind: JobKind, ease: Ease) -> bool:
    """Whether jobs of a kind are made at all while so much is left out."""
    return kind not in _LEFT_OUT_FROM or ease < _LEFT_OUT_FROM[kind]


@dataclass(slots=True, eq=False)
class Job:
    """A job that waits or runs.

    Attributes:
        wanted: whose it is.
        kind: what it is good for.
        deadline_s: moment (of the clock that `now_s` is of) from which nobody wants it any more.
        expected_s: seconds of an instance that it will probably take.
        used_s: what it took; written by who runs it.
        since_s: when it came.
        virtual: virtual time at which it came.
        is_late: it missed its deadline while it ran: what it took is the least that it would have taken.
    """

    wanted: Wanted
    kind: JobKind
    deadline_s: float
    expected_s: float
    used_s: float = 0.0
    since_s: float = 0.0
    virtual: float = 0.0
    is_late: bool = False

    def rank(self, now_s: float) -> int:
        """Its class now: 0 waited for, 1 early, 2 partial, 3 second pass."""
        if self.kind is JobKind.READ:
            return 0 if self.wanted.waits or now_s - self.since_s >= AGEING_S else 1
        return max(1, int(self.kind))


class FairQueue:
    """Jobs that wait, and what calls have used.

    Args:
        max_waiting: jobs that may wait, at least 1.
        max_ahead_s: expected cost of all that may wait before the last one, seconds of instances.
    """

    def __init__(self, max_waiting: int, max_ahead_s: float = math.inf) -> None:
        self._max_waiting = max_waiting
        self.max_ahead_s = max_ahead_s
        self._waiting: list[Job] = []
        self._serving: set[Job] = set()
        self._finish: dict[str, float] = {}
        self._virtual = 0.0

    def __len__(self) -> int:
        """Jobs that wait."""
        return len(self._waiting)

    @property
    def calls_known(self) -> int:
        """Calls whose share is remembered; bounded by those that were busy lately."""
        return len(self._finish)

    def oldest_read_s(self, now_s: float) -> float:
        """How long the oldest waiting reading has waited, seconds; 0 without one."""
        return max((now_s - job.since_s for job in self._waiting if job.kind is JobKind.READ), default=0.0)

    def reads_waiting(self) -> int:
        """Readings among the jobs that wait."""
        return sum(job.kind is JobKind.READ for job in self._waiting)

    def add(self, job: Job, now_s: float) -> Job | None:
        """Let a job wait.

        Returns:
            The job that has no room: of the lowest class the one that would come last, which may be the new one;
            None when there is room for all.
        """
        job.since_s, job.virtual = now_s, self._virtual
        self._waiting.append(job)
        starts = self._starts()
        # Of equals the newcomer goes: it has lost nothing yet.
        last = max(enumerate(self._waiting), key=lambda at: (at[1].rank(now_s), starts[at[1]], at[0]))[1]
        ahead_s = sum(one.expected_s for one in self._waiting if one is not last)
        if len(self._waiting) <= self._max_waiting and ahead_s <= self.max_ahead_s:
            return None
        self._waiting.remove(last)
        return last

    def remove(self, job: Job) -> bool:
        """Forget a job that nobody waits for any more; False when it does not wait here."""
        if job not in self._waiting:
            return False
        self._waiting.remove(job)
        return True

    def pick(self, now_s: float) -> Job | None:
        """The next job, counted as running from now on; jobs past their deadline are forgotten."""
        self._waiting = [job for job in self._waiting if job.deadline_s > now_s]
        if not self._waiting:
            return None
        starts = self._starts()
        # Python's min keeps the first of equals: the one that came first.
        job = min(self._waiting, key=lambda one: (one.rank(now_s), starts[one]))
        self._waiting.remove(job)
        self._begin(job)
        return job

    def start(self, job: Job, now_s: float) -> None:
        """Count a job as running that did not have to wait."""
        job.since_s, job.virtual = now_s, self._virtual
        self._begin(job)

    def finish(self, job: Job) -> None:
        """A running job has ended after `used_s`; its call pays what it really cost."""
        self._serving.discard(job)
        call = job.wanted.call
        if call in self._finish:
            self._finish[call] += job.used_s - job.expected_s
        if not self._serving and not self._waiting:
            # The end of a busy period: what was used before no longer counts.
            self._virtual = max((self._virtual, *self._finish.values()))
            self._finish.clear()
            return
        busy = {one.wanted.call for one in (*self._waiting, *self._serving)}
        for idle in [one for one, end in self._finish.items() if end <= self._virtual and one not in busy]:
            del self._finish[idle]

    def _begin(self, job: Job) -> None:
        call = job.wanted.call
        start = max(job.virtual, self._finish.get(call, 0.0))
        self._virtual = max(self._virtual, start)
        self._finish[call] = start + job.expected_s
        self._serving.add(job)

    def _starts(self) -> dict[Job, float]:
        """Start tags of all that wait; a call's later jobs start where its earlier ones will have ended."""
        ends = dict(self._finish)
        starts: dict[Job, float] = {}
        for job in self._waiting:
            starts[job] = max(job.virtual, ends.get(job.wanted.call, 0.0))
            ends[job.wanted.call] = starts[job] + job.expected_s
        return starts

"""Queue, estimate and decision together, on simulated callers: seeded, in virtual time, no thread and no clock."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pytest

from ivrbot.asr.fairness import FairQueue, Job, JobKind
from ivrbot.call.headroom import Admission, Demand, HeadroomBars, HeadroomLook
from ivrbot.call.load_watch import EVERY_S
from ivrbot.model.capacity import RecogniserFigures, Wanted

BARS = HeadroomBars(always=2, wait_s=0.5, lag_s=0.3, free_bytes=0)
PATIENCE_S = 1e6


class Queue(Protocol):
    def add(self, job: Job, now_s: float) -> Job | None: ...
    def pick(self, now_s: float) -> Job | None: ...
    def start(self, job: Job, now_s: float) -> None: ...
    def finish(self, job: Job) -> None: ...


class FirstCome:
    """What the pool did before."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()

    def add(self, job: Job, now_s: float) -> None:
        self._waiting.append(job)

    def pick(self, now_s: float) -> Job | None:
        return self._waiting.popleft() if self._waiting else None

    def start(self, job: Job, now_s: float) -> None:
        pass

    def finish(self, job: Job) -> None:
        pass


@dataclass
class Line:
    """Recognisers with callers before them."""

    queue: Queue
    servers: int
    now_s: float = 0.0
    idle: int = 0
    waits: dict[str, list[float]] = field(default_factory=dict)
    figures: RecogniserFigures = field(default_factory=lambda: RecogniserFigures(0))

    def __post_init__(self) -> None:
        self.idle = self.servers
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._asked: dict[Job, tuple[float, Callable[[], None]]] = {}
        self._seen = dict.fromkeys(("asked", "reads", "waited_s", "served", "served_s"), 0.0)

    def at(self, moment_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment_s, next(self._number), do))

    def run(self, until_s: float) -> None:
        while self._events and self._events[0][0] <= until_s:
            self.now_s, _, do = heapq.heappop(self._events)
            do()
        self.now_s = until_s

    def ask(self, call: str, cost_s: float, then: Callable[[], None]) -> None:
        job = Job(Wanted(call), JobKind.READ, self.now_s + PATIENCE_S, 0.3, used_s=cost_s)
        self._asked[job] = (self.now_s, then)
        self._seen["asked"] += 1
        if self.idle:
            self.idle -= 1
            self.queue.start(job, self.now_s)
            self._begin(job)
        else:
            self.queue.add(job, self.now_s)

    def take_figures(self) -> RecogniserFigures:
        seen, self._seen = self._seen, dict.fromkeys(self._seen, 0.0)
        counts = {name: int(seen.pop(name)) for name in ("asked", "reads", "served")}
        return RecogniserFigures(self.servers, **counts, **seen)

    def _begin(self, job: Job) -> None:
        asked_s, _ = self._asked[job]
        self.waits.setdefault(job.wanted.call, []).append(self.now_s - asked_s)
        self._seen["reads"] += 1
        self._seen["waited_s"] += self.now_s - asked_s
        self.at(self.now_s + job.used_s, lambda: self._end(job))

    def _end(self, job: Job) -> None:
        self._seen["served"] += 1
        self._seen["served_s"] += job.used_s
        self.queue.finish(job)
        following = self.queue.pick(self.now_s)
        if following is None:
            self.idle += 1
        else:
            self._begin(following)
        _, then = self._asked.pop(job)
        then()


def talk(line: Line, call: str, rng: random.Random, think_s: float, cost_s: float) -> None:
    """A caller who thinks, speaks, waits for his reading, and thinks again; for ever."""

    def ask() -> None:
        line.ask(call, rng.gammavariate(2.0, cost_s / 2), rest)

    def rest() -> None:
        line.at(line.now_s + rng.expovariate(1 / think_s), ask)

    rest()


def late(waits: list[float]) -> float:
    return float(np.percentile(waits, 95))


def quiet_callers_wait(queue: Queue) -> float:
    """95th percentile of quiet callers' waits beside one whose program asks for long readings without a pause."""
    line, rng = Line(queue, servers=2), random.Random(1)
    for number in range(6):
        talk(line, f"quiet {number}", rng, think_s=6.0, cost_s=0.2)
    for _ in range(12):
        talk(line, "endless", rng, think_s=0.05, cost_s=0.8)
    line.run(600.0)
    return late([wait for call, waits in line.waits.items() if call != "endless" for wait in waits])


def test_one_endless_caller_does_not_make_the_others_wait() -> None:
    assert quiet_callers_wait(FirstCome()) > 4.0
    # No reading is broken off: a quiet caller waits for one to end, and sometimes for another quiet one.
    assert quiet_callers_wait(FairQueue(64)) < 1.2


@pytest.mark.parametrize(("think_s", "cost_s", "servers"), [(6.0, 0.3, 2), (5.0, 0.15, 1)])
def test_callers_are_taken_as_long_as_nobody_waits_too_long_and_not_many_fewer(
    think_s: float, cost_s: float, servers: int
) -> None:
    line, rng = Line(FairQueue(1000), servers), random.Random(2)
    demand, admission, calls = Demand(), Admission(BARS), 0
    now_s, refused = 0.0, 0
    while now_s < 1500.0:
        now_s += EVERY_S
        line.run(now_s)
        demand.note(line.take_figures(), calls, EVERY_S)
        if round(now_s / EVERY_S) % 10 == 0:  # somebody rings every five seconds
            if admission.decide(HeadroomLook(calls, (demand.queue,), 0.0, None), now_s) is None:
                talk(line, f"call {calls}", rng, think_s, cost_s)
                calls += 1
            else:
                refused += 1
    assert refused > 50
    taken = late([wait for waits in line.waits.values() for wait in waits[len(waits) // 2 :]])
    assert taken <= 1.2 * BARS.wait_s

    crowd = Line(FairQueue(1000), servers)
    for number in range(round(1.6 * calls)):
        talk(crowd, f"call {number}", rng, think_s, cost_s)
    crowd.run(1500.0)
    assert late([wait for waits in crowd.waits.values() for wait in waits]) > BARS.wait_s, "many more would fit"

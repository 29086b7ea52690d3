"""Bounded pool of blocking recognisers, one worker thread each.

Takes loaded instances and jobs, gives results on the event loop. Policy: as many jobs run as there are instances;
at most `max_waiting` wait, and none that would probably wait longer than `MAX_WAIT_S`, in the order of `fairness`
(who is waited for first, calls share alike); when one too many comes the least wanted is refused at once (a caller
is better served by his keypad than by a queue); a job past its deadline raises EngineTimeout and its late result
is dropped, its instance is free again only when the library has really let go of it, which it is asked to; where
it does not let go, another instance is made in its place. Optional jobs (partials) run on idle instances only and
never wait. Under load some kinds of them are left out (`ease`). Of a job in two halves the second is not begun
when nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ivrbot.asr.fairness import FairQueue, Job, JobKind, allowed
from ivrbot.errors import EngineTimeout, EngineUnavailable
from ivrbot.model.capacity import Ease, RecogniserFigures, Wanted, wanted_var
from ivrbot.priority import MODELS, give_way

InstanceT = TypeVar("InstanceT")
HalfT = TypeVar("HalfT")
ResultT = TypeVar("ResultT")

log = logging.getLogger(__name__)

MAX_WAIT_S: Final = 2.5
"""A caller who would wait longer for his reading is asked for keys at once."""
EXPECTED_S: Final = 0.1
"""What a job is thought to take before one has ended."""
STUCK_S: Final = 5.0
"""A job that nobody waits for any more may go on for so long; then its instance counts as lost."""
MOST_REPLACED: Final = 8
"""Each takes a thread, and memory: a library that hangs so often needs its process replaced."""
CLOSE_S: Final = 10.0
LATEST_COUNTS: Final = 0.2
"""Weight of the latest job in the running figure of what jobs of its kind take."""


@dataclass(slots=True)
class Load:
    """What the pool has seen; plain numbers for metrics and benchmarks.

    Attributes:
        jobs: jobs given to an instance.
        refused: jobs refused because too many waited.
        timeouts: jobs that missed their deadline.
        last_queue_ms: time the latest job waited for an instance.
        max_queue_ms: longest such time.
        dropped_ms: sound dropped because an utterance outgrew its limit.
        replaced: instances that hung, and for which another one was made.
    """

    jobs: int = 0
    refused: int = 0
    timeouts: int = 0
    last_queue_ms: float = 0.0
    max_queue_ms: float = 0.0
    dropped_ms: int = 0
    replaced: int = 0


@dataclass(frozen=True, slots=True)
class Halves(Generic[InstanceT, HalfT, ResultT]):
    """A job that may be given up in its middle: the rest is not begun when nobody waits for it any more.

    Attributes:
        first: of an instance.
        then: of the same instance, and what the first half gave.
    """

    first: Callable[[InstanceT], HalfT]
    then: Callable[[InstanceT, HalfT], ResultT]


class WorkerPool(Generic[InstanceT]):
    """Instances and the threads that run them. All methods belong to one event loop."""

    def __init__(
        self,
        engine: str,
        max_waiting: int,
        observe_queue_s: Callable[[float], None] = lambda _: None,
        give_up: Callable[[InstanceT], None] = lambda _: None,
    ) -> None:
        """Make an empty pool.

        Args:
            engine: name for messages.
            max_waiting: jobs that may wait for an instance.
            observe_queue_s: told each job's waiting time in seconds (a histogram's `observe`).
            give_up: has what an instance is at work on fail soon, since nobody waits for it; called on the loop.
        """
        self._give_up = give_up
        self._engine = engine
        self._max_waiting = max_waiting
        self._observe_queue_s = observe_queue_s
        self._idle: list[InstanceT] = []
        self._all: list[InstanceT] = []
        self._queue = FairQueue(max_waiting)
        self._waiters: dict[Job, asyncio.Future[InstanceT]] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._make: Callable[[], InstanceT] | None = None
        self._count = 0
        self._running: dict[asyncio.Future[Any], InstanceT] = {}
        self._lost: set[asyncio.Future[Any]] = set()
        self._spare: list[InstanceT] = []
        self._expected_s: dict[JobKind, float] = {}
        self._tally = _Tally()
        self.load = Load()
        self.ease = Ease.ALL
        """How much optional work is left out now; set by who watches the load."""

    async def start(self, make: Callable[[], InstanceT], count: int) -> None:
        """Build `count` instances in worker threads.

        Raises:
            EngineUnavailable: from `make`.
        """
        # Threads are made when they are needed: more than there are instances only in place of some that hang.
        threads = count + MOST_REPLACED
        executor = ThreadPoolExecutor(threads, f"asr-{self._engine}", initializer=give_way, initargs=(MODELS,))
        self._executor, self._make, self._count = executor, make, count
        loop = asyncio.get_running_loop()
        try:
            for _ in range(count):
                # One after another: the first loads what the others share.
                self._all.append(await loop.run_in_executor(executor, make))
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
            raise
        self._idle = list(self._all)
        self._queue.max_ahead_s = MAX_WAIT_S * count

    @property
    def idle(self) -> int:
        """Instances free now."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Jobs waiting for an instance."""
        return sum(not waiter.done() for waiter in self._waiters.values())

    def allows(self, kind: JobKind) -> bool:
        """Whether jobs of this kind are made at present; readings always are."""
        return allowed(kind, self.ease)

    def take_figures(self) -> RecogniserFigures:
        """What happened since this was asked last; for one asker."""
        tally, self._tally = self._tally, _Tally()
        return RecogniserFigures(
            instances=self._count,
            asked=tally.asked,
            reads=tally.reads,
            waited_s=tally.waited_s,
            longest_wait_s=max(tally.longest_wait_s, self._queue.oldest_read_s(time.monotonic())),
            served=tally.served,
            served_s=tally.served_s,
            busy_s=tally.busy_s,
            waiting=self._queue.reads_waiting(),
        )

    async def run(
        self,
        job: Callable[[InstanceT], ResultT],
        deadline_s: float,
        *,
        kind: JobKind = JobKind.READ,
        wanted: Wanted | None = None,
    ) -> ResultT:
        """Run a job on the next free instance, in its turn.

        Args:
            job: blocking function; runs in a worker thread.
            deadline_s: seconds allowed for waiting and running together.
            kind: what it is good for.
            wanted: whose it is; None: of whom the context says, else of nobody and waited for.

        Raises:
            EngineUnavailable: not started, closed, or too many jobs wait that are wanted more.
            EngineTimeout: the deadline passed.
        """
        asked = self._asked(kind, wanted, deadline_s)
        self._tally.asked += kind is JobKind.READ
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                instance = await self._acquire(asked)
                self._note_wait(asked, time.monotonic() - started)
                return await self._run_on(instance, job, asked)
        except TimeoutError as error:
            self.load.timeouts += 1
            asked.is_late = True
            raise EngineTimeout(f"{self._engine}: no reading within {deadline_s:.1f} s") from error

    async def run_if_idle(
        self,
        job: Callable[[InstanceT], ResultT] | Halves[InstanceT, Any, ResultT],
        *,
        kind: JobKind = JobKind.PARTIAL,
        wanted: Wanted | None = None,
        deadline_s: float | None = None,
    ) -> ResultT | None:
        """Run an optional job if its kind is not left out and an instance is idle (so nobody waits); else None.

        Raises:
            EngineTimeout: the deadline passed.
        """
        if not self._idle or self._executor is None or not self.allows(kind):
            return None
        asked = self._asked(kind, wanted, deadline_s=0.0)
        self._queue.start(asked, time.monotonic())
        try:
            async with asyncio.timeout(deadline_s):
                return await self._run_on(self._idle.pop(), job, asked)
        except TimeoutError as error:
            self.load.timeouts += 1
            asked.is_late = True
            raise EngineTimeout(f"{self._engine}: no reading within {deadline_s:.1f} s") from error

    async def close(self, free: Callable[[InstanceT], None]) -> None:
        """Wait for running jobs, but not for ever, then free every instance that nothing uses. Idempotent."""
        executor, self._executor = self._executor, None
        for waiter in self._waiters.values():
            if not waiter.done():
                waiter.set_exception(EngineUnavailable(f"{self._engine} is closed"))
        if executor is None:
            return
        running = [future for future in self._running if future not in self._lost]
        if running:
            await asyncio.wait(running, timeout=CLOSE_S)
        in_use = {id(instance) for instance in self._running.values() if instance is not None}
        await asyncio.to_thread(executor.shutdown, wait=not self._running, cancel_futures=True)
        for instance in self._all:
            if id(instance) not in in_use:
                free(instance)
        for instances in (self._all, self._idle, self._spare):
            instances.clear()

    def _asked(self, kind: JobKind, wanted: Wanted | None, deadline_s: float) -> Job:
        wanted = wanted or wanted_var.get() or Wanted()
        return Job(wanted, kind, time.monotonic() + deadline_s, self._expected_s.get(kind, EXPECTED_S))

    async def _acquire(self, asked: Job) -> InstanceT:
        if self._executor is None:
            raise EngineUnavailable(f"{self._engine} is not started")
        if self._idle:
            self._queue.start(asked, time.monotonic())
            return self._idle.pop()
        waiter: asyncio.Future[InstanceT] = asyncio.get_running_loop().create_future()
        self._waiters[asked] = waiter
        try:
            self._refuse(self._queue.add(asked, time.monotonic()))
            return await waiter
        except asyncio.CancelledError:
            # The instance may have been handed over in the very moment of the cancellation.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._queue.finish(asked)
                self._release(waiter.result())
            raise
        finally:
            self._queue.remove(asked)
            del self._waiters[asked]

    def _refuse(self, job: Job | None) -> None:
        """Tell the one that had no room."""
        if job is None:
            return
        self.load.refused += 1
        waiter = self._waiters[job]
        if not waiter.done():
            waiter.set_exception(
                EngineUnavailable(f"{self._engine} is overloaded: too many readings wait already")
            )

    async def _run_on(
        self,
        instance: InstanceT,
        job: Callable[[InstanceT], ResultT] | Halves[InstanceT, Any, ResultT],
        asked: Job,
    ) -> ResultT:
        self.load.jobs += 1
        if not isinstance(job, Halves):
            return await self._run_part(instance, job, asked)
        half, then = await self._run_part(instance, job.first, asked, goes_on=True), job.then
        return await self._run_part(instance, lambda instance: then(instance, half), asked)

    async def _run_part(
        self, instance: InstanceT, part: Callable[[InstanceT], ResultT], asked: Job, *, goes_on: bool = False
    ) -> ResultT:
        """Run a job, or half of one: with `goes_on` the instance is kept for the rest if somebody still waits."""

        def timed(instance: InstanceT) -> ResultT:
            began_s = time.monotonic()
            try:
                return part(instance)
            finally:
                asked.used_s += time.monotonic() - began_s

        if self._executor is None:
            self._queue.finish(asked)
            raise EngineUnavailable(f"{self._engine} is closed")
        future = asyncio.get_running_loop().run_in_executor(self._executor, timed, instance)
        self._running[future] = instance
        hold = _Hold(is_half=goes_on, wanted=goes_on)
        future.add_done_callback(lambda done: self._part_done(instance, done, asked, hold))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            hold.wanted = False
            if hold.is_held:
                self._job_done(instance, asked, whole=False)
            elif not future.done():
                self._give_up(instance)
            raise
        finally:
            if not future.done():
                timer = asyncio.get_running_loop().call_later(STUCK_S, self._replace, future)
                future.add_done_callback(lambda _: timer.cancel())  # or it would keep the result

    def _replace(self, future: asyncio.Future[Any]) -> None:
        """A job that nobody waits for has had its time: put another instance in the place of the one it holds."""
        if future.done() or self._executor is None or self._make is None:
            return
        if len(self._lost) >= MOST_REPLACED:
            log.error("%s hangs again and again; no more instances are made", self._engine)
            return
        log.error("%s hangs: another instance takes over", self._engine)
        self._lost.add(future)
        self.load.replaced += 1
        if self._spare:
            self._release(self._spare.pop())
            return
        asyncio.get_running_loop().run_in_executor(self._executor, self._make).add_done_callback(self._replaced)

    def _replaced(self, made: asyncio.Future[InstanceT]) -> None:
        if made.cancelled():
            return
        if (error := made.exception()) is not None:
            log.error("%s could not be loaded again: %s", self._engine, error)
        elif self._executor is not None:
            self._all.append(made.result())
            self._release(made.result())

    def _part_done(self, instance: InstanceT, done: asyncio.Future[Any], asked: Job, hold: _Hold) -> None:
        del self._running[done]
        # Asking marks the error of a dropped late result as seen.
        failed = done.cancelled() or done.exception() is not None
        if done in self._lost:
            # How long the library hung is no measure of readings, and nobody's share.
            asked.used_s = asked.expected_s
            self._queue.finish(asked)
            # Its place is taken: it waits until another one hangs.
            self._lost.discard(done)
            self._spare.append(instance)
        elif hold.wanted and not failed:
            hold.is_held = True
        else:
            self._job_done(instance, asked, whole=not hold.is_half and (asked.is_late or not failed))

    def _job_done(self, instance: InstanceT, asked: Job, *, whole: bool) -> None:
        """Free the instance; what half a job took, or a failed one, is paid for, but is no measure of jobs."""
        self._tally.note(asked, whole=whole)
        if whole:
            before_s = self._expected_s.get(asked.kind, asked.used_s)
            self._expected_s[asked.kind] = before_s + LATEST_COUNTS * (asked.used_s - before_s)
        self._queue.finish(asked)
        self._release(instance)

    def _release(self, instance: InstanceT) -> None:
        while (asked := self._queue.pick(time.monotonic())) is not None:
            waiter = self._waiters[asked]
            if not waiter.done():
                waiter.set_result(instance)
                return
            self._queue.finish(asked)
        self._idle.append(instance)

    def _note_wait(self, asked: Job, seconds: float) -> None:
        self.load.last_queue_ms = seconds * 1000.0
        self.load.max_queue_ms = max(self.load.max_queue_ms, self.load.last_queue_ms)
        self._tally.note_wait(asked, seconds)
        self._observe_queue_s(seconds)


@dataclass(slots=True)
class _Hold:
    """Of an instance between the halves of a job.

    Attributes:
        is_half: a second half is to come.
        wanted: and somebody waits for it.
        is_held: the first half is done, the instance kept.
    """

    is_half: bool
    wanted: bool
    is_held: bool = False


@dataclass(slots=True)
class _Tally:
    """Since the figures were taken last; see `RecogniserFigures`."""

    asked: int = 0
    reads: int = 0
    waited_s: float = 0.0
    longest_wait_s: float = 0.0
    served: int = 0
    served_s: float = 0.0
    busy_s: float = 0.0

    def note_wait(self, asked: Job, seconds: float) -> None:
        if asked.kind is JobKind.READ:
            self.reads += 1
            self.waited_s += seconds
            self.longest_wait_s = max(self.longest_wait_s, seconds)

    def note(self, asked: Job, *, whole: bool) -> None:
        self.busy_s += asked.used_s
        if whole and asked.kind in (JobKind.READ, JobKind.DIP):
            self.served += 1
            self.served_s += asked.used_s

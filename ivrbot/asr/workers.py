"""Bounded pool of blocking recognisers, one worker thread each.

Takes loaded instances and jobs, gives results on the event loop. Policy: as many jobs run as there are instances;
at most `max_waiting` wait, the next is refused at once (a caller is better served by his keypad than by a queue);
a job past its deadline raises EngineTimeout and its late result is dropped, its instance is free again only when
the library has really let go of it. Optional jobs (partials) run on idle instances only and never wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from ivrbot.errors import EngineTimeout, EngineUnavailable
from ivrbot.priority import MODELS, give_way

InstanceT = TypeVar("InstanceT")
ResultT = TypeVar("ResultT")


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
    """

    jobs: int = 0
    refused: int = 0
    timeouts: int = 0
    last_queue_ms: float = 0.0
    max_queue_ms: float = 0.0
    dropped_ms: int = 0


class WorkerPool(Generic[InstanceT]):
    """Instances and the threads that run them. All methods belong to one event loop."""

    def __init__(
        self, engine: str, max_waiting: int, observe_queue_s: Callable[[float], None] = lambda _: None
    ) -> None:
        """Make an empty pool.

        Args:
            engine: name for messages.
            max_waiting: jobs that may wait for an instance.
            observe_queue_s: told each job's waiting time in seconds (a histogram's `observe`).
        """
        self._engine = engine
        self._max_waiting = max_waiting
        self._observe_queue_s = observe_queue_s
        self._idle: list[InstanceT] = []
        self._all: list[InstanceT] = []
        self._waiters: deque[asyncio.Future[InstanceT]] = deque()
        self._executor: ThreadPoolExecutor | None = None
        self.load = Load()

    async def start(self, make: Callable[[], InstanceT], count: int) -> None:
        """Build `count` instances in worker threads.

        Raises:
            EngineUnavailable: from `make`.
        """
        executor = ThreadPoolExecutor(count, f"asr-{self._engine}", initializer=give_way, initargs=(MODELS,))
        self._executor = executor
        loop = asyncio.get_running_loop()
        try:
            for _ in range(count):
                # One after another: instances tell their library threads apart by what is new.
                self._all.append(await loop.run_in_executor(executor, make))
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
            raise
        self._idle = list(self._all)

    @property
    def idle(self) -> int:
        """Instances free now."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Jobs waiting for an instance."""
        return sum(not waiter.done() for waiter in self._waiters)

    async def run(self, job: Callable[[InstanceT], ResultT], deadline_s: float) -> ResultT:
        """Run a job on the next free instance.

        Args:
            job: blocking function; runs in a worker thread.
            deadline_s: seconds allowed for waiting and running together.

        Raises:
            EngineUnavailable: not started, closed, or too many jobs wait already.
            EngineTimeout: the deadline passed.
        """
        started = time.monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                instance = await self._acquire()
                self._note_wait(time.monotonic() - started)
                return await self._run_on(instance, job)
        except TimeoutError as error:
            self.load.timeouts += 1
            raise EngineTimeout(f"{self._engine}: no reading within {deadline_s:.1f} s") from error

    async def run_if_idle(self, job: Callable[[InstanceT], ResultT]) -> ResultT | None:
        """Run an optional job if an instance is idle and nobody waits; else None at once."""
        if not self._idle or self._executor is None:
            return None
        return await self._run_on(self._idle.pop(), job)

    async def close(self, free: Callable[[InstanceT], None]) -> None:
        """Wait for running jobs, then free every instance. Idempotent."""
        executor, self._executor = self._executor, None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(EngineUnavailable(f"{self._engine} is closed"))
        self._waiters.clear()
        if executor is None:
            return
        await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)
        for instance in self._all:
            free(instance)
        self._all.clear()
        self._idle.clear()

    async def _acquire(self) -> InstanceT:
        if self._executor is None:
            raise EngineUnavailable(f"{self._engine} is not started")
        if self._idle:
            return self._idle.pop()
        if self.waiting >= self._max_waiting:
            self.load.refused += 1
            raise EngineUnavailable(f"{self._engine} is overloaded: {self._max_waiting} readings wait already")
        waiter: asyncio.Future[InstanceT] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # The instance may have been handed over in the very moment of the cancellation.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._release(waiter.result())
            raise

    async def _run_on(self, instance: InstanceT, job: Callable[[InstanceT], ResultT]) -> ResultT:
        if self._executor is None:
            raise EngineUnavailable(f"{self._engine} is closed")
        self.load.jobs += 1
        future = asyncio.get_running_loop().run_in_executor(self._executor, job, instance)
        future.add_done_callback(lambda done: self._job_done(instance, done))
        return await asyncio.shield(future)

    def _job_done(self, instance: InstanceT, done: asyncio.Future[ResultT]) -> None:
        if not done.cancelled():
            # Marks the error of a dropped late result as seen.
            done.exception()
        self._release(instance)

    def _release(self, instance: InstanceT) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(instance)
                return
        self._idle.append(instance)

    def _note_wait(self, seconds: float) -> None:
        self.load.last_queue_ms = seconds * 1000.0
        self.load.max_queue_ms = max(self.load.max_queue_ms, self.load.last_queue_ms)
        self._observe_queue_s(seconds)

"""The process's own state as metrics, looked at once a second: event loop, queues, database, calls.

Takes a recorder and what the calls say of themselves, sets gauges. It measures the loop by sleeping on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from ivrbot import metrics

EVERY_S: Final = 1.0


class Recording(Protocol):
    """What is read of the recorder."""

    @property
    def storing(self) -> bool:
        """Whether the last group went into the store."""
        ...

    @property
    def waiting(self) -> int:
        """Events that are on no disk yet."""
        ...

    def journal_bytes(self) -> int:
        """Size of the journal, 0 without one."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How a process stands with its calls."""

    live: int
    expected: int
    ready: bool


class Vitals:
    """Looks and measures.

    Args:
        recorder: writes events.
        standing: of the calls.
        clock: seconds, the event loop's.
        sleep: waits; replaced in tests.
    """

    def __init__(
        self,
        recorder: Recording,
        standing: Callable[[], Standing],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._recorder = recorder
        self._standing = standing
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Look for as long as the process lives; ends only by being cancelled."""
        while True:
            self.look()
            metrics.TASKS.set(len(asyncio.all_tasks()))
            began_s = self._clock()
            await self._sleep(EVERY_S)
            metrics.LOOP_LAG_S.observe(max(0.0, self._clock() - began_s - EVERY_S))

    def look(self) -> None:
        """Set every gauge."""
        standing = self._standing()
        metrics.CALLS_ACTIVE.set(standing.live)
        metrics.CALLS_EXPECTED.set(standing.expected)
        metrics.READY.set(standing.ready)
        metrics.DATABASE_UP.set(self._recorder.storing)
        metrics.EVENTS_WAITING.set(self._recorder.waiting)
        metrics.JOURNAL_BYTES.set(self._recorder.journal_bytes())

"""A clock that jumps to the next timer when nobody has anything to do; importing this gives it to the process.

Import it before the product: `time.monotonic` is a default argument in places. Sockets are real; while work is
done, in the event loop or in a thread (the database), the clock stands still, so a busy machine makes the run
longer and calls no worse.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from concurrent.futures import Future
from typing import Any, Final
from weakref import WeakKeyDictionary

LONGEST_WORK_S: Final = 10.0
"""Real seconds for which the clock waits for a thread."""
_LOOK_S: Final = 0.002
real_s = time.monotonic
_Ready = list[tuple[selectors.SelectorKey, int]]


class Clock:
    """Seconds since some moment."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        """As `time.monotonic`."""
        return self.now_s


CLOCK: Final = Clock()
time.monotonic = CLOCK.monotonic
_begun: WeakKeyDictionary[Future[Any], float] = WeakKeyDictionary()
_new_future = Future.__init__


def _noted(self: Future[Any]) -> None:
    _new_future(self)
    _begun[self] = real_s()


Future.__init__ = _noted  # type: ignore[method-assign]


def _is_work_under_way() -> bool:
    """Whether a thread still has something that was asked of it."""
    for future in [future for future in tuple(_begun) if future.done()]:
        del _begun[future]
    return any(real_s() - began_s < LONGEST_WORK_S for began_s in tuple(_begun.values()))


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop on the simulated clock."""

    def __init__(self) -> None:
        super().__init__(_JumpingTime())

    def time(self) -> float:
        return CLOCK.now_s


class _JumpingTime(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> _Ready:
        if timeout is None:
            return super().select(None)
        ready: _Ready = super().select(0)
        if ready or timeout <= 0:
            return ready
        if _is_work_under_way():
            return super().select(_LOOK_S)
        CLOCK.now_s += timeout
        return ready

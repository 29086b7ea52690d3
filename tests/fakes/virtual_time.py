"""An event loop whose clock jumps to the next timer instead of waiting; for code that needs no real I/O."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time passes only by timers and by `stall`."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        return self.now_s

    def stall(self, seconds: float) -> None:
        """What a long computation in a callback does to the clock."""
        self.now_s += seconds

    def _jump(self, seconds: float) -> None:
        self.now_s += seconds


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen any more: no timer, no I/O in virtual time")
        ready = super().select(0)
        if not ready and timeout > 0:
            self._jump(timeout)
        return ready


def run_virtual(main: Callable[[VirtualTimeLoop], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualTimeLoop()
    try:
        loop.run_until_complete(main(loop))
    finally:
        loop.close()

"""Waiting for something that another process does, where nothing can be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

POLL_S = 0.05


async def until(condition: Callable[[], bool], timeout_s: float) -> None:
    """Look again and again until the condition holds.

    Raises:
        TimeoutError: it did not within the time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not condition():
        if loop.time() > deadline:
            raise TimeoutError(f"did not happen within {timeout_s} s")
        await asyncio.sleep(POLL_S)

"""Waiting for something that real I/O brings about, instead of sleeping for a guess."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], *, deadline_s: float = 10.0) -> None:
    """Return as soon as the condition holds; TimeoutError after the deadline."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - the condition is anything, it has no event
            await asyncio.sleep(0.002)

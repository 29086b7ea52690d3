"""Waiting for something that another process does, where nothing can be awaited; and promises of time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

POLL_S = 0.05
ATTEMPTS = 3

Arguments = ParamSpec("Arguments")


class Late(AssertionError):
    """What was promised came, but not within its time, or a test's own telephone kept no time."""


def in_time(took_s: float, within_s: float, what: str = "the operator's ring") -> None:
    """Check a promise of time.

    Raises:
        Late: it took longer.
    """
    if took_s > within_s:
        raise Late(f"{what}: {took_s:.2f} s instead of {within_s:.2f} s")


def again_if_late(
    test: Callable[Arguments, Coroutine[Any, Any, None]],
) -> Callable[Arguments, Coroutine[Any, Any, None]]:
    """Run a test again from its beginning, up to twice, that was `Late`; nothing else is forgiven.

    A disk or a processor that others use too makes one call late; what is late by itself is late each time.
    """

    @functools.wraps(test)
    async def repeated(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        for _ in range(ATTEMPTS - 1):
            try:
                await test(*args, **kwargs)
            except Late as late:
                print(f"\nagain, for it was late: {late}")
            else:
                return
        await test(*args, **kwargs)

    return repeated


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

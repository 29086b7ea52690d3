"""Promises of time in the integration tests: only lateness is forgiven, and only twice."""

from __future__ import annotations

import pytest

from tests.integration.asterisk.wait import ATTEMPTS, Late, again_if_late, in_time


async def tried(*took_s: float) -> int:
    """Calls that take so long, one a try, against a promise of a second; gives how many tries there were."""
    left = list(took_s)

    @again_if_late
    async def test() -> None:
        in_time(left.pop(0), 1.0)

    await test()
    return len(took_s) - len(left)


@pytest.mark.parametrize(("took_s", "tries"), [((1.0, 0.0), 1), ((1.1, 1.0, 0.0), 2), ((9.0, 1.1, 0.5), 3)])
async def test_a_call_that_was_late_is_placed_again(took_s: tuple[float, ...], tries: int) -> None:
    assert await tried(*took_s) == tries


async def test_what_is_late_each_time_fails() -> None:
    with pytest.raises(Late, match=r"1\.01 s instead of 1\.00 s"):
        await tried(*[1.01] * ATTEMPTS, 0.0)


@pytest.mark.parametrize("kind", [AssertionError, TimeoutError])
async def test_nothing_else_is_forgiven(kind: type[Exception]) -> None:
    tries = 0

    @again_if_late
    async def test() -> None:
        nonlocal tries
        tries += 1
        raise kind("wrong")

    with pytest.raises(kind):
        await test()
    assert tries == 1

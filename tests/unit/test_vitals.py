"""The process's state as metrics."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from ivrbot.analytics.vitals import EVERY_S, Standing, Vitals
from ivrbot.metrics import REGISTRY


@dataclass
class Recording:
    storing: bool = True
    waiting: int = 3

    def journal_bytes(self) -> int:
        return 4096


def shown(name: str) -> float:
    value = REGISTRY.get_sample_value(f"ivrbot_{name}")
    assert value is not None
    return value


def test_every_gauge_is_set() -> None:
    Vitals(Recording(), lambda: Standing(2, 1, True), clock=lambda: 0.0).look()
    names = ("calls_active", "calls_expected", "ready", "database_up", "events_waiting", "journal_bytes")
    assert [shown(name) for name in names] == [2, 1, 1, 1, 3, 4096]
    Vitals(Recording(storing=False), lambda: Standing(0, 0, False), clock=lambda: 0.0).look()
    assert [shown(name) for name in names[2:4]] == [0, 0]


async def test_a_loop_that_comes_back_late_is_measured() -> None:
    now_s = 0.0
    rounds = 0

    async def late(seconds: float) -> None:
        nonlocal now_s, rounds
        rounds += 1
        now_s += seconds + 0.3
        if rounds == 3:
            raise asyncio.CancelledError

    before = shown("loop_lag_seconds_sum")
    with pytest.raises(asyncio.CancelledError):
        await Vitals(Recording(), lambda: Standing(0, 0, True), clock=lambda: now_s, sleep=late).run()
    assert shown("loop_lag_seconds_sum") - before == pytest.approx(0.6)
    assert EVERY_S == 1.0

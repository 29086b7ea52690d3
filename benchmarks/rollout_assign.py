"""Cost of one assignment, and of one stored exposure. Run: python -m benchmarks.rollout_assign

Goal: assign() at most 100 us. Last result (two cores shared with other jobs, Python 3.11, SQLite 3.40, WAL, FULL):

    assign: 11.1 us (goal 100); normalise_caller: 36 us
    route_call alone: p50 3.1 ms, p95 18.6 ms
    route_call, 50 at once: p50 125.9 ms, max 131.3 ms
    events in groups of 50: 9828/s, 0.040 CPU ms each
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.experiment import BranchState
from ivrbot.rollout.drawing.assignment import assign, normalise_caller
from ivrbot.rollout.drawing.routing import route_call
from ivrbot.rollout.governing.control import adopt
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.store import Store

ROOT = Path(__file__).parent.parent
BRANCHES = {"block_card", "balance", "disputes", "loans", "deposits", "other"}
KEY = b"benchmark"
NOW = datetime(2026, 9, 1, tzinfo=UTC)


def pure(plan: Plan, count: int = 20_000) -> tuple[float, float]:
    """us per assign() and per normalise_caller()."""
    state = BranchState("balance", "tenth", 0.1, 0.0)
    callers = [f"+7916{number:07d}" for number in range(count)]
    began = time.process_time()
    for caller in callers:
        assign(plan, state, "balance", caller=caller, call_id="c", caller_key=KEY)
    drawn = time.process_time()
    for caller in callers[:2_000]:
        normalise_caller("8" + caller[2:])
    return (drawn - began) / count * 1e6, (time.process_time() - drawn) / 2_000 * 1e6


async def stored(plan: Plan, folder: Path) -> None:
    """Latency of routing with a stored exposure, alone and 50 at once; throughput of events."""
    async with Store(folder / "bench.db") as store:
        await adopt(plan, store, "bench", NOW)

        async def one(number: int) -> float:
            began = time.perf_counter()
            caller = f"+7916{number:07d}"
            await route_call(
                plan, store, "balance", caller=caller, call_id=CallId(f"c{number}"), caller_key=KEY, at=NOW
            )
            return (time.perf_counter() - began) * 1e3

        alone = sorted([await one(number) for number in range(100)])
        together = sorted(await asyncio.gather(*(one(number) for number in range(1_000, 1_050))))
        print(f"route_call alone: p50 {alone[50]:.1f} ms, p95 {alone[95]:.1f} ms")
        print(f"route_call, 50 at once: p50 {together[25]:.1f} ms, max {together[-1]:.1f} ms")
        groups = [
            [
                CallEvent(CallId(f"e{group}"), seq, EventType.BOT_SAID, seq, NOW, {"text": "слово"})
                for seq in range(50)
            ]
            for group in range(200)
        ]
        began, cpu = time.perf_counter(), time.process_time()
        for group in groups:
            await store.append(group)
        took = time.perf_counter() - began
        print(f"events in groups of 50: {10_000 / took:.0f}/s, {(time.process_time() - cpu) / 10:.3f} CPU ms each")


def main() -> None:
    plan = load_plan(ROOT / "deploy" / "demo-rollout.yaml", BRANCHES)
    drawn_us, normalised_us = pure(plan)
    print(f"assign: {drawn_us:.1f} us (goal 100); normalise_caller: {normalised_us:.0f} us")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(stored(plan, Path(folder)))


if __name__ == "__main__":
    main()

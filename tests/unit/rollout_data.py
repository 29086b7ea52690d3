"""Synthetic exposures with a known truth, as the rows of `rollout analyze`; seeded."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ivrbot.rollout.planning.plan import BranchPlan, Guardrail, Plan, Primary, Stage

START = datetime(2026, 3, 2, tzinfo=UTC)
LADDER = (
    Stage("shadow", 0.0, 3, 0, 0.85, 0.0),
    Stage("tenth", 0.1, 7, 300, 0.0, 0.0),
    Stage("fifth", 0.2, 7, 300, 0.0, 0.0),
    Stage("half", 0.5, 7, 300, 0.0, 0.0),
    Stage("full", 1.0, 14, 300, 0.0, 0.05),
)
HEADER = ("call_id", "started_at", "branch", "stage", "unit", "arm", "propensity")
KPIS = ("true_resolution", "time_to_solution_s", "abandonment_mid_task", "failed_transfer", "engine_failure")


def branch_plan(name: str = "balance", **changes: object) -> BranchPlan:
    plan = BranchPlan(
        name=name,
        start="shadow",
        after="",
        stages=LADDER,
        primary=(Primary("true_resolution", 0.05), Primary("time_to_solution_s", 20.0)),
        guardrails=(
            Guardrail("abandonment_mid_task", 0.02, None),
            Guardrail("failed_transfer", 0.005, None),
            Guardrail("engine_failure", None, 0.005),
        ),
        alpha=0.05,
        t_opt=10_000,
        repeat_window_days=7,
        approval="manual",
        max_concurrent_bot_calls=50,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def plan_of(*branches: BranchPlan) -> Plan:
    return Plan(
        goal="no worse than operators",
        salt="s",
        timezone="UTC",
        overrides={},
        branches={branch.name: branch for branch in branches},
        max_concurrent_bot_calls=50,
        revision="r" * 16,
    )


@dataclass(frozen=True)
class World:
    """What is true of a branch.

    Attributes:
        steps: rungs with their days, in order of time.
        base: resolution rate with operators on a day.
        effect: bot - operators, of the resolution rate.
        repeats: share of calls by callers who rang before.
        wrong_arm: share of the bot's callers who silently land with operators (and are logged so).
    """

    seed: int = 1
    branch: str = "balance"
    per_day: int = 1000
    steps: Sequence[tuple[str, int]] = (("tenth", 14),)
    base: Callable[[float], float] = field(default=lambda _day: 0.75)
    effect: float = 0.0
    abandoned: tuple[float, float] = (0.04, 0.04)
    engine_failures: float = 0.001
    repeats: float = 0.0
    wrong_arm: float = 0.0

    @property
    def end(self) -> datetime:
        return START + timedelta(days=sum(days for _, days in self.steps))


Row = dict[str, str]


def rows_of(world: World) -> list[Row]:
    """One row per call, sticky by caller, in order of time."""
    rng = np.random.default_rng(world.seed)
    bounds = {stage.name: stage.bound for stage in LADDER}
    stages = [stage for stage, days in world.steps for _ in range(days * world.per_day)]
    count = len(stages)
    seconds = np.sort(rng.integers(8 * 3600, 22 * 3600, (count // world.per_day, world.per_day)), axis=1)
    units = _units(rng, count, world.repeats)
    share = np.array([bounds[stage] for stage in stages])
    bot = (rng.random(count)[units] < share) & (rng.random(count) >= world.wrong_arm)
    days = np.arange(count) // world.per_day
    base = np.array([world.base(float(day)) for day in range(int(days[-1]) + 1)])
    solved = rng.random(count) < base[days] + world.effect * bot
    took_s = rng.gamma(4.0, 50.0, count)
    abandoned = rng.random(count) < np.where(bot, world.abandoned[1], world.abandoned[0])
    transfers = rng.random(count) < 0.002
    failures = rng.random(count) < world.engine_failures
    times = [START + timedelta(days=day, seconds=s) for day, of_day in enumerate(seconds.tolist()) for s in of_day]
    return [
        {
            "call_id": f"{world.branch}-{at}",
            "started_at": times[at].isoformat(),
            "branch": world.branch,
            "stage": stages[at],
            "unit": f"u{units[at]}",
            "arm": "treatment" if bot[at] else "control",
            "propensity": str(bounds[stages[at]]),
            "true_resolution": "1" if solved[at] else "0",
            "time_to_solution_s": f"{took_s[at]:.1f}",
            "abandonment_mid_task": "1" if abandoned[at] else "0",
            "failed_transfer": "1" if transfers[at] else "0",
            "engine_failure": "" if not bot[at] else "1" if failures[at] else "0",
        }
        for at in range(count)
    ]


def _units(rng: np.random.Generator, count: int, repeats: float) -> NDArray[np.int64]:
    """Number of each call's caller: a new one, or any who rang before."""
    again = rng.random(count) < repeats
    again[0] = False
    units = np.cumsum(~again) - 1
    earlier = (rng.random(count) * (units + 1)).astype(np.int64)
    return np.where(again, earlier, units)


def lines_of(rows: Sequence[Row], columns: Sequence[str] = (*HEADER, *KPIS)) -> list[str]:
    """CSV lines."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().splitlines(keepends=True)

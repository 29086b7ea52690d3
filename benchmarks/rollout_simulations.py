"""What the rollout's statistics promise, simulated. Run: python -m benchmarks.rollout_simulations [--runs 2000]

Whole rollouts go through the controller's own evidence and decisions (`rollout.forecasting.simulation`); beside
them, on the same callers, what averages with a z-test and a pooled sequence would have claimed. `--only` picks
rows by name. The tests in tests/stats run the same scenarios with fewer runs. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from benchmarks.naive_methods import Prefixes, pooled_difference, prefixes
from ivrbot.model.evidence import Step
from ivrbot.rollout.forecasting.simulation import Run, simulate_run
from ivrbot.rollout.forecasting.synthetic import (
    DAY_US,
    RESOLUTION,
    TIME,
    World,
    contacts,
    first_contacts,
    unit_rows,
)
from ivrbot.rollout.planning.plan import BranchPlan, build_plan
from ivrbot.rollout.planning.schema import (
    BranchFile,
    DefaultsFile,
    GuardrailFile,
    PlanFile,
    PrimaryFile,
    StageFile,
)
from ivrbot.stats.sequences import one_sided_half_width, two_sided_half_width

CONFIDENCE = 0.99
MIN_CALLERS = 300
ALPHA, T_OPT = 0.05, 10_000
Z_90, Z_95 = 1.644854, 1.959964
METHODS = ("z-test", "pooled sequence", "weighted sequence")

LADDER = [
    StageFile(name="tenth", share=0.1, min_days=7, min_callers=MIN_CALLERS),
    StageFile(name="fifth", share=0.2, min_days=7, min_callers=MIN_CALLERS),
    StageFile(name="half", share=0.5, min_days=7, min_callers=MIN_CALLERS),
    StageFile(name="full", share=1.0, min_days=14, min_callers=MIN_CALLERS, holdback=0.05),
]
CALENDAR = [(0, 0, 0.1), (14 * DAY_US, 1, 0.2), (28 * DAY_US, 2, 0.5)]
"""The share grows whatever the evidence says, as people do who compare averages."""
CALENDAR_DAYS = 42

GUARDED = (
    GuardrailFile(kpi="abandonment_mid_task", limit=0.02),
    GuardrailFile(kpi="failed_transfer", limit=0.005),
    GuardrailFile(kpi="engine_failure", level=0.005),
)


def resolution(margin: float) -> PrimaryFile:
    """True resolution with a margin."""
    return PrimaryFile(kpi=RESOLUTION, margin=margin)


def branch(
    primary: Sequence[PrimaryFile], guardrails: Sequence[GuardrailFile] = (), start: str = "tenth"
) -> BranchPlan:
    """The documented ladder without shadow, from a rung on."""
    defaults = DefaultsFile(stages=LADDER, primary=list(primary), guardrails=list(guardrails))
    file = PlanFile(goal="simulated", salt="s", defaults=defaults, branches={"balance": BranchFile(start=start)})
    return build_plan(file).branches["balance"]


def limits(count: int, runs: int) -> tuple[float, float]:
    """One-sided 99 % limits of a rate, lower and upper (Clopper and Pearson 1934)."""
    low = float(beta.ppf(1 - CONFIDENCE, count, runs - count + 1)) if count else 0.0
    high = float(beta.ppf(CONFIDENCE, count + 1, runs - count)) if count < runs else 1.0
    return low, high


@dataclass(frozen=True, slots=True)
class Result:
    """How often something happened, and what was promised.

    Attributes:
        bound: at most this rate (or at least, when `at_least`).
        beside: rates of other methods on the same callers.
    """

    name: str
    count: int
    runs: int
    bound: float
    at_least: bool = False
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """False when the promise is broken beyond chance: the 99 % limit of the estimate lies beyond the bound."""
        low, high = limits(self.count, self.runs)
        return high >= self.bound if self.at_least else low <= self.bound


# --- whole rollouts --------------------------------------------------------------------------------------


def promoted(run: Run) -> bool:
    """A step up that rested on a comparison."""
    return run.promoted_day is not None


def rolled_back(run: Run) -> bool:
    """Back to the operators."""
    return run.rolled_back_day is not None


def promoted_beyond(units: int) -> Callable[[Run], bool]:
    """A step up when so many first exposures should have shown the fault."""
    return lambda run: any(event.step is not Step.ROLL_BACK and event.units > units for event in run.events)


def left_first_rung(run: Run) -> bool:
    """From the rung where it began to the next."""
    return any(event.step is Step.ADVANCE for event in run.events)


@dataclass(frozen=True, slots=True)
class Rollout:
    """Rollouts of one kind: what is counted, and how often that may (or must) be.

    Attributes:
        claim: what other methods claim on the same callers while the share grows by the calendar: "no worse",
            "worse", or "" for none.
    """

    name: str
    branch: BranchPlan
    world: World
    days: int
    outcome: Callable[[Run], bool]
    bound: float
    at_least: bool = False
    claim: str = ""

    def result(self, runs: int, seed: int = 0) -> Result:
        """Simulate."""
        found = [simulate_run(self.branch, self.world, self.days, rng(seed, number)) for number in range(runs)]
        beside: dict[str, float] = {}
        if self.claim:
            margin = self.branch.primary[0].margin
            claims = [calendar_claims(self.world, margin, self.claim, rng(seed, number)) for number in range(runs)]
            beside = {name: sum(claim[name] for claim in claims) / runs for name in METHODS}
        count = sum(self.outcome(run) for run in found)
        return Result(self.name, count, runs, self.bound, self.at_least, beside)


def rng(seed: int, number: int) -> np.random.Generator:
    """Randomness of one run."""
    return np.random.default_rng([seed, number])


def with_repeats(world: World) -> World:
    """Callers ring 1.5 times on average; a fifth of them has a task that fails more often each time."""
    return replace(world, contacts_per_caller=1.5, hard_share=0.2, hard_drop=0.3)


def at_margin(base: float, drift_per_day: float, calls: float = 500, margin: float = 0.03) -> World:
    """A bot exactly at the margin, amid drift, repeat callers and bad days."""
    return with_repeats(
        World(calls, base, -margin, drift_per_day=drift_per_day, bad_day_share=0.1, bad_day_drop=0.08)
    )


def equal(base: float, drift_per_day: float, calls: float = 500) -> World:
    """A bot that is like the operators, amid the same."""
    return with_repeats(World(calls, base, drift_per_day=drift_per_day, bad_day_share=0.1, bad_day_drop=0.08))


_BOTH = (resolution(0.03), PrimaryFile(kpi=TIME, margin=20.0))

ROLLOUTS = (
    Rollout(
        "false promotion, base rising .68 to .80",
        branch([resolution(0.03)]),
        at_margin(0.68, 0.001),
        120,
        promoted,
        0.05,
        claim="no worse",
    ),
    Rollout(
        "false promotion, base falling .80 to .68",
        branch([resolution(0.03)]),
        at_margin(0.80, -0.001),
        120,
        promoted,
        0.05,
        claim="no worse",
    ),
    Rollout(
        "false promotion, margin 5 points, 1,500 calls a day",
        branch([resolution(0.05)]),
        at_margin(0.68, 0.001, 1_500, 0.05),
        120,
        promoted,
        0.05,
        claim="no worse",
    ),
    Rollout(
        "false rollback, base falling .80 to .68",
        branch(_BOTH, GUARDED),
        equal(0.80, -0.001),
        120,
        rolled_back,
        0.05,
        claim="worse",
    ),
    Rollout(
        "false rollback, stable base, 1,500 calls a day",
        branch(_BOTH, GUARDED),
        equal(0.74, 0.0, 1_500),
        120,
        rolled_back,
        0.05,
        claim="worse",
    ),
    Rollout(
        "power: 10 to 20 % within 30 days, 1,500 callers a day, margin 5 points",
        branch([resolution(0.05)], GUARDED),
        World(1_500, 0.72),
        30,
        left_first_rung,
        0.80,
        at_least=True,
    ),
    Rollout(
        "promoted with a routing fault of 2 points, 10 %, beyond 10,000 first exposures",
        branch([resolution(0.05)]),
        World(1_500, 0.72, routing_fault=-0.02),
        60,
        promoted_beyond(10_000),
        0.05,
    ),
    Rollout(
        "promoted with a routing fault of 2 points, 20 %, beyond 20,000 first exposures",
        branch([resolution(0.03)], start="fifth"),
        World(1_500, 0.72, routing_fault=0.02),
        60,
        promoted_beyond(20_000),
        0.05,
    ),
    Rollout(
        "promoted with a routing fault of 2 points, 50 %, beyond 20,000 first exposures",
        branch([resolution(0.03)], start="half"),
        World(1_500, 0.72, routing_fault=-0.02),
        60,
        promoted_beyond(20_000),
        0.05,
    ),
)


# --- the same callers, compared otherwise ----------------------------------------------------------------


def calendar_claims(world: World, margin: float, claim: str, generator: np.random.Generator) -> Mapping[str, bool]:
    """Whether each method makes a claim on any evening while the share grows by the calendar.

    Args:
        world: the truth.
        margin: of true resolution.
        claim: "no worse" (the lower bound lies above -margin) or "worse" (the upper one below zero).
        generator: seeded.
    """
    sums = calendar_sums(world, RESOLUTION, generator, np.arange(1, CALENDAR_DAYS + 1) * DAY_US)
    pooled, square = pooled_difference(sums)
    widths = (
        (pooled, Z_90 * np.sqrt(square)),
        (pooled, one_sided_half_width(sums.n, np.nan_to_num(square * sums.n), ALPHA, T_OPT)),
        (sums.mean_phi, one_sided_half_width(sums.n, sums.variance_phi, ALPHA, T_OPT)),
    )
    enough = sums.enough(MIN_CALLERS)
    found = {}
    for name, (mean, width) in zip(METHODS, widths, strict=True):
        claims = mean - width > -margin if claim == "no worse" else mean + width < 0
        found[name] = bool(np.any(claims & enough))
    return found


def calendar_sums(
    world: World, kpi: str, generator: np.random.Generator, until_us: NDArray[np.int64] | None = None
) -> Prefixes:
    """Sums over callers while the share grows by the calendar: at moments, or after every caller."""
    every = contacts(world, CALENDAR_DAYS, (RESOLUTION, kpi), generator)
    rows = first_contacts(every, 0)
    seen = unit_rows(world, rows, ("tenth", "fifth", "half"), CALENDAR, (kpi,))
    looks = np.arange(1, len(rows) + 1) if until_us is None else np.searchsorted(rows.at_us, until_us)
    return prefixes(seen, kpi, looks[looks > 0])


# --- coverage ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Coverage:
    """The two-sided sequence holds the truth after every single caller, from 300 per arm on."""

    name: str
    world: World
    kpi: str = RESOLUTION
    bound: float = 0.95

    def result(self, runs: int, seed: int = 0) -> Result:
        """Simulate."""
        held = [self._held(rng(seed, number)) for number in range(runs)]
        beside = {name: sum(run[name] for run in held) / runs for name in METHODS}
        count = sum(run["weighted sequence"] for run in held)
        return Result(self.name, count, runs, self.bound, True, beside)

    def _held(self, generator: np.random.Generator) -> Mapping[str, bool]:
        truth = self.world.effect if self.kpi == RESOLUTION else 0.0
        sums = calendar_sums(self.world, self.kpi, generator)
        pooled, square = pooled_difference(sums)
        with np.errstate(invalid="ignore"):
            misses = (
                np.abs(pooled - truth) > Z_95 * np.sqrt(square),
                np.abs(pooled - truth)
                > two_sided_half_width(sums.n, np.nan_to_num(square * sums.n), ALPHA, T_OPT),
                np.abs(sums.mean_phi - truth) > two_sided_half_width(sums.n, sums.variance_phi, ALPHA, T_OPT),
            )
        enough = sums.enough(MIN_CALLERS)
        return {name: not np.any(miss & enough) for name, miss in zip(METHODS, misses, strict=True)}


COVERAGES = (
    Coverage("coverage, stable base", World(1_000, 0.74, -0.03)),
    Coverage(
        "coverage, base .80, .74, .68 as the share grows",
        World(1_000, 0.80, 0.02, steps=((14, -0.06), (28, -0.06))),
    ),
    Coverage("coverage, repeat callers, one row per caller", with_repeats(World(1_000, 0.70, -0.03))),
    Coverage("coverage, clustered bad days", World(1_000, 0.74, bad_day_share=0.2, bad_day_drop=0.3)),
    Coverage("coverage, time to solution, skewed", World(1_000, 0.72), TIME),
)
RARE = Coverage("coverage, failed transfers, 4 in 1,000", World(1_000, 0.72), "failed_transfer")
"""Beyond what is promised: an asymptotic bound on a rare event, with as few as one of them in an arm."""


# --- the table --------------------------------------------------------------------------------------------


def row(result: Result, took_s: float) -> str:
    """A line of the table."""
    low, high = limits(result.count, result.runs)
    sign = ">=" if result.at_least else "<="
    beside = " | ".join(f"{result.beside[name]:.1%}" if name in result.beside else "-" for name in METHODS)
    verdict = "yes" if result.holds else "NO"
    rate = result.count / result.runs
    found = f"{rate:.1%} ({low:.1%} to {high:.1%})"
    promise = f"{sign} {result.bound:.0%}"
    return f"| {result.name} | {promise} | {found} | {verdict} | {beside} | {result.runs} | {took_s:.0f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    given = parser.parse_args()
    print("| simulation | promised | found (99 % limits) | holds | " + " | ".join(METHODS) + " | runs | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|")
    broken = 0
    for scenario in (*ROLLOUTS, *COVERAGES, RARE):
        if given.only not in scenario.name:
            continue
        began = time.process_time()
        result = scenario.result(given.runs, given.seed)
        broken += not result.holds and scenario is not RARE
        print(row(result, time.process_time() - began), flush=True)
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())

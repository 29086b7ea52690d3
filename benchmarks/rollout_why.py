"""How often methods claim a difference where there is none. Run: python -m benchmarks.rollout_why [--runs 1500]

Bot and operators are exactly equal; the share grows by the calendar (10, 20, 50 %, two weeks each); somebody looks
at the end of each day, from 300 rows per arm on. A claim at any look counts. Results: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.naive_methods import pooled_sequence, prefixes, weighted_sequence, z_test
from ivrbot.rollout.forecasting.synthetic import DAY_US, RESOLUTION, World, contacts, first_contacts, unit_rows

DAYS = 42
MIN_ROWS = 300
CALLS = 1_000
RUNGS = [(0, 0, 0.1), (14 * DAY_US, 1, 0.2), (28 * DAY_US, 2, 0.5)]
STAGES = ("tenth", "fifth", "half")
METHODS = {"z": z_test, "pooled": pooled_sequence, "weighted": weighted_sequence}


@dataclass(frozen=True, slots=True)
class Situation:
    """A world without a difference, and whether one row stands for a caller or for a call."""

    name: str
    world: World
    per_caller: bool = True


SITUATIONS = (
    Situation("stable base rate", World(CALLS, 0.74)),
    Situation("base .80, .74, .68 as the share grows", World(CALLS, 0.80, steps=((14, -0.06), (28, -0.06)))),
    Situation(
        "callers ring again, one row per call",
        World(CALLS, 0.60, contacts_per_caller=5, gap_days=2, hard_share=0.4, hard_drop=0.95),
        per_caller=False,
    ),
    Situation(
        "callers ring again, one row per caller",
        World(CALLS, 0.60, contacts_per_caller=5, gap_days=2, hard_share=0.4, hard_drop=0.95),
    ),
)


def claims(situation: Situation, seed: int) -> Mapping[str, bool]:
    """Whether each method claimed a difference at any look of one rollout."""
    rng = np.random.default_rng([seed, 1])
    every = contacts(situation.world, DAYS, (RESOLUTION,), rng)
    rows = first_contacts(every, 0) if situation.per_caller else every
    seen = unit_rows(situation.world, rows, STAGES, RUNGS, (RESOLUTION,))
    looks = np.searchsorted(rows.at_us, np.arange(1, DAYS + 1) * DAY_US)
    sums = prefixes(seen, RESOLUTION, looks[looks > 0])
    enough = sums.enough(MIN_ROWS)
    return {name: bool(np.any(method(sums) & enough)) for name, method in METHODS.items()}


def rates(situation: Situation, runs: int) -> Mapping[str, float]:
    """Share of rollouts in which each method claimed a difference."""
    found = [claims(situation, seed) for seed in range(runs)]
    return {name: sum(run[name] for run in found) / runs for name in METHODS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_500)
    runs = parser.parse_args().runs
    print("| situation | averages and a z-test | pooled sequence | weighted sequence |")
    print("|---|---|---|---|")
    for situation in SITUATIONS:
        found = rates(situation, runs)
        print(f"| {situation.name} | " + " | ".join(f"{found[name]:.1%}" for name in METHODS) + " |", flush=True)


if __name__ == "__main__":
    main()

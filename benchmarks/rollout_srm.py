"""How often the sample-ratio test finds a routing fault, how soon, and how often it is wrong.

Run: python -m benchmarks.rollout_srm [--runs 2000]. Seeded; about five minutes of CPU at 2,000 runs.
Goal: a fault of 2 percentage points found in at least 95 % of runs within 10,000 first exposures at a share of 10
%, within 20,000 at 20 and 50 %; false alarms at most 1 %.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from numpy.typing import NDArray

from ivrbot.stats.srm import srm

FAULTS = [(0.10, 10_000), (0.20, 20_000), (0.50, 20_000)]
POINTS = 0.02


def constant(share: float, n: int) -> NDArray[np.float64]:
    return np.full(n, share)


def ramp(n: int) -> NDArray[np.float64]:
    """A branch that climbs its ladder: thirds at 10, 20 and 50 %."""
    return np.repeat([0.10, 0.20, 0.50], n // 3)


def with_limits(rate: float, runs: int) -> str:
    """The rate and its 99 % limits (Wilson 1927): a goal is missed when the limits lie beyond it."""
    z = 2.576
    middle = (rate + z * z / (2 * runs)) / (1 + z * z / runs)
    reach = z / (1 + z * z / runs) * math.sqrt(rate * (1 - rate) / runs + z * z / (4 * runs * runs))
    return f"{rate:.2%} ({middle - reach:.2%} to {middle + reach:.2%})"


def alarms(rng: np.random.Generator, propensity: NDArray[np.float64], fault: float, runs: int) -> float:
    """Share of runs with an alarm at any look; the real chance is the logged one plus `fault`."""
    found = 0
    for _ in range(runs):
        found += not srm(rng.random(propensity.size) < propensity + fault, propensity).ok
    return found / runs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2_000)
    runs: int = parser.parse_args().runs
    rng = np.random.default_rng(20260901)
    print(
        f"{runs} runs a row\n\n"
        "| share | exposures | real chance off by | alarms (99 % limits) | goal |\n|---|---|---|---|---|"
    )
    for share, n in FAULTS:
        for fault in (POINTS, -POINTS):
            rate = alarms(rng, constant(share, n), fault, runs)
            print(
                f"| {share:.0%} | {n:,} | {fault * 100:+.0f} pp | {with_limits(rate, runs)} | >= 95 % |",
                flush=True,
            )
    for share, n in FAULTS:
        rate = alarms(rng, constant(share, n), 0.0, runs)
        print(f"| {share:.0%} | {n:,} | 0 | {with_limits(rate, runs)} | <= 1 % |", flush=True)
    rate = alarms(rng, ramp(30_000), 0.0, runs)
    print(f"| 10, 20, 50 % | 30,000 | 0 | {with_limits(rate, runs)} | <= 1 % |", flush=True)
    million = rng.choice([0.10, 0.20, 0.50], 1_000_000)
    treated = rng.random(million.size) < million
    began = time.process_time()
    srm(treated, million)
    print(f"\none test of 1,000,000 exposures: {time.process_time() - began:.2f} CPU s")


if __name__ == "__main__":
    main()

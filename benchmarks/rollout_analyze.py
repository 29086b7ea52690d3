"""How long `ivrbot rollout analyze` takes over a million rows, beside reading the same file with `csv` alone.

    python -m benchmarks.rollout_analyze [--rows N]

Processor seconds (user + system) of whole processes, start of Python and imports included; goal: at most 10.
Two cores shared with other jobs, Python 3.11, 140 MB; compare within a row only, a crowded machine doubles all:

    load   rollout analyze   of which start   csv.reader alone   ratio
    5      10.4              2.9              1.9                5.4     (best of three; before a later saving)
    9      10.0              4.3              2.7                3.7     (one run)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
START = datetime(2026, 3, 2, tzinfo=UTC)
HEADER = (
    "call_id,started_at,branch,stage,unit,arm,propensity,epoch,trunk,prefix,"
    "true_resolution,time_to_solution_s,abandonment_mid_task,failed_transfer,engine_failure\n"
)
STEPS = (("tenth", 0.1), ("fifth", 0.2), ("half", 0.5))
PLAIN = "import csv,sys\nfor row in csv.reader(open(sys.argv[1], newline='')): pass\n"


def write(path: Path, rows: int) -> None:
    """Two branches, three rungs, a third of the calls by callers who rang before, one call in 50 doubled."""
    rng = np.random.default_rng(7)
    units = np.where(rng.random(rows) < 1 / 3, rng.integers(0, rows, rows), np.arange(rows))
    draws = rng.random(rows)
    solved, took_s, rare = rng.random(rows), rng.gamma(4.0, 50.0, rows), rng.random((rows, 3))
    spacing_s = 60 * 86_400 / rows
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(HEADER)
        for at in range(rows):
            stage, chance = STEPS[at * 3 // rows]
            bot = draws[units[at]] < chance
            started = START + timedelta(microseconds=int(at * spacing_s * 1e6))
            line = (
                f"{at:012x}-call,{started.isoformat()},{'balance' if at % 2 else 'loans'},{stage},"
                f"{units[at]:032x},{'treatment' if bot else 'control'},{chance},1,trunk{at % 4},+7{900 + at % 60},"
                f"{int(solved[at] < 0.7)},{took_s[at]:.1f},{int(rare[at, 0] < 0.05)},{int(rare[at, 1] < 0.002)},"
                f"{int(rare[at, 2] < 0.001) if bot else ''}\n"
            )
            out.write(line if at % 50 else line * 2)


def processor_s(*command: str) -> float:
    before = os.times()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    now = (START + timedelta(days=70)).isoformat()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exposures.csv"
        write(path, rows)
        size_mb = path.stat().st_size / 1e6
        command = (sys.executable, "-m", "ivrbot", "rollout", "analyze", str(path), "--now", now, "--json")
        own = min(processor_s(*command) for _ in range(3))
        start = min(processor_s(sys.executable, "-m", "ivrbot", "rollout", "check", "--json") for _ in range(3))
        plain = min(processor_s(sys.executable, "-c", PLAIN, str(path)) for _ in range(3))
    print(f"{rows} rows, {size_mb:.0f} MB: rollout analyze {own:.2f} CPU s, of which start {start:.2f}")
    ratios = f"ratio {own / plain:.1f}, without start {(own - start) / plain:.1f}"
    print(f"reading alone (csv.reader) {plain:.2f} CPU s: {ratios}")


if __name__ == "__main__":
    main()

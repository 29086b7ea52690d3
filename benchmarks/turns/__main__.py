"""Callers speak to the product and to its peers; what they hear is measured: python -m benchmarks.turns

Prints Markdown tables and writes every turn into a JSON file. See README.md of this folder.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.turns import sound
from benchmarks.turns.callers import person
from benchmarks.turns.report import by_kind, table
from benchmarks.turns.sentences import KINDS
from benchmarks.turns.systems import PEER_KINDS, PEERS, Dial, ivrbot_by_asterisk, ivrbot_by_audiosocket, peer
from benchmarks.turns.talk import Budget, Turn, converse
from ivrbot.errors import IvrbotError

LANES_OF_ONE: Final = 3
"""One caller at a time still takes three telephones: while two hear a prompt out, the third one speaks."""
CALL_S: Final = 120.0


@dataclass(slots=True)
class Outcome:
    """A system's turns and what went wrong."""

    turns: list[Turn]
    failures: list[str]
    seconds: float


System = Callable[[Path], AbstractAsyncContextManager[Dial]]


def systems(names: list[str], door: str) -> dict[str, System]:
    """Systems by the name of their row."""
    found: dict[str, System] = {}
    for name in names:
        if name == "ivrbot":
            found[f"ivrbot, {door}"] = ivrbot_by_asterisk if door == "asterisk" else ivrbot_by_audiosocket
        elif name in PEERS:
            module, title = PEERS[name]
            for kind in PEER_KINDS:
                found[f"{title}, {kind}, audiosocket"] = partial(peer, module, kind)
        else:
            raise SystemExit(f"no such system: {name}; there are ivrbot, {', '.join(PEERS)}")
    return found


async def measure(system: System, options: argparse.Namespace) -> Outcome:
    """Place calls until there are enough turns, or the time is over."""
    began_s = time.monotonic()
    outcome = Outcome([], [], 0.0)
    with tempfile.TemporaryDirectory(prefix="turns-") as folder:
        async with system(Path(folder)) as dial:
            budget, numbers = Budget(options.turns), itertools.count()
            floor = asyncio.Semaphore(options.callers)
            until_s = time.monotonic() + 60 * options.minutes

            async def lane() -> None:
                while budget.left > 0 and time.monotonic() < until_s:
                    await place(next(numbers))

            async def place(number: int) -> None:
                try:
                    caller = person(options.seed, number)
                    async with asyncio.timeout(CALL_S), dial(number, caller) as (line, guide):
                        outcome.turns += await converse(line, number, caller, guide, floor, budget)
                except (TimeoutError, OSError, RuntimeError, IvrbotError) as error:
                    outcome.failures.append(f"call {number}: {error!r}"[:300])
                    await asyncio.sleep(1.0)

            lanes = options.callers if options.callers > 1 else LANES_OF_ONE
            await asyncio.gather(*(lane() for _ in range(lanes)))
    outcome.seconds = time.monotonic() - began_s
    return outcome


def machine() -> str:
    """The machine and how busy it is."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, load average {load}"
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=__doc__)
    parser.add_argument("--turns", type=int, default=200, help="for each system")
    parser.add_argument("--callers", type=int, default=1, help="who speak at the same time")
    parser.add_argument("--systems", default="ivrbot", help="of ivrbot, pipecat, livekit; with commas")
    parser.add_argument("--door", choices=("asterisk", "audiosocket"), default="audiosocket")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=14, help="longest time for each system")
    parser.add_argument("--json", type=Path, default=Path("turns.json"), help="file that gets every turn")
    return parser.parse_args()


async def run(options: argparse.Namespace) -> int:
    """All systems one after the other; exit code 1 when one of them could not be measured."""
    made = await sound.render()
    print(f"{made} recordings rendered", file=sys.stderr)
    before = machine()
    rows: dict[str, list[dict[str, Any]]] = {}
    notes = []
    wanted = systems(options.systems.split(","), options.door)
    for name, system in wanted.items():
        print(f"{name} ...", file=sys.stderr)
        try:
            outcome = await measure(system, options)
        except (TimeoutError, OSError, RuntimeError, IvrbotError) as error:
            notes.append(f"{name}: could not be measured: {error}")
            continue
        rows[name] = [{"system": name, **turn.as_json()} for turn in outcome.turns]
        options.json.write_text(
            json.dumps([row for of in rows.values() for row in of], ensure_ascii=False, indent=1)
        )
        notes.append(
            f"{name}: {len(outcome.turns)} turns in {outcome.seconds:.0f} s, {len(outcome.failures)} calls failed"
        )
        notes += outcome.failures[:5]
    print(f"Callers at once: {options.callers}; seed {options.seed}; before: {before}; after: {machine()}.\n")
    print(table("system", rows), end="\n\n")
    for name, turns in rows.items():
        print(table(f"{name}: turns", by_kind(turns, KINDS)), end="\n\n")
    print("\n".join(f"- {note}" for note in notes))
    return int(len(rows) < len(wanted))


if __name__ == "__main__":
    sys.exit(asyncio.run(run(arguments())))

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
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.turns import sound
from benchmarks.turns.callers import person
from benchmarks.turns.report import by_kind, table
from benchmarks.turns.sentences import KINDS
from benchmarks.turns.systems import (
    PEER_KINDS,
    PEERS,
    CallRefusedError,
    Dial,
    ivrbot_by_asterisk,
    ivrbot_by_audiosocket,
    peer,
)
from benchmarks.turns.talk import Budget, Turn, converse
from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import IvrbotError

LANES_OF_ONE: Final = 3
"""One caller at a time still takes three telephones: while two hear a prompt out, the third one speaks."""
CALL_S: Final = 120.0
RING_AGAIN_S: Final = 3.0
TURNS_JSON: Final = PROJECT_ROOT / ".cache" / "turns" / "turns.json"


@dataclass(slots=True)
class Outcome:
    """A system's turns and what went wrong."""

    turns: list[Turn]
    failures: list[str]
    seconds: float = 0.0
    refused: int = 0


System = Callable[[Path], AbstractAsyncContextManager[Dial]]


def systems(options: argparse.Namespace) -> dict[str, tuple[System, int]]:
    """Systems and how many turns are wanted of each, by the name of their row."""
    found: dict[str, tuple[System, int]] = {}
    for name in options.systems.split(","):
        if name == "ivrbot":
            system = ivrbot_by_asterisk if options.door == "asterisk" else ivrbot_by_audiosocket
            found[f"ivrbot, {options.door}"] = (system, options.turns)
        elif name in PEERS:
            module, title = PEERS[name]
            for kind in PEER_KINDS:
                log_path = options.json.with_suffix(f".{name}-{kind}.log")
                found[f"{title}, {kind}, audiosocket"] = (
                    partial(peer, module, kind, log_path),
                    options.peer_turns,
                )
        else:
            raise SystemExit(f"no such system: {name}; there are ivrbot, {', '.join(PEERS)}")
    return found


async def measure(system: System, turns: int, options: argparse.Namespace, numbers: Iterator[int]) -> Outcome:
    """Place calls until there are enough turns, or the time is over."""
    began_s = time.monotonic()
    outcome = Outcome([], [])
    with tempfile.TemporaryDirectory(prefix="turns-") as folder:
        async with system(Path(folder)) as dial:
            until_s = asyncio.get_running_loop().time() + 60 * options.minutes / options.rounds
            budget, floor = Budget(turns, until_s), asyncio.Semaphore(options.callers)

            async def lane() -> None:
                while not budget.is_spent:
                    await place(next(numbers))

            async def place(number: int) -> None:
                try:
                    while not budget.is_spent:
                        try:
                            caller = person(options.seed, number)
                            async with asyncio.timeout(CALL_S), dial(number, caller) as (line, guide):
                                outcome.turns += await converse(line, number, caller, guide, floor, budget)
                            return
                        except CallRefusedError:
                            outcome.refused += 1
                            await asyncio.sleep(RING_AGAIN_S)
                except (TimeoutError, OSError, RuntimeError, IvrbotError) as error:
                    outcome.failures.append(f"call {number}: {error!r}"[:300])
                    await asyncio.sleep(RING_AGAIN_S)

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
    parser.add_argument("--turns", type=int, default=200, help="of ivrbot")
    parser.add_argument("--peer-turns", type=int, default=60, help="of each peer, with each of its settings")
    parser.add_argument("--callers", type=int, default=1, help="who speak at the same time")
    parser.add_argument("--systems", default="ivrbot", help="of ivrbot, pipecat, livekit; with commas")
    parser.add_argument("--door", choices=("asterisk", "audiosocket"), default="audiosocket", help="to ivrbot")
    parser.add_argument("--seed", type=int, default=1, help="chooses callers, sentences and hesitations")
    parser.add_argument("--rounds", type=int, default=1, help="systems are measured in turn so many times")
    parser.add_argument("--minutes", type=float, default=14, help="longest time for each system")
    parser.add_argument("--json", type=Path, default=TURNS_JSON, help="file that gets every turn")
    return parser.parse_args()


async def run(options: argparse.Namespace) -> int:
    """All systems one after the other; exit code 1 when one of them could not be measured."""
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)  # processes are ended on the way out
    print(f"{await sound.render()} recordings rendered", file=sys.stderr)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    before = machine()
    wanted = systems(options)
    outcomes = {name: Outcome([], []) for name in wanted}
    numbers = {name: itertools.count() for name in wanted}  # every system gets the same callers
    missing: dict[str, str] = {}
    for number, name in itertools.product(range(options.rounds), wanted):
        system, turns = wanted[name]
        print(f"round {number + 1}: {name} ...", file=sys.stderr)
        try:
            outcome = await measure(system, turns // options.rounds, options, numbers[name])
        except (TimeoutError, OSError, RuntimeError, IvrbotError) as error:
            missing[name] = f"could not be measured: {error}"
            continue
        outcomes[name].turns += outcome.turns
        outcomes[name].failures += outcome.failures
        outcomes[name].seconds += outcome.seconds
        outcomes[name].refused += outcome.refused
        save(options, outcomes, before)
    tell(options, outcomes, missing, before)
    return int(bool(missing))


def rows_of(outcomes: dict[str, Outcome]) -> dict[str, list[dict[str, Any]]]:
    """Rows of turns by system, without systems that have none."""
    rows = {
        name: [{"system": name, **turn.as_json()} for turn in outcome.turns] for name, outcome in outcomes.items()
    }
    return {name: turns for name, turns in rows.items() if turns}


def save(options: argparse.Namespace, outcomes: dict[str, Outcome], before: str) -> None:
    """Write every turn so far."""
    command = {name: str(value) for name, value in vars(options).items()}
    turns = [row for rows in rows_of(outcomes).values() for row in rows]
    found = {"options": command, "before": before, "after": machine(), "turns": turns}
    options.json.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")


def tell(options: argparse.Namespace, outcomes: dict[str, Outcome], missing: dict[str, str], before: str) -> None:
    """Print the tables."""
    print(f"Callers at once: {options.callers}; seed {options.seed}; before: {before}; after: {machine()}.\n")
    rows = rows_of(outcomes)
    print(table("system", rows), end="\n\n")
    for name, turns in rows.items():
        print(table(f"{name}: turns", by_kind(turns, KINDS)), end="\n\n")
    for name, outcome in outcomes.items():
        failed = f"; calls that failed: {'; '.join(outcome.failures[:5])}" if outcome.failures else ""
        refused = f"; sent to an operator at once, for lack of room: {outcome.refused}" if outcome.refused else ""
        told = f"{len(outcome.turns)} turns in {outcome.seconds:.0f} s{refused}{failed}"
        print(f"- {name}: {missing.get(name, told)}")


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(run(arguments())))
    except asyncio.CancelledError:
        sys.exit(143)

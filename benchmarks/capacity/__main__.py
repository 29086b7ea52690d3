"""How many calls at once until callers wait too long: python -m benchmarks.capacity

For each number of callers the product is started afresh (`ivrbot serve --demo` in a folder of its own), once as it
is shipped (work left out under load, admission by headroom) and once without either; the cap on calls is out of
the way in both. Callers come over AudioSocket, speak recorded sentences at a human pace and ring again when they
are through. Gaps are measured on the sound as `benchmarks.turns` does. A mode ends after two rows beyond the bar.
Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import numpy as np

from benchmarks.capacity.lanes import Row, gaps_ms, run_lanes
from benchmarks.capacity.server import LOOK_S, MODES, Seen, cpu_s, look, metrics, product
from benchmarks.turns import sound

COLUMNS: Final = (
    *("callers", "mode", "calls at once", "turns", "gap p50", "p95", "cut off", "unanswered", "asked again"),
    *(
        "refused",
        "why",
        "left out, share of the time",
        "wait for a recogniser",
        "loop late by",
        "server's processors",
        "memory",
        "callers' own",
        "load",
    ),
)
BAR_MS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Figures:
    """A row of the table, and whether it passes the bar."""

    cells: list[str]
    p95_ms: float | None


async def measure(mode: str, lanes: int, options: argparse.Namespace) -> Figures:
    """One number of callers against one server."""
    extra = dict(setting.split("=", 1) for setting in options.setting)
    with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
        async with product(Path(folder), mode, extra) as server:
            headers = {"Authorization": f"Bearer {server.token}", "Accept": "application/json"}
            connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
            async with aiohttp.ClientSession(
                server.api, headers=headers, connector=connector, timeout=timeout
            ) as web:
                seen = Seen()

                async def watch() -> None:
                    while True:
                        await asyncio.sleep(LOOK_S)
                        await look(web, server, seen)

                began_s, server_s, own_s = time.monotonic(), cpu_s(server.process.pid), time.process_time()
                watching = asyncio.create_task(watch())
                try:
                    row = await run_lanes(web, server.media_port, lanes, options.seconds, options.seed)
                finally:
                    watching.cancel()
                    await asyncio.gather(watching, return_exceptions=True)
                over_s = time.monotonic() - began_s
                used = (cpu_s(server.process.pid) - server_s) / over_s, (time.process_time() - own_s) / over_s
                counted = await metrics(web)
    why = {
        reason: round(value)
        for (name, reason), value in counted.items()
        if name == "ivrbot_calls_refused_total" and value
    }
    waits = mean_ms(counted, "ivrbot_asr_queue_seconds"), mean_ms(counted, "ivrbot_loop_lag_seconds")
    return figures(mode, lanes, row, seen, (used, waits), why)


def mean_ms(counted: dict[tuple[str, str], float], histogram: str) -> float | None:
    """Mean of a histogram of seconds."""
    count = counted.get((f"{histogram}_count", ""), 0.0)
    return 1000 * counted[f"{histogram}_sum", ""] / count if count else None


def figures(
    mode: str,
    lanes: int,
    row: Row,
    seen: Seen,
    process: tuple[tuple[float, float], tuple[float | None, float | None]],
    why: dict[str, int],
) -> Figures:
    """What is printed of a row; `process`: processors of server and callers, mean waits of the server in ms."""
    used, waits = process
    gaps, turns = list(gaps_ms(row)), len(row.turns)
    p50, p95 = (float(np.percentile(gaps, share)) if gaps else None for share in (50, 95))
    looks = max(1, len(seen.calls))
    left_out = ", ".join(f"{work} {times / looks:.0%}" for work, times in seen.eased.items() if times)
    broken = ", ".join(f"{count} {name}" for name, count in row.failures.items())
    reasons = ", ".join(f"{reason} {count}" for reason, count in why.items()) or "-"
    cells = [
        *(str(lanes), mode, f"{np.mean(seen.calls):.1f}" if seen.calls else "-", str(turns), _ms(p50), _ms(p95)),
        *(_share(sum(turn.heard.cut_off for turn in row.turns), turns),),
        *(_share(sum(not turn.heard.answered for turn in row.turns), turns), _share(row.asked_again, turns)),
        *(str(row.refused), f"{reasons}{f' (broken: {broken})' if broken else ''}", left_out or "-"),
        *(_ms(wait) for wait in waits),
        *(f"{used[0]:.2f}", f"{seen.rss_mb:.0f} MB", f"{used[1]:.2f}", f"{os.getloadavg()[0]:.1f}"),
    ]
    return Figures(cells, p95)


def reached(rows: dict[int, float | None]) -> int:
    """The largest number of callers up to which every row's p95 stays within the bar."""
    most = 0
    for lanes, p95_ms in sorted(rows.items()):
        if p95_ms is None or p95_ms > BAR_MS:
            break
        most = lanes
    return most


async def run(options: argparse.Namespace) -> None:
    """All rows, printed as they come."""
    made = await sound.render()
    print(f"{made} recordings rendered", file=sys.stderr)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{os.cpu_count()} processors ({platform.machine()}), Python {platform.python_version()}, load average "
        f"before: {load}; {options.seconds:.0f} s a row, seed {options.seed}"
        f"{', ' + ', '.join(options.setting) if options.setting else ''}\n"
    )
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    notes = []
    for mode in options.modes.split(","):
        rows: dict[int, float | None] = {}
        beyond = 0
        for lanes in (int(number) for number in options.callers.split(",")):
            found = await measure(mode, lanes, options)
            print(f"| {' | '.join(found.cells)} |", flush=True)
            rows[lanes] = found.p95_ms
            beyond += found.p95_ms is None or found.p95_ms > BAR_MS
            if beyond >= options.beyond:
                break
        notes.append(f"- {mode}: gap p95 within {BAR_MS:.0f} ms up to {reached(rows)} callers at once")
    print("\n" + "\n".join(notes))


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"


def _share(count: int, of: int) -> str:
    return f"{count} ({count / of:.0%})" if of else "-"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--callers", default="1,2,4,8,12,16,20,28,40", help="callers at once, a row each")
    parser.add_argument("--seconds", type=float, default=90.0, help="of each row")
    parser.add_argument("--modes", default=",".join(MODES), help=f"of {', '.join(MODES)}")
    parser.add_argument("--beyond", type=int, default=2, help="a mode ends after so many rows beyond the bar")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--setting", action="append", default=[], help="of the server: ASR__INSTANCES=4, WORKERS=2"
    )
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

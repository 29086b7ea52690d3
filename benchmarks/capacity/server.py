"""The running product under load: `ivrbot serve` in a folder of its own; what it and the system say about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.integration.asterisk.product import Product

MANY: Final = "1000"
"""A cap that is never reached: what is measured decides, or nothing does."""
MODES: Final = {
    "as shipped": {"CALL__MAX_CALLS": MANY, "CAPACITY__EASE": "true", "CAPACITY__ADMIT": "measured"},
    "without": {"CALL__MAX_CALLS": MANY, "CAPACITY__EASE": "false", "CAPACITY__ADMIT": "cap"},
}
LOOK_S: Final = 2.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(slots=True)
class Seen:
    """What was seen of the server during a row.

    Attributes:
        calls: calls under way, at each look.
        eased: looks at which each kind of work was left out.
        rss_mb: largest memory of all its processes together.
    """

    calls: list[float] = field(default_factory=list)
    eased: dict[str, int] = field(default_factory=dict)
    rss_mb: float = 0.0


def product(folder: Path, mode: str, settings: dict[str, str]) -> Product:
    """The product in one of the two modes; no scores are asked for, English callers dial a number of their own."""
    own: dict[str, Any] = {"CALL__LANGUAGE_BY_CALLED__84950000001": "en", "CALL__ASK_SCORE": "false"}
    return Product(folder / "data", **(own | MODES[mode] | settings))


async def metrics(web: aiohttp.ClientSession) -> dict[tuple[str, str], float]:
    """Metrics by name and value of their only label ("" without one)."""
    async with web.get("/metrics") as response:
        text = await response.text()
    found = {}
    for name, labels, value in _SAMPLE.findall(text):
        values = [value for _, value in _LABEL.findall(labels)]
        if len(values) <= 1:
            found[name, values[0] if values else ""] = float(value)
    return found


async def look(web: aiohttp.ClientSession, server: Product, seen: Seen) -> None:
    """See how it stands now."""
    now = await metrics(web)
    seen.calls.append(now.get(("ivrbot_calls_active", ""), 0.0))
    for (name, label), value in now.items():
        if name == "ivrbot_work_left_out":
            seen.eased[label] = seen.eased.get(label, 0) + (value > 0)
    seen.rss_mb = max(seen.rss_mb, sum(rss_mb(pid) for pid in tree(server.process.pid)))


def tree(pid: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return
    for child in children.split():
        yield from tree(int(child))


def cpu_s(pid: int) -> float:
    """Processor time of a process and all that it has started, seconds."""
    return sum(_cpu_s(one) for one in tree(pid))


def rss_mb(pid: int) -> float:
    """Resident memory of one process."""
    try:
        found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS

"""The KPIs' definitions as data, from the formulas themselves: for the reference and the page of definitions.

Takes the registry, gives one `Definition` per KPI. Pure.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from ivrbot.analytics import kpis
from ivrbot.analytics.kpis import KPIS, KpiName

UNITS = {
    "share": "share",
    "s": "s",
    "ms": "ms",
    "score": "1..5",
    "points": "0..100",
    "minor": "minor units",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One KPI as people read it.

    Attributes:
        better: "up", "down", "-".
        role: what it may decide.
        counts: contacts that a report's figure counts.
        text: the formula, in words.
    """

    name: str
    unit: str
    better: str
    role: str
    waits: bool
    counts: str
    text: str


def definitions() -> tuple[Definition, ...]:
    """Every KPI, in the order of the registry."""
    return tuple(_definition(kpi) for kpi in KPIS.values())


def _definition(kpi: KpiName) -> Definition:
    role = "primary, guardrail" if kpi.comparable else "guardrail by level" if kpi.bot_rate else "shown only"
    source = kpi.formula or getattr(kpis, kpi.name)
    text = " ".join((inspect.getdoc(source) or "").split("Args:")[0].split())
    counts = "all together" if kpi.whole else "first contacts" if kpi.first_only else "contacts"
    return Definition(kpi.name, UNITS[kpi.unit], kpi.better or "-", role, kpi.windowed, counts, text)


def markdown() -> str:
    """The table of docs/reference/kpis.md."""
    head = "| name | unit | better | may be | waits for the window | counts | formula |\n" + "|---" * 7 + "|\n"
    return head + "".join(
        f"| `{item.name}` | {item.unit} | {item.better} | {item.role} | {'yes' if item.waits else 'no'} | "
        f"{item.counts} | {item.text} |\n"
        for item in definitions()
    )

"""Sums of a group of contacts into its figures: one value per KPI, with an interval and how much it rests on.

Takes a row of `rollup.totals`, gives `Figure`s. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ivrbot.analytics.kpis import KPIS, gap_percentile_ms
from ivrbot.stats.intervals import mean_interval, share_interval

FROM_GROUPS: Final = ("response_gap_ms", "response_gap_p95_ms", "cost_per_resolution", "availability")
"""KPIs that come from elsewhere than counts and sums of contacts."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A KPI of a group.

    Attributes:
        value: None where there is nothing to tell.
        lower, upper: ends of its 95 % interval for one look; None where there is none.
        n: contacts that it rests on (gaps, minutes for KPIs of those).
        maturing: contacts that will count later: their window has not passed, or they are not over.
    """

    kpi: str
    value: float | None
    lower: float | None
    upper: float | None
    n: int
    maturing: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices, in minor units of the settings' currency; 0 means not told.

    Attributes:
        bot_minute_minor: of a minute with the bot.
        operator_minute_minor: of a minute of a person.
    """

    bot_minute_minor: float = 0.0
    operator_minute_minor: float = 0.0


@dataclass(frozen=True, slots=True)
class Beside:
    """What a group's figures need beside its sums; None where it was not asked for.

    Attributes:
        minutes, failed: minutes with contacts, and those in which one was not served as planned.
        steps_ms, gaps: response gaps, ascending, and how many of each.
    """

    minutes: int | None = None
    failed: int = 0
    steps_ms: Sequence[int] | None = None
    gaps: Sequence[int] = ()


def figures(
    row: Mapping[str, Any], beside: Beside, rates: Rates, kpis: Collection[str] = tuple(KPIS)
) -> tuple[Figure, ...]:
    """KPIs of a group, in the order of the registry.

    Args:
        row: of `rollup.totals`.
        beside: minutes and gaps of the same group.
        rates: prices; without any the cost is not told.
        kpis: which ones.
    """
    asked = (name for name in KPIS if name in kpis)
    return tuple(_whole(name, row, beside, rates) if name in FROM_GROUPS else _own(name, row) for name in asked)


def _own(name: str, row: Mapping[str, Any]) -> Figure:
    n, later = int(row[f"n_{name}"] or 0), int(row[f"later_{name}"] or 0)
    if not n:
        return Figure(name, None, None, None, 0, later)
    total = float(row[f"s_{name}"])
    if KPIS[name].unit == "share":
        ends = share_interval(total, n)
    else:
        ends = mean_interval(total, float(row[f"q_{name}"]), n)
    lower, upper = ends or (None, None)
    return Figure(name, total / n, lower, upper, n, later)


def _whole(name: str, row: Mapping[str, Any], beside: Beside, rates: Rates) -> Figure:
    if name == "availability":
        return _availability(beside)
    if name == "cost_per_resolution":
        return _cost(row, rates)
    steps, counts = beside.steps_ms or (), beside.gaps
    value = gap_percentile_ms(steps, counts, 0.95 if name == "response_gap_p95_ms" else 0.5)
    return Figure(name, None if math.isnan(value) else value, None, None, int(sum(counts)), 0)


def _availability(beside: Beside) -> Figure:
    if not beside.minutes:
        return Figure("availability", None, None, None, 0, 0)
    good = beside.minutes - beside.failed
    lower, upper = share_interval(good, beside.minutes) or (None, None)
    return Figure("availability", good / beside.minutes, lower, upper, beside.minutes, 0)


def _cost(row: Mapping[str, Any], rates: Rates) -> Figure:
    solved = float(row["solved"] or 0)
    told = rates.bot_minute_minor > 0 or rates.operator_minute_minor > 0
    if not solved or not told:
        return Figure("cost_per_resolution", None, None, None, int(solved), 0)
    minor = (
        float(row["bot_s"]) * rates.bot_minute_minor + float(row["human_s"]) * rates.operator_minute_minor
    ) / 60
    return Figure("cost_per_resolution", minor / solved, None, None, int(solved), 0)

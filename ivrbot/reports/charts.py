"""A KPI of both arms day by day, with its interval: as a figure for Plotly, and as SVG for print and for files.

Takes rows by day, gives plain data and markup. A figure is a dictionary of Plotly's own schema: the library for
Python is asked in tests whether it is one, and not in a process that answers calls, which it would hold up for the
better part of a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from typing import Any, Final

from ivrbot.analytics.figures import Figure
from ivrbot.analytics.kpis import KPIS
from ivrbot.model.speech import Language
from ivrbot.reports.report_texts import CHART, kpi_name, shown

COLOURS: Final = {"control": "#a86b00", "treatment": "#3b78e0"}
"""Operators and bot: told apart by people with any colour vision, and by the marks' shape beside it; both have a
contrast of 3:1 on light and on dark grounds."""
BANDS: Final = {"control": "rgba(168,107,0,0.15)", "treatment": "rgba(59,120,224,0.15)"}
SYMBOLS: Final = {"control": "square", "treatment": "circle"}
FEWEST_DRAWN: Final = 5
"""A day with fewer contacts would only stretch the axis."""
POSSIBLE: Final[Mapping[str, tuple[float, float]]] = {
    "share": (0.0, 1.0),
    "score": (1.0, 5.0),
    "points": (0.0, 100.0),
}
"""Least and largest value of the units that have a largest one."""
WIDTH: Final = 540
HEIGHT: Final = 260
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 12, 40
FONT_PX: Final = 13
INK: Final = "#4b5a52"


@dataclass(frozen=True, slots=True)
class Point:
    """A day of an arm.

    Attributes:
        maturing: more than half of the day's contacts do not count yet: what is there is a first glimpse.
    """

    day: date
    figure: Figure
    maturing: bool

    @property
    def drawn(self) -> bool:
        """Whether there is enough to draw; the table beside the chart has every day."""
        return self.figure.value is not None and self.figure.n >= FEWEST_DRAWN


@dataclass(frozen=True, slots=True)
class ChartDay:
    """A row of a chart's table."""

    day: date
    control: Figure | None
    treatment: Figure | None


@dataclass(frozen=True, slots=True)
class Chart:
    """A KPI over days.

    Attributes:
        series: points by arm, in order of days.
        marked: a day that the page asks about, None: none.
    """

    kpi: str
    series: Mapping[str, Sequence[Point]]
    marked: date | None = None

    @property
    def days(self) -> list[ChartDay]:
        """The chart as a table."""
        found: dict[date, dict[str, Figure]] = {}
        for arm, points in self.series.items():
            for item in points:
                found.setdefault(item.day, {})[arm] = item.figure
        return [ChartDay(day, arms.get("control"), arms.get("treatment")) for day, arms in sorted(found.items())]

    @property
    def empty(self) -> bool:
        """Nothing to draw."""
        return not any(item.drawn for points in self.series.values() for item in points)


def point(day: date, figure: Figure) -> Point:
    """A day of an arm."""
    return Point(day, figure, figure.maturing > figure.n)


def plotly_figure(chart: Chart, language: Language) -> dict[str, Any]:
    """`data` and `layout` of Plotly's schema; shares in per cent, money in major units."""
    data: list[dict[str, Any]] = []
    scale = _scale(chart.kpi)
    for arm, points in chart.series.items():
        known = [item for item in points if item.drawn]
        if not known:
            continue
        days = [item.day.isoformat() for item in known]
        colour = COLOURS[arm]
        banded = [item for item in known if item.figure.lower is not None]
        data.append(
            {
                "type": "scatter",
                "x": [item.day.isoformat() for item in (*banded, *reversed(banded))],
                "y": [
                    *(scale * (item.figure.upper or 0.0) for item in banded),
                    *(scale * (item.figure.lower or 0.0) for item in reversed(banded)),
                ],
                "fill": "toself",
                "fillcolor": BANDS[arm],
                "line": {"width": 0},
                "hoverinfo": "skip",
                "showlegend": False,
                "legendgroup": arm,
            }
        )
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": CHART[arm][language],
                "legendgroup": arm,
                "x": days,
                "y": [scale * (item.figure.value or 0.0) for item in known],
                "line": {"color": colour, "width": 2},
                "marker": {
                    "size": 8,
                    "symbol": [f"{SYMBOLS[arm]}-open" if item.maturing else SYMBOLS[arm] for item in known],
                    "color": colour,
                },
                "text": [_words(chart.kpi, item, language) for item in known],
                "hovertemplate": "%{x|%d.%m.%Y}<br>%{text}<extra>%{fullData.name}</extra>",
            }
        )
    return {"data": data, "layout": _layout(chart, language)}


def _layout(chart: Chart, language: Language) -> dict[str, Any]:
    span = sorted({item.day for points in chart.series.values() for item in points if item.drawn})
    shapes = []
    if chart.marked is not None:
        edges = [f"{chart.marked - timedelta(days=1)} 12:00", f"{chart.marked} 12:00"]
        shapes.append(
            {
                "type": "rect",
                "xref": "x",
                "yref": "paper",
                "x0": edges[0],
                "x1": edges[1],
                "y0": 0,
                "y1": 1,
                "fillcolor": "rgba(242,193,78,0.25)",
                "line": {"width": 0},
            }
        )
    axis: dict[str, Any] = {"gridcolor": "rgba(136,136,136,0.2)", "zeroline": False, "automargin": True}
    return {
        "height": 320,
        "margin": {"l": 56, "r": 8, "t": 8, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif', "size": 13},
        "hovermode": "x unified",
        "legend": {"orientation": "h", "y": 1.12},
        "separators": ",\u202f" if language == "ru" else ".,",
        "shapes": shapes,
        "xaxis": axis
        | {"type": "date", "tickformat": "%d.%m" if language == "ru" else "%b %d", "range": _ends(span)},
        "yaxis": axis | {"ticksuffix": _suffix(chart.kpi, language)} | _drawn_range(chart.kpi),
    }


def _ends(span: Sequence[date]) -> list[str] | None:
    """Half a day of air on both sides."""
    if not span:
        return None
    return [f"{span[0] - timedelta(days=1)} 12:00", f"{span[-1]} 12:00"]


def _drawn_range(kpi: str) -> dict[str, Any]:
    """An axis from nothing for what has no largest value, and none beyond the possible."""
    if KPIS[kpi].unit not in POSSIBLE:
        return {"rangemode": "tozero", "autorangeoptions": {"clipmin": 0.0}}
    least, most = (_scale(kpi) * end for end in POSSIBLE[KPIS[kpi].unit])
    return {"autorangeoptions": {"clipmin": least, "clipmax": most}}


def _span(kpi: str, low: float, high: float) -> tuple[float, float]:
    """What an axis shows of values between two: a little air, from nothing or within the possible."""
    least, most = POSSIBLE.get(KPIS[kpi].unit, (0.0, math.inf))
    if most == math.inf:
        low = least
    air = 0.05 * ((high - low) or abs(high) or 1.0)
    low, high = max(least, low - air), min(most, high + air)
    return (low, high) if low < high else (low, low + 1.0)


def round_values(low: float, high: float) -> list[float]:
    """Three to eight values between two, multiples of 1, 2, 2.5 or 5 times a power of ten."""
    wanted = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(times * power for times in (1, 2, 2.5, 5, 10) if times * power >= wanted)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _scale(kpi: str) -> float:
    return {"share": 100.0, "minor": 0.01}.get(KPIS[kpi].unit, 1.0)


def _suffix(kpi: str, language: Language) -> str:
    unit = KPIS[kpi].unit
    return "\u00a0%" if unit == "share" else f"\u00a0{CHART[unit][language]}" if unit in {"s", "ms"} else ""


def _words(kpi: str, item: Point, language: Language) -> str:
    figure = item.figure
    parts = [shown(kpi, figure.value, language)]
    if figure.lower is not None:
        parts.append(f"{shown(kpi, figure.lower, language)} … {shown(kpi, figure.upper, language)}")
    parts.append(f"n = {figure.n}")
    if item.maturing:
        parts.append(CHART["maturing"][language])
    return ", ".join(parts)


# --- SVG ------------------------------------------------------------------------------------------------


def svg(chart: Chart, language: Language) -> str:
    """The same chart without a script: bands, lines, open marks for days that are maturing."""
    ends = [
        end
        for points in chart.series.values()
        for item in points
        if item.drawn
        for end in (item.figure.value, item.figure.lower, item.figure.upper)
        if end is not None
    ]
    days = sorted({item.day for points in chart.series.values() for item in points if item.drawn})
    if not ends or not days:
        return ""
    low, high = _span(chart.kpi, min(ends), max(ends))
    first, width = days[0], max(1, (days[-1] - days[0]).days)

    def x(day: date) -> float:
        return round(LEFT + (day - first).days / width * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        within = min(high, max(low, value))
        return round(TOP + (high - within) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    parts = []
    for value in round_values(low, high):
        at = y(value)
        parts.append(f'<line x1="{LEFT}" y1="{at}" x2="{WIDTH - RIGHT}" y2="{at}" stroke="#88888855"/>')
        parts.append(_text(LEFT - 6, at + 4, shown(chart.kpi, value, language), "end"))
    if chart.marked is not None and chart.marked in days:
        tall = HEIGHT - TOP - BOTTOM
        left = x(chart.marked) - 6
        parts.append(f'<rect x="{left}" y="{TOP}" width="12" height="{tall}" fill="#f2c14e66"/>')
    for day in days[:: max(1, len(days) // 8)]:
        parts.append(_text(x(day), HEIGHT - BOTTOM + 18, day.strftime("%d.%m"), "middle"))
    for arm, points in chart.series.items():
        parts += _arm(arm, [item for item in points if item.drawn], x, y)
    legend = "".join(
        f'<rect x="{LEFT + 150 * at}" y="{HEIGHT - 12}" width="10" height="10" fill="{COLOURS[arm]}"/>'
        + _text(LEFT + 150 * at + 16, HEIGHT - 3, CHART[arm][language], "start")
        for at, arm in enumerate(chart.series)
    )
    name = escape(kpi_name(chart.kpi, language), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{name}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}"><title>{name}</title>{"".join(parts)}{legend}</svg>'
    )


def _arm(arm: str, known: Sequence[Point], x: Any, y: Any) -> list[str]:
    colour, parts = COLOURS[arm], []
    banded = [item for item in known if item.figure.lower is not None and item.figure.upper is not None]
    if len(banded) > 1:
        upper = " ".join(f"{x(item.day)},{y(item.figure.upper)}" for item in banded)
        lower = " ".join(f"{x(item.day)},{y(item.figure.lower)}" for item in reversed(banded))
        parts.append(f'<polygon points="{upper} {lower}" fill="{colour}" fill-opacity="0.14"/>')
    line = " ".join(f"{x(item.day)},{y(item.figure.value)}" for item in known)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for item in known:
        at = f'cx="{x(item.day)}" cy="{y(item.figure.value)}"'
        fill = "#fff" if item.maturing else colour
        dash = ' stroke-dasharray="2 2"' if item.maturing else ""
        parts.append(f'<circle {at} r="3.5" fill="{fill}" stroke="{colour}"{dash}/>')
    return parts


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" font-size="{FONT_PX}" fill="{INK}" text-anchor="{anchor}">{escape(text)}</text>'

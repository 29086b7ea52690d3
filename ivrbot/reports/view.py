"""Everything that the page of reports shows, worked out: tables, charts, the funnel, the usual questions.

Takes reports, filters and a language; gives a `View` of plain data with addresses of the calls behind each number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final
from urllib.parse import urlencode

from ivrbot.analytics.figures import Figure
from ivrbot.analytics.funnel import FunnelStep
from ivrbot.analytics.kpis import KPIS
from ivrbot.analytics.report_dip import Part, Sums, odd_days, parts
from ivrbot.analytics.report_queries import ARMS, Filters, Group, ReportReader
from ivrbot.analytics.rollup import KPI_COLUMNS, MEANS, RATES
from ivrbot.model.contact import Unserved
from ivrbot.reports.charts import Chart, Point, point
from ivrbot.reports.comparison import ALL_STAGES, Comparison, Report, ReportRow
from ivrbot.reports.service import Reports

CHARTED: Final = (
    "true_resolution",
    "first_call_resolution",
    "service_level",
    "wait_s",
    "handle_time_s",
    "abandonment_mid_task",
    "transfer_rate",
    "csat",
)
HEADLINES: Final = (
    "true_resolution",
    "first_call_resolution",
    "service_level",
    "wait_s",
    "handle_time_s",
    "abandonment_mid_task",
    "transfer_rate",
    "csat",
    "cost_per_resolution",
)
SPLITS: Final = ("branch", "topic", "hour", "queue", "arm")
ASKED_KPIS: Final = (*RATES, *MEANS)
"""KPIs whose change over days can be split."""
NEIGHBOUR_DAYS: Final = 7
SHOWN_PARTS: Final = 6
EVERYBODY: Final = (*ARMS, "")


@dataclass(frozen=True, slots=True)
class KpiLine:
    """A KPI of both arms.

    Attributes:
        links: address of the calls behind each arm's number.
    """

    kpi: str
    control: Figure | None
    treatment: Figure | None
    comparison: Comparison | None
    links: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StageTable:
    """Figures of a branch's rung, or of all its rungs."""

    branch: str
    stage: str
    lines: tuple[KpiLine, ...]
    calls: Mapping[str, int]

    @property
    def is_sum(self) -> bool:
        """Of all rungs together."""
        return self.stage == ALL_STAGES


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the funnel."""

    way: str
    calls: int
    share: float
    link: str


@dataclass(frozen=True, slots=True)
class TransferLine:
    """Transfers by the bot for one reason; `failed` by why nobody was reached, with addresses."""

    reason: str
    transfers: int
    reached: int
    gave_up: int
    failed: Mapping[str, int]
    link: str
    links: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicLine:
    """Calls about a topic that the bot does not serve."""

    branch: str
    topic: str
    calls: int
    link: str


@dataclass(frozen=True, slots=True)
class Split:
    """What the groups of a dimension contribute to a day's change."""

    by: str
    parts: tuple[tuple[Part, str], ...]


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """Share of contacts that the bot handed over for a reason: on the day, and around it."""

    reason: str
    share: float
    usual_share: float
    link: str


@dataclass(frozen=True, slots=True)
class Dip:
    """A day against its neighbours."""

    day: date
    kpi: str
    value: float | None
    usual: float | None
    contacts: int
    splits: tuple[Split, ...]
    reasons: tuple[ReasonLine, ...]
    link: str


@dataclass(frozen=True, slots=True)
class View:
    """The page."""

    report: Report
    tables: tuple[StageTable, ...]
    overview: tuple[StageTable, ...]
    charts: tuple[Chart, ...]
    funnel: tuple[Step, ...]
    all_calls: int
    transfers: tuple[TransferLine, ...]
    topics: tuple[TopicLine, ...]
    ready: tuple[tuple[str, tuple[Comparison, ...]], ...]
    dip: Dip | None
    odd: tuple[date, ...]
    kpi: str
    choices: Mapping[str, Sequence[str]]
    days: tuple[date, date] | None


def calls_href(filters: Filters, **more: str) -> str:
    """Address of the calls that some filters mean."""
    values = {
        "from": filters.first.isoformat() if filters.first else "",
        "to": filters.last.isoformat() if filters.last else "",
        "branch": filters.branch,
        "topic": filters.topic,
        "queue": filters.queue,
        "hour": "" if filters.hour is None else str(filters.hour),
    } | more
    query = urlencode({name: value for name, value in values.items() if value})
    return f"/calls?{query}" if query else "/calls"


async def build_view(
    reports: Reports, filters: Filters, *, kpi: str = "first_call_resolution", day: date | None = None
) -> View:
    """Ask for everything.

    Args:
        reports: of the process.
        filters: of the page.
        kpi: of the question about a day, one of `ASKED_KPIS`.
        day: the day asked about; None: the oddest of the days shown, where one is odd.

    Raises:
        StorageError: the export or the states could not be read.
    """
    report = await reports.report(filters)
    return await asyncio.to_thread(_view, reports.reader, report, filters, kpi, day)


def _view(reader: ReportReader, report: Report, filters: Filters, kpi: str, day: date | None) -> View:
    everybody = replace(filters, arms=EVERYBODY)
    daily = reader.groups(filters, ("day", "arm"), {*CHARTED, kpi})
    odd = _odd(daily, kpi)
    asked = day or (odd[0] if odd else None)
    compared = {(item.branch, item.kpi): item for item in (*report.comparisons, *report.others)}
    tables = tuple(_tables(report.rows, compared, filters))
    funnel = reader.funnel(everybody)
    total = sum(funnel.values())
    ready = tuple(
        (branch, tuple(items)) for branch, items in groupby(report.comparisons, key=lambda item: item.branch)
    )
    return View(
        report=report,
        tables=tuple(table for table in tables if table.branch == filters.branch),
        overview=tuple(table for table in tables if table.stage == ALL_STAGES),
        charts=tuple(chart for name in CHARTED if not (chart := _chart(daily, name, asked)).empty),
        funnel=tuple(_step(way, funnel.get(way, 0), total, everybody) for way in FunnelStep),
        all_calls=total,
        transfers=tuple(_transfers(reader, filters)),
        topics=tuple(_topics(reader, everybody)),
        ready=ready,
        dip=_dip(reader, filters, kpi, asked) if asked else None,
        odd=tuple(odd[:5]),
        kpi=kpi,
        choices=reader.choices(
            Filters(first=filters.first, last=filters.last, branches=filters.branches, arms=EVERYBODY)
        ),
        days=reader.days(),
    )


# --- tables and charts ----------------------------------------------------------------------------------


def _tables(
    rows: Sequence[ReportRow], compared: Mapping[tuple[str, str], Comparison], filters: Filters
) -> Iterable[StageTable]:
    for (branch, stage), group in groupby(rows, key=lambda row: (row.branch, row.stage)):
        found: dict[str, dict[str, Figure]] = {}
        calls = {}
        for row in group:
            found.setdefault(row.figure.kpi, {})[row.arm] = row.figure
            calls[row.arm] = row.calls
        named = {"branch": branch} | ({"stage": stage} if stage != ALL_STAGES else {})
        links = {arm: calls_href(filters, arm=arm, **named) for arm in ARMS}
        lines = tuple(
            KpiLine(
                kpi,
                arms.get("control"),
                arms.get("treatment"),
                compared.get((branch, kpi)) if stage == ALL_STAGES else None,
                links,
            )
            for kpi, arms in found.items()
            if any(figure.value is not None or figure.maturing for figure in arms.values())
        )
        yield StageTable(branch, stage, lines, calls)


def _chart(daily: Sequence[Group], kpi: str, marked: date | None) -> Chart:
    series: dict[str, list[Point]] = {arm: [] for arm in ARMS}
    for group in sorted(daily, key=lambda item: item.keys["day"]):
        series[group.keys["arm"]].append(point(group.keys["day"], group.figure(kpi)))
    return Chart(kpi, series, marked)


# --- where calls went -----------------------------------------------------------------------------------


_WAY_LINKS: Final[Mapping[FunnelStep, Mapping[str, str]]] = {
    FunnelStep.DRAWN_BOT: {"arm": "treatment"},
    FunnelStep.DRAWN_OPERATOR: {"arm": "control"},
    FunnelStep.UNSERVED_TOPIC: {"arm": "none", "reason": "topic_not_served"},
    FunnelStep.INELIGIBLE: {"arm": "none"},
    FunnelStep.OPERATOR_WITHOUT_TOPIC: {"arm": "none", "reason": "caller_asked"},
    FunnelStep.HUNG_UP: {"arm": "none", "disposition": "abandoned"},
    FunnelStep.OUTSIDE: {"arm": "none"},
}
"""Nearest filter of the list of calls."""


def _step(way: FunnelStep, calls: int, total: int, filters: Filters) -> Step:
    return Step(way.value, calls, calls / total if total else 0.0, calls_href(filters, **_WAY_LINKS[way]))


def _transfers(reader: ReportReader, filters: Filters) -> Iterable[TransferLine]:
    """Transfers by the bot, the reasons with most first."""
    rows = reader.endings(filters, ("reason", "nobody"), "escalated")
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_reason.setdefault(row["reason"], []).append(row)
    found = []
    for reason, group in by_reason.items():
        unreached = {row["nobody"]: row["contacts"] for row in group if row["nobody"]}
        link = calls_href(filters, arm="treatment", reason=reason)
        found.append(
            TransferLine(
                reason=reason,
                transfers=sum(row["contacts"] for row in group),
                reached=sum(row["reached"] for row in group),
                gave_up=unreached.pop(Unserved.ABANDONED.value, 0),
                failed=unreached,
                link=link,
                links={why: f"{link}&unserved={why}" for why in (*unreached, Unserved.ABANDONED.value)},
            )
        )
    return sorted(found, key=lambda line: (-line.transfers, line.reason))


def _topics(reader: ReportReader, filters: Filters) -> Iterable[TopicLine]:
    for row in reader.endings(filters, ("branch", "topic"), f"way = '{FunnelStep.UNSERVED_TOPIC.value}'"):
        link = calls_href(filters, branch=row["branch"], topic=row["topic"])
        yield TopicLine(row["branch"], row["topic"], row["contacts"], link)


# --- why did a day dip? ---------------------------------------------------------------------------------


def _sums(group: Group, kpi: str) -> Sums:
    figure = group.figure(kpi)
    return float(figure.n), (figure.value or 0.0) * figure.n


FEW: Final = 20
"""A day with fewer contacts is odd by chance."""


def _odd(daily: Sequence[Group], kpi: str) -> list[date]:
    by_day: dict[date, list[Sums]] = {}
    for group in daily:
        by_day.setdefault(group.keys["day"], []).append(_sums(group, kpi))
    values = [
        (day.isoformat(), sum(total for _, total in sums) / n, n)
        for day, sums in by_day.items()
        if (n := sum(count for count, _ in sums)) >= FEW
    ]
    return [date.fromisoformat(day) for day in odd_days(values)]


def _dip(reader: ReportReader, filters: Filters, kpi: str, day: date) -> Dip:
    near = replace(filters, first=day - timedelta(days=NEIGHBOUR_DAYS), last=day + timedelta(days=NEIGHBOUR_DAYS))
    only = replace(filters, first=day, last=day)
    splits = []
    whole: tuple[float | None, float | None, int] = (None, None, 0)
    for by in SPLITS:
        if getattr(filters, by, "") not in {"", None}:
            continue
        today: dict[str, Sums] = {}
        around: dict[str, Sums] = {}
        for group in reader.groups(near, ("day", by), {kpi}):
            side = today if group.keys["day"] == day else around
            name = str(group.keys[by])
            n, total = _sums(group, kpi)
            before = side.get(name, (0.0, 0.0))
            side[name] = (before[0] + n, before[1] + total)
        whole = (_mean(today), _mean(around), int(sum(n for n, _ in today.values())))
        listed = parts(today, around)[:SHOWN_PARTS]
        named = "none" if by == "arm" else ""
        splits.append(Split(by, tuple((part, calls_href(only, **{by: part.name or named})) for part in listed)))
    reasons = tuple(_reasons(reader, near, only, day))
    return Dip(day, kpi, whole[0], whole[1], whole[2], tuple(splits), reasons, calls_href(only))


def _mean(side: Mapping[str, Sums]) -> float | None:
    n = sum(count for count, _ in side.values())
    return sum(total for _, total in side.values()) / n if n else None


def _reasons(reader: ReportReader, near: Filters, only: Filters, day: date) -> Iterable[ReasonLine]:
    """Reasons of transfers whose share of all contacts has grown most."""
    today: dict[str, int] = {}
    around: dict[str, int] = {}
    for row in reader.endings(near, ("day", "reason", "escalated")):
        side = today if row["day"] == day else around
        name = row["reason"] if row["escalated"] else ""
        side[name] = side.get(name, 0) + row["contacts"]
    n_day, n_around = sum(today.values()), sum(around.values())
    if not n_day or not n_around:
        return []
    found = [
        ReasonLine(name, today.get(name, 0) / n_day, around.get(name, 0) / n_around, calls_href(only, reason=name))
        for name in {*today, *around} - {""}
    ]
    found.sort(key=lambda line: (line.usual_share - line.share, line.reason))
    return found[:SHOWN_PARTS]


def known_kpi(name: str) -> str:
    """A KPI whose change can be split; the default for anything else."""
    return name if name in KPI_COLUMNS and name in ASKED_KPIS and name in KPIS else "first_call_resolution"

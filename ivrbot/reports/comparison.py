"""Bot against operators: the figures of both arms, and the weighted comparison that decisions rest on.

Takes an export, the plan and what is in force; gives a `Report`. Figures count contacts; comparisons count
callers, by the very code that the rollout's controller decides with, and never rest on a raw difference. Asks no
clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.figures import Figure
from ivrbot.analytics.kpis import COMPARABLE, KPIS
from ivrbot.analytics.report_queries import Filters, Group, ReportReader
from ivrbot.model.evidence import Metric, UnitRows, Verdict
from ivrbot.model.experiment import BranchState
from ivrbot.ports import EvidenceSource
from ivrbot.rollout.governing.gather import gather
from ivrbot.rollout.governing.standing import Standing
from ivrbot.rollout.judging.assess import assess
from ivrbot.rollout.judging.evidence import GRACE, microseconds
from ivrbot.rollout.planning.plan import BranchPlan, Plan
from ivrbot.stats.sequences import two_sided_half_width
from ivrbot.stats.weighting import contrast

ALL_STAGES: Final = "all"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One KPI of one arm.

    Attributes:
        stage: name of the rung, `ALL_STAGES` for the sum.
        day: None: all days of the report.
        calls: contacts of the group, whatever they count for.
    """

    branch: str
    stage: str
    arm: str
    figure: Figure
    calls: int
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Mixing:
    """Why the plain means of the arms differ from the weighted difference.

    Attributes:
        stage: the rung of which the bot's arm holds most more than its due.
        bot_share: of the bot's callers, those of that rung.
        human_share: of the operators' callers, those of that rung.
        level: mean of the KPI in that rung, both arms together.
        level_before: mean in all other rungs; None where there is no other.
        part: the difference that the unlike shares alone make, in the KPI's unit.
    """

    stage: str
    bot_share: float
    human_share: float
    level: float
    level_before: float | None
    part: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Bot - operators in one KPI of one branch, over callers of the present epoch.

    Attributes:
        role: "primary", "guardrail", or "" for KPIs that the plan does not judge.
        difference: weighted; None: cannot be told.
        lower, upper: ends of its two-sided confidence sequence.
        verdict: None for KPIs that the plan does not judge.
        margin: margin or limit of the plan; None without one.
        raw: difference of the plain means; None: cannot be told.
        mixing: None where raw and weighted difference agree as far as anybody can see.
        why: short code of the verdict, or of what keeps it from being told.
    """

    branch: str
    kpi: str
    role: str
    difference: float | None
    lower: float | None
    upper: float | None
    verdict: Verdict | None
    margin: float | None
    raw: float | None
    n_bot: int
    n_human: int
    mixing: Mixing | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What `ivrbot report` gives.

    Attributes:
        exported_at: when the store was read; None: never.
        known_until: comparisons are as of this moment.
        comparisons: KPIs that the plan judges.
        others: comparable KPIs that it does not.
        unmeasured: KPIs without any value, each with a code of what it lacks.
        currency: ISO 4217 code of amounts; "": no amount is among the figures.
    """

    filters: Filters
    exported_at: datetime | None
    known_until: datetime | None
    rows: tuple[ReportRow, ...]
    comparisons: tuple[Comparison, ...]
    others: tuple[Comparison, ...]
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""


# --- figures --------------------------------------------------------------------------------------------


def report_rows(reader: ReportReader, filters: Filters, plan: Plan, *, by_day: bool = False) -> list[ReportRow]:
    """Figures of every branch, stage and arm, and of all stages together.

    Args:
        reader: of the export.
        filters: which contacts.
        plan: for the order of branches and stages.
        by_day: also by local day.
    """
    day = ("day",) if by_day else ()
    staged = reader.groups(filters, (*day, "branch", "stage", "arm"))
    summed = reader.groups(filters, (*day, "branch", "arm"))
    rows = [row for group in (*staged, *summed) for row in _rows(group)]
    return sorted(rows, key=lambda row: _order(row, plan))


def _rows(group: Group) -> list[ReportRow]:
    keys = group.keys
    stage, day = keys.get("stage", ALL_STAGES), keys.get("day")
    return [ReportRow(keys["branch"], stage, keys["arm"], figure, group.calls, day) for figure in group.figures]


LAST: Final = 1_000
_KPI_ORDER: Final = {name: at for at, name in enumerate(KPIS)}


def _order(row: ReportRow, plan: Plan) -> tuple[object, ...]:
    names = list(plan.branches)
    branch = plan.branches.get(row.branch)
    stage = branch.index(row.stage) if branch is not None and row.stage != ALL_STAGES else LAST
    place = names.index(row.branch) if row.branch in names else len(names)
    at = row.day or date.min
    return at, place, row.branch, stage, row.stage, _KPI_ORDER[row.figure.kpi], row.arm


def unmeasured(rows: Sequence[ReportRow], *, priced: bool) -> dict[str, str]:
    """KPIs that nobody has a value of, and a code of why.

    Args:
        rows: of a report.
        priced: the settings name prices.
    """
    known = {row.figure.kpi for row in rows if row.figure.value is not None}
    later = {row.figure.kpi for row in rows if row.figure.maturing}
    found = {}
    for name in KPIS:
        if name in known:
            continue
        found[name] = "maturing" if name in later else _LACKS.get(name, "no_calls")
    if not priced and "cost_per_resolution" in found:
        found["cost_per_resolution"] = "no_prices"
    return found


_LACKS: Final = {
    "csat": "no_scores",
    "qa_score": "no_reviews",
    "misroute": "no_dispositions",
    "cost_per_resolution": "no_resolution",
}


# --- comparisons ----------------------------------------------------------------------------------------


async def compare(
    source: EvidenceSource,
    plan: Plan,
    states: Mapping[str, BranchState],
    told: Mapping[str, Standing],
    now: datetime,
) -> tuple[list[Comparison], list[Comparison]]:
    """Comparisons of every branch that is on a rung where callers are drawn.

    Args:
        source: of evidence.
        plan: in force.
        states: kill switches folded in.
        told: by branch, from the audit.
        now: the moment that the evidence is of.

    Returns:
        KPIs that the plan judges, and comparable KPIs that it does not.

    Raises:
        StorageError: the evidence could not be read.
    """
    judged: list[Comparison] = []
    others: list[Comparison] = []
    for name, branch in plan.branches.items():
        state = states.get(name)
        if state is None or not state.stage:
            continue
        evidence = await gather(source, branch, state, told.get(name), now)
        metrics = assess(branch, evidence)
        if not metrics:
            continue
        rows = await source.unit_rows(
            name, state.epoch, kpis=COMPARABLE, window_days=branch.repeat_window_days, now=now
        )
        until = evidence.freshness.human_source_at if evidence.freshness else None
        known = min(now, until) if until else now
        judged += [_judged(name, metric, rows, branch, known) for metric in metrics]
        named = {metric.kpi for metric in metrics}
        others += [_other(branch, kpi, rows, known) for kpi in COMPARABLE if kpi not in named]
    return judged, others


def _judged(name: str, metric: Metric, rows: UnitRows, branch: BranchPlan, known: datetime) -> Comparison:
    found = Comparison(
        name,
        metric.kpi,
        metric.role.value,
        metric.difference,
        metric.lower,
        metric.upper,
        metric.verdict,
        metric.margin,
        None,
        metric.n_bot,
        metric.n_human,
        why=metric.why,
    )
    if metric.role.value != "primary" or metric.kpi not in rows.values or metric.difference is None:
        return found
    values, treated, _, stage = _usable(rows, metric.kpi, branch, known)
    return _with_mixing(found, values, treated, stage, rows.stages)


def _other(branch: BranchPlan, kpi: str, rows: UnitRows, known: datetime) -> Comparison:
    values, treated, propensity, stage = _usable(rows, kpi, branch, known)
    seen = contrast(values, treated, propensity)
    both = seen.n_bot > 0 and seen.n_human > 0
    found = Comparison(
        branch.name, kpi, "", None, None, None, None, None, None, seen.n_bot, seen.n_human, why="shown_only"
    )
    if not both or seen.difference is None or seen.cautious_variance is None:
        return found
    half = two_sided_half_width(seen.n, seen.cautious_variance, branch.alpha, branch.t_opt)
    found = replace(found, difference=seen.difference, lower=seen.difference - half, upper=seen.difference + half)
    return _with_mixing(found, values, treated, stage, rows.stages)


Values = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]


def _usable(rows: UnitRows, kpi: str, branch: BranchPlan, known: datetime) -> Values:
    """Value, arm, chance and stage of callers that count, as `rollout.evidence` counts them."""
    delay = (timedelta(days=branch.repeat_window_days) if KPIS[kpi].windowed else GRACE) // timedelta(
        microseconds=1
    )
    values = rows.values[kpi]
    mature = rows.at_us <= microseconds(known) - delay
    drawn = (rows.propensity > 0) & (rows.propensity < 1)
    kept = mature & drawn & ~np.isnan(values)
    return values[kept], rows.treated[kept], rows.propensity[kept], rows.stage[kept]


def _with_mixing(
    found: Comparison,
    values: NDArray[np.float64],
    treated: NDArray[np.bool_],
    stage: NDArray[np.int64],
    stages: Sequence[str],
) -> Comparison:
    """With the difference of the plain means, and why it is another one where it is."""
    difference = found.difference
    if not treated.any() or treated.all() or difference is None:
        return found
    raw = float(values[treated].mean() - values[~treated].mean())
    found = replace(found, raw=raw)
    width = (found.upper - found.lower) if found.upper is not None and found.lower is not None else 0.0
    if abs(raw - difference) < max(VISIBLE * width, _smallest(found.kpi)):
        return found
    return replace(found, mixing=mixing(values, treated, stage, stages))


VISIBLE: Final = 0.05
"""Less than a twentieth of the interval is no difference that anybody asks about."""


def _smallest(kpi: str) -> float:
    """What the last digit shown stands for."""
    return 0.001 if KPIS[kpi].unit == "share" else 0.5


def mixing(
    values: NDArray[np.float64], treated: NDArray[np.bool_], stage: NDArray[np.int64], stages: Sequence[str]
) -> Mixing:
    """Which rung the bot's callers come from more often than the operators', and what unlike shares alone make.

    Args:
        values: float64[n], no NaN.
        treated: bool[n], both arms present.
        stage: int64[n], index into `stages`.
        stages: names of rungs.
    """
    codes = np.unique(stage)
    bot = np.array([np.mean(stage[treated] == code) for code in codes])
    human = np.array([np.mean(stage[~treated] == code) for code in codes])
    level = np.array([values[stage == code].mean() for code in codes])
    at = int(np.argmax(bot - human))
    elsewhere = values[stage != codes[at]]
    return Mixing(
        stage=stages[int(codes[at])],
        bot_share=float(bot[at]),
        human_share=float(human[at]),
        level=float(level[at]),
        level_before=float(elsewhere.mean()) if elsewhere.size else None,
        part=float(((bot - human) * level).sum()),
    )

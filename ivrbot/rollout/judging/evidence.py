"""Rows of units into the numbers that a decision may rest on.

Takes first exposures of one branch and epoch (`UnitRows`), the branch's plan and state, and a moment; gives
`Evidence`. Pure: time comes in.

What counts: rows whose logged propensity lies strictly between 0 and 1, not later than the moment. A value counts
when it is mature. A windowed KPI is mature `repeat_window_days` after the unit's first exposure. Any other KPI is
mature after `GRACE`: a call, its after-call work and the writing down of both end within the hour in all but a few
calls, and before that the calls which are known already are the short ones. Values that come earlier are ignored
in both arms, since one arm's quicker reporting would be taken for a difference. Where the operators' data is known
to be complete only up to some moment, that moment takes the place of the clock for everything that compares arms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.model.evidence import (
    ArmCounts,
    ArmFlow,
    Estimate,
    Evidence,
    EvidenceProblem,
    Freshness,
    KpiEvidence,
    KpiSample,
    ShadowEvidence,
    SrmEvidence,
    SrmGroup,
    UnitRows,
)
from ivrbot.model.experiment import BranchState
from ivrbot.rollout.planning.plan import BranchPlan
from ivrbot.stats.srm import localise, srm
from ivrbot.stats.weighting import contrast

GRACE = timedelta(hours=1)
"""How long the value of a KPI without a window may take to arrive."""

CLOCK_SKEW = timedelta(minutes=5)
"""By how much the clocks of two hosts may differ before a row counts as written in the future."""

SRM_ALPHA = 0.01
WORST_GROUPS = 5

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Mask = NDArray[np.bool_]


def build_evidence(
    rows: UnitRows,
    branch: BranchPlan,
    state: BranchState,
    *,
    now: datetime,
    stage_since: datetime | None = None,
    last_decision_at: datetime | None = None,
    complete: bool = False,
    freshness: Freshness | None = None,
    shadow: ShadowEvidence | None = None,
    problems: Sequence[EvidenceProblem] = (),
) -> Evidence:
    """What is known about a branch at a moment.

    Args:
        rows: first exposures of the branch's present epoch, any order.
        branch: its plan.
        state: its state; `rows` of other stages than `state.stage` count for the pooled contrast only.
        now: aware time.
        stage_since: when the branch entered its stage.
        last_decision_at: the newest decision on this branch.
        complete: its last rung was declared complete before.
        freshness: how new each arm's data is.
        shadow: what shadow calls showed.
        problems: what the reader of the rows noticed.

    Raises:
        ValueError: columns of different length, or a propensity outside 0..1.
    """
    counted, late = _not_late(rows, now)
    drawn = (counted.propensity > 0.0) & (counted.propensity < 1.0)
    without_chance = int(len(counted) - drawn.sum())
    if without_chance:
        counted = _take(counted, drawn)
    complete_until = freshness.human_source_at if freshness is not None else None
    return Evidence(
        branch=branch.name,
        epoch=state.epoch,
        stage=state.stage,
        as_of=now,
        stage_since=stage_since,
        last_decision_at=last_decision_at,
        complete=complete,
        units=len(counted),
        without_chance=without_chance,
        late=late,
        kpis=_kpis(counted, branch, state.stage, now, complete_until),
        srm=_srm(counted),
        bot_flow=_flow(counted, bot=True),
        human_flow=_flow(counted, bot=False),
        freshness=freshness,
        shadow=shadow,
        problems=tuple(problems),
    )


def microseconds(at: datetime) -> int:
    """Microseconds since 1970-01-01 UTC of an aware time, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(at_us: int) -> datetime:
    """Aware UTC time of microseconds since 1970-01-01 UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


def _not_late(rows: UnitRows, now: datetime) -> tuple[UnitRows, int]:
    """Rows in order of time without those from the future, and how many those were."""
    at = rows.at_us
    if at.size and bool(np.any(at[1:] < at[:-1])):
        rows = _take(rows, np.argsort(at, kind="stable"))
    limit = microseconds(now + CLOCK_SKEW)
    keep = int(np.searchsorted(rows.at_us, limit, side="right"))
    late = len(rows) - keep
    return (_take(rows, slice(0, keep)) if late else rows), late


def _take(rows: UnitRows, which: slice | Mask | NDArray[np.int64]) -> UnitRows:
    return replace(
        rows,
        at_us=rows.at_us[which],
        stage=rows.stage[which],
        treated=rows.treated[which],
        propensity=rows.propensity[which],
        values={name: column[which] for name, column in rows.values.items()},
        trunk=None if rows.trunk is None else rows.trunk[which],
        prefix=None if rows.prefix is None else rows.prefix[which],
    )


def kpis_of(branch: BranchPlan) -> tuple[str, ...]:
    """KPIs that a branch's plan judges, primaries first, each once."""
    named = [item.kpi for item in branch.primary] + [item.kpi for item in branch.guardrails]
    return tuple(dict.fromkeys(named))


def _kpis(
    rows: UnitRows, branch: BranchPlan, stage: str, now: datetime, complete_until: datetime | None
) -> tuple[KpiEvidence, ...]:
    compared = {item.kpi for item in branch.primary}
    compared |= {item.kpi for item in branch.guardrails if item.limit is not None}
    here = rows.stages.index(stage) if stage in rows.stages else -1
    in_stage = rows.stage == here
    found = []
    for kpi in kpis_of(branch):
        values = rows.values.get(kpi)
        if values is None:
            found.append(KpiEvidence(kpi, present=False))
            continue
        # The bot's own rates do not wait for the operators' data: late human rows must not hide a failing bot.
        waits = complete_until is not None and kpi in compared
        until = min(now, complete_until) if waits and complete_until is not None else now
        delay = timedelta(days=branch.repeat_window_days) if KPIS[kpi].windowed else GRACE
        mature = rows.at_us <= microseconds(until - delay)
        found.append(
            KpiEvidence(
                kpi,
                pooled=_sample(rows, values, mature, None),
                stage=_sample(rows, values, mature, in_stage),
            )
        )
    return tuple(found)


def _sample(rows: UnitRows, values: NDArray[np.float64], mature: Mask, only: Mask | None) -> KpiSample:
    """One KPI over the rows of `only` (None: all)."""
    treated, propensity = rows.treated, rows.propensity
    if only is not None:
        values, mature, treated, propensity = values[only], mature[only], treated[only], propensity[only]
    given = mature & ~np.isnan(values)
    found = contrast(values[given], treated[given], propensity[given])
    both = found.n_bot > 0 and found.n_human > 0  # one arm alone still has a mean of phi, which says nothing
    return KpiSample(
        estimate=Estimate(
            n=found.n,
            n_bot=found.n_bot,
            n_human=found.n_human,
            bot=found.bot,
            human=found.human,
            bot_variance=found.bot_variance,
            difference=found.difference if both else None,
            variance=found.cautious_variance if both else None,
            raw_bot=_mean(values[given & treated]),
            raw_human=_mean(values[given & ~treated]),
        ),
        bot=_counts(treated, mature, found.n_bot),
        human=_counts(~treated, mature, found.n_human),
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None


def _counts(arm: Mask, mature: Mask, given: int) -> ArmCounts:
    ripe = int(np.count_nonzero(arm & mature))
    return ArmCounts(mature=ripe, missing=ripe - given, immature=int(np.count_nonzero(arm)) - ripe)


def _srm(rows: UnitRows) -> SrmEvidence:
    if not len(rows):
        return SrmEvidence()
    result = srm(rows.treated, rows.propensity, SRM_ALPHA)
    groups: tuple[SrmGroup, ...] = ()
    if not result.ok:
        worst = localise(rows.treated, rows.propensity, _places(rows))[:WORST_GROUPS]
        groups = tuple(
            SrmGroup(item.by, item.group, item.n, item.expected, item.observed, item.z) for item in worst
        )
    return SrmEvidence(n=result.n, p_value=result.p_value, ok=result.ok, groups=groups)


def _places(rows: UnitRows) -> dict[str, NDArray[np.str_]]:
    """What a mismatch may sit in: hour of the day (UTC), trunk, prefix."""
    names = np.array([f"{hour:02d}:00 UTC" for hour in range(24)])
    hour_us = 3_600_000_000
    places: dict[str, NDArray[np.str_]] = {"hour": names[rows.at_us // hour_us % 24]}
    if rows.trunk is not None:
        places["trunk"] = rows.trunk
    if rows.prefix is not None:
        places["prefix"] = rows.prefix
    return places


def _flow(rows: UnitRows, *, bot: bool) -> ArmFlow:
    """The newest row of an arm, and how likely it is by chance that the arm has been silent since."""
    of_arm = np.flatnonzero(rows.treated == bot)
    newest = int(of_arm[-1]) if of_arm.size else -1
    since = rows.propensity[newest + 1 :]
    elsewhere = 1.0 - since if bot else since
    log10_p = float(np.log(elsewhere).sum() / math.log(10.0)) if since.size else 0.0
    return ArmFlow(moment(int(rows.at_us[newest])) if of_arm.size else None, log10_p)

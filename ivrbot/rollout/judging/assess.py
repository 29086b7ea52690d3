"""Evidence into a judgement of each KPI of the plan.

Takes a branch's plan and its `Evidence`, gives one `Metric` per primary and guardrail. Pure.

A primary is pooled over the epoch: it passes when the one-sided lower bound of the benefit lies above -margin, and
fails when the upper one lies below. Benefit = bot - human where more is better, human - bot where less is better.
A guardrail reads the current stage only, at alpha / k for k guardrails: it fails when the lower bound of the harm
lies above its limit (or the bot's own mean, by the same kind of bound, beyond its level). What cannot be told is
None, and its verdict inconclusive.

Source of the bounds: Waudby-Smith et al., arXiv 2103.06476 (see `ivrbot.stats.sequences`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.model.evidence import Estimate, Evidence, KpiEvidence, KpiSample, Metric, Role, Verdict
from ivrbot.rollout.planning.plan import BranchPlan, Guardrail, Primary, Stage
from ivrbot.stats.sequences import one_sided_half_width, two_sided_half_width

MISSING_ALLOWED = 0.01
"""Share of an arm's mature values that may be missing: more, and who is missing may be the whole difference."""


@dataclass(frozen=True, slots=True)
class _Interval:
    """Two-sided sequence around the difference, and the one-sided half-width."""

    lower: float
    upper: float
    half_width: float


def assess(branch: BranchPlan, evidence: Evidence) -> tuple[Metric, ...]:
    """Judge every KPI of a branch.

    Args:
        branch: its plan.
        evidence: its evidence.

    Returns:
        Primaries, then guardrails, in the order of the plan; nothing on a rung that the plan does not have or
        where nobody is drawn (share 0).
    """
    stage = branch.stage(evidence.stage)
    if stage is None or stage.bound <= 0.0:
        return ()
    primaries = [_primary(branch, stage, item, evidence.kpi(item.kpi)) for item in branch.primary]
    alpha = branch.alpha / max(1, len(branch.guardrails))
    guardrails = [
        _by_limit(branch, stage, item, item.limit, evidence.kpi(item.kpi), alpha)
        if item.limit is not None
        else _by_level(branch, stage, item, evidence.kpi(item.kpi), alpha)
        for item in branch.guardrails
    ]
    return (*primaries, *guardrails)


def sign_of(kpi: str) -> float:
    """+1 where more is better, -1 where less is."""
    return 1.0 if KPIS[kpi].better == "up" else -1.0


def _interval(branch: BranchPlan, estimate: Estimate, alpha: float) -> _Interval | None:
    """None where the rows give no variance."""
    if estimate.difference is None or estimate.variance is None:
        return None
    two = two_sided_half_width(estimate.n, estimate.variance, branch.alpha, branch.t_opt)
    one = one_sided_half_width(estimate.n, estimate.variance, alpha, branch.t_opt)
    return _Interval(estimate.difference - two, estimate.difference + two, one)


def _lacks_callers(estimate: Estimate, stage: Stage) -> bool:
    return min(estimate.n_bot, estimate.n_human) < stage.min_callers


def _misses_values(sample: KpiSample) -> bool:
    return max(sample.bot.missing_share, sample.human.missing_share) > MISSING_ALLOWED


# --- primaries ------------------------------------------------------------------------------------------


def _primary(branch: BranchPlan, stage: Stage, rule: Primary, item: KpiEvidence) -> Metric:
    pooled, own = item.pooled.estimate, item.stage.estimate
    sign = sign_of(rule.kpi)
    interval = _interval(branch, pooled, branch.alpha)
    bound: float | None = None
    verdict, why = _unmeasured_primary(stage, item)
    if interval is not None and pooled.difference is not None:
        benefit = sign * pooled.difference
        bound = benefit - interval.half_width
        if verdict is None:
            verdict, why = _judge_primary(stage, rule, own, sign, benefit, interval.half_width)
        if verdict is Verdict.FAIL:
            bound = benefit + interval.half_width
    return Metric(
        kpi=rule.kpi,
        role=Role.PRIMARY,
        bot=pooled.bot,
        human=pooled.human,
        difference=pooled.difference,
        lower=interval.lower if interval else None,
        upper=interval.upper if interval else None,
        bound=bound,
        margin=rule.margin,
        n_bot=pooled.n_bot,
        n_human=pooled.n_human,
        stage_difference=own.difference,
        stage_n_bot=own.n_bot,
        stage_n_human=own.n_human,
        verdict=verdict or Verdict.INCONCLUSIVE,
        why=why,
    )


def _unmeasured_primary(stage: Stage, item: KpiEvidence) -> tuple[Verdict | None, str]:
    """What forbids any verdict, even a bad one."""
    if not item.present:
        return Verdict.INCONCLUSIVE, "absent"
    if _misses_values(item.pooled) or _misses_values(item.stage):
        return Verdict.INCONCLUSIVE, "missing_values"
    if _lacks_callers(item.pooled.estimate, stage):
        return Verdict.INCONCLUSIVE, "few_callers"
    return None, "no_variance"


def _judge_primary(
    stage: Stage, rule: Primary, own: Estimate, sign: float, benefit: float, half_width: float
) -> tuple[Verdict, str]:
    if benefit + half_width < -rule.margin:
        return Verdict.FAIL, "worse"
    if _lacks_callers(own, stage):
        return Verdict.INCONCLUSIVE, "few_callers"
    if benefit - half_width <= -rule.margin:
        return Verdict.INCONCLUSIVE, "not_shown"
    # A bot that was good on earlier rungs must not climb on their credit.
    if own.difference is None or sign * own.difference <= -rule.margin:
        return Verdict.INCONCLUSIVE, "worse_in_stage"
    return Verdict.PASS, "no_worse"


# --- guardrails -----------------------------------------------------------------------------------------


def _by_limit(
    branch: BranchPlan, stage: Stage, rule: Guardrail, limit: float, item: KpiEvidence, alpha: float
) -> Metric:
    own = item.stage.estimate
    interval = _interval(branch, own, alpha)
    bound = None
    if interval is not None and own.difference is not None:
        bound = -sign_of(rule.kpi) * own.difference - interval.half_width
    verdict, why = Verdict.INCONCLUSIVE, "no_variance"
    if not item.present:
        why = "absent"
    elif _misses_values(item.stage):
        why = "missing_values"
    elif _lacks_callers(own, stage):
        why = "few_callers"
    elif bound is not None:
        verdict, why = (Verdict.FAIL, "breached") if bound > limit else (Verdict.PASS, "not_breached")
    return _guardrail(rule, limit, own, interval, bound, verdict, why)


def _by_level(branch: BranchPlan, stage: Stage, rule: Guardrail, item: KpiEvidence, alpha: float) -> Metric:
    own = item.stage.estimate
    level = rule.level if rule.level is not None else 0.0
    sign = sign_of(rule.kpi)
    bound = None
    if own.bot is not None and own.bot_variance is not None:
        bound = own.bot + sign * one_sided_half_width(own.n_bot, own.bot_variance, alpha, branch.t_opt)
    verdict, why = Verdict.INCONCLUSIVE, "no_variance"
    if not item.present:
        why = "absent"
    elif item.stage.bot.missing_share > MISSING_ALLOWED:
        why = "missing_values"
    elif own.n_bot < stage.min_callers:
        why = "few_callers"
    elif bound is not None:
        breached = sign * bound < sign * level
        verdict, why = (Verdict.FAIL, "breached") if breached else (Verdict.PASS, "not_breached")
    alone = replace(own, difference=None)
    return _guardrail(rule, level, alone, None, bound, verdict, why)


def _guardrail(
    rule: Guardrail,
    margin: float,
    own: Estimate,
    interval: _Interval | None,
    bound: float | None,
    verdict: Verdict,
    why: str,
) -> Metric:
    return Metric(
        kpi=rule.kpi,
        role=Role.GUARDRAIL,
        bot=own.bot,
        human=own.human,
        difference=own.difference,
        lower=interval.lower if interval else None,
        upper=interval.upper if interval else None,
        bound=bound,
        margin=margin,
        n_bot=own.n_bot,
        n_human=own.n_human,
        stage_difference=own.difference,
        stage_n_bot=own.n_bot,
        stage_n_human=own.n_human,
        verdict=verdict,
        why=why,
    )

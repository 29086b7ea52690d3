"""How long the plan will take: a calendar for all branches, and what one branch still lacks.

Takes the plan, daily callers and what is assumed of the spread of each KPI; gives days per rung. Pure. The numbers
are those of an equal bot, at the power asked for; a controller that looks every day often decides earlier.

Source of callers per rung: `ivrbot.stats.planning`; rungs are pooled as the controller pools them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import NormalDist

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.errors import ConfigError, Problem
from ivrbot.model.evidence import Estimate, Evidence
from ivrbot.model.experiment import BranchState
from ivrbot.rollout.forecasting.synthetic import RATES, RESOLUTION, TIME, solution_variance
from ivrbot.rollout.planning.plan import BranchPlan, Plan, Stage
from ivrbot.stats.planning import phi_variance
from ivrbot.stats.sequences import one_sided_half_width

YEAR_DAYS = 365
NO_HOLDBACK = "no_holdback"
LONG_WEEKS = 26

BASE = 0.72
SPREADS: Mapping[str, float] = {"handle_time_s": 240.0}
"""Standard deviation of one caller's value where none is given, in its raw unit.

That of time_to_solution_s follows from the base rate and the plan's cap: whoever is not helped counts with the
cap, the others are taken as log-normal around 180 s (`solution_variance`). With 72 % helped that is 722 s at a cap
of 1,800 s, and 326 s at 900 s.
"""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is taken for granted.

    Attributes:
        base: share of callers whom operators truly resolve, 0..1.
        spreads: standard deviation of one caller's value by KPI, in its raw unit; else see `SPREADS`.
        power: chance with which an equal bot shall have been shown non-inferior by the day named.
        approval_days: days that people take to approve a rung.
    """

    base: float = BASE
    spreads: Mapping[str, float] = field(default_factory=dict)
    power: float = 0.8
    approval_days: int = 0

    def variance(self, kpi: str, time_cap_s: float) -> float:
        """Variance of one caller's value.

        Args:
            kpi: its name.
            time_cap_s: of the branch's plan.

        Raises:
            ConfigError: nothing is known of this KPI's spread.
        """
        spread = self.spreads.get(kpi, SPREADS.get(kpi))
        if spread is not None:
            return spread * spread
        if kpi == TIME:
            return solution_variance(self.base, time_cap_s)
        rate = RATES.get(kpi)
        share = self.base if kpi == RESOLUTION else rate.human if rate else None
        if share is None:
            text = "its standard deviation must be given"
            raise ConfigError([Problem("", None, f"primary.{kpi}", "", text, f"--spread {kpi}=NUMBER")])
        return share * (1 - share)


@dataclass(frozen=True, slots=True)
class StageForecast:
    """One rung.

    Attributes:
        callers_needed: drawn callers of both arms whose values must count before the next rung; None: no number of
            them is enough.
        days: from entering the rung to leaving it; None: not within a year.
        because: what takes longest: a KPI, "min_days", "min_callers", "stage_estimate"; or "no_holdback", where
            nobody is left to compare with.
    """

    stage: str
    share: float
    callers_needed: int | None
    days: int | None
    because: str


@dataclass(frozen=True, slots=True)
class BranchForecast:
    """One branch; days count from the beginning of the calendar.

    Attributes:
        callers_per_day: new callers, both arms together; None when not known.
        starts_day: None when it never starts (what it waits for is not decidable).
        done_day: None when not decidable.
        reason: why it is not decidable, "" when it is.
        warnings: in words.
    """

    branch: str
    after: str
    callers_per_day: float | None
    starts_day: int | None
    done_day: int | None
    stages: tuple[StageForecast, ...]
    reason: str
    warnings: tuple[str, ...]

    @property
    def decidable(self) -> bool:
        """Whether the plan reaches its end."""
        return self.done_day is not None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a branch still lacks on its rung.

    Attributes:
        callers_needed: callers whose values must still come to count (drawn and waiting for their window, or not
            yet drawn); None when no number within reach is enough, or nothing is decided by callers here.
        earliest_day: day from which a step up may be expected of an equal bot; None when not within a year.
    """

    callers_needed: int | None
    earliest_day: date | None


def forecast(
    plan: Plan, callers_per_day: Mapping[str, float], assumed: Assumptions = Assumptions()
) -> list[BranchForecast]:
    """A calendar for all branches, from their first day.

    Args:
        plan: in force.
        callers_per_day: new callers per branch; a branch that is not in it is not decidable.
        assumed: spreads and power.

    Raises:
        ConfigError: a primary KPI has no known spread.
    """
    rows: dict[str, BranchForecast] = {}
    waiting = dict(plan.branches)
    while waiting:
        ready = [name for name, branch in waiting.items() if not branch.after or branch.after not in waiting]
        for name in ready or list(waiting):
            branch = waiting.pop(name)
            rows[name] = _branch(branch, rows.get(branch.after), callers_per_day.get(name), assumed)
    return [rows[name] for name in plan.branches]


def _branch(
    branch: BranchPlan, before: BranchForecast | None, daily: float | None, assumed: Assumptions
) -> BranchForecast:
    starts: int | None = 0
    reason = ""
    if branch.after:
        starts = before.done_day if before else None
        reason = f"waits for {branch.after}, which is not decidable" if starts is None else ""
    if daily is None or daily <= 0:
        reason = reason or "its volume is not known"
        return BranchForecast(branch.name, branch.after, daily, starts, None, (), reason, ())
    stages = _ladder(branch, daily, assumed)
    stuck = next((stage for stage in stages if stage.days is None), None)
    if stuck is not None:
        never = f"{stuck.stage} keeps nobody with operators: nothing to compare with"
        longer = f"{stuck.stage} takes more than a year ({stuck.because})"
        reason = reason or (never if stuck.because == NO_HOLDBACK else longer)
    done = None
    if not reason and starts is not None:
        done = starts + sum(stage.days or 0 for stage in stages) + assumed.approval_days * (len(stages) - 1)
    warnings = []
    if done is not None and done > LONG_WEEKS * 7:
        warnings.append(f"done only in week {math.ceil(done / 7)}, beyond {LONG_WEEKS} weeks")
    return BranchForecast(branch.name, branch.after, daily, starts, done, tuple(stages), reason, tuple(warnings))


def _ladder(branch: BranchPlan, daily: float, assumed: Assumptions) -> list[StageForecast]:
    """Rungs from the start on, up to the first that is not decidable."""
    variances = {item.kpi: assumed.variance(item.kpi, branch.time_cap_s) for item in branch.primary}
    window = window_days(branch)
    before: list[tuple[float, float]] = []
    found = []
    for stage in branch.stages[max(branch.index(branch.start), 0) :]:
        if stage.bound <= 0:  # shadow is left by time and accuracy
            found.append(StageForecast(stage.name, stage.share, 0, stage.min_days, "min_days"))
            continue
        if stage.bound >= 1:
            found.append(StageForecast(stage.name, stage.share, None, None, NO_HOLDBACK))
            break
        needed, because = _callers(branch, stage, before, variances, assumed.power)
        days = None
        if needed is not None:
            days = max(stage.min_days, math.ceil(needed / daily + window))
            because = "min_days" if days == stage.min_days else because
        if days is None or days > YEAR_DAYS:
            found.append(StageForecast(stage.name, stage.share, needed, None, because))
            break
        found.append(StageForecast(stage.name, stage.share, needed, days, because))
        before.append((daily * days, stage.bound))
    return found


def window_days(branch: BranchPlan) -> int:
    """Days before a caller's values count."""
    return branch.repeat_window_days if any(KPIS[item.kpi].windowed for item in branch.primary) else 0


def _callers(
    branch: BranchPlan,
    stage: Stage,
    before: Sequence[tuple[float, float]],
    variances: Mapping[str, float],
    power: float,
) -> tuple[int | None, str]:
    """Callers of a rung that must count until all that the plan asks for holds, and which of it takes most.

    Args:
        branch: its plan.
        stage: the rung, probability of the bot between 0 and 1.
        before: (callers, probability of the bot) of the rungs before.
        variances: of one caller's value, per primary.
        power: as in `Assumptions`.
    """
    z = NormalDist().inv_cdf(power)
    needs: dict[str, int | None] = {
        "min_callers": math.ceil(stage.min_callers / min(stage.bound, 1 - stage.bound))
    }
    estimate = 0
    for item in branch.primary:
        own = phi_variance(variances[item.kpi], stage.bound)
        earlier = [(n, phi_variance(variances[item.kpi], bound)) for n, bound in before]
        needs[item.kpi] = _first(_shown(branch, item.margin, earlier, own, z))
        estimate = max(estimate, math.ceil(own * (z / item.margin) ** 2))
    needs["stage_estimate"] = estimate
    because = max(needs, key=lambda name: math.inf if needs[name] is None else needs[name] or 0)
    return needs[because], because


def _shown(
    branch: BranchPlan, margin: float, earlier: Sequence[tuple[float, float]], own: float, z: float
) -> Callable[[int], bool]:
    """Whether an equal bot is shown non-inferior with so many callers more.

    Args:
        branch: for alpha and t_opt.
        margin: of the KPI.
        earlier: (callers, variance of phi) of the rungs before.
        own: variance of phi on this rung.
        z: normal quantile of the power.
    """
    callers, spread = sum(n for n, _ in earlier), sum(n * v for n, v in earlier)

    def shown(more: int) -> bool:
        n = callers + more
        v = (spread + more * own) / n
        return margin - one_sided_half_width(n, v, branch.alpha, branch.t_opt) >= z * math.sqrt(v / n)

    return shown


def _first(shown: Callable[[int], bool], most: int = 10**9) -> int | None:
    """Smallest number from which a condition holds, by bisection; None beyond `most`."""
    if shown(2):
        return 2
    if not shown(most):
        return None
    low, high = 2, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


# --- one branch, from what is known of it ------------------------------------------------------------


def outlook(
    branch: BranchPlan, state: BranchState, evidence: Evidence, daily_callers: float | None, power: float = 0.8
) -> Outlook:
    """What is still lacking before the next rung, if bot and operators are equal from now on.

    Args:
        branch: its plan.
        state: in force.
        evidence: as of now; what it has shown so far counts, good or bad.
        daily_callers: new callers per day, both arms; None: no day can be named.
        power: chance with which an equal bot shall have been shown so by then.
    """
    stage = branch.stage(state.stage)
    if stage is None or state.killed or evidence.complete:
        return Outlook(None, None)
    today = evidence.as_of.date()
    since = evidence.stage_since.date() if evidence.stage_since else today
    by_days = max(today, since + timedelta(days=stage.min_days))
    if stage.bound <= 0:
        return Outlook(0, by_days)
    if stage.bound >= 1:
        return Outlook(None, None)
    needs = [_still(branch, stage, evidence, item.kpi, item.margin, power) for item in branch.primary]
    if any(need is None for need in needs):
        return Outlook(None, None)
    needed = max(need for need in needs if need is not None)
    days = _days_until(needed, _waiting(branch, evidence), daily_callers, window_days(branch))
    if days is None or days > YEAR_DAYS:
        return Outlook(needed, None)
    return Outlook(needed, max(by_days, today + timedelta(days=math.ceil(days))))


def _still(
    branch: BranchPlan, stage: Stage, evidence: Evidence, kpi: str, margin: float, power: float
) -> int | None:
    """Callers that must still come to count for one primary; None beyond reach."""
    sample = evidence.kpi(kpi)
    pooled, own = sample.pooled.estimate, sample.stage.estimate
    rarer = min(stage.bound, 1 - stage.bound)
    missing = max(0, stage.min_callers - own.n_bot, stage.min_callers - own.n_human)
    least = math.ceil(missing / (stage.bound if own.n_bot < own.n_human else rarer)) if missing else 0
    sign = -1.0 if KPIS[kpi].better == "down" else 1.0
    value = _value_variance(pooled, stage.bound)
    if value is None:
        value = Assumptions().variance(kpi, branch.time_cap_s)
    new = phi_variance(value, stage.bound)
    z = NormalDist().inv_cdf(power)

    def shown(more: int) -> bool:
        n = pooled.n + more
        if n < 2:
            return False
        v = (pooled.n * (pooled.variance or 0.0) + more * new) / n
        benefit = sign * (pooled.difference or 0.0) * pooled.n / n
        # Only callers to come are uncertain: those seen have already said what they say.
        slack = z * math.sqrt(more * new) / n
        return benefit - slack - one_sided_half_width(n, v, branch.alpha, branch.t_opt) > -margin

    for_bound = 0 if shown(0) else _first(shown)
    return None if for_bound is None else max(least, for_bound)


def _value_variance(estimate: Estimate, bound: float) -> float | None:
    """Variance of one caller's value from that of phi; None before there is one."""
    if estimate.variance is None or estimate.n < 100:
        return None
    share = estimate.n_bot / estimate.n if 0 < estimate.n_bot < estimate.n else bound
    return estimate.variance * share * (1 - share)


def _waiting(branch: BranchPlan, evidence: Evidence) -> int:
    """Callers drawn whose values do not count yet."""
    samples = [evidence.kpi(item.kpi).pooled for item in branch.primary]
    return min((sample.bot.immature + sample.human.immature for sample in samples), default=0)


def _days_until(needed: int, waiting: int, daily: float | None, window: int) -> float | None:
    """Days until so many more callers count."""
    if needed <= 0:
        return 0.0
    if needed <= waiting:
        return window * needed / waiting
    if daily is None or daily <= 0:
        return None
    return (needed - waiting) / daily + window

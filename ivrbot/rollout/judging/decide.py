"""From evidence to a step: advance, hold, roll back, complete.

Takes a branch's plan, its state, its `Evidence` and the time, gives a `Decision`. Pure, so that an auditor gets
the same decision from the same snapshot.

Widening needs everything: every primary and guardrail passed, the arms filled as drawn, both arms' data fresh, no
problem noted, the stage's minimum of days. Rolling back needs only a primary or guardrail that is shown to fail on
its own data; neither a sample-ratio mismatch nor stale data of another KPI stands in its way. A clock that cannot
be trusted stops everything, because maturity hangs on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist

from ivrbot.model.evidence import ArmFlow, Decision, Evidence, Metric, ShadowEvidence, Step, Verdict
from ivrbot.model.experiment import BranchState
from ivrbot.rollout.judging.assess import assess
from ivrbot.rollout.judging.sentences import metric_sentence, srm_sentence
from ivrbot.rollout.planning.plan import BranchPlan, Stage

MIN_SHADOW_CALLS = 50
"""Real calls with prediction and disposition below which topic accuracy is not judged."""

SILENCE_LOG10_P = -6.0
"""An arm is stale when its silence has a probability below 1e-6 by the logged propensities."""

SOURCE_LAG = timedelta(days=1)
"""How far one arm's outcomes may lie behind: reports are daily, and calls do not last a day."""

NO_CALLS = timedelta(days=7)
"""A branch without any exposure for a week (weekends and holidays are shorter) has lost its rows."""

LATE_SHARE = 0.01
"""With more rows than this from the future, it is the clock that is wrong, not the rows."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """Verdict, reason and sentence, before the step is known."""

    verdict: Verdict
    reason: str
    sentence: str


def decide(plan: BranchPlan, state: BranchState, evidence: Evidence, now: datetime) -> Decision:
    """What follows for a branch.

    Args:
        plan: the branch's plan.
        state: what is in force.
        evidence: gathered for that state.
        now: aware time.

    Returns:
        `advance` and `complete` only with verdict pass, `roll_back` only with verdict fail; a verdict pass with
        `hold` waits for the minimum of days or is complete already; a verdict fail with `hold` is a shadow stage
        whose bot is shown to miss its accuracy (nobody meets it, so nothing is to be rolled back).
    """
    metrics = assess(plan, evidence)
    stage = plan.stage(state.stage)
    stopped = _not_running(state, evidence, stage) or _clock(evidence, now)
    if stopped is not None or stage is None:
        found = stopped or _hold("unknown_stage", f"Stage {state.stage} is not in the plan.")
        return _decision(state, found, Step.HOLD, state.stage, metrics)
    if stage.share <= 0.0:
        return _in_shadow(plan, state, stage, evidence, now)
    if stage.bound >= 1.0:
        text = "Every caller meets the bot and nobody is held back: there is nothing to compare with."
        return _decision(state, _hold("no_holdback", text), Step.HOLD, state.stage, metrics)
    failed = next((metric for metric in metrics if metric.verdict is Verdict.FAIL), None)
    if failed is not None:
        found = _Finding(Verdict.FAIL, f"{failed.role.value}_failed", metric_sentence(failed, stage))
        return _decision(state, found, Step.ROLL_BACK, ground_stage(plan), metrics)
    obstacle = next(_obstacles(evidence, metrics, stage), None)
    if obstacle is not None:
        return _decision(state, obstacle, Step.HOLD, state.stage, metrics)
    return _passed(plan, state, stage, evidence, now, metrics)


def query_failed(state: BranchState, why: str) -> Decision:
    """The decision when evidence could not be read: an error, which never moves anything.

    Args:
        state: what is in force.
        why: what went wrong, one clause.
    """
    found = _Finding(Verdict.ERROR, "query_failed", f"The evidence could not be read: {why}.")
    return _decision(state, found, Step.HOLD, state.stage, ())


def ground_stage(plan: BranchPlan) -> str:
    """Where a rollback leads: the rung with share 0, or "" (not started) in a ladder without one."""
    return next((stage.name for stage in plan.stages if stage.share <= 0.0), "")


def _decision(
    state: BranchState, found: _Finding, step: Step, to_stage: str, metrics: tuple[Metric, ...]
) -> Decision:
    return Decision(state.branch, found.verdict, step, found.reason, found.sentence, to_stage, metrics)


def _hold(reason: str, sentence: str) -> _Finding:
    return _Finding(Verdict.INCONCLUSIVE, reason, sentence)


# --- what stops everything ------------------------------------------------------------------------------


def _not_running(state: BranchState, evidence: Evidence, stage: Stage | None) -> _Finding | None:
    if state.killed:
        return _hold("killed", "The kill switch is on: every caller goes to operators.")
    if not state.stage:
        return _hold("not_started", "The branch has not started.")
    if stage is None:
        return None
    if (evidence.branch, evidence.epoch, evidence.stage) != (state.branch, state.epoch, state.stage):
        text = (
            f"The evidence is of {evidence.branch}, stage {evidence.stage}, epoch {evidence.epoch}; in force is "
            f"{state.branch}, stage {state.stage}, epoch {state.epoch}."
        )
        return _hold("other_evidence", text)
    return None


def _clock(evidence: Evidence, now: datetime) -> _Finding | None:
    """A clock that contradicts what was written down before."""
    last = evidence.last_decision_at
    if last is not None and now < last:
        return _hold(
            "clock", f"The clock ({now.isoformat()}) is earlier than the last decision ({last.isoformat()})."
        )
    if now < evidence.as_of:
        return _hold("clock", f"The clock ({now.isoformat()}) is earlier than the evidence.")
    since = evidence.stage_since
    if since is not None and now < since:
        return _hold(
            "clock", f"The clock ({now.isoformat()}) is earlier than the stage's start ({since.isoformat()})."
        )
    known = evidence.late + evidence.units + evidence.without_chance
    if evidence.late > LATE_SHARE * known:
        return _hold("clock", f"{evidence.late} of {known} callers were first exposed later than now.")
    return None


# --- shadow ---------------------------------------------------------------------------------------------


def accuracy_interval(shadow: ShadowEvidence, alpha: float) -> tuple[float, float] | None:
    """One-sided lower and upper bound of the topic accuracy, each at alpha; None without calls.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927). A bound
    and not the plain share, so that a lucky first 50 calls do not open the gate. It is not valid under continuous
    looking, as the sequences behind promotions are, and need not be: leaving shadow only starts the comparison.
    """
    if not shadow.n:
        return None
    z, n, share = NormalDist().inv_cdf(1.0 - alpha), shadow.n, shadow.correct / shadow.n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def shadow_lacks(
    plan: BranchPlan, state: BranchState, shadow: ShadowEvidence, since: datetime | None, now: datetime
) -> tuple[str, ...]:
    """What a branch on its shadow rung has not shown yet, as sentences; a person may take it on all the same.

    Args:
        plan: the branch's plan.
        state: what is in force.
        shadow: real calls since then.
        since: when it entered the rung; None: not known.
        now: aware time.

    Returns:
        Nothing when everything is shown, or on any other rung.
    """
    stage = plan.stage(state.stage)
    if stage is None or stage.share > 0.0:
        return ()
    found = _shadow_finding(plan, stage, shadow)
    lacking = (_days_left(stage, since, now), "" if found.verdict is Verdict.PASS else found.sentence)
    return tuple(sentence for sentence in lacking if sentence)


def _in_shadow(plan: BranchPlan, state: BranchState, stage: Stage, evidence: Evidence, now: datetime) -> Decision:
    found = _shadow_finding(plan, stage, evidence.shadow or ShadowEvidence())
    step, to_stage = Step.HOLD, state.stage
    if found.verdict is Verdict.PASS:
        obstacle = next(_noted(evidence), None)
        if obstacle is not None:
            return _decision(state, obstacle, step, to_stage, ())
        found, step, to_stage = _onwards(plan, state, stage, evidence, now, found.sentence)
    return _decision(state, found, step, to_stage, ())


def _shadow_finding(plan: BranchPlan, stage: Stage, shadow: ShadowEvidence) -> _Finding:
    needed = stage.min_topic_accuracy
    if shadow.n < MIN_SHADOW_CALLS:
        text = f"{shadow.n} real calls were predicted and labelled; {MIN_SHADOW_CALLS} are needed."
        return _hold("few_shadow_calls", text)
    bounds = accuracy_interval(shadow, plan.alpha)
    lower, upper = bounds if bounds is not None else (0.0, 1.0)
    right = f"The bot named the operators' topic in {shadow.correct} of {shadow.n} real calls"
    if lower >= needed:
        return _Finding(Verdict.PASS, "shadow_passed", f"{right}: at least {lower:.1%}, {needed:.1%} is needed.")
    if upper < needed:
        return _Finding(Verdict.FAIL, "topic_accuracy", f"{right}: at most {upper:.1%}, {needed:.1%} is needed.")
    return _hold("topic_accuracy", f"{right}: at least {lower:.1%} is shown, {needed:.1%} is needed.")


# --- what stands in the way of widening -----------------------------------------------------------------


def _obstacles(evidence: Evidence, metrics: tuple[Metric, ...], stage: Stage) -> Iterator[_Finding]:
    """In the order in which a person should look at them: faults of the data before its lack."""
    yield from _noted(evidence)
    if evidence.srm.ok is False:
        yield _hold("srm", srm_sentence(evidence))
    yield from _stale(evidence)
    for metric in metrics:
        if metric.verdict is not Verdict.PASS:
            yield _hold(metric.why, metric_sentence(metric, stage))


def _noted(evidence: Evidence) -> Iterator[_Finding]:
    for problem in evidence.problems:
        yield _hold(problem.code, problem.text)
    if evidence.late:
        yield _hold("clock", f"{evidence.late} callers were first exposed later than now.")


def _stale(evidence: Evidence) -> Iterator[_Finding]:
    for name, flow in (("bot", evidence.bot_flow), ("operators", evidence.human_flow)):
        if flow.silence_log10_p < SILENCE_LOG10_P:
            newest = "since the start" if flow.newest_at is None else f"since {flow.newest_at.isoformat()}"
            text = (
                f"The arm of the {name} has had no caller {newest}: by the logged chances that happens once in "
                f"10^{-flow.silence_log10_p:.0f} times, so its rows are missing."
            )
            yield _hold(f"stale_{name}", text)
    yield from _stale_sources(evidence)


def _stale_sources(evidence: Evidence) -> Iterator[_Finding]:
    fresh = evidence.freshness
    if fresh is None:
        return
    source = fresh.human_source_at
    if source is not None and evidence.as_of - source > SOURCE_LAG:
        yield _hold("stale_operators", f"The operators' data ends at {source.isoformat()}.")
    arms = (("bot", evidence.bot_flow, fresh.bot_at), ("operators", evidence.human_flow, fresh.human_at))
    for name, flow, closed_at in arms:
        if _outcomes_stopped(flow, closed_at, evidence.as_of):
            until = "at all" if closed_at is None else f"after {closed_at.isoformat()}"
            yield _hold(
                f"stale_{name}", f"No closed call of the {name} is known {until}, though callers were sent."
            )
    newest = max((at for at in (evidence.bot_flow.newest_at, evidence.human_flow.newest_at) if at), default=None)
    if newest is not None and evidence.as_of - newest > NO_CALLS:
        yield _hold("stale_rows", f"No caller was exposed since {newest.isoformat()}.")


def _outcomes_stopped(flow: ArmFlow, closed_at: datetime | None, as_of: datetime) -> bool:
    """Callers were sent to an arm more than a day ago, and nothing that ended since is known."""
    if flow.newest_at is None:
        return False
    if closed_at is None:
        return as_of - flow.newest_at > SOURCE_LAG
    return flow.newest_at - closed_at > SOURCE_LAG


# --- what follows when all is well ----------------------------------------------------------------------


def _passed(
    plan: BranchPlan,
    state: BranchState,
    stage: Stage,
    evidence: Evidence,
    now: datetime,
    metrics: tuple[Metric, ...],
) -> Decision:
    sentence = " ".join(metric_sentence(metric, stage) for metric in metrics[: len(plan.primary)])
    found, step, to_stage = _onwards(plan, state, stage, evidence, now, sentence)
    return _decision(state, found, step, to_stage, metrics)


def _onwards(
    plan: BranchPlan, state: BranchState, stage: Stage, evidence: Evidence, now: datetime, sentence: str
) -> tuple[_Finding, Step, str]:
    """Where a passed stage leads once its days are over."""
    last = plan.index(stage.name) == len(plan.stages) - 1
    if last and evidence.complete:
        text = f"Complete; guardrails go on. {sentence}"
        return _Finding(Verdict.PASS, "already_complete", text), Step.HOLD, state.stage
    waiting = _days_left(stage, evidence.stage_since, now)
    if waiting:
        return _Finding(Verdict.PASS, "min_days", f"{waiting} {sentence}"), Step.HOLD, state.stage
    if last:
        return _Finding(Verdict.PASS, "complete", sentence), Step.COMPLETE, state.stage
    following = plan.stages[plan.index(stage.name) + 1].name
    return _Finding(Verdict.PASS, "passed", sentence), Step.ADVANCE, following


def _days_left(stage: Stage, since: datetime | None, now: datetime) -> str:
    """Why the stage must last longer, "" when it has lasted long enough."""
    if not stage.min_days:
        return ""
    if since is None:
        return "It is not known since when the stage lasts."
    over = (now - since) / timedelta(days=1)
    if over >= stage.min_days:
        return ""
    return f"The stage has lasted {over:.1f} of at least {stage.min_days} days."

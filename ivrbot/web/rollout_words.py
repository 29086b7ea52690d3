"""What a branch's evidence says, in one plain sentence of the reader's language; and why something was not done.

Takes a snapshot (what would be decided now, and from what) and the page's words, gives text. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from ivrbot.errors import ConfigError
from ivrbot.model.events import JsonValue
from ivrbot.model.evidence import Decision, Evidence, Metric, ShadowEvidence, Verdict
from ivrbot.model.rollout import AuditRow
from ivrbot.reports.texts import KPI_NAMES
from ivrbot.rollout.governing.audit import WHO, Snapshot, snapshot_of
from ivrbot.rollout.judging.decide import MIN_SHADOW_CALLS
from ivrbot.rollout.planning.plan import Stage
from ivrbot.web.timeline import Words

BY_PLAN: Final = frozenset({"start", "adopt", "new_experiment"})
"""Actions whose reason is the plan that came into force: "plan <revision>"."""


def statement(snapshot: Snapshot, words: Words) -> str:
    """The verdict in one sentence.

    Args:
        snapshot: of a branch on a rung.
        words: of the page.
    """
    decision, evidence = snapshot.decision, snapshot.evidence
    stage = snapshot.plan.stage(snapshot.state.stage)
    known = words.labels["statements"]
    reason = decision.reason
    if reason == "min_days" and stage is not None and stage.share <= 0:
        reason = "min_days_shadow"
    if reason not in known:
        return decision.sentence
    values = {"next": _share_of(snapshot, decision, words), "left": _days_left(snapshot, stage)}
    if evidence is not None:
        values |= _shadow(evidence.shadow or ShadowEvidence(), stage, words)
    if (metric := _telling(decision)) is not None:
        values |= _numbers(metric, stage, words)
    try:
        text = known[reason].format(**values)
    except KeyError:  # the reason names a number that this evidence does not have
        return decision.sentence
    return text.removesuffix(".") if text.endswith("..") else text  # some units end with a stop


def snapshot_in(detail: Mapping[str, JsonValue]) -> Snapshot | None:
    """What an audit row's decision rests on; None where it records none, or one of another version."""
    try:
        return snapshot_of(detail)
    except ValueError:
        return None


def reason_of(row: AuditRow, words: Words) -> str:
    """Why the controller or the start of the program did something; "" for what people did."""
    if by_plan := plan_reason(row.action, row.why, words):
        return by_plan
    snapshot = snapshot_in(row.detail) if row.who == WHO else None
    return statement(snapshot, words) if snapshot is not None else ""


def plan_reason(action: str, why: str, words: Words) -> str:
    """What a plan that came into force brought about; "" for anything else."""
    revision = why.removeprefix("plan ")
    is_by_plan = action in BY_PLAN and revision != why
    return words.t["rollout_revision"].format(revision=revision) if is_by_plan else ""


def _share_of(snapshot: Snapshot, decision: Decision, words: Words) -> str:
    rung = snapshot.plan.stage(decision.to_stage)
    return words.say.share(rung.share) if rung is not None else ""


def _days_left(snapshot: Snapshot, stage: Stage | None) -> str:
    since = snapshot.evidence.stage_since if snapshot.evidence is not None else None
    if stage is None or since is None:
        return "—"
    return str(max(1, math.ceil(stage.min_days - (snapshot.now - since) / timedelta(days=1))))


def _shadow(shadow: ShadowEvidence, stage: Stage | None, words: Words) -> dict[str, str]:
    return {
        "n": words.say.whole(shadow.n),
        "correct": words.say.whole(shadow.correct),
        "needed": str(MIN_SHADOW_CALLS),
        "least": words.say.share(stage.min_topic_accuracy) if stage is not None else "—",
    }


def _telling(decision: Decision) -> Metric | None:
    """The measure that the reason is about."""
    if decision.verdict is Verdict.FAIL:
        return next((metric for metric in decision.metrics if metric.verdict is Verdict.FAIL), None)
    return next((metric for metric in decision.metrics if metric.why == decision.reason), None)


def _numbers(metric: Metric, stage: Stage | None, words: Words) -> dict[str, str]:
    say, kpi = words.say, metric.kpi
    level = metric.difference is None
    return {
        "kpi": kpi_name(kpi, words),
        "bot": say.whole(metric.stage_n_bot),
        "human": say.whole(metric.stage_n_human),
        "needed": say.whole(stage.min_callers if stage is not None else None),
        "difference": say.difference(kpi, metric.difference),
        "lower": say.difference(kpi, metric.lower),
        "upper": say.difference(kpi, metric.upper),
        "stage": say.difference(kpi, metric.stage_difference),
        "margin": say.value(kpi, metric.margin) if level else say.difference(kpi, metric.margin, signed=False),
    }


def kpi_name(kpi: str, words: Words) -> str:
    """A measure in a few words."""
    name = KPI_NAMES.get(kpi)
    return name[words.say.language] if name is not None else kpi


def immature(evidence: Evidence) -> int:
    """Callers whose values do not count yet: the most of any measure, both arms together."""
    return max((item.pooled.bot.immature + item.pooled.human.immature for item in evidence.kpis), default=0)


def refusal_text(error: ConfigError, words: Words) -> str:
    """Why something was not done, in the reader's language; the rollout's own words where there are no others."""
    parts = []
    for problem in error.problems:
        known = words.labels["rollout_refusals"].get(problem.message) or next(
            (text for end, text in words.labels["rollout_refusal_ends"].items() if problem.message.endswith(end)),
            "",
        )
        if known:
            parts.append(known)
            continue
        parts.append(problem.message + (f" ({problem.allowed})" if problem.allowed else ""))
    return "; ".join(dict.fromkeys(parts))

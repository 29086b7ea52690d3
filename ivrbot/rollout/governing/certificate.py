"""The certificate of a promotion: what a product owner files when a branch climbs a rung.

Takes audit rows, gives `Certificate`; `ivrbot.reports` turns it into a page. Everything on it comes from the row
of the promotion and its snapshot, so that it can be printed again years later and say the same. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.errors import ConfigError, Problem
from ivrbot.model.events import JsonValue
from ivrbot.model.evidence import (
    ArmCounts,
    Evidence,
    Freshness,
    Metric,
    Role,
    ShadowEvidence,
    SrmEvidence,
    Verdict,
)
from ivrbot.model.rollout import GENESIS_HASH, AuditRow
from ivrbot.rollout.governing.audit import Snapshot, snapshot_of, version_of

PROMOTIONS: Final = frozenset({"advance", "approve", "start", "set", "complete"})


@dataclass(frozen=True, slots=True)
class Rung:
    """Where a branch is: name of the stage, share and holdback 0..1."""

    stage: str
    share: float
    holdback: float


@dataclass(frozen=True, slots=True)
class KpiLine:
    """One KPI of the plan as judged.

    Attributes:
        better: which way is better.
        kind: what `metric.margin` is: a margin of a primary, a limit on the harm, a level of the bot alone.
        acceptable: the edge of what is acceptable on the axis of the difference (or of the bot's mean, for a
        level). raw_difference: bot - human of the raw means; None where one is not known.
        bot: mature and missing values of the bot's arm, over what the metric rests on.
        human: the same of the operators' arm.
    """

    metric: Metric
    better: Literal["up", "down", ""]
    kind: Literal["margin", "limit", "level"]
    acceptable: float
    raw_bot: float | None
    raw_human: float | None
    bot: ArmCounts
    human: ArmCounts

    @property
    def raw_difference(self) -> float | None:
        """Bot - operators of the plain means; None where one is not known."""
        return None if self.raw_bot is None or self.raw_human is None else self.raw_bot - self.raw_human


@dataclass(frozen=True, slots=True)
class OverrideNote:
    """A rule of the plan that a person set aside in this branch."""

    seq: int
    at: datetime
    who: str
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class Evidenced:
    """What the decision rested on.

    Attributes:
        verdict: of the evidence.
        reason: short code.
        sentence: in words.
        units: callers whose draw left a choice.
        callers_bot: of the primaries, the fewest callers of the bot's arm with a mature value.
        callers_human: the same of operators.
        version: of the code that decided.
    """

    verdict: Verdict
    reason: str
    sentence: str
    as_of: datetime
    stage_since: datetime | None
    units: int
    without_chance: int
    callers_bot: int
    callers_human: int
    kpis: tuple[KpiLine, ...]
    srm: SrmEvidence
    freshness: Freshness | None
    shadow: ShadowEvidence | None
    alpha: float
    t_opt: int
    repeat_window_days: int
    version: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """All of it.

    Attributes:
        seq: of the audit row.
        decided_by: who wrote the row: the controller, or the person who approved or set.
        proposed_by: who asked for it, "" when nobody had to.
        approved_by: the second person, "" when nobody had to.
        overrides: in this branch and epoch, up to and with this row.
        evidence: None when the promotion rests on none (an override, a start).
        no_evidence: why there is none: "none", "other_version" or "unreadable".
        staffing: what a rollback would do to the operators' queue; None when not known.
    """

    seq: int
    hash: str
    previous_hash: str
    at: datetime
    branch: str
    action: str
    goal: str
    plan_revision: str
    before: Rung
    after: Rung
    epoch: int
    decided_by: str
    proposed_by: str
    approved_by: str
    why: str
    override: bool
    overrides: tuple[OverrideNote, ...]
    evidence: Evidenced | None
    no_evidence: str
    staffing: Mapping[str, JsonValue] | None


def promotions(rows: Sequence[AuditRow]) -> list[AuditRow]:
    """Rows that deserve a certificate: a higher share, or completion."""
    return [row for row in rows if _is_promotion(row)]


def _is_promotion(row: AuditRow) -> bool:
    before = row.before.share if row.before else 0.0
    return row.action == "complete" or (row.action in PROMOTIONS and row.after.share > before)


def find(rows: Sequence[AuditRow], wanted: str) -> AuditRow:
    """The promotion that a person means.

    Args:
        rows: the audit, oldest first.
        wanted: number of a row, or a branch for its newest promotion.

    Raises:
        ConfigError: no such promotion; says which there are.
    """
    fit = promotions(rows)
    if wanted.isascii() and wanted.isdigit():
        found = [row for row in fit if row.seq == int(wanted)]
    else:
        found = [row for row in fit if row.branch == wanted]
    if found:
        return found[-1]
    there = ", ".join(f"{row.seq} ({row.branch} to {row.after.share:.0%})" for row in fit[-10:])
    allowed = there or "none yet: no branch has climbed"
    raise ConfigError([Problem("", None, "promotion", wanted, "there is no such promotion", allowed)])


def certify(rows: Sequence[AuditRow], row: AuditRow) -> Certificate:
    """Build the certificate of a promotion.

    Args:
        rows: the audit, oldest first.
        row: one of `promotions(rows)`.
    """
    snapshot, missing = _snapshot(row)
    before = row.before or row.after
    proposal = row.detail.get("proposal")
    asked = proposal if isinstance(proposal, Mapping) else {}
    staffing = row.detail.get("staffing")
    return Certificate(
        seq=row.seq,
        hash=row.hash,
        previous_hash="" if row.previous_hash == GENESIS_HASH else row.previous_hash,
        at=row.at,
        branch=row.branch,
        action=row.action,
        goal=str(row.detail.get("goal", "")),
        plan_revision=row.after.plan_revision,
        before=Rung("", 0.0, 0.0) if row.before is None else Rung(before.stage, before.share, before.holdback),
        after=Rung(row.after.stage, row.after.share, row.after.holdback),
        epoch=row.after.epoch,
        decided_by=row.who,
        proposed_by=str(asked.get("who", "")),
        approved_by=row.who if asked else "",
        why=row.why,
        override=row.override,
        overrides=_overrides(rows, row),
        evidence=None if snapshot is None else evidenced(snapshot),
        no_evidence=missing,
        staffing=staffing if isinstance(staffing, Mapping) else None,
    )


def _snapshot(row: AuditRow) -> tuple[Snapshot | None, str]:
    if version_of(row.detail) is None:
        return None, "none"
    try:
        snapshot = snapshot_of(row.detail)
    except ValueError:
        return None, "unreadable"
    return (snapshot, "") if snapshot is not None and snapshot.evidence is not None else (None, "none")


def _overrides(rows: Sequence[AuditRow], row: AuditRow) -> tuple[OverrideNote, ...]:
    return tuple(
        OverrideNote(item.seq, item.at, item.who, item.action, item.why)
        for item in rows
        if item.override
        and item.branch == row.branch
        and item.seq <= row.seq
        and item.after.epoch == row.after.epoch
    )


def evidenced(snapshot: Snapshot) -> Evidenced:
    """What a decision rested on, KPI by KPI.

    Raises:
        ValueError: it was made without evidence.
    """
    evidence = snapshot.evidence
    if evidence is None:
        raise ValueError("a decision without evidence has no numbers")
    plan, decision = snapshot.plan, snapshot.decision
    primaries = [metric for metric in decision.metrics if metric.role is Role.PRIMARY]
    return Evidenced(
        verdict=decision.verdict,
        reason=decision.reason,
        sentence=decision.sentence,
        as_of=evidence.as_of,
        stage_since=evidence.stage_since,
        units=evidence.units,
        without_chance=evidence.without_chance,
        callers_bot=min((metric.n_bot for metric in primaries), default=0),
        callers_human=min((metric.n_human for metric in primaries), default=0),
        kpis=tuple(_line(snapshot, evidence, metric) for metric in decision.metrics),
        srm=evidence.srm,
        freshness=evidence.freshness,
        shadow=evidence.shadow,
        alpha=plan.alpha,
        t_opt=plan.t_opt,
        repeat_window_days=plan.repeat_window_days,
        version=snapshot.version,
    )


def _line(snapshot: Snapshot, evidence: Evidence, metric: Metric) -> KpiLine:
    better = KPIS[metric.kpi].better if metric.kpi in KPIS else ""
    kind: Literal["margin", "limit", "level"] = "margin"
    if metric.role is Role.GUARDRAIL:
        rule = next((item for item in snapshot.plan.guardrails if item.kpi == metric.kpi), None)
        kind = "level" if rule is not None and rule.limit is None else "limit"
    # On the axis bot - human: less may be worse by at most the margin, or more may.
    acceptable = metric.margin if kind == "level" or better == "down" else -metric.margin
    kpi = evidence.kpi(metric.kpi)
    sample = kpi.pooled if metric.role is Role.PRIMARY else kpi.stage
    comparable = metric.kpi in KPIS and KPIS[metric.kpi].comparable
    return KpiLine(
        metric=metric,
        better=better,
        kind=kind,
        acceptable=acceptable,
        raw_bot=sample.estimate.raw_bot,
        raw_human=sample.estimate.raw_human,
        bot=sample.bot,
        human=sample.human if comparable else ArmCounts(),
    )

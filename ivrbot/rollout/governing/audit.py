"""The audit: what a decision's row keeps, and whether the rows are true.

Takes audit rows, gives snapshots and a report that names the first row that does not fit. A decision's row keeps
everything that `decide` was given, so that anybody can derive it again without the calls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ivrbot.model.events import JsonValue
from ivrbot.model.evidence import Decision, Evidence, Step, Verdict
from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import GENESIS_HASH, AuditRow
from ivrbot.rollout.governing.control import plan_facts
from ivrbot.rollout.judging.decide import decide
from ivrbot.rollout.judging.snapshot import from_json, to_json
from ivrbot.rollout.planning.plan import BranchPlan, Plan

DECISION_VERSION: Final = 1
"""Of the code that decides. To be raised whenever the same snapshot may lead to another decision than before."""

WHO: Final = "controller"
"""Who has written a row that the program decided."""

SNAPSHOT: Final = "snapshot"
"""Where the snapshot stands in a row's detail."""

CLOSE: Final = 1e-9
"""Relative difference of numbers computed on another machine from the same snapshot."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a decision was made from, and the decision.

    Attributes:
        plan: of the branch, as it was in force.
        state: of the branch, kill switches folded in.
        evidence: None when it could not be gathered.
        now: the clock.
        version: `DECISION_VERSION` of the program that decided.
    """

    plan: BranchPlan
    state: BranchState
    evidence: Evidence | None
    now: datetime
    decision: Decision
    version: int = DECISION_VERSION


def snapshot_detail(snapshot: Snapshot, plan: Plan) -> dict[str, JsonValue]:
    """Detail of the audit row (or proposal) that a decision leads to.

    Args:
        snapshot: what was decided, and from what.
        plan: the whole plan in force, for the facts that every row keeps.
    """
    return {
        **plan_facts(plan, snapshot.state.branch),
        SNAPSHOT: to_json(snapshot),
    }


def snapshot_of(detail: Mapping[str, JsonValue]) -> Snapshot | None:
    """The snapshot in a row's detail; None when the row records no decision.

    Raises:
        ValueError: it was written by other code than this, or is damaged.
    """
    kept = detail.get(SNAPSHOT)
    if kept is None:
        return None
    try:
        return from_json(Snapshot, kept)
    except (TypeError, ValueError) as error:
        raise ValueError(f"its snapshot cannot be read ({error})") from error


def version_of(detail: Mapping[str, JsonValue]) -> int | None:
    """Version of the code that decided; None when the row records no decision."""
    kept = detail.get(SNAPSHOT)
    if not isinstance(kept, Mapping):
        return None
    version = kept.get("version")
    return version if isinstance(version, int) else 0


# --- verification -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What verification found.

    Attributes:
        rows: how many there are.
        broken_at: place of the first row that does not fit; None when all do, or when none is to blame.
        reason: why, "" when everything fits.
        newest_hash: to be kept elsewhere, so that rows cut off at the end are noticed.
        decisions: rows that record a decision.
        rederived: of these, how many came out the same again.
        other_versions: rows that were decided by other versions of the code, and cannot be derived here: (seq,
            version).
    """

    rows: int
    broken_at: int | None = None
    reason: str = ""
    newest_hash: str = ""
    decisions: int = 0
    rederived: int = 0
    other_versions: tuple[tuple[int, int], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything fits."""
        return not self.reason


Found = tuple[AuditRow | None, str]
"""A row as read (None: unreadable) and what is wrong with its form ("" when nothing is)."""


def verify(found: Sequence[Found], own: Mapping[str, BranchState], *, expect_hash: str = "") -> AuditReport:
    """Recompute the chain, follow the states, derive each decision again.

    Args:
        found: all rows, oldest first.
        own: states in force as stored, which the rows must lead to.
        expect_hash: a newest hash that was kept elsewhere; the row that bears it must still be there.
    """
    walk = _Walk()
    for place, (row, fault) in enumerate(found, start=1):
        reason = fault or ("it cannot be read" if row is None else walk.step(place, row))
        if reason or row is None:
            return walk.report(len(found), place, reason)
    if expect_hash and expect_hash.strip().lower() not in walk.hashes:
        return walk.report(len(found), None, "no row has the expected hash: rows were cut off or written anew")
    strays = sorted(name for name in walk.after.keys() | own.keys() if walk.after.get(name) != own.get(name))
    reason = f"no audit row leads to the state of {', '.join(strays)}" if strays else ""
    return walk.report(len(found), None, reason)


class _Walk:
    """Goes through the rows once."""

    def __init__(self) -> None:
        self.after: dict[str, BranchState] = {}
        self.hashes: set[str] = set()
        self._previous = GENESIS_HASH
        self._decisions = 0
        self._rederived = 0
        self._others: list[tuple[int, int]] = []

    def step(self, place: int, row: AuditRow) -> str:
        """What is wrong with the next row, "" when nothing is."""
        reason = self._unlinked(place, row) or self._unfollowed(row) or _alone(row) or self._underived(row)
        self._previous = row.hash
        self.hashes.add(row.hash)
        self.after[row.branch] = row.after
        return reason

    def report(self, rows: int, place: int | None, reason: str) -> AuditReport:
        """The end of the walk."""
        newest = "" if self._previous == GENESIS_HASH or place is not None else self._previous
        return AuditReport(rows, place, reason, newest, self._decisions, self._rederived, tuple(self._others))

    def _unlinked(self, place: int, row: AuditRow) -> str:
        if row.seq != place:
            return f"row {place} is missing"
        if row.previous_hash != self._previous:
            return f"row {place} does not follow row {place - 1}"
        if row.hash != row.computed_hash():
            return f"row {place} was changed after it was written"
        return ""

    def _unfollowed(self, row: AuditRow) -> str:
        if row.branch != row.after.branch:
            return f"row {row.seq} is filed under another branch than the one it changes"
        if row.before != self.after.get(row.branch):
            return f"row {row.seq} starts from a state that no row led to"
        return ""

    def _underived(self, row: AuditRow) -> str:
        version = version_of(row.detail)
        if version is None:
            decided = row.who == WHO and row.action in MOVES and row.action != "propose"
            return f"row {row.seq} names no decision behind it" if decided else ""
        self._decisions += 1
        if version != DECISION_VERSION:
            self._others.append((row.seq, version))
            return ""
        try:
            snapshot = snapshot_of(row.detail)
        except ValueError as error:
            return f"row {row.seq}: {error}"
        if snapshot is None:
            raise AssertionError("a row with a version has a snapshot")
        reason = difference(snapshot) or _not_acted(row, snapshot)
        if reason:
            return f"row {row.seq}: {reason}"
        self._rederived += 1
        return ""


def _alone(row: AuditRow) -> str:
    """A rise, or the end of a kill, by one person where the plan asked for two."""
    before = row.before.share if row.before else 0.0
    raised = row.after.share > before or row.action == "resume"
    if not row.detail.get("two_person") or not raised or row.who == WHO or row.action == "start":
        return ""
    proposal = row.detail.get("proposal")
    proposer = proposal.get("who") if isinstance(proposal, Mapping) else None
    if row.action in {"approve", "resume"} and proposer and proposer != row.who:
        return ""
    return f"row {row.seq} raises the share by one person alone, where the plan asks for two"


def difference(snapshot: Snapshot) -> str:
    """How the decision derived from a snapshot differs from the one kept in it; "" when it does not."""
    kept = snapshot.decision
    if snapshot.evidence is None:
        fits = kept.verdict is Verdict.ERROR and kept.step is Step.HOLD
        return "" if fits else "decided without evidence"
    again = decide(snapshot.plan, snapshot.state, snapshot.evidence, snapshot.now)
    there = _unequal(to_json(kept), to_json(again), "")
    if not there:
        return ""
    return f"its snapshot leads to {again.step.value} ({again.reason}), not to what is written ({there})"


def _unequal(kept: Any, again: Any, path: str) -> str:
    """Path of the first value that differs, "" when none does."""
    if isinstance(kept, Mapping) and isinstance(again, Mapping):
        for key in [*kept, *(key for key in again if key not in kept)]:
            if there := _unequal(kept.get(key), again.get(key), f"{path}.{key}" if path else str(key)):
                return there
        return ""
    if isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        pairs = enumerate(zip(kept, again, strict=True))
        return next((there for at, (a, b) in pairs if (there := _unequal(a, b, f"{path}[{at}]"))), "")
    if isinstance(kept, float) and isinstance(again, float):
        return "" if math.isclose(kept, again, rel_tol=CLOSE, abs_tol=CLOSE) else path
    return "" if kept == again else path


MOVES: Final[Mapping[str, Step]] = {
    "advance": Step.ADVANCE,
    "roll_back": Step.ROLL_BACK,
    "complete": Step.COMPLETE,
    "hold": Step.HOLD,
    "propose": Step.ADVANCE,
}
"""Actions of the controller, and the step that each must rest on."""


def _not_acted(row: AuditRow, snapshot: Snapshot) -> str:
    """Whether the row did what was decided."""
    step, decision = MOVES.get(row.action), snapshot.decision
    if step is None or row.who != WHO:
        return ""
    if step is not decision.step:
        return f"it does {row.action}, but {decision.step.value} was decided"
    before, after = row.before, row.after
    if before is None or snapshot.state.branch != row.branch or decision.branch != row.branch:
        return "its snapshot is that of another branch"
    if (before.stage, before.share, before.epoch) != (
        snapshot.state.stage,
        snapshot.state.share,
        snapshot.state.epoch,
    ):
        return "its snapshot is that of another state"
    if step in {Step.HOLD, Step.COMPLETE} or row.action == "propose":
        return "" if before == after else "it moves the branch, which was not decided"
    if step is Step.ROLL_BACK:
        return "" if after.share == 0 and after.epoch > before.epoch else "it leaves callers with the bot"
    rung = snapshot.plan.stage(decision.to_stage)
    fits = rung is not None and (after.stage, after.share, after.holdback) == (
        rung.name,
        rung.share,
        rung.holdback,
    )
    return "" if fits else f"it does not go to {decision.to_stage}"

"""From a decision to what is written: new states, and whether a row, a proposal or nothing is due. Pure.

Takes the plan, states, audit rows and a decision; gives changes of states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ivrbot.model.events import JsonValue
from ivrbot.model.evidence import Decision, Step
from ivrbot.model.experiment import BranchState
from ivrbot.model.proposals import Proposal, ProposalState
from ivrbot.model.rollout import AuditRow, StateChange
from ivrbot.rollout.governing.audit import SNAPSHOT, WHO
from ivrbot.rollout.planning.plan import BranchPlan, Stage, state_at

REPEAT_AFTER: Final = timedelta(days=1)
"""A hold whose reason stays the same is written down again after so long."""

ASK_AGAIN_AFTER: Final = timedelta(days=7)
"""A person who has rejected a climb is not asked again before."""


def change_for(
    decision: Decision, ladder: BranchPlan, held: BranchState, revision: str, detail: Mapping[str, JsonValue]
) -> StateChange:
    """The change of state that a decision means.

    Args:
        decision: what was decided.
        ladder: plan of the branch.
        held: state as stored.
        revision: of the plan in force.
        detail: snapshot.
    """
    rung = ladder.stage(decision.to_stage)
    if decision.step is Step.ADVANCE:
        if rung is None:
            raise ValueError(f"branch {ladder.name} has no stage {decision.to_stage}")
        return StateChange(held, _on(ladder, rung, held, revision), "advance", detail=detail)
    if decision.step is Step.ROLL_BACK:
        down = rung if rung is not None and rung.share == 0 else None
        after = replace(_on(ladder, down, held, revision), epoch=held.epoch + 1)
        return StateChange(held, after, "roll_back", detail=detail)
    return StateChange(held, held, "complete" if decision.step is Step.COMPLETE else "hold", detail=detail)


def start_of(ladder: BranchPlan, held: BranchState, revision: str, detail: Mapping[str, JsonValue]) -> StateChange:
    """A branch that waited for another goes to its first rung."""
    return StateChange(held, _on(ladder, ladder.stage(ladder.start), held, revision), "start", detail=detail)


def _on(ladder: BranchPlan, rung: Stage | None, held: BranchState, revision: str) -> BranchState:
    return replace(state_at(ladder, rung, revision, epoch=held.epoch), killed=held.killed)


def is_news(decision: Decision, held: BranchState, rows: Sequence[AuditRow], now: datetime) -> bool:
    """Whether a hold is worth a row: another reason or state than the last time, or a day has passed.

    Args:
        decision: the hold.
        held: state as stored.
        rows: of this branch, oldest first.
        now: the clock; a row from the future (the clock was set back) counts as a day ago.
    """
    last = rows[-1] if rows else None
    if last is None or last.who != WHO or last.after != held:
        return True
    if (last.action, reason_of(last)) != ("hold", decision.reason):
        return True
    return not timedelta() <= now - last.at < REPEAT_AFTER


def reason_of(row: AuditRow) -> str:
    """Reason code of the decision that a row records, "" when it records none."""
    kept = row.detail.get(SNAPSHOT)
    decision = kept.get("decision") if isinstance(kept, Mapping) else None
    return str(decision.get("reason", "")) if isinstance(decision, Mapping) else ""


def may_climb_alone(ladder: BranchPlan, rows: Sequence[AuditRow]) -> bool:
    """Whether a branch may advance without a person: by its plan, and not since it was rolled back.

    Args:
        ladder: plan of the branch.
        rows: of this branch, oldest first.
    """
    if ladder.approval != "automatic":
        return False
    for row in reversed(rows):
        if row.who == WHO and row.action == "roll_back":
            return False
        if row.before is not None and row.after.share > row.before.share and row.who != WHO:
            return True
    return True


def proposal_for(
    change: StateChange, why: str, at: datetime, *, proposal_id: str, seen_seq: int
) -> tuple[Proposal, StateChange]:
    """The proposal of a climb, and the audit row that keeps what it rests on.

    Args:
        change: what would be written if it were approved.
        why: in words.
        at: aware time.
        proposal_id: a new one.
        seen_seq: newest audit row; the proposal's own is the next.
    """
    before, after = change.before or change.after, change.after
    proposal = Proposal(
        proposal_id=proposal_id,
        branch=after.branch,
        from_stage=before.stage,
        from_share=before.share,
        from_epoch=before.epoch,
        to_stage=after.stage,
        to_share=after.share,
        proposer=WHO,
        why=why,
        at=at,
        evidence_seq=seen_seq + 1,
    )
    asked: dict[str, JsonValue] = {"id": proposal_id, "to": after.stage, "share": after.share}
    detail = {**change.detail, "proposal": asked}
    return proposal, replace(change, after=before, action="propose", detail=detail)


def waiting(proposals: Sequence[Proposal], held: BranchState, now: datetime) -> Proposal | None:
    """The open proposal of a branch, whoever made it; None when there is none.

    Args:
        proposals: of all branches.
        held: state as stored.
        now: aware time.
    """
    mine = (item for item in proposals if item.branch == held.branch)
    return next((item for item in mine if item.state_now(held, now) is ProposalState.OPEN), None)


def overtaken(proposals: Sequence[Proposal], branch: str) -> list[Proposal]:
    """What the controller has asked for in a branch and has not been answered."""
    return [
        item
        for item in proposals
        if item.state is ProposalState.OPEN and (item.branch, item.proposer) == (branch, WHO)
    ]


def withdrawal(held: BranchState, gone: Sequence[Proposal]) -> StateChange:
    """The audit row of proposals that the controller takes back."""
    names: list[JsonValue] = [item.proposal_id for item in gone]
    return StateChange(held, held, "withdraw", detail={"proposals": names})


def refused(proposals: Sequence[Proposal], change: StateChange, now: datetime) -> bool:
    """Whether a person has said no to this climb so lately that asking again would be nagging."""
    before, after = change.before or change.after, change.after
    return any(
        item.state is ProposalState.REJECTED
        and (item.branch, item.from_stage, item.from_epoch) == (after.branch, before.stage, before.epoch)
        and item.to_stage == after.stage
        and item.decided_at is not None
        and now - item.decided_at < ASK_AGAIN_AFTER
        for item in proposals
    )


def never_started(rows: Sequence[AuditRow]) -> bool:
    """Whether a branch has not been on any rung yet; one that was rolled back off its ladder has."""
    return not any(row.after.stage for row in rows)


def can_learn(ladder: BranchPlan, state: BranchState) -> bool:
    """Whether anything may still come of a branch where it is: a rung above, or two arms to compare."""
    rung = ladder.stage(state.stage)
    if rung is None:
        return False
    return ladder.index(rung.name) + 1 < len(ladder.stages) or 0 < rung.bound < 1

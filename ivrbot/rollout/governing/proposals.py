"""Rises, and ends of kills, that one person proposes and another approves, each step an audit row.

Takes the plan, the store of states, the book of proposals, who and why; gives proposals and the changes written.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from ivrbot.model.events import JsonValue
from ivrbot.model.experiment import BranchState
from ivrbot.model.proposals import Proposal, ProposalState
from ivrbot.model.rollout import AuditRow, StateChange
from ivrbot.rollout.governing.control import ControlStore, killed_by, plan_facts, require, resuming
from ivrbot.rollout.governing.control import resume as resume_alone
from ivrbot.rollout.governing.standing import standings
from ivrbot.rollout.governing.steps import check_step, ladder_of, on_rung, refusal, rises, stage_of
from ivrbot.rollout.planning.plan import Plan

ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""What people do not mistake for each other when they read it out."""
ID_LENGTH: Final = 6


class ProposalBook(Protocol):
    """Where proposals are kept; every method raises StorageUnavailable when the database does not answer."""

    async def proposals(self, *, open_only: bool = False) -> tuple[Proposal, ...]:
        """As stored, oldest first."""
        ...

    async def proposal(self, proposal_id: str) -> Proposal | None:
        """One of them."""
        ...

    async def propose(
        self, proposal: Proposal, changes: Sequence[StateChange], *, who: str, why: str, at: datetime
    ) -> AuditRow:
        """Store it with the audit rows of `changes`; open ones of the same branch are superseded."""
        ...

    async def close(
        self,
        proposal_id: str,
        state: ProposalState,
        changes: Sequence[StateChange],
        *,
        who: str,
        why: str,
        at: datetime,
    ) -> None:
        """End an open one, with its audit rows."""
        ...


def new_id() -> str:
    """Six characters: a thousand million of them."""
    return "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


@dataclass(frozen=True, slots=True)
class Desk:
    """What every step needs.

    Attributes:
        plan: the plan in force.
        store: states and audit.
        book: proposals.
    """

    plan: Plan
    store: ControlStore
    book: ProposalBook


async def propose(
    desk: Desk,
    branch: str,
    share: float | None,
    *,
    who: str,
    why: str,
    at: datetime,
    override: bool = False,
) -> Proposal:
    """Ask for a rise; nothing moves until somebody approves.

    Args:
        desk: plan and stores.
        branch: name of a branch of the plan.
        share: of a rung of its ladder; None: the next rung.
        who: person or token.
        why: in words.
        at: aware time.
        override: set the order of rungs or branches aside; stamped when approved.

    Raises:
        ConfigError: as `control.set_share`; a fall needs no proposal.
        StorageError: not stored.
    """
    require(who=who, why=why)
    ladder = ladder_of(desk.plan, branch)
    held = (await desk.store.own_states()).get(branch)
    if held is None:
        raise refusal("branch", "has no state", value=branch, allowed="serve brings the plan into force")
    if share is None:
        rung = ladder.index(held.stage) + 1 if held.stage else ladder.index(ladder.start)
        if rung >= len(ladder.stages):
            raise refusal("share", f"branch {branch} is on its last rung", value=held.share)
        share = ladder.stages[rung].share
    stage = stage_of(ladder, share)
    if not rises(ladder, held, stage):
        raise refusal("share", "is no rise", value=share, allowed="set it, or roll the branch back")
    # Working hours count when it is approved.
    no_hours = replace(desk.plan, working_hours=None)
    check_step(no_hours, ladder, held, stage, standings(await desk.store.history()), at, override=override)
    after = on_rung(desk.plan, ladder, held, stage)
    wanted = _proposal(held, after, who=who.strip(), why=why.strip(), at=at, override=override)
    return await _store(desk.book, wanted, held, plan_facts(desk.plan, branch))


def _proposal(
    held: BranchState, after: BranchState, *, who: str, why: str, at: datetime, override: bool = False
) -> Proposal:
    return Proposal(
        proposal_id=new_id(),
        branch=held.branch,
        from_stage=held.stage,
        from_share=held.share,
        from_epoch=held.epoch,
        to_stage=after.stage,
        to_share=after.share,
        proposer=who,
        why=why,
        at=at,
        override=override,
    )


async def _store(
    book: ProposalBook, wanted: Proposal, held: BranchState, detail: dict[str, JsonValue]
) -> Proposal:
    asked: dict[str, JsonValue] = {"id": wanted.proposal_id, "to": wanted.to_stage, "share": wanted.to_share}
    change = StateChange(held, held, "propose", wanted.override, {**detail, "proposal": asked})
    row = await book.propose(wanted, [change], who=wanted.proposer, why=wanted.why, at=wanted.at)
    return replace(wanted, evidence_seq=row.seq)


async def resume(
    desk: Desk, branch: str | None, *, who: str, why: str, at: datetime
) -> list[StateChange] | Proposal:
    """Take a kill back; where that hands callers to the bot and the plan asks for two persons, propose it.

    Args:
        desk: plan and stores.
        branch: name of a branch; None: the kill of everything.
        who: person or token.
        why: in words.
        at: aware time.

    Returns:
        What was changed (nothing when there was no kill), or what somebody else is to approve.

    Raises:
        ConfigError: no such branch, or no reason given.
        StorageConflict: the branch was changed at the same moment.
        StorageError: not read or not written.
    """
    require(who=who, why=why)
    own = await desk.store.own_states()
    held = killed_by(own, branch)
    concerned = [state for name, state in own.items() if name == branch or (branch is None and not state.killed)]
    if held is None or not desk.plan.two_person or all(state.share <= 0 for state in concerned):
        return await resume_alone(desk.store, branch, who=who, why=why, at=at)
    return await _store(desk.book, _proposal(held, held, who=who.strip(), why=why.strip(), at=at), held, {})


async def approve(desk: Desk, proposal_id: str, *, who: str, why: str, at: datetime) -> StateChange:
    """Do what was proposed.

    Raises:
        ConfigError: unknown or no longer open, the proposer himself where the plan wants two persons, killed
            meanwhile, outside working hours, or the plan would no longer allow it.
        StorageConflict: the branch was changed at the same moment.
        StorageError: not written.
    """
    require(who=who, why=why)
    proposal, held = await _open_one(desk, proposal_id, at)
    if desk.plan.two_person and proposal.proposer == who.strip():
        raise refusal("id", "whoever proposed it cannot approve it", value=proposal_id, allowed="another person")
    change = await _approved(desk, proposal, held, at)
    await desk.book.close(proposal_id, ProposalState.APPROVED, [change], who=who.strip(), why=why.strip(), at=at)
    return change


async def _approved(desk: Desk, proposal: Proposal, held: BranchState, at: datetime) -> StateChange:
    """The change that a proposal asks for.

    Raises:
        ConfigError: no longer to be done.
    """
    asked: dict[str, JsonValue] = {
        "id": proposal.proposal_id,
        "who": proposal.proposer,
        "why": proposal.why,
        "at": proposal.at.isoformat(),
        "seq": proposal.evidence_seq,
    }
    if (proposal.to_stage, proposal.to_share) == (proposal.from_stage, proposal.from_share):
        if not held.killed:
            raise refusal("id", "the kill was taken back already", value=proposal.proposal_id)
        return resuming(held, {"two_person": desk.plan.two_person, "proposal": asked})
    ladder = ladder_of(desk.plan, proposal.branch)
    stage = stage_of(ladder, proposal.to_share)
    rows = await desk.store.history()
    check_step(desk.plan, ladder, held, stage, standings(rows), at, override=proposal.override)
    # The plan's facts are today's, the evidence is the proposal's.
    resting_on = next((row.detail for row in rows if row.seq == proposal.evidence_seq), {})
    detail = {**resting_on, **plan_facts(desk.plan, proposal.branch), "proposal": asked}
    after = on_rung(desk.plan, ladder, held, stage)
    return StateChange(held, after, "approve", proposal.override, detail)


async def reject(desk: Desk, proposal_id: str, *, who: str, why: str, at: datetime) -> Proposal:
    """Refuse what was proposed, or take one's own proposal back.

    Raises:
        ConfigError: unknown or no longer open.
        StorageError: not written.
    """
    require(who=who, why=why)
    proposal, held = await _open_one(desk, proposal_id, at)
    change = StateChange(held, held, "reject", detail={"proposal": {"id": proposal_id, "who": proposal.proposer}})
    await desk.book.close(proposal_id, ProposalState.REJECTED, [change], who=who.strip(), why=why.strip(), at=at)
    return replace(proposal, state=ProposalState.REJECTED, decided_by=who.strip(), decided_at=at)


async def _open_one(desk: Desk, proposal_id: str, at: datetime) -> tuple[Proposal, BranchState]:
    proposal = await desk.book.proposal(proposal_id)
    if proposal is None:
        waiting = [item.proposal_id for item in await current(desk.store, desk.book, at) if is_open(item)]
        raise refusal("id", "no such proposal", value=proposal_id, allowed=", ".join(waiting) or "none is open")
    held = (await desk.store.own_states()).get(proposal.branch)
    state = proposal.state_now(held, at)
    if state is not ProposalState.OPEN or held is None:
        why = {ProposalState.SUPERSEDED: "was made from a state that no longer holds"}
        raise refusal("id", why.get(state, f"is {state.value}"), value=proposal_id, allowed="a new proposal")
    return proposal, held


def is_open(proposal: Proposal) -> bool:
    """Whether it waits for an answer."""
    return proposal.state is ProposalState.OPEN


async def current(store: ControlStore, book: ProposalBook, now: datetime) -> list[Proposal]:
    """All proposals, oldest first, each as it stands now."""
    own = await store.own_states()
    return [replace(item, state=item.state_now(own.get(item.branch), now)) for item in await book.proposals()]

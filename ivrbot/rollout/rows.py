"""What people ask of the rollout, as plain rows for the command line and the HTTP API.

Takes the plan, states and audit rows; gives JSON-able dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date

from ivrbot.model.events import JsonValue
from ivrbot.model.experiment import Assignment, BranchState
from ivrbot.model.proposals import Exclusion, Proposal, ProposalState
from ivrbot.model.rollout import ALL_BRANCHES, AuditRow, StateChange, effective_states
from ivrbot.rollout.drawing.assignment import assign, normalise_caller
from ivrbot.rollout.governing.standing import Standing
from ivrbot.rollout.planning.plan import BranchPlan, Plan, initial_states

Row = dict[str, JsonValue]


def assignment_row(assignment: Assignment) -> Row:
    """An assignment as the decision API answers it."""
    return {
        "route": assignment.route.value,
        "arm": assignment.arm.value if assignment.arm else None,
        "branch": assignment.branch,
        "stage": assignment.stage,
        "share": assignment.share,
        "propensity": assignment.propensity,
        "unit": assignment.unit,
        "reason": assignment.reason,
    }


def decide(
    plan: Plan,
    own: Mapping[str, BranchState],
    branch: str,
    *,
    number: str,
    call_id: str,
    caller_key: bytes,
    region: str = "RU",
    why_not: str = "",
) -> Row:
    """Where a call would go now; nothing is stored.

    Args:
        plan: the plan in force.
        own: states as stored; branches that have none are taken as at a first start.
        branch: name of a branch.
        number: caller's number in any form, "" when withheld.
        call_id: stands for the caller when the number is withheld.
        caller_key: secret key of the units.
        region: country whose national numbers are assumed.
        why_not: kind of the caller's exclusion, "" when he is not kept out.
    """
    states = effective_states({**initial_states(plan), **own})
    state = states.get(branch, states.get(ALL_BRANCHES))
    assignment = assign(
        plan,
        state,
        branch,
        caller=normalise_caller(number, region),
        call_id=call_id,
        caller_key=caller_key,
        eligible=not why_not,
        why_not=why_not,
    )
    return assignment_row(assignment)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a branch still lacks.

    Attributes:
        callers_needed: callers of both arms whose values must still come to count; None when not known, or when
            no number within reach is enough.
        earliest_day: first day on which it may leave its rung, None when not known or never.
    """

    callers_needed: int | None = None
    earliest_day: date | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What status tells beside plan and states.

    Attributes:
        standings: from the audit.
        proposals: as they stand now.
        outlook: of a branch on its rung.
        plan_error: what is wrong with the plan's file, "" when it is the plan in force.
    """

    standings: Mapping[str, Standing] = field(default_factory=dict)
    proposals: Sequence[Proposal] = ()
    outlook: Callable[[BranchPlan, BranchState, Standing | None], Outlook] | None = None
    plan_error: str = ""


def status(plan: Plan, own: Mapping[str, BranchState], beside: Beside | None = None) -> list[Row]:
    """One row per branch of the plan, then branches that have a state but left the plan."""
    told = beside or Beside()
    everything = own.get(ALL_BRANCHES)
    all_killed = everything is not None and everything.killed
    names = [*plan.branches, *(name for name in own if name not in plan.branches and name != ALL_BRANCHES)]
    first = initial_states(plan)
    return [
        _status(plan, name, own.get(name) or first[name], name in own, all_killed)
        | _standing(plan, name, own.get(name) or first[name], told)
        for name in names
    ]


def _standing(plan: Plan, name: str, state: BranchState, told: Beside) -> Row:
    standing, ladder = told.standings.get(name), plan.branches.get(name)
    asked = [item for item in told.proposals if item.branch == name and item.state is ProposalState.OPEN]
    outlook = told.outlook(ladder, state, standing) if told.outlook and ladder and state.stage else Outlook()
    return {
        "since": standing.since.isoformat() if standing else None,
        "complete": standing.complete if standing else False,
        "override": standing.override if standing else False,
        "callers_needed": outlook.callers_needed,
        "earliest_day": outlook.earliest_day.isoformat() if outlook.earliest_day else None,
        "proposal": proposal_row(asked[-1]) if asked else None,
        "plan_error": told.plan_error,
    }


def proposal_row(proposal: Proposal) -> Row:
    """A proposal as it stands."""
    return {
        "id": proposal.proposal_id,
        "branch": proposal.branch,
        "from_stage": proposal.from_stage,
        "from_share": proposal.from_share,
        "to_stage": proposal.to_stage,
        "to_share": proposal.to_share,
        "proposer": proposal.proposer,
        "why": proposal.why,
        "at": proposal.at.isoformat(),
        "override": proposal.override,
        "evidence_seq": proposal.evidence_seq,
        "state": proposal.state.value,
        "decided_by": proposal.decided_by,
        "decided_at": proposal.decided_at.isoformat() if proposal.decided_at else None,
    }


def exclusion_row(exclusion: Exclusion) -> Row:
    """A caller kept out; who it is cannot be told from it."""
    return {
        "unit": exclusion.unit,
        "kind": exclusion.kind,
        "branch": exclusion.branch,
        "who": exclusion.who,
        "why": exclusion.why,
        "at": exclusion.at.isoformat(),
    }


def _status(plan: Plan, name: str, state: BranchState, stored: bool, all_killed: bool) -> Row:
    ladder = plan.branches.get(name)
    rung = ladder.index(state.stage) if ladder else -1
    following = ladder.stages[rung + 1] if ladder and rung + 1 < len(ladder.stages) else None
    return {
        "branch": name,
        "stage": state.stage,
        "share": state.share,
        "holdback": state.holdback,
        "epoch": state.epoch,
        "killed": state.killed or all_killed,
        "killed_by": "all" if all_killed else "branch" if state.killed else "",
        "started": bool(state.stage),
        "after": ladder.after if ladder else "",
        "in_plan": ladder is not None,
        "stored": stored,
        "next_stage": following.name if following else "",
        "next_share": following.share if following else None,
        "plan_revision": state.plan_revision,
    }


def change_row(change: StateChange) -> Row:
    """A change just made."""
    before, after = change.before, change.after
    return {
        "branch": after.branch,
        "action": change.action,
        "from": _state(before),
        "to": _state(after),
        "override": change.override,
    }


def history_row(row: AuditRow) -> Row:
    """Who, when, from, to, why."""
    return {
        "seq": row.seq,
        "at": row.at.isoformat(),
        "who": row.who,
        "action": row.action,
        "branch": row.branch,
        "from": _state(row.before),
        "to": _state(row.after),
        "why": row.why,
        "override": row.override,
        "hash": row.hash,
    }


def _state(state: BranchState | None) -> JsonValue:
    return None if state is None else asdict(state)

"""What people leave beside branch states: proposals that wait for a second person, callers kept out.

Takes nothing, gives types that `rollout` judges and stores keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ivrbot.model.experiment import BranchState

PROPOSAL_LIFE = timedelta(days=14)
"""A proposal that nobody answered for so long no longer stands: the evidence under it is old."""


class ProposalState(StrEnum):
    """What became of a proposal; only an open one can be approved or rejected."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rung that somebody wants a branch to be put on.

    Attributes:
        proposal_id: six characters that people can read to each other.
        from_stage: rung at the proposal, "" when the branch had not started.
        from_epoch: epoch then; approved from another rung or epoch the proposal would mean something else.
        to_share: share of the rung `to_stage`, 0..1.
        proposer: person, token or program ("controller").
        override: the proposal sets a rule of the plan aside (several rungs, or `after` not complete).
        evidence_seq: audit row whose detail holds the evidence that it rests on; None: a person's own idea.
        decided_by: who approved or rejected it, "" while open.
    """

    proposal_id: str
    branch: str
    from_stage: str
    from_share: float
    from_epoch: int
    to_stage: str
    to_share: float
    proposer: str
    why: str
    at: datetime
    override: bool = False
    evidence_seq: int | None = None
    state: ProposalState = ProposalState.OPEN
    decided_by: str = ""
    decided_at: datetime | None = None

    def state_now(self, held: BranchState | None, now: datetime) -> ProposalState:
        """What has become of it: an open one ends with its branch's rung or epoch, and with time.

        Args:
            held: what is in force in the branch.
            now: aware time.
        """
        if self.state is not ProposalState.OPEN:
            return self.state
        if held is None or (held.stage, held.epoch) != (self.from_stage, self.from_epoch):
            return ProposalState.SUPERSEDED
        return ProposalState.EXPIRED if now - self.at > PROPOSAL_LIFE else ProposalState.OPEN


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A caller who always meets an operator, in neither arm.

    Attributes:
        unit: keyed hash of the number (hex), as in exposures; the number itself is not kept.
        kind: "vip" or "opt_out".
        branch: where it holds; "*" everywhere.
    """

    unit: str
    kind: str
    branch: str
    who: str
    why: str
    at: datetime

"""Changes of branch states and the hash-chained rows that record them.

Takes nothing, gives types and pure functions that every store and the controller share.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from ivrbot.model.events import JsonValue
from ivrbot.model.experiment import BranchState, Exposure

ALL_BRANCHES = "*"
"""Name of the row that holds the kill switch of everything."""

GENESIS_HASH = "0" * 64
"""What stands for the previous hash in the first row of the chain."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """One branch going from one state to another.

    Attributes:
        before: the state that the decision was made from; None when the branch had none. A store refuses the
            change when it holds something else, so that of two deciders one wins.
        action: "start", "adopt", "set", "kill", "resume", "advance", "roll_back", ...
        override: a rule of the plan was set aside by a person.
        detail: what the decision rested on (evidence snapshot, plan facts), JSON-able.
    """

    before: BranchState | None
    after: BranchState
    action: str
    override: bool = False
    detail: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One link of the chain: who did what, when, from which state to which, and why.

    Attributes:
        seq: counts from 1 without gaps.
        previous_hash: `hash` of row seq - 1, `GENESIS_HASH` for the first.
        hash: hex SHA-256 over everything else in the row.
    """

    seq: int
    at: datetime
    who: str
    action: str
    branch: str
    before: BranchState | None
    after: BranchState
    why: str
    override: bool
    detail: Mapping[str, JsonValue]
    previous_hash: str
    hash: str = ""

    def computed_hash(self) -> str:
        """What `hash` must be."""
        body = asdict(self) | {"at": self.at.astimezone(UTC).isoformat(timespec="microseconds")}
        del body["hash"]
        text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def link(
    change: StateChange, who: str, why: str, at: datetime, last: tuple[int, str] = (0, GENESIS_HASH)
) -> AuditRow:
    """The row that records a change.

    Args:
        change: what changes.
        who: person, token or program.
        why: in words.
        at: aware time.
        last: seq and hash of the newest row so far.
    """
    row = AuditRow(
        seq=last[0] + 1,
        at=at,
        who=who,
        action=change.action,
        branch=change.after.branch,
        before=change.before,
        after=change.after,
        why=why,
        override=change.override,
        detail=dict(change.detail),
        previous_hash=last[1],
    )
    return replace(row, hash=row.computed_hash())


def effective_states(own: Mapping[str, BranchState]) -> dict[str, BranchState]:
    """States with the kill switch of everything folded into each branch; its own row stays in."""
    everything = own.get(ALL_BRANCHES)
    if everything is None or not everything.killed:
        return dict(own)
    return {name: replace(state, killed=True) for name, state in own.items()}


def exposure_in_force(exposure: Exposure, state: BranchState | None) -> bool:
    """Whether an exposure was drawn from the state that is in force (kill switch folded in).

    One that was not must not be stored: it would count a caller in an arm in which he never was.
    """
    return (
        state is not None
        and not state.killed
        and state.stage == exposure.stage
        and state.epoch == exposure.epoch
        and treatment_bound(state.share, state.holdback) == exposure.propensity
    )


def treatment_bound(share: float, holdback: float) -> float:
    """Probability of the bot: the stage's share, less whoever the holdback keeps with operators."""
    return min(share, 1.0 - holdback)


def first_broken(rows: Iterable[AuditRow]) -> tuple[int, str] | None:
    """Seq and reason of the first row that does not fit the chain; None when all do.

    A chain alone cannot show that its newest rows were cut off; whoever needs that keeps the newest hash
    elsewhere.
    """
    previous = GENESIS_HASH
    for seq, row in enumerate(rows, start=1):
        if row.seq != seq:
            return seq, f"row {seq} is missing"
        if row.previous_hash != previous:
            return seq, f"row {seq} does not follow row {seq - 1}"
        if row.hash != row.computed_hash():
            return seq, f"row {seq} was changed after it was written"
        previous = row.hash
    return None

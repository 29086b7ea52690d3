"""Tables beside branch states: proposals and callers kept out.

Takes a Store, gives `RolloutBook`; each method is one transaction, audit rows included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ivrbot.errors import StorageConflict
from ivrbot.model.events import JsonValue
from ivrbot.model.experiment import BranchState
from ivrbot.model.proposals import Exclusion, Proposal, ProposalState
from ivrbot.model.rollout import ALL_BRANCHES, AuditRow, StateChange
from ivrbot.storage import schema, statements
from ivrbot.storage.store import Store

proposals = Table(
    "proposals",
    schema.metadata,
    Column("proposal_id", String, primary_key=True),
    Column("branch", String, nullable=False, index=True),
    Column("from_stage", String, nullable=False),
    Column("from_share", Float, nullable=False),
    Column("from_epoch", Integer, nullable=False),
    Column("to_stage", String, nullable=False),
    Column("to_share", Float, nullable=False),
    Column("proposer", String, nullable=False),
    Column("why", String, nullable=False),
    Column("at", schema.UtcDateTime, nullable=False),
    Column("override", Boolean, nullable=False),
    Column("evidence_seq", Integer),
    Column("state", String, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("decided_at", schema.UtcDateTime),
)

exclusions = Table(
    "exclusions",
    schema.metadata,
    Column("unit", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("who", String, nullable=False),
    Column("why", String, nullable=False),
    Column("at", schema.UtcDateTime, nullable=False),
    PrimaryKeyConstraint("unit", "branch"),
)


class RolloutBook:
    """Proposals and exclusions over the store of branch states.

    Every method raises StorageUnavailable when the database does not answer.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def proposals(self, *, open_only: bool = False) -> tuple[Proposal, ...]:
        """Proposals as stored, oldest first; an open one may have been overtaken (`Proposal.state_now`)."""
        return await self._store.read(partial(_proposals, open_only=open_only))

    async def proposal(self, proposal_id: str) -> Proposal | None:
        """One proposal."""
        return await self._store.read(partial(_proposal, proposal_id=proposal_id))

    async def propose(
        self, proposal: Proposal, changes: Sequence[StateChange], *, who: str, why: str, at: datetime
    ) -> AuditRow:
        """Store a proposal with the audit rows of `changes`; open ones of the same branch are superseded.

        Returns:
            The audit row written; its seq becomes the proposal's `evidence_seq`.

        Raises:
            StorageConflict: the branch is no longer in the state that the proposal was made from.
        """
        work = partial(store_proposal, proposal=proposal, changes=tuple(changes), who=who, why=why, at=at)
        return await self._store.write(work)

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
        """Approve, reject, expire or supersede an open proposal, with its state change and audit rows.

        Raises:
            StorageConflict: it is not open, or its branch is no longer in the state that a change starts from.
        """
        work = partial(
            close_proposal, proposal_id=proposal_id, state=state, changes=tuple(changes), who=who, why=why, at=at
        )
        await self._store.write(work)

    async def exclude(self, exclusion: Exclusion) -> None:
        """Keep a caller out, with an audit row; said again, the last word counts."""
        await self._store.write(partial(_exclude, exclusion=exclusion))

    async def include(self, unit: str, branch: str, *, who: str, why: str, at: datetime) -> bool:
        """Let a caller in again, with an audit row; False when he was not kept out."""
        return await self._store.write(partial(_include, unit=unit, branch=branch, who=who, why=why, at=at))

    async def excluded(self, unit: str, branch: str) -> str:
        """Kind of the exclusion that holds for a caller in a branch, "" when none does."""
        return await self._store.read(partial(_excluded, unit=unit, branch=branch))

    async def exclusions(self) -> tuple[Exclusion, ...]:
        """Everybody kept out, oldest first."""
        return await self._store.read(_exclusions)


def _proposals(conn: Connection, *, open_only: bool) -> tuple[Proposal, ...]:
    query = select(proposals).order_by(proposals.c.evidence_seq, proposals.c.at)
    if open_only:
        query = query.where(proposals.c.state == ProposalState.OPEN.value)
    return tuple(_as_proposal(row._mapping) for row in conn.execute(query))


def _proposal(conn: Connection, proposal_id: str) -> Proposal | None:
    row = conn.execute(select(proposals).where(proposals.c.proposal_id == proposal_id)).one_or_none()
    return None if row is None else _as_proposal(row._mapping)


def _as_proposal(row: Any) -> Proposal:
    return Proposal(**(dict(row) | {"state": ProposalState(row["state"])}))


def store_proposal(
    conn: Connection, proposal: Proposal, changes: Sequence[StateChange], who: str, why: str, at: datetime
) -> AuditRow:
    """See `RolloutBook.propose`; inside a transaction that holds the right to write."""
    statements.apply_changes(conn, changes, who, why, at, checked=True)
    older = (proposals.c.branch == proposal.branch) & (proposals.c.state == ProposalState.OPEN.value)
    gone = {"state": ProposalState.SUPERSEDED.value, "decided_by": who, "decided_at": at}
    conn.execute(update(proposals).where(older).values(gone))
    row = statements.history(conn, proposal.branch)[-1]
    stored = asdict(proposal) | {"state": proposal.state.value, "evidence_seq": row.seq}
    conn.execute(insert(proposals).values(stored))
    return row


def close_proposal(
    conn: Connection,
    proposal_id: str,
    state: ProposalState,
    changes: Sequence[StateChange],
    who: str,
    why: str,
    at: datetime,
) -> None:
    """See `RolloutBook.close`; inside a transaction that holds the right to write."""
    waiting = (proposals.c.proposal_id == proposal_id) & (proposals.c.state == ProposalState.OPEN.value)
    values = {"state": state.value, "decided_by": who, "decided_at": at}
    if conn.execute(update(proposals).where(waiting).values(values)).rowcount == 0:
        raise StorageConflict(f"proposal {proposal_id} is not open")
    statements.apply_changes(conn, changes, who, why, at, checked=True)


def _exclude(conn: Connection, exclusion: Exclusion) -> None:
    values = asdict(exclusion)
    new = _insert(conn, exclusions).values(values)
    conn.execute(new.on_conflict_do_update(index_elements=["unit", "branch"], set_=values))
    _record(conn, "exclude", exclusion, who=exclusion.who, why=exclusion.why, at=exclusion.at)


def _include(conn: Connection, unit: str, branch: str, who: str, why: str, at: datetime) -> bool:
    held = (exclusions.c.unit == unit) & (exclusions.c.branch == branch)
    found = conn.execute(select(exclusions).where(held)).one_or_none()
    if found is None:
        return False
    conn.execute(delete(exclusions).where(held))
    _record(conn, "include", Exclusion(**found._mapping), who=who, why=why, at=at)
    return True


def _record(conn: Connection, action: str, exclusion: Exclusion, *, who: str, why: str, at: datetime) -> None:
    """The audit row of an exclusion: no branch's state changes, so it is filed under the row of everything."""
    held = statements.own_states(conn).get(ALL_BRANCHES)
    detail: dict[str, JsonValue] = {
        "exclusion": {"unit": exclusion.unit, "kind": exclusion.kind, "branch": exclusion.branch}
    }
    after = held or BranchState(ALL_BRANCHES, "", 0.0, 0.0)
    statements.apply_changes(conn, [StateChange(held, after, action, detail=detail)], who, why, at, checked=True)


def _excluded(conn: Connection, unit: str, branch: str) -> str:
    holds = (exclusions.c.unit == unit) & exclusions.c.branch.in_((branch, ALL_BRANCHES))
    row = conn.execute(select(exclusions.c.kind).where(holds).limit(1)).first()
    return row.kind if row else ""


def _exclusions(conn: Connection) -> tuple[Exclusion, ...]:
    return tuple(Exclusion(**row._mapping) for row in conn.execute(select(exclusions).order_by(exclusions.c.at)))


def _insert(conn: Connection, table: Table) -> Any:
    """An INSERT that can say ON CONFLICT; both databases spell it alike."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)

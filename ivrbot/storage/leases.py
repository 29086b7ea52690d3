"""One leader among several processes: a row with an expiry, and writes that only its holder may make.

Takes the store, a name and times from the caller's clock; gives whether this process leads. A clock that is wrong
can move the lease too early; the fence in `write` still lets one of two leaders through, not both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Column, Connection, String, Table, delete, func, insert, select, update

from ivrbot.errors import StorageConflict
from ivrbot.model.proposals import Proposal, ProposalState
from ivrbot.model.rollout import StateChange
from ivrbot.storage import schema, statements
from ivrbot.storage.rollout_book import close_proposal, store_proposal
from ivrbot.storage.store import Store

leases = Table(
    "leases",
    schema.metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("expires_at", schema.UtcDateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads, and until when unless he renews."""

    name: str
    holder: str
    expires_at: datetime


class Leadership:
    """This process's claim to lead something.

    Args:
        store: where the lease and the audit live.
        name: what is led ("rollout").
        holder: this process, unlike any other.
        ttl_s: a leader that has not renewed for so long has lost it.
    """

    def __init__(self, store: Store, name: str, holder: str, ttl_s: float) -> None:
        self._store = store
        self._name = name
        self._holder = holder
        self._ttl = timedelta(seconds=ttl_s)

    async def take(self, now: datetime) -> bool:
        """Take or renew the lease; False while another holds it.

        Raises:
            StorageError: not known who leads: nobody here.
        """
        return await self._store.write(
            partial(_take, name=self._name, holder=self._holder, now=now, expires_at=now + self._ttl)
        )

    async def release(self) -> None:
        """Let another lead at once. Does nothing when this process does not lead."""
        await self._store.write(partial(_release, name=self._name, holder=self._holder))

    async def current(self) -> Lease | None:
        """Whoever has taken the lease last, expired or not."""
        return await self._store.read(partial(_current, name=self._name))

    async def write(
        self,
        changes: Sequence[StateChange],
        who: str,
        why: str,
        at: datetime,
        *,
        seen_seq: int,
        closing: Sequence[str] = (),
    ) -> None:
        """Write changes of branch states and their audit rows, if nothing has moved since they were decided.

        Args:
            changes: in order.
            who: program that decided.
            why: in words.
            at: aware time.
            seen_seq: newest audit row that the decision knew of; 0 when it knew of none.
            closing: open proposals that the decision overtakes.

        Raises:
            StorageConflict: another leads, a row was written meanwhile, or a proposal is not open any more;
            nothing
                was stored.
            StorageUnavailable: not written.
        """

        def work(conn: Connection) -> None:
            _require(conn, self._name, self._holder, seen_seq)
            for proposal_id in closing:
                close_proposal(conn, proposal_id, ProposalState.SUPERSEDED, (), who, why, at)
            statements.apply_changes(conn, changes, who, why, at, checked=True)

        await self._store.write(work)

    async def propose(self, proposal: Proposal, changes: Sequence[StateChange], *, seen_seq: int) -> None:
        """Store a proposal and the audit rows that it rests on, under the same conditions as `write`.

        Raises:
            StorageConflict: another leads, or a row was written meanwhile; nothing was stored.
            StorageUnavailable: not written.
        """

        def work(conn: Connection) -> None:
            _require(conn, self._name, self._holder, seen_seq)
            store_proposal(conn, proposal, changes, proposal.proposer, proposal.why, proposal.at)

        await self._store.write(work)


def _current(conn: Connection, name: str) -> Lease | None:
    row = conn.execute(select(leases).where(leases.c.name == name)).one_or_none()
    return None if row is None else Lease(row.name, row.holder, row.expires_at)


def _take(conn: Connection, name: str, holder: str, now: datetime, expires_at: datetime) -> bool:
    held = _current(conn, name)
    if held is None:
        conn.execute(insert(leases).values(name=name, holder=holder, expires_at=expires_at))
        return True
    # An expiry farther ahead than any lease is long was written by a clock that has since been set back.
    lost = held.expires_at <= now or held.expires_at > now + 2 * (expires_at - now)
    if held.holder != holder and not lost:
        return False
    conn.execute(update(leases).where(leases.c.name == name).values(holder=holder, expires_at=expires_at))
    return True


def _release(conn: Connection, name: str, holder: str) -> None:
    conn.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


def _require(conn: Connection, name: str, holder: str, seen_seq: int) -> None:
    held = _current(conn, name)
    if held is None or held.holder != holder:
        raise StorageConflict(f"another process leads the {name}")
    newest = conn.execute(select(func.max(schema.audit.c.seq))).scalar_one() or 0
    if newest != seen_seq:
        raise StorageConflict("the rollout has been changed meanwhile")

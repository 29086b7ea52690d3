"""Contacts, the queue rows and notes that they are folded from, and the columns that decisions are made from.

Takes an open `Store`, gives `ContactBook`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection, func, select

from ivrbot.model.contact import CallMaterial, Contact, ContactNote
from ivrbot.model.contact_columns import FirstExposures
from ivrbot.model.queue import EPOCH, LogPosition, QueueRow
from ivrbot.storage import contact_statements as statements
from ivrbot.storage import schema
from ivrbot.storage.contact_bodies import contact_from
from ivrbot.storage.contact_tables import contact_bodies, contacts, log_positions, mark_due, queue_rows
from ivrbot.storage.exposure_columns import first_exposures
from ivrbot.storage.store import Store
from ivrbot.storage.stranger_calls import strangers

COLUMNS_DEADLINE_S: Final = 120.0
SAVED_AT_A_TIME: Final = 10
SILENT_AFTER: Final = timedelta(seconds=60)
"""A call that the bot handed to a queue shows there within this time, if the queue's log is being delivered."""


class ContactBook:
    """Contacts over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- folding --------------------------------------------------------------------------------------

    async def due(self, limit: int) -> tuple[tuple[int, str], ...]:
        """Oldest marks of calls to be folded: (id, key)."""
        return await self._store.read(partial(statements.due, limit=limit))

    async def sweep(self, since: datetime, until: datetime) -> int:
        """Mark calls and exposures of a stretch that have no contact; gives how many."""
        # Looked for by a reader: the one writing thread has calls waiting.
        lost = await self._store.read(
            partial(statements.without_contact, since=since, until=until), deadline_s=COLUMNS_DEADLINE_S
        )
        if lost:
            await self._store.write(partial(mark_due, keys=lost))
        return len(lost)

    async def materials(self, keys: Sequence[str]) -> tuple[CallMaterial, ...]:
        """Everything stored of the calls behind some keys, each once."""

        def gather(conn: Connection) -> tuple[CallMaterial, ...]:
            unseen = strangers(conn, keys)
            found = [
                material
                for key in keys
                for material in ((unseen[key],) if key in unseen else statements.materials(conn, key))
            ]
            return tuple({material.key: material for material in found}.values())

        return await self._store.read(gather, deadline_s=COLUMNS_DEADLINE_S)

    async def save(self, folded: Sequence[tuple[CallMaterial, tuple[Contact, ...]]], marks: Sequence[int]) -> None:
        """Replace the contacts of some calls, a few in a write (events wait behind it), then take marks away."""

        def store(conn: Connection, piece: Sequence[tuple[CallMaterial, tuple[Contact, ...]]]) -> None:
            for material, contacts_of_it in piece:
                statements.save_contacts(conn, material, contacts_of_it)

        for at in range(0, len(folded), SAVED_AT_A_TIME):
            await self._store.write(partial(store, piece=folded[at : at + SAVED_AT_A_TIME]))
        await self._store.write(partial(statements.unmark, marks=marks))

    # --- what people's side delivers ------------------------------------------------------------------

    async def add_queue_rows(
        self,
        rows: Sequence[tuple[QueueRow, str]],
        source: str,
        position: LogPosition | None = None,
        mapped: Collection[str] = (),
    ) -> int:
        """Store rows (each with its branch) and how far their log was read; gives how many were new or moved.

        Rows known already are moved to the branch given if their queue is among `mapped`.
        """
        told, queues = tuple(rows), frozenset(mapped)
        return await self._store.write(
            partial(statements.add_queue_rows, rows=told, source=source, position=position, mapped=queues)
        )

    async def add_notes(self, notes: Sequence[ContactNote]) -> int:
        """Store imported calls; gives how many were new."""
        return await self._store.write(partial(statements.add_notes, notes=tuple(notes)))

    async def log_position(self, source: str) -> LogPosition | None:
        """How far a log was read."""
        return await self._store.read(partial(statements.log_position, source=source))

    async def human_complete_at(self) -> datetime | None:
        """Until when the operators' data is known to be complete; None when nothing delivers it.

        That the log was read to its end is not enough: it may no longer be written to. A call that the bot handed
        to a queue must show there; the oldest one that does not, and is newer than every row, bounds the time.
        """
        return await self._store.read(_human_complete_at)

    # --- reading --------------------------------------------------------------------------------------

    async def of_call(self, call_id: str) -> tuple[Contact, ...]:
        """Contacts of a call, by branch."""
        return await self._store.read(partial(_of_call, call_id=call_id))

    async def between(self, since: datetime, until: datetime) -> tuple[Contact, ...]:
        """Contacts that began in a stretch of time, oldest first."""
        return await self._store.read(partial(_between, since=since, until=until), deadline_s=COLUMNS_DEADLINE_S)

    async def first_exposures(self, branch: str, epoch: int, window: timedelta) -> FirstExposures:
        """First exposures of an epoch with their contacts, as columns."""
        window_us = window // timedelta(microseconds=1)
        return await self._store.read(
            partial(first_exposures, branch=branch, epoch=epoch, window_us=window_us),
            deadline_s=COLUMNS_DEADLINE_S,
        )

    async def newest(self, branch: str, arm: str) -> datetime | None:
        """End of the newest closed contact of an arm ("treatment", "control") whose outcome is known."""
        return await self._store.read(partial(_newest, branch=branch, arm=arm))


def _of_call(conn: Connection, call_id: str) -> tuple[Contact, ...]:
    table = contact_bodies
    query = select(table.c.body).where(table.c.call_id == call_id).order_by(table.c.branch)
    return tuple(contact_from(body) for body in conn.execute(query).scalars())


def _between(conn: Connection, since: datetime, until: datetime) -> tuple[Contact, ...]:
    first, last = statements.microseconds(since), statements.microseconds(until)
    query = (
        select(contact_bodies.c.body)
        .join(
            contacts,
            (contacts.c.call_id == contact_bodies.c.call_id) & (contacts.c.branch == contact_bodies.c.branch),
        )
        .where(contacts.c.started_us >= first, contacts.c.started_us < last)
        .order_by(contacts.c.started_us, contacts.c.call_id)
    )
    return tuple(contact_from(body) for body in conn.execute(query).scalars())


def _newest(conn: Connection, branch: str, arm: str) -> datetime | None:
    table = schema.exposures
    query = (
        select(contacts.c.ended_us)
        .join(table, (table.c.call_id == contacts.c.call_id) & (table.c.branch == contacts.c.branch))
        .where(
            contacts.c.branch == branch,
            table.c.arm == arm,
            contacts.c.closed,
            contacts.c.outcome != "unknown",
        )
        .order_by(contacts.c.started_us.desc())
        .limit(1)
    )
    found = conn.execute(query).scalar()
    return None if found is None else EPOCH + timedelta(microseconds=found)


def _human_complete_at(conn: Connection) -> datetime | None:
    read_at: datetime | None = conn.execute(select(func.max(log_positions.c.read_at))).scalar()
    if read_at is None:
        return None
    newest = conn.execute(select(func.max(queue_rows.c.at_us))).scalar() or 0
    silent = (
        select(func.min(contacts.c.asked_us))
        .join(schema.calls, schema.calls.c.call_id == contacts.c.call_id)
        .where(
            schema.calls.c.uniqueid != "",
            contacts.c.asked_us > newest,
            contacts.c.asked_us < statements.microseconds(read_at - SILENT_AFTER),
            contacts.c.entered.is_(False),
        )
    )
    asked_us = conn.execute(silent).scalar()
    return read_at if asked_us is None else EPOCH + timedelta(microseconds=asked_us)

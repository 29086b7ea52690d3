"""Calls that the product never saw, gathered many at once: imports bring them by the ten thousand.

Takes a reading connection and keys, gives `CallMaterial`s.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, or_, select

from ivrbot.model.contact import CallMaterial
from ivrbot.model.queue import QueueRow
from ivrbot.storage import schema
from ivrbot.storage.contact_bodies import note_from
from ivrbot.storage.contact_tables import contact_notes, contacts, queue_rows

STRANGER = "queue:"
"""Begins the call id of a contact that the product never saw."""


def strangers(conn: Connection, keys: Sequence[str]) -> dict[str, CallMaterial]:
    """Material of those keys that belong to no call, draw or event of the product.

    Args:
        conn: a reading transaction.
        keys: some hundred at most.
    """
    known = _known(conn, keys)
    wanted = [key for key in keys if key not in known]
    rows: dict[str, list[QueueRow]] = {}
    branches: dict[str, dict[str, str]] = {}
    query = select(queue_rows).where(queue_rows.c.callid.in_(wanted))
    for row in conn.execute(query.order_by(queue_rows.c.at_us, queue_rows.c.key)):
        told = QueueRow(row.at_us, row.callid, row.queue, row.agent, row.event, tuple(row.data))
        rows.setdefault(row.callid, []).append(told)
        if row.branch != row.queue:
            branches.setdefault(row.callid, {})[row.queue] = row.branch
    notes = {
        row.call_id: note_from(row.body)
        for row in conn.execute(select(contact_notes).where(contact_notes.c.call_id.in_(wanted)))
    }
    held = select(contacts.c.call_id, contacts.c.unit)
    named = [f"{STRANGER}{key}" for key in wanted]
    units = {row.call_id: row.unit for row in conn.execute(held.where(contacts.c.call_id.in_(named)))}
    return {
        key: CallMaterial(
            key=key,
            unit=units.get(f"{STRANGER}{key}", ""),
            rows=tuple(rows.get(key, ())),
            note=notes.get(key),
            queue_branch=branches.get(key, {}),
        )
        for key in wanted
    }


def _known(conn: Connection, keys: Sequence[str]) -> set[str]:
    calls, events, exposures = schema.calls, schema.events, schema.exposures
    named = or_(calls.c.call_id.in_(keys), calls.c.uniqueid.in_(keys), calls.c.linkedid.in_(keys))
    found = {
        name
        for row in conn.execute(select(calls.c.call_id, calls.c.uniqueid, calls.c.linkedid).where(named))
        for name in row
    }
    told = select(queue_rows.c.callid).where(queue_rows.c.callid.in_(keys), queue_rows.c.about.is_not(None))
    drawn = select(exposures.c.call_id).where(exposures.c.call_id.in_(keys))
    heard = select(events.c.call_id).where(events.c.call_id.in_(keys)).distinct()
    for query in (told, drawn, heard):
        found |= set(conn.execute(query).scalars())
    return found

"""What is read and written of contacts, on a connection inside a transaction of the caller.

Takes a connection and model objects, gives model objects. Whatever changes a contact (the end of a call, a row of
a queue, a note) marks it due in its own transaction; folding takes the mark away in the transaction that stores
the contact, so that a crash in between costs nothing but a second fold.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update

from ivrbot.model.call import CallId
from ivrbot.model.contact import CallMaterial, Contact, ContactNote
from ivrbot.model.contact_columns import OWN_FIELDS, own_values
from ivrbot.model.experiment import Arm, Exposure
from ivrbot.model.queue import EPOCH, LogPosition, QueueRow
from ivrbot.model.shadow import CallDisposition, Outcome
from ivrbot.storage import schema, statements
from ivrbot.storage.call_lines import save_lines
from ivrbot.storage.contact_bodies import contact_body, note_body, note_from
from ivrbot.storage.contact_tables import (
    contact_bodies,
    contact_notes,
    contacts,
    contacts_due,
    log_positions,
    mark_due,
    queue_rows,
)
from ivrbot.storage.quality import quality_of
from ivrbot.storage.rollups import mark_days
from ivrbot.storage.shadow import dispositions
from ivrbot.storage.stranger_calls import STRANGER

upserting = statements._upserting


def microseconds(at: datetime) -> int:
    """Since 1970-01-01 UTC."""
    return (at - EPOCH) // timedelta(microseconds=1)


# --- what is due --------------------------------------------------------------------------------------


def due(conn: Connection, limit: int) -> tuple[tuple[int, str], ...]:
    """Oldest marks: (id, key)."""
    query = select(contacts_due.c.id, contacts_due.c.key).order_by(contacts_due.c.id).limit(limit)
    return tuple((row.id, row.key) for row in conn.execute(query))


def without_contact(conn: Connection, since: datetime, until: datetime) -> frozenset[str]:
    """Call ids of a stretch of time, registered or drawn, that have no contact: nobody said how they ended."""
    calls, exposures = schema.calls, schema.exposures
    # "not exists", not "not in": PostgreSQL would go through all contacts for each call
    has_contact = select(contacts.c.call_id).where(contacts.c.call_id == calls.c.call_id).exists()
    lost = select(calls.c.call_id).where(
        calls.c.registered_at.between(since, until), calls.c.gateway != "", ~has_contact
    )
    was_folded = select(contacts.c.call_id).where(contacts.c.call_id == exposures.c.call_id).exists()
    unseen = select(exposures.c.call_id).where(exposures.c.at.between(since, until), ~was_folded)
    return frozenset(row.call_id for query in (lost, unseen) for row in conn.execute(query))


# --- gathering ----------------------------------------------------------------------------------------


def materials(conn: Connection, key: str) -> tuple[CallMaterial, ...]:
    """Everything stored of the calls that a key belongs to: mostly one; a channel that came back has had several.

    Args:
        conn: a reading transaction.
        key: the product's call id, or the PBX's id of the caller's channel.
    """
    return tuple(_material(conn, key, call_id) for call_id in _calls_of(conn, key))


def _material(conn: Connection, key: str, call_id: CallId) -> CallMaterial:
    registration = statements.registration_of(conn, call_id)
    exposures = exposures_of(conn, call_id)
    events = statements.events_of(conn, call_id)
    if registration is not None and not registration.gateway:
        registration = None  # a row that a dossier made: nothing is known but the number
    seen = registration is not None or exposures or events
    callids = _callids(conn, call_id, registration.uniqueid, registration.linkedid) if registration else {key}
    since, until = _span(conn, call_id, callids) if registration else (None, None)
    rows, branches = _queue_rows(conn, callids, since, until)
    names = {key, call_id, *callids}
    note = conn.execute(select(contact_notes.c.body).where(contact_notes.c.call_id.in_(names))).scalars().first()
    return CallMaterial(
        key=call_id if seen else key,
        registration=registration,
        unit=exposures[0].unit if exposures else _stored_unit(conn, call_id),
        events=events,
        exposures=exposures,
        rows=rows,
        note=note_from(note) if note else None,
        disposition=last_disposition(conn, call_id),
        queue_branch=branches,
        qa_score=quality_of(conn, call_id),
        trunk=next((exposure.trunk for exposure in exposures if exposure.trunk), ""),
    )


def _calls_of(conn: Connection, key: str) -> tuple[CallId, ...]:
    """The product's calls behind a key; the key itself where there is none."""
    table = schema.calls
    by_id = select(table.c.call_id).where(table.c.call_id == key)
    by_channel = select(table.c.call_id).where(or_(table.c.uniqueid == key, table.c.linkedid == key))
    told = select(queue_rows.c.about).where(queue_rows.c.callid == key, queue_rows.c.about.is_not(None)).distinct()
    for query in (by_id, by_channel, told):
        found = tuple(CallId(name) for name in conn.execute(query).scalars())
        if found and key:
            return found
    return (CallId(key),)


def _callids(conn: Connection, call_id: CallId, *ids: str) -> set[str]:
    told = conn.execute(select(queue_rows.c.callid).where(queue_rows.c.about == call_id)).scalars()
    return {name for name in (*ids, *told) if name}


def _span(conn: Connection, call_id: CallId, callids: set[str]) -> tuple[datetime | None, datetime | None]:
    """From when to when the rows of a channel belong to a call: None where no other call has had the channel."""
    table = schema.calls
    at = conn.execute(select(table.c.registered_at).where(table.c.call_id == call_id)).scalar_one()
    others = table.c.uniqueid.in_(callids) & (table.c.call_id != call_id)
    earlier = select(table.c.call_id).where(others, table.c.registered_at <= at).limit(1)
    later = select(func.min(table.c.registered_at)).where(others, table.c.registered_at > at)
    return at if conn.execute(earlier).first() else None, conn.execute(later).scalar_one()


def _queue_rows(
    conn: Connection, callids: Iterable[str], since: datetime | None, until: datetime | None
) -> tuple[tuple[QueueRow, ...], dict[str, str]]:
    table = queue_rows
    query = select(table).where(table.c.callid.in_(set(callids))).order_by(table.c.at_us, table.c.key)
    if since is not None:
        query = query.where(table.c.at_us >= microseconds(since))
    if until is not None:
        query = query.where(table.c.at_us < microseconds(until))
    found = conn.execute(query).all()
    rows = tuple(
        QueueRow(row.at_us, row.callid, row.queue, row.agent, row.event, tuple(row.data)) for row in found
    )
    return rows, {row.queue: row.branch for row in found if row.branch != row.queue}


def exposures_of(conn: Connection, call_id: CallId) -> tuple[Exposure, ...]:
    """Every draw of a call, in the order of time."""
    table = schema.exposures
    names = set(Exposure.__dataclass_fields__)
    found = conn.execute(select(table).where(table.c.call_id == call_id).order_by(table.c.at, table.c.branch))
    return tuple(
        Exposure(**{name: value for name, value in row._mapping.items() if name in names} | {"arm": Arm(row.arm)})
        for row in found
    )


def last_disposition(conn: Connection, call_id: CallId) -> CallDisposition | None:
    """What an operator said last of a call."""
    table = dispositions
    query = select(table).where(table.c.call_id == call_id).order_by(table.c.id.desc()).limit(1)
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    outcome = Outcome(row.outcome)
    return CallDisposition(CallId(row.call_id), row.at, row.who, row.topic, row.branch, outcome, row.note_code)


def _stored_unit(conn: Connection, call_id: CallId) -> str:
    names = (call_id, f"{STRANGER}{call_id}")
    return conn.execute(select(contacts.c.unit).where(contacts.c.call_id.in_(names))).scalars().first() or ""


# --- storing ------------------------------------------------------------------------------------------


def save_contacts(conn: Connection, gathered: CallMaterial, folded: Sequence[Contact]) -> None:
    """Replace the contacts of a call."""
    strangers = {f"{STRANGER}{name}" for name in (gathered.key, *(row.callid for row in gathered.rows))}
    names = {gathered.key, *strangers}
    before = conn.execute(select(contacts.c.started_us).where(contacts.c.call_id.in_(names))).scalars().all()
    mark_days(conn, (*before, *(microseconds(contact.started_at) for contact in folded)))
    for table in (contacts, contact_bodies):
        conn.execute(delete(table).where(table.c.call_id.in_(names)))
    save_lines(conn, gathered, folded, names)
    insert_contacts(conn, folded)


def insert_contacts(conn: Connection, folded: Sequence[Contact]) -> None:
    """Insert contacts that are not there yet, in small rows and in full."""
    if folded:
        conn.execute(insert(contacts), [_contact_row(contact) for contact in folded])
        bodies = [{"call_id": c.call_id, "branch": c.branch, "body": contact_body(c)} for c in folded]
        conn.execute(insert(contact_bodies), bodies)


def unmark(conn: Connection, marks: Sequence[int]) -> None:
    """Take marks away."""
    conn.execute(delete(contacts_due).where(contacts_due.c.id.in_(marks)))


def _contact_row(contact: Contact) -> dict[str, Any]:
    human = contact.human
    return {
        "call_id": contact.call_id,
        "branch": contact.branch,
        "unit": contact.unit,
        "origin": contact.origin.value,
        "started_us": microseconds(contact.started_at),
        "ended_us": microseconds(contact.ended_at),
        "asked_us": microseconds(human.asked_at) if human else 0,
        "entered": human is not None and human.entered_at is not None,
        "outcome": contact.outcome.value,
        "closed": contact.closed,
        "numbers": _packed(own_values(contact)),
    }


def _packed(values: Mapping[str, float | None]) -> bytes:
    numbers = [math.nan if (value := values[name]) is None else value for name in OWN_FIELDS]
    return struct.pack(f"<{len(numbers)}f", *numbers)


def add_queue_rows(
    conn: Connection,
    rows: Sequence[tuple[QueueRow, str]],
    source: str,
    position: LogPosition | None,
    mapped: Collection[str] = (),
) -> int:
    """Store rows that are new, how far their log was read, and mark their calls.

    Args:
        conn: inside a writing transaction.
        rows: each with the branch of its queue; callers' numbers already hashed.
        source: name of the log.
        position: None leaves the stored one as it is.
        mapped: queues whose branch somebody named; their rows are moved when they are stored under another one.
            What was mapped before and is not named now stays where it is.

    Returns:
        How many were new or moved.
    """
    told = {row.key: (row, branch) for row, branch in rows}
    known: dict[str, str] = {}
    keys = list(told)
    for at in range(0, len(keys), 500):
        held = select(queue_rows.c.key, queue_rows.c.branch).where(queue_rows.c.key.in_(keys[at : at + 500]))
        known |= {row.key: row.branch for row in conn.execute(held)}
    fresh = [_row_values(key, *told[key]) for key in keys if key not in known]
    moved = [key for key, branch in known.items() if told[key][0].queue in mapped and told[key][1] != branch]
    if fresh:
        conn.execute(insert(queue_rows), fresh)
    if moved:
        move = update(queue_rows).where(queue_rows.c.key == bindparam("moved")).values(branch=bindparam("to"))
        conn.execute(move, [{"moved": key, "to": told[key][1]} for key in moved])
    callids = {told[key][0].callid for key in (*moved, *(row["key"] for row in fresh))}
    mark_due(conn, callids - {"NONE"})
    if position is not None:
        values = asdict(position) | {"source": source}
        upsert = upserting(conn, log_positions).values(values)
        conn.execute(upsert.on_conflict_do_update(index_elements=["source"], set_=values))
    return len(fresh) + len(moved)


def _row_values(key: str, row: QueueRow, branch: str) -> dict[str, Any]:
    about = row.data[0] if row.event == "BOTCTX" and row.data and row.data[0] else None
    return {
        "key": key,
        "at_us": row.at_us,
        "callid": row.callid,
        "queue": row.queue,
        "branch": branch,
        "agent": row.agent,
        "event": row.event,
        "data": list(row.data),
        "about": about,
    }


def log_position(conn: Connection, source: str) -> LogPosition | None:
    """How far a log was read, None when never."""
    row = conn.execute(select(log_positions).where(log_positions.c.source == source)).one_or_none()
    return None if row is None else LogPosition(row.inode, row.offset, row.tail, row.read_at)


def add_notes(conn: Connection, notes: Sequence[ContactNote]) -> int:
    """Store imported calls; gives how many were new. One that says the same as before is not new."""
    new = 0
    for note in notes:
        body = note_body(note)
        held = conn.execute(select(contact_notes.c.body).where(contact_notes.c.call_id == note.call_id)).scalar()
        if held == body:
            continue
        upsert = upserting(conn, contact_notes).values(call_id=note.call_id, body=body)
        conn.execute(upsert.on_conflict_do_update(index_elements=["call_id"], set_={"body": body}))
        mark_due(conn, [note.call_id])
        new += 1
    return new

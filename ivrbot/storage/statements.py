"""What is read and written, on a SQLAlchemy connection inside a transaction of the caller.

Takes a connection and model objects, gives model objects; knows no thread, no event loop and no particular
database beyond the name of its upsert.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ivrbot.errors import StorageConflict
from ivrbot.model.call import (
    AssuranceLevel,
    CallId,
    CallOutcome,
    CallRegistration,
    Dossier,
    EscalationReason,
    OpenClaim,
    PastContact,
    QueueName,
    TranscriptLine,
)
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.experiment import Arm, BranchState, Exposure
from ivrbot.model.rollout import (
    ALL_BRANCHES,
    GENESIS_HASH,
    AuditRow,
    StateChange,
    effective_states,
    exposure_in_force,
    link,
)
from ivrbot.storage import schema
from ivrbot.storage.callback_tables import erase_numbers
from ivrbot.storage.contact_tables import contacts, mark_due


def _upserting(conn: Connection, table: Table) -> Any:
    """An INSERT that can say ON CONFLICT; both databases spell it alike."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


# --- events -------------------------------------------------------------------------------------------

_AFTERWARDS = frozenset({EventType.SCORE_ASKED, EventType.CALL_SCORED})
"""Come after the call's end when an operator had served it."""


def _changes_contacts(event: CallEvent) -> bool:
    scored = event.type in _AFTERWARDS and event.data.get("by") == "operator"
    return scored or event.type is EventType.CALL_ENDED


def append_events(conn: Connection, events: Sequence[CallEvent]) -> None:
    """Insert events; those whose (call_id, seq) is there already are left alone."""
    rows = [
        {
            "call_id": event.call_id,
            "seq": event.seq,
            "type": event.type.value,
            "t_ms": event.t_ms,
            "at": event.at,
            "data": dict(event.data),
        }
        for event in events
    ]
    if rows:
        conn.execute(_upserting(conn, schema.events).on_conflict_do_nothing(), rows)
    mark_due(conn, {event.call_id for event in events if _changes_contacts(event)} | _late(conn, events))


def _late(conn: Connection, events: Sequence[CallEvent]) -> set[str]:
    """Calls that were folded without these events, which the journal held up."""
    names = list({event.call_id for event in events})
    folded: set[str] = set()
    for at in range(0, len(names), 500):
        known = select(contacts.c.call_id).where(contacts.c.call_id.in_(names[at : at + 500]))
        folded |= set(conn.execute(known).scalars())
    return folded


def events_of(conn: Connection, call_id: CallId) -> tuple[CallEvent, ...]:
    """All events of a call by seq."""
    table = schema.events
    rows = conn.execute(select(table).where(table.c.call_id == call_id).order_by(table.c.seq))
    return tuple(
        CallEvent(CallId(row.call_id), row.seq, EventType(row.type), row.t_ms, row.at, row.data) for row in rows
    )


# --- calls --------------------------------------------------------------------------------------------


def register_call(conn: Connection, registration: CallRegistration, at: datetime) -> None:
    """Insert a call.

    Raises:
        StorageConflict: the call id was seen before.
    """
    values = asdict(registration) | {"registered_at": at}
    new = _upserting(conn, schema.calls).values(values).on_conflict_do_nothing()
    # not by the count of rows: PostgreSQL's driver does not know it of an INSERT
    if conn.execute(new.returning(schema.calls.c.call_id)).first() is None:
        raise StorageConflict(f"call {registration.call_id} is registered already")


def registration_of(conn: Connection, call_id: CallId) -> CallRegistration | None:
    """A registered call."""
    table = schema.calls
    row = conn.execute(select(table).where(table.c.call_id == call_id)).one_or_none()
    if row is None:
        return None
    return CallRegistration(
        call_id=CallId(row.call_id),
        caller=row.caller,
        called=row.called,
        channel=row.channel,
        uniqueid=row.uniqueid,
        linkedid=row.linkedid,
        gateway=row.gateway,
        language=row.language,
    )


def save_dossier(conn: Connection, dossier: Dossier) -> None:
    """Insert or replace a dossier; the caller's number goes into the erasable row of the call."""
    body = asdict(dossier)
    for name in ("dossier_id", "call_id", "created_at", "caller"):
        del body[name]
    body["contacts"] = [asdict(one) | {"at": one.at.isoformat()} for one in dossier.contacts]
    values = {
        "dossier_id": dossier.dossier_id,
        "call_id": dossier.call_id,
        "created_at": dossier.created_at,
        "body": body,
    }
    new = _upserting(conn, schema.dossiers).values(values)
    conn.execute(new.on_conflict_do_update(index_elements=["dossier_id"], set_=values))
    if dossier.caller:
        call = {
            "call_id": dossier.call_id,
            "registered_at": dossier.created_at,
            "dossier_caller": dossier.caller,
            "gateway": "",
        } | dict.fromkeys(("caller", "called", "channel", "uniqueid", "linkedid"), "")
        known = _upserting(conn, schema.calls).values(call)
        conn.execute(
            known.on_conflict_do_update(index_elements=["call_id"], set_={"dossier_caller": dossier.caller})
        )


def dossier_of(conn: Connection, dossier_id: str) -> Dossier | None:
    """A stored dossier."""
    table, call = schema.dossiers, schema.calls
    row = conn.execute(
        select(table, call.c.dossier_caller)
        .select_from(table.outerjoin(call, call.c.call_id == table.c.call_id))
        .where(table.c.dossier_id == dossier_id)
    ).one_or_none()
    return None if row is None else _dossier(row)


def _dossier(row: Row[Any]) -> Dossier:
    body: dict[str, Any] = row.body
    return Dossier(
        dossier_id=row.dossier_id,
        call_id=CallId(row.call_id),
        created_at=row.created_at,
        caller=row.dossier_caller or "",
        queue=QueueName(body["queue"]),
        reason=EscalationReason(body["reason"]),
        topic=body["topic"],
        language=body["language"],
        priority=body["priority"],
        customer_id=body["customer_id"],
        customer_name=body["customer_name"],
        level=AssuranceLevel(body["level"]),
        facts_used=tuple(body["facts_used"]),
        slots=body["slots"],
        tried=tuple(body["tried"]),
        transcript=tuple(TranscriptLine(**line) for line in body["transcript"]),
        suggestion=body["suggestion"],
        # dossiers of earlier versions have none of these
        confidence=body.get("confidence", {}),
        contacts=tuple(
            PastContact(**one | {"at": datetime.fromisoformat(one["at"])}) for one in body.get("contacts", ())
        ),
        claims=tuple(OpenClaim(**one) for one in body.get("claims", ())),
    )


def save_outcome(conn: Connection, call_id: CallId, outcome: CallOutcome) -> None:
    """Insert or replace what the PBX is to do: the last word counts."""
    values = asdict(outcome) | {"call_id": call_id}
    new = _upserting(conn, schema.outcomes).values(values)
    conn.execute(new.on_conflict_do_update(index_elements=["call_id"], set_=asdict(outcome)))


def outcome_of(conn: Connection, call_id: CallId) -> CallOutcome | None:
    """What the PBX is to do."""
    table = schema.outcomes
    row = conn.execute(select(table).where(table.c.call_id == call_id)).one_or_none()
    if row is None:
        return None
    return CallOutcome(row.action, row.queue, row.topic, row.dossier_id, row.priority)


# --- rollout ------------------------------------------------------------------------------------------


def own_states(conn: Connection) -> dict[str, BranchState]:
    """Rows as they are: the kill switch of everything is a row of its own."""
    return {row.branch: BranchState(**row._mapping) for row in conn.execute(select(schema.branch_state))}


def states(conn: Connection) -> dict[str, BranchState]:
    """States in force."""
    return effective_states(own_states(conn))


def apply_changes(
    conn: Connection, changes: Sequence[StateChange], who: str, why: str, at: datetime, *, checked: bool
) -> None:
    """Write new states and an audit row for each.

    Args:
        conn: inside a transaction that already holds the right to write.
        changes: in order.
        who: person, token or program.
        why: in words.
        at: aware time.
        checked: refuse a change whose `before` is not what is stored.

    Raises:
        StorageConflict: somebody else was faster; nothing may be kept of the transaction.
    """
    held = own_states(conn)
    table = schema.audit
    newest = conn.execute(select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)).one_or_none()
    last = (newest.seq, newest.hash) if newest else (0, GENESIS_HASH)
    for change in changes:
        name = change.after.branch
        if checked and held.get(name) != change.before:
            raise StorageConflict(f"branch {name} has been changed meanwhile")
        values = asdict(change.after)
        new = _upserting(conn, schema.branch_state).values(values)
        conn.execute(new.on_conflict_do_update(index_elements=["branch"], set_=values))
        row = link(replace(change, before=held.get(name)), who, why, at, last)
        conn.execute(insert(table).values(asdict(row)))
        held[name], last = change.after, (row.seq, row.hash)


def history(conn: Connection, branch: str | None) -> tuple[AuditRow, ...]:
    """Audit rows in order, of one branch or of all."""
    query = select(schema.audit).order_by(schema.audit.c.seq)
    if branch is not None:
        query = query.where(schema.audit.c.branch == branch)
    return tuple(audit_row(row._mapping) for row in conn.execute(query))


def audit_row(row: Mapping[Any, Any]) -> AuditRow:
    """A row of the audit from its columns."""
    values = dict(row)
    before = values.pop("before")
    after = BranchState(**values.pop("after"))
    return AuditRow(before=BranchState(**before) if before else None, after=after, **values)


def expose(conn: Connection, exposure: Exposure) -> BranchState | None:
    """Read the state in force and, if the exposure was drawn from it, store the exposure.

    A repeated call id and branch keeps its first row.
    """
    in_force = states(conn)
    state = in_force.get(exposure.branch, in_force.get(ALL_BRANCHES))
    if exposure_in_force(exposure, state):
        values = asdict(exposure) | {"arm": exposure.arm.value}
        conn.execute(_upserting(conn, schema.exposures).values(values).on_conflict_do_nothing())
    return state


def exposure_of(conn: Connection, call_id: CallId, branch: str) -> Exposure | None:
    """The exposure of a call in a branch."""
    table = schema.exposures
    row = conn.execute(select(table).where(table.c.call_id == call_id, table.c.branch == branch)).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    return Exposure(**(values | {"call_id": CallId(values["call_id"]), "arm": Arm(values["arm"])}))


def has_exposures(conn: Connection, branch: str, epoch: int) -> bool:
    """Whether anybody was drawn in an epoch of a branch."""
    table = schema.exposures
    query = select(table.c.call_id).where(table.c.branch == branch, table.c.epoch == epoch).limit(1)
    return conn.execute(query).first() is not None


# --- erasure ------------------------------------------------------------------------------------------


def erase_caller(conn: Connection, call_id: CallId) -> None:
    """Forget who rang: the call's row stays, its numbers go, and with them those named for a call-back."""
    erase_numbers(conn, call_id)
    conn.execute(
        update(schema.calls).where(schema.calls.c.call_id == call_id).values(caller="", dossier_caller="")
    )

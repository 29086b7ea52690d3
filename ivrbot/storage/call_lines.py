"""How lines of the call list are written: with each fold of a call, and for contacts that have none yet.

Takes contacts and what they were folded from, gives rows of the table `call_list`, which is kept in the order of
time (its primary key): a rare filter then reads a million lines in sequence. No caller's number and no unit stands
in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    and_,
    delete,
    insert,
    select,
    true,
    tuple_,
)

from ivrbot.model.contact import CallMaterial, Contact
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.queue import EPOCH
from ivrbot.storage.contact_bodies import contact_from
from ivrbot.storage.contact_tables import contact_bodies, contacts
from ivrbot.storage.schema import exposures, metadata

CHUNK: Final = 1000
OPENING: Final = "front"
"""Branch of the opening question, which is itself handed over by the rollout."""

call_list = Table(
    "call_list",
    metadata,
    Column("started_us", BigInteger, nullable=False),
    Column("call_id", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("topic", String, nullable=False),
    Column("gateway", String, nullable=False),
    Column("arm", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("draw", String, nullable=False),
    Column("disposition", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("queue", String, nullable=False),
    Column("unserved", String, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("wait_s", Float),
    Column("score", Integer),
    Column("closed", Boolean, nullable=False),
    Column("first", Boolean, nullable=False, server_default=true()),
    PrimaryKeyConstraint("started_us", "call_id", "branch"),
    Index("ix_call_list_call", "call_id"),
    sqlite_with_rowid=False,
)


def save_lines(
    conn: Connection, gathered: CallMaterial, folded: Sequence[Contact], names: Collection[str]
) -> None:
    """Replace the lines of a call, in the transaction that replaces its contacts.

    Args:
        conn: inside a writing transaction.
        gathered: what the contacts were folded from.
        folded: the contacts.
        names: every id under which lines of this call may stand.
    """
    conn.execute(delete(call_list).where(call_list.c.call_id.in_(names)))
    if folded:
        conn.execute(insert(call_list), lines_of(gathered, folded))


def lines_of(gathered: CallMaterial, folded: Sequence[Contact]) -> list[dict[str, Any]]:
    """Rows of the list for one call; arguments as in `save_lines`."""
    drawn = {exposure.branch: (exposure.arm.value, exposure.stage) for exposure in gathered.exposures}
    queue = next((row.queue for row in gathered.rows if row.queue), "") or _last(
        gathered.events, EventType.ESCALATED, "queue"
    )
    rows = []
    for contact in folded:
        arm, stage = drawn.get(contact.branch, ("", ""))
        assigned = [event for event in gathered.events if event.data.get("branch") == contact.branch]
        draw = _last(assigned, EventType.ASSIGNED, "reason")
        stage = stage or _last(assigned, EventType.ASSIGNED, "stage")
        waited = queue if contact.human is not None else ""
        row = _row(contact, arm=arm, stage=stage, draw=draw, queue=waited)
        rows.append(row | {"first": len(folded) == 1 or contact.branch != OPENING})
    return rows


def _last(events: Sequence[CallEvent], kind: EventType, name: str) -> str:
    return next((str(event.data.get(name) or "") for event in reversed(events) if event.type is kind), "")


def _row(contact: Contact, *, arm: str, stage: str, draw: str, queue: str) -> dict[str, Any]:
    bot, human = contact.bot, contact.human
    return {
        "started_us": (contact.started_at - EPOCH) // timedelta(microseconds=1),
        "call_id": contact.call_id,
        "branch": contact.branch,
        "topic": contact.topic,
        "gateway": contact.gateway or contact.origin.value,
        "arm": arm,
        "stage": stage,
        "draw": draw,
        "disposition": bot.disposition.value if bot and bot.disposition else "",
        "reason": bot.reason if bot else "",
        "outcome": contact.outcome.value,
        "queue": queue,
        "unserved": human.unserved.value if human and human.unserved else "",
        "duration_s": contact.duration_s,
        "wait_s": human.wait_s if human else None,
        "score": contact.score,
        "closed": contact.closed,
        "first": True,
    }


def missing_lines(conn: Connection, after: tuple[str, str]) -> tuple[list[dict[str, Any]], tuple[str, str] | None]:
    """Lines that a stretch of contacts lacks, and where the next stretch begins (None: there is none)."""
    table, listed = contacts, call_list
    query = (
        select(table, contact_bodies.c.body, exposures.c.arm, exposures.c.stage, listed.c.call_id.label("listed"))
        .outerjoin(contact_bodies, _same(contact_bodies))
        .outerjoin(exposures, _same(exposures))
        .outerjoin(listed, _same(listed))
        .where(tuple_(table.c.call_id, table.c.branch) > tuple_(*after))
        .order_by(table.c.call_id, table.c.branch)
        .limit(CHUNK)
    )
    found = conn.execute(query).all()
    contacts_of = Counter(row.call_id for row in found)
    rows = [
        _filled(row) | {"first": contacts_of[row.call_id] == 1 or row.branch != OPENING}
        for row in found
        if row.listed is None
    ]
    return rows, (found[-1].call_id, found[-1].branch) if len(found) == CHUNK else None


def _same(table: Table) -> ColumnElement[bool]:
    return and_(table.c.call_id == contacts.c.call_id, table.c.branch == contacts.c.branch)


def _filled(row: Any) -> dict[str, Any]:
    arm, stage = row.arm or "", row.stage or ""
    if row.body:
        contact = contact_from(row.body)
        queue = contact.branch if contact.human is not None else ""
        return _row(contact, arm=arm, stage=stage, draw="", queue=queue)
    blank = dict.fromkeys(("topic", "draw", "disposition", "reason", "queue", "unserved"), "")
    return blank | {
        "started_us": row.started_us,
        "call_id": row.call_id,
        "branch": row.branch,
        "gateway": row.origin,
        "arm": arm,
        "stage": stage,
        "outcome": row.outcome,
        "duration_s": max(0, row.ended_us - row.started_us) / 1e6,
        "wait_s": None,
        "score": None,
        "closed": row.closed,
        "first": True,
    }


def add_lines(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert lines; those of calls that were folded meanwhile are theirs."""
    there = {
        (row.call_id, row.branch)
        for row in conn.execute(
            select(call_list.c.call_id, call_list.c.branch).where(
                call_list.c.call_id.in_({row["call_id"] for row in rows})
            )
        )
    }
    fresh = [row for row in rows if (row["call_id"], row["branch"]) not in there]
    if fresh:
        conn.execute(insert(call_list), fresh)

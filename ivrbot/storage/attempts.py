"""Counters of failed authentications: counted and stored in one transaction, so that no parallel call slips by.

Takes a connection whose transaction holds the right to write (SQLite's BEGIN IMMEDIATE, the writers' advisory lock
of PostgreSQL), gives counts. Subjects are "customer:<id>", "number:<keyed hash>", "all" and the like.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select

from ivrbot.model.attempts import Reserved, Tally
from ivrbot.model.call import CallId
from ivrbot.storage import schema


def failures_since(conn: Connection, subject: str, since: datetime) -> int:
    """How many failures of a subject at or after a moment."""
    table = schema.auth_failures
    query = select(func.count()).where(table.c.subject == subject, table.c.at >= since)
    return conn.execute(query).scalar_one()


def add_failure(conn: Connection, subject: str, call_id: CallId, at: datetime) -> None:
    """Remember a failure."""
    conn.execute(insert(schema.auth_failures).values(subject=subject, call_id=call_id, at=at))


def reserve(conn: Connection, subjects: Sequence[str], call_id: CallId, at: datetime, since: datetime) -> Reserved:
    """Count failures and add one of each subject."""
    before, rows = [], []
    for subject in subjects:
        before.append(failures_since(conn, subject, since))
        added = conn.execute(insert(schema.auth_failures).values(subject=subject, call_id=call_id, at=at))
        rows.append(int(added.inserted_primary_key[0]))  # type: ignore[index]
    return Reserved(tuple(rows), tuple(before))


def release(conn: Connection, rows: Sequence[int]) -> None:
    """Take failures back that were none."""
    conn.execute(delete(schema.auth_failures).where(schema.auth_failures.c.id.in_(rows)))


def tally(conn: Connection, subject: str, since: datetime, before: datetime) -> Tally:
    """Failures of a subject from a moment on and before another."""
    table = schema.auth_failures
    query = select(func.count(), func.count(table.c.call_id.distinct())).where(
        table.c.subject == subject, table.c.at >= since, table.c.at < before
    )
    failures, calls = conn.execute(query).one()
    return Tally(failures, calls)


def raise_once(conn: Connection, subject: str, call_id: CallId, at: datetime, since: datetime) -> bool:
    """Remember an alarm unless there is one since a moment; whether it is a new one."""
    if failures_since(conn, subject, since):
        return False
    add_failure(conn, subject, call_id, at)
    return True


def forget_failures(conn: Connection) -> None:
    """Delete every remembered failure."""
    conn.execute(delete(schema.auth_failures))

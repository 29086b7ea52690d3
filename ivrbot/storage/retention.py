"""Erases kinds of data when their days are over: numbers, what was said, dossiers, events, failed proofs.

Takes a store, ages and a moment, gives how many rows went. Works in small writes, for calls on the line wait for
each; how far transcripts have been gone through is kept, so that a day's run looks at a day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Protocol

from sqlalchemy import Column, Connection, String, Table, delete, or_, select, tuple_, update

from ivrbot.storage import schema
from ivrbot.storage.callback_tables import callback_numbers, callbacks
from ivrbot.storage.erasure import strip_events
from ivrbot.storage.schema import UtcDateTime, metadata
from ivrbot.storage.statements import _upserting as upserting
from ivrbot.storage.store import Store

ROWS_AT_A_TIME: Final = 500
FIND_S: Final = 120.0
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)

retention_marks = Table(
    "retention_marks",
    metadata,
    Column("kind", String, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
)
"""Until when a kind of data has been erased."""


class Step(Protocol):
    """Erases some of the oldest rows; gives how many, 0 when none is left."""

    def __call__(self, conn: Connection, before: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class Ages:
    """After how many days each kind goes; 0 keeps it."""

    numbers: int
    transcripts: int
    dossiers: int
    events: int
    attempts: int = 0


async def apply(store: Store, ages: Ages, now: datetime) -> dict[str, int]:
    """Erase what is too old; gives rows by kind.

    Raises:
        StorageError: not finished; the next run goes on.
    """
    steps: dict[str, tuple[int, Step]] = {
        "numbers": (ages.numbers, _numbers),
        "callback_numbers": (ages.numbers, _callback_numbers),
        "dossiers": (ages.dossiers, _dossiers),
        "events": (ages.events, _events),
        "attempts": (ages.attempts, _attempts),
    }
    done = {}
    for kind, (days, step) in steps.items():
        if days:
            done[kind] = await _repeated(store, partial(step, before=now - timedelta(days=days)))
    if ages.transcripts:
        done["transcripts"] = await _transcripts(store, now - timedelta(days=ages.transcripts))
    return done


async def _repeated(store: Store, step: Callable[[Connection], int]) -> int:
    total = 0
    while count := await store.write(step):
        total += count
    return total


def _numbers(conn: Connection, before: datetime) -> int:
    table = schema.calls
    numbered = or_(table.c.caller != "", table.c.dossier_caller != "")
    old = select(table.c.call_id).where(table.c.registered_at < before, numbered).limit(ROWS_AT_A_TIME)
    names = conn.execute(old).scalars().all()
    conn.execute(update(table).where(table.c.call_id.in_(names)).values(caller="", dossier_caller=""))
    return len(names)


def _callback_numbers(conn: Connection, before: datetime) -> int:
    old = (
        select(callback_numbers.c.callback_id)
        .join(callbacks, callbacks.c.callback_id == callback_numbers.c.callback_id)
        .where(callbacks.c.asked_at < before)
        .limit(ROWS_AT_A_TIME)
    )
    names = conn.execute(old).scalars().all()
    conn.execute(delete(callback_numbers).where(callback_numbers.c.callback_id.in_(names)))
    return len(names)


def _dossiers(conn: Connection, before: datetime) -> int:
    table = schema.dossiers
    old = select(table.c.dossier_id).where(table.c.created_at < before).limit(ROWS_AT_A_TIME)
    names = conn.execute(old).scalars().all()
    conn.execute(delete(table).where(table.c.dossier_id.in_(names)))
    return len(names)


def _events(conn: Connection, before: datetime) -> int:
    table = schema.events
    old = select(table.c.call_id, table.c.seq).where(table.c.at < before).limit(ROWS_AT_A_TIME)
    keys = [(row.call_id, row.seq) for row in conn.execute(old)]
    if keys:
        conn.execute(delete(table).where(tuple_(table.c.call_id, table.c.seq).in_(keys)))
    return len(keys)


def _attempts(conn: Connection, before: datetime) -> int:
    table = schema.auth_failures
    old = select(table.c.id).where(table.c.at < before).limit(ROWS_AT_A_TIME)
    rows = conn.execute(old).scalars().all()
    conn.execute(delete(table).where(table.c.id.in_(rows)))
    return len(rows)


async def _transcripts(store: Store, before: datetime) -> int:
    """Take the words out of events, a stretch of time after the other."""
    total, since = 0, await store.read(_gone_through)
    while since < before:
        until = await store.read(partial(_stretch_end, since=since, before=before), deadline_s=FIND_S)
        total += await store.write(partial(_strip, since=since, until=until))
        since = until
    return total


def _gone_through(conn: Connection) -> datetime:
    query = select(retention_marks.c.until).where(retention_marks.c.kind == "transcripts")
    return conn.execute(query).scalar() or BEGINNING


def _stretch_end(conn: Connection, since: datetime, before: datetime) -> datetime:
    """End of a stretch with some hundred events (more, if they have one time)."""
    at = schema.events.c.at
    query = select(at).where(at >= since, at < before).order_by(at).offset(ROWS_AT_A_TIME).limit(1)
    end: datetime = conn.execute(query).scalar() or before
    return end if end > since else min(before, since + timedelta(microseconds=1))


def _strip(conn: Connection, since: datetime, until: datetime) -> int:
    at = schema.events.c.at
    count = strip_events(conn, (at >= since) & (at < until))
    mark = upserting(conn, retention_marks).values(kind="transcripts", until=until)
    conn.execute(mark.on_conflict_do_update(index_elements=["kind"], set_={"until": until}))
    return count

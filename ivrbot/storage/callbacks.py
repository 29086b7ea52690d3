"""Callers who asked to be called back, and the attempts to reach them.

Takes an open `Store`, gives `CallbackBook`, which stands behind `ivrbot.ports.CallbackStore`. An attempt is
claimed in the database before anything is dialled, so two processes, or one that was started again, dial once.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from ivrbot.model.call import CallId, QueueName
from ivrbot.model.operators import Callback, CallbackId, CallbackResult, CallbackState
from ivrbot.storage.callback_tables import callback_numbers, callbacks
from ivrbot.storage.store import Store

_ENDED = (CallbackState.DONE.value, CallbackState.GIVEN_UP.value)


class CallbackBook:
    """Call-backs over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, callback: Callback, number: str) -> None:
        """Store a call-back and its number."""
        await self._store.write(partial(_add, callback=callback, number=number))

    async def due(self, now: datetime, limit: int) -> tuple[Callback, ...]:
        """Open ones whose time has come, oldest first."""
        return await self._store.read(partial(_due, now=now, limit=limit))

    async def claim(self, callback_id: str, now: datetime, until: datetime) -> tuple[Callback, str] | None:
        """Take one to dial it."""
        return await self._store.write(partial(_claim, callback_id=callback_id, now=now, until=until))

    async def close_attempt(
        self, callback_id: str, try_no: int, result: CallbackResult, *, again_at: datetime | None, most: int
    ) -> Callback | None:
        """Note how an attempt ended."""
        work = partial(_close, callback_id=callback_id, try_no=try_no, result=result, again_at=again_at, most=most)
        return await self._store.write(work)

    async def overdue(self, now: datetime) -> tuple[Callback, ...]:
        """Attempts that nobody can report any more."""
        return await self._store.read(partial(_overdue, now=now))

    async def put_off(self, callback_id: str, until: datetime) -> None:
        """Dial an open one later; never sooner than it is due already."""
        await self._store.write(partial(_put_off, callback_id=callback_id, until=until))

    # --- for people -----------------------------------------------------------------------------------

    async def callback(self, callback_id: str) -> Callback | None:
        """One call-back."""
        return await self._store.read(partial(_one, callback_id=callback_id))

    async def listed(self, limit: int) -> tuple[tuple[Callback, str], ...]:
        """Those that still wait, by their time, then the newest that have ended; each with its number."""
        return await self._store.read(partial(_listed, limit=limit))

    async def with_number(self, callback_id: str) -> tuple[Callback, str] | None:
        """One call-back and its number, "" when it was erased."""
        return await self._store.read(partial(_with_number, callback_id=callback_id))

    async def missed(self, callback_id: str, again_at: datetime, most: int) -> Callback | None:
        """A person has dialled an open one, and nobody answered.

        Args:
            callback_id: of the call-back.
            again_at: when it is due again.
            most: attempts after which it is given up.

        Returns:
            As it stands now; None for one that is not open.
        """
        return await self._store.write(partial(_missed, callback_id=callback_id, again_at=again_at, most=most))

    async def settle(self, callback_id: str, state: CallbackState, at: datetime) -> Callback | None:
        """What a person decided: DONE by hand, or OPEN, to be dialled again at once with all its attempts.

        Returns:
            As it stands now; None for an unknown one, one that is being dialled, or one that is done.
        """
        return await self._store.write(partial(_settle, callback_id=callback_id, state=state, at=at))


def _add(conn: Connection, callback: Callback, number: str) -> None:
    if _one(conn, callback.callback_id) is None:
        conn.execute(insert(callbacks).values(asdict(callback) | {"state": callback.state.value}))
        conn.execute(insert(callback_numbers).values(callback_id=callback.callback_id, number=number))


def _due(conn: Connection, now: datetime, limit: int) -> tuple[Callback, ...]:
    table = callbacks
    query = (
        select(table)
        .where(table.c.state == CallbackState.OPEN.value, table.c.due_at <= now)
        .order_by(table.c.due_at, table.c.callback_id)
        .limit(limit)
    )
    return tuple(_callback(row) for row in conn.execute(query))


def _claim(conn: Connection, callback_id: str, now: datetime, until: datetime) -> tuple[Callback, str] | None:
    found = _one(conn, callback_id)
    if found is None or found.state is not CallbackState.OPEN or found.due_at > now:
        return None
    query = select(callback_numbers.c.number).where(callback_numbers.c.callback_id == callback_id)
    number = conn.execute(query).scalar()
    if not number:  # erased on the caller's wish: nobody is dialled any more
        _write(conn, replace(found, state=CallbackState.GIVEN_UP, result="erased"))
        return None
    claimed = replace(
        found,
        state=CallbackState.DIALLING,
        tries=found.tries + 1,
        attempts=found.attempts + 1,
        claimed_until=until,
        result="",
    )
    _write(conn, claimed)
    return claimed, str(number)


def _close(
    conn: Connection,
    callback_id: str,
    try_no: int,
    result: CallbackResult,
    again_at: datetime | None,
    most: int,
) -> Callback | None:
    found = _one(conn, callback_id)
    if found is None or found.state is not CallbackState.DIALLING or found.tries != try_no:
        return None
    attempts = found.attempts if result.rang else found.attempts - 1
    ended = CallbackState.DONE if result is CallbackResult.ANSWERED else CallbackState.GIVEN_UP
    goes_on = again_at is not None and attempts < most
    closed = replace(
        found,
        state=CallbackState.OPEN if goes_on else ended,
        attempts=attempts,
        result=result.value,
        claimed_until=None,
        due_at=again_at or found.due_at,
    )
    _write(conn, closed)
    return closed


def _overdue(conn: Connection, now: datetime) -> tuple[Callback, ...]:
    table = callbacks
    query = select(table).where(table.c.state == CallbackState.DIALLING.value, table.c.claimed_until <= now)
    return tuple(_callback(row) for row in conn.execute(query))


def _put_off(conn: Connection, callback_id: str, until: datetime) -> None:
    table = callbacks
    wanted = (table.c.callback_id == callback_id) & (table.c.state == CallbackState.OPEN.value)
    conn.execute(update(table).where(wanted, table.c.due_at < until).values(due_at=until))


def _settle(conn: Connection, callback_id: str, state: CallbackState, at: datetime) -> Callback | None:
    found = _one(conn, callback_id)
    if found is None or found.state in (CallbackState.DIALLING, CallbackState.DONE):
        return None
    if state is CallbackState.OPEN:
        settled = replace(found, state=state, due_at=at, attempts=0)
    else:
        settled = replace(found, state=state, result="by_hand")
    _write(conn, settled)
    return settled


def _missed(conn: Connection, callback_id: str, again_at: datetime, most: int) -> Callback | None:
    found = _one(conn, callback_id)
    if found is None or found.state is not CallbackState.OPEN:
        return None
    attempts = found.attempts + 1
    missed = replace(
        found,
        state=CallbackState.OPEN if attempts < most else CallbackState.GIVEN_UP,
        tries=found.tries + 1,
        attempts=attempts,
        result=CallbackResult.NO_ANSWER.value,
        due_at=again_at,
    )
    _write(conn, missed)
    return missed


def _with_number(conn: Connection, callback_id: str) -> tuple[Callback, str] | None:
    found = _one(conn, callback_id)
    if found is None:
        return None
    query = select(callback_numbers.c.number).where(callback_numbers.c.callback_id == callback_id)
    return found, str(conn.execute(query).scalar() or "")


def _listed(conn: Connection, limit: int) -> tuple[tuple[Callback, str], ...]:
    table = callbacks
    query = (
        select(table, callback_numbers.c.number)
        .select_from(table.outerjoin(callback_numbers, callback_numbers.c.callback_id == table.c.callback_id))
        .limit(limit)
    )
    waiting = conn.execute(query.where(table.c.state.not_in(_ENDED)).order_by(table.c.due_at))
    ended = conn.execute(query.where(table.c.state.in_(_ENDED)).order_by(table.c.asked_at.desc()))
    return tuple((_callback(row), row.number or "") for row in [*waiting, *ended][:limit])


def _one(conn: Connection, callback_id: str) -> Callback | None:
    row = conn.execute(select(callbacks).where(callbacks.c.callback_id == callback_id)).one_or_none()
    return None if row is None else _callback(row)


def _write(conn: Connection, callback: Callback) -> None:
    values = asdict(callback) | {"state": callback.state.value}
    conn.execute(update(callbacks).where(callbacks.c.callback_id == callback.callback_id).values(values))
    if callback.state is CallbackState.DONE:
        # It was needed for the call-back only, and the dossier still has the number that rang.
        conn.execute(delete(callback_numbers).where(callback_numbers.c.callback_id == callback.callback_id))


def _callback(row: Row[Any]) -> Callback:
    return Callback(
        callback_id=CallbackId(row.callback_id),
        call_id=CallId(row.call_id),
        asked_at=row.asked_at,
        due_at=row.due_at,
        queue=QueueName(row.queue),
        topic=row.topic,
        dossier_id=row.dossier_id,
        language=row.language,
        state=CallbackState(row.state),
        tries=row.tries,
        attempts=row.attempts,
        result=row.result,
        claimed_until=row.claimed_until,
    )

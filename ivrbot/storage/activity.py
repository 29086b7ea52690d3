"""The activity log: append-only rows in a hash chain, one for every change by a person and every view of a call.

Takes a Store and a clock, gives `ActivityLog`. Detail holds no personal values; long digits are masked anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import JSON, Column, Connection, Integer, Row, String, Table, insert, select

from ivrbot.errors import StorageConflict
from ivrbot.logs import mask_long_digits
from ivrbot.model.activity import Activity, first_broken_activity
from ivrbot.model.events import JsonValue
from ivrbot.model.rollout import GENESIS_HASH
from ivrbot.storage.schema import UtcDateTime, metadata
from ivrbot.storage.store import Store

TRIES: Final = 5
"""Another process on the same database may have written the row that ours was to follow."""
MAX_CHARS: Final = 256
WHOLE_DEADLINE_S: Final = 60.0

activity = Table(
    "activity",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("who", String, nullable=False, index=True),
    Column("action", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("ref", String, nullable=False, index=True),
    Column("branch", String, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("previous_hash", String, nullable=False, unique=True),
    Column("hash", String, nullable=False, unique=True),
)


class ActivityLog:
    """Who did and saw what.

    Every method raises StorageUnavailable when the database does not answer: whoever is to show something whose
    view must be noted notes it first.

    Args:
        store: where the rows live.
        now: aware UTC clock.
    """

    def __init__(self, store: Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._now = now

    async def note(
        self,
        who: str,
        action: str,
        kind: str,
        ref: str,
        *,
        branch: str = "",
        detail: Mapping[str, JsonValue] | None = None,
    ) -> Activity:
        """Append a row; it is on the disk when this returns.

        Args:
            who: `Person.name`.
            action: a verb ("view", "log_in").
            kind: of thing ("call", "dossier", "recording").
            ref: its id.
            branch: whose thing it is.
            detail: more, without personal values.
        """
        row = Activity(
            seq=0,
            at=self._now(),
            who=_line(who),
            action=_line(action),
            kind=_line(kind),
            ref=_line(ref),
            branch=_line(branch),
            detail={key: _masked(value) for key, value in (detail or {}).items()},
        )
        for left in reversed(range(TRIES)):
            try:
                return await self._store.write(partial(_append, row=row))
            except StorageConflict:
                if not left:
                    raise
        raise AssertionError

    async def read(
        self,
        *,
        limit: int = 100,
        before_seq: int | None = None,
        who: str | None = None,
        action: str | None = None,
        kind: str | None = None,
        ref: str | None = None,
        branches: frozenset[str] | None = None,
    ) -> tuple[Activity, ...]:
        """Rows, newest first.

        Args:
            limit: at most so many.
            before_seq: older ones only, to turn pages.
            who: of this person only.
            action: with this verb only.
            kind: about this kind of thing only.
            ref: about this thing only.
            branches: about things of these branches only; None: all rows.
        """
        query = select(activity).order_by(activity.c.seq.desc()).limit(limit)
        wanted = {"who": who, "action": action, "kind": kind, "ref": ref}
        for name, value in wanted.items():
            if value is not None:
                query = query.where(activity.c[name] == value)
        if before_seq is not None:
            query = query.where(activity.c.seq < before_seq)
        if branches is not None:
            query = query.where(activity.c.branch.in_(sorted(branches)))
        return await self._store.read(lambda conn: tuple(_row(row) for row in conn.execute(query)))

    async def verify(self) -> tuple[int, str] | None:
        """Place and reason of the first row that does not fit the chain; None when all do."""
        query = select(activity).order_by(activity.c.seq)
        return await self._store.read(
            lambda conn: first_broken_activity(_row(row) for row in conn.execute(query)),
            deadline_s=WHOLE_DEADLINE_S,
        )


def _append(conn: Connection, row: Activity) -> Activity:
    newest = conn.execute(
        select(activity.c.seq, activity.c.hash).order_by(activity.c.seq.desc()).limit(1)
    ).one_or_none()
    seq, previous = (newest.seq + 1, newest.hash) if newest else (1, GENESIS_HASH)
    values = asdict(row) | {"seq": seq, "previous_hash": previous}
    linked = Activity(**values).sealed()
    conn.execute(insert(activity).values(asdict(linked)))
    return linked


def _row(row: Row[Any]) -> Activity:
    return Activity(**row._mapping)


def _line(text: str) -> str:
    """One bounded line; what is not printable would forge others."""
    kept = "".join(char if char.isprintable() else " " for char in text)
    return kept[:MAX_CHARS]


def _masked(value: JsonValue) -> JsonValue:
    """A value without numbers of cards and callers."""
    if isinstance(value, str):
        return mask_long_digits(_line(value))
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    return value

"""The rollout's audit and the activity log as one list, newest first, a page at a time, without their details.

Takes an open `Store`, gives `AuditList`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, or_, select

from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import AuditRow
from ivrbot.storage.activity import activity
from ivrbot.storage.schema import audit
from ivrbot.storage.statements import audit_row
from ivrbot.storage.store import Store

Log = Literal["rollout", "activity"]
LOGS: Final[tuple[Log, ...]] = ("activity", "rollout")
"""In the order in which rows of one moment stand."""
PAGE: Final = 100
DEADLINE_S: Final = 10.0
WITHOUT_NEWS: Final = ("hold",)
"""Looks of the controller that changed nothing."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One row of either log.

    Attributes:
        log: which one.
        kind: of thing: "branch" in the rollout's audit.
        ref: its id.
        why: in words, "" where nobody is asked.
        share_before: of the branch, None where nothing was changed.
        share_after: the same.
    """

    log: Log
    seq: int
    at: datetime
    who: str
    action: str
    kind: str
    ref: str
    branch: str
    why: str = ""
    override: bool = False
    share_before: float | None = None
    share_after: float | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are wanted; None: any.

    Attributes:
        log: of one log only.
        since: then or later, aware.
        until: before, aware.
        with_looks: also looks of the controller that changed nothing.
        branches: about things of these branches only (the rights of whoever looks).
    """

    log: Log | None = None
    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None
    action: str | None = None
    branch: str | None = None
    ref: str | None = None
    with_looks: bool = False
    branches: frozenset[str] | None = None


Place = tuple[datetime, Log, int]
"""Where a page ended: time, log, number."""


class AuditList:
    """Both logs of one store. Raises StorageUnavailable when the database does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self, wanted: AuditFilter, after: Place | None = None, size: int = PAGE
    ) -> tuple[tuple[AuditLine, ...], Place | None]:
        """A page of what fits, and where the next one begins (None: nowhere)."""
        read = partial(_page, wanted=wanted, after=after, size=size)
        found = await self._store.read(read, deadline_s=DEADLINE_S)
        lines = tuple(found[:size])
        last = lines[-1] if len(found) > size else None
        return lines, (last.at, last.log, last.seq) if last is not None else None

    async def whole(self, lines: Sequence[AuditLine], who: str) -> tuple[AuditRow, ...]:
        """The rollout's rows behind some lines by one writer, with their details."""
        wanted = [line.seq for line in lines if line.log == "rollout" and line.who == who]
        query = select(audit).where(audit.c.seq.in_(wanted))
        found = await self._store.read(lambda conn: conn.execute(query).all(), deadline_s=DEADLINE_S)
        return tuple(audit_row(row._mapping) for row in found)


def _page(conn: Connection, wanted: AuditFilter, after: Place | None, size: int) -> Sequence[AuditLine]:
    found: list[AuditLine] = []
    for log in LOGS:
        if wanted.log in {None, log}:
            found += (
                _rollout(conn, wanted, after, size) if log == "rollout" else _activity(conn, wanted, after, size)
            )
    found.sort(key=lambda line: (line.at, LOGS.index(line.log), line.seq), reverse=True)
    return found[: size + 1]


def _rollout(conn: Connection, wanted: AuditFilter, after: Place | None, size: int) -> list[AuditLine]:
    columns = audit.c
    fits = _fits(audit, wanted)
    if not wanted.with_looks and wanted.action not in WITHOUT_NEWS:
        fits.append(columns.action.not_in(WITHOUT_NEWS))
    if wanted.ref is not None:
        fits.append(columns.branch == wanted.ref)
    names = ("seq", "at", "who", "action", "branch", "why", "override", "before", "after")
    query = select(*(columns[name] for name in names)).where(*fits)
    rows = conn.execute(_newest(query, audit, "rollout", after, size))
    lines = []
    for row in rows:
        before, state = BranchState(**row.before) if row.before else None, BranchState(**row.after)
        moved = before is None or before.share != state.share
        lines.append(
            AuditLine(
                "rollout",
                row.seq,
                row.at,
                row.who,
                row.action,
                "branch",
                row.branch,
                row.branch,
                row.why,
                row.override,
                before.share if moved and before is not None else None,
                state.share if moved else None,
            )
        )
    return lines


def _activity(conn: Connection, wanted: AuditFilter, after: Place | None, size: int) -> list[AuditLine]:
    columns = activity.c
    fits = _fits(activity, wanted)
    if wanted.ref is not None:
        fits.append(columns.ref == wanted.ref)
    names = ("seq", "at", "who", "action", "kind", "ref", "branch")
    query = select(*(columns[name] for name in names)).where(*fits)
    rows = conn.execute(_newest(query, activity, "activity", after, size))
    return [AuditLine("activity", *row) for row in rows]


def _fits(table: Table, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    fits: list[ColumnElement[bool]] = []
    for name in ("who", "action", "branch"):
        if (value := getattr(wanted, name)) is not None:
            fits.append(table.c[name] == value)
    if wanted.since is not None:
        fits.append(table.c["at"] >= wanted.since)
    if wanted.until is not None:
        fits.append(table.c["at"] < wanted.until)
    if wanted.branches is not None:
        fits.append(table.c["branch"].in_(sorted(wanted.branches)))
    return fits


def _newest(query: Select[Any], table: Table, log: Log, after: Place | None, size: int) -> Select[Any]:
    if after is not None:
        at, where, seq = after
        same = LOGS.index(log) - LOGS.index(where)
        beyond: list[ColumnElement[bool]] = [table.c["at"] < at]
        if same < 0:
            beyond.append(table.c["at"] == at)
        elif same == 0:
            beyond.append(and_(table.c["at"] == at, table.c["seq"] < seq))
        query = query.where(or_(*beyond))
    return query.order_by(table.c["at"].desc(), table.c["seq"].desc()).limit(size + 1)

"""The list of calls that people look through: one line per contact by filters, newest first, a page at a time.

Takes an open `Store`, gives `CallList`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select, tuple_

from ivrbot.model.experiment import Arm
from ivrbot.model.queue import EPOCH
from ivrbot.storage.call_lines import add_lines, call_list, missing_lines
from ivrbot.storage.contact_tables import contacts
from ivrbot.storage.store import Store

PAGE: Final = 50
COUNTED: Final = 10_000
"""Lines are counted up to here; beyond it "more than" is said."""
DEADLINE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class CallLine:
    """One contact in the list.

    Attributes:
        arm: "treatment", "control" or "" when nothing was drawn.
        draw: why it went where it went ("drawn", "control", "shadow", ...), "" where nothing was asked.
        disposition: of the bot's part, "" without one.
        reason: beside the disposition.
        queue: first one that the caller waited in, or was sent to; "" for none.
        unserved: why nobody was reached, "" when somebody was or nobody was asked for.
        wait_s: for a person, None when not known.
        score: the caller's own.
        closed: nothing more is to come.
        first: False for the contact of the opening question of a call that came to a branch.
    """

    call_id: str
    branch: str
    started_at: datetime
    topic: str
    gateway: str
    arm: str
    stage: str
    draw: str
    disposition: str
    reason: str
    outcome: str
    queue: str
    unserved: str
    duration_s: float
    wait_s: float | None
    score: int | None
    closed: bool
    first: bool


EQUALS: Final = (
    "branch",
    "topic",
    "arm",
    "stage",
    "draw",
    "disposition",
    "reason",
    "outcome",
    "queue",
    "unserved",
)
"""Filters that ask for one value of a column."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which lines are wanted; None: any.

    Attributes:
        since: began then or later, aware.
        until: began before, aware.
        hour: of the day, 0..23, on the clock of `timezone`.
        arm: "" asks for calls that were not drawn; so does "" for the others.
        branch: None leaves out the opening question's own lines of calls that came to a branch.
        branches: only these, whatever `branch` asks for (the rights of whoever looks).
    """

    since: datetime | None = None
    until: datetime | None = None
    branch: str | None = None
    topic: str | None = None
    arm: str | None = None
    stage: str | None = None
    draw: str | None = None
    disposition: str | None = None
    reason: str | None = None
    outcome: str | None = None
    queue: str | None = None
    unserved: str | None = None
    hour: int | None = None
    timezone: str = "UTC"
    branches: frozenset[str] | None = None


Place = tuple[int, str, str]
"""Where a page ended: started_us, call_id, branch."""


@dataclass(frozen=True, slots=True)
class CallPage:
    """Lines, newest first.

    Attributes:
        following: where the next page begins; None on the last.
        count: of all that fit, up to `COUNTED`.
        count_is_bound: there are more than `count`.
    """

    lines: tuple[CallLine, ...]
    following: Place | None
    count: int
    count_is_bound: bool


class CallList:
    """The list over one store. Every method raises StorageUnavailable when the database does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, wanted: CallFilter, after: Place | None = None, size: int = PAGE) -> CallPage:
        """A page of what fits.

        Args:
            wanted: filters.
            after: `following` of the page before; None: the newest.
            size: lines of a page.
        """
        return await self._store.read(partial(_page, wanted=wanted, after=after, size=size), deadline_s=DEADLINE_S)

    async def of_call(self, call_id: str) -> tuple[CallLine, ...]:
        """Lines of one call, by time."""
        query = select(call_list).where(call_list.c.call_id == call_id).order_by(call_list.c.started_us)
        return await self._store.read(lambda conn: tuple(_line(row) for row in conn.execute(query)))

    async def realised(self, since: datetime) -> dict[str, float]:
        """Share of the bot in each branch's calls since a moment; a branch without calls has none."""
        columns = call_list.c
        with_bot = func.sum(case((columns.arm == Arm.TREATMENT.value, 1), else_=0))
        query = (
            select(columns.branch, func.count(), with_bot)
            .where(columns.started_us >= _us(since), columns.branch != "")
            .group_by(columns.branch)
        )
        found = await self._store.read(lambda conn: conn.execute(query).all(), deadline_s=DEADLINE_S)
        return {branch: float(bot) / n for branch, n, bot in found}

    async def fill(self) -> int:
        """Add what an older version, or an import that went past the fold, has left out; gives how many lines.

        Costs two counts when nothing is missing.
        """
        counts = select(
            select(func.count()).select_from(contacts).scalar_subquery(),
            select(func.count()).select_from(call_list).scalar_subquery(),
        )
        there, listed = await self._store.read(lambda conn: conn.execute(counts).one(), deadline_s=DEADLINE_S)
        added, last = 0, ("", "")
        while listed < there:
            rows, following = await self._store.read(partial(missing_lines, after=last), deadline_s=DEADLINE_S)
            if rows:
                await self._store.write(partial(add_lines, rows=rows))
                added += len(rows)
            if following is None:
                break
            last = following
        return added


# --- reading ------------------------------------------------------------------------------------------


def _page(conn: Connection, wanted: CallFilter, after: Place | None, size: int) -> CallPage:
    table = call_list
    key = (table.c.started_us, table.c.call_id, table.c.branch)
    fits = _conditions(wanted)
    query = select(table).where(*fits).order_by(*(column.desc() for column in key)).limit(size + 1)
    if after is not None:
        query = query.where(tuple_(*key) < tuple_(*after))
    found = conn.execute(query).all()
    lines = tuple(_line(row) for row in found[:size])
    last = found[size - 1] if len(found) > size else None
    if last is None and after is None:
        count = len(lines)  # all of it is on the page
    else:
        # In the order of the table, too: SQLite would rather jump through it by the index on call ids.
        newest = select(table.c.call_id).where(*fits).order_by(*(column.desc() for column in key))
        bounded = newest.limit(COUNTED + 1).subquery()
        count = conn.execute(select(func.count()).select_from(bounded)).scalar_one()
    following = (last.started_us, last.call_id, last.branch) if last is not None else None
    return CallPage(lines, following, min(count, COUNTED), count > COUNTED)


def _line(row: Any) -> CallLine:
    values = dict(row._mapping)
    values["started_at"] = EPOCH + timedelta(microseconds=values.pop("started_us"))
    return CallLine(**values)


def _conditions(wanted: CallFilter) -> list[ColumnElement[bool]]:
    columns = call_list.c
    fits: list[ColumnElement[bool]] = [
        columns[name] == value for name in EQUALS if (value := getattr(wanted, name)) is not None
    ]
    if wanted.since is not None:
        fits.append(columns.started_us >= _us(wanted.since))
    if wanted.until is not None:
        fits.append(columns.started_us < _us(wanted.until))
    if wanted.hour is not None:
        fits.append(_at_hour(wanted.hour, wanted.timezone, wanted.since, wanted.until))
    if wanted.branch is None:
        fits.append(columns.first.is_(True))
    if wanted.branches is not None:
        fits.append(columns.branch.in_(sorted(wanted.branches)))
    return fits


def _at_hour(hour: int, timezone: str, since: datetime | None, until: datetime | None) -> ColumnElement[bool]:
    """Whether a call began within an hour of the day on a zone's clock, which may have been changed."""
    started_s = call_list.c.started_us // 1_000_000
    stretches = offsets(ZoneInfo(timezone), since or EPOCH, until or datetime.max.replace(tzinfo=EPOCH.tzinfo))
    parts = []
    for begin_s, end_s, offset_s in stretches:
        local_hour = ((started_s + offset_s) // 3600) % 24
        within = [] if len(stretches) == 1 else [started_s >= begin_s, started_s < end_s]
        parts.append(and_(local_hour == hour, *within))
    return or_(*parts)


def offsets(zone: ZoneInfo, since: datetime, until: datetime) -> list[tuple[int, int, int]]:
    """Stretches of a zone's time with one offset from UTC each: begin and end in s since 1970, offset in s.

    Days are looked at, from 2020 to 2040 at most: a change of the clock counts from the next midnight UTC on.
    """
    first = max(since, datetime(2020, 1, 1, tzinfo=EPOCH.tzinfo))
    last = min(until, datetime(2040, 1, 1, tzinfo=EPOCH.tzinfo))
    day, found = first, [(int(since.timestamp()), _offset_s(zone, first))]
    while day < last:
        day += timedelta(days=1)
        if (offset_s := _offset_s(zone, day)) != found[-1][1]:
            found.append((int(day.timestamp()) // 86_400 * 86_400, offset_s))
    ends = [begin for begin, _ in found[1:]] + [int(until.timestamp()) + 1]
    return [(begin, end, offset_s) for (begin, offset_s), end in zip(found, ends, strict=True)]


def _offset_s(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)

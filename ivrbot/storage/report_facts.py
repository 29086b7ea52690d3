"""A day's contacts as plain rows for the analytical export: in small pieces, over indexes, no caller's number.

Takes an open `Store`, gives `ReportFacts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite

from ivrbot.model.report import FactRow
from ivrbot.storage import schema
from ivrbot.storage.contact_tables import contact_bodies, contacts
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.rollups import DAY_US, contact_days, summaries_sent
from ivrbot.storage.store import Store

PIECE_US: Final = 3_600_000_000
"""An hour of a branch is read at a time."""
EDGE_US: Final = 7_200_000_000
"""A call that began before midnight may go on in another branch after it, but not for longer than this."""
DEADLINE_S: Final = 60.0


class ReportFacts:
    """Reads for the export, and remembers which summaries were sent."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._contacts = ContactBook(store)

    async def versions(self) -> dict[int, int]:
        """Version of every day (since 1970-01-01 UTC) that has had contacts."""
        return await self._store.read(_versions, deadline_s=DEADLINE_S)

    async def unmarked_days(self) -> frozenset[int]:
        """Days that have contacts and no version: stored before versions were kept. A look at a whole index."""
        return await self._store.read(_unmarked, deadline_s=DEADLINE_S)

    async def of_day(self, day: int) -> list[FactRow]:
        """Contacts that began on a UTC day or up to two hours around it, in no order."""
        found: list[FactRow] = []
        branches = await self._store.read(_branches, deadline_s=DEADLINE_S)
        first, last = day * DAY_US - EDGE_US, (day + 1) * DAY_US + EDGE_US
        step = PIECE_US * 13  # two pieces and a rest a day
        for branch in branches:
            for since in range(first, last, step):
                until = min(since + step, last)
                found += await self._store.read(
                    partial(_facts, branch=branch, since=since, until=until), deadline_s=DEADLINE_S
                )
        return found

    async def human_complete_at(self) -> datetime | None:
        """Until when the operators' data is known to be complete."""
        return await self._contacts.human_complete_at()

    async def claim_summary(self, week: str, at: datetime) -> bool:
        """Note that a week's summary goes out now; False when it is noted already, by whomever."""

        def note(conn: Connection) -> bool:
            table = summaries_sent
            insert = postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)
            stored = conn.execute(insert.values(week=week, sent_at=at).on_conflict_do_nothing())
            return stored.rowcount > 0

        return await self._store.write(note)

    async def give_back_summary(self, week: str) -> None:
        """Take a note back: nobody took the mail."""
        gone = delete(summaries_sent).where(summaries_sent.c.week == week)
        await self._store.write(lambda conn: conn.execute(gone) and None)


def _versions(conn: Connection) -> dict[int, int]:
    return {row.day: row.version for row in conn.execute(select(contact_days))}


def _unmarked(conn: Connection) -> frozenset[int]:
    day = contacts.c.started_us // DAY_US
    found = conn.execute(select(day.label("day")).distinct()).scalars()
    return frozenset(int(one) for one in found) - frozenset(_versions(conn))


def _branches(conn: Connection) -> tuple[str, ...]:
    """Every branch that has contacts, one step over the index for each."""
    found: list[str] = []
    query = select(contacts.c.branch).order_by(contacts.c.branch).limit(1)
    while True:
        later = query.where(contacts.c.branch > found[-1]) if found else query
        name = conn.execute(later).scalar()
        if name is None:
            return tuple(found)
        found.append(name)


def _text(*path: str) -> ColumnElement[str]:
    found: ColumnElement[str] = contact_bodies.c.body[path].as_string()
    return found


def _facts_query() -> Select[Any]:
    exposures, outcomes = schema.exposures, schema.outcomes
    earlier = exposures.alias("earlier")
    again = exists().where(
        earlier.c.branch == exposures.c.branch,
        earlier.c.epoch == exposures.c.epoch,
        earlier.c.unit == exposures.c.unit,
        earlier.c.at < exposures.c.at,
    )
    same = and_(contact_bodies.c.call_id == contacts.c.call_id, contact_bodies.c.branch == contacts.c.branch)
    drawn = and_(exposures.c.call_id == contacts.c.call_id, exposures.c.branch == contacts.c.branch)
    return (
        select(
            *(contacts.c[name] for name in _OWN),
            _text("topic").label("topic"),
            _text("bot", "disposition").label("disposition"),
            _text("bot", "reason").label("reason"),
            _text("human", "unserved").label("nobody"),
            contact_bodies.c.body[("diagnostics", "gaps_ms")].as_json().label("gaps_ms"),
            contact_bodies.c.body["qa_score"].as_float().label("qa_score"),
            outcomes.c.queue,
            exposures.c.arm,
            exposures.c.propensity,
            exposures.c.stage,
            exposures.c.epoch,
            exposures.c.at,
            exposures.c.prefix,
            exposures.c.trunk,
            (exposures.c.arm.is_not(None) & ~again).label("first"),
        )
        .join(contact_bodies, same)
        .outerjoin(exposures, drawn)
        .outerjoin(outcomes, outcomes.c.call_id == contacts.c.call_id)
    )


_OWN: Final = (
    "call_id",
    "branch",
    "unit",
    "origin",
    "started_us",
    "ended_us",
    "asked_us",
    "entered",
    "numbers",
)
_FACTS: Final = _facts_query()


def _facts(conn: Connection, branch: str, since: int, until: int) -> list[FactRow]:
    within = contacts.c.branch == branch, contacts.c.started_us >= since, contacts.c.started_us < until
    return [_fact(row._mapping) for row in conn.execute(_FACTS.where(*within))]


def _fact(row: Mapping[Any, Any]) -> FactRow:
    at = row["at"]
    return FactRow(
        **{name: row[name] for name in _OWN},
        topic=row["topic"] or "",
        disposition=row["disposition"] or "",
        reason=row["reason"] or "",
        nobody=row["nobody"] or "",
        gaps_ms=row["gaps_ms"] or (),
        queue=row["queue"] or "",
        arm=row["arm"] or "",
        propensity=row["propensity"] or 0.0,
        stage=row["stage"] or "",
        epoch=row["epoch"] or 0,
        exposed_us=0 if at is None else int(at.timestamp()) * 1_000_000 + at.microsecond,
        prefix=row["prefix"] or "",
        trunk=row["trunk"] or "",
        first=bool(row["first"]),
        qa_score=row["qa_score"],
    )

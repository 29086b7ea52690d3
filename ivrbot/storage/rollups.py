"""What reports need of the database: which days have changed, the facts of a day, and which summaries were sent.

Takes a Connection or an open Store, gives tables and rows. The analytical export reads a day at a time, branch by
branch over an index, so that calls never wait for it; it owns no row here and takes nothing away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Column, Connection, Integer, String, Table
from sqlalchemy.dialects import postgresql, sqlite

from ivrbot.storage.schema import UtcDateTime, metadata

DAY_US: Final = 86_400_000_000

contact_days = Table(
    "contact_days",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)
"""Days since 1970-01-01 UTC on which contacts began, with a number that grows whenever one of them changes.

Several exports over one database remember the version that they have seen; none takes a mark away from another.
"""

summaries_sent = Table(
    "summaries_sent",
    metadata,
    Column("week", String, primary_key=True),
    Column("sent_at", UtcDateTime, nullable=False),
)
"""ISO weeks ("2026-W45") whose summary was sent."""


def mark_days(conn: Connection, started_us: Iterable[int]) -> None:
    """Have the days exported again in which some contacts began, in the transaction that changes them.

    Args:
        conn: inside a writing transaction.
        started_us: beginnings of contacts that were stored, changed or deleted, microseconds since 1970.
    """
    days = sorted({at // DAY_US for at in started_us})
    if not days:
        return
    table = contact_days
    insert = postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)
    grown = {"version": table.c.version + 1}
    conn.execute(
        insert.on_conflict_do_update(index_elements=["day"], set_=grown),
        [{"day": day, "version": 1} for day in days],
    )

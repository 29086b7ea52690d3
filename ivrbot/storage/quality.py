"""Monthly samples of calls and their quality scores.

Takes an open store, gives `QualityBook`. A sample once drawn stays: drawn again it can only grow. A scorer's later
score of a call replaces his earlier one; with each score the call's contacts are folded anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from ivrbot.model.quality import Candidate, QualityScore, Sampled, Why
from ivrbot.model.queue import EPOCH
from ivrbot.storage.call_lines import call_list
from ivrbot.storage.contact_tables import mark_due
from ivrbot.storage.schema import UtcDateTime, metadata
from ivrbot.storage.shadow import dispositions
from ivrbot.storage.store import Store

READ_S: Final = 20.0
TEST_DRAWS: Final = ("override",)
"""Test numbers are no callers."""
SILENT_GATEWAYS: Final = ("text", "queue_log", "csv")
"""Of these there is nothing to read or hear."""
REMARKS: Final = (Why.COMPLAINT.value, Why.THANKS.value)

quality_sample = Table(
    "quality_sample",
    metadata,
    Column("month", String, nullable=False),
    Column("call_id", String, nullable=False, index=True),
    Column("branch", String, nullable=False),
    Column("arm", String, nullable=False),
    Column("why", String, nullable=False),
    Column("drawn", Boolean, nullable=False),
    Column("twice", Boolean, nullable=False),
    PrimaryKeyConstraint("month", "call_id"),
)

quality_scores = Table(
    "quality_scores",
    metadata,
    Column("call_id", String, nullable=False),
    Column("scorer", String, nullable=False),
    Column("month", String, nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("marks", JSON, nullable=False),
    Column("points", Float, nullable=False),
    Column("version", Integer, nullable=False),
    Column("note", String, nullable=False),
    PrimaryKeyConstraint("call_id", "scorer"),
)


class QualityBook:
    """Samples and scores over one store; every method raises StorageUnavailable when it does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def candidates(self, since: datetime, until: datetime) -> tuple[Candidate, ...]:
        """Calls that began in a stretch of time and can be scored, each once.

        Args:
            since: first moment.
            until: first moment after it.
        """
        return await self._store.read(partial(_candidates, since=since, until=until), deadline_s=READ_S)

    async def add_sample(self, sample: Sequence[Sampled]) -> int:
        """Keep a sample; calls that are in it already stay as they are. Gives how many are new."""
        return await self._store.write(partial(_add_sample, sample=tuple(sample)))

    async def sample(self, month: str) -> tuple[Sampled, ...]:
        """A month's sample."""
        return await self._store.read(partial(_sample, month=month, call_id=None))

    async def sampled(self, call_id: str) -> Sampled | None:
        """A call's place in a sample, None for one that is in none."""
        found = await self._store.read(partial(_sample, month=None, call_id=call_id))
        return found[0] if found else None

    async def all_samples(self) -> tuple[Sampled, ...]:
        """Every sample so far."""
        return await self._store.read(partial(_sample, month=None, call_id=None), deadline_s=READ_S)

    async def score(self, score: QualityScore) -> None:
        """Keep a score, in the place of the same scorer's earlier one."""
        await self._store.write(partial(_score, score=score))

    async def scores(self, month: str | None = None) -> tuple[QualityScore, ...]:
        """Scores of a month's calls, or of all."""
        return await self._store.read(partial(_scores, month=month, call_id=None), deadline_s=READ_S)

    async def scores_of(self, call_id: str) -> tuple[QualityScore, ...]:
        """Everybody's score of one call, the oldest first."""
        return await self._store.read(partial(_scores, month=None, call_id=call_id))


def quality_of(conn: Connection, call_id: str) -> float | None:
    """A call's points for the KPI: the mean over its scorers, of calls drawn by lot only; None without.

    Args:
        conn: a reading transaction.
        call_id: of the call.
    """
    lot = select(quality_sample.c.call_id).where(
        quality_sample.c.call_id == call_id, quality_sample.c.drawn.is_(True)
    )
    query = select(func.avg(quality_scores.c.points)).where(
        quality_scores.c.call_id == call_id, quality_scores.c.call_id.in_(lot)
    )
    mean = conn.execute(query).scalar()
    return None if mean is None else float(mean)


def _candidates(conn: Connection, since: datetime, until: datetime) -> tuple[Candidate, ...]:
    table = call_list
    first, after = ((moment - EPOCH) // timedelta(microseconds=1) for moment in (since, until))
    query = (
        select(table.c.call_id, table.c.branch, table.c.arm, table.c.topic, table.c.draw)
        .where(
            table.c.started_us >= first,
            table.c.started_us < after,
            table.c.closed.is_(True),
            table.c.branch != "",
            table.c.gateway.not_in(SILENT_GATEWAYS),
        )
        .order_by(table.c.started_us, table.c.call_id, table.c.branch)
    )
    said = select(dispositions.c.call_id, dispositions.c.topic).where(dispositions.c.topic.in_(REMARKS))
    remarks = {row.call_id: Why(row.topic) for row in conn.execute(said)}
    found: dict[str, Candidate] = {}
    for row in conn.execute(query):
        if row.draw in TEST_DRAWS:
            continue
        known = found.get(row.call_id)
        remark = remarks.get(row.call_id) or (Why(row.topic) if row.topic in REMARKS else None)
        if known is None:
            found[row.call_id] = Candidate(row.call_id, row.branch, row.arm or "control", remark)
        elif remark is not None and known.remark is None:
            found[row.call_id] = Candidate(known.call_id, known.branch, known.arm, remark)
    return tuple(found.values())


def _add_sample(conn: Connection, sample: tuple[Sampled, ...]) -> int:
    months = {one.month for one in sample}
    query = select(quality_sample.c.month, quality_sample.c.call_id).where(quality_sample.c.month.in_(months))
    known = {(row.month, row.call_id) for row in conn.execute(query)}
    new = [asdict(one) | {"why": one.why.value} for one in sample if (one.month, one.call_id) not in known]
    if new:
        conn.execute(insert(quality_sample), new)
    return len(new)


def _sample(conn: Connection, month: str | None, call_id: str | None) -> tuple[Sampled, ...]:
    table = quality_sample
    query = select(table).order_by(table.c.month, table.c.branch, table.c.arm, table.c.call_id)
    if month is not None:
        query = query.where(table.c.month == month)
    if call_id is not None:
        query = query.where(table.c.call_id == call_id)
    return tuple(Sampled(**dict(row._mapping) | {"why": Why(row.why)}) for row in conn.execute(query))


def _score(conn: Connection, score: QualityScore) -> None:
    table = quality_scores
    conn.execute(delete(table).where(table.c.call_id == score.call_id, table.c.scorer == score.scorer))
    conn.execute(insert(table).values(asdict(score) | {"marks": dict(score.marks)}))
    mark_due(conn, [score.call_id])


def _scores(conn: Connection, month: str | None, call_id: str | None) -> tuple[QualityScore, ...]:
    table = quality_scores
    query = select(table).order_by(table.c.at, table.c.scorer)
    if month is not None:
        query = query.where(table.c.month == month)
    if call_id is not None:
        query = query.where(table.c.call_id == call_id)
    return tuple(QualityScore(**row._mapping) for row in conn.execute(query))

"""Operators' corrections, one for each call: the last word counts.

Takes an open store, gives `LabelBook`. Texts are masked before they come here.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import partial

from sqlalchemy import Column, Connection, Float, String, Table, delete, insert, select

from ivrbot.model.call import CallId
from ivrbot.model.label import Label
from ivrbot.storage.schema import UtcDateTime, metadata
from ivrbot.storage.store import Store

nlu_labels = Table(
    "nlu_labels",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("who", String, nullable=False),
    Column("language", String, nullable=False),
    Column("text", String, nullable=False),
    Column("heard", String, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("topic", String, nullable=False),
)


class LabelBook:
    """Labels over one store; every method raises StorageUnavailable when it does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def note(self, call_id: CallId, label: Label | None) -> None:
        """What a call's last disposition gives; None takes an earlier label away."""
        await self._store.write(partial(_note, call_id=call_id, label=label))

    async def since(self, moment: datetime) -> tuple[Label, ...]:
        """Labels given at or after a moment, oldest first."""
        return await self._store.read(partial(_since, moment=moment))


def _note(conn: Connection, call_id: CallId, label: Label | None) -> None:
    conn.execute(delete(nlu_labels).where(nlu_labels.c.call_id == call_id))
    if label is not None:
        conn.execute(insert(nlu_labels).values(asdict(label)))


def _since(conn: Connection, moment: datetime) -> tuple[Label, ...]:
    table = nlu_labels
    rows = conn.execute(select(table).where(table.c.at >= moment).order_by(table.c.at, table.c.call_id))
    return tuple(Label(**row._mapping) for row in rows)

"""Tables of call-backs. The number to be dialled stands in a row of its own, which can be erased alone.

Takes nothing, gives tables on `schema.metadata`.
"""

from __future__ import annotations

from sqlalchemy import Column, Connection, Index, Integer, String, Table, delete, select

from ivrbot.model.operators import CallbackState
from ivrbot.storage.schema import UtcDateTime, metadata

callbacks = Table(
    "callbacks",
    metadata,
    Column("callback_id", String, primary_key=True),
    Column("call_id", String, nullable=False, index=True),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("queue", String, nullable=False),
    Column("topic", String, nullable=False),
    Column("dossier_id", String, nullable=False),
    Column("language", String, nullable=False),
    Column("state", String, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("result", String, nullable=False),
    Column("claimed_until", UtcDateTime),
    Index("ix_callbacks_state_due", "state", "due_at"),
)

callback_numbers = Table(
    "callback_numbers",
    metadata,
    Column("callback_id", String, primary_key=True),
    Column("number", String, nullable=False),
)


def withdraw(conn: Connection, call_id: str) -> None:
    """Forget the call-back of a call and its number, unless somebody has begun with it."""
    table, numbers = callbacks, callback_numbers
    waiting = (table.c.call_id == call_id) & (table.c.state == CallbackState.OPEN.value) & (table.c.tries == 0)
    ids = select(table.c.callback_id).where(waiting)
    conn.execute(delete(numbers).where(numbers.c.callback_id.in_(ids)))
    conn.execute(delete(table).where(waiting))


def erase_numbers(conn: Connection, call_id: str) -> None:
    """Forget the numbers that were named for call-backs in a call."""
    ids = select(callbacks.c.callback_id).where(callbacks.c.call_id == call_id)
    conn.execute(delete(callback_numbers).where(callback_numbers.c.callback_id.in_(ids)))

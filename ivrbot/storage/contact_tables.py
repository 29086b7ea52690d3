"""Tables of contacts and of what people's queues reported.

Takes nothing, gives tables on `schema.metadata`. No caller's number stands in any of them: units are keyed hashes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
)

from ivrbot.model.contact_columns import OWN_FIELDS
from ivrbot.storage.schema import UtcDateTime, metadata

NUMBERS: Final = np.dtype([(name, "<f4") for name in OWN_FIELDS])
"""How `contacts.numbers` packs the columns of a contact; a million rows are unpacked at once."""

contacts = Table(
    "contacts",
    metadata,
    Column("call_id", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("unit", String, nullable=False),
    Column("origin", String, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("entered", Boolean, nullable=False),
    Column("outcome", String, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("numbers", LargeBinary, nullable=False),
    PrimaryKeyConstraint("call_id", "branch"),
    Index("ix_contacts_unit", "branch", "unit", "started_us"),
    Index("ix_contacts_started", "branch", "started_us"),
    Index("ix_contacts_asked", "asked_us"),
)

contact_bodies = Table(
    "contact_bodies",
    metadata,
    Column("call_id", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("body", JSON, nullable=False),
    PrimaryKeyConstraint("call_id", "branch"),
)
"""Contacts in full, apart from the small rows that decisions scan."""

queue_rows = Table(
    "queue_rows",
    metadata,
    Column("key", String, primary_key=True),
    Column("at_us", BigInteger, nullable=False, index=True),
    Column("callid", String, nullable=False, index=True),
    Column("queue", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("event", String, nullable=False),
    Column("data", JSON, nullable=False),
    Column("about", String, index=True),  # the product's call id of a BOTCTX row
)

contact_notes = Table(
    "contact_notes",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("body", JSON, nullable=False),
)

contacts_due = Table(
    "contacts_due",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False),
    sqlite_autoincrement=True,  # an id is never used twice: what was marked while a fold ran stays marked
)

log_positions = Table(
    "log_positions",
    metadata,
    Column("source", String, primary_key=True),
    Column("inode", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("tail", String, nullable=False),
    Column("read_at", UtcDateTime),
)


def mark_due(conn: Connection, keys: Iterable[str]) -> None:
    """Have contacts folded again, in the transaction that stores what changed them.

    Args:
        conn: inside a writing transaction.
        keys: the product's call ids, or the PBX's ids of calls.
    """
    rows = [{"key": key} for key in sorted(set(keys))]
    if rows:
        conn.execute(insert(contacts_due), rows)

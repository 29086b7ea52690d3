"""The one schema of every database, as SQLAlchemy Core tables.

Takes nothing, gives `metadata`. Callers' numbers stand in `calls` only, whose rows can be erased without touching
events, exposures or the audit chain; everywhere else a caller is a keyed hash.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    TypeDecorator,
    text,
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC times with microseconds, also in databases without time zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; naive times are refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times must be aware")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Back to aware UTC."""
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))
"""For versions before there were migrations: 3 makes them refuse the database."""

VOICE_COMPARED = text("type = 'voice_compared'")
"""Written into the statement as it stands, so that the index of just these events serves."""

calls = Table(
    "calls",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("registered_at", UtcDateTime, nullable=False, index=True),
    Column("caller", String, nullable=False),
    Column("dossier_caller", String, nullable=False, server_default=""),
    Column("called", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("uniqueid", String, nullable=False, index=True),
    Column("linkedid", String, nullable=False, index=True),
    Column("gateway", String, nullable=False),
    Column("language", String),
)

events = Table(
    "events",
    metadata,
    Column("call_id", String, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("t_ms", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("data", JSON, nullable=False),
    PrimaryKeyConstraint("call_id", "seq"),
    # Few of many millions: what a page counts of them must not read the others.
    Index("ix_events_voice_compared", "at", sqlite_where=VOICE_COMPARED, postgresql_where=VOICE_COMPARED),
)

dossiers = Table(
    "dossiers",
    metadata,
    Column("dossier_id", String, primary_key=True),
    Column("call_id", String, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("body", JSON, nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("action", String, nullable=False),
    Column("queue", String, nullable=False),
    Column("topic", String, nullable=False),
    Column("dossier_id", String, nullable=False),
    Column("priority", Integer, nullable=False),
)

exposures = Table(
    "exposures",
    metadata,
    Column("call_id", String, nullable=False),
    Column("branch", String, nullable=False),
    Column("unit", String, nullable=False),
    Column("arm", String, nullable=False),
    Column("propensity", Float, nullable=False),
    Column("stage", String, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("plan_revision", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("trunk", String, nullable=False, server_default=""),
    Column("prefix", String, nullable=False, server_default=""),
    PrimaryKeyConstraint("call_id", "branch"),
    Index("ix_exposures_evidence", "branch", "epoch", "unit", "at"),
)

branch_state = Table(
    "branch_state",
    metadata,
    Column("branch", String, primary_key=True),
    Column("stage", String, nullable=False),
    Column("share", Float, nullable=False),
    Column("holdback", Float, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("killed", Boolean, nullable=False),
    Column("plan_revision", String, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String, nullable=False),
    Column("action", String, nullable=False),
    Column("branch", String, nullable=False, index=True),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON, nullable=False),
    Column("why", String, nullable=False),
    Column("override", Boolean, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("previous_hash", String, nullable=False, unique=True),
    Column("hash", String, nullable=False, unique=True),
)

auth_failures = Table(
    "auth_failures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", String, nullable=False),
    Column("call_id", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_auth_failures_subject_at", "subject", "at"),
)

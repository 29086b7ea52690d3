"""The first step: the tables of the versions before there were steps, whatever of them a database has already.

Those versions wrote their number (1, 2) into `schema_version`; 3 tells them that the file is too new for them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "activity",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("hash"),
        sa.UniqueConstraint("previous_hash"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_activity_at"), "activity", ["at"], unique=False, if_not_exists=True)
    op.create_index(op.f("ix_activity_ref"), "activity", ["ref"], unique=False, if_not_exists=True)
    op.create_index(op.f("ix_activity_who"), "activity", ["who"], unique=False, if_not_exists=True)
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("override", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("hash"),
        sa.UniqueConstraint("previous_hash"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_audit_branch"), "audit", ["branch"], unique=False, if_not_exists=True)
    op.create_table(
        "auth_failures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_auth_failures_subject_at", "auth_failures", ["subject", "at"], unique=False, if_not_exists=True
    )
    op.create_table(
        "branch_state",
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("holdback", sa.Float(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("killed", sa.Boolean(), nullable=False),
        sa.Column("plan_revision", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("branch"),
        if_not_exists=True,
    )
    op.create_table(
        "callback_numbers",
        sa.Column("callback_id", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("callback_id"),
        if_not_exists=True,
    )
    op.create_table(
        "callbacks",
        sa.Column("callback_id", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("dossier_id", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("callback_id"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_callbacks_call_id"), "callbacks", ["call_id"], unique=False, if_not_exists=True)
    op.create_index("ix_callbacks_state_due", "callbacks", ["state", "due_at"], unique=False, if_not_exists=True)
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("dossier_caller", sa.String(), server_default="", nullable=False),
        sa.Column("called", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("uniqueid", sa.String(), nullable=False),
        sa.Column("linkedid", sa.String(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("call_id"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_calls_linkedid"), "calls", ["linkedid"], unique=False, if_not_exists=True)
    op.create_index(op.f("ix_calls_registered_at"), "calls", ["registered_at"], unique=False, if_not_exists=True)
    op.create_index(op.f("ix_calls_uniqueid"), "calls", ["uniqueid"], unique=False, if_not_exists=True)
    op.create_table(
        "contact_bodies",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "branch"),
        if_not_exists=True,
    )
    op.create_table(
        "contact_notes",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
        if_not_exists=True,
    )
    op.create_table(
        "contacts",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=False),
        sa.Column("asked_us", sa.BigInteger(), nullable=False),
        sa.Column("entered", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("numbers", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "branch"),
        if_not_exists=True,
    )
    op.create_index("ix_contacts_asked", "contacts", ["asked_us"], unique=False, if_not_exists=True)
    op.create_index("ix_contacts_started", "contacts", ["branch", "started_us"], unique=False, if_not_exists=True)
    op.create_index(
        "ix_contacts_unit", "contacts", ["branch", "unit", "started_us"], unique=False, if_not_exists=True
    )
    op.create_table(
        "contacts_due",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "dispositions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("note_code", sa.String(), nullable=False),
        sa.Column("looked_at", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_dispositions_at"), "dispositions", ["at"], unique=False, if_not_exists=True)
    op.create_index("ix_dispositions_call", "dispositions", ["call_id", "id"], unique=False, if_not_exists=True)
    op.create_table(
        "dossiers",
        sa.Column("dossier_id", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("dossier_id"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_dossiers_call_id"), "dossiers", ["call_id"], unique=False, if_not_exists=True)
    op.create_index(op.f("ix_dossiers_created_at"), "dossiers", ["created_at"], unique=False, if_not_exists=True)
    op.create_table(
        "events",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("t_ms", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "seq"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_events_at"), "events", ["at"], unique=False, if_not_exists=True)
    op.create_table(
        "exclusions",
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("unit", "branch"),
        if_not_exists=True,
    )
    op.create_table(
        "exposures",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("propensity", sa.Float(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("plan_revision", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trunk", sa.String(), server_default="", nullable=False),
        sa.Column("prefix", sa.String(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("call_id", "branch"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_exposures_evidence", "exposures", ["branch", "epoch", "unit", "at"], unique=False, if_not_exists=True
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "log_positions",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("tail", sa.String(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("source"),
        if_not_exists=True,
    )
    op.create_table(
        "outcomes",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("dossier_id", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
        if_not_exists=True,
    )
    op.create_table(
        "proposals",
        sa.Column("proposal_id", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("from_stage", sa.String(), nullable=False),
        sa.Column("from_share", sa.Float(), nullable=False),
        sa.Column("from_epoch", sa.Integer(), nullable=False),
        sa.Column("to_stage", sa.String(), nullable=False),
        sa.Column("to_share", sa.Float(), nullable=False),
        sa.Column("proposer", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("override", sa.Boolean(), nullable=False),
        sa.Column("evidence_seq", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("proposal_id"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_proposals_branch"), "proposals", ["branch"], unique=False, if_not_exists=True)
    op.create_table(
        "queue_rows",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("callid", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("about", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("key"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_queue_rows_about"), "queue_rows", ["about"], unique=False, if_not_exists=True)
    op.create_index(op.f("ix_queue_rows_at_us"), "queue_rows", ["at_us"], unique=False, if_not_exists=True)
    op.create_index(op.f("ix_queue_rows_callid"), "queue_rows", ["callid"], unique=False, if_not_exists=True)
    op.create_table(
        "schema_version",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
        if_not_exists=True,
    )
    op.create_table(
        "shadow_calls",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("expected", sa.String(), nullable=False),
        sa.Column("stated_by", sa.String(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("operator_topic", sa.String(), nullable=False),
        sa.Column("operator_branch", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_shadow_calls_at"), "shadow_calls", ["at"], unique=False, if_not_exists=True)
    op.create_index(
        op.f("ix_shadow_calls_content_hash"), "shadow_calls", ["content_hash"], unique=False, if_not_exists=True
    )
    _adopt()


def _adopt() -> None:
    """What version 1 lacked, and the mark for older programs."""
    conn = op.get_bind()
    held = {column["name"] for column in sa.inspect(conn).get_columns("exposures")}
    for name in ("trunk", "prefix"):
        if name not in held:
            op.add_column("exposures", sa.Column(name, sa.String(), server_default="", nullable=False))
    op.execute(sa.text("DELETE FROM schema_version"))
    op.execute(sa.text("INSERT INTO schema_version (version) VALUES (3)"))

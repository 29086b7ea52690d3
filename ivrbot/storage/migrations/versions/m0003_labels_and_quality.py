"""Corrections of topics, samples and scores of quality."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "nlu_labels",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("heard", sa.String(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_nlu_labels_at"), "nlu_labels", ["at"], unique=False, if_not_exists=True)
    op.create_table(
        "quality_sample",
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("branch", sa.String(), nullable=False),
        sa.Column("arm", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("drawn", sa.Boolean(), nullable=False),
        sa.Column("twice", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("month", "call_id"),
        if_not_exists=True,
    )
    op.create_index(
        op.f("ix_quality_sample_call_id"), "quality_sample", ["call_id"], unique=False, if_not_exists=True
    )
    op.create_table(
        "quality_scores",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("scorer", sa.String(), nullable=False),
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("points", sa.Float(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "scorer"),
        if_not_exists=True,
    )
    op.create_index(op.f("ix_quality_scores_month"), "quality_scores", ["month"], unique=False, if_not_exists=True)

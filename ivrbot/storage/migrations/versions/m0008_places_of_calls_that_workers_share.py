"""places of calls that workers share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "call_places",
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_s", sa.Double(), nullable=False),
        sa.Column("decided", sa.Boolean(), nullable=False),
        sa.Column("to_bot", sa.Boolean(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_call_places_node_state", "call_places", ["node", "state"], unique=False, if_not_exists=True
    )

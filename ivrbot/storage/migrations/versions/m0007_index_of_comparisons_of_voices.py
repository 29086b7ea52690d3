"""Index of comparisons of voices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply the step."""
    op.create_index(
        "ix_events_voice_compared",
        "events",
        ["at"],
        unique=False,
        sqlite_where=sa.text("type = 'voice_compared'"),
        postgresql_where=sa.text("type = 'voice_compared'"),
        if_not_exists=True,
    )

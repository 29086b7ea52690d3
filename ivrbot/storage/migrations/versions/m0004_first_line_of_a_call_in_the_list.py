"""first line of a call in the list."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the step."""
    op.add_column("call_list", sa.Column("first", sa.Boolean(), server_default=sa.true(), nullable=False))

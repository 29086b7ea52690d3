"""Run by Alembic around the steps: on the connection that `upgrade` was given, in its transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

connection: Connection = context.config.attributes["connection"]
# SQLite cannot alter most of a table: Alembic copies it ("batch") instead.
context.configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite")
with context.begin_transaction():
    context.run_migrations()

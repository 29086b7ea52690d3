"""Writes the step that brings a database to the tables that `ivrbot.storage` now describes.

    python -m tools.new_migration "words of what changes"

A database is built by the steps there are and compared with the tables in the code; the difference is written
into `ivrbot/storage/migrations/versions`. Read the file before committing it: Alembic sees a renamed column as one
dropped and one added, and knows nothing of data.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Literal

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import (
    AlterColumnOp,
    CreateIndexOp,
    CreateTableOp,
    DropColumnOp,
    MigrateOperation,
    OpContainer,
)
from sqlalchemy import Connection, create_engine

from ivrbot.storage import migrations
from ivrbot.storage.schema import UtcDateTime, metadata

FILE = '''"""{words}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before}


def upgrade() -> None:
    """Apply the step."""
{code}
'''


def differences(conn: Connection) -> list[Any]:
    """What of the tables in the code is not so in a database."""
    migrations.load_every_table()
    return list(compare_metadata(_context(conn), metadata))


def _context(conn: Connection) -> MigrationContext:
    return MigrationContext.configure(conn, opts={"target_metadata": metadata})


def _rendered(kind: str, thing: Any, _context: AutogenContext) -> str | Literal[False]:
    """Plain types only: the code's own may change, a step does not."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(thing, UtcDateTime) else False


def missing_code(conn: Connection) -> str:
    """Code of the step that is missing, "" when none is."""
    migrations.load_every_table()
    context = _context(conn)
    made = produce_migrations(context, metadata)
    operations = made.upgrade_ops
    if operations is None or operations.is_empty():
        return ""
    for operation in _all(operations):
        if isinstance(operation, CreateTableOp | CreateIndexOp):
            operation.if_not_exists = True
    # SQLite cannot alter columns: Alembic copies the table ("batch"), which creating one does not need.
    alters = any(isinstance(operation, AlterColumnOp | DropColumnOp) for operation in _all(operations))
    code = render_python_code(operations, render_item=_rendered, render_as_batch=alters, migration_context=context)
    return "\n".join(line for line in code.splitlines() if not line.strip().startswith("# ###"))


def _all(operations: OpContainer) -> Iterator[MigrateOperation]:
    for operation in operations.ops:
        yield operation
        if isinstance(operation, OpContainer):
            yield from _all(operation)


def main(arguments: list[str]) -> int:
    """Command line: writes the file; exit code 1 when nothing has changed."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    words = arguments[0].strip().rstrip(".")
    known = migrations.known_revisions()
    with create_engine("sqlite://").begin() as conn:
        if known:
            migrations.upgrade(conn)
        code = missing_code(conn)
    if not code:
        print("the tables are as the steps make them: nothing to write", file=sys.stderr)
        return 1
    revision = f"{int(known[-1] if known else 0) + 1:04d}"
    name = "_".join(re.findall(r"[a-z0-9]+", words.lower()))[:40]
    path = migrations.VERSIONS / f"m{revision}_{name}.py"
    before = f'"{known[-1]}"' if known else "None"
    path.write_text(FILE.format(words=words, revision=revision, before=before, code="    " + code.strip()))
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(path)], check=False)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

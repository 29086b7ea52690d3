"""Steps that bring a database of any earlier version to this version's schema.

Takes a connection inside a writing transaction, gives the newest schema; `versions` holds one file a step.
May import: errors, Alembic. See docs/how-to/change-the-schema.md.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, MetaData, inspect, text

from ivrbot.errors import StorageUnavailable
from ivrbot.storage import schema

FOLDER: Final = Path(__file__).resolve().parent
VERSIONS: Final = FOLDER / "versions"

_NAME: Final = re.compile(r"m(\d{4})_\w+\.py")


@cache
def known_revisions() -> tuple[str, ...]:
    """Numbers of all steps in order ("0001", ...), from the names of their files: quicker than loading Alembic."""
    return tuple(sorted(match[1] for file in VERSIONS.iterdir() if (match := _NAME.fullmatch(file.name))))


def newest_revision() -> str:
    """The schema of this version."""
    return known_revisions()[-1]


def current_revision(conn: Connection) -> str:
    """The schema that a database has; "" for an empty one and for one from before there were steps."""
    if not inspect(conn).has_table("alembic_version"):
        return ""
    return str(conn.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def load_every_table() -> MetaData:
    """The schema with the tables of every module of the store, also of those that nobody has needed yet."""
    for module in pkgutil.iter_modules([str(FOLDER.parent)], "ivrbot.storage."):
        if not module.ispkg:
            importlib.import_module(module.name)
    return schema.metadata


def bring_up(conn: Connection) -> None:
    """Give an empty database the newest schema at once, any other one the steps that it lacks.

    Both ways make the same tables (a test compares them); without Alembic it takes a tenth of the time.

    Args:
        conn: as `upgrade` takes it.

    Raises:
        StorageUnavailable: a newer version has written it.
    """
    if inspect(conn).get_table_names():
        upgrade(conn)
        return
    load_every_table().create_all(conn)
    conn.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    conn.execute(text("INSERT INTO alembic_version VALUES (:number)"), {"number": newest_revision()})


def upgrade(conn: Connection, target: str = "") -> tuple[str, str]:
    """Bring a database up to this version; quick when it is there already.

    Args:
        conn: in a transaction that no other process can write beside: the steps and the note of them go together.
        target: stop at this step; "" for the newest.

    Returns:
        Revision before and after.

    Raises:
        StorageUnavailable: a newer version has written it.
    """
    found, newest = current_revision(conn), target or newest_revision()
    if found == newest:
        return found, newest
    if found and found not in known_revisions():
        raise StorageUnavailable(
            f"its schema {found} is newer than this version's {newest}; install a newer ivrbot"
        )
    from alembic import command  # takes half a second to load, and is seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = conn
    command.upgrade(config, newest)
    return found, newest

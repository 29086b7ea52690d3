"""The steps make what the code describes, from nothing and from the files of older versions."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from ivrbot.storage import migrations
from ivrbot.storage.store import Store
from tools.new_migration import differences


def test_the_steps_make_the_tables_of_the_code() -> None:
    with create_engine("sqlite://").begin() as conn:
        migrations.upgrade(conn)
        found = differences(conn)
    assert found == [], 'run: python -m tools.new_migration "what changes"'


def tables_of(conn: Connection) -> set[tuple[str, str]]:
    rows = conn.exec_driver_sql("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'").all()
    columns = {
        (row.name, f"{column}")
        for row in rows
        if row.type == "table"
        for column in conn.exec_driver_sql(f"PRAGMA table_info({row.name})").all()
    }
    return columns | {(row.name, row.type) for row in rows if row.sql}


def test_an_empty_database_gets_at_once_what_the_steps_make() -> None:
    with create_engine("sqlite://").begin() as conn:
        migrations.bring_up(conn)
        assert migrations.upgrade(conn) == (migrations.newest_revision(),) * 2
        at_once = tables_of(conn)
    with create_engine("sqlite://").begin() as conn:
        migrations.upgrade(conn)
        assert tables_of(conn) == at_once


def test_steps_stand_in_one_line() -> None:
    numbers = migrations.known_revisions()
    assert list(numbers) == [f"{at:04d}" for at in range(1, len(numbers) + 1)]
    befores = [None, *numbers[:-1]]
    for file, number, before in zip(sorted(migrations.VERSIONS.glob("m0*.py")), numbers, befores, strict=True):
        text = file.read_text()
        assert re.findall(r'^revision = "(\d+)"', text, re.MULTILINE) == [number]
        assert re.findall(r"^down_revision = (.+)$", text, re.MULTILINE) == [f'"{before}"' if before else "None"]


def test_a_second_upgrade_changes_nothing() -> None:
    newest = migrations.newest_revision()
    with create_engine("sqlite://").begin() as conn:
        assert migrations.upgrade(conn) == ("", newest)
        assert migrations.upgrade(conn) == (newest, newest)


async def test_two_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "ivrbot.db") for _ in range(4)]
    await asyncio.gather(*(store.start() for store in stores))
    for store in stores:
        assert await store.states() == {}
        await store.close()


def older_file(path: Path, version: int) -> None:
    """A file as versions 1 and 2 wrote it; tables that came later are not in it."""
    exposures = "call_id VARCHAR NOT NULL, branch VARCHAR NOT NULL, unit VARCHAR NOT NULL, arm VARCHAR NOT NULL,"
    exposures += " propensity FLOAT NOT NULL, stage VARCHAR NOT NULL, epoch INTEGER NOT NULL,"
    exposures += " plan_revision VARCHAR NOT NULL, at DATETIME NOT NULL,"
    added = " trunk VARCHAR DEFAULT '' NOT NULL, prefix VARCHAR DEFAULT '' NOT NULL," if version == 2 else ""
    with closing(sqlite3.connect(path)) as old:
        old.executescript(f"""
            CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
            INSERT INTO schema_version VALUES ({version});
            CREATE TABLE exposures ({exposures}{added} PRIMARY KEY (call_id, branch));
            CREATE INDEX ix_exposures_evidence ON exposures (branch, epoch, unit, at);
            CREATE TABLE events (call_id VARCHAR NOT NULL, seq INTEGER NOT NULL, type VARCHAR NOT NULL,
                t_ms INTEGER NOT NULL, at DATETIME NOT NULL, data JSON NOT NULL, PRIMARY KEY (call_id, seq));
            CREATE INDEX ix_events_at ON events (at);
            INSERT INTO exposures (call_id, branch, unit, arm, propensity, stage, epoch, plan_revision, at)
            VALUES ('c', 'balance', 'u', 'control', 0.1, 'tenth', 1, 'r', '2026-09-01 00:00:00.000000');
        """)


@pytest.mark.parametrize("version", [1, 2])
async def test_files_of_older_versions_are_adopted(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ivrbot.db"
    older_file(path, version)
    async with Store(path) as store:
        exposure = await store.exposure("c", "balance")  # type: ignore[arg-type]
        assert exposure is not None
        assert (exposure.trunk, exposure.prefix, exposure.unit) == ("", "", "u")
        assert await store.history() == ()
    with create_engine(f"sqlite:///{path}").begin() as conn:
        assert differences(conn) == []
    with closing(sqlite3.connect(path)) as raw:
        # what a version before the steps looks at, to refuse a file that is too new for it
        assert raw.execute("SELECT version FROM schema_version").fetchall() == [(3,)]

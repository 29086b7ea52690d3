"""A million simulated calls in a SQLite file, for an analyst's questions.

    IVRBOT_DATA_DIR=/path/of/its/own python -m benchmarks.million [--calls 1000000]

A history of some twenty thousand calls is made as `make demo` makes it; then its rows are copied inside SQLite
with other ids, other callers and a few seconds' shift, until there are as many calls as asked for. Each copy
is a whole call for lists and reports (contact, line of the list, exposure, outcome); the copies have no events.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ivrbot import app
from ivrbot.config import load_settings
from ivrbot.simulate.history.make import is_made, make

SHIFT_US = 41_000_000
"""Between two copies of a call: they keep their hour and their day."""


def copies(database: Path, calls: int) -> int:
    """Copy all calls until there are as many as asked for; gives how many there are."""
    with sqlite3.connect(database, isolation_level=None) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA cache_size=-400000")
        (journal,) = db.execute("PRAGMA journal_mode").fetchone()
        db.execute("PRAGMA journal_mode=OFF")  # or every page would be written twice; a failed run is made anew
        (there,) = db.execute("SELECT count(*) FROM call_list").fetchone()
        times = math.ceil(calls / there) - 1
        db.execute("BEGIN")
        db.execute("CREATE TEMP TABLE copy (k INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO copy VALUES (?)", [(k,) for k in range(1, times + 1)])
        for table, changes in TABLES.items():
            with _unindexed(db, table):
                _copy(db, table, changes)
        db.execute("UPDATE contact_days SET version = version + 1")
        db.execute("COMMIT")
        db.execute("ANALYZE")
        db.execute(f"PRAGMA journal_mode={journal}")
        (there,) = db.execute("SELECT count(*) FROM call_list").fetchone()
    db.close()
    return int(there)


TABLES: dict[str, dict[str, str]] = {
    "contacts": {
        "call_id": "{id}",
        "unit": "printf('%06x', copy.k) || substr(t.unit, 7)",
        "started_us": "t.started_us + copy.k * {shift}",
        "ended_us": "t.ended_us + copy.k * {shift}",
        "asked_us": "CASE t.asked_us WHEN 0 THEN 0 ELSE t.asked_us + copy.k * {shift} END",
    },
    "contact_bodies": {
        "call_id": "{id}",
        "body": "json_set(t.body, '$.call_id', {id}, '$.started_at', {started}, '$.ended_at', {ended})",
    },
    "call_list": {"call_id": "{id}", "started_us": "t.started_us + copy.k * {shift}"},
    "exposures": {
        "call_id": "{id}",
        "unit": "printf('%06x', copy.k) || substr(t.unit, 7)",
        "at": "strftime('%Y-%m-%d %H:%M:%f', t.at, '+' || (copy.k * {shift} / 1000000) || ' seconds') || '000'",
    },
    "outcomes": {"call_id": "{id}"},
}
"""By table, how a copy's columns differ."""
COPY_ID = "substr(t.call_id, 1, 30) || printf('%06x', (copy.k << 8) + 1)"


@contextmanager
def _unindexed(db: sqlite3.Connection, table: str) -> Iterator[None]:
    """Without the indexes of a table, which are made anew afterwards: row by row they outgrow the cache."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    indexes = db.execute(query, (table,)).fetchall()
    for name, _ in indexes:
        db.execute(f'DROP INDEX "{name}"')
    yield
    began = time.monotonic()
    for _, made in indexes:
        db.execute(made)
    print(f"{table}: {len(indexes)} indexes in {time.monotonic() - began:.1f} s", file=sys.stderr)


def _copy(db: sqlite3.Connection, table: str, changes: dict[str, str]) -> None:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    words = {"id": COPY_ID, "shift": SHIFT_US}
    for name in ("started", "ended"):
        told = f"json_extract(t.body, '$.{name}_at'), '+' || (copy.k * {SHIFT_US // 1_000_000}) || ' seconds'"
        words[name] = f"strftime('%Y-%m-%dT%H:%M:%f000+00:00', {told})"
    values = ", ".join(changes[name].format(**words) if name in changes else f't."{name}"' for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    began = time.monotonic()
    db.execute(f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} t CROSS JOIN copy")
    print(f"{table}: {time.monotonic() - began:.1f} s", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--a-day", type=int, default=300)
    options = parser.parse_args()
    settings = load_settings(Path.cwd())
    end = datetime.now(UTC).replace(hour=7, minute=0, second=0, microsecond=0)
    began = time.monotonic()
    if not is_made(settings.data_dir):
        asyncio.run(make(settings, seed=1, end=end, days=options.days, a_day=options.a_day))
    made_s = time.monotonic() - began
    database = settings.data_dir / app.MAIN_DATABASE
    there = copies(database, options.calls)
    copied_s = time.monotonic() - began - made_s
    size_mb = database.stat().st_size / 1e6
    print(f"{there} calls in {database}: {made_s:.0f} s and {copied_s:.0f} s, {size_mb:.0f} MB")


if __name__ == "__main__":
    main()

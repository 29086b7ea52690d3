"""A pytest plugin: every SQLite file that a test opens becomes a PostgreSQL database of its own.

    python -m pytest -p tests.integration.postgres.everywhere tests/unit/test_callbacks.py ...

Tests written for the store then say the same of PostgreSQL, unchanged; what looks into the file itself cannot.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ivrbot.storage.engines import PostgresAddress, SqliteFile
from tests.integration.postgres.install import install
from tests.integration.postgres.server import PostgresServer, running


@dataclass
class _Databases:
    """Databases of the test that runs, by the path that it named."""

    server: PostgresServer
    stack: ExitStack = field(default_factory=ExitStack)
    by_path: dict[Path, PostgresAddress] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, path: Path) -> PostgresAddress:
        with self.lock:
            if path not in self.by_path:
                self.by_path[path] = self.stack.enter_context(self.server.database())
            return self.by_path[path]


@pytest.fixture(scope="session")
def _server() -> Iterator[PostgresServer]:
    with running(install()) as server:
        yield server


@pytest.fixture(autouse=True)
def _on_postgres(_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    databases = _Databases(_server)

    def writing(file: SqliteFile) -> Engine:
        return databases.at(file.path).writing()

    def reading(file: SqliteFile) -> Engine:
        return databases.at(file.path).reading()

    monkeypatch.setattr(SqliteFile, "writing", writing)
    monkeypatch.setattr(SqliteFile, "reading", reading)
    with databases.stack:
        yield

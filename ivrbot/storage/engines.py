"""SQLAlchemy engines of both databases: SQLite in a file, PostgreSQL at an address.

Takes where the database is, gives its `Opening`: an engine for the one writing thread, whose transactions hold the
right to write from their beginning (one writer at a time over all processes, in either database), and one for
readers, whose transactions see one moment.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from ivrbot.errors import ConfigError, Problem, StorageUnavailable
from ivrbot.sqlitefile import use_write_ahead_log

READERS: Final = 2
BACKGROUND_READERS: Final = 2
"""For reports and folding, so that they never keep a call or a page waiting."""
BUSY_S: Final = 2.5
"""Of several workers one waits for another's write so long: within the deadline of who asked (`Store`)."""

CLEAN_TRIES: Final = 20
CLEAN_PAUSE_S: Final = 0.2

CONNECT_S: Final = 2
"""The shortest that libpq knows; a call does not wait longer than the store's deadline anyway."""
SILENT_SERVER_MS: Final = 10_000
LONGEST_READ_MS: Final = 125_000
LONGEST_WRITE_MS: Final = 30_000
WRITE_LOCK: Final = 0x697672626F74
"""Key of the advisory lock that writers hold ("ivrbot"); PostgreSQL keeps such keys apart by database."""

compact_json = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))


class Opening(Protocol):
    """Where a database is, and how it is opened."""

    def prepare(self) -> None:
        """Make what must be there before the first connection.

        Raises:
            StorageUnavailable: it cannot be made.
        """
        ...

    def writing(self) -> Engine:
        """Engine of one connection."""
        ...

    def reading(self) -> Engine:
        """Engine of some connections whose transactions see one moment."""
        ...

    def clean(self) -> bool:
        """Leave nothing of what was deleted; False when somebody is in the way. Blocks.

        Raises:
            SQLAlchemyError: the database failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A file in WAL mode, synchronous FULL.

    Attributes:
        path: of the file; made with its folder where there is none.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def prepare(self) -> None:
        """Make the file, readable for the owner of the process only."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Personal data: nobody but the owner of the process reads it; SQLite gives its WAL the same mode.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StorageUnavailable(f"{self.path} cannot be opened: {error.strerror}") from error

    def writing(self) -> Engine:
        """Transactions begin with the right to write."""
        return _sqlite(self.path, pool_size=1, begin="BEGIN IMMEDIATE")

    def reading(self) -> Engine:
        """Readers never wait for writers."""
        return _sqlite(self.path, pool_size=READERS + BACKGROUND_READERS, begin="BEGIN")

    def clean(self) -> bool:
        """Empty the write-ahead log; in the file itself deleted bytes are zeros at once (secure_delete)."""
        engine = _sqlite(self.path, pool_size=1, begin="")
        try:
            for _ in range(CLEAN_TRIES):
                with engine.connect() as conn:
                    held = conn.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if held[0] == 0:
                    return True
                time.sleep(CLEAN_PAUSE_S)
            return False
        finally:
            engine.dispose()


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A database of a PostgreSQL server, version 15 or newer.

    Attributes:
        url: "postgresql://user@host:port/name", or with "?host=/folder" a unix socket; no password in it.
        password: "" leaves it to libpq's own ways (PGPASSFILE, peer, certificates).
    """

    url: str
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self._url()

    def __str__(self) -> str:
        return str(make_url(self.url).set(query={}))

    def _url(self) -> URL:
        try:
            url = make_url(self.url)
        except ArgumentError:
            raise _wrong("not a database address") from None
        if url.drivername != "postgresql" or not url.database:
            raise _wrong("not a database address")
        if url.password is not None:
            raise _wrong("holds a password: put it into the file of database.password_file")
        url = url.set(drivername="postgresql+psycopg")
        return url.set(password=self.password) if self.password else url

    def prepare(self) -> None:
        """The server makes nothing by itself."""

    def writing(self) -> Engine:
        """Every transaction waits for the lock of writers, as SQLite's do by themselves."""
        engine = self._engine(1, f"-c lock_timeout={LONGEST_WRITE_MS} -c statement_timeout={LONGEST_WRITE_MS}")

        @event.listens_for(engine, "begin")
        def _begun(connection: Connection) -> None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")

        return engine

    def reading(self) -> Engine:
        """Read-only snapshots."""
        engine = self._engine(READERS + BACKGROUND_READERS, f"-c statement_timeout={LONGEST_READ_MS}")
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def clean(self) -> bool:
        """Remove dead rows; the server's own log of writes goes with its age."""
        engine = self._engine(1, "-c statement_timeout=0")
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                conn.exec_driver_sql("VACUUM")
        finally:
            engine.dispose()
        return True

    def _engine(self, pool_size: int, options: str) -> Engine:
        # A frozen process must not hold the writers' lock for ever, nor a dead network a thread.
        options += f" -c idle_in_transaction_session_timeout={LONGEST_READ_MS} -c timezone=UTC"
        return create_engine(
            self._url(),
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT_S,
                "application_name": "ivrbot",
                "options": options,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "tcp_user_timeout": SILENT_SERVER_MS,
            },
            hide_parameters=True,
            json_serializer=compact_json,
        )


def _wrong(message: str) -> ConfigError:
    return ConfigError(
        [Problem("", None, "database.url", "", message, "postgresql://user@host:port/name, or nothing")]
    )


def _sqlite(path: Path, *, pool_size: int, begin: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
        hide_parameters=True,  # values (callers' numbers) stay out of error texts and so out of logs
        json_serializer=compact_json,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The driver's own transactions break savepoints: switched off, we say BEGIN (SQLAlchemy's documentation).
        connection.isolation_level = None
        use_write_ahead_log(connection, BUSY_S)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        if begin:
            connection.exec_driver_sql(begin)

    return engine

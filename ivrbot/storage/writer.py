"""A thread that owns all writing to a database and commits in groups.

Takes functions of a connection, gives futures. Every commit waits for the disk (SQLite with synchronous FULL makes
some 170 a second), so that whatever arrives during one commit goes together into the next.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)

from ivrbot.errors import IvrbotError, StorageConflict, StorageUnavailable

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

_SHOWING_VALUES = ("22", "23")
"""Classes of SQLSTATE (PostgreSQL documentation, appendix A): data exceptions, broken constraints."""

MAX_GROUP = 256
MAX_WAITING = 10_000


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    future: Future[Any]
    result: Any = None


class GroupWriter:
    """Single writer of one engine.

    Jobs run in the order of `submit`, each in a savepoint of its own: one that is refused takes nothing with it.
    A job's future is resolved after the commit of its group. The queue holds 10,000 jobs; beyond,
    `submit` refuses.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: queue.Queue[_Job | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._closed = False
        self.groups = 0
        self.jobs = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, work: Callable[[Connection], ResultT]) -> Future[ResultT]:
        """Queue a job; cancelling its future before it runs takes it back.

        Raises:
            StorageUnavailable: closed, or too many are waiting.
        """
        if self._closed:
            raise StorageUnavailable("the store is closed")
        job = _Job(work, Future())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise StorageUnavailable(f"more than {MAX_WAITING} writes are waiting") from None
        return job.future

    def close(self, timeout_s: float = 10.0) -> None:
        """Finish what is queued and end the thread. Blocks."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join(timeout_s)
            self._engine.dispose()

    def _run(self) -> None:
        open_for_more = True
        while open_for_more:
            group, open_for_more = self._next_group()
            if group:
                self._commit(group)

    def _next_group(self) -> tuple[list[_Job], bool]:
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                group.append(job)
            if len(group) >= MAX_GROUP:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: list[_Job]) -> None:
        done: list[_Job] = []
        try:
            with self._engine.begin() as conn:
                for job in group:
                    if self._perform(conn, job):
                        done.append(job)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any failure; every future learns of it
            log.warning("a group of %d writes failed: %s", len(group), type(error).__name__)
            for job in group:
                if not job.future.done():
                    job.future.set_exception(unavailable(error))
            return
        self.groups += 1
        self.jobs += len(done)
        for job in done:
            job.future.set_result(job.result)

    @staticmethod
    def _perform(conn: Connection, job: _Job) -> bool:
        """Run one job in a savepoint; False when it was refused alone.

        Raises:
            DatabaseError: the database itself failed: the whole group with it.
        """
        savepoint = conn.begin_nested()
        try:
            job.result = job.work(conn)
            savepoint.commit()
        except Exception as error:
            if _is_databases_fault(error):
                raise  # SQLite may have rolled back everything already: the savepoint is not to be touched
            savepoint.rollback()
            job.future.set_exception(_refusal(error))
            return False
        return True


def _is_databases_fault(error: Exception) -> bool:
    """Full disk, lock, damaged file, connection lost: no one job's fault."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InternalError | InterfaceError) or type(error) is DatabaseError


def _refusal(error: Exception) -> Exception:
    """What whoever asked for one refused job is told."""
    if isinstance(error, IntegrityError):
        return StorageConflict(_told(error.orig))
    if isinstance(error, StatementError) and hasattr(error.orig, "sqlstate"):
        return ValueError(_told(error.orig))
    if isinstance(error, StatementError) and isinstance(error.orig, Exception):
        return error.orig  # a value that no column takes
    return error


def unavailable(error: Exception) -> IvrbotError:
    """The product's error for one of the database driver."""
    if isinstance(error, IvrbotError):
        return error
    cause = error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error
    return StorageUnavailable(f"database: {_told(cause)}")


def _told(error: object) -> str:
    """What a driver says, without the values that PostgreSQL shows in its details and in complaints of values."""
    sqlstate: str | None = getattr(error, "sqlstate", None)  # PostgreSQL's; the driver is not loaded for SQLite
    if sqlstate is None:
        return str(error).strip().partition("\n")[0]
    if sqlstate[:2] in _SHOWING_VALUES:
        return f"{type(error).__name__} ({sqlstate})"
    return f"{error.diag.message_primary} ({sqlstate})"  # type: ignore[attr-defined]

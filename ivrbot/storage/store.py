"""The store: SQLite in a file by default, PostgreSQL by an address; the same statements over both.

Takes a path or an address, gives `Store`, which stands behind EventStore, CallStore, RolloutStore and
AttemptStore. One thread writes (group commit), some read; the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ivrbot.errors import StorageUnavailable
from ivrbot.model.attempts import Reserved, Tally
from ivrbot.model.call import CallId, CallOutcome, CallRegistration, Dossier
from ivrbot.model.events import CallEvent
from ivrbot.model.experiment import BranchState, Exposure
from ivrbot.model.rollout import AuditRow, StateChange
from ivrbot.storage import attempts, migrations, statements
from ivrbot.storage.callback_tables import withdraw
from ivrbot.storage.engines import BACKGROUND_READERS, READERS, Opening, SqliteFile
from ivrbot.storage.writer import GroupWriter, unavailable

ResultT = TypeVar("ResultT")


class Store:
    """All stores over one database.

    Every method gives up after `deadline_s` with StorageUnavailable. A write that had begun by then may still be
    committed; all of them can be repeated without harm (events by (call_id, seq), exposures by call and branch).

    Args:
        where: a file (SQLite), or the address of a PostgreSQL database.
        deadline_s: of every read and write.
    """

    def __init__(self, where: Path | Opening, *, deadline_s: float = 3.0) -> None:
        self._where: Opening = SqliteFile(where) if isinstance(where, Path) else where
        self._deadline_s = deadline_s
        self._engine: Engine | None = None
        self._writer: GroupWriter | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._background: ThreadPoolExecutor | None = None

    @property
    def where(self) -> Opening:
        """The file or address; its text holds no secret."""
        return self._where

    async def start(self) -> None:
        """Open the database and bring its schema up to this version.

        Raises:
            StorageUnavailable: not there, no right to write, not a database, or a newer schema than ours.
        """
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        """Finish queued writes and close the database. Idempotent."""
        await asyncio.to_thread(self._close)

    async def __aenter__(self) -> Store:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # EventStore

    async def append(self, events: Sequence[CallEvent]) -> None:
        await self.write(partial(statements.append_events, events=tuple(events)))

    async def of_call(self, call_id: CallId) -> tuple[CallEvent, ...]:
        return await self.read(partial(statements.events_of, call_id=call_id))

    # CallStore

    async def register(self, registration: CallRegistration, at: datetime) -> None:
        await self.write(partial(statements.register_call, registration=registration, at=at))

    async def registration(self, call_id: CallId) -> CallRegistration | None:
        """A registered call, None when unknown."""
        return await self.read(partial(statements.registration_of, call_id=call_id))

    async def save_dossier(self, dossier: Dossier) -> None:
        await self.write(partial(statements.save_dossier, dossier=dossier))

    async def dossier(self, dossier_id: str) -> Dossier | None:
        return await self.read(partial(statements.dossier_of, dossier_id=dossier_id))

    async def save_outcome(self, call_id: CallId, outcome: CallOutcome) -> None:
        """Keep what the PBX is to do; with a transfer, a call-back that nobody has begun with is withdrawn."""
        await self.write(partial(_save_outcome, call_id=call_id, outcome=outcome))

    async def outcome(self, call_id: CallId) -> CallOutcome | None:
        return await self.read(partial(statements.outcome_of, call_id=call_id))

    async def erase_caller(self, call_id: CallId) -> None:
        """Forget the numbers of a call."""
        await self.write(partial(statements.erase_caller, call_id=call_id))

    # RolloutStore

    async def states(self) -> dict[str, BranchState]:
        return await self.read(statements.states)

    async def own_states(self) -> dict[str, BranchState]:
        """States as stored, the kill switch of everything being a row of its own."""
        return await self.read(statements.own_states)

    async def change_state(self, state: BranchState, who: str, why: str, at: datetime) -> None:
        change = StateChange(None, state, "set")
        await self.write(
            partial(statements.apply_changes, changes=(change,), who=who, why=why, at=at, checked=False)
        )

    async def apply_changes(self, changes: Sequence[StateChange], who: str, why: str, at: datetime) -> None:
        """Write several changes and their audit rows in one transaction, all or none.

        Raises:
            StorageConflict: a branch is no longer in the state that its change starts from.
        """
        await self.write(
            partial(statements.apply_changes, changes=tuple(changes), who=who, why=why, at=at, checked=True)
        )

    async def history(self, branch: str | None = None) -> tuple[AuditRow, ...]:
        """Audit rows, oldest first."""
        return await self.read(partial(statements.history, branch=branch))

    async def expose(self, exposure: Exposure) -> BranchState | None:
        return await self.write(partial(statements.expose, exposure=exposure))

    async def exposure(self, call_id: CallId, branch: str) -> Exposure | None:
        """The stored exposure of a call in a branch."""
        return await self.read(partial(statements.exposure_of, call_id=call_id, branch=branch))

    async def has_exposures(self, branch: str, epoch: int) -> bool:
        """Whether anybody was drawn in an epoch of a branch."""
        return await self.read(partial(statements.has_exposures, branch=branch, epoch=epoch))

    # AttemptStore

    async def failures_since(self, subject: str, since: datetime) -> int:
        return await self.read(partial(attempts.failures_since, subject=subject, since=since))

    async def add_failure(self, subject: str, call_id: CallId, at: datetime) -> None:
        await self.write(partial(attempts.add_failure, subject=subject, call_id=call_id, at=at))

    async def reserve(self, subjects: Sequence[str], call_id: CallId, at: datetime, since: datetime) -> Reserved:
        work = partial(attempts.reserve, subjects=tuple(subjects), call_id=call_id, at=at, since=since)
        return await self.write(work)

    async def release(self, rows: Sequence[int]) -> None:
        await self.write(partial(attempts.release, rows=tuple(rows)))

    async def tally(self, subject: str, since: datetime, before: datetime) -> Tally:
        return await self.read(partial(attempts.tally, subject=subject, since=since, before=before))

    async def raise_once(self, subject: str, call_id: CallId, at: datetime, since: datetime) -> bool:
        return await self.write(partial(attempts.raise_once, subject=subject, call_id=call_id, at=at, since=since))

    async def forget_failures(self) -> None:
        """Forget all failed authentications (demo and tests)."""
        await self.write(attempts.forget_failures)

    # threads

    async def write(self, work: Callable[[Connection], ResultT]) -> ResultT:
        """Run `work` in a transaction of the one writing thread, in a group with others'; repeatable work only.

        Raises:
            StorageUnavailable: not open, too slow, or the database failed.
        """
        if self._writer is None:
            raise StorageUnavailable("the store is not open")
        waiting = asyncio.wrap_future(self._writer.submit(work))
        return await self._in_time(waiting)

    async def read(self, work: Callable[[Connection], ResultT], *, deadline_s: float | None = None) -> ResultT:
        """Run `work` in a reading transaction.

        Args:
            work: reads only.
            deadline_s: for work that no caller waits for and that takes longer than the store's own deadline; it
                has threads of its own.

        Raises:
            StorageUnavailable: not open, too slow, or the database failed.
        """
        if self._readers is None or self._engine is None:
            raise StorageUnavailable("the store is not open")
        readers = self._readers if deadline_s is None else self._background
        reading = asyncio.get_running_loop().run_in_executor(readers, _read, self._engine, work)
        return await self._in_time(reading, deadline_s)

    async def clean(self) -> bool:
        """Leave nothing of what was deleted; False when somebody is in the way.

        Raises:
            StorageUnavailable: the database failed.
        """
        try:
            return await asyncio.to_thread(self._where.clean)
        except SQLAlchemyError as error:
            raise unavailable(error) from None

    async def _in_time(self, waiting: asyncio.Future[ResultT], deadline_s: float | None = None) -> ResultT:
        allowed_s = self._deadline_s if deadline_s is None else deadline_s
        try:
            async with asyncio.timeout(allowed_s):
                return await waiting
        except TimeoutError as error:
            raise StorageUnavailable(f"the database did not answer within {allowed_s} s") from error

    def _open(self) -> None:
        self._where.prepare()
        writing = self._where.writing()
        try:
            with writing.begin() as conn:
                migrations.bring_up(conn)
        except (SQLAlchemyError, StorageUnavailable) as error:
            writing.dispose()
            raise StorageUnavailable(f"{self._where} cannot be opened: {unavailable(error)}") from None
        self._writer = GroupWriter(writing)
        self._writer.start()
        self._engine = self._where.reading()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="storage-reader")
        self._background = ThreadPoolExecutor(BACKGROUND_READERS, thread_name_prefix="storage-background")

    def _close(self) -> None:
        writer, engine, pools = self._writer, self._engine, (self._readers, self._background)
        self._writer = self._readers = self._background = self._engine = None
        for readers in pools:
            if readers is not None:
                readers.shutdown()
        if engine is not None:
            engine.dispose()
        if writer is not None:
            writer.close()


def _save_outcome(conn: Connection, call_id: CallId, outcome: CallOutcome) -> None:
    statements.save_outcome(conn, call_id, outcome)
    if outcome.action == "transfer":
        # Kept, but not promised: its outcome could not be stored, or not in time. Writes keep their order.
        withdraw(conn, call_id)


def _read(engine: Engine, work: Callable[[Connection], ResultT]) -> ResultT:
    try:
        with engine.begin() as conn:
            return work(conn)
    except SQLAlchemyError as error:
        raise unavailable(error) from None  # the driver's own text may hold values

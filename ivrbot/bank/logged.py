"""The bot's own log of what it asked of the bank, whichever bank is behind the port.

Takes every request (of calls, of operators' desks), gives it to the bank and notes it in a file of its own,
`bank_operations.sqlite`, whose rows are chained by hashes: who was sure of what, what the caller had confirmed,
what came of it. A write is noted before it is asked for, so that one whose end nobody saw is there as well. What
the ladder refuses never reaches the bank and is noted all the same. What cannot be noted is not done.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from ivrbot.bank.oplog import Broken, OperationsLog
from ivrbot.errors import BankError, BankOutcomeUnknown, BankRejected, BankUnavailable
from ivrbot.model.bank import BankAnswer, BankRequest, Customer, FactHashes, Refused
from ivrbot.model.dialogue import Value
from ivrbot.ports import Bank
from ivrbot.sqlitefile import use_write_ahead_log

log = logging.getLogger(__name__)

LOG_FILE: Final = "bank_operations.sqlite"
BUSY_TIMEOUT_S: Final = 2.0
LONGEST_PLAIN: Final = 40
"""A longer text among the arguments (a complaint) is kept as its hash: the words are the bank's."""

T = TypeVar("T")


class OperationsFile:
    """The log in its file; opened at the first use, in one worker thread.

    Args:
        folder: data folder.
        key: of the chain, at least 16 bytes.
        clock: aware UTC now.
    """

    def __init__(self, folder: Path, key: bytes, clock: Callable[[], datetime]) -> None:
        self._path = folder / LOG_FILE
        self._key = key
        self._clock = clock
        self._open: tuple[sqlite3.Connection, OperationsLog] | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bank-log")

    async def note(self, entry: Mapping[str, Any]) -> None:
        """Write an entry; it is on the disk when this returns.

        Raises:
            BankUnavailable: it could not be written.
        """

        def work(db: sqlite3.Connection, chain: OperationsLog) -> None:
            db.execute("BEGIN IMMEDIATE")
            try:
                chain.append(entry, self._clock())
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

        await self._run(work)

    async def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first.

        Raises:
            BankUnavailable: the file cannot be read.
        """
        return await self._run(lambda _, chain: chain.entries())

    async def verify(self) -> Broken | None:
        """The first row that is not as it was written, None when all are.

        Raises:
            BankUnavailable: the file cannot be read.
        """
        return await self._run(lambda _, chain: chain.verify())

    async def close(self) -> None:
        """Close the file and end the thread. Idempotent."""
        opened, self._open = self._open, None
        if opened is not None:
            await asyncio.get_running_loop().run_in_executor(self._worker, opened[0].close)
        self._worker.shutdown(wait=True)

    async def _run(self, work: Callable[[sqlite3.Connection, OperationsLog], T]) -> T:
        def job() -> T:
            try:
                if self._open is None:
                    self._open = self._opened()
                return work(*self._open)
            except (OSError, sqlite3.Error) as error:
                raise BankUnavailable(f"operations log: {type(error).__name__}") from error

        return await asyncio.get_running_loop().run_in_executor(self._worker, job)

    def _opened(self) -> tuple[sqlite3.Connection, OperationsLog]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            use_write_ahead_log(db, BUSY_TIMEOUT_S)
            db.execute("PRAGMA synchronous=FULL")
            return db, OperationsLog(db, self._key, begun=True)
        except BaseException:
            db.close()
            raise


class LoggedBank:
    """A bank whose every operation is noted; implements `ports.Bank` and `ports.RefusalLog`.

    Attributes:
        bank: the one behind.
        operations: the log.
    """

    def __init__(self, bank: Bank, operations: OperationsFile) -> None:
        self.bank = bank
        self.operations = operations

    async def find_customer(self, phone: str) -> Customer | None:
        """See `Bank`."""
        return await self.bank.find_customer(phone)

    async def find_by_name(self, names: Sequence[str], born: Sequence[str]) -> tuple[Customer, ...]:
        """See `Bank`."""
        return await self.bank.find_by_name(names, born)

    async def fact_hashes(self, customer_id: str) -> FactHashes:
        """See `Bank`."""
        return await self.bank.fact_hashes(customer_id)

    async def execute(self, request: BankRequest) -> BankAnswer:
        """See `Bank`.

        Raises:
            BankUnavailable: the bank is, or the log cannot be written: nothing was told and nothing done.
        """
        entry = entry_of(request)
        if request.operation.writes:
            await self.operations.note({**entry, "result": "asked"})
        result, reference = "unknown", ""
        try:
            answer = await self.bank.execute(request)
            result, reference = "ok", answer.reference
        except BankRejected as error:
            result = f"rejected: {error}"
            raise
        except BankOutcomeUnknown:
            raise
        except BankError:
            result = "unavailable"
            raise
        finally:
            done = request.operation.writes or result != "ok"
            await self._note_end({**entry, "result": result, "reference": reference}, must=not done)
        return answer

    async def note_refusal(self, refused: Refused) -> None:
        """See `ports.RefusalLog`."""
        entry = {
            "operation": refused.operation,
            "customer_id": refused.customer_id,
            "call_id": refused.call_id,
            "level": refused.level.value,
            "facts_used": list(refused.facts_used),
            "result": f"refused: {refused.why}",
            "reference": "",
        }
        await self._note_end(entry, must=False)

    async def close(self) -> None:
        """Close the bank and the log."""
        try:
            await self.bank.close()
        finally:
            await self.operations.close()

    async def _note_end(self, entry: Mapping[str, Any], *, must: bool) -> None:
        """The end of a write, or a refusal, goes on without its row: nothing is undone by keeping silent."""
        try:
            await self.operations.note(entry)
        except BankUnavailable:
            if must:
                raise
            log.error("an operation's end could not be noted: %s", entry["operation"])


def entry_of(request: BankRequest) -> dict[str, Any]:
    """A request as it stands in the log, without its end."""
    person = {"by": request.by, "why": request.why} if request.by else {}
    return {
        "operation": request.operation.value,
        "customer_id": request.customer_id,
        "arguments": {name: _short(value) for name, value in request.arguments.items()},
        "idempotency_key": request.idempotency_key,
        "call_id": request.call_id,
        "level": request.level.value,
        "facts_used": list(request.facts_used),
        "confirmation": request.confirmation,
        **person,
    }


def _short(value: Value) -> Value:
    if not isinstance(value, str) or len(value) <= LONGEST_PLAIN:
        return value
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()}"

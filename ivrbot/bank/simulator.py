"""The demo bank behind the `Bank` port, with faults on demand.

Takes requests, gives answers from a `DemoLedger` that lives in one worker thread. Faults (slow, down, answer lost
after the effect) come from the `faults` attribute or from a JSON file that is read before every request, so that a
test can break the bank of a running process.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from ivrbot.bank.ledger import DemoLedger
from ivrbot.bank.oplog import Broken
from ivrbot.errors import BankOutcomeUnknown, BankRejected, BankUnavailable, ConfigError, Problem
from ivrbot.model.bank import BankAnswer, BankRequest, Customer, FactHashes

MIN_KEY_BYTES = 16
FAULTS_FILE = "bank_faults.json"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with the bank.

    Attributes:
        latency_ms: waited before every request.
        unavailable: every request fails before anything happens.
        reject: every operation is refused.
        lost_answers: so many writes more take effect and then lose their answer.
    """

    latency_ms: int = 0
    unavailable: bool = False
    reject: bool = False
    lost_answers: int = 0


def _now() -> datetime:
    return datetime.now(UTC)


class BankSimulator:
    """A bank with three customers; see COMMANDS in the manual for who they are.

    Attributes:
        faults: in force from the next request on.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes,
        *,
        clock: Callable[[], datetime] = _now,
        faults: Faults | None = None,
    ) -> None:
        """Nothing is opened before the first request.

        Args:
            folder: data folder; the bank keeps `demo_bank.sqlite` there and looks for `bank_faults.json`.
            key: key of the facts' hashes, the same that `identity.facts` is given.
            clock: aware UTC now.
            faults: what is wrong from the start.

        Raises:
            ConfigError: the key is too short.
        """
        if len(key) < MIN_KEY_BYTES:
            problem = Problem(
                "", None, "bank key", f"{len(key)} bytes", "key too short", f"{MIN_KEY_BYTES} or more"
            )
            raise ConfigError([problem])
        self.faults = faults or Faults()
        self._folder = folder
        self._key = key
        self._clock = clock
        self._ledger: DemoLedger | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="demo-bank")

    async def find_customer(self, phone: str) -> Customer | None:
        """See `Bank`."""
        await self._suffer()
        return await self._run(lambda ledger: ledger.find_customer(phone))

    async def find_by_name(self, names: Sequence[str], born: Sequence[str]) -> tuple[Customer, ...]:
        """See `Bank`."""
        await self._suffer()
        return await self._run(lambda ledger: ledger.find_by_name(names, born))

    async def fact_hashes(self, customer_id: str) -> FactHashes:
        """See `Bank`."""
        await self._suffer()
        return await self._run(lambda ledger: ledger.fact_hashes(customer_id))

    async def execute(self, request: BankRequest) -> BankAnswer:
        """See `Bank`. Once begun, an effect is finished even when the caller of this is cancelled."""
        faults = await self._suffer()
        if faults.reject:
            raise BankRejected("refused on demand")
        answer = await self._run(lambda ledger: ledger.execute(request))
        if request.operation.writes and self.faults.lost_answers > 0:
            self.faults = replace(self.faults, lost_answers=self.faults.lost_answers - 1)
            raise BankOutcomeUnknown("the answer was lost")
        return answer

    async def close(self) -> None:
        """Close the file and end the thread. Idempotent."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            await asyncio.get_running_loop().run_in_executor(self._worker, ledger.close)
        self._worker.shutdown(wait=True)

    async def show(self, caller: str | None = None) -> list[dict[str, Any]]:
        """State of all customers, or of the one with this E.164 number, in the shape of `bank show`."""
        return await self._run(lambda ledger: ledger.show(caller))

    async def reset(self) -> None:
        """Back to the first day; the operations log goes on."""
        await self._run(lambda ledger: ledger.reset())

    async def log(self) -> list[dict[str, Any]]:
        """The operations log, oldest first."""
        return await self._run(lambda ledger: ledger.log())

    async def verify_log(self) -> Broken | None:
        """The first row of the bank's own log that was tampered with, None when there is none."""
        return await self._run(lambda ledger: ledger.verify_log())

    async def _run(self, job: Callable[[DemoLedger], T]) -> T:
        def work() -> T:
            if self._ledger is None:
                self._ledger = DemoLedger(self._folder / "demo_bank.sqlite", self._key, self._clock)
            return job(self._ledger)

        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    async def _suffer(self) -> Faults:
        self._read_faults_file()
        if self.faults.latency_ms:
            await asyncio.sleep(self.faults.latency_ms / 1000)
        if self.faults.unavailable:
            raise BankUnavailable("down on demand")
        return self.faults

    def _read_faults_file(self) -> None:
        """A file takes effect once and is removed: what it says stays until the next one."""
        file = self._folder / FAULTS_FILE
        try:
            text = file.read_text("utf-8")
            file.unlink()
        except FileNotFoundError:
            return
        try:
            self.faults = Faults(**json.loads(text))
        except (TypeError, ValueError) as error:
            problem = Problem(str(file), None, "", "", "not a set of faults", ", ".join(Faults.__slots__))
            raise ConfigError([problem]) from error

"""A bank of one caller's own: the demo bank's books in memory, and what was asked of them.

So that no simulated caller meets a card that another one has blocked, and the truth can be read afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ivrbot.bank.ledger import DemoLedger
from ivrbot.model.attempts import Reserved, Tally
from ivrbot.model.bank import BankAnswer, BankRequest, Customer, FactHashes
from ivrbot.model.call import CallId


class OwnBank:
    """A `Bank` in memory.

    Attributes:
        done: requests that were answered, with their answers, in order.
    """

    def __init__(self, key: bytes) -> None:
        self._ledger = DemoLedger(Path(":memory:"), key, lambda: datetime.now(UTC))
        self.done: list[tuple[BankRequest, BankAnswer]] = []

    async def find_customer(self, phone: str) -> Customer | None:
        """See `Bank`."""
        return self._ledger.find_customer(phone)

    async def find_by_name(self, names: Sequence[str], born: Sequence[str]) -> tuple[Customer, ...]:
        """See `Bank`."""
        return self._ledger.find_by_name(names, born)

    async def fact_hashes(self, customer_id: str) -> FactHashes:
        """See `Bank`."""
        return self._ledger.fact_hashes(customer_id)

    async def execute(self, request: BankRequest) -> BankAnswer:
        """See `Bank`."""
        answer = self._ledger.execute(request)
        self.done.append((request, answer))
        return answer

    async def close(self) -> None:
        """Close the books."""
        self._ledger.close()

    def state(self, phone: str) -> dict[str, Any]:
        """What one customer has now."""
        (shown,) = self._ledger.show(phone)
        return shown


class OwnAttempts:
    """An `AttemptStore` of one call: simulated callers do not lock each other out."""

    def __init__(self) -> None:
        self._failures: dict[int, tuple[str, datetime]] = {}
        self._row = itertools.count()

    async def failures_since(self, subject: str, since: datetime) -> int:
        """See `AttemptStore`."""
        return sum(one == subject and at >= since for one, at in self._failures.values())

    async def add_failure(self, subject: str, call_id: CallId, at: datetime) -> None:
        """See `AttemptStore`."""
        self._failures[next(self._row)] = (subject, at)

    async def reserve(self, subjects: Sequence[str], call_id: CallId, at: datetime, since: datetime) -> Reserved:
        """See `AttemptStore`."""
        before = [await self.failures_since(subject, since) for subject in subjects]
        rows = [next(self._row) for _ in subjects]
        self._failures |= {row: (subject, at) for row, subject in zip(rows, subjects, strict=True)}
        return Reserved(tuple(rows), tuple(before))

    async def release(self, rows: Sequence[int]) -> None:
        """See `AttemptStore`."""
        for row in rows:
            del self._failures[row]

    async def tally(self, subject: str, since: datetime, before: datetime) -> Tally:
        """See `AttemptStore`; one call's failures are no attack."""
        failures = sum(one == subject and since <= at < before for one, at in self._failures.values())
        return Tally(failures, min(1, failures))

    async def raise_once(self, subject: str, call_id: CallId, at: datetime, since: datetime) -> bool:
        """See `AttemptStore`."""
        if await self.failures_since(subject, since):
            return False
        await self.add_failure(subject, call_id, at)
        return True

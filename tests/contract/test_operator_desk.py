"""The desk page in the operators' part, held to the contract of a queue."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from ivrbot.operators.desk import OperatorDesk
from tests.contract.operator_queue import OperatorLine, keeps_its_promises
from tests.fakes.store import MemoryStore


class DeskLine(OperatorLine):
    """One open desk page."""

    def __init__(self) -> None:
        self.queue = self.desk = OperatorDesk(MemoryStore(), now=lambda: datetime.now(UTC))

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        with self.desk.in_talk(time.monotonic):
            yield

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        self.desk.callers_waiting = lambda: 1
        yield
        self.desk.callers_waiting = lambda: 0

    async def settled(self) -> None:
        """The desk knows at once."""


async def test_the_desk_keeps_the_promises_of_a_queue() -> None:
    line = DeskLine()
    assert await line.desk.state("other") is None
    with line.desk.at_desk():
        await keeps_its_promises(line)

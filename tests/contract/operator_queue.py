"""What every operators' queue promises about its state, whoever stands behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager

from ivrbot.model.operators import QueueState
from ivrbot.ports import OperatorQueue

QUEUE = "other"


class OperatorLine(ABC):
    """A queue with one operator, as a test can drive it."""

    queue: OperatorQueue

    @abstractmethod
    def talking(self) -> AbstractAsyncContextManager[object]:
        """While the operator talks to a caller."""

    @abstractmethod
    def waiting(self) -> AbstractAsyncContextManager[object]:
        """While one more caller waits."""

    @abstractmethod
    async def settled(self) -> None:
        """Wait until what happened can be seen in the state."""


async def keeps_its_promises(line: OperatorLine) -> None:
    """Run the contract: free, busy, busy with somebody waiting, free again."""
    free = await _state(line)
    assert free.operators == free.free == 1
    assert free.serves_at_once and free.expected_wait_s == 0.0
    async with line.talking():
        busy = await _state(line)
        assert (busy.operators, busy.free, busy.waiting) == (1, 0, 0)
        assert not busy.serves_at_once
        # Nobody has ended a talk yet: more than the wait that the exchange itself has measured would be invented.
        assert busy.expected_wait_s == busy.hold_s
        async with line.waiting():
            queued = await _state(line)
            assert (queued.free, queued.waiting) == (0, 1)
    again = await _state(line)
    assert again.serves_at_once
    assert again.as_of >= free.as_of


async def _state(line: OperatorLine) -> QueueState:
    await line.settled()
    state = await line.queue.state(QUEUE)
    assert state is not None and state.queue == QUEUE
    return state

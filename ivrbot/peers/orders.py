"""What the supervisor has said to this worker: whether it leads, and which workers live.

Takes the control pipe, gives the orders in force and every change.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ivrbot.seat import Seat

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OrdersInForce:
    """What the supervisor has said.

    Attributes:
        leads: this worker has the web, and the work that is done once.
        first: nobody has led before.
        living: numbers of the workers that are there.
    """

    leads: bool = False
    first: bool = False
    living: frozenset[int] = frozenset()


class Orders:
    """Reads the control pipe on the event loop.

    Args:
        seat: of this process.
    """

    def __init__(self, seat: Seat) -> None:
        self._fd = seat.control_fd
        self._news = asyncio.Event()
        self._rest = b""
        self.in_force = OrdersInForce()

    def open(self) -> None:
        """Listen from now on."""
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self._fd)

    async def changes(self) -> AsyncIterator[tuple[OrdersInForce, OrdersInForce]]:
        """Every change: as it was at the last one, as it is now. One that is overtaken is left out."""
        before = OrdersInForce()
        while True:
            await self._news.wait()
            self._news.clear()
            now = self.in_force
            if now != before:
                yield before, now
                before = now

    def _read(self) -> None:
        try:
            said = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        if not said:  # the supervisor is gone; the heartbeat notices it as well, and ends this process
            self.close()
            return
        *lines, self._rest = (self._rest + said).split(b"\n")
        for line in lines:
            self.in_force = obeyed(self.in_force, line.decode("ascii", "replace"))
        self._news.set()


def obeyed(in_force: OrdersInForce, line: str) -> OrdersInForce:
    """What a word of the supervisor makes of a in_force; a word that this version does not know makes nothing."""
    match line.split():
        case ["lead"]:
            return OrdersInForce(True, in_force.first, in_force.living)
        case ["lead", "first"]:
            return OrdersInForce(True, True, in_force.living)
        case ["follow"]:
            return OrdersInForce(False, False, in_force.living)
        case ["living", numbers]:
            return OrdersInForce(in_force.leads, in_force.first, frozenset(int(one) for one in numbers.split(",")))
        case _:
            log.warning("the supervisor says something that is not understood")
            return in_force


def to_clear(before: OrdersInForce, now: OrdersInForce, workers: int) -> frozenset[int]:
    """Numbers of workers whose calls this one clears away: whoever leads does, once it knows that they are gone.

    Who begins to lead clears all that are not there: that they were gone it may have heard before it led.
    """
    if not now.leads:
        return frozenset()
    return (before.living if before.leads else frozenset(range(1, workers + 1))) - now.living

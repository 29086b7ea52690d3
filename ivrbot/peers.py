"""One of several workers among the others: what the supervisor has said, and what that makes it do.

Takes the seat and the worker's parts. Every worker takes calls of the telephone; one of them leads: it has the web
(registrations, pages, the softphone with its operators) and does the work that is done once.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Final

from ivrbot.call.shared_door import SharedDesk
from ivrbot.errors import StorageError
from ivrbot.seat import Seat, sockets_of
from ivrbot.storage.call_places import CallPlaces
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.web.server import WebServer

log = logging.getLogger(__name__)

FORGET_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
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
        self.standing = Standing(living=frozenset({seat.number}))

    def open(self) -> None:
        """Listen from now on."""
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self._fd)

    async def changes(self) -> AsyncIterator[tuple[Standing, Standing]]:
        """Every change: as it was at the last one, as it is now. One that is overtaken is left out."""
        before = Standing(living=self.standing.living)
        while True:
            await self._news.wait()
            self._news.clear()
            now = self.standing
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
            self.standing = obeyed(self.standing, line.decode("ascii", "replace"))
        self._news.set()


def obeyed(standing: Standing, line: str) -> Standing:
    """What a word of the supervisor makes of a standing; a word that this version does not know makes nothing."""
    match line.split():
        case ["lead"]:
            return Standing(True, standing.first, standing.living)
        case ["lead", "first"]:
            return Standing(True, True, standing.living)
        case ["follow"]:
            return Standing(False, False, standing.living)
        case ["living", numbers]:
            return Standing(standing.leads, standing.first, frozenset(int(one) for one in numbers.split(",")))
        case _:
            log.warning("the supervisor says something that is not understood")
            return standing


Job = Callable[[], Coroutine[None, None, None]]
"""Work for as long as the process does it; ends only by being cancelled."""
Greet = Callable[[int, int], Awaitable[None]]
"""Says that calls are taken: the port of the web, that of AudioSocket."""


class TeamMember:
    """A worker that shares its ports, and leads when it is told to.

    Args:
        seat: of this process.
        desk: of its calls.
        places: of the calls of all workers.
        gateway: AudioSocket.
        web: served by whoever leads.
        once: done by whoever leads.
        max_calls: of all workers together.
    """

    def __init__(
        self,
        seat: Seat,
        desk: SharedDesk,
        places: CallPlaces,
        gateway: AudioSocketGateway,
        web: WebServer,
        once: Mapping[str, Job],
        max_calls: int,
    ) -> None:
        self._seat = seat
        self._desk = desk
        self._places = places
        self._gateway = gateway
        self._web = web
        self._once = once
        self._orders = Orders(seat)
        self._jobs: list[asyncio.Task[None]] = []
        self._media_port = 0
        desk.share(places, lambda: self._room(max_calls), lambda: ())

    async def join(self, group: asyncio.TaskGroup) -> None:
        """Take calls beside the others.

        Args:
            group: of the process.

        Raises:
            StorageError: the places of calls are not known.
        """
        await self._places.free(self._seat.name)  # of calls that ended with whom this one replaces
        self._orders.open()
        await self._web.prepare()
        self._desk.open(group)
        self._media_port = await self._gateway.start(sockets_of(self._seat.media_fds))

    async def follow_orders(self, group: asyncio.TaskGroup, greet: Greet) -> None:
        """Lead, or leave that to another, until cancelled.

        Args:
            group: of the process.
            greet: called once, by whoever leads first of all.
        """
        try:
            async for before, now in self._orders.changes():
                if now.leads and not before.leads:
                    await self._lead(group, greet if now.first else None)
                elif before.leads and not now.leads:
                    self._follow()
                if now.leads:
                    await self._free_places_of(before.living - now.living)
        finally:
            self._orders.close()

    def _room(self, max_calls: int) -> int:
        """For so many calls: what the workers that live can serve."""
        return min(max_calls, self._seat.share(max_calls) * len(self._orders.standing.living))

    async def _lead(self, group: asyncio.TaskGroup, greet: Greet | None) -> None:
        web_port = await self._web.start(sockets_of(self._seat.web_fds))
        self._jobs = [group.create_task(job(), name=name) for name, job in self._once.items()]
        if greet is not None:
            await greet(web_port, self._media_port)

    def _follow(self) -> None:
        self._web.take_no_more()
        for job in self._jobs:
            job.cancel()
        self._jobs = []

    async def _free_places_of(self, gone: frozenset[int]) -> None:
        for number in gone:
            try:
                await self._places.free(f"{self._seat.node}/{number}")
            except StorageError as error:
                log.warning("places of calls that ended with their worker are free later: %s", error.code)


async def forget_places(desk: SharedDesk) -> None:
    """Note calls that were announced and never came; until cancelled."""
    while True:
        await asyncio.sleep(FORGET_EVERY_S)
        try:
            await desk.forget_late()
        except StorageError as error:
            log.warning("late places are forgotten later: %s", error.code)

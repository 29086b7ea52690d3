"""A worker that shares its ports with others: it takes calls, and leads when the supervisor says so.

Takes the seat and the worker's parts. Every worker takes calls of the telephone; one of them leads: it has the web
(registrations, pages, the softphone with its operators) and does the work that is done once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Final

from aiohttp.web import Request

from ivrbot.app import Core
from ivrbot.call.shared_door import SharedDesk
from ivrbot.errors import StorageError
from ivrbot.peers.balance import FRESH_S, Load, fresh, least_busy, takes_next
from ivrbot.peers.handing import Handing
from ivrbot.peers.news import News
from ivrbot.peers.orders import Orders, to_clear
from ivrbot.seat import Seat, sockets_of
from ivrbot.storage.call_places import CallPlaces
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.web.server import WebServer

log = logging.getLogger(__name__)

FORGET_EVERY_S: Final = 10.0

Job = Callable[[], Coroutine[None, None, None]]
"""Work for as long as the process does it; ends only by being cancelled."""
Greet = Callable[[int, int], Awaitable[None]]
"""Says that calls are taken: the port of the web, that of AudioSocket."""


class TeamMember:
    """A worker that shares its ports, and leads when it is told to.

    Args:
        seat: of this process.
        desk: of its calls.
        core: everything else of this worker.
        gateway: AudioSocket.
        web: served by whoever leads.
        once: done by whoever leads.
    """

    def __init__(
        self,
        seat: Seat,
        desk: SharedDesk,
        core: Core,
        gateway: AudioSocketGateway,
        web: WebServer,
        once: Mapping[str, Job],
    ) -> None:
        self._seat = seat
        self._desk = desk
        self._router = core.parts.router
        self._most = seat.share(core.settings.call.max_calls)
        self._places = CallPlaces(core.store, seat.node, seat.name, time.monotonic)
        self._news = News(seat, core.store, core.recorder, core.desk, self._load, self._look_around)
        self._handing = Handing(seat, web.take_over)
        self._web_sockets = sockets_of(seat.web_fds)
        self._media_sockets = sockets_of(seat.media_fds)
        self._around = asyncio.Event()
        self._gateway = gateway
        self._web = web
        self._once = once
        self._orders = Orders(seat)
        self._jobs: list[asyncio.Task[None]] = []
        self._media_port = 0
        desk.share(self._places, self, self._call_came_or_went)
        core.parts.router.share(self._news.held)
        web.share_media(self._hand_over)

    async def join(self, group: asyncio.TaskGroup) -> None:
        """Be ready to take calls beside the others, as soon as the supervisor knows of this worker.

        Args:
            group: of the process.

        Raises:
            StorageError: the places of calls are not known.
        """
        await self._places.free(self._seat.name)  # of calls that ended with whom this one replaces
        self._orders.open()
        await self._news.open()
        self._handing.open()
        await self._web.prepare()
        self._desk.open(group)

    # --- the other workers, for the door ---

    def live(self) -> set[str]:
        """Ids of calls that they have."""
        return self._news.live()

    def are_able(self) -> bool:
        """One of them has the strength for one more call."""
        return any(load.able for load in fresh(self._news.loads.values(), time.monotonic()))

    def room(self, most: int) -> int:
        """Of so many calls at once, how many the workers that live can serve together, this one included."""
        return min(most, self._most * max(1, len(self._orders.in_force.living)))

    # --- what goes on beside calls ---

    async def keep_in_touch(self) -> None:
        """Tell and hear news, and leave connections to whoever has fewer calls; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._news.run(), name="news")
            while True:
                self._around.clear()
                if self._media_port:
                    others, now_s = self._news.loads.values(), time.monotonic()
                    await self._gateway.take_connections(takes_next(self._load(), others, self._most, now_s))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FRESH_S):
                        await self._around.wait()

    async def follow_orders(self, group: asyncio.TaskGroup, greet: Greet) -> None:
        """Lead, or leave that to another, until cancelled.

        Args:
            group: of the process.
            greet: called once, by whoever leads first of all.
        """
        try:
            async for before, now in self._orders.changes():
                if not self._media_port and self._seat.number in now.living:
                    # Not before: while nobody lives the supervisor keeps the doors closed.
                    self._media_port = await self._gateway.start(self._media_sockets)
                if now.leads and not before.leads:
                    await self._lead(group, greet if now.first else None)
                elif before.leads and not now.leads:
                    self._follow()
                for number in before.living - now.living:
                    await self._news.gone(number)
                for number in to_clear(before, now, self._seat.of):
                    await self._free_places_of(number)
        finally:
            self._follow()
            self._orders.close()
            self._handing.close()

    def _hand_over(self, request: Request) -> bool:
        number = least_busy(self._load(), self._news.loads, self._most, time.monotonic())
        return number is not None and self._handing.give(request, number)

    def _load(self) -> Load:
        live = tuple(call.registration.call_id for call in self._desk.live)
        return Load(live, tuple(self._router.held), self._desk.able, time.monotonic())

    def _call_came_or_went(self) -> None:
        self._news.say()
        self._around.set()

    def _look_around(self) -> None:
        self._around.set()

    async def _lead(self, group: asyncio.TaskGroup, greet: Greet | None) -> None:
        web_port = await self._web.start(self._web_sockets)
        self._jobs = [group.create_task(job(), name=name) for name, job in self._once.items()]
        if greet is not None:
            await greet(web_port, self._media_port)

    def _follow(self) -> None:
        self._web.take_no_more()
        for job in self._jobs:
            job.cancel()
        self._jobs = []

    async def _free_places_of(self, number: int) -> None:
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

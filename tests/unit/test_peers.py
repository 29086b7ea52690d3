"""One of several workers among the others: orders, who takes the next call, news over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from ivrbot.analytics.recorder import Recorder
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType
from ivrbot.operators.desk import OperatorDesk
from ivrbot.peers.balance import FRESH_S, Load, takes_next
from ivrbot.peers.handing import Handing
from ivrbot.peers.news import GONE, News
from ivrbot.peers.orders import OrdersInForce, obeyed, to_clear
from ivrbot.seat import Seat, seat_in
from ivrbot.storage.store import Store

NOW_S = 1000.0
MOST = 5


def load(calls: int, *, able: bool = True, age_s: float = 0.0) -> Load:
    """A worker with so many calls."""
    return Load(tuple(f"call-{number}" for number in range(calls)), able=able, at_s=NOW_S - age_s)


def takes(own: Load, *others: Load) -> bool:
    return takes_next(own, others, MOST, NOW_S)


# --- orders -----------------------------------------------------------------------------------------------


def test_orders_in_their_order() -> None:
    standing = OrdersInForce()
    for line in ("living 1,2", "lead first", "living 2"):
        standing = obeyed(standing, line)
    assert standing == OrdersInForce(True, True, frozenset({2}))
    assert obeyed(standing, "follow") == OrdersInForce(False, False, frozenset({2}))
    assert obeyed(standing, "dance") == standing


def test_who_leads_clears_away_after_those_who_are_gone_also_before_it_led() -> None:
    follows, both, one = OrdersInForce(living=frozenset({1, 2})), frozenset({1, 2}), frozenset({2})
    assert to_clear(follows, OrdersInForce(living=one), 3) == frozenset()
    assert to_clear(OrdersInForce(living=one), OrdersInForce(True, False, one), 3) == {1, 3}
    assert to_clear(OrdersInForce(True, False, both), OrdersInForce(True, False, one), 3) == {1}
    assert to_clear(OrdersInForce(True, False, one), OrdersInForce(True, False, both), 3) == frozenset()


def test_a_seat_comes_through_the_environment_as_it_was() -> None:
    seat = Seat(2, 3, "host:1:ab", "/tmp/x", (7, 8), (9,), 10)
    assert seat_in(seat.environment()) == seat
    assert seat_in({}) is None
    assert (seat.share(20), seat.share(2), seat.share(1)) == (7, 1, 1)


# --- who takes the next call ------------------------------------------------------------------------------


def test_the_one_with_fewer_calls_takes_the_next() -> None:
    assert takes(load(2), load(2))
    assert takes(load(0), load(3))
    assert not takes(load(3), load(2))
    assert not takes(load(3), load(4), load(2))


def test_a_full_or_tired_worker_leaves_it_to_the_others() -> None:
    assert not takes(load(MOST), load(MOST - 1))
    assert not takes(load(0, able=False), load(4))


@pytest.mark.parametrize(
    "others",
    [(), (load(MOST),), (load(0, able=False),), (load(0, age_s=FRESH_S + 0.1),)],
    ids=["alone", "the other is full", "the other is tired", "the other is silent"],
)
def test_somebody_always_takes_it(others: tuple[Load, ...]) -> None:
    for own in (load(MOST), load(0, able=False)):
        assert takes(own, *others)


# --- news -------------------------------------------------------------------------------------------------


def now() -> datetime:
    return datetime.now(UTC)


class Side:
    """One worker of two, without calls of its own."""

    def __init__(self, number: int, folder: Path, store: Store) -> None:
        self.seat = Seat(number, 2, "node", str(folder), (), (), 0)
        self.recorder = Recorder(store, folder / f"journal-{number}", now)
        self.desk = OperatorDesk(store)
        self.live: tuple[str, ...] = ()
        self.heard = asyncio.Event()
        self.news = News(self.seat, store, self.recorder, self.desk, self._load, self.heard.set)

    def _load(self) -> Load:
        return Load(self.live, (("call-1", "balance"),))


@asynccontextmanager
async def two_sides(folder: Path) -> AsyncIterator[tuple[Side, Side]]:
    async with Store(folder / "ivrbot.sqlite") as store, contextlib.AsyncExitStack() as stack:
        sides = Side(1, folder, store), Side(2, folder, store)
        tasks = []
        for side in sides:
            await stack.enter_async_context(side.recorder)
            await side.news.open()
        for side in sides:
            tasks.append(asyncio.create_task(side.news.run()))
        try:
            async with asyncio.timeout(10):
                for side in sides:
                    await side.heard.wait()
            yield sides
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool], side: Side) -> None:
    async with asyncio.timeout(10):
        while not condition():
            side.heard.clear()
            await side.heard.wait()


async def test_events_of_one_are_shown_by_the_other_and_stored_once(tmp_path: Path) -> None:
    async with two_sides(tmp_path) as (one, two), two.recorder.subscribe() as shown:
        one.recorder.emit(CallId("call-1"), EventType.CALL_STARTED, 0, {"language": "ru"})
        event = await asyncio.wait_for(anext(shown), 10)
        assert (event.call_id, event.seq, event.type) == ("call-1", 0, EventType.CALL_STARTED)
        assert two.recorder.waiting == 0


async def test_what_one_has_to_do_is_known_to_the_other_and_goes_with_it(tmp_path: Path) -> None:
    async with two_sides(tmp_path) as (one, two):
        one.live = ("call-1",)
        one.news.say()
        await until(lambda: two.news.live() == {"call-1"}, two)
        assert two.news.held() == {("call-1", "balance")}
        one.recorder.emit(CallId("call-1"), EventType.CALL_STARTED, 0, {})
        await one.recorder.flush()
        async with two.recorder.subscribe(CallId("call-1")) as shown:
            await two.news.gone(1)
            while (event := await asyncio.wait_for(anext(shown), 10)).type is not EventType.CALL_ENDED:
                pass
        assert ended_so(event) == (1, GONE)
        assert two.news.live() == set()


def ended_so(event: CallEvent) -> tuple[int, object]:
    return event.seq, event.data["reason"]


# --- connections --------------------------------------------------------------------------------------------


async def test_a_websocket_that_came_to_one_goes_on_in_the_other(tmp_path: Path) -> None:
    """Its first lines and its socket move; what it is answered with comes from the other one."""
    seats = [Seat(number, 2, "node", str(tmp_path), (), (), 0) for number in (1, 2)]
    loop = asyncio.get_running_loop()

    async def take_over(connection: socket.socket, head: bytes) -> None:
        assert runners[1].server is not None
        _, protocol = await loop.connect_accepted_socket(runners[1].server, connection)
        assert isinstance(protocol, asyncio.Protocol)
        protocol.data_received(head)

    async def not_here(connection: socket.socket, head: bytes) -> None:
        raise AssertionError((connection, head))

    one, two = Handing(seats[0], not_here), Handing(seats[1], take_over)
    runners = [web.AppRunner(who("1", one.give)), web.AppRunner(who("2", lambda *_: False))]
    for runner in runners:
        await runner.setup()
    one.open()
    try:
        site = web.TCPSite(runners[0], "127.0.0.1", 0)
        await site.start()
        url = "http://{}:{}/ws?name=%D0%B0".format(*runners[0].addresses[0])
        async with aiohttp.ClientSession() as client:
            async with client.ws_connect(url) as ws:  # nobody takes it: it stays
                assert await ws.receive_str() == "1 а"
            two.open()
            async with client.ws_connect(url) as ws:
                assert await ws.receive_str() == "2 а"
                await ws.send_str("and back")
                assert await ws.receive_str() == "and back"
    finally:
        one.close()
        two.close()
        for runner in runners:
            await runner.cleanup()


def who(number: str, give: Callable[[web.Request, int], bool]) -> web.Application:
    """Says which worker it is, and what is said to it; gives its connections to the second one where it can."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if give(request, 2):
            return web.Response()
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str(f"{number} {request.query['name']}")
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    application = web.Application()
    application.router.add_get("/ws", serve)
    return application

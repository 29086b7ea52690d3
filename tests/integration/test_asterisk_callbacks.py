"""Queues' states and call-backs in a real Asterisk; SIPp plays operator, callers and telephone network."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ivrbot.config import OperatorSettings
from ivrbot.model.call import CallId, QueueName
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.operators import Callback, CallbackId, CallbackState
from ivrbot.operators.desk import OperatorDesk
from ivrbot.operators.dialler import CallbackDialler, DiallerParts
from ivrbot.storage.callbacks import CallbackBook
from ivrbot.telephony.asterisk import AmiAccount, AmiControl
from ivrbot.telephony.asterisk_callbacks import AsteriskCallbacks
from ivrbot.telephony.asterisk_queues import KEPT_S, AsteriskQueues
from ivrbot.web.server import WebServer
from tests.contract.operator_queue import OperatorLine, keeps_its_promises
from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.server import AsteriskServer, Site, free_port
from tests.integration.asterisk.sip import PATIENCE_S, Caller, OperatorPhone
from tests.integration.asterisk.stage import API_WAIT_S
from tests.integration.asterisk.wait import until
from tests.unit.web_fixture import TOKEN, open_site

pytestmark = pytest.mark.integration

NUMBER = "+79161234567"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Exchange:
    """One running telephone exchange with the parts of the product that dial."""

    installation: Installation
    server: AsteriskServer
    operator: OperatorPhone
    caller: OperatorPhone
    desk: OperatorDesk
    book: CallbackBook
    dialler: CallbackDialler
    ami: AmiControl
    events: list[tuple[EventType, dict[str, JsonValue]]]

    async def ask(self) -> str:
        """Somebody has asked to be called back, and it is time."""
        callback = Callback(
            CallbackId(str(uuid.uuid4())),
            CallId(str(uuid.uuid4())),
            now(),
            now() - timedelta(seconds=1),
            QueueName("loans"),
            "loan_info",
            "d" * 32,
            "ru",
        )
        await self.book.add(callback, NUMBER)
        return callback.callback_id

    async def until(self, callback_id: str, state: CallbackState, timeout_s: float = PATIENCE_S) -> Callback:
        """Wait for a state of a call-back."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + timeout_s
        while True:
            found = await self.book.callback(callback_id)
            assert found is not None
            if found.state is state:
                return found
            assert loop.time() < ends_s, f"{found}\n{self.events}\n{self.server.log_tail()}"
            await asyncio.sleep(0.1)


@pytest.fixture
async def exchange(asterisk_installation: Installation, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Builds an `Exchange`; the telephones ring as long as told."""
    async with AsyncExitStack() as stack:

        async def build(
            *, originate: bool = True, operator_ms: int = 200, caller_ms: int = 200, **settings: Any
        ) -> Exchange:
            operator = await stack.enter_async_context(OperatorPhone(asterisk_installation, operator_ms))
            caller = await stack.enter_async_context(OperatorPhone(asterisk_installation, caller_ms))
            web = await stack.enter_async_context(open_site(tmp_path))
            site = Site(
                api="",
                media=f"127.0.0.1:{free_port()}",  # no bot: whoever rings is queued
                token=TOKEN,
                operators={"operator1": operator.port},
                originate=originate,
                network_port=caller.port,
                api_wait_s=API_WAIT_S,
            )
            ami = AmiControl(AmiAccount("127.0.0.1", site.ami_port, "ivrbot", site.ami_secret))
            queues = AsteriskQueues(ami, now, asyncio.get_running_loop().time)
            desk = OperatorDesk(web.parts.store, [ami], queues=queues.state, now=now)
            book = CallbackBook(web.parts.store)
            events: list[tuple[EventType, dict[str, JsonValue]]] = []

            async def record(_id: CallId, kind: EventType, data: dict[str, JsonValue]) -> None:
                events.append((kind, data))

            always = OperatorSettings(callbacks="dial", callback_hours="mon-sun 00:00-24:00", **settings)
            dialler = CallbackDialler(DiallerParts(book, AsteriskCallbacks(ami), desk.state, always, record, now))
            reporting = WebServer(replace(web.parts, dialler=dialler))
            port = await reporting.start()
            stack.push_async_callback(reporting.stop)
            server = AsteriskServer(
                asterisk_installation,
                replace(site, api=f"http://127.0.0.1:{port}"),
                keep_in=tmp_path / "asterisk",
            )
            await stack.enter_async_context(server)
            running = asyncio.create_task(ami.run())
            stack.push_async_callback(ended, running)
            stack.push_async_callback(ami.close)
            assert await ami.wait_connected(int(PATIENCE_S * 1000))
            return Exchange(asterisk_installation, server, operator, caller, desk, book, dialler, ami, events)

        yield build


async def ended(task: asyncio.Task[None]) -> None:
    await task


class PbxLine(OperatorLine):
    """One operator's telephone in every queue, callers by SIPp; who rings is queued, since there is no bot."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.queue = exchange.desk

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        async with Caller(self.exchange.installation, self.exchange.server.site.sip_port):
            await self.exchange.operator.talking()
            yield

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        port = self.exchange.server.site.sip_port
        async with Caller(self.exchange.installation, port, number="+79990000001") as caller:
            await caller.answered()
            yield

    async def settled(self) -> None:
        """An answer is kept for a while, and queues are entered a moment after the answer."""
        await asyncio.sleep(KEPT_S + 1.0)


async def test_asterisks_queue_keeps_the_promises_of_a_queue(exchange: Callable[..., Any]) -> None:
    line: Exchange = await exchange()
    assert await line.desk.state("no_such_queue") is None
    await keeps_its_promises(PbxLine(line))


async def test_a_time_is_told_once_talks_have_shown_how_long_they_are(exchange: Callable[..., Any]) -> None:
    line: Exchange = await exchange()
    sip_port = line.server.site.sip_port
    async with Caller(line.installation, sip_port) as first:
        await line.operator.talking()
        async with Caller(line.installation, sip_port, number="+79990000001"):
            await asyncio.sleep(KEPT_S)
            await first.hang_up()
            await until(lambda: len(line.operator.rings()) == 2, PATIENCE_S)
            await asyncio.sleep(KEPT_S)
            busy = await line.desk.state("other")
            assert busy is not None and (busy.free, busy.waiting) == (0, 0)
            assert busy.expected_wait_s is not None and busy.expected_wait_s > 0
            # the same operator serves every queue
            loans = await line.desk.state("loans")
            assert loans is not None and loans.expected_wait_s == busy.expected_wait_s


async def test_a_call_back_connects_an_operator_and_then_the_caller(exchange: Callable[..., Any]) -> None:
    line: Exchange = await exchange(operator_ms=2000)
    callback_id = await line.ask()
    await line.dialler.look()
    ring = await line.operator.rung()
    assert ring.headers["x-bot-reason"] == "callback"
    assert ring.headers["x-bot-dossier"] == "d" * 32
    assert ring.headers["x-bot-topic"] == "loan_info"
    rung = await line.caller.rung()
    assert NUMBER in rung.first_line
    # the operator picks up two seconds after the ring; two telephones' clocks are not compared more closely
    assert rung.at_s > ring.at_s + 1.5, "the caller was rung before an operator had answered"
    done = await line.until(callback_id, CallbackState.DONE)
    assert (done.attempts, done.result) == (1, "answered")
    await line.caller.talking()
    await line.dialler.look()
    assert len(line.caller.rings()) == 1
    assert [kind for kind, _ in line.events] == [EventType.CALLBACK_DIALLED, EventType.CALLBACK_ENDED]
    assert NUMBER not in str(line.events)


async def test_who_does_not_answer_is_tried_again_later(exchange: Callable[..., Any]) -> None:
    line: Exchange = await exchange(caller_ms=60_000, callback_ring_s=5)
    callback_id = await line.ask()
    await line.dialler.look()
    await line.caller.rung()
    tried = await line.until(callback_id, CallbackState.OPEN)
    assert (tried.attempts, tried.result) == (1, "no_answer")
    assert tried.due_at > now() + timedelta(minutes=10)


async def test_without_an_operator_nobody_is_rung(exchange: Callable[..., Any]) -> None:
    line: Exchange = await exchange(operator_ms=60_000, callback_queue_s=5)
    callback_id = await line.ask()
    await line.dialler.look()
    await line.operator.rung()
    tried = await line.until(callback_id, CallbackState.OPEN)
    assert (tried.attempts, tried.tries, tried.result) == (0, 1, "no_operator")
    assert not line.caller.rings()


async def test_an_account_that_may_not_dial_says_so(exchange: Callable[..., Any]) -> None:
    line: Exchange = await exchange(originate=False)
    callback_id = await line.ask()
    await line.dialler.look()
    refused = await line.until(callback_id, CallbackState.OPEN)
    assert (refused.attempts, refused.result) == (0, "not_placed")
    assert line.ami.failures["rejected"] == 1

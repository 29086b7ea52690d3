"""The softphone gateway keeps the promises of all gateways, and its own: one page, one call, then a person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ivrbot.config import MediaSettings
from ivrbot.errors import LegRefused
from ivrbot.metrics import REGISTRY
from ivrbot.model.audio import FRAME_BYTES, Frame
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.telephony.operator_line import OperatorLine, Side
from ivrbot.telephony.pacer import PacedLeg, Pacer
from ivrbot.telephony.softphone import SoftphoneGateway
from tests.contract.gateway import GatewayContract, marked_frames, new_call_id
from tests.fakes.media import RecordingDoor
from tests.fakes.waiting import until


class Stories:
    """Events of calls, as a recorder hands them out: when a leg has closed, how the call ended."""

    def __init__(self) -> None:
        self.ending: dict[str, JsonValue] = {"disposition": "resolved", "reason": "served"}
        self.is_told = True

    @asynccontextmanager
    async def follow(self, call_id: CallId) -> AsyncIterator[AsyncIterator[CallEvent]]:
        async def events() -> AsyncIterator[CallEvent]:
            now = datetime.now(UTC)
            yield CallEvent(call_id, 0, EventType.BOT_SAID, 0, now, {})
            if not self.is_told:
                await asyncio.Event().wait()
            yield CallEvent(call_id, 1, EventType.CALL_ENDED, 5, now, self.ending)

        yield events()


class Page:
    """A browser page: sends sound at the pace of a microphone, remembers what it is told."""

    def __init__(self, clock: Pacer, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._clock, self._ws = clock, ws
        self._to_say: list[Frame] = []
        self._outbox: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._sound = bytearray()
        self.told: list[dict[str, Any]] = []
        self._paced: PacedLeg | None = None
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    def say(self, frames: Sequence[Frame]) -> None:
        self._to_say += frames
        if self._paced is None:
            next_frame: Callable[[], Frame | None] = lambda: self._to_say.pop(0) if self._to_say else None  # noqa: E731
            self._paced = self._clock.add(next_frame, self._outbox.put_nowait)

    def send(self, **message: object) -> None:
        self._outbox.put_nowait(json.dumps(message))

    def send_raw(self, data: str | bytes) -> None:
        self._outbox.put_nowait(data)

    def press(self, key: str) -> None:
        self.send(type="key", key=key)

    def hang_up(self) -> None:
        self.send(type="hangup")

    @property
    def received(self) -> bytes:
        return bytes(self._sound)

    @property
    def is_over(self) -> bool:
        return self._ws.closed or any(message["type"] in {"ended", "error"} for message in self.told)

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.told]

    async def close(self) -> None:
        if self._paced:
            self._clock.remove(self._paced)
        await self._ws.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._ws:
            if message.type is aiohttp.WSMsgType.BINARY:
                self._sound += message.data
            elif message.type is aiohttp.WSMsgType.TEXT:
                self.told.append(json.loads(message.data))

    async def _write(self) -> None:
        while True:
            item = await self._outbox.get()
            try:
                if isinstance(item, str):
                    await self._ws.send_str(item)
                else:
                    await self._ws.send_bytes(item)
            except ConnectionError:
                return


class SoftphoneLine:
    def __init__(self, media: MediaSettings | None = None) -> None:
        self.door = RecordingDoor()
        self.stories = Stories()
        self.registered: list[CallRegistration] = []
        self.is_busy = False
        self._ids: list[CallId] = []
        self.gateway = SoftphoneGateway(
            self.door,
            Pacer(),
            self._register,
            self.stories.follow,
            media or MediaSettings(),
            lambda: self._ids.pop(0) if self._ids else new_call_id(),
        )
        self._clock = Pacer()
        self._pages: list[Page] = []
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.url = ""

    async def start(self) -> None:
        application = web.Application()
        application.add_routes([web.get("/ws", self.gateway.handle)])
        self._runner = web.AppRunner(application, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/ws"
        self._session = aiohttp.ClientSession()

    async def stop(self) -> None:
        assert self._runner and self._session
        for page in self._pages:
            await page.close()
        await self._session.close()
        await self.gateway.stop()
        await self._runner.cleanup()

    async def _register(self, registration: CallRegistration) -> bool:
        self.registered.append(registration)
        return not self.is_busy

    async def open(self, **headers: str) -> Page:
        assert self._session
        self._pages.append(Page(self._clock, await self._session.ws_connect(self.url, headers=headers)))
        return self._pages[-1]

    async def ring(self, call_id: CallId) -> Page:
        self._ids.append(call_id)
        page = await self.open()
        page.send(type="start", language="ru", caller="+79161234567")
        return page

    @property
    def open_legs(self) -> int:
        return self.gateway.legs


@pytest.fixture
async def line() -> AsyncIterator[SoftphoneLine]:
    line = SoftphoneLine()
    await line.start()
    yield line
    await line.stop()


class TestSoftphoneGateway(GatewayContract):
    """See the contract."""


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_the_call_is_registered_with_what_the_page_chose(line: SoftphoneLine) -> None:
    call_id = new_call_id()
    page = await line.ring(call_id)
    await until(lambda: "ready" in page.kinds())
    expected = CallRegistration(call_id, caller="+79161234567", gateway="softphone", language="ru")
    assert line.registered == [expected]
    assert page.told[0] == {"type": "ready", "call_id": call_id}


@pytest.mark.parametrize(
    ("typed", "caller"), [("", ""), ("8 (916) 123-45-67", "89161234567"), ("x\r\n<1>", "1"), (None, "")]
)
async def test_a_number_is_reduced_to_digits(line: SoftphoneLine, typed: str | None, caller: str) -> None:
    page = await line.open()
    page.send(type="start", caller=typed, language="tlh")
    await until(lambda: line.registered)
    assert (line.registered[0].caller, line.registered[0].language) == (caller, None)


async def test_the_screen_is_told_what_was_said(line: SoftphoneLine) -> None:
    page = await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    line.door.sinks[0].leg.notify({"type": "transcript", "who": "bot", "text": "Здравствуйте", "t_ms": 7})
    await until(lambda: "transcript" in page.kinds())
    assert page.told[-1] == {"type": "transcript", "who": "bot", "text": "Здравствуйте", "t_ms": 7}


async def test_a_busy_bot_says_so(line: SoftphoneLine) -> None:
    line.is_busy = True
    page = await line.ring(new_call_id())
    await until(lambda: page.is_over and line.open_legs == 0)
    assert page.told == [{"type": "error", "code": "busy"}]
    assert line.door.asked == []


async def test_a_used_id_is_an_error_of_this_page_only(line: SoftphoneLine) -> None:
    async def refuse(registration: CallRegistration) -> bool:
        raise LegRefused("used")

    line.gateway.register = refuse
    page = await line.ring(new_call_id())
    await until(lambda: line.open_legs == 0)
    assert page.told == [{"type": "error", "code": "refused"}]


async def test_a_foreign_page_is_refused(line: SoftphoneLine) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://[", "x"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await line.open(Origin=origin)
        assert refused.value.status == 403
    page = await line.open(Origin=line.url.removesuffix("/ws"))
    page.send(type="start")
    await until(lambda: "ready" in page.kinds())


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "7",
        '{"type":"start"}',
        '{"type":"key","key":"A"}',
        '{"type":"key","key":["1"]}',
        '{"type":"key"}',
        '{"type":"nonsense"}',
        b"\0",
        b"\0\0\0",
        '{"type":"say","text":"' + "x" * 20_000 + '"}',
    ],
)
async def test_a_broken_page_loses_its_leg_only(line: SoftphoneLine, message: str | bytes) -> None:
    other = await line.ring(new_call_id())
    await until(lambda: len(line.door.sinks) == 1)
    page = await line.ring(new_call_id())
    await until(lambda: len(line.door.sinks) == 2)
    page.send_raw(message)
    await until(lambda: line.door.sinks[1].causes)
    await until(lambda: line.open_legs == 1)
    heard = len(other.received)
    await until(lambda: len(other.received) > heard)
    assert not line.door.sinks[0].causes


async def test_sound_much_faster_than_real_time_is_bounded(line: SoftphoneLine) -> None:
    before = count("ivrbot_frames_dropped_total", queue="inbound")
    page = await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    for frame in marked_frames(400):
        page.send_raw(bytes(frame))
    page.press("1")
    await until(lambda: line.door.sinks[0].keys)
    assert len(line.door.sinks[0].frames) < 120
    assert count("ivrbot_frames_dropped_total", queue="inbound") - before > 280


async def test_a_flood_of_messages_ends_the_leg(line: SoftphoneLine) -> None:
    page = await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    for _ in range(2000):
        page.send_raw(b"")
    await until(lambda: line.door.sinks[0].causes)
    assert line.door.sinks[0].causes == ["protocol_error"]


async def test_a_closed_page_is_a_hang_up(line: SoftphoneLine) -> None:
    page = await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    await page.close()
    await until(lambda: line.open_legs == 0)
    assert line.door.sinks[0].causes == ["hangup"]


async def test_a_lost_connection_is_noticed(line: SoftphoneLine) -> None:
    page = await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    response: Any = page._ws._response
    response.connection.transport.abort()
    await until(lambda: line.open_legs == 0)
    assert line.door.sinks[0].causes == ["connection_lost"]


async def test_a_half_open_page_is_closed() -> None:
    line = SoftphoneLine(MediaSettings(silent_peer_s=0.3))
    await line.start()
    _reader, writer = await asyncio.open_connection("127.0.0.1", int(line.url.split(":")[2].removesuffix("/ws")))
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await until(lambda: line.open_legs == 1)
    await until(lambda: line.open_legs == 0)
    writer.close()
    await line.stop()


async def test_a_page_that_does_not_read_loses_sound(line: SoftphoneLine) -> None:
    before = count("ivrbot_frames_dropped_total", queue="outbound")
    call_id = new_call_id()
    line._ids.append(call_id)
    port = int(line.url.split(":")[2].removesuffix("/ws"))
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    start = b'{"type":"start"}'
    writer.write(bytes([0x81, 0x80 | len(start)]) + bytes(4) + start)
    await until(lambda: line.door.sinks)
    transport: Any = writer.transport
    transport.pause_reading()
    leg: Any = line.door.sinks[0].leg
    for _ in range(20_000):
        leg._outbox.play(bytes(FRAME_BYTES))
        if count("ivrbot_frames_dropped_total", queue="outbound") > before:
            break
        await asyncio.sleep(0)
    assert count("ivrbot_frames_dropped_total", queue="outbound") > before
    assert leg._outbox._transport.get_write_buffer_size() < 40 * FRAME_BYTES
    writer.transport.abort()
    await until(lambda: line.open_legs == 0)


async def test_too_many_pages_are_refused(line: SoftphoneLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.softphone.MAX_SOCKETS", 1)
    await line.open()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await line.open()
    assert refused.value.status == 503


async def test_a_page_that_places_no_call_is_let_go(line: SoftphoneLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.softphone.START_S", 0.05)
    page = await line.open()
    await until(lambda: line.open_legs == 0)
    assert page.told == [{"type": "error", "code": "no_start"}]


async def test_stopping_ends_the_call(line: SoftphoneLine) -> None:
    await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    await line.gateway.stop()
    await until(lambda: line.open_legs == 0)
    assert line.door.sinks[0].causes == ["shutdown"]


async def test_a_call_that_does_not_tell_its_end(line: SoftphoneLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.softphone.ENDING_S", 0.05)
    line.stories.is_told = False
    page = await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    line.door.sinks[0].leg.close()
    await until(lambda: line.open_legs == 0)
    assert page.told[-1]["type"] == "ended"
    assert page.told[-1]["waiting"] is False


# --- after an escalation --------------------------------------------------------------------------------


ESCALATED: dict[str, JsonValue] = {
    "disposition": "escalated",
    "reason": "caller_asked",
    "escalated_to": "other",
    "dossier": "d1",
}


async def escalated(line: SoftphoneLine) -> tuple[Page, OperatorLine]:
    line.stories.ending = ESCALATED
    page = await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    line.door.sinks[-1].leg.close()
    await until(lambda: "ended" in page.kinds())
    waiting = line.gateway.lines.find("d1")
    assert waiting
    return page, waiting


async def test_an_escalated_caller_waits_for_a_person(line: SoftphoneLine) -> None:
    page, _ = await escalated(line)
    assert page.told[-1] == {
        "type": "ended",
        "disposition": "escalated",
        "reason": "caller_asked",
        "escalated_to": "other",
        "dossier_id": "d1",
        "waiting": True,
    }
    assert line.gateway.lines.waiting == {"d1"}
    assert line.door.sinks[0].causes == ["closed"]


async def test_operator_and_caller_talk(line: SoftphoneLine) -> None:
    page, waiting = await escalated(line)
    desk: list[Any] = []
    assert waiting.take(desk.append)
    assert not waiting.take(desk.append), "a second operator"
    waiting.say(Side.OPERATOR, "Добрый день")
    page.send(type="say", text=" карта 4271 0000 1111 2222 ")
    await until(lambda: len(desk) == 2)
    assert desk == [
        {"type": "said", "who": "operator", "text": "Добрый день"},
        {"type": "said", "who": "caller", "text": "карта ***"},
    ]
    await until(lambda: page.kinds()[-3:] == ["operator_joined", "said", "said"])
    said = marked_frames(3)
    page.say(said)
    waiting.sound(Side.OPERATOR, bytes(said[0]))
    await until(lambda: said[-1] in desk and bytes(said[0]) in page.received)
    assert said[0] not in line.door.sinks[0].frames, "the bot hears nothing any more"
    waiting.hang_up(Side.OPERATOR)
    await until(lambda: line.open_legs == 0)
    assert page.told[-1] == {"type": "left", "who": "operator"}
    assert line.gateway.lines.find("d1") is None


async def test_the_operator_learns_that_the_caller_left(line: SoftphoneLine) -> None:
    page, waiting = await escalated(line)
    desk: list[Any] = []
    waiting.take(desk.append)
    page.hang_up()
    await until(lambda: line.open_legs == 0)
    assert desk[-1] == {"type": "left", "who": "caller"}
    assert not waiting.take(desk.append)


async def test_nobody_waits_for_ever(line: SoftphoneLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.softphone.WAIT_FOR_OPERATOR_S", 0.05)
    page, _ = await escalated(line)
    await until(lambda: line.open_legs == 0)
    assert page.told[-1] == {"type": "left", "who": "operator"}


async def test_a_caller_who_hangs_up_with_the_bot_waits_for_nobody(line: SoftphoneLine) -> None:
    line.stories.ending = ESCALATED
    page = await line.ring(new_call_id())
    await until(lambda: line.door.sinks)
    page.hang_up()
    await until(lambda: line.open_legs == 0)
    assert page.told[-1]["waiting"] is False

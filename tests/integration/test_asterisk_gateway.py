"""The product's gateways behind a real Asterisk, AudioSocket and WebSocket: sound, keys, ends, many calls."""

from __future__ import annotations

import asyncio
import math
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ivrbot.config import MediaSettings
from ivrbot.errors import LegRefused
from ivrbot.model.audio import FRAME_BYTES, Frame
from ivrbot.ports import Leg, MediaSink
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.socket_gateway import chan_websocket_gateway
from ivrbot.telephony.socket_leg import MARK_EVERY_FRAMES, TOO_LATE_FRAMES
from ivrbot.telephony.wire.chan_websocket import ChanWebsocket
from tests.integration.asterisk import g711
from tests.integration.asterisk.bot import Registrar
from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.server import AsteriskServer, Site
from tests.integration.asterisk.sip import PATIENCE_S, Caller, OperatorPhone, place_crowd
from tests.integration.asterisk.stage import API_WAIT_S, HELD_UP_S
from tests.integration.asterisk.wait import again_if_late, in_time, until

pytestmark = pytest.mark.integration

TELEPHONE = "sound of a telephone that lives in the gateway's own process"

TONE = b"".join(struct.pack("<h", int(8000 * math.sin(math.tau * 440 * n / 8000))) for n in range(8000))


class Echo:
    """Says what it hears."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg
        self.keys = ""
        self.cause = ""
        self.frames = 0
        self._queue: deque[Frame] = deque(maxlen=50)

    def on_frame(self, frame: Frame) -> None:
        self.frames += 1
        self._queue.append(frame)

    def on_key(self, key: str) -> None:
        self.keys += key

    def on_closed(self, cause: str) -> None:
        self.cause = cause

    def next_frame(self) -> Frame | None:
        return self._queue.popleft() if self._queue else None


class Door:
    """Admits registered calls, each once."""

    def __init__(self, api: Registrar) -> None:
        self._api = api
        self.calls: dict[str, Echo] = {}
        self.full = False

    def admit(self, leg: Leg) -> MediaSink:
        registered = {form["uuid"] for form in self._api.registrations}
        if self.full or leg.call_id in self.calls or leg.call_id not in registered:
            raise LegRefused("full, not registered, or seen before")
        echo = self.calls[leg.call_id] = Echo(leg)
        return echo


@dataclass(frozen=True, slots=True)
class Stage:
    installation: Installation
    api: Registrar
    door: Door
    legs: Callable[[], int]
    operator: OperatorPhone
    server: AsteriskServer


@pytest.fixture(params=["audiosocket", "websocket"])
def media(request: pytest.FixtureRequest) -> str:
    """How the bot's sound goes."""
    return str(request.param)


@asynccontextmanager
async def listening(media: str, door: Door) -> AsyncIterator[tuple[int, Callable[[], int]]]:
    """A gateway: its port, and how many legs it has."""
    if media == "audiosocket":
        gateway = AudioSocketGateway(door, Pacer(), MediaSettings(port=0))
        port = await gateway.start()
        try:
            yield port, lambda: gateway.legs
        finally:
            await gateway.stop()
        return
    sockets = chan_websocket_gateway(door, Pacer(), MediaSettings(), lambda request: True)
    application = web.Application()
    application.add_routes([web.get("/ws/asterisk", sockets.handle)])
    runner = web.AppRunner(application, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], lambda: sockets.legs
    finally:
        await sockets.stop()
        await runner.cleanup()


@asynccontextmanager
async def running(installation: Installation, logs: Path, media: str) -> AsyncIterator[Stage]:
    async with (
        Registrar(outcome="transfer:balance|check_balance|d-1|0") as api,
        OperatorPhone(installation) as phone,
    ):
        door = Door(api)
        async with listening(media, door) as (port, legs):
            address = f"127.0.0.1:{port}"
            site = Site(
                api=api.address,
                media=address,
                operators={"operator1": phone.port},
                websocket=address if media == "websocket" else "",
                api_wait_s=API_WAIT_S,
            )
            async with AsteriskServer(installation, site, keep_in=logs) as server:
                yield Stage(installation, api, door, legs, phone, server)


@again_if_late
async def test_sound_and_keys_pass_and_closing_the_leg_hands_over(
    asterisk_installation: Installation, tmp_path: Path, media: str
) -> None:
    async with (
        running(asterisk_installation, tmp_path, media) as stage,
        Caller(asterisk_installation, stage.server.site.sip_port) as caller,
    ):
        answered = await caller.answered()
        caller.phone.say(TONE)
        spoken_from, spoken_to = await caller.phone.listen(answered, timeout_s=PATIENCE_S)
        caller.phone.press("10#")
        await until(lambda: bool(stage.door.calls), PATIENCE_S)
        (echo,) = stage.door.calls.values()
        await until(lambda: echo.keys == "10#", PATIENCE_S)
        echo.leg.close()
        ring = await stage.operator.rung()
        assert ring.headers["x-bot-topic"] == "check_balance"
        assert ring.headers["x-bot-call-id"] == echo.leg.call_id
        await until(lambda: echo.cause == "closed", PATIENCE_S)
        assert not caller.was_hung_up_on()
        in_time(caller.phone.held_up_s, HELD_UP_S, TELEPHONE)
        # a second of sound came back, and from the first packet on none was lost
        assert spoken_to - spoken_from == pytest.approx(1.0, abs=0.3)
        numbers = [packet.sequence for packet in caller.phone.heard.packets]
        assert (numbers[-1] - numbers[0]) & 0xFFFF == len(numbers) - 1


async def test_a_caller_who_hangs_up_ends_the_leg(
    asterisk_installation: Installation, tmp_path: Path, media: str
) -> None:
    async with running(asterisk_installation, tmp_path, media) as stage:
        async with Caller(asterisk_installation, stage.server.site.sip_port) as caller:
            await caller.answered()
            await until(lambda: bool(stage.door.calls), PATIENCE_S)
        (echo,) = stage.door.calls.values()
        await until(lambda: echo.cause != "", PATIENCE_S)
        assert echo.cause == "hangup"
        await until(lambda: stage.legs() == 0, PATIENCE_S)


async def test_asterisk_drops_what_it_is_late_with(
    asterisk_installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a second lies in chan_websocket's queue: the marks tell, and FLUSH_MEDIA empties it."""
    cleared: list[str] = []
    clear = ChanWebsocket.clear

    def counted(dialect: ChanWebsocket) -> str:
        cleared.append(clear(dialect))
        return cleared[-1]

    monkeypatch.setattr(ChanWebsocket, "clear", counted)
    async with (
        running(asterisk_installation, tmp_path, "websocket") as stage,
        Caller(asterisk_installation, stage.server.site.sip_port) as caller,
    ):
        await caller.answered()
        await until(lambda: bool(stage.door.calls), PATIENCE_S)
        (echo,) = stage.door.calls.values()
        leg: Any = echo.leg
        await until(lambda: leg._lag._promptest is not None, PATIENCE_S)
        before = len(cleared)  # a machine that is busy may have been late already
        for _ in range(75):  # past the clock and its count, as after a stall of the network
            leg._outbox.play(TONE[:FRAME_BYTES])
            await asyncio.sleep(0.005)
        await until(lambda: len(cleared) > before, PATIENCE_S)
        # Flushed, Asterisk plays what comes: the marks behind it come back in time.
        flushed_at = leg._lag._sent
        await until(lambda: leg._lag._sent > flushed_at + 3 * MARK_EVERY_FRAMES, PATIENCE_S)
        assert leg._lag._late < TOO_LATE_FRAMES
        assert len(cleared) <= before + 2, "what was flushed was played all the same"
        assert not echo.cause


async def test_a_bot_that_refuses_the_leg_leads_to_an_operator(
    asterisk_installation: Installation, tmp_path: Path, media: str
) -> None:
    async with running(asterisk_installation, tmp_path, media) as stage:
        stage.door.full = True
        async with Caller(asterisk_installation, stage.server.site.sip_port) as caller:
            await stage.operator.rung()
            assert not caller.was_hung_up_on()


@again_if_late
async def test_twenty_calls_at_once_lose_nothing(
    asterisk_installation: Installation, tmp_path: Path, media: str
) -> None:
    async with running(asterisk_installation, tmp_path, media) as stage:
        port = stage.server.site.sip_port
        async with (
            Caller(asterisk_installation, port, number="+79990000000") as caller,
            asyncio.TaskGroup() as tasks,
        ):
            crowd = tasks.create_task(
                place_crowd(asterisk_installation, port, g711.encode(TONE), calls=19, hold_ms=10_000)
            )
            await caller.answered()
            await crowd
            heard, held_up_s = caller.phone.heard, caller.phone.held_up_s
        in_time(held_up_s, HELD_UP_S, TELEPHONE)
        result = crowd.result()
        assert (result.answered, result.dropped, result.exit_code) == (19, 0, 0)
        assert len(stage.door.calls) == 20
        assert min(echo.frames for echo in stage.door.calls.values()) > 9 * 50
        numbers = [packet.sequence for packet in heard.packets]
        assert (numbers[-1] - numbers[0]) & 0xFFFF == len(numbers) - 1
        late = sorted(heard.jitter_ms())
        print(
            f"\njitter of the bot's sound at 20 calls, ms: p50 {late[len(late) // 2]:.2f} "
            f"p99 {late[int(0.99 * len(late))]:.2f} max {late[-1]:.2f}, {len(late)} packets"
        )

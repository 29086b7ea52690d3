"""Both media WebSocket gateways keep the promises of all gateways; and what a peer meets that is late, or lies."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ivrbot.config import MediaSettings
from ivrbot.errors import LegRefused
from ivrbot.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from ivrbot.metrics import REGISTRY
from ivrbot.model.audio import FRAME_BYTES, SILENCE, Frame, Pcm
from ivrbot.model.call import CallId
from ivrbot.telephony.pacer import PacedLeg, Pacer
from ivrbot.telephony.socket_gateway import SocketGateway, announced_call, chan_websocket_gateway
from ivrbot.telephony.wire.media_streams import MediaStreams
from tests.contract import gateway as contract
from tests.contract.gateway import GatewayContract, new_call_id
from tests.fakes.media import RecordingDoor
from tests.fakes.waiting import until


class Peer:
    """The PBX's end of a socket: sends at the pace of a telephone, plays (echoes marks) when told to."""

    def __init__(self, clock: Pacer, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._clock, self._ws = clock, ws
        self._to_say: list[Frame] = []
        self._outbox: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._paced: PacedLeg | None = None
        self._hung_up = False
        self.sound = bytearray()
        self.commands: list[dict[str, Any]] = []
        self.plays = True
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    def say(self, frames: Sequence[Frame]) -> None:
        self._to_say += frames
        if self._paced is None:
            next_frame: Callable[[], Frame | None] = lambda: self._to_say.pop(0) if self._to_say else None  # noqa: E731
            self._paced = self._clock.add(next_frame, lambda frame: self._outbox.put_nowait(self.encoded(frame)))

    def send(self, data: str | bytes) -> None:
        self._outbox.put_nowait(data)

    @property
    def received(self) -> bytes:
        return bytes(self.sound)

    @property
    def is_over(self) -> bool:
        return self._ws.closed or self._hung_up

    async def close(self) -> None:
        if self._paced:
            self._clock.remove(self._paced)
        await self._ws.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What the protocols do differently.

    def encoded(self, frame: Frame) -> str | bytes:
        raise NotImplementedError

    def took(self, data: str | bytes) -> None:
        raise NotImplementedError

    async def _read(self) -> None:
        async for message in self._ws:
            self.took(message.data)

    async def _write(self) -> None:
        while True:
            item = await self._outbox.get()
            try:
                if isinstance(item, str):
                    await self._ws.send_str(item)
                else:
                    await self._ws.send_bytes(item)
            except (ConnectionError, aiohttp.ClientError):
                return


class Asterisk(Peer):
    def begin(self, call_id: str) -> None:
        start = {
            "event": "MEDIA_START",
            "channel_id": "1.1",
            "format": "slin",
            "optimal_frame_size": 320,
            "ptime": 20,
        }
        self.send(json.dumps(start | {"channel_variables": {"__BOT_CALL_ID": call_id}}))

    def press(self, key: str) -> None:
        self.send(json.dumps({"event": "DTMF_END", "channel_id": "1.1", "digit": key}))

    def hang_up(self) -> None:
        asyncio.get_running_loop().create_task(self._ws.close())

    def encoded(self, frame: Frame) -> bytes:
        return bytes(frame)

    def took(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.sound += data
            return
        command = json.loads(data)
        assert len(data) <= 128, "Asterisk drops longer commands"
        self.commands.append(command)
        if command["command"] == "HANGUP":
            self._hung_up = True
        elif command["command"] == "MARK_MEDIA" and self.plays:
            mark = {"event": "MEDIA_MARK_PROCESSED", "correlation_id": command["correlation_id"]}
            self.send(json.dumps(mark))

    @property
    def cleared(self) -> int:
        return sum(command["command"] == "FLUSH_MEDIA" for command in self.commands)

    @property
    def marks(self) -> list[str]:
        return [command["correlation_id"] for command in self.commands if command["command"] == "MARK_MEDIA"]

    def echo(self, mark: str) -> None:
        self.send(json.dumps({"event": "MEDIA_MARK_PROCESSED", "correlation_id": mark}))


class Provider(Peer):
    def begin(self, call_id: str) -> None:
        self.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"callSid": "CA1", "customParameters": {"call_id": call_id}, "mediaFormat": form}
        self.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": start}))

    def press(self, key: str) -> None:
        self.send(
            json.dumps({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"track": "inbound_track", "digit": key}})
        )

    def hang_up(self) -> None:
        self.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}))

    def encoded(self, frame: Frame) -> str:
        payload = base64.b64encode(pcm_to_ulaw(frame)).decode()
        return json.dumps(
            {"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "payload": payload}}
        )

    def took(self, data: str | bytes) -> None:
        message = json.loads(data)
        assert message["streamSid"] == "MZ1"
        if message["event"] == "media":
            self.sound += ulaw_to_pcm(base64.b64decode(message["media"]["payload"]))
            return
        self.commands.append(message)
        if message["event"] == "mark" and self.plays:
            self.echo(message["mark"]["name"])

    @property
    def cleared(self) -> int:
        return sum(command["event"] == "clear" for command in self.commands)

    @property
    def marks(self) -> list[str]:
        return [command["mark"]["name"] for command in self.commands if command["event"] == "mark"]

    def echo(self, mark: str) -> None:
        self.send(json.dumps({"event": "mark", "streamSid": "MZ1", "mark": {"name": mark}}))


AnyPeer = Asterisk | Provider


class SocketLine:
    """A running gateway and its peers."""

    def __init__(self, kind: type[AnyPeer], media: MediaSettings | None = None) -> None:
        self.door = RecordingDoor()
        self.allowed = True
        self._kind = kind
        settings = media or MediaSettings()
        if kind is Asterisk:
            self.gateway = chan_websocket_gateway(self.door, Pacer(), settings, lambda request: self.allowed)
        else:
            self.gateway = SocketGateway(
                self.door,
                Pacer(),
                settings,
                dialect=MediaStreams,
                allow=lambda request: self.allowed,
                identify=announced_call,
            )
        self._clock = Pacer()
        self._peers: list[AnyPeer] = []
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
        for peer in self._peers:
            await peer.close()
        await self._session.close()
        await self.gateway.stop()
        await self._runner.cleanup()

    async def open(self) -> AnyPeer:
        ws = await self._session.ws_connect(self.url, protocols=("media",) if self._kind is Asterisk else ())
        self._peers.append(self._kind(self._clock, ws))
        return self._peers[-1]

    async def ring(self, call_id: CallId) -> AnyPeer:
        peer = await self.open()
        peer.begin(call_id)
        return peer

    @property
    def open_legs(self) -> int:
        return self.gateway.legs


@pytest.fixture(params=[Asterisk, Provider], ids=["chan_websocket", "media_streams"])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[SocketLine]:
    line = SocketLine(request.param)
    await line.start()
    yield line
    await line.stop()


class TestSocketGateways(GatewayContract):
    """See the contract; sound that has once been mu-law comes through mu-law unchanged."""

    @pytest.fixture(autouse=True)
    def _sound_that_fits_mu_law(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = contract.marked_frames
        fits: Callable[[int], list[Frame]] = lambda count: [  # noqa: E731
            Frame(Pcm(ulaw_to_pcm(pcm_to_ulaw(frame)))) for frame in made(count)
        ]
        monkeypatch.setattr(contract, "marked_frames", fits)


def dropped(queue: str) -> float:
    return REGISTRY.get_sample_value("ivrbot_frames_dropped_total", {"queue": queue}) or 0.0


async def in_a_call(line: SocketLine) -> tuple[AnyPeer, Any]:
    before = len(line.door.sinks)
    peer = await line.ring(new_call_id())
    await until(lambda: len(line.door.sinks) > before)
    return peer, line.door.sinks[-1]


async def test_a_peer_from_elsewhere_is_refused(line: SocketLine) -> None:
    line.allowed = False
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await line.open()
    assert refused.value.status == 403


@pytest.mark.parametrize("call_id", ["", "x", "../../etc/passwd", "1" * 5000])
async def test_a_leg_without_a_call_of_ours_is_closed(line: SocketLine, call_id: str) -> None:
    peer = await line.ring(CallId(call_id))
    await until(lambda: peer.is_over and line.open_legs == 0)
    assert line.door.asked == []


async def test_a_peer_that_says_nothing_is_let_go(line: SocketLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.socket_leg.IDENTIFY_S", 0.05)
    peer = await line.open()
    await until(lambda: peer.is_over and line.open_legs == 0)


BROKEN = ["", "{", "[]", "7", '"x"', "[" * 10_000, b"\0"]
BROKEN_ASTERISK = ['{"event":"MEDIA_START","format":"slin","channel_variables":{}}']
BROKEN_PROVIDER = [
    b"",
    '{"event":"media"}',
    '{"event":"media","media":{"payload":"***"}}',
    '{"event":"media","media":{"payload":7}}',
    json.dumps({"event": "media", "media": {"payload": "A" * 20_000}}),
    '{"event":"mark"}',
    '{"event":"start","streamSid":"MZ2","start":{}}',
]


@pytest.mark.parametrize("kind", [Asterisk, Provider])
async def test_a_broken_peer_loses_its_leg_only(kind: type[AnyPeer]) -> None:
    line = SocketLine(kind)
    await line.start()
    other, other_sink = await in_a_call(line)
    for broken in BROKEN + (BROKEN_ASTERISK if kind is Asterisk else BROKEN_PROVIDER):
        peer, sink = await in_a_call(line)
        peer.send(broken)
        await until(lambda sink=sink: sink.causes)
        assert sink.causes == ["protocol_error"], broken
    heard = len(other.received)
    await until(lambda: len(other.received) > heard)
    assert not other_sink.causes
    await line.stop()


async def test_what_is_not_known_does_no_harm(line: SocketLine) -> None:
    peer, sink = await in_a_call(line)
    for text in ('{"event":"NEWS"}', "{}", '{"event":"dtmf","dtmf":{"digit":"A"}}', '{"event":"DTMF_END"}'):
        peer.send(text)
    peer.press("7")
    await until(lambda: sink.keys)
    assert sink.keys == ["7"]
    assert not sink.causes


async def test_sound_much_faster_than_real_time_is_bounded(line: SocketLine) -> None:
    peer, sink = await in_a_call(line)
    before = dropped("inbound")
    for frame in contract.marked_frames(400):
        peer.send(peer.encoded(frame))
    peer.press("1")
    await until(lambda: sink.keys)
    assert len(sink.frames) < 120
    assert dropped("inbound") - before > 280
    assert sink.leg.dropped["inbound"] > 280


async def test_a_flood_of_messages_ends_the_leg(line: SocketLine) -> None:
    peer, sink = await in_a_call(line)
    for _ in range(2000):
        peer.send("{}")
    await until(lambda: sink.causes)
    assert sink.causes == ["protocol_error"]


async def open_by_hand(line: SocketLine) -> tuple[asyncio.StreamWriter, Callable[[str], None]]:
    """A socket whose reading can be held up and that answers no ping; and a way to send text on it."""
    port = int(line.url.split(":")[2].removesuffix("/ws"))
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: media\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )

    def tell(text: str) -> None:
        content = text.encode()
        # Text, masked (RFC 6455, section 5.2) with zeros, its length in two bytes.
        writer.write(bytes([0x81, 0x80 | 126]) + len(content).to_bytes(2, "big") + bytes(4) + content)

    return writer, tell


def first_words(kind: type[AnyPeer], call_id: CallId) -> list[str]:
    """What a peer of this kind says first."""
    said: list[str] = []
    peer = kind.__new__(kind)
    peer.send = said.append  # type: ignore[assignment, method-assign]
    peer.begin(call_id)
    return said


@pytest.mark.parametrize("kind", [Asterisk, Provider])
async def test_a_half_open_socket_is_closed(kind: type[AnyPeer]) -> None:
    line = SocketLine(kind, MediaSettings(silent_peer_s=0.3))
    await line.start()
    writer, tell = await open_by_hand(line)
    for text in first_words(kind, new_call_id()):
        tell(text)
    await until(lambda: line.door.sinks)
    await until(lambda: line.open_legs == 0)
    assert line.door.sinks[0].causes == ["connection_lost"]
    writer.close()
    await line.stop()


@pytest.mark.parametrize("kind", [Asterisk, Provider])
async def test_a_peer_that_does_not_read_loses_sound_and_nothing_grows(kind: type[AnyPeer]) -> None:
    line = SocketLine(kind)
    await line.start()
    before = dropped("outbound")
    writer, tell = await open_by_hand(line)
    for text in first_words(kind, new_call_id()):
        tell(text)
    await until(lambda: line.door.sinks)
    transport: Any = writer.transport
    transport.pause_reading()
    leg: Any = line.door.sinks[0].leg
    for _ in range(20_000):
        leg._outbox.play(bytes(FRAME_BYTES))
        if dropped("outbound") > before:
            break
        await asyncio.sleep(0)
    assert dropped("outbound") > before
    assert leg.dropped["outbound"] > 0
    assert leg._outbox._transport.get_write_buffer_size() < 40 * FRAME_BYTES
    transport.abort()
    await until(lambda: line.open_legs == 0)
    await line.stop()


async def test_sound_in_bursts_is_heard_in_full_and_keys_in_its_middle(line: SocketLine) -> None:
    peer, sink = await in_a_call(line)
    said = [Frame(Pcm(ulaw_to_pcm(pcm_to_ulaw(frame)))) for frame in contract.marked_frames(40)]
    for frame in said[:20]:
        peer.send(peer.encoded(frame))
    peer.press("4")
    peer.press("2")
    for frame in said[20:]:
        peer.send(peer.encoded(frame))
    peer.press("#")
    await until(lambda: len(sink.keys) == 3)
    assert sink.happened == [*said[:20], "4", "2", *said[20:], "#"]


async def test_a_call_that_names_itself_twice_loses_its_leg(line: SocketLine) -> None:
    peer, sink = await in_a_call(line)
    peer.begin(new_call_id())
    await until(lambda: sink.causes)
    assert sink.causes == ["protocol_error"]
    assert len(line.door.asked) == 1


async def test_a_lost_connection_is_noticed(line: SocketLine) -> None:
    peer, sink = await in_a_call(line)
    response: Any = peer._ws._response
    response.connection.transport.abort()
    await until(lambda: sink.causes and line.open_legs == 0)
    assert sink.causes == ["connection_lost"]


async def test_stopping_ends_the_call(line: SocketLine) -> None:
    _, sink = await in_a_call(line)
    await line.gateway.stop()
    await until(lambda: line.open_legs == 0)
    assert sink.causes == ["shutdown"]


async def test_a_peer_that_keeps_up_is_left_alone(line: SocketLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.socket_leg.MARK_EVERY_FRAMES", 5)
    peer, _ = await in_a_call(line)
    await until(lambda: len(peer.marks) >= 5)
    assert peer.cleared == 0


async def test_a_peer_that_plays_late_drops_it_at_the_next_silence(
    line: SocketLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivrbot.telephony.socket_leg.MARK_EVERY_FRAMES", 5)
    peer, sink = await in_a_call(line)
    await until(lambda: len(peer.marks) >= 2)  # it keeps up at first
    before = dropped("outbound")
    sink.to_play = contract.marked_frames(30)
    peer.plays = False
    seen = len(peer.marks)
    await until(lambda: len(peer.marks) > seen)
    late = peer.marks[-1]
    at = len(peer.received)
    await until(lambda: len(peer.received) >= at + 10 * FRAME_BYTES)
    peer.echo(late)
    await until(lambda: peer.cleared == 1)
    assert not sink.to_play, "cleared before the prompt was over"
    assert dropped("outbound") == before


async def test_a_peer_hopelessly_late_drops_it_at_once(line: SocketLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.socket_leg.MARK_EVERY_FRAMES", 5)
    monkeypatch.setattr("ivrbot.telephony.socket_leg.TOO_LATE_FRAMES", 8)
    peer, sink = await in_a_call(line)
    await until(lambda: len(peer.marks) >= 2)
    sink.to_play = contract.marked_frames(200)
    peer.plays = False
    seen = len(peer.marks)
    await until(lambda: len(peer.marks) > seen)
    late = peer.marks[-1]
    at = len(peer.received)
    await until(lambda: len(peer.received) >= at + 15 * FRAME_BYTES)
    peer.echo(late)
    await until(lambda: peer.cleared == 1)
    assert sink.to_play, "the prompt was over before it was cleared"
    assert sink.leg.dropped["outbound"] >= 8


async def test_a_long_way_is_not_taken_for_lateness(line: SocketLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.telephony.socket_leg.MARK_EVERY_FRAMES", 5)
    monkeypatch.setattr("ivrbot.telephony.socket_leg.LATE_FRAMES", 50)
    peer, _ = await in_a_call(line)
    peer.plays = False
    answered = 0
    for _ in range(4):  # each mark comes back a good 100 ms late
        await until(lambda seen=answered: len(peer.marks) > seen)
        answered = len(peer.marks)
        at = len(peer.received)
        await until(lambda at=at: len(peer.received) >= at + 6 * FRAME_BYTES)
        peer.echo(peer.marks[-1])
    assert peer.cleared == 0


def test_a_call_id_is_made_canonical() -> None:
    from ivrbot.telephony.wire.media_messages import Began

    assert (
        announced_call(Began("{0A0B0C0D-0000-4000-8000-000000000000}")) == "0a0b0c0d-0000-4000-8000-000000000000"
    )
    with pytest.raises(LegRefused):
        announced_call(Began("0a0b"))


def test_silence_is_silence_in_mu_law() -> None:
    assert ulaw_to_pcm(pcm_to_ulaw(SILENCE)) == SILENCE

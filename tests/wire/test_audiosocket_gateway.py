"""The AudioSocket gateway against peers that misbehave, on loopback, byte by byte."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ivrbot.config import MediaSettings
from ivrbot.errors import ConfigError
from ivrbot.metrics import REGISTRY
from ivrbot.model.audio import FRAME_BYTES, SILENCE, Frame
from ivrbot.ports import Leg, MediaSink
from ivrbot.telephony import audiosocket
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.wire.audiosocket import (
    Audio,
    Hangup,
    Message,
    Parser,
    audio_frame,
    error_frame,
    hangup_frame,
    key_frame,
    uuid_frame,
)
from tests.contract.gateway import marked_frames, new_call_id
from tests.fakes.calls import Clock
from tests.fakes.media import RecordingDoor, RecordingSink
from tests.fakes.waiting import until

SETTINGS = MediaSettings(port=0)


class Peer:
    """A bare TCP client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def end(self) -> None:
        """Close the sending direction."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Die as a killed process does when bytes are unread."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def messages(self) -> list[Message]:
        """Everything until the other side closes."""
        async with asyncio.timeout(10):
            try:
                return Parser().feed(await self._reader.read())
            except ConnectionResetError:
                return []

    async def first(self, count: int) -> bytes:
        async with asyncio.timeout(10):
            return await self._reader.readexactly(count)

    def close(self) -> None:
        self._writer.close()


class Bench:
    """A gateway and its peers."""

    def __init__(self, settings: MediaSettings = SETTINGS) -> None:
        self.door = RecordingDoor()
        self.pacer = Pacer()
        self.gateway = AudioSocketGateway(self.door, self.pacer, settings)
        self.port = 0
        self._peers: list[Peer] = []

    async def peer(self) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        self._peers.append(peer)
        return peer

    async def leg(self) -> tuple[Peer, RecordingSink]:
        peer = await self.peer()
        before = len(self.door.sinks)
        peer.send(uuid_frame(new_call_id()))
        await until(lambda: len(self.door.sinks) > before)
        return peer, self.door.sinks[-1]

    async def stop(self) -> None:
        for peer in self._peers:
            peer.close()
        await self.gateway.stop()


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Bench]]]:
    benches: list[Bench] = []

    async def make(settings: MediaSettings = SETTINGS) -> Bench:
        bench = Bench(settings)
        bench.port = await bench.gateway.start()
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        await bench.stop()


Start = Callable[..., Awaitable[Bench]]


class StandingClock:
    """A loop's clock at one moment."""

    def __init__(self, now_s: float) -> None:
        self._now_s = now_s

    def time(self) -> float:
        return self._now_s


def count(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"ivrbot_{metric}_total", labels) or 0.0


# --- who may come in ---


async def test_a_peer_from_elsewhere_is_closed_at_once(start: Start) -> None:
    bench = await start(MediaSettings(port=0, allowed_addresses=("10.0.0.0/8", "::1")))
    before = count("legs_refused", cause="address")
    peer = await bench.peer()
    peer.send(uuid_frame(new_call_id()))
    assert await peer.messages() == []
    assert count("legs_refused", cause="address") == before + 1
    assert bench.door.asked == []


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("fd00::7", True),
        ("fe80::1%eth0", True),
        ("fe80::2%eth0", False),
        ("", False),
        ("not an address", False),
    ],
)
def test_allowed_networks(address: str, is_allowed: bool) -> None:
    networks = ("10.0.0.0/8", "fd00::/8", "fe80::1")
    gateway = AudioSocketGateway(RecordingDoor(), Pacer(), MediaSettings(allowed_addresses=networks))
    assert gateway.is_allowed(address) is is_allowed


def test_wrong_networks_are_all_named() -> None:
    with pytest.raises(ConfigError) as caught:
        AudioSocketGateway(RecordingDoor(), Pacer(), MediaSettings(allowed_addresses=("pbx", "10.0.0.0/8", "1.2")))
    assert [problem.value for problem in caught.value.problems] == ["pbx", "1.2"]
    assert caught.value.problems[0].path == "media.allowed_addresses"


async def test_a_peer_that_does_not_name_its_call_is_closed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audiosocket, "IDENTIFY_S", 0.05)
    bench = await start()
    before = count("legs_refused", cause="no_uuid")
    assert await (await bench.peer()).messages() == []
    assert count("legs_refused", cause="no_uuid") == before + 1
    assert bench.gateway.legs == 0


@pytest.mark.parametrize("first", [audio_frame(SILENCE), key_frame("1"), hangup_frame(), error_frame(1)])
async def test_the_first_message_must_name_the_call(start: Start, first: bytes) -> None:
    bench = await start()
    peer = await bench.peer()
    peer.send(first + uuid_frame(new_call_id()))
    assert await peer.messages() == []
    assert bench.door.asked == []


async def test_a_second_name_breaks_the_leg(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.send(uuid_frame(new_call_id()))
    await until(lambda: sink.causes)
    assert sink.causes == ["protocol_error"]
    assert len(bench.door.asked) == 1


async def test_a_refused_leg_is_told_to_hang_up(start: Start) -> None:
    bench = await start()
    call_id = new_call_id()
    bench.door.refused.add(call_id)
    before = count("legs_refused", cause="door")
    peer = await bench.peer()
    peer.send(uuid_frame(call_id))
    assert await peer.messages() == [Hangup()]
    assert count("legs_refused", cause="door") == before + 1


async def test_idle_connections_never_keep_a_call_out(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audiosocket, "MAX_UNIDENTIFIED", 8)
    bench = await start()
    _, sink = await bench.leg()
    idle = [await bench.peer() for _ in range(40)]
    await until(lambda: bench.gateway.legs == 1 + 8)
    assert await idle[0].messages() == []
    _, newer = await bench.leg()
    before = len(newer.frames), newer.asked
    await until(lambda: newer.asked > before[1])
    assert sink.causes == newer.causes == []


class ClosingDoor(RecordingDoor):
    def admit(self, leg: Leg) -> MediaSink:
        sink = super().admit(leg)
        leg.close()
        return sink


async def test_the_door_may_close_the_leg_that_it_admits(start: Start) -> None:
    bench = await start()
    bench.gateway._door = bench.door = ClosingDoor()
    peer = await bench.peer()
    peer.send(uuid_frame(new_call_id()))
    assert await peer.messages() == [Hangup()]
    await until(lambda: bench.door.sinks[0].causes)
    assert bench.door.sinks[0].causes == ["closed"]
    assert bench.pacer.legs == 0


# --- broken peers: that leg only ---


@pytest.mark.parametrize("data", ["100000", "10ffff", "7f0000", "0300017a", "120280", "000001"])
async def test_a_broken_frame_closes_that_leg_only(start: Start, data: str) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    other_peer, other = await bench.leg()
    before = count("legs_closed", cause="protocol_error")
    peer.send(key_frame("7") + bytes.fromhex(data) + key_frame("8"))
    await until(lambda: sink.causes)
    assert sink.keys == ["7"]
    assert sink.causes == ["protocol_error"]
    assert (await peer.messages())[-1] == Hangup()
    assert count("legs_closed", cause="protocol_error") == before + 1
    other_peer.send(key_frame("1"))
    await until(lambda: other.keys)
    assert other.causes == []


async def test_half_a_frame_at_the_end_is_a_protocol_error(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.send(audio_frame(SILENCE)[:100])
    peer.end()
    await until(lambda: sink.causes)
    assert sink.causes == ["protocol_error"]


async def test_an_error_message_ends_the_leg(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.send(error_frame(2))
    await until(lambda: sink.causes)
    assert sink.causes == ["peer_error"]


async def test_closing_the_socket_is_a_hangup(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.end()
    await until(lambda: sink.causes)
    assert sink.causes == ["hangup"]
    await until(lambda: bench.gateway.legs == 0)


async def test_a_reset_is_reported_once(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    bench = await start()
    peer, sink = await bench.leg()
    peer.reset()
    await until(lambda: sink.causes and bench.gateway.legs == 0)
    assert sink.causes == ["connection_lost"]
    assert caplog.records == []


async def test_messages_after_a_hangup_are_ignored(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.send(hangup_frame() + key_frame("1") + b"\x7f\xff\xff")
    await until(lambda: sink.causes)
    peer.send(key_frame("2"))
    peer.end()
    await until(lambda: bench.gateway.legs == 0)
    assert sink.keys == []
    assert sink.causes == ["hangup"]


# --- silence, slowness, floods ---


async def test_a_silent_peer_is_closed(start: Start) -> None:
    bench = await start(MediaSettings(port=0, silent_peer_s=0.1))
    peer, sink = await bench.leg()
    await until(lambda: sink.causes)
    assert sink.causes == ["timeout"]
    assert (await peer.messages())[-1] == Hangup()


async def test_a_talking_peer_is_not_silent(start: Start) -> None:
    bench = await start(MediaSettings(port=0, silent_peer_s=10))
    clock = Clock()
    peer, sink = await bench.leg()
    for number in range(1, 6):
        peer.send(audio_frame(SILENCE))
        await until(lambda: len(sink.frames) == number)  # noqa: B023 - awaited within the turn
        clock.forward(6)
        asked = sink.asked
        await until(lambda: sink.asked > asked)  # noqa: B023 - as above
        assert sink.causes == [], number
    clock.forward(6)
    await until(lambda: sink.causes)
    assert sink.causes == ["timeout"]


async def test_a_peer_that_never_closes_is_let_go(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audiosocket, "CLOSE_FLUSH_S", 0.05)
    bench = await start()
    peer, sink = await bench.leg()
    peer.stop_reading()
    sink.leg.close()
    await until(lambda: bench.gateway.legs == 0)
    assert sink.causes == ["closed"]


async def test_a_slow_reader_loses_frames_and_nothing_grows(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    await peer.first(FRAME_BYTES)
    connection = next(iter(bench.gateway._connections))
    transport = connection._transport
    assert transport
    peer.stop_reading()
    before = count("frames_dropped", queue="outbound")
    for _ in range(20_000):  # 400 s of sound at once: more than all buffers of the system
        connection._play(SILENCE)
    assert count("frames_dropped", queue="outbound") > before + 5_000
    assert transport.get_write_buffer_size() <= audiosocket.WRITE_BUFFER_BYTES + FRAME_BYTES + 3
    assert sink.causes == []


async def test_a_flood_passes_a_second_of_sound_and_drops_the_oldest(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    said = marked_frames(200)
    before = count("frames_dropped", queue="inbound")
    peer.send(b"".join(map(audio_frame, said)) + key_frame("9"))
    await until(lambda: sink.keys == ["9"])
    dropped = count("frames_dropped", queue="inbound") - before
    assert 100 <= dropped <= 150
    assert len(sink.frames) == 200 - dropped
    positions = [said.index(frame) for frame in sink.frames]
    assert positions == sorted(positions)
    assert sink.causes == []


async def test_a_burst_of_a_second_is_heard_in_full(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    said = marked_frames(50)
    peer.send(b"".join(map(audio_frame, said)))
    await until(lambda: len(sink.frames) == 50)
    assert sink.frames == said


@pytest.mark.parametrize("read_together", (1, 2, 10, 80))
async def test_frames_read_together_are_heard_as_one_by_one(
    start: Start, monkeypatch: pytest.MonkeyPatch, read_together: int
) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    first, *said = marked_frames(81)
    peer.send(audio_frame(first))
    await until(lambda: sink.frames == [first])
    connection = next(iter(bench.gateway._connections))
    with monkeypatch.context() as patched:
        patched.setattr(connection, "_loop", StandingClock(connection._loop.time() + 1.0))
        for begin in range(0, 80, read_together):
            connection.data_received(b"".join(map(audio_frame, said[begin : begin + read_together])))
    # Of what is read at once the oldest is too much; what was passed on before cannot be taken back.
    burst = audiosocket.INBOUND_BURST_FRAMES
    assert sink.frames[1:] == (said[-burst:] if read_together == 80 else said[:burst])
    assert connection.dropped["inbound"] == 80 - burst


async def test_a_flood_of_whole_frames_breaks_the_leg(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.send(audio_frame(SILENCE))
    await until(lambda: sink.frames == [SILENCE])
    connection = next(iter(bench.gateway._connections))
    connection.data_received(audio_frame(SILENCE) * (audiosocket.MAX_MESSAGES_AT_ONCE + 1))
    await until(lambda: sink.causes)
    assert sink.causes == ["protocol_error"]
    assert sink.frames == [SILENCE]


async def test_endless_tiny_messages_break_the_leg(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.send(audio_frame(b"\0\0") * 20_000)
    await until(lambda: sink.causes)
    assert sink.causes == ["protocol_error"]


async def test_endless_keys_break_the_leg_and_fast_ones_do_not(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.send(b"".join(key_frame(key) for key in "427112345678" * 2))
    await until(lambda: len(sink.keys) == 24)
    assert "".join(sink.keys) == "427112345678" * 2
    peer.send(key_frame("1") * 200)
    await until(lambda: sink.causes)
    assert sink.causes == ["protocol_error"]


async def test_keys_that_no_telephone_has_are_ignored(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    peer.send(b"".join(key_frame(key) for key in "1A2B3C4D"))
    await until(lambda: "4" in sink.keys)
    assert sink.keys == list("1234")


@pytest.mark.parametrize("size", [2, 160, 322, 640, 1000])
async def test_other_frame_sizes_are_cut_anew(start: Start, size: int) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    said = b"".join(marked_frames(10))
    peer.send(b"".join(audio_frame(said[at : at + size]) for at in range(0, len(said), size)))
    await until(lambda: len(sink.frames) == 10)
    assert sink.heard == said
    assert {len(frame) for frame in sink.frames} == {FRAME_BYTES}


async def test_whole_frames_wait_for_the_piece_before_them(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    said = b"".join(marked_frames(4))
    for begin, end in ((0, 320), (320, 420), (420, 740), (740, 1060), (1060, 1280)):
        peer.send(audio_frame(said[begin:end]))
        await until(lambda: len(sink.heard) >= end // 320 * 320)  # noqa: B023 - awaited within the turn
    assert sink.heard == said


async def test_sound_and_keys_stay_in_order(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    one, two, three = marked_frames(3)
    peer.send(audio_frame(one) + key_frame("1") + audio_frame(two) + audio_frame(three) + key_frame("2"))
    await until(lambda: len(sink.happened) == 5)
    assert sink.happened == [one, "1", two, three, "2"]


async def test_bytes_may_come_one_by_one(start: Start) -> None:
    bench = await start()
    peer = await bench.peer()
    call_id = new_call_id()
    (frame,) = marked_frames(1)
    for byte in uuid_frame(call_id) + audio_frame(frame) + key_frame("5"):
        peer.send(bytes([byte]))
        await asyncio.sleep(0)
    await until(lambda: bench.door.sinks and bench.door.sinks[0].keys)
    assert bench.door.asked == [call_id]
    assert bench.door.sinks[0].frames == [frame]


# --- the gateway itself ---


async def test_frames_leave_in_one_piece_each(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    sink.to_play = [*marked_frames(5)]
    await until(lambda: not sink.to_play and sink.asked > 10)
    sink.leg.close()
    heard = await peer.messages()
    assert {type(message) for message in heard} == {Audio, Hangup}
    assert {len(message.pcm) for message in heard if isinstance(message, Audio)} == {FRAME_BYTES}


async def test_a_port_in_use_is_named(start: Start) -> None:
    bench = await start()
    second = AudioSocketGateway(RecordingDoor(), Pacer(), MediaSettings(port=bench.port))
    with pytest.raises(ConfigError, match=f"media.port: the port is in use .found 127.0.0.1:{bench.port}"):
        await second.start()


async def test_an_address_of_elsewhere_is_named() -> None:
    gateway = AudioSocketGateway(RecordingDoor(), Pacer(), MediaSettings(host="192.0.2.1", port=0))
    with pytest.raises(ConfigError, match=r"media\.host: cannot listen"):
        await gateway.start()


async def test_stopping_ends_all_legs_and_frees_the_port(start: Start) -> None:
    bench = await start()
    peer, sink = await bench.leg()
    idle = await bench.peer()
    await until(lambda: bench.gateway.legs == 2)
    await bench.gateway.stop()
    await bench.gateway.stop()
    assert sink.causes == ["shutdown"]
    assert (await peer.messages())[-1] == Hangup()
    await idle.messages()
    assert bench.gateway.legs == bench.pacer.legs == 0
    again = AudioSocketGateway(RecordingDoor(), Pacer(), MediaSettings(port=bench.port))
    assert await again.start() == bench.port
    await again.stop()


def test_the_gateway_serves_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> None:
        bench = Bench()
        bench.port = await bench.gateway.start()
        peer, sink = await bench.leg()
        said: list[Frame] = marked_frames(30)
        sink.to_play = list(said)
        peer.send(b"".join(map(audio_frame, said)) + key_frame("3"))
        await until(lambda: sink.keys and not sink.to_play)
        assert sink.frames == said
        sink.leg.close()
        heard = await peer.messages()
        assert heard[-1] == Hangup()
        assert b"".join(said) in b"".join(message.pcm for message in heard if isinstance(message, Audio))
        await until(lambda: sink.causes == ["closed"])
        other, broken = await bench.leg()
        other.send(b"\x10\0\0")
        await until(lambda: broken.causes == ["protocol_error"])
        await bench.stop()
        assert bench.gateway.legs == 0

    uvloop.run(main())

"""The calling side of AudioSocket, against the real gateway and against servers that misbehave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest

from ivrbot.config import MediaSettings
from ivrbot.errors import LegClosed, MissingError
from ivrbot.media.framing import frames_of
from ivrbot.media.gap import measure_gaps
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Frame, Pcm, duration_ms, silence
from ivrbot.model.call import CallId
from ivrbot.telephony.audiosocket import AudioSocketGateway
from ivrbot.telephony.audiosocket_client import AudioSocketCall
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.wire.audiosocket import error_frame
from tests.contract.gateway import marked_frames, new_call_id
from tests.fakes.calls import Clock
from tests.fakes.media import RecordingDoor
from tests.fakes.waiting import until

FRAMES = marked_frames(15)
VOICE = b"".join(FRAMES)
QUEUED_MS = 2 * FRAME_MS
"""So much later than it came may an onset lie on a track: behind silence that came early."""
PAUSE_MS = 5000
"""Put forward by the clock; longer than anything holds these tests up."""
JOINED_MS = 250
"""Pauses up to 300 ms are within an utterance; a little less, for its frames need not lie on the track's grid."""
TRIES = 5


def places_ms(track: bytes) -> list[int]:
    """Where the frames of VOICE lie on a track, in order; a line that was held up has holes between them.

    Raises:
        ValueError: one of them is not there.
    """
    places, end = [], 0
    for frame in FRAMES:
        at = track.index(frame, end)
        places.append(duration_ms(track[:at]))
        end = at + len(frame)
    return places


def is_one_sound(places: list[int]) -> bool:
    """Whether frames lie so near to each other that a listener takes them for one utterance."""
    return max(after - before for before, after in pairwise(places)) <= JOINED_MS


async def moment_ms(call: AudioSocketCall, condition: Callable[[], object]) -> tuple[int, int]:
    """When a condition came true on the call's clock: not before the first, by the second."""
    before_ms = call.elapsed_ms

    def holds() -> bool:
        nonlocal before_ms
        looked_ms = call.elapsed_ms
        if condition():
            return True
        before_ms = looked_ms
        return False

    await until(holds)
    return before_ms, call.elapsed_ms


class Line:
    def __init__(self) -> None:
        self.door = RecordingDoor()
        self.gateway = AudioSocketGateway(self.door, Pacer(), MediaSettings(port=0))
        self.port = 0

    async def call(self) -> AudioSocketCall:
        call = AudioSocketCall()
        await call.connect("127.0.0.1", self.port, new_call_id())
        return call


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    line.port = await line.gateway.start()
    yield line
    await line.gateway.stop()


async def test_everything_said_arrives_paced_and_is_on_the_track(line: Line) -> None:
    call = await line.call()
    start_ms = call.elapsed_ms
    call.send(VOICE[:1000])
    call.send(VOICE[1000:])
    await call.wait_said()
    assert call.elapsed_ms - start_ms >= duration_ms(VOICE) - 20, "sent faster than real time"
    sink = line.door.sinks[0]
    await until(lambda: sink.heard.find(VOICE) >= 0)
    assert places_ms(call.said_track)[0] >= start_ms - 1


async def test_half_a_sample_is_refused(line: Line) -> None:
    call = await line.call()
    with pytest.raises(ValueError, match="half a sample"):
        call.send(b"\0")


async def test_what_is_heard_is_kept_raw_and_on_the_time_line(line: Line) -> None:
    call = await line.call()
    await until(lambda: line.door.sinks)
    sink = line.door.sinks[0]
    await until(lambda: call.elapsed_ms > 200)
    sink.to_play = list(FRAMES)
    before_ms, came_ms = await moment_ms(call, lambda: FRAMES[0] in call.received)
    await until(lambda: VOICE in call.received)
    assert before_ms - 1 <= places_ms(call.heard_track)[0] <= came_ms + QUEUED_MS
    assert places_ms(call.heard_since(before_ms - 1))


async def answered_call(line: Line, clock: Clock) -> tuple[AudioSocketCall, tuple[int, int]]:
    """A call in which the caller speaks and is answered; and between which moments the answer began to arrive."""
    call = await line.call()
    call.send(silence(200) + VOICE)
    await call.wait_said()
    sink = line.door.sinks[-1]
    sink.to_play = [Frame(Pcm(frame)) for frame in frames_of(silence(300) + VOICE)]
    answered = asyncio.create_task(call.wait_answered(call.elapsed_ms, quiet_ms=PAUSE_MS, deadline_s=60))
    came = await moment_ms(call, lambda: FRAMES[0] in call.received)
    await until(lambda: VOICE in call.received)
    assert not answered.done(), "in the middle of the answer"
    clock.forward(PAUSE_MS / 1000)
    assert await answered
    return call, came


async def test_a_response_gap_is_measured_on_the_sound(line: Line) -> None:
    clock = Clock()
    for _ in range(TRIES):
        call, (before_ms, came_ms) = await answered_call(line, clock)
        said_ms, heard_ms = places_ms(call.said_track), places_ms(call.heard_track)
        if is_one_sound(said_ms) and is_one_sound(heard_ms):
            break  # nothing held the line up for long
    (gap,) = measure_gaps(call.said_track, call.heard_track)
    assert gap.caller_end_ms == pytest.approx(said_ms[-1] + FRAME_MS, abs=1)
    assert gap.bot_start_ms == pytest.approx(heard_ms[0], abs=1)
    assert before_ms - 1 <= gap.bot_start_ms <= came_ms + QUEUED_MS


async def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(line: Line) -> None:
    call = await line.call()
    assert not await call.wait_answered(0, quiet_ms=50, deadline_s=0.1)


async def test_an_answer_cut_off_by_the_end_is_none(line: Line) -> None:
    call = await line.call()
    await until(lambda: line.door.sinks)
    line.door.sinks[0].leg.close()
    assert not await call.wait_answered(0, quiet_ms=50, deadline_s=10)
    assert await call.wait_closed() == "hangup"


async def test_after_the_end_nothing_can_be_pressed_or_said(line: Line) -> None:
    call = await line.call()
    call.hang_up()
    call.hang_up()
    assert await call.wait_closed() == "closed"
    call.send(VOICE)
    await call.wait_said()
    with pytest.raises(LegClosed):
        call.press("1")
    await until(lambda: line.door.sinks[0].causes)
    assert line.door.sinks[0].causes == ["hangup"]


async def test_nobody_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(MissingError, match=rf"no AudioSocket server answers at 127.0.0.1:{port}.*ivrbot serve"):
        await AudioSocketCall().connect("127.0.0.1", port, new_call_id())


async def test_a_call_id_must_be_a_uuid() -> None:
    with pytest.raises(ValueError, match="UUID"):
        await AudioSocketCall().connect("127.0.0.1", 1, CallId("call-1"))


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\x7f\0\0", "protocol_error"),
        (error_frame(1), "peer_error"),
        (b"", "hangup"),
        (b"\x10\x01", "protocol_error"),
    ],
)
async def test_servers_that_misbehave_end_the_call(data: bytes, cause: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(19)
        writer.write(data)
        writer.write_eof()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        call = AudioSocketCall()
        await call.connect("127.0.0.1", server.sockets[0].getsockname()[1], new_call_id())
        assert await call.wait_closed() == cause
    assert len(call.received) % FRAME_BYTES == 0

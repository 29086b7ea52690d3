"""What every gateway promises: a gateway's test class inherits `GatewayContract` and provides a fixture `line`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ivrbot.model.audio import FRAME_BYTES, SILENCE, Frame, Pcm
from ivrbot.model.call import CallId
from tests.fakes.media import RecordingDoor, RecordingSink
from tests.fakes.waiting import until


class Caller(Protocol):
    """The other side of a leg, as the gateway's own kind of client."""

    def say(self, frames: Sequence[Frame]) -> None:
        """Send frames, one every 20 ms, after those still waiting."""

    def press(self, key: str) -> None:
        """Press a key now."""

    def hang_up(self) -> None:
        """End the leg."""

    @property
    def received(self) -> bytes:
        """8 kHz PCM16 that came so far."""

    @property
    def is_over(self) -> bool:
        """Whether the other side has ended the leg."""


class Line(Protocol):
    """A running gateway."""

    door: RecordingDoor

    async def ring(self, call_id: CallId) -> Caller:
        """Open a leg."""

    @property
    def open_legs(self) -> int:
        """Legs the gateway holds."""


def new_call_id() -> CallId:
    return CallId(str(uuid.uuid4()))


def marked_frames(count: int) -> list[Frame]:
    """Frames that differ from each other and from silence, the same in every run."""
    noise = np.random.default_rng(20).integers(-9000, 9000, (count, FRAME_BYTES // 2), dtype=np.int16)
    return [Frame(Pcm(row.astype("<i2").tobytes())) for row in noise]


async def answered(line: Line) -> tuple[Caller, RecordingSink]:
    """A leg that was let in."""
    before = len(line.door.sinks)
    caller = await line.ring(new_call_id())
    await until(lambda: len(line.door.sinks) > before)
    return caller, line.door.sinks[-1]


class GatewayContract:
    """The promises."""

    async def test_a_leg_is_let_in_under_its_call_id(self, line: Line) -> None:
        call_id = new_call_id()
        await line.ring(call_id)
        await until(lambda: line.door.sinks)
        assert [sink.leg.call_id for sink in line.door.sinks] == [call_id]

    async def test_frames_arrive_whole_and_in_order(self, line: Line) -> None:
        caller, sink = await answered(line)
        said = marked_frames(20)
        caller.say(said)
        await until(lambda: said[-1] in sink.frames)
        assert [frame for frame in sink.frames if frame != SILENCE] == said

    async def test_what_is_played_arrives_whole_and_in_order(self, line: Line) -> None:
        caller, sink = await answered(line)
        played = marked_frames(20)
        sink.to_play = list(played)
        await until(lambda: bytes(played[-1]) in caller.received)
        assert b"".join(played) in caller.received

    async def test_silence_is_sent_when_there_is_nothing_to_play(self, line: Line) -> None:
        caller, sink = await answered(line)
        await until(lambda: len(caller.received) >= 10 * FRAME_BYTES)
        assert not any(caller.received)
        assert sink.asked >= 10

    async def test_keys_arrive_in_order_while_a_prompt_plays(self, line: Line) -> None:
        caller, sink = await answered(line)
        sink.to_play = marked_frames(50)
        for key in "0123456789*#":
            caller.press(key)
        await until(lambda: len(sink.keys) == 12)
        assert "".join(sink.keys) == "0123456789*#"
        assert sink.to_play, "the prompt was over before the keys came"

    async def test_repeated_keys_are_each_heard(self, line: Line) -> None:
        caller, sink = await answered(line)
        for key in "4444":
            caller.press(key)
        await until(lambda: len(sink.keys) == 4)
        assert sink.keys == list("4444")

    async def test_the_caller_hangs_up(self, line: Line) -> None:
        caller, sink = await answered(line)
        caller.hang_up()
        await until(lambda: sink.causes)
        await until(lambda: line.open_legs == 0)
        assert sink.causes == ["hangup"]

    async def test_the_bot_ends_the_leg(self, line: Line) -> None:
        caller, sink = await answered(line)
        sink.leg.close()
        sink.leg.close()
        assert not sink.causes, "on_closed must not be called from within close"
        await until(lambda: caller.is_over)
        await until(lambda: line.open_legs == 0)
        assert sink.causes == ["closed"]

    async def test_nothing_is_asked_for_after_the_end(self, line: Line) -> None:
        _, sink = await answered(line)
        _, other = await answered(line)
        sink.leg.close()
        asked, others = sink.asked, other.asked
        await until(lambda: other.asked >= others + 3)
        assert sink.asked == asked

    async def test_a_refused_leg_is_closed_and_others_go_on(self, line: Line) -> None:
        caller, sink = await answered(line)
        refused = new_call_id()
        line.door.refused.add(refused)
        second = await line.ring(refused)
        await until(lambda: second.is_over)
        assert line.door.asked[-1] == refused
        heard = len(caller.received)
        await until(lambda: len(caller.received) > heard)
        assert sink.causes == []

    async def test_two_legs_do_not_hear_each_other(self, line: Line) -> None:
        first, first_sink = await answered(line)
        second, second_sink = await answered(line)
        mine, yours = marked_frames(8)[:4], marked_frames(8)[4:]
        first.say(mine)
        second.say(yours)
        first_sink.to_play = list(yours)
        await until(lambda: mine[-1] in first_sink.frames and yours[-1] in second_sink.frames)
        await until(lambda: bytes(yours[-1]) in first.received)
        assert not set(yours) & set(first_sink.frames)
        assert not set(mine) & set(second_sink.frames)
        assert not any(second.received)

    async def test_notify_is_harmless(self, line: Line) -> None:
        caller, sink = await answered(line)
        sink.leg.notify({"type": "transcript", "who": "bot", "text": "Здравствуйте"})
        before = len(caller.received)
        await until(lambda: len(caller.received) > before)

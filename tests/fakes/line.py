"""A telephone line for a `SoundChannel`: frames in and out one by one, in virtual time; loud frames are speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ivrbot.call.sound import SoundChannel
from ivrbot.errors import EngineError
from ivrbot.media.level import rms_dbfs
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, SILENCE, Frame, Pcm
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import Piece, Utterance
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Language, Partial
from tests.fakes.asr import FakeAsr, FakeAsrStream
from tests.fakes.virtual_time import VirtualTimeLoop, run_virtual

SOME_CALL = CallId("11111111-2222-3333-4444-555555555555")
LOUD = Frame(Pcm((9000 * np.sin(np.arange(FRAME_SAMPLES) * 0.7)).astype("<i2").tobytes()))


class LoudnessActivity:
    """Voice activity that takes every loud frame for speech."""

    perhaps = False

    def feed(self, frame: Frame) -> bool:
        return rms_dbfs(frame) > -50.0

    def hear(self, frame: Frame, then: Callable[[Frame, bool], None]) -> None:
        then(frame, self.feed(frame))


class SilentAsr(FakeAsr):
    """Tells nothing before it is asked to read: the fake's words by length would make words of noise."""

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> FakeAsrStream:
        return super().open(language, expect, lambda _partial: None)


class QuietLeg:
    """A leg whose other side a test plays."""

    def __init__(self, call_id: CallId = SOME_CALL) -> None:
        self.call_id = call_id
        self.closed = 0
        self.shown: list[dict[str, object]] = []
        self.dropped: dict[str, int] = {}

    def close(self) -> None:
        self.closed += 1

    def notify(self, message: dict[str, object]) -> None:
        self.shown.append(message)


class MarkedVoice:
    """A voice of a fixed length per utterance; its frames carry the number of the utterance.

    Attributes:
        failure: raised instead of the second phrase.
        slow: awaited before every phrase.
    """

    def __init__(self, frames: int = 50) -> None:
        self._frames = frames
        self.spoken: list[str] = []
        self.failure: EngineError | None = None
        self.slow: Callable[[], asyncio.Future[None]] | None = None

    async def speak(self, utterance: Utterance) -> AsyncIterator[Pcm]:
        self.spoken.append(utterance.text)
        for number in range(2):
            if self.slow is not None:
                await self.slow()
            if number and self.failure is not None:
                raise self.failure
            yield Pcm(bytes([10 * len(self.spoken) + number]) * (FRAME_BYTES * self._frames // 2))

    def can_speak(self, utterance: Utterance) -> bool:
        return True


def utterance(text: str) -> Utterance:
    return Utterance("en", text, text, (Piece(text, "static"),))


@dataclass
class Line:
    """A channel with both ends in hand.

    Attributes:
        played: first byte of every frame that the bot played, 0 for silence.
    """

    loop: asyncio.AbstractEventLoop
    asr: FakeAsr
    voice: MarkedVoice = field(default_factory=MarkedVoice)
    leg: QuietLeg = field(default_factory=QuietLeg)
    events: list[tuple[EventType, dict[str, JsonValue]]] = field(default_factory=list)
    played: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.channel = SoundChannel(
            self.leg, lambda _language: self.asr, self.voice, self._note, clock=self.loop.time
        )
        self.channel._hearing._activity = LoudnessActivity()  # type: ignore[assignment]

    def _note(self, type_: EventType, _t_ms: int, data: dict[str, JsonValue]) -> None:
        self.events.append((type_, data))

    async def frames(self, frame: Frame, ms: int) -> None:
        """The caller's sound for so long, and what the bot plays meanwhile, at the pace of the clock."""
        for _ in range(ms // FRAME_MS):
            self.channel.on_frame(frame)
            heard = self.channel.next_frame()
            self.played.append(heard[0] if heard else 0)
            await asyncio.sleep(FRAME_MS / 1000)

    async def speech(self, ms: int) -> None:
        await self.frames(LOUD, ms)

    async def silence(self, ms: int) -> None:
        await self.frames(SILENCE, ms)

    def of(self, type_: EventType) -> list[dict[str, JsonValue]]:
        return [data for kind, data in self.events if kind is type_]


def on_a_line(
    texts: Iterable[str] = (), frames: int = 50
) -> Callable[[Callable[[Line], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """Run a scenario on a line, in virtual time; afterwards no task is left.

    Args:
        texts: what the recogniser reads, utterance by utterance; then it counts words by length.
        frames: length of everything that the bot says.
    """

    def make(scenario: Callable[[Line], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        async def main(loop: VirtualTimeLoop) -> None:
            asr = SilentAsr(texts)
            await asr.start()
            line = Line(loop, asr, MarkedVoice(frames))
            async with asyncio.TaskGroup() as group:
                line.channel.start(group)
                line.channel.speak_in("en")
                await scenario(line)
                line.channel.close()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks left running: {left}"

        def test() -> None:
            run_virtual(main)

        test.__name__ = test.__qualname__ = scenario.__name__
        return test

    return make

"""A caller's hearing in virtual time, with a recogniser that does what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ivrbot.call.hearing import Hearing, Reading
from ivrbot.model.audio import FRAME_MS, SILENCE, Frame, Pcm
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript
from tests.fakes.line import LOUD, LoudnessActivity
from tests.fakes.virtual_time import VirtualTimeLoop, run_virtual


class Stream:
    """A recogniser's stream that does what its engine is told.

    Attributes:
        decodes: how many were asked for.
        guessed: how many guesses.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sound = bytearray()
        self.decodes = 0
        self.guessed = 0
        self.closed = False

    def feed(self, pcm: Pcm) -> None:
        if self._engine.feed_failure is not None:
            raise self._engine.feed_failure
        self.sound += pcm

    def may_guess(self) -> bool:
        return self._engine.guesses

    async def guess(self) -> Transcript:
        self.guessed += 1
        if self._engine.guess_failure is not None:
            raise self._engine.guess_failure
        return await self._read()

    async def decode(self) -> Transcript:
        self.decodes += 1
        return await self._read()

    async def _read(self) -> Transcript:
        if self._engine.hangs:
            await asyncio.Event().wait()
        if self._engine.decode_failure is not None:
            raise self._engine.decode_failure
        if self._engine.garbled:
            return Transcript((), "told", garbled=True)
        text = self._engine.text or f"{len(self.sound)} bytes"
        if self._engine.delay_s:
            await asyncio.sleep(self._engine.delay_s)
        texts = (text, *self._engine.others)
        return Transcript(tuple(Hypothesis(one, self._engine.confidence) for one in texts), "told")

    def close(self) -> None:
        self.closed = True


class Engine:
    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.open_failure: Exception | None = None
        self.feed_failure: Exception | None = None
        self.decode_failure: Exception | None = None
        self.guess_failure: Exception | None = None
        self.delay_s = 0.0
        self.hangs = False
        self.guesses = False
        self.garbled = False
        self.text = ""
        self.others: tuple[str, ...] = ()
        self.confidence = 1.0

    @property
    def name(self) -> str:
        return "told"

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> Stream:
        if self.open_failure is not None:
            raise self.open_failure
        self.streams.append(Stream(self))
        return self.streams[-1]


class Room:
    """A `Hearing` with everything that it tells."""

    def __init__(self, loop: VirtualTimeLoop, *, real_activity: bool) -> None:
        self.loop = loop
        self.engine = Engine()
        self.told: list[str] = []
        self.readings: list[Reading] = []
        self.hearing = Hearing(
            lambda _language: self.engine,
            now_ms=lambda: int(loop.time() * 1000),
            is_speaking=lambda: False,
            on_speech=lambda: self.told.append("speech"),
            on_words=lambda _text: self.told.append("words"),
            on_nothing=lambda: self.told.append("nothing"),
            on_garbled=lambda: self.told.append("garbled"),
            on_reading=self.readings.append,
            on_no_input=lambda: self.told.append("no input"),
        )
        if not real_activity:
            self.hearing._activity = LoudnessActivity()  # type: ignore[assignment]

    async def frames(self, *frames: Frame) -> None:
        for frame in frames:
            self.hearing.feed(frame)
            await asyncio.sleep(FRAME_MS / 1000)

    async def loud(self, ms: int) -> None:
        await self.frames(*[LOUD] * (ms // FRAME_MS))

    async def silence(self, ms: int) -> None:
        await self.frames(*[SILENCE] * (ms // FRAME_MS))


def in_a_room(
    *, real_activity: bool = False
) -> Callable[[Callable[[Room], Coroutine[Any, Any, None]]], Callable[[], None]]:
    def make(scenario: Callable[[Room], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        async def main(loop: VirtualTimeLoop) -> None:
            room = Room(loop, real_activity=real_activity)
            async with asyncio.TaskGroup() as group:
                room.hearing.start(group)
                await scenario(room)
                room.hearing.stop()
            assert all(stream.closed for stream in room.engine.streams)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        def test() -> None:
            run_virtual(main)

        test.__name__ = test.__qualname__ = scenario.__name__
        return test

    return make


async def says_nothing_yet(_text: str) -> bool:
    """No reading answers the question."""
    return False


async def says_all(_text: str) -> bool:
    """Every reading does."""
    return True

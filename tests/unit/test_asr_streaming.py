"""A streamed utterance loses no sound: whoever gives up, whoever fails, and whatever comes in meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from itertools import groupby

import pytest

from ivrbot.asr.streaming import BACKLOG_MS, CHUNK_MS, StreamedUtterance, StreamingEngine
from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.model.audio import FRAME_MS, Pcm
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial
from tests.fakes.waiting import until

LONG_S = 30.0
BYTES_PER_MS = 16


class Spelling:
    """A reader whose sound is letters: each run of the same letter reads as that letter."""

    def __init__(self) -> None:
        self.cpu_ms = 0.0
        self.busy = threading.Lock()
        self.sound = b""
        self.finishes = 0
        self.breaks = False
        self.finishing = threading.Event()
        self.may_finish = threading.Event()
        self.may_finish.set()

    def accept(self, pcm: bytes) -> str:
        self._break()
        self.sound += pcm
        return self._text()

    def finish(self, pcm: bytes) -> tuple[Hypothesis, ...]:
        self.finishing.set()
        assert self.may_finish.wait(LONG_S)
        self._break()
        self.finishes += 1
        self.sound += pcm
        return (Hypothesis(self._text()),)

    def _break(self) -> None:
        if self.breaks:
            self.breaks = False
            raise ValueError("the library stumbles")

    def _text(self) -> str:
        return "".join(letter for letter, _ in groupby(self.sound.decode()))


class SpellingEngine(StreamingEngine[Spelling]):
    """Lends one reader.

    Attributes:
        allowed_s: deadline of the next job.
    """

    def __init__(self, instances: int) -> None:
        super().__init__("spelling", instances=instances, deadline_ms=0, observe_queue_s=lambda _: None)
        self.allowed_s = LONG_S
        self.reader = Spelling()
        self.makes = 0
        self.may_make = threading.Event()
        self.may_make.set()

    @property
    def deadline_s(self) -> float:
        return self.allowed_s

    def take(self, language: Language, expect: Expect) -> Spelling:
        self.makes += 1
        assert self.may_make.wait(LONG_S)
        return self.reader

    def give_back(self, reader: Spelling) -> None:
        pass

    def _load(self) -> None:
        pass

    def _unload(self) -> None:
        pass

    def _hears(self, language: Language) -> bool:
        return True


class Held:
    """Keeps an instance of the pool busy until it is let go."""

    def __init__(self, engine: SpellingEngine) -> None:
        self._may_end = threading.Event()
        self._job = asyncio.create_task(engine.pool.run(lambda _: self._may_end.wait(LONG_S), LONG_S))

    async def let_go(self) -> None:
        self._may_end.set()
        await self._job


async def occupied(engine: SpellingEngine) -> Held:
    """Its only instance has begun with another job."""
    held = Held(engine)
    await until(lambda: not engine.pool.idle)
    return held


@pytest.fixture
async def engine() -> AsyncIterator[SpellingEngine]:
    engine = SpellingEngine(instances=1)
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture
def partials() -> list[Partial]:
    return []


@pytest.fixture
def stream(engine: SpellingEngine, partials: list[Partial]) -> StreamedUtterance[Spelling]:
    return engine.open("en", Expect.OPEN, partials.append)


def said(letter: str, length_ms: int = FRAME_MS) -> Pcm:
    return Pcm(letter.encode() * (length_ms * BYTES_PER_MS))


async def text_of(stream: StreamedUtterance[Spelling]) -> str:
    return (await stream.decode()).text


async def test_a_decode_cancelled_while_it_waits_for_its_turn(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling]
) -> None:
    other = await occupied(engine)
    stream.feed(said("a"))
    decoding = asyncio.create_task(stream.decode())
    await until(lambda: engine.pool.waiting)
    decoding.cancel()
    await asyncio.wait((decoding,))
    assert decoding.cancelled()
    await other.let_go()
    stream.feed(said("b"))
    assert await text_of(stream) == "ab"
    assert engine.load.dropped_ms == 0


async def test_a_decode_too_late_before_its_turn_came(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling]
) -> None:
    other = await occupied(engine)
    stream.feed(said("a"))
    engine.allowed_s = 0.01
    with pytest.raises(EngineTimeout):
        await stream.decode()
    engine.allowed_s = LONG_S
    await other.let_go()
    stream.feed(said("b"))
    assert await text_of(stream) == "ab"


async def test_sound_read_on_the_way_waits_when_the_recognisers_have_no_time(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling]
) -> None:
    other = await occupied(engine)
    engine.allowed_s = 0.01
    stream.feed(said("a", CHUNK_MS))
    await stream.settle()
    assert engine.load.timeouts == 1
    engine.allowed_s = LONG_S
    await other.let_go()
    stream.feed(said("b"))
    assert await text_of(stream) == "ab"
    assert engine.load.dropped_ms == 0


async def test_recognisers_without_time_are_asked_again_after_another_chunk(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling]
) -> None:
    other = await occupied(engine)
    engine.allowed_s = 0.0
    for _ in range(3 * CHUNK_MS // FRAME_MS):
        stream.feed(said("a"))
        await stream.settle()
    await other.let_go()
    assert engine.load.timeouts == 3


async def test_what_waits_is_bounded(engine: SpellingEngine, stream: StreamedUtterance[Spelling]) -> None:
    other = await occupied(engine)
    engine.allowed_s = 0.0
    stream.feed(said("a", 500))
    with pytest.raises(EngineTimeout):
        await stream.decode()
    stream.feed(said("b", BACKLOG_MS))
    engine.allowed_s = LONG_S
    await other.let_go()
    assert await text_of(stream) == "b"
    assert engine.load.dropped_ms == 500


async def test_a_decode_cancelled_while_its_recogniser_is_made() -> None:
    engine = SpellingEngine(instances=2)
    await engine.start()
    stream = engine.open("en", Expect.OPEN, lambda _: None)
    engine.may_make.clear()
    stream.feed(said("a"))
    given_up = asyncio.create_task(stream.decode())
    await until(lambda: engine.makes)
    given_up.cancel()
    await asyncio.wait((given_up,))
    stream.feed(said("b"))
    decoding = asyncio.create_task(stream.decode())
    await until(lambda: not engine.pool.idle)
    engine.may_make.set()
    assert (await decoding).text == "ab"
    assert engine.reader.sound == said("a") + said("b")
    assert engine.makes == 1
    await engine.close()


async def test_a_decode_cancelled_while_it_runs_is_not_read_twice(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling]
) -> None:
    engine.reader.may_finish.clear()
    stream.feed(said("a"))
    decoding = asyncio.create_task(stream.decode())
    await until(engine.reader.finishing.is_set)
    decoding.cancel()
    await asyncio.wait((decoding,))
    engine.reader.may_finish.set()
    stream.feed(said("b"))
    assert await text_of(stream) == "ab"
    assert engine.reader.sound == said("a") + said("b")


async def test_sound_that_comes_while_a_decode_runs_is_in_the_next_one(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling]
) -> None:
    engine.reader.may_finish.clear()
    stream.feed(said("a"))
    decoding = asyncio.create_task(stream.decode())
    await until(engine.reader.finishing.is_set)
    stream.feed(said("b"))
    engine.reader.may_finish.set()
    first = await decoding
    assert (first.text, first.audio_ms) == ("a", FRAME_MS)
    second = await stream.decode()
    assert (second.text, second.audio_ms) == ("ab", 2 * FRAME_MS)


async def test_nothing_new_is_read_once(engine: SpellingEngine, stream: StreamedUtterance[Spelling]) -> None:
    stream.feed(said("a"))
    assert await text_of(stream) == await text_of(stream) == "a"
    assert engine.reader.finishes == 1


async def test_sound_that_the_library_stumbled_over_is_lost_and_counted(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling], partials: list[Partial]
) -> None:
    engine.reader.breaks = True
    stream.feed(said("a", CHUNK_MS))
    await stream.settle()
    assert engine.load.dropped_ms == CHUNK_MS
    engine.reader.breaks = True
    stream.feed(said("b"))
    with pytest.raises(EngineBadOutput, match="stumbles"):
        await stream.decode()
    assert engine.load.dropped_ms == CHUNK_MS + FRAME_MS
    stream.feed(said("c", CHUNK_MS))
    await stream.settle()
    assert [one.text for one in partials] == ["c"]
    assert await text_of(stream) == "c"


async def test_a_closed_utterance_keeps_no_sound(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling]
) -> None:
    other = await occupied(engine)
    stream.feed(said("a"))
    decoding = asyncio.create_task(stream.decode())
    await until(lambda: engine.pool.waiting)
    stream.close()
    await other.let_go()
    with pytest.raises(EngineUnavailable, match="closed"):
        await decoding
    assert engine.reader.sound == b""


async def test_an_utterance_closed_while_its_recogniser_is_made_reads_nothing(
    engine: SpellingEngine, stream: StreamedUtterance[Spelling]
) -> None:
    engine.may_make.clear()
    stream.feed(said("a"))
    decoding = asyncio.create_task(stream.decode())
    await until(lambda: engine.makes)
    stream.close()
    engine.may_make.set()
    with pytest.raises(EngineUnavailable):
        await decoding
    assert engine.reader.sound == b""

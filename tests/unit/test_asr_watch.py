"""A recogniser that fails again and again is noticed, and found to work again."""

from __future__ import annotations

import asyncio

import pytest

from ivrbot.asr.watch import FAILURES, REST_S, AsrWatch
from ivrbot.errors import EngineError, EngineTimeout, EngineUnavailable
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Expect, Language, Transcript
from tests.fakes.asr import FakeAsr


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def engine() -> FakeAsr:
    engine = FakeAsr()
    await engine.start()
    return engine


@pytest.fixture
def watch(engine: FakeAsr, clock: Clock) -> AsrWatch:
    return AsrWatch(lambda _language: engine, clock)


def down(watch: AsrWatch) -> bool:
    return watch.down


async def decode(watch: AsrWatch, engine: FakeAsr, *, fails: bool, language: Language = "ru") -> None:
    stream = watch.hearing(language).open(language, Expect.OPEN, lambda _: None)
    stream.feed(Pcm(bytes(320)))
    if fails:
        engine.failures.append(EngineTimeout("late"))
        with pytest.raises(EngineTimeout):
            await stream.decode()
    else:
        await stream.decode()
    stream.close()


async def test_failures_in_a_row_over_all_calls_mean_that_it_is_down(watch: AsrWatch, engine: FakeAsr) -> None:
    for _ in range(FAILURES - 1):
        await decode(watch, engine, fails=True)
    assert not down(watch)
    await decode(watch, engine, fails=False)
    for _ in range(FAILURES):
        assert not down(watch)
        await decode(watch, engine, fails=True)
    assert down(watch)
    await decode(watch, engine, fails=False, language="en")
    assert down(watch)  # another language's success does not help his callers
    await decode(watch, engine, fails=False)
    assert not down(watch)


async def test_after_a_rest_a_caller_tries_it_and_one_more_failure_is_enough(
    watch: AsrWatch, engine: FakeAsr, clock: Clock
) -> None:
    for _ in range(FAILURES):
        await decode(watch, engine, fails=True)
    clock.now_s = REST_S - 1
    assert down(watch)
    clock.now_s = REST_S
    assert not down(watch)
    await decode(watch, engine, fails=True)
    assert down(watch)


async def test_a_dead_engine_cannot_even_be_opened(watch: AsrWatch, engine: FakeAsr) -> None:
    await engine.close()
    for _ in range(FAILURES):
        with pytest.raises(EngineUnavailable):
            watch.hearing("ru").open("ru", Expect.OPEN, lambda _: None)
    assert down(watch)


class Overtaken:
    """A stream whose first decode fails because a second was asked for."""

    def __init__(self) -> None:
        self.newer = asyncio.Event()

    def feed(self, pcm: Pcm) -> None:
        pass

    async def decode(self) -> Transcript:
        if not self.newer.is_set():
            await self.newer.wait()
            raise EngineUnavailable("superseded")
        return Transcript((), "fake", 0)

    def close(self) -> None:
        self.newer.set()


class OvertakenEngine(FakeAsr):
    def open(self, *_: object) -> Overtaken:  # type: ignore[override]
        return Overtaken()


@pytest.mark.parametrize("how", ["newer", "closed"])
async def test_what_was_overtaken_is_no_failure(clock: Clock, how: str) -> None:
    engine = OvertakenEngine()
    watch = AsrWatch(lambda _language: engine, clock)
    for _ in range(FAILURES):
        stream = watch.hearing("ru").open("ru", Expect.OPEN, lambda _: None)
        first = asyncio.create_task(stream.decode())
        await asyncio.sleep(0)
        if how == "newer":
            stream._stream.newer.set()  # type: ignore[attr-defined]
            await stream.decode()
        else:
            stream.close()
        with pytest.raises(EngineError):
            await first
    assert not down(watch)


async def test_a_surprise_of_the_library_is_a_failure_too(watch: AsrWatch, engine: FakeAsr) -> None:
    for _ in range(FAILURES):
        stream = watch.hearing("ru").open("ru", Expect.OPEN, lambda _: None)
        stream.feed(Pcm(bytes(320)))
        engine.failures.append(TypeError("garbage"))
        with pytest.raises(TypeError):
            await stream.decode()
        stream.close()
    assert down(watch)

"""What was prepared is spoken from memory; what was not, or could not be, comes from the voice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from ivrbot.call.rehearsal import MOST_UTTERANCES, Rehearsal
from ivrbot.errors import EngineError, EngineUnavailable
from ivrbot.model.audio import Pcm
from ivrbot.model.dialogue import Utterance
from tests.fakes.line import utterance

Scenario = Callable[["Stage"], Coroutine[Any, Any, None]]


class SlowVoice:
    """Gives a phrase whenever it is let; counts what it began and what it gave up."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.given_up: list[str] = []
        self.free = asyncio.Event()
        self.free.set()
        self.failures: list[EngineError] = []
        self.mute = False

    def can_speak(self, utterance: Utterance) -> bool:
        return not self.mute

    async def speak(self, utterance: Utterance) -> AsyncIterator[Pcm]:
        self.begun.append(utterance.text)
        try:
            for number in range(3):
                if number:
                    await self.free.wait()
                if number == 2 and self.failures:
                    raise self.failures.pop()
                yield Pcm(f"{utterance.text}{number}".encode())
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up.append(utterance.text)
            raise


class Stage:
    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.voice = SlowVoice()
        self.rehearsal = Rehearsal(self.voice)
        self.rehearsal.start(group)

    def prepare(self, *texts: str) -> None:
        self.rehearsal.prepare([utterance(text) for text in texts])

    async def spoken(self, text: str) -> list[str]:
        return [bytes(pcm).decode() async for pcm in self.rehearsal.speak(utterance(text))]


def staged(scenario: Scenario) -> Callable[[], Coroutine[Any, Any, None]]:
    async def test() -> None:
        async with asyncio.TaskGroup() as group:
            stage = Stage(group)
            await scenario(stage)
            stage.rehearsal.stop()

    test.__name__ = test.__qualname__ = scenario.__name__
    return test


async def settle() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


@staged
async def test_what_was_prepared_is_made_once(stage: Stage) -> None:
    stage.prepare("yes")
    await settle()
    assert await stage.spoken("yes") == ["yes0", "yes1", "yes2"]
    assert stage.voice.begun == ["yes"]
    assert await stage.spoken("yes") == ["yes0", "yes1", "yes2"]
    assert stage.voice.begun == ["yes", "yes"], "it is used once"


@staged
async def test_what_is_still_being_made_is_spoken_as_it_comes(stage: Stage) -> None:
    stage.voice.free.clear()
    stage.prepare("yes")
    await settle()
    phrases = stage.rehearsal.speak(utterance("yes"))
    assert bytes(await anext(phrases)) == b"yes0"
    stage.voice.free.set()
    assert [bytes(one) async for one in phrases] == [b"yes1", b"yes2"]
    assert stage.voice.begun == ["yes"]


@staged
async def test_what_was_not_prepared_comes_from_the_voice(stage: Stage) -> None:
    stage.prepare("yes")
    assert await stage.spoken("no") == ["no0", "no1", "no2"]


@staged
async def test_a_late_word_drops_what_was_prepared_and_keeps_what_is_still_wanted(stage: Stage) -> None:
    stage.voice.free.clear()
    stage.prepare("old", "both")
    await settle()
    stage.prepare("both", "new")
    await settle()
    assert stage.voice.given_up == ["old"]
    stage.voice.free.set()
    assert await stage.spoken("both") == ["both0", "both1", "both2"]
    assert stage.voice.begun == ["old", "both", "new"]


@staged
async def test_a_rehearsal_that_fails_is_nobodys_business_until_it_is_needed(stage: Stage) -> None:
    stage.voice.failures = [EngineUnavailable("gone")]
    stage.prepare("yes")
    await settle()
    assert await stage.spoken("yes") == ["yes0", "yes1", "yes2"], "nothing is said twice and nothing left out"
    stage.voice.failures = [EngineUnavailable("gone"), EngineUnavailable("gone")]
    stage.prepare("no")
    await settle()
    with pytest.raises(EngineUnavailable):
        await stage.spoken("no")


@staged
async def test_a_voice_that_cannot_say_it_is_not_asked(stage: Stage) -> None:
    stage.voice.mute = True
    stage.prepare("yes")
    await settle()
    assert stage.voice.begun == []


@staged
async def test_little_is_kept_and_nothing_is_made_after_the_end(stage: Stage) -> None:
    stage.prepare(*(f"text {number}" for number in range(MOST_UTTERANCES + 4)))
    await settle()
    assert len(stage.voice.begun) == MOST_UTTERANCES
    stage.rehearsal.stop()
    stage.prepare("late")
    await settle()
    assert "late" not in stage.voice.begun

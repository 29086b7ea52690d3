"""Late words on a line: the answer waits for them, noise lets it go on, and the sound of it was ready before."""

from __future__ import annotations

import asyncio

import pytest

from ivrbot.call.channel import Keyed, Spoken
from ivrbot.errors import LegClosed
from ivrbot.model.dialogue import Collect
from ivrbot.model.events import EventType
from ivrbot.model.speech import Expect
from tests.fakes.line import Line, on_a_line, utterance
from tests.fakes.questions import TOPIC, always, never

FACT = Collect("fact", Expect.DIGITS, max_digits=4, secret=True)
OVER_MS = 1300
"""Silence after which an open turn is over, however it was read."""


async def heard_first(line: Line) -> Spoken:
    """A first turn, taken as over at its first pause."""
    listening = asyncio.get_running_loop().create_task(line.channel.listen(TOPIC, always))
    await line.silence(100)
    await line.speech(600)
    while not listening.done():
        await line.silence(20)
    heard = await listening
    assert isinstance(heard, Spoken)
    return heard


async def answer(line: Line, text: str = "which card?") -> None:
    line.channel.speak_in("en")
    await line.channel.say(utterance(text), interruptible=True)


@on_a_line(["balance", "of my salary card"])
async def test_words_before_the_first_sound_hold_the_answer_back(line: Line) -> None:
    first = await heard_first(line)
    before = line.channel.goes_on
    await line.speech(200)
    assert (before, line.channel.goes_on) == (False, True)
    line.played.clear()
    await answer(line)
    await line.speech(500)
    assert not any(line.played), "the bot spoke over somebody who was going on"
    listening = asyncio.get_running_loop().create_task(line.channel.listen(FACT, never))
    await line.silence(OVER_MS)
    then = await listening
    assert isinstance(then, Spoken)
    assert then.before_question
    assert 0 < then.began_ms - first.ended_ms <= 600
    await answer(line, "both")
    await line.silence(600)
    marks = {mark for mark in line.played if mark}
    assert marks and min(marks) >= 20, "the first answer was not dropped"
    assert line.voice.spoken == ["which card?", "both"]


@pytest.mark.parametrize(
    ("second", "heard"), [("the card 9010?", False), ("the card 4271?", True)], ids=["another card", "put again"]
)
def test_a_yes_from_before_a_confirmation_is_no_yes_to_another_one(second: str, heard: bool) -> None:
    @on_a_line(["no the other one", "yes"])
    async def talk(line: Line) -> None:
        confirm = Collect("confirm", Expect.YES_NO)
        await answer(line, "the card 4271?")
        listening = asyncio.get_running_loop().create_task(line.channel.listen(confirm, always))
        await line.silence(1000)
        await line.speech(600)
        await line.silence(OVER_MS)
        assert isinstance(await listening, Spoken)
        await line.speech(400)  # before anything was said about the next one
        await answer(line, second)
        listening = asyncio.get_running_loop().create_task(line.channel.listen(confirm, always))
        await line.silence(OVER_MS)
        assert listening.done() == heard
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    talk()


@on_a_line(["balance", ""])
async def test_a_noise_only_delays_the_answer(line: Line) -> None:
    await heard_first(line)
    await line.speech(160)
    line.played.clear()
    await answer(line)
    listening = asyncio.get_running_loop().create_task(line.channel.listen(FACT, never))
    await line.silence(3000)
    assert any(line.played)
    assert line.voice.spoken == ["which card?"]
    assert line.of(EventType.TURN_RESUMED) == []
    line.channel.on_closed("hangup")
    with pytest.raises(LegClosed):
        await listening


@on_a_line(["balance", "anything else"])
async def test_what_comes_much_later_is_another_turn(line: Line) -> None:
    first = await heard_first(line)
    await answer(line)
    await line.silence(2500)
    listening = asyncio.get_running_loop().create_task(line.channel.listen(TOPIC, always))
    await line.speech(600)
    await line.silence(OVER_MS)
    then = await listening
    assert isinstance(then, Spoken)
    assert not then.before_question
    assert then.began_ms - first.ended_ms > 600


@on_a_line(["balance"])
async def test_the_sound_is_made_at_the_pause_and_only_once(line: Line) -> None:
    line.channel.prepare([utterance("which card?"), utterance("which kind?")])
    await asyncio.sleep(0.02)
    assert line.voice.spoken == ["which card?", "which kind?"]
    await answer(line)
    assert line.voice.spoken == ["which card?", "which kind?"]
    await line.silence(200)
    assert any(line.played)


@on_a_line(["balance"])
async def test_a_call_that_ends_lets_go_of_what_is_being_made(line: Line) -> None:
    held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    line.voice.slow = lambda: held
    line.channel.prepare([utterance("which card?")])
    await asyncio.sleep(0.02)
    line.channel.on_closed("hangup")
    line.channel.close()


@on_a_line(["balance", "no not that one"])
async def test_time_that_is_given_ends_with_his_voice(line: Line) -> None:
    first = await heard_first(line)
    waiting = asyncio.get_running_loop().create_task(line.channel.give_time(first.ended_ms + 60_000))
    await asyncio.sleep(0)
    assert not waiting.done()
    await line.speech(200)
    await asyncio.wait_for(waiting, 1)
    assert line.channel.goes_on


@on_a_line(["balance", "no"])
async def test_what_he_added_is_heard_though_it_was_read_long_before_anybody_asked(line: Line) -> None:
    first = await heard_first(line)
    await line.silence(200)
    await line.speech(200)
    await line.silence(2 * OVER_MS)
    assert line.channel.goes_on
    assert await line.channel.give_time(first.ended_ms + 600)
    then = await asyncio.wait_for(line.channel.listen(TOPIC, never), 1)
    assert isinstance(then, Spoken)
    assert then.hypotheses[0].text == "no"
    assert not line.channel.goes_on


@on_a_line(["balance", ""])
async def test_a_noise_that_was_read_is_nothing_added(line: Line) -> None:
    first = await heard_first(line)
    await line.silence(200)
    await line.speech(200)
    await line.silence(2 * OVER_MS)
    assert not line.channel.goes_on
    assert not await line.channel.give_time(first.ended_ms + 600)


@on_a_line(["balance"])
async def test_a_key_ends_the_time_that_is_given(line: Line) -> None:
    first = await heard_first(line)
    waiting = asyncio.get_running_loop().create_task(line.channel.give_time(first.ended_ms + 60_000))
    await line.silence(40)
    assert not waiting.done()
    line.channel.on_key("2")
    assert await asyncio.wait_for(waiting, 1)
    assert not line.channel.goes_on
    assert await line.channel.listen(TOPIC, never) == Keyed("2")


@on_a_line(["balance"])
async def test_time_that_is_given_ends_when_it_is_over_or_he_is_gone(line: Line) -> None:
    first = await heard_first(line)
    waiting = asyncio.get_running_loop().create_task(line.channel.give_time(first.ended_ms + 600))
    await line.silence(600)
    assert waiting.done()
    assert not line.channel.goes_on
    waiting = asyncio.get_running_loop().create_task(line.channel.give_time(first.ended_ms + 60_000))
    await line.silence(40)
    assert not waiting.done()
    line.channel.on_closed("hangup")
    await line.silence(20)
    assert waiting.done()

"""Keys on a line: complete by number, by `#`, by a pause; ahead of questions, and where none were asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivrbot.call.channel import Keyed
from ivrbot.call.sound import KEY_PAUSE_S, LONE_KEY_PAUSE_S, ZERO_PAUSE_S
from ivrbot.model.dialogue import Collect
from tests.fakes.line import Line, on_a_line
from tests.fakes.questions import CARD, PHONE, TOPIC, WORD, YES, ask


@on_a_line()
async def test_a_key_stops_the_prompt_and_answers(line: Line) -> None:
    listening = await ask(line)
    await line.silence(200)
    line.channel.on_key("1")
    await line.silence(200)
    assert await listening.result() == Keyed("1")
    assert not any(line.played[10:])


@on_a_line()
async def test_keys_faster_than_the_questions_answer_them_in_order(line: Line) -> None:
    for key in "142711":
        line.channel.on_key(key)
    answers = []
    for collect in (TOPIC, CARD, YES):
        listening = await ask(line, collect)
        answers.append(await listening.result())
    assert answers == [Keyed("1"), Keyed("4271"), Keyed("1")]
    await line.silence(100)
    assert not any(line.played), "questions that were answered ahead are not read out"


@on_a_line()
async def test_keys_are_complete_after_a_pause(line: Line) -> None:
    listening = await ask(line, PHONE)
    for key in "8916":
        line.channel.on_key(key)
        await line.silence(1000)
    assert not listening.over
    await line.silence(int(KEY_PAUSE_S * 1000))
    assert await listening.result() == Keyed("8916")


@on_a_line()
async def test_a_number_where_one_key_was_wanted_is_one_answer_not_four(line: Line) -> None:
    listening = await ask(line, replace(TOPIC, lone_key=True))
    for key in "4271":
        line.channel.on_key(key)
        await line.silence(280)
        assert not listening.over
    await line.silence(int(ZERO_PAUSE_S * 1000))
    assert await listening.result() == Keyed("4271")


@on_a_line(["lost my card"])
async def test_a_key_that_may_begin_a_number_is_no_answer_to_the_question_after_it(line: Line) -> None:
    """Words are read between the key and its pause: as at any question, the key answers this one."""
    listening = await ask(line, replace(TOPIC, lone_key=True))
    await line.silence(300)
    await line.speech(400)
    await line.silence(300)
    line.channel.on_key("1")
    await line.silence(int(LONE_KEY_PAUSE_S * 1000) + 100)
    assert await listening.result() == Keyed("1")
    listening = await ask(line, YES)
    await line.silence(300)
    assert not listening.over
    line.channel.on_key("2")
    assert await listening.result() == Keyed("2")


@on_a_line()
async def test_one_key_is_an_answer_when_no_other_follows_at_once(line: Line) -> None:
    listening = await ask(line, replace(TOPIC, lone_key=True))
    line.channel.on_key("4")
    await line.silence(int(LONE_KEY_PAUSE_S * 1000) - 40)
    assert not listening.over
    await line.silence(80)
    assert await listening.result() == Keyed("4")


@on_a_line()
async def test_keys_are_complete_with_a_hash(line: Line) -> None:
    listening = await ask(line, PHONE)
    for key in "8916#":
        line.channel.on_key(key)
    assert await listening.result() == Keyed("8916#")


@pytest.mark.parametrize("late", [False, True])
def test_a_needless_hash_is_no_answer_to_the_next_question(late: bool) -> None:
    @on_a_line()
    async def scenario(line: Line) -> None:
        listening = await ask(line, CARD)
        for key in "4271":
            line.channel.on_key(key)
        if late:
            assert await listening.result() == Keyed("4271")
            line.channel.on_key("#")
        else:
            line.channel.on_key("#")
            assert await listening.result() == Keyed("4271")
        listening = await ask(line, YES)
        await line.silence(200)
        assert not listening.over
        line.channel.on_key("1")
        assert await listening.result() == Keyed("1")

    scenario()


@pytest.mark.parametrize("collect", [TOPIC, replace(TOPIC, lone_key=True), YES])
def test_zero_alone_is_told_at_once_where_no_code_is_wanted(collect: Collect) -> None:
    @on_a_line()
    async def scenario(line: Line) -> None:
        listening = await ask(line, collect)
        line.channel.on_key("0")
        await line.silence(40)
        assert listening.over
        assert await listening.result() == Keyed("0")

    scenario()


@on_a_line()
async def test_a_birth_date_may_be_keyed_when_a_word_was_asked_for(line: Line) -> None:
    listening = await ask(line, WORD)
    for key in "05031989#":
        line.channel.on_key(key)
        await line.silence(200)
    assert await listening.result() == Keyed("05031989#")


@on_a_line()
async def test_zero_alone_is_told_after_the_pause_where_it_may_begin_a_code(line: Line) -> None:
    listening = await ask(line, CARD)
    line.channel.on_key("0")
    await line.silence(200)
    assert not listening.over
    await line.silence(int(KEY_PAUSE_S * 1000))
    assert await listening.result() == Keyed("0")


@on_a_line()
async def test_no_silence_is_counted_while_keys_come(line: Line) -> None:
    listening = await ask(line, PHONE)
    await line.silence(1000)
    for key in "891612":
        line.channel.on_key(key)
        await line.silence(2500)
    assert not listening.over
    line.channel.on_key("#")
    assert await listening.result() == Keyed("891612#")


@on_a_line()
async def test_endless_keys_are_bounded(line: Line) -> None:
    for _ in range(1000):
        line.channel.on_key("5")
    listening = await ask(line, PHONE)
    await line.silence(4000)
    heard = await listening.result()
    assert isinstance(heard, Keyed) and len(heard.digits) == 40

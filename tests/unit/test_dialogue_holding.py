"""The line is kept: a minute without a word, one soft question, and the question on the table is still open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivrbot.dialogue.commanding import MAX_WAITS, MAX_WAITS_IN_ALL, STILL_THERE_MS, WAIT_MS
from ivrbot.model.call import EscalationReason
from ivrbot.model.dialogue import (
    Authenticate,
    AuthReply,
    CallBank,
    Collect,
    DialogueInput,
    Keys,
    NoInput,
    NoMatch,
    Route,
    UserTurn,
)
from tests.unit.test_dialogue_engine import BALANCE, LOST, TO_BOT, YES, Talk, confirming, transfer, turn

HOLD = turn("подождите")


def asked(fact: str = "last_four") -> Talk:
    return Talk()(BALANCE, TO_BOT, AuthReply("ask", fact))


def over_prompt(said: UserTurn) -> UserTurn:
    return replace(said, over_prompt=True)


def timeout_ms(talk: Talk) -> int:
    assert isinstance(talk.last, Collect)
    return talk.last.timeout_ms


def test_a_minute_without_a_word() -> None:
    talk = confirming()(HOLD)
    assert talk.said == ["utter_wait"]
    assert timeout_ms(talk) == WAIT_MS
    talk(turn("повторите"))
    assert talk.said == ["utter_ask_confirm_block"]
    assert timeout_ms(talk) < WAIT_MS


def test_then_he_is_asked_once_whether_he_is_still_there() -> None:
    talk = confirming()(HOLD, NoInput())
    assert talk.said == ["utter_still_there"]
    assert (timeout_ms(talk), talk.state.failures) == (STILL_THERE_MS, 0)
    talk(NoInput())
    assert talk.said == ["utter_no_input", "utter_ask_confirm_block"]
    assert transfer(talk(NoInput())).reason is EscalationReason.NO_INPUT


@pytest.mark.parametrize("said", ["да", "да, я здесь", "алло", "угу", "нашла"])
def test_a_yes_to_being_there_is_no_yes_to_the_question(said: str) -> None:
    talk = confirming()(HOLD, NoInput(), turn(said))
    assert talk.said == ["utter_go_on"]
    assert talk.state.slots.get("confirm_block") is None
    assert isinstance(talk(YES).last, CallBank)


def test_before_he_was_asked_a_yes_answers_the_question() -> None:
    assert isinstance(confirming()(HOLD, YES).last, CallBank)


@pytest.mark.parametrize("input_", [turn("гм вот оно как"), NoMatch(), Keys("7")])
def test_any_word_goes_on_and_does_not_count_as_a_failure(input_: DialogueInput) -> None:
    talk = confirming()(HOLD, input_)
    assert talk.said == ["utter_go_on"]
    assert (talk.state.failures, talk.state.hold) == (0, None)
    assert talk(input_).said == ["utter_no_match", "utter_ask_confirm_block"]


def test_being_back_is_no_answer_to_a_secret_question() -> None:
    for talk in (asked("code_word")(HOLD, turn("нашла")), asked("code_word")(HOLD, NoInput(), turn("да"))):
        assert talk.said == ["utter_go_on"]
        answer = talk(turn("черёмуха")).last
        assert isinstance(answer, Authenticate) and answer.answers == ("черёмуха",)


def test_an_unclear_answer_after_the_pause_brings_the_question_back_softly() -> None:
    talk = asked()(HOLD, turn("вот тут написано"), AuthReply("unclear", "last_four"))
    assert talk.said == ["utter_go_on"]
    assert talk.state.waiting == "fact"


def test_thanks_for_waiting_do_not_end_the_minute() -> None:
    talk = asked()(HOLD, turn("спасибо", "thanks"))
    assert talk.said == []
    assert timeout_ms(talk) == WAIT_MS
    assert talk(NoInput()).said == ["utter_still_there"]


def test_what_was_cut_short_is_said_when_he_is_back() -> None:
    talk = asked()(over_prompt(HOLD))
    assert talk.said == ["utter_wait"]
    assert talk(over_prompt(HOLD)).said == ["utter_wait"]
    assert talk(turn("я здесь")).said == ["utter_ask_fact_last_four"]


def test_who_asks_twice_gets_it_twice_and_not_for_ever() -> None:
    talk = asked()
    for _ in range(MAX_WAITS):
        assert talk(HOLD).said == ["utter_wait"]
        assert talk(NoInput()).said == ["utter_still_there"]
    assert transfer(talk(HOLD)).reason is EscalationReason.NO_INPUT


def test_there_is_a_limit_for_the_whole_call() -> None:
    talk = asked()
    for number in range(MAX_WAITS_IN_ALL):
        fact = ("last_four", "code_word")[number % 2]
        assert talk(HOLD).said == ["utter_wait"]
        talk(turn("4271"), AuthReply("ask", fact))
    assert transfer(talk(HOLD)).reason is EscalationReason.NO_INPUT


def test_holding_at_the_open_question() -> None:
    talk = Talk()(HOLD, NoInput(), turn("да я тут"))
    assert talk.said == ["utter_go_on"]
    assert talk(LOST, TO_BOT, AuthReply("ask", "last_four")).said == ["utter_ask_fact_last_four"]
    assert talk.state.hold is None


def test_another_topic_after_the_pause_is_served() -> None:
    talk = asked()(HOLD, NoInput(), LOST, AuthReply("beside", "last_four", meaning=LOST.nlu))
    assert isinstance(talk.last, Route) and talk.last.topic == "block_card"

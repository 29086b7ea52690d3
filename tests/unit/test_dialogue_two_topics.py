"""The question between two near topics: when it is asked, what answers it, what never waits for it."""

from __future__ import annotations

import pytest

from ivrbot.dialogue.responses import render
from ivrbot.model.dialogue import Collect, DialogueInput, Keys, NoInput, NoMatch, Route, Say, Transfer, UserTurn
from ivrbot.model.speech import OUT_OF_SCOPE, Hypothesis, IntentScore, NluResult
from tests.unit.test_dialogue_engine import FLOWS, Talk, more, transfer, turn

QUESTION = "utter_ask_which_topic"


def unclear(text: str = "что там с деньгами", intent: str = "", **shares: float) -> UserTurn:
    """A turn with these likeliest topics; taken for the first unless said otherwise."""
    ranking = tuple(IntentScore(name, share) for name, share in shares.items())
    found = intent or ranking[0].name
    confidence = 1.0 - ranking[0].confidence if found == OUT_OF_SCOPE else ranking[0].confidence
    return UserTurn((Hypothesis(text),), NluResult(text, found, confidence, ranking))


NEAR = unclear(check_balance=0.45, recent_transactions=0.4)


def asked() -> Talk:
    talk = Talk()(NEAR)
    assert talk.said == [QUESTION]
    assert isinstance(talk.last, Collect)
    return talk


def test_the_question_names_both_in_either_language() -> None:
    say = next(act for act in asked().acts if isinstance(act, Say))
    spoken = render(FLOWS, say, "ru").text
    assert spoken == "Вы хотите узнать баланс или узнать последние операции?"
    assert render(FLOWS, say, "en").text == "Would you like to hear your balance or to hear your latest payments?"


@pytest.mark.parametrize(
    ("answer", "topic"),
    [
        (turn("первое"), "check_balance"),
        (turn("второе, пожалуйста"), "recent_transactions"),
        (turn("не первое, второе"), "recent_transactions"),
        (turn("баланс"), "check_balance"),
        (turn("операции посмотреть"), "recent_transactions"),
        (turn("последние списания", "recent_transactions", 0.4), "recent_transactions"),
        (turn("сколько осталось", "check_balance", 0.5), "check_balance"),
        (Keys("1"), "check_balance"),
        (Keys("2"), "recent_transactions"),
        (turn("нет, мне по кредиту", "loan_info", 0.9), "loan_info"),
        (turn("ой у меня карту украли", "block_card", 0.55), "block_card"),
    ],
)
def test_answers(answer: DialogueInput, topic: str) -> None:
    talk = asked()(answer)
    assert talk.acts == (Route(topic),)
    assert talk.state.between is None


@pytest.mark.parametrize("answer", [turn("да"), turn("и то и другое"), turn("ну не знаю", "find_office", 0.4)])
def test_still_unclear_means_a_person(answer: UserTurn) -> None:
    talk = asked()(answer)
    assert talk.said == ["utter_transfer"]
    assert transfer(talk).reason == "no_match"


def test_a_person_asked_for_instead() -> None:
    assert transfer(asked()(turn("соедините с человеком", "operator"))).reason == "caller_asked"
    assert transfer(asked()(Keys("0"))).reason == "caller_asked"


def test_silence_is_asked_again_once_and_other_keys_are_none_of_the_menu() -> None:
    for nothing in (NoInput(), NoMatch(), Keys("4")):
        talk = asked()(nothing)
        assert talk.said[-1] == QUESTION
        assert isinstance(talk(NoInput()).last, Transfer)


def test_remarks_do_not_lose_the_question() -> None:
    talk = asked()(turn("а вы робот?"))
    assert talk.said == ["utter_about_bot", QUESTION]
    assert talk(Keys("2")).acts == (Route("recent_transactions"),)


@pytest.mark.parametrize(
    "stated",
    [
        unclear(check_balance=0.7, recent_transactions=0.28),
        unclear(block_card=0.45, check_balance=0.4),
        unclear(report_fraud=0.4, block_card=0.35),
    ],
)
def test_a_clear_topic_and_an_emergency_are_not_asked_about(stated: UserTurn) -> None:
    assert Talk()(stated).acts == (Route(stated.nlu.intent),)


def test_an_emergency_that_is_only_likely_is_named_first() -> None:
    talk = Talk()(unclear(check_balance=0.4, block_card=0.35))
    assert talk.state.between == ("block_card", "check_balance")
    talk = Talk()(unclear(intent=OUT_OF_SCOPE, block_card=0.4, check_balance=0.35))
    assert talk.state.between == ("block_card", "check_balance")


def test_whoever_is_beside_himself_is_not_asked() -> None:
    angry = unclear("да вы издеваетесь сколько можно что с деньгами", check_balance=0.45, recent_transactions=0.4)
    assert QUESTION not in Talk()(angry).said


def test_what_else_the_unclear_turn_said_is_kept() -> None:
    talk = Talk()(unclear("что с картой 4271", check_balance=0.45, recent_transactions=0.4))(turn("баланс"))
    assert talk.state.slots["card"] == "4271"
    assert "card" in talk.state.fresh


def test_after_a_service_no_means_no_more() -> None:
    talk = more()(NEAR)
    assert talk.said == [QUESTION]
    assert talk(turn("нет, спасибо", "deny")).said == ["utter_goodbye"]


def test_a_topic_without_words_for_it_is_not_asked_about() -> None:
    assert Talk()(unclear(check_balance=0.45, thanks=0.4)).acts == (Route("check_balance"),)

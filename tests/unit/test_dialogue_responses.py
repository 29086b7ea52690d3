"""Texts with values: pieces to be spoken, what screens show, what events keep."""

from __future__ import annotations

import pytest

from ivrbot.dialogue.responses import render, split_template, static_pieces
from ivrbot.model.dialogue import Piece, Say, Utterance, Value
from ivrbot.model.speech import LANGUAGES, Language
from tests.fakes.calls import product_files

FLOWS = product_files()[0]


def said(response: str, language: Language = "ru", **values: Value) -> Utterance:
    return render(FLOWS, Say(response, values), language)


def kinds(utterance: Utterance) -> list[str]:
    return [piece.kind for piece in utterance.pieces]


def test_a_text_without_variables_is_one_piece() -> None:
    utterance = said("utter_ask_topic")
    assert utterance.pieces == (Piece("Что у вас случилось?", "static"),)
    assert utterance.text == utterance.masked == "Что у вас случилось?"


def test_digits_are_spoken_one_by_one_and_masked() -> None:
    utterance = said("utter_ask_confirm_block", card="4271")
    assert utterance.text == "Карту, которая кончается на 4271, блокирую, верно?"
    assert utterance.masked == "Карту, которая кончается на ***, блокирую, верно?"
    assert kinds(utterance)[0] == kinds(utterance)[-1] == "static"
    assert set(kinds(utterance)[1:-1]) == {"fragment"}
    assert utterance.pieces[-1].text == "блокирую, верно?"


def test_what_is_not_personal_stays_in_events() -> None:
    utterance = said("utter_card_blocked", card="4271", reference="700012")
    assert "700012" in utterance.masked
    assert "4271" not in utterance.masked


@pytest.mark.parametrize(
    ("minor", "shown"),
    [
        (32_005, "320,05 ₽"),
        (0, "0,00 ₽"),
        (-5, "−0,05 ₽"),
        (-2_018_040, "−20\u00a0180,40 ₽"),
        (100_000_000, "1\u00a0000\u00a0000,00 ₽"),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_money(minor: int, shown: str, language: Language) -> None:
    utterance = said("utter_balance", language, card="4271", balance_minor=minor)
    assert shown in utterance.text
    assert shown not in utterance.masked and str(abs(minor)) not in utterance.masked
    assert "free" not in kinds(utterance)


def test_debts_sound_different_from_assets() -> None:
    owed = said("utter_balance", card="4271", balance_minor=-10_000)
    owned = said("utter_balance", card="4271", balance_minor=10_000)
    assert owed.pieces != owned.pieces


def test_a_value_that_is_not_there_is_nothing() -> None:
    utterance = said("utter_ask_confirm_block")
    assert kinds(utterance) == ["static", "static"]
    assert "None" not in utterance.text


def test_a_say_may_be_in_another_language() -> None:
    assert render(FLOWS, Say("utter_language_hint", language="en"), "ru").text == "For English, press nine."


def test_an_unknown_response_is_an_error() -> None:
    with pytest.raises(KeyError):
        said("utter_nothing")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Готово.", ("Готово.",)),
        ("{card}", (("card", ""),)),
        ("На {card}, сейчас {sum:dative}.", ("На", ("card", ""), "сейчас", ("sum", "dative"))),
        ("{a}{b}", (("a", ""), ("b", ""))),
        ("Так, {a} — {b}!", ("Так,", ("a", ""), ("b", ""))),
        ("", ()),
    ],
)
def test_templates_are_split_as_they_are_recorded(text: str, parts: tuple[object, ...]) -> None:
    assert split_template(text) == parts


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_static_piece_that_is_said_is_in_the_list_to_be_recorded(language: Language) -> None:
    recorded = set(static_pieces(FLOWS, language))
    values: dict[str, Value] = {"card": "4271", "reference": "12", "balance_minor": 5}
    for key in FLOWS.responses[language]:
        for piece in said(key, language, **values).pieces:
            assert piece.kind != "static" or piece.text in recorded

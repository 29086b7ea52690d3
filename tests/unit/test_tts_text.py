"""Cleaning of texts, keys of recordings, pauses."""

from __future__ import annotations

import pytest

from ivrbot.errors import EngineBadOutput
from ivrbot.tts.text import MAX_CHARACTERS, clean, key_of, least_ms, pause_between_ms, sentences, speakable


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  два \n слова\t", "два слова"),
        ("a\x00b\x01c", "a b c"),
        ("и\u0306од", "йод"),
        ("zero\u200bwidth", "zero width"),
        ("lone \ud800 surrogate", "lone surrogate"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_key_ignores_case_and_spacing_but_not_punctuation() -> None:
    assert key_of(" Карта  ЗАБЛОКИРОВАНА. ") == key_of("карта заблокирована.")
    assert key_of("Карта?") != key_of("Карта.")


@pytest.mark.parametrize("text", ["", " ", "—", "?!", "\x00"])
def test_nothing_to_say(text: str) -> None:
    with pytest.raises(EngineBadOutput, match="nothing"):
        speakable(text)


def test_longest_text() -> None:
    assert speakable("a" * MAX_CHARACTERS)
    with pytest.raises(EngineBadOutput, match="too many"):
        speakable("a" * (MAX_CHARACTERS + 1))


def test_least_length_counts_letters_and_figures_only() -> None:
    assert least_ms("... --- ...") == 0
    assert least_ms("a, b: 1") == 3 * least_ms("a")


def test_pause_follows_the_stronger_punctuation() -> None:
    plain = pause_between_ms("на", "сто", 30)
    comma = pause_between_ms("карта,", "сто", 30)
    assert plain == 30
    assert 30 < comma < pause_between_ms("Готово.", "Карта", 30)
    assert pause_between_ms("сто", ". Дальше", 30) == pause_between_ms("сто.", "Дальше", 30)
    assert pause_between_ms("", "", 30) == 30


def test_sentences_are_cut_where_one_breathes() -> None:
    assert sentences("Да. Нет, не так! 3.5 рубля", 40) == ["Да.", "Нет, не так!", "3.5 рубля"]
    assert sentences("один, два, три, четыре", 10) == ["один, два,", "три,", "четыре"]
    assert sentences("раз два три четыре пять", 10) == ["раз два", "три четыре", "пять"]
    assert sentences("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    assert sentences("... ! —", 10) == []

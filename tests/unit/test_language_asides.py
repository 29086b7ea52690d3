"""Questions and wishes that callers have where a secret is asked for."""

from __future__ import annotations

import pytest

from ivrbot.language.asides import asks_how_long, asks_why, is_question, preferred_fact
from ivrbot.model.speech import Language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("а сколько это займёт", "ru"),
        ("долго ещё", "ru"),
        ("это надолго", "ru"),
        ("how long will this take", "en"),
        ("will it take long", "en"),
    ],
)
def test_how_long(text: str, language: Language) -> None:
    assert asks_how_long(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("зачем вам это", "ru"),
        ("зачем", "ru"),
        ("а для чего вы спрашиваете", "ru"),
        ("это безопасно вообще", "ru"),
        ("why do you need that", "en"),
        ("is it safe to say it", "en"),
    ],
)
def test_why(text: str, language: Language) -> None:
    assert asks_why(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("почему деньги ушли с карты вчера вечером", "ru"),
        ("черёмуха", "ru"),
        ("сколько", "ru"),
        ("долгострой", "ru"),
        ("длинная дорога", "ru"),
        ("long road", "en"),
        ("cherry tree", "en"),
    ],
)
def test_neither(text: str, language: Language) -> None:
    assert not asks_why(text, language)
    assert not asks_how_long(text, language)


@pytest.mark.parametrize(
    ("text", "language", "question"),
    [
        ("а баланс какой", "ru", True),
        ("какой у меня баланс", "ru", True),
        ("скажите а где ваше отделение", "ru", True),
        ("what is my balance", "en", True),
        ("черёмуха", "ru", False),
        ("ну черёмуха вроде", "ru", False),
        ("когда", "ru", False),
        ("соколова анна сергеевна", "ru", False),
        ("cherry tree", "en", False),
        ("", "ru", False),
    ],
)
def test_a_question_shows_by_its_first_or_last_word(text: str, language: Language, question: bool) -> None:
    assert is_question(text, language) is question


@pytest.mark.parametrize(
    ("text", "language", "fact"),
    [
        ("я лучше номер карты назову", "ru", "last_four"),
        ("кодовое слово не помню давайте дату рождения", "ru", "date_of_birth"),
        ("карту не помню могу кодовое слово", "ru", "code_word"),
        ("можно фамилию", "ru", "full_name"),
        ("i'd rather give my card number", "en", "last_four"),
        ("i don't remember the code word can i use my card number", "en", "last_four"),
        ("can i give my date of birth instead", "en", "date_of_birth"),
        ("номер карты не знаю", "ru", ""),
        ("кодовое слово", "ru", ""),
        ("давайте", "ru", ""),
        ("можно дату рождения или фамилию", "ru", ""),
        ("cherry tree", "en", ""),
    ],
)
def test_what_he_would_rather_name(text: str, language: Language, fact: str) -> None:
    assert preferred_fact(text, language) == fact

"""Sentences with something missing at their end, and sentences without."""

from __future__ import annotations

import pytest

from ivrbot.language.standing import Standing, standing
from ivrbot.model.speech import Expect, Language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "заблокируйте мою"),
        ("ru", "у меня вопрос по"),
        ("ru", "Потерял карту и..."),
        ("ru", "мне нужно узнать, ну"),
        ("ru", "деньги списали а"),
        ("ru", "Скажите, пожалуйста,"),
        ("ru", "я хочу узнать когда мне придет, это самое"),
        ("en", "I would like to"),
        ("en", "I lost my"),
        ("en", "Somebody took money from the, um"),
        ("en", "I have a question about"),
        ("en", "block the card and"),
        ("en", "the balance is"),
        ("en", "I want..."),
        ("en", "Has my pension?"),
        ("en", "hello, did the courier"),
        ("en", "How long does it still?"),
        ("en", "How much is?"),
        ("en", "are you"),
    ],
)
def test_something_is_missing(language: Language, text: str) -> None:
    assert standing(text, language, Expect.OPEN) is Standing.OPEN


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "Здравствуйте."),
        ("ru", "алло девушка"),
        ("ru", "Я хотел бы"),
        ("ru", "мне надо перевыпустить"),
        ("ru", "а где у вас находится"),
        ("ru", "сколько с меня"),
        ("ru", "ну тут какая-то такая"),
        ("en", "Well, it is there."),
        ("en", "Hello, good morning."),
        ("en", "I want"),
        ("en", "Can you tell me?"),
        ("en", "I need to find out"),
    ],
)
def test_nothing_is_said_yet(language: Language, text: str) -> None:
    assert standing(text, language, Expect.OPEN) is Standing.BARE


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "У меня украли карту."),
        ("ru", "карту банкомат не отдаёт"),
        ("ru", "и куда мне теперь с этим паспортом?"),
        ("ru", "мне соседка про вас рассказывала"),
        ("en", "I lost my card."),
        ("en", "what is this charge for"),
        ("en", "tell me what my balance is"),
        ("en", "the weather is lovely today"),
        ("en", "Can you tell me my limit?"),
        ("en", "Has my pension arrived?"),
        ("en", "Is the branch open?"),
        ("en", "What is my limit?"),
        ("en", "Can I pay abroad?"),
        ("ru", "Алло, вы там меня слышите?"),
    ],
)
def test_nothing_is_missing(language: Language, text: str) -> None:
    assert standing(text, language, Expect.OPEN) is Standing.WHOLE


@pytest.mark.parametrize(("language", "text"), [("ru", "баланс"), ("ru", ""), ("en", "my card")])
def test_little_says_little(language: Language, text: str) -> None:
    assert standing(text, language, Expect.OPEN) is Standing.UNKNOWN


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ru", "четыре два", Standing.OPEN),
        ("ru", "четыре два семь один", Standing.WHOLE),
        ("ru", "сорок два семьдесят один", Standing.WHOLE),
        ("ru", "на конце 42", Standing.OPEN),
        ("en", "four two seven", Standing.OPEN),
        ("en", "forty two seventy one", Standing.WHOLE),
        ("en", "I don't have it with me", Standing.UNKNOWN),
        ("ru", "последние цифры", Standing.UNKNOWN),
        ("ru", "42,7,11.", Standing.ENOUGH),
        ("en", "one one one one eight eight", Standing.ENOUGH),
    ],
)
def test_figures_are_counted(language: Language, text: str, expected: Standing) -> None:
    assert standing(text, language, Expect.DIGITS, 4) is expected


def test_of_figures_without_a_number_nothing_is_known() -> None:
    assert standing("восемь девятьсот", "ru", Expect.DIGITS) is Standing.UNKNOWN


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ru", "двенадцатое", Standing.OPEN),
        ("ru", "двенадцатое мая", Standing.OPEN),
        ("ru", "двенадцатое мая тысяча девятьсот восемьдесят пятого года", Standing.WHOLE),
        ("en", "the twelfth of", Standing.OPEN),
        ("en", "the twelfth of May nineteen eighty five", Standing.WHOLE),
    ],
)
def test_a_day_of_birth_has_a_year(language: Language, text: str, expected: Standing) -> None:
    assert standing(text, language, Expect.DATE) is expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ru", "меня зовут", Standing.OPEN),
        ("ru", "Соколова", Standing.OPEN),
        ("ru", "Соколова Анна", Standing.UNKNOWN),
        ("ru", "Соколова Анна Петровна", Standing.WHOLE),
        ("en", "my name is", Standing.OPEN),
        ("en", "Anna Maria Sokolova", Standing.WHOLE),
    ],
)
def test_a_name_has_several_words(language: Language, text: str, expected: Standing) -> None:
    assert standing(text, language, Expect.NAME) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("да, но", Standing.OPEN), ("хочу", Standing.UNKNOWN), ("ну", Standing.OPEN), ("да", Standing.UNKNOWN)],
)
def test_to_a_closed_question_a_wish_is_an_answer(text: str, expected: Standing) -> None:
    assert standing(text, "ru", Expect.YES_NO) is expected


@pytest.mark.parametrize("text", ["please block", "could you please freeze", "Please cancel."])
def test_an_english_verb_behind_a_please_wants_its_object(text: str) -> None:
    assert standing(text, "en", Expect.OPEN) is Standing.BARE


@pytest.mark.parametrize(
    "text",
    [
        "please block my card",
        "block my card please",
        "could you freeze my card please",
        "block my card please now",
        "I have lost my card, please help.",
        "Can I have my balance please madam?",
        "what is my balance please again?",
    ],
)
def test_a_please_with_its_object_or_behind_it_does_not(text: str) -> None:
    assert standing(text, "en", Expect.OPEN) is Standing.WHOLE

"""Remarks beside the matter, options by name, and rates in words."""

from __future__ import annotations

import pytest
from num2words import num2words

from ivrbot.language.options import named_options
from ivrbot.language.remarks import (
    asks_about_bot,
    is_unsure,
    is_upset,
    thanks_somebody,
    wants_number_again,
    wished_language,
)
from ivrbot.language.verbalise import fragments, say_percent
from ivrbot.model.speech import LANGUAGES, Language

KINDS = {"salary": ("зарплат", "salary"), "credit": ("кредит", "credit"), "other": ("друг", "=other")}


@pytest.mark.parametrize(
    ("text", "language", "named"),
    [
        ("ту что зарплатная", "ru", ("salary",)),
        ("не кредитную а зарплатную", "ru", ("salary",)),
        ("и кредитную и зарплатную", "ru", ("salary", "credit")),
        ("нет, другую", "ru", ("other",)),
        ("the credit card not the salary one", "en", ("credit",)),
        ("a brother of mine", "en", ()),
        ("", "ru", ()),
    ],
)
def test_options_are_named_unless_refused(text: str, language: Language, named: tuple[str, ...]) -> None:
    assert named_options(text, language, KINDS) == named


@pytest.mark.parametrize(
    ("text", "language", "upset"),
    [
        ("да сколько можно спрашивать", "ru", True),
        ("вы издеваетесь надо мной", "ru", True),
        ("у меня руки трясутся", "ru", True),
        ("какого хрена у меня списали деньги", "ru", True),
        ("моя фамилия козлов", "ru", False),
        ("я достал карту из банкомата", "ru", False),
        ("сколько денег можно снять", "ru", False),
        ("i am sick of this stupid machine", "en", True),
        ("what is the balance", "en", False),
        ("scrap the order", "en", False),
    ],
)
def test_anger_and_distress(text: str, language: Language, upset: bool) -> None:
    assert is_upset(text, language) is upset


@pytest.mark.parametrize(
    ("text", "language", "asked"),
    [
        ("а вы вообще робот или кто", "ru", False),
        ("это робот что ли", "ru", True),
        ("с кем я говорю", "ru", True),
        ("робот снял с меня деньги", "ru", False),
        ("wait are you a real person", "en", True),
        ("the robot took my card", "en", False),
    ],
)
def test_questions_about_the_bot(text: str, language: Language, asked: bool) -> None:
    assert asks_about_bot(text, language) is asked


def test_not_knowing() -> None:
    assert is_unsure("ой я уже и не помню", "ru")
    assert is_unsure("no idea honestly", "en")
    assert not is_unsure("я знаю номер", "ru")


def test_the_number_again_is_the_reference_and_no_other_number() -> None:
    assert wants_number_again("повторите номер пожалуйста", "ru")
    assert wants_number_again("какой номер обращения я не успела записать", "ru")
    assert wants_number_again("sorry what was the number again", "en")
    assert not wants_number_again("какой номер карты", "ru")
    assert not wants_number_again("повторите", "ru")


def test_the_other_language_is_asked_for_by_name() -> None:
    assert wished_language("можно по-английски", "ru") == "en"
    assert wished_language("speak russian please", "en") == "ru"
    assert wished_language("я перевёл деньги на счёт английской школы через ваше приложение вчера", "ru") is None


@pytest.mark.parametrize(
    ("basis_points", "ru", "en"),
    [
        (1600, "шестнадцать процентов", "sixteen percent"),
        (1550, "пятнадцать целых пять десятых процента", "fifteen point five percent"),
        (1475, "четырнадцать целых семьдесят пять сотых процента", "fourteen point seven five percent"),
        (2101, "двадцать одна целая одна сотая процента", "twenty one point zero one percent"),
        (100, "один процент", "one percent"),
        (20, "ноль целых две десятых процента", "zero point two percent"),
    ],
)
def test_rates(basis_points: int, ru: str, en: str) -> None:
    assert " ".join(say_percent(basis_points, "ru")) == ru
    assert " ".join(say_percent(basis_points, "en")) == en


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rate_is_said_from_fragments(language: Language) -> None:
    said = {word for points in range(0, 10_000, 7) for word in say_percent(points, language)}
    assert said <= fragments(language)
    assert num2words(7, lang=language) in said
    with pytest.raises(ValueError, match="rate"):
        say_percent(-1, language)


@pytest.mark.parametrize(
    ("text", "language", "somebody"),
    [
        ("хочу поблагодарить девушку из офиса", "ru", True),
        ("передайте спасибо консультанту", "ru", True),
        ("хочу сказать вам спасибо", "ru", False),
        ("большое спасибо", "ru", False),
        ("i want to say thanks to a clerk", "en", True),
        ("i'd like to thank your cashier", "en", True),
        ("thank you very much", "en", False),
        ("i just want to thank you", "en", False),
    ],
)
def test_thanks_for_somebody_else(text: str, language: Language, somebody: bool) -> None:
    assert thanks_somebody(text, language) is somebody

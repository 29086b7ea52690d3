"""Text that Whisper invents never reaches the dialogue; what callers say does."""

from __future__ import annotations

import pytest

from ivrbot.asr import guards
from ivrbot.asr.agreement import AgreedPrefix


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "Редактор субтитров А.Семкин Корректор А.Егорова",
        "Субтитры сделал DimaTorzok",
        "Продолжение следует...",
        "Спасибо за просмотр!",
        "Подписывайтесь на канал",
        "Thanks for watching!",
        "Subtitles by the Amara.org community",
        "you",
        "СПОКОЙНАЯ МУЗЫКА",
        "ВЫСТРЕЛЫ",
        "Тааааааааа",
        "ПИИИИИИ",
    ],
)
def test_inventions_are_known(text: str) -> None:
    assert guards.is_invented(text)


@pytest.mark.parametrize(
    "text",
    [
        "Спасибо, до свидания.",
        "спасибо",
        "Thank you.",
        "да",
        "Что вы продолжаете меня мучить",
        "редактировать номер",
        "Вы меня слышите?",
        "I want to subscribe to the salary SMS",
        "хочу подписаться на смс",
    ],
)
def test_callers_are_believed(text: str) -> None:
    assert not guards.is_invented(text)


@pytest.mark.parametrize(
    ("text", "audio_s"),
    [
        ("нет " * 20, 2.0),
        ("подождите минуту, " * 6, 3.0),
        ("3-0-3-8-9-8-9-8-9-8-9-8-9-8-9-8-9-8-9", 10.0),
        ("и так далее и так далее и так далее и так далее", 10.0),
        ("один два три четыре пять шесть семь восемь девять десять", 0.5),
    ],
)
def test_loops_are_known(text: str, audio_s: float) -> None:
    assert guards.is_repetitive(text, audio_s)


@pytest.mark.parametrize(
    ("text", "audio_s"),
    [
        ("ноль ноль ноль ноль", 1.5),
        ("0 0 0 0", 1.0),
        ("нет, нет, нет, нет, не надо", 2.0),
        ("алло, алло, вы меня слышите? алло", 3.0),
        ("да", 0.2),
        ("", 0.0),
        ("двадцать два двадцать два двадцать два", 2.5),
    ],
)
def test_repeating_oneself_is_human(text: str, audio_s: float) -> None:
    assert not guards.is_repetitive(text, audio_s)


@pytest.mark.parametrize(
    ("looped", "once"),
    [
        ("Нет. Нет. Нет. Нет. Нет. Нет. Нет. Нет", "Нет."),
        ("Вы меня слышите? Вы меня слышите? Вы меня слышите? Вы меня слышите? Вы меня", "Вы меня слышите?"),
        ("да да", "да да"),
        ("четыре два семь один", "четыре два семь один"),
        ("", ""),
    ],
)
def test_pure_loops_are_said_once(looped: str, once: str) -> None:
    assert guards.unloop(looped) == once


@pytest.mark.parametrize(
    "digits", ["0 0 0 0", "ноль ноль ноль", "1 1 1 1", "двадцать два двадцать два двадцать два", "нет, нет, нет"]
)
def test_figures_and_emphasis_are_left_as_they_were_said(digits: str) -> None:
    assert guards.unloop(digits) == digits


def test_markup_goes() -> None:
    assert guards.clean(" [музыка]  да (смеётся) ♪ <|ru|> верно *кашель*") == "да верно"


def test_agreement_of_two() -> None:
    agreed = AgreedPrefix()
    assert not agreed.add("Я потеряла")
    assert agreed.text == ""
    assert agreed.add("я потеряла, карту")
    assert agreed.text == "я потеряла,"
    assert not agreed.add("я потеряю карту")
    assert agreed.text == "я потеряла,"
    assert not agreed.add("я потеряла карту вчера")
    assert agreed.add("я потеряла карту вчера вечером")
    assert agreed.text == "я потеряла, карту вчера"


def test_agreement_needs_two_readings() -> None:
    agreed = AgreedPrefix()
    assert not agreed.add("")
    assert not agreed.add("да")
    assert not agreed.add("")
    assert agreed.text == ""

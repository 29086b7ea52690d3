"""What is said around a pause: wishes for it, promises to wait oneself, thanks, and being back."""

from __future__ import annotations

import pytest

from ivrbot.language.holding import asks_for_time, is_back, thanks_for_waiting
from ivrbot.model.speech import Language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("подождите", "ru"),
        ("подождите минуточку пожалуйста", "ru"),
        ("сейчас найду", "ru"),
        ("не кладите трубку", "ru"),
        ("hold on", "en"),
        ("just a moment please", "en"),
        ("wait a minute", "en"),
    ],
)
def test_wishes_for_time(text: str, language: Language) -> None:
    assert asks_for_time(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("я подожду", "ru"),
        ("лучше подожду", "ru"),
        ("не надо ждать", "ru"),
        ("баланс", "ru"),
        ("i'll wait", "en"),
        ("wait", "en"),
        ("i can hold", "en"),
    ],
)
def test_who_waits_himself_asks_for_no_time(text: str, language: Language) -> None:
    assert not asks_for_time(text, language)


@pytest.mark.parametrize(
    ("text", "language", "before", "after"),
    [
        ("алло", "ru", True, True),
        ("всё, нашла", "ru", True, True),
        ("да, я на линии", "ru", False, True),
        ("да", "ru", False, True),
        ("нет", "ru", False, False),
        ("нашла, 4271", "ru", False, False),
        ("черёмуха", "ru", False, False),
        ("", "ru", False, False),
        ("okay i'm back", "en", True, True),
        ("yes", "en", False, True),
        ("got it, nine zero three zero", "en", False, False),
    ],
)
def test_being_back(text: str, language: Language, before: bool, after: bool) -> None:
    assert is_back(text, language, asked=False) is before
    assert is_back(text, language, asked=True) is after


def test_thanks() -> None:
    assert thanks_for_waiting("большое спасибо", "ru")
    assert thanks_for_waiting("thank you very much", "en")
    assert not thanks_for_waiting("спасибо, всё", "ru")
    assert not thanks_for_waiting("", "en")

"""Who says that no message has come, and who says something else."""

from __future__ import annotations

import pytest

from ivrbot.language.resending import wants_resend
from ivrbot.model.speech import Language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("не пришло", "ru"),
        ("Мне ничего не пришло.", "ru"),
        ("смс не приходит", "ru"),
        ("код ещё не дошёл", "ru"),
        ("пришлите ещё раз", "ru"),
        ("вышлите новый код, пожалуйста", "ru"),
        ("а повторите отправку", "ru"),
        ("нет сообщения", "ru"),
        ("I didn't get it", "en"),
        ("it hasn't come", "en"),
        ("can you resend the code", "en"),
        ("send it again please", "en"),
        ("there's no message", "en"),
    ],
)
def test_a_message_that_has_not_come(text: str, language: Language) -> None:
    assert wants_resend(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("сейчас пришло", "ru"),
        ("сто двадцать три четыреста пятьдесят шесть", "ru"),
        ("подождите, ищу телефон", "ru"),
        ("оператор", "ru"),
        ("one two three four five six", "en"),
        ("wait a moment", "en"),
        ("got it", "en"),
    ],
)
def test_something_else(text: str, language: Language) -> None:
    assert not wants_resend(text, language)

"""A wish for something else is no yes; a wish in the words of the question is one."""

from __future__ import annotations

import pytest

from ivrbot.language.answers import is_wish_beside

BLOCK = {"ru": "Блокирую карту. Верно?", "en": "I will block the card. Is that right?"}
ORDER = {"ru": "Выпустить новую карту?", "en": "Shall I order a new card?"}
VERBS = {"ru": ["блокир"], "en": ["block"]}


@pytest.mark.parametrize(
    ("language", "text", "question"),
    [
        ("ru", "можно баланс", BLOCK),
        ("ru", "хочу выписку", BLOCK),
        ("ru", "ладно тогда кредит", BLOCK),
        ("ru", "хочу новую карту", BLOCK),
        ("en", "okay my limit", BLOCK),
        ("en", "sure a new one", BLOCK),
    ],
)
def test_a_wish_for_something_else(language, text, question) -> None:
    assert is_wish_beside(text, language, question[language], VERBS[language])


@pytest.mark.parametrize(
    ("language", "text", "question"),
    [
        ("ru", "хорошо", BLOCK),
        ("ru", "ну давайте", BLOCK),
        ("ru", "хорошо блокируйте", BLOCK),
        ("ru", "да можно", BLOCK),
        ("ru", "давайте мою карту", BLOCK),
        ("ru", "хочу новую карту", ORDER),
        ("en", "okay", BLOCK),
        ("en", "yes my limit", BLOCK),
        ("en", "okay block it", BLOCK),
        ("en", "sure a new one", ORDER),
    ],
)
def test_an_answer(language, text, question) -> None:
    assert not is_wish_beside(text, language, question[language], VERBS[language])

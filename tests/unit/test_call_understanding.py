"""What is shown to an understanding engine while a secret is asked for."""

from __future__ import annotations

import pytest

from ivrbot.call.understanding import Understanding
from ivrbot.dialogue.questions import FACT_QUESTIONS
from ivrbot.model.speech import Language
from tests.fakes.calls import FakeNlu


@pytest.mark.parametrize(
    ("fact", "text", "language", "shown"),
    [
        ("last_four", "а баланс у меня какой", "ru", True),
        ("last_four", "what about my balance", "en", True),
        ("date_of_birth", "хочу жалобу на вас оставить", "ru", True),
        ("last_four", "четыре два семь один вот", "ru", False),
        ("last_four", "там на конце 4271 кажется", "ru", False),
        ("last_four", "черёмуха", "ru", False),
        ("last_four", "кодовое слово у меня черёмуха", "ru", False),
        ("last_four", "меня зовут соколова анна сергеевна", "ru", False),
        ("code_word", "а баланс у меня какой", "ru", False),
        ("full_name", "соколова анна сергеевна это я", "ru", False),
    ],
)
async def test_only_what_can_be_no_secret_is_shown(fact: str, text: str, language: Language, shown: bool) -> None:
    nlu = FakeNlu()
    await Understanding(nlu).of_turn(text, FACT_QUESTIONS[fact], language)
    assert nlu.read == ([text] if shown else [])

"""Nothing that is said where a secret was asked for is shown to the engine of the settings."""

from __future__ import annotations

import pytest

from ivrbot.call.understanding import Understanding
from ivrbot.dialogue.questions import FACT_QUESTIONS
from tests.fakes.calls import FakeNlu


@pytest.mark.parametrize("fact", sorted(FACT_QUESTIONS))
async def test_answers_to_secret_questions_are_not_shown(fact: str) -> None:
    nlu = FakeNlu()
    for text in ("а баланс у меня какой", "кодовое слово у меня черёмуха", "сорок два семьдесят один"):
        await Understanding(nlu).of_turn(text, FACT_QUESTIONS[fact], "ru")
    assert nlu.read == []

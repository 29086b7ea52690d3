"""What is shown to the engine of the settings, and when: no secret, and nothing twice."""

from __future__ import annotations

import pytest

from ivrbot.call.understanding import Understanding
from ivrbot.dialogue.questions import FACT_QUESTIONS
from ivrbot.errors import EngineUnavailable
from ivrbot.model.dialogue import Collect
from ivrbot.model.speech import Hypothesis, IntentScore, Language, NluResult
from tests.fakes.calls import FakeNlu


@pytest.mark.parametrize("fact", sorted(FACT_QUESTIONS))
async def test_answers_to_secret_questions_are_not_shown(fact: str) -> None:
    nlu = FakeNlu()
    for text in ("а баланс у меня какой", "кодовое слово у меня черёмуха", "сорок два семьдесят один"):
        await Understanding(nlu).of_turn(text, FACT_QUESTIONS[fact], "ru")
    assert nlu.read == []


class Ranking(FakeNlu):
    """Doubts: its rankings do not add up to one, as rounded ones do not."""

    async def parse(self, text: str, language: Language) -> NluResult:
        self.read.append(text)
        ranking = (
            IntentScore("check_balance", 0.417),
            IntentScore("card_limits", 0.291),
            IntentScore("wait", 0.1),
        )
        return NluResult(text, "check_balance", 0.417, ranking, engine=self.name)


async def test_a_reading_means_at_the_end_what_it_meant_at_the_pause_and_is_read_once() -> None:
    nlu, topic = Ranking(), Collect("topic")
    understanding = Understanding(nlu)
    early = await understanding.early("баланс", topic, "ru")
    assert await understanding.early("баланс ", topic, "ru") == early
    assert await understanding.of_hypotheses([Hypothesis("баланс", 0.31)], topic, "ru") == early
    assert nlu.read == ["баланс"]
    understanding.forget()
    await understanding.of_hypotheses([Hypothesis("баланс")], topic, "ru")
    assert len(nlu.read) == 2, "another question: it is read anew"


async def test_a_failure_at_the_pause_is_not_counted() -> None:
    nlu = FakeNlu()
    nlu.failures = [EngineUnavailable("away")]
    understanding = Understanding(nlu)
    with pytest.raises(EngineUnavailable):
        await understanding.early("баланс", Collect("topic"), "ru")
    assert understanding.failures == 0

"""Which readings answer the question on the table before the turn is over."""

from __future__ import annotations

import pytest

from ivrbot.dialogue.reading import answers_question
from ivrbot.model.dialogue import Collect
from ivrbot.model.speech import Expect, Language, NluResult
from tests.fakes.calls import product_files


def answers(
    said: str, intent: str, language: Language = "en", *, after_service: bool, confidence: float = 0.95
) -> bool:
    collect = Collect("topic", Expect.OPEN)
    meaning = NluResult(said, intent, confidence)
    return answers_question(product_files()[0], collect, said, meaning, language, after_service=after_service)


@pytest.mark.parametrize(
    ("said", "intent", "language"),
    [("no thank you", "deny", "en"), ("нет спасибо", "deny", "ru"), ("до свидания", "goodbye", "ru")],
)
def test_who_wants_nothing_more_has_answered_once_he_was_served(
    said: str, intent: str, language: Language
) -> None:
    assert answers(said, intent, language, after_service=True)
    assert not answers(said, intent, language, after_service=False)


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("no", "en"),
        ("no the other one", "en"),
        ("нет", "ru"),
        ("нет другую", "ru"),
        ("нет девяносто", "ru"),
    ],
)
def test_after_a_no_more_may_come(said: str, language: Language) -> None:
    """The goodbye hangs up."""
    assert not answers(said, "deny", language, after_service=True)


def test_what_is_half_understood_is_waited_for() -> None:
    assert not answers("no it is not", "deny", after_service=True, confidence=0.7)

"""What is said where a secret was asked for: compared first, then understood in this process, or not at all."""

from __future__ import annotations

import pytest

from ivrbot.call.beside import beside, inside, may_be_shown
from ivrbot.model.dialogue import Authenticate
from ivrbot.model.speech import OUT_OF_SCOPE, Language
from tests.fakes.calls import FakeNlu


@pytest.mark.parametrize(
    ("text", "language", "shown"),
    [
        ("а баланс у меня какой", "ru", True),
        ("what about my balance", "en", True),
        ("хочу жалобу на вас оставить", "ru", True),
        ("четыре два семь один вот", "ru", False),
        ("там на конце 4271 кажется", "ru", False),
        ("кодовое слово у меня черёмуха", "ru", False),
        ("там у меня сим адин вроде было", "ru", False),
        ("it was xero nill i believe", "en", False),
        ("my pin is won to tree for", "en", False),
        ("i want to pay for my loan too", "en", True),
        ("сим карта у меня не ловит", "ru", True),
        ("меня зовут соколова анна сергеевна", "ru", False),
    ],
)
def test_figures_and_what_is_announced_are_not_shown(text: str, language: Language, shown: bool) -> None:
    assert may_be_shown(text, language) is shown


async def said(text: str, *, question: bool = False) -> tuple[str | None, list[str]]:
    nlu = FakeNlu({"мне сначала баланс карты": "check_balance", "баланс": "check_balance"})
    act = Authenticate("get_balance", "code_word", (text,), beside=question)
    found = await beside(act, "ru", inside(nlu))
    return (found.intent if found else None), nlu.read


async def test_a_topic_in_a_sentence_is_beside_the_question() -> None:
    assert (await said("мне сначала баланс карты"))[0] == "check_balance"


async def test_one_word_is_an_answer_even_if_it_names_a_topic() -> None:
    assert (await said("баланс"))[0] is None


async def test_a_question_is_beside_even_when_nobody_understands_it() -> None:
    assert await said("а кодовое слово зачем", question=True) == (OUT_OF_SCOPE, [])


async def test_without_an_engine_inside_only_questions_are_beside() -> None:
    act = Authenticate("get_balance", "code_word", ("мне сначала баланс карты",))
    assert await beside(act, "ru", inside(None)) is None

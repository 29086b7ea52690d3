"""A short answer that was spelt by ear: which option it is taken for, and when none."""

from __future__ import annotations

import pytest

from ivrbot.dialogue.reading import answers_question, resembled_option
from ivrbot.model.dialogue import Collect, UserTurn
from ivrbot.model.speech import OUT_OF_SCOPE, Expect, Hypothesis, Language, NluResult
from tests.fakes.calls import product_files

SLOTS = product_files()[0].domain.slots


def option(*texts: str, language: Language = "ru", slot: str = "city") -> str | None:
    turn = UserTurn(tuple(map(Hypothesis, texts)), NluResult(texts[0], OUT_OF_SCOPE, 0.3))
    return resembled_option(SLOTS[slot], turn, language)


@pytest.mark.parametrize(
    ("said", "city"),
    [
        ("всказание", "kazan"),
        ("в городе Екатеринборги", "yekaterinburg"),
        ("в городе Екатерин Борги", "yekaterinburg"),
        ("новасибирске", "novosibirsk"),
        ("питирбурге", "petersburg"),
    ],
)
def test_a_city_spelt_by_ear(said: str, city: str) -> None:
    assert option(said) == city


@pytest.mark.parametrize(("said", "city"), [("yaka trinberg", "yekaterinburg"), ("nova sibersk", "novosibirsk")])
def test_an_english_one(said: str, city: str) -> None:
    assert option(said, language="en") == city


def test_any_reading_may_hold_it() -> None:
    assert option("сказка", "сказание") == "kazan"


@pytest.mark.parametrize(
    "said",
    [
        "в урюпинске",
        "в рязани",
        "в казахстане",
        "в магадане",
        "не в казане",
        "хочу сотрудника банка",
        "заказать такси",
    ],
)
def test_what_resembles_none_enough_or_is_refused(said: str) -> None:
    assert option(said) is None


def test_a_long_sentence_is_no_name() -> None:
    assert option("мне вчера вечером прислали всказание какое-то") is None


def test_only_a_choice_has_options() -> None:
    assert option("всказание", slot="confirm_block") is None


@pytest.mark.parametrize(("said", "over"), [("всказание", True), ("в урюпинске", False), ("не знаю", False)])
def test_what_will_be_taken_for_a_city_ends_the_turn_early(said: str, over: bool) -> None:
    flow_set = product_files()[0]
    collect = Collect("city", Expect.NAME)
    meaning = NluResult(said, OUT_OF_SCOPE, 0.3)
    assert answers_question(flow_set, collect, said, meaning, "ru") is over

"""Code words judged and proposed with the real word lists (the extra `code-words`)."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from ivrbot.cli.code_words import code_words, open_code_words
from ivrbot.config import PROJECT_ROOT, load_settings
from ivrbot.identity.code_words import CodeWords, Fault
from ivrbot.model.speech import Language

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def judges() -> Iterator[dict[Language, CodeWords]]:
    pytest.importorskip("wordfreq", reason="needs the extra code-words")
    pytest.importorskip("pymorphy3", reason="needs the extra code-words")
    settings = load_settings(PROJECT_ROOT)
    yield {"ru": open_code_words(settings, "ru"), "en": open_code_words(settings, "en")}


@pytest.mark.parametrize(
    ("language", "word", "faults"),
    [
        ("ru", "черёмуха", set()),
        ("ru", "метроном", set()),
        ("ru", "акварель", set()),
        ("ru", "деньги", {Fault.TOO_FREQUENT, Fault.TOO_SHORT}),
        ("ru", "баланс", {Fault.DIALOGUE}),
        ("ru", "апрель", {Fault.DATE}),
        ("ru", "Маргарита", {Fault.NAME}),
        ("ru", "сорок", {Fault.NUMBER}),
        ("ru", "кампания", {Fault.SOUNDS_LIKE_FREQUENT}),
        ("en", "metronome", set()),
        ("en", "cherry tree", set()),
        ("en", "michael", {Fault.NAME, Fault.TOO_FREQUENT}),
    ],
)
def test_words_are_judged(
    judges: dict[Language, CodeWords], language: Language, word: str, faults: set[Fault]
) -> None:
    found = set(judges[language].judge(word).faults)
    assert faults <= found
    assert bool(faults) == bool(found)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_proposals_are_fit(judges: dict[Language, CodeWords], language: Language) -> None:
    proposed = judges[language].propose(20, random.Random(5).shuffle)
    assert len(set(proposed)) == 20
    assert all(judges[language].judge(word).fit for word in proposed)


def test_the_command_by_itself(judges: dict[Language, CodeWords]) -> None:
    done = CliRunner().invoke(code_words, ["check", "-", "--json"], input="деньги\n")
    assert done.exit_code == 1
    assert {"too_frequent", "too_short"} <= {reason["code"] for reason in json.loads(done.stdout)["reasons"]}

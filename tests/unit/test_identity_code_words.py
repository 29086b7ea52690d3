"""What makes a code word fit, by a small lexicon; real word lists are measured by benchmarks/code_words.py."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from itertools import combinations

import pytest
from click.testing import CliRunner

from ivrbot.cli import code_words as command
from ivrbot.errors import MissingError
from ivrbot.identity.code_words import MIN_APART, CodeWords, Fault, edits, syllables
from ivrbot.identity.word_lists import open_lexicon
from ivrbot.language.phonetic import phonetic_key
from ivrbot.model.speech import Language

ZIPF = {
    "ru": {"деньги": 5.6, "карта": 4.5, "анна": 4.7, "вторник": 4.4, "семьдесят": 4.0, "оператор": 4.4}
    | {"компания": 3.8, "кампания": 3.4, "черемуха": 2.6, "черемухи": 2.4, "метроном": 2.6, "акварель": 3.2}
    | {"подсолнух": 2.7, "калейдоскоп": 3.0, "бегемот": 3.0, "бегемоты": 2.7, "светофоры": 4.1, "светофор": 3.4}
    | {"конечно": 3.0, "баланс": 4.1},
    "en": {"money": 5.6, "michael": 5.0, "cherry": 4.2, "tree": 4.9, "good": 6.0, "morning": 5.3, "lantern": 3.4}
    | {"colour": 4.4, "color": 4.9, "night": 5.5, "knight": 3.6, "umbrella": 3.7, "watercolor": 3.2, "water": 5.5},
}
NAMES = {"анна", "michael"}


class SmallLexicon:
    """A few words, their forms by ending."""

    def __init__(self, language: Language) -> None:
        self._zipf: dict[str, float] = ZIPF[language]

    def zipf(self, word: str) -> float:
        return self._zipf.get(word, 0.0)

    def words(self, min_zipf: float) -> Iterator[str]:
        ranked = sorted(self._zipf, key=lambda word: -self._zipf[word])
        return (word for word in ranked if self._zipf[word] >= min_zipf)

    def forms(self, word: str) -> frozenset[str]:
        stem = word.rstrip("аиы")
        return frozenset({word, *(stem + ending for ending in ("", "а", "и", "ы"))})

    def is_name(self, word: str) -> bool:
        return word in NAMES

    def is_thing(self, word: str) -> bool:
        return word != "конечно" and not word.endswith(("и", "ы"))


def judge_of(language: Language, refused: tuple[str, ...] = ()) -> CodeWords:
    return CodeWords(SmallLexicon(language), language, {"карту", "карты", "баланс", "card"}, refused)


RU, EN = judge_of("ru", ("бегемот",)), judge_of("en")


@pytest.mark.parametrize("word", ["черёмуха", "Черемуха", "метроном", "акварель", "подсолнух"])
def test_fit_words(word: str) -> None:
    assert RU.judge(word).fit


@pytest.mark.parametrize(
    ("word", "faults"),
    [
        ("деньги", {Fault.TOO_SHORT, Fault.TOO_FREQUENT}),
        ("карта", {Fault.TOO_SHORT, Fault.TOO_FREQUENT, Fault.DIALOGUE}),
        ("анна", {Fault.TOO_SHORT, Fault.TOO_FREQUENT, Fault.NAME}),
        ("вторник", {Fault.TOO_SHORT, Fault.TOO_FREQUENT, Fault.DATE}),
        ("оператор", {Fault.TOO_FREQUENT, Fault.DIALOGUE}),
        ("конечно", {Fault.DIALOGUE}),
        ("кампания", {Fault.SOUNDS_LIKE_FREQUENT}),
        ("светофор", {Fault.TOO_FREQUENT}),
        ("бегемот", {Fault.REFUSED_BY_BANK}),
        ("бегемоты", {Fault.REFUSED_BY_BANK}),
        ("кракозябра", {Fault.UNKNOWN}),
        ("лес", {Fault.TOO_SHORT, Fault.UNKNOWN}),
        ("метроном акварель подсолнух", {Fault.TOO_MANY_WORDS}),
        ("метроном 7", {Fault.NOT_WORDS, Fault.NUMBER}),
        ("lantern", {Fault.NOT_WORDS}),
        ("", {Fault.NOT_WORDS}),
    ],
)
def test_every_reason_is_given_at_once(word: str, faults: set[Fault]) -> None:
    judgement = RU.judge(word)
    assert set(judgement.faults) == faults
    assert not judgement.fit


@pytest.mark.parametrize(
    ("word", "faults"),
    [
        ("cherry tree", set()),
        ("lantern", set()),
        ("umbrella", set()),
        ("water colour", set()),
        ("michael", {Fault.TOO_FREQUENT, Fault.NAME}),
        ("good morning", {Fault.TOO_FREQUENT}),
        ("knight", {Fault.TOO_SHORT, Fault.SOUNDS_LIKE_FREQUENT}),
        ("лампа", {Fault.NOT_WORDS}),
    ],
)
def test_english_words(word: str, faults: set[Fault]) -> None:
    assert set(EN.judge(word).faults) == faults


def test_a_judgement_does_not_hold_the_word() -> None:
    assert "метроном" not in repr(RU.judge("метроном"))


def test_proposed_words_are_fit_and_far_apart() -> None:
    proposed = RU.propose(10, random.Random(1).shuffle)
    assert {"метроном", "подсолнух", "калейдоскоп"} <= set(proposed)
    assert {"бегемот", "конечно", "кампания", "светофор"}.isdisjoint(proposed)
    assert all(RU.judge(word).fit for word in proposed)
    for one, other in combinations(proposed, 2):
        a, b = phonetic_key(one, "ru"), phonetic_key(other, "ru")
        assert edits(a, b) >= MIN_APART * max(len(a), len(b))


def test_the_same_seed_proposes_the_same_and_chance_something_else() -> None:
    assert RU.propose(2, random.Random(7).shuffle) == RU.propose(2, random.Random(7).shuffle)
    assert len({tuple(RU.propose(2, random.Random(seed).shuffle)) for seed in range(12)}) > 1


def test_nothing_within_a_sound_of_a_frequent_word_is_proposed() -> None:
    lexicon = SmallLexicon("ru")
    lexicon._zipf = {"компот": 4.2, "компоты": 2.0, "капоты": 2.8, "метроном": 2.7}
    judge = CodeWords(lexicon, "ru", ())
    assert judge.propose(5, random.Random(1).shuffle) == ["метроном"]


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("аб", "", 2), ("кампат", "капот", 2), ("абв", "бвг", 2), ("а", "б", 1)],
)
def test_edits(one: str, other: str, distance: int) -> None:
    assert edits(one, other) == edits(other, one) == distance


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [("черёмуха", "ru", 4), ("взгляд", "ru", 1), ("cherry tree", "en", 3), ("lantern", "en", 2)],
)
def test_syllables(text: str, language: Language, count: int) -> None:
    assert syllables(text, language) == count


# --- the command ------------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(command, "open_code_words", lambda settings, language, refused: judge_of(language))
    return CliRunner()


def test_check_says_why_and_never_the_word(run: CliRunner, caplog: pytest.LogCaptureFixture) -> None:
    done = run.invoke(command.code_words, ["check", "-", "--json"], input="оператор\n")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert [reason["code"] for reason in said["reasons"]] == ["too_frequent", "dialogue"]
    assert all(reason["detail"] for reason in said["reasons"])
    assert "оператор" not in done.output + caplog.text
    fit = run.invoke(command.code_words, ["check", "метроном"])
    assert (fit.exit_code, fit.stdout) == (0, "fit\n")
    assert run.invoke(command.code_words, ["check", "-"], input="").exit_code == 2


def test_propose_gives_two_words(run: CliRunner) -> None:
    done = run.invoke(command.code_words, ["propose", "--seed", "3", "--json"])
    assert done.exit_code == 0
    assert len(json.loads(done.stdout)["words"]) == 2
    many = run.invoke(command.code_words, ["propose", "--count", "500"])
    assert many.exit_code == 1
    assert "ask for fewer" in many.stderr


def test_without_the_word_lists_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(MissingError, match=r"ivrbot\[code-words\]"):
        open_lexicon("en")

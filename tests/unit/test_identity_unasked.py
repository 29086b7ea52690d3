"""A code word is found wherever it is said, by the same keys and hashes as an answer."""

from __future__ import annotations

import hmac
from typing import Any

import pytest

from ivrbot.identity.facts import MAX_HYPOTHESES
from ivrbot.identity.unasked import code_words_in
from ivrbot.language.phonetic import both_keys, loose_key, phonetic_key
from ivrbot.language.tokens import tokenise
from ivrbot.model.bank import Fact, FactHashes, fact_hash
from ivrbot.model.speech import Language

KEY = b"0123456789abcdef"


def customer(word: str, language: Language, who: str = "c-1", fact: Fact = Fact.CODE_WORD) -> FactHashes:
    digests = frozenset(fact_hash(KEY, who, fact, reading) for reading in both_keys(word, language))
    return FactHashes(who, {fact: digests})


def found(texts: list[str] | str, who: list[FactHashes | None], language: Language = "ru") -> list[str]:
    """The words of the first reading that are found, each span once."""
    texts = [texts] if isinstance(texts, str) else texts
    tokens = tokenise(texts[0], language)
    spans = sorted(set(code_words_in(texts, who, KEY, language)))
    return [" ".join(token.text for token in tokens[start:end]) for start, end in spans]


@pytest.mark.parametrize(
    ("word", "language", "text", "heard"),
    [
        ("черёмуха", "ru", "здравствуйте Черёмуха это я звоню по карте которую вчера потерял", ["черемуха"]),
        ("черёмуха", "ru", "там у дома черемуха, и здесь черемуха", ["черемуха", "черемуха"]),
        ("катамаран", "ru", "мы плавали на катемаран и обратно", ["катемаран"]),  # by the loose key
        ("черёмуха", "ru", "сидим мы как то а там чере муха и всё", ["чере муха"]),
        ("вишнёвый сад", "ru", "скажу сразу вишневый, э, сад и дальше по делу", ["вишневый , э , сад"]),
        ("вишнёвый сад", "ru", "вишневый чай и старый сад", []),
        ("cherry tree", "en", "good morning, cherry tree, I would like to know my balance", ["cherry tree"]),
        ("cherry tree", "en", "the cherrytree one", ["cherrytree"]),
        ("metronome", "en", "could you tell me where your office is", []),
        ("черёмуха", "ru", "", []),
        ("черёмуха", "ru", "4271 !", []),
    ],
)
def test_where_it_stands(word: str, language: Language, text: str, heard: list[str]) -> None:
    assert found(text, [customer(word, language)], language) == heard


def test_a_word_that_another_reading_holds_is_found_by_its_place() -> None:
    who: list[FactHashes | None] = [customer("черёмуха", "ru")]
    assert found(["говорю черемша и карта", "говорю черёмуха и карта"], who) == ["черемша"]
    assert found(["говорю черемша и карта", "говорила черемша карта", "говорю чере муха и карта"], who) == [
        "черемша"
    ]
    # The first reading has nothing there, but the word was said.
    assert found(["говорю карта", "говорю черёмуха карта"], who) == [""]
    far = ["слово"] * MAX_HYPOTHESES
    assert found([*(f"{word} {number}" for number, word in enumerate(far)), "черёмуха"], who) == []


def test_a_long_story_is_read_to_its_end() -> None:
    story = " ".join(f"расскажу{'а' * (at % 7)}" for at in range(150))
    assert found(f"{story} черёмуха {story}", [customer("черёмуха", "ru")]) == ["черемуха"]


def test_whose_it_is_and_what_it_is_kept_as() -> None:
    other = customer("метроном", "ru", "c-2")
    assert found("метроном и черёмуха", [customer("черёмуха", "ru"), other]) == ["метроном", "черемуха"]
    assert found("метроном", [None]) == []
    assert found("метроном", []) == []
    moved = FactHashes("c-9", other.hashes)  # digests are bound to a customer
    assert found("метроном", [moved]) == []
    assert found("метроном", [customer("метроном", "ru", fact=Fact.FULL_NAME)]) == []


def test_the_work_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    real = hmac.compare_digest

    def counting(one: Any, other: Any) -> bool:
        compared.append(1)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    work = []
    for who in (customer("черёмуха", "ru"), customer("метроном", "ru"), FactHashes("c-1", {}), None):
        compared.clear()
        code_words_in(["потеряла карту черёмуха", "потеряла карту"], [who], KEY, "ru")
        work.append(len(compared))
    assert len(set(work)) == 1 and work[0] > 0


def test_both_keys_are_the_keys_that_are_kept() -> None:
    assert both_keys("черёмуха", "ru") == (phonetic_key("черёмуха", "ru"), loose_key("черёмуха", "ru"))
    assert both_keys("cherry tree", "en") == (phonetic_key("cherry tree", "en"),)
    assert both_keys("!", "ru") == ()

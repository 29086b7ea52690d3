"""Phonetic keys: what sounds alike over the telephone is the same, what does not is not."""

import pytest

from ivrbot.language.phonetic import phonetic_key, transcript_words
from ivrbot.model.speech import Language


@pytest.mark.parametrize(
    ("language", "said", "heard"),
    [
        ("ru", "корова", "карова"),
        ("ru", "молоко", "малако"),
        ("ru", "мороз", "морос"),
        ("ru", "дуб", "дуп"),
        ("ru", "лодка", "лотка"),
        ("ru", "счастье", "щастье"),
        ("ru", "садиться", "садится"),
        ("ru", "солнце", "сонце"),
        ("ru", "честный", "чесный"),
        ("ru", "праздник", "празник"),
        ("ru", "ёлка", "елка"),
        ("ru", "Аллея", "алея"),
        ("ru", "рысь", "рыс"),
        ("ru", "гриб", "грип"),
        ("ru", "синий кит", "синийкит"),
        ("en", "night", "knight"),
        ("en", "cherry tree", "cherrytree"),
        ("en", "phone", "fone"),
        ("en", "write", "rite"),
        ("en", "sail", "sayl"),
        ("en", "Bell", "bel"),
    ],
)
def test_words_that_sound_alike_share_a_key(language: Language, said: str, heard: str) -> None:
    assert phonetic_key(said, language) == phonetic_key(heard, language) != ""


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("ru", "дом", "дым"),
        ("ru", "кот", "кит"),
        ("ru", "берёза", "мимоза"),
        ("ru", "бочка", "дочка"),
        ("ru", "лес", "лиса"),
        ("en", "ship", "sheep"),
        ("en", "thin", "tin"),
        ("en", "chair", "share"),
        ("en", "cherry tree", "cherry"),
    ],
)
def test_words_that_sound_different_do_not(language: Language, one: str, other: str) -> None:
    assert phonetic_key(one, language) != phonetic_key(other, language)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_nothing_pronounceable_has_no_key(language: Language) -> None:
    assert phonetic_key(" ... 42 ", language) == ""


def test_transcripts_become_words() -> None:
    assert transcript_words("Ну, «Ёлка»…", "ru") == ("ну", "елка")
    assert transcript_words("It's cherry-tree.", "en") == ("it's", "cherry", "tree")

"""Phonetic keys: what sounds alike over the telephone is the same, what does not is not."""

import pytest

from ivrbot.language.phonetic import loose_key, phonetic_key, transcript_words
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
        ("ru", "сделать", "зделать"),
        ("ru", "просьба", "прозьба"),
        ("ru", "вокзал", "вагзал"),
        ("ru", "футбол", "фудбол"),
        ("ru", "отдать", "аддать"),
        ("ru", "легко", "лехко"),
        ("ru", "мягче", "мяхче"),
        ("ru", "сегодня", "севодня"),
        ("ru", "синего", "синево"),
        ("ru", "яичница", "яишница"),
        ("ru", "часы", "чесы"),
        ("ru", "крыжовник", "крыжевник"),
        ("ru", "район", "раён"),
        ("ru", "майор", "маёр"),
        ("ru", "бульон", "булион"),
        ("ru", "агентство", "агенство"),
        ("ru", "сердце", "серце"),
        ("ru", "счастливый", "щасливый"),
        ("ru", "чувство", "чуство"),
        ("ru", "мужчина", "мущина"),
        ("ru", "сжать", "жать"),
        ("ru", "детский", "децкий"),
        ("ru", "лётчик", "лёчик"),
        ("ru", "помощник", "помошник"),
        ("ru", "поезд", "поест"),
        ("ru", "вдове", "вдаве"),
        ("ru", "отзыв", "одзыв"),
        ("ru", "Дмитрий", "Дмитри"),
        ("ru", "экзамен", "игзамен"),
        ("ru", "верёвка", "вирёфка"),
        ("ru", "свадьба", "сватьба"),
        ("ru", "язык", "изык"),
        ("ru", "цирк", "цырк"),
        ("ru", "чёрный", "чорный"),
        ("ru", "счастье", "счастие"),
        ("en", "night", "knight"),
        ("en", "cherry tree", "cherrytree"),
        ("en", "phone", "fone"),
        ("en", "write", "rite"),
        ("en", "sail", "sayl"),
        ("en", "Bell", "bel"),
        ("en", "colour", "color"),
        ("en", "centre", "center"),
        ("en", "theatre", "theater"),
        ("en", "cellar", "seller"),
        ("en", "gray", "grey"),
        ("en", "whole", "hole"),
        ("en", "tale", "tail"),
        ("en", "steel", "steal"),
        ("en", "peace", "piece"),
        ("en", "reign", "rain"),
        ("en", "rode", "road"),
        ("en", "scent", "cent"),
        ("en", "honey", "hony"),
        ("en", "would", "wood"),
        ("en", "weight", "wait"),
        ("en", "wail", "whale"),
        ("en", "photo", "foto"),
        ("en", "lamb", "lam"),
        ("en", "harbour", "harbor"),
        ("en", "quick", "kwick"),
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
        ("ru", "серия", "серый"),
        ("ru", "твой", "двой"),
        ("ru", "семья", "семя"),
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


@pytest.mark.parametrize("heard", ["катамаран", "катемаран", "котимарон", "катомаран"])
def test_the_loose_key_takes_weak_vowels_for_one(heard: str) -> None:
    assert loose_key(heard, "ru") == loose_key("катамаран", "ru") != ""


def test_the_loose_key_keeps_consonants_and_the_strong_u_and_is_never_a_key() -> None:
    assert len({loose_key(word, "ru") for word in ("катамаран", "катамарам", "кутамаран", "патамаран")}) == 4
    assert loose_key("катамаран", "ru") != phonetic_key("катамаран", "ru")
    assert loose_key("...", "ru") == loose_key("lantern", "en") == ""

"""Sounds of Russian words, from their spelling.

Takes one word in lower case ("ё" as "е"), gives its key. Spelling does not show the stress, so vowels are merged
where some stress would merge them: о = а, е = и = э = ы = я, ю = у; behind a sibilant as they are heard there.
Consonants take the voice of what follows, from right to left; a sound that a cluster swallows is left out.
Source: R. I. Avanesov, "Russkoe literaturnoe proiznoshenie" (reduction, voice, clusters, endings).
"""

from __future__ import annotations

import re
from typing import Final

_Rules = tuple[tuple[re.Pattern[str], str], ...]


def _rules(*pairs: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


_NO_LETTER: Final = re.compile(r"[^а-яё]")
# Two of these in a row are two syllables: "серия" is not "серый".
_DOUBLE: Final = re.compile(r"([^еи])\1+")

_SPELLING: Final = _rules(
    (r"^сегодня", "севодня"),
    (r"(?<=[ое])го$", "во"),  # "синего", "большого"
    (r"(?<=[иы])й$", ""),  # "синий", "Дмитрий": the last sound is lost first
    (r"й[аеиоыэя]", "и"),  # "йод", "район" as "ёд", "раён"
    (r"й[ую]", "у"),
    (r"[ьъ](?=[аеоуэюя])", "и"),  # "счастье" as "счастие", "бульон" as "булион"
    (r"[ьъ]", ""),
)
_CLUSTERS: Final = _rules(
    (r"стск", "ск"),  # "туристский"
    (r"стс", "с"),  # "шестьсот"
    (r"н[дт]с", "нс"),  # "агентство", "голландский"
    (r"(?:н[дт]|лн)ц", "нц"),  # "солнце"
    (r"(?:зд|ст)ц", "сц"),
    (r"рд(?=[цч])", "р"),  # "сердце"
    (r"ст(?=[нл])", "с"),  # "честный", "счастливый"
    (r"зд(?=н)", "з"),  # "праздник"
    (r"вств", "ств"),  # "чувство"
    (r"(?:здч|стч|[сзжшщ]ч|[сзжш]щ)", "щ"),  # "счастье", "извозчик", "мужчина", "жёстче"
    (r"[сз](?=[шж])", ""),  # "сшить", "сжать"
    (r"[тд]с", "ц"),  # "детский", "садиться"
    (r"[тд](?=[цчщ])", ""),  # "отца", "лётчик"
    (r"г(?=[кч])", "х"),  # "легко", "мягче"
    (r"[чщ](?=н)", "ш"),  # "яичница", "помощник"
    (r"ч(?=т)", "ш"),  # "что"
    (r"(?<=[чщ])[ая]", "и"),  # "часы", "щавель"
    (r"(?<=[жшчщ])о", "и"),  # "крыжовник" as "крыжёвник"
    (r"(?<=ц)я", "а"),  # what "-тся" has become
)
_VOWELS: Final = str.maketrans({"о": "а", "ё": "и", "е": "и", "я": "и", "э": "и", "ю": "у", "ы": "и"})

_DEVOICED: Final = {"б": "п", "в": "ф", "г": "к", "д": "т", "ж": "ш", "з": "с"}
_VOICED: Final = {voiceless: voiced for voiced, voiceless in _DEVOICED.items()}
_ALWAYS_VOICELESS: Final = frozenset("хцчщ")


def key_ru(word: str) -> str:
    """Give the key of a word.

    Args:
        word: lower case; anything but Russian letters is left out.
    """
    letters = _NO_LETTER.sub("", word)
    for pattern, replacement in _SPELLING:
        letters = pattern.sub(replacement, letters)
    letters = _DOUBLE.sub(r"\1", letters)
    for pattern, replacement in _CLUSTERS:
        letters = pattern.sub(replacement, letters)
    # The voice of a cluster may leave two equal sounds, and two equal sounds another cluster.
    return _DOUBLE.sub(r"\1", _assimilated(letters.translate(_VOWELS)))


def _assimilated(letters: str) -> str:
    """Give every paired consonant the voice of what follows it; "в" passes on what comes but starts nothing."""
    sounds: list[str] = []
    voice: bool | None = (
        False  # of the sound to the right: at the end of a word voiceless, None where it has no say
    )
    for letter in reversed(letters):
        sound = letter
        if letter in _DEVOICED or letter in _VOICED:
            if voice is not None:
                sound = _VOICED.get(letter, letter) if voice else _DEVOICED.get(letter, letter)
                voice = sound in _DEVOICED
            else:
                voice = None if letter == "в" else letter in _DEVOICED
        else:
            voice = False if letter in _ALWAYS_VOICELESS else None
        sounds.append(sound)
    return "".join(reversed(sounds))

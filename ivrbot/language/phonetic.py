"""Phonetic keys: how a word sounds over the telephone, so that spelling and weak sounds do not matter.

Takes a word or phrase, gives a short key; words are accepted as the same when their keys are equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ivrbot.language.tokens import normalise, words
from ivrbot.model.speech import Language

_Rules = tuple[tuple[re.Pattern[str], str], ...]


def _rules(*pairs: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


# --- Russian ----------------------------------------------------------------------------------------------

_RU_CLUSTERS = _rules(
    (r"[ьъ]", ""),
    (r"(?:тс|дс|тц|дц)", "ц"),  # after the soft sign is gone: "ться" -> "ця"
    (r"(?:сч|зч|жч|шч|сщ)", "щ"),
    (r"(?:сш|зш)", "ш"),
    (r"(?:сж|зж)", "ж"),
    (r"стн", "сн"),
    (r"здн", "зн"),
    (r"стл", "сл"),
    (r"лнц", "нц"),
    (r"рдц", "рц"),
    (r"вств", "ств"),
    (r"(?<=[ое])го$", "во"),
)
_RU_VOWELS = str.maketrans({"о": "а", "ё": "и", "е": "и", "я": "и", "э": "и", "ю": "у", "ы": "и"})
_DEVOICE = {"б": "п", "в": "ф", "г": "к", "д": "т", "ж": "ш", "з": "с"}
_VOICELESS = "пфктшсхцчщ"
_DOUBLE = re.compile(r"(.)\1+")


def _key_ru(word: str) -> str:
    letters = re.sub(r"[^а-яё]", "", word)
    for pattern, replacement in _RU_CLUSTERS:
        letters = pattern.sub(replacement, letters)
    letters = letters.translate(_RU_VOWELS)
    # Voiced obstruents are devoiced at the end and before voiceless ones; "в" before a vowel stays.
    letters = re.sub(
        rf"[бвгджз]+(?=[{_VOICELESS}]|$)", lambda run: "".join(_DEVOICE[c] for c in run.group()), letters
    )
    return _DOUBLE.sub(r"\1", letters)


# --- English ----------------------------------------------------------------------------------------------

_EN_RULES = _rules(
    (r"'", ""),
    (r"^(?:kn|gn|pn)", "n"),
    (r"^wr", "r"),
    (r"^ps", "s"),
    (r"^x", "z"),
    (r"mb$", "m"),
    (r"tch", "C"),
    (r"sch", "sk"),
    (r"ch", "C"),
    (r"sh|ti(?=on)|ci(?=an|ous)|si(?=on)", "S"),
    (r"ph", "f"),
    (r"th", "T"),
    (r"igh", "I"),
    (r"gh(?=t)", ""),
    (r"(?<=.)gh$", ""),
    (r"wh", "w"),
    (r"ck|q", "k"),
    (r"dg(?=[eiy])", "j"),
    (r"c(?=[eiy])", "s"),
    (r"c", "k"),
    (r"x", "ks"),
    (r"z", "s"),
    (r"ng(?=$|s$)", "N"),
    (r"ee|ea|ie(?!$)|ei", "E"),
    (r"oo|ou|ew|ue", "U"),
    (r"ai|ay|ey", "A"),
    (r"oa|ow", "O"),
    (r"au|aw", "o"),
    (r"(?<=[^aeiouAEOUI])e$", ""),
    (r"y", "i"),
)


def _key_en(word: str) -> str:
    letters = re.sub(r"[^a-z']", "", word)
    for pattern, replacement in _EN_RULES:
        letters = pattern.sub(replacement, letters)
    return _DOUBLE.sub(r"\1", letters)


_KEYS: dict[Language, Callable[[str], str]] = {"ru": _key_ru, "en": _key_en}


def phonetic_key(word: str, language: Language) -> str:
    """Give the key of a word or phrase; a phrase has the key of its words joined ("cherry tree" as "cherrytree").

    Args:
        word: any case, "ё" and "е" alike.
        language: whose spelling it is.

    Returns:
        The key, "" when there is nothing pronounceable in it.
    """
    return _KEYS[language]("".join(normalise(word, language).split()))


def transcript_words(text: str, language: Language) -> tuple[str, ...]:
    """Cut a transcript into words to compare with a code word: lower case, no marks, hesitations kept."""
    return words(text, language)

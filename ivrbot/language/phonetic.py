"""Phonetic keys: how a word sounds over the telephone, so that spelling and weak sounds do not matter.

Takes a word or phrase, gives a short key; words are accepted as the same when their keys are equal. The rules of
each language stand in `phonetic_ru` and `phonetic_en`. Banks keep hashes of keys, so a change of the rules that
changes keys needs another `KEY_RULES`, and the words hashed anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ivrbot.language.phonetic_en import key_en
from ivrbot.language.phonetic_ru import key_ru
from ivrbot.language.tokens import normalise, words
from ivrbot.model.speech import Language

KEY_RULES: Final = 3
"""Number of the rules that keys are made by."""

_WEAK: Final = re.compile("[аи]+")
_KEYS: Final[dict[Language, Callable[[str], str]]] = {"ru": key_ru, "en": key_en}


def phonetic_key(word: str, language: Language) -> str:
    """Give the key of a word or phrase; a phrase has the key of its words joined ("cherry tree" as "cherrytree").

    Args:
        word: any case, "ё" and "е" alike.
        language: whose spelling it is.

    Returns:
        The key, "" when there is nothing pronounceable in it.
    """
    return _KEYS[language]("".join(normalise(word, language).split()))


def loose_key(word: str, language: Language) -> str:
    """Give the key with all weak vowels alike: what is left of a word that was heard badly.

    Far from the stress every Russian vowel but "у" may be heard as any other ("катамаран" as "катемаран"). Four
    times as many words share it, so only words that are known to be alone with it may be accepted by it.

    Returns:
        "~" and the key, so that it is never taken for one; "" in English, whose vowels are not merged, and when
        there is nothing pronounceable.
    """
    return _loosened(phonetic_key(word, language), language)


def both_keys(word: str, language: Language) -> tuple[str, ...]:
    """Give `phonetic_key` and `loose_key` in one go, without those that are ""."""
    key = phonetic_key(word, language)
    return tuple(one for one in (key, _loosened(key, language)) if one)


def _loosened(key: str, language: Language) -> str:
    return "~" + _WEAK.sub("а", key) if key and language == "ru" else ""


def transcript_words(text: str, language: Language) -> tuple[str, ...]:
    """Cut a transcript into words to compare with a code word: lower case, no marks, hesitations kept."""
    return words(text, language)

"""The words of Russian and English with their frequencies, for choosing code words only.

Takes a language, gives a `Lexicon`. The libraries behind it are an extra (`pip install "ivrbot[code-words]"`):
wordfreq (frequencies), pymorphy3 (forms, names and nouns of Russian). They are loaded when the tool is used and
never while calls are answered.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from ivrbot.errors import MissingError
from ivrbot.identity.code_words import Lexicon
from ivrbot.identity.names_en import FIRST_NAMES
from ivrbot.model.speech import Language

EXTRA: Final = 'Install them: pip install "ivrbot[code-words]".'
_NAMES: Final = frozenset(("Name", "Surn", "Patr"))
_NOT_PROPOSED: Final = frozenset(("Name", "Surn", "Patr", "Geox", "Orgn", "Trad", "Abbr", "Arch", "Slng", "Infr"))
_BASIC: Final = frozenset(("inan", "sing", "nomn"))
_LIKELY: Final = 0.1
_PER_THOUSAND_MILLION: Final = 9.0
# Endings of abstract words: hard to keep in mind, and alike in sound.
_ABSTRACT: Final[dict[Language, tuple[str, ...]]] = {
    "ru": ("ость", "есть", "ение", "ание", "тие", "ция", "сия", "изм", "ство", "логия", "ика"),
    "en": ("tion", "sion", "ment", "ness", "ity", "ism", "ist", "ance", "ence", "ship", "cy", "or", "ate", "ure"),
}
_NO_NOUN_EN: Final = ("s", "ed", "ing", "ly", "ish", "able", "ible", "ful", "ous", "ive", "al", "ic", "er", "an")


def open_lexicon(language: Language) -> Lexicon:
    """The words of a language.

    Raises:
        MissingError: a library of the extra is not installed; says how to install it.
    """
    wordfreq = _library("wordfreq")
    return _Russian(wordfreq, _library("pymorphy3")) if language == "ru" else _English(wordfreq)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingError(f"choosing code words needs word lists: {name} is not installed", EXTRA) from error


class _Frequencies:
    """Words by frequency; see `code_words.Lexicon`."""

    def __init__(self, wordfreq: Any, language: Language) -> None:
        shares: dict[str, float] = {}
        for word, share in wordfreq.get_frequency_dict(language, "large").items():
            plain = word.replace("ё", "е")
            if plain.isalpha() and plain.isascii() == (language == "en"):
                shares[plain] = shares.get(plain, 0.0) + share
        ranked = sorted(shares.items(), key=lambda one: (-one[1], one[0]))
        self._zipf = {word: max(0.0, math.log10(share) + _PER_THOUSAND_MILLION) for word, share in ranked}

    def zipf(self, word: str) -> float:
        return self._zipf.get(word, 0.0)

    def words(self, min_zipf: float) -> Iterator[str]:
        return (word for word, zipf in self._zipf.items() if zipf >= min_zipf)


class _Russian(_Frequencies):
    def __init__(self, wordfreq: Any, pymorphy3: Any) -> None:
        super().__init__(wordfreq, "ru")
        self._parse = cache(pymorphy3.MorphAnalyzer().parse)

    def forms(self, word: str) -> frozenset[str]:
        found = {form.word.replace("ё", "е") for one in self._likely(word) for form in one.lexeme}
        return frozenset({word, *found})

    def is_name(self, word: str) -> bool:
        return any(_NAMES & one.tag.grammemes for one in self._likely(word))

    def is_thing(self, word: str) -> bool:
        likely = self._likely(word)
        if not likely or word.endswith(_ABSTRACT["ru"]):
            return False
        if any(one.tag.POS != "NOUN" or _NOT_PROPOSED & one.tag.grammemes for one in likely):
            return False
        return any(one.tag.grammemes >= _BASIC and one.normal_form.replace("ё", "е") == word for one in likely)

    def _likely(self, word: str) -> list[Any]:
        return [one for one in self._parse(word) if one.score >= _LIKELY]


class _English(_Frequencies):
    """Without a dictionary of forms: a noun is what has a plural of like frequency."""

    def __init__(self, wordfreq: Any) -> None:
        super().__init__(wordfreq, "en")

    def forms(self, word: str) -> frozenset[str]:
        endings = ("s", "es", "ed", "ing", "er", "ers", "'s")
        found = {word, *(word + ending for ending in endings)}
        if word.endswith("e"):
            found |= {word[:-1] + ending for ending in ("ed", "ing", "er", "ers")}
        if word.endswith("y"):
            found |= {word[:-1] + ending for ending in ("ies", "ied")}
        if word.endswith("s"):
            found |= {word[:-1]}
        return frozenset(found)

    def is_name(self, word: str) -> bool:
        return word in FIRST_NAMES

    def is_thing(self, word: str) -> bool:
        if word.endswith((*_ABSTRACT["en"], *_NO_NOUN_EN)):
            return False
        plural = word[:-1] + "ies" if word.endswith("y") and word[-2:-1] not in set("aeiou") else word + "s"
        # Surnames have plurals too, far rarer ones; of verbs the form with "s" comes with one in "ing".
        has_verb = self.zipf(word + "ing") or self.zipf(word.removesuffix("e") + "ing")
        return not has_verb and self.zipf(word) - 0.9 <= self.zipf(plural) <= self.zipf(word) + 0.5

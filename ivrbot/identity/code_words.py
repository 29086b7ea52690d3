"""Whether a word is fit to be a code word, and words that are.

Takes a word, a `Lexicon` of its language and the words of our own dialogue; gives every reason against it at once,
or words that have none. What is fit: known to people and recogniser, yet nobody's first guess, and alone with its
sound among the words that callers use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Protocol

from ivrbot.identity.words import CUES, FILLERS, UNABLE
from ivrbot.language.answers import parse_yes_no
from ivrbot.language.commands import universal
from ivrbot.language.dates import month_of, parse_date
from ivrbot.language.numbers import find_runs
from ivrbot.language.phonetic import loose_key, phonetic_key
from ivrbot.language.tokens import Kind, tokenise
from ivrbot.model.speech import Language

MAX_WORDS: Final = 2
MIN_SYLLABLES: Final[dict[Language, int]] = {"ru": 3, "en": 2}
MIN_KEY_SOUNDS: Final = 5
MAX_ZIPF: Final = 4.0
"""More frequent than this in all its forms together, and a patient guesser comes to it among the first."""
MIN_ZIPF: Final = 1.5
"""Rarer than this, and recognisers do not know the word."""
NEIGHBOUR_ZIPF: Final = 3.0
"""A word as frequent as this must not have the same loose key: about the 60,000 most frequent words of Russian."""
PAIR_ZIPF_LESS: Final = 1.0
"""Of all that is said with the rarer word of an expression, the expression is taken to be a tenth."""
PROPOSED_ZIPF: Final = (2.6, 3.7)
FREQUENT_ZIPF: Final = 4.0
"""No word as frequent as this may be within one sound of a proposed one."""
MIN_APART: Final = 0.5
"""Edits between the keys of two proposed words, as a share of the longer key."""

_VOWELS: Final[dict[Language, frozenset[str]]] = {"ru": frozenset("аеёиоуыэюя"), "en": frozenset("aeiouy")}
_ANY_DAY: Final = date(2020, 6, 15)


class Fault(StrEnum):
    """Why a word is refused."""

    NOT_WORDS = "not_words"
    TOO_MANY_WORDS = "too_many_words"
    TOO_SHORT = "too_short"
    TOO_FREQUENT = "too_frequent"
    UNKNOWN = "unknown"
    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    DIALOGUE = "dialogue"
    SOUNDS_LIKE_FREQUENT = "sounds_like_frequent"
    REFUSED_BY_BANK = "refused_by_bank"


class Lexicon(Protocol):
    """What is known of a language's words; all in lower case, "ё" as "е"."""

    def zipf(self, word: str) -> float:
        """How frequent it is: log10 of its occurrences in a thousand million words, 0 for an unknown one."""
        ...

    def words(self, min_zipf: float) -> Iterable[str]:
        """Every word at least as frequent, the most frequent first."""
        ...

    def forms(self, word: str) -> frozenset[str]:
        """The word in all its forms, itself among them."""
        ...

    def is_name(self, word: str) -> bool:
        """Whether people are called so."""
        ...

    def is_thing(self, word: str) -> bool:
        """Whether it is the basic form of a common noun for a thing."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with a word; nothing of the word itself.

    Attributes:
        faults: every reason against it, none for a fit word.
        neighbours: how many other frequent words have its key.
    """

    faults: tuple[Fault, ...]
    neighbours: int

    @property
    def fit(self) -> bool:
        """Whether it may be a code word."""
        return not self.faults


class CodeWords:
    """Judges and proposes words of one language."""

    def __init__(
        self, lexicon: Lexicon, language: Language, dialogue: Collection[str], refused: Collection[str] = ()
    ) -> None:
        """Learn the sounds of the language's frequent words: a second or two for 60,000 of them.

        Args:
            lexicon: of the language.
            language: whose rules of sound hold.
            dialogue: words that callers say to the bot anyway, such as those of its training sentences.
            refused: words that the bank does not want, such as coarse ones.
        """
        self._lexicon = lexicon
        self._language: Language = language
        self._refused = {self._key(word) for word in refused}
        own = set(FILLERS[language])
        for phrases in (UNABLE[language], *CUES[language].values()):
            own |= {word for phrase in phrases for word in phrase}
        self._dialogue = {self._key(word) for word in own.union(dialogue)}
        self._by_key: dict[str, list[str]] = {}
        # By the loosest key that a fit word is accepted by.
        for word in lexicon.words(NEIGHBOUR_ZIPF):
            self._by_key.setdefault(self._loose(word), []).append(word)
        self._near_frequent: set[str] | None = None

    # --- judging ----------------------------------------------------------------------------------------------

    def judge(self, expression: str) -> Judgement:
        """Say everything that is wrong with a word or an expression of two words."""
        tokens = tokenise(expression, self._language)
        words = tuple(token.text for token in tokens if token.kind is Kind.WORD)
        if not words or not all(self._spelt_here(word) for word in words):
            return Judgement((Fault.NOT_WORDS,), 0)
        key = self._key(" ".join(words))
        forms = frozenset(form for word in words for form in self._lexicon.forms(word))
        joined = "".join(words)
        # An expression written as one word ("watercolor") is itself.
        same_spelling = 1 if len(words) > 1 else 0
        neighbours = [
            word
            for word in self._by_key.get(self._loose(joined), ())
            if word not in forms and edits(word, joined) > same_spelling
        ]
        tests = {
            Fault.NOT_WORDS: any(token.kind is Kind.DIGITS for token in tokens),
            Fault.TOO_MANY_WORDS: len(words) > MAX_WORDS,
            Fault.TOO_SHORT: self._is_short(words, key),
            Fault.TOO_FREQUENT: self._zipf_of_all(words) > MAX_ZIPF,
            Fault.UNKNOWN: min(map(self._lexicon.zipf, words)) < MIN_ZIPF,
            Fault.NUMBER: any(True for _ in find_runs(tokens, self._language, code=True)),
            Fault.DATE: any(map(self._is_date, words)),
            Fault.NAME: any(map(self._lexicon.is_name, words)),
            Fault.DIALOGUE: self._is_dialogue(expression, words),
            Fault.SOUNDS_LIKE_FREQUENT: bool(neighbours),
            Fault.REFUSED_BY_BANK: any(self._key(form) in self._refused for form in {*forms, joined}),
        }
        return Judgement(tuple(fault for fault, found in tests.items() if found), len(neighbours))

    def _spelt_here(self, word: str) -> bool:
        alphabet = "абвгдежзийклмнопрстуфхцчшщъыьэюя" if self._language == "ru" else "abcdefghijklmnopqrstuvwxyz'"
        return all(letter in alphabet for letter in word)

    def _is_short(self, words: tuple[str, ...], key: str) -> bool:
        return (
            syllables(" ".join(words), self._language) < MIN_SYLLABLES[self._language] or len(key) < MIN_KEY_SOUNDS
        )

    def _zipf_of_forms(self, word: str) -> float:
        return math.log10(sum(10 ** self._lexicon.zipf(form) for form in self._lexicon.forms(word)))

    def _zipf_of_all(self, words: tuple[str, ...]) -> float:
        """How frequent the word is in all its forms together; of two words the rarer one bounds the expression."""
        return min(map(self._zipf_of_forms, words)) - (PAIR_ZIPF_LESS if len(words) > 1 else 0.0)

    def _is_date(self, word: str) -> bool:
        # A weekday and "yesterday" read as days, a month alone does not.
        return month_of(word, self._language) is not None or parse_date(word, self._language, _ANY_DAY) is not None

    def _is_dialogue(self, expression: str, words: tuple[str, ...]) -> bool:
        if parse_yes_no(expression, self._language) is not None or universal(expression, self._language):
            return True
        return (
            all(any(self._key(form) in self._dialogue for form in self._lexicon.forms(word)) for word in words)
            or self._key(expression) in self._dialogue
        )

    def _key(self, text: str) -> str:
        return phonetic_key(text, self._language)

    def _loose(self, text: str) -> str:
        return loose_key(text, self._language) or self._key(text)

    # --- proposing --------------------------------------------------------------------------------------------

    def propose(self, count: int, shuffle: Callable[[list[str]], None]) -> list[str]:
        """Draw fit words that are far apart in sound from each other and from every frequent word.

        Args:
            count: how many.
            shuffle: mixes in place; by the system's chance for real ones, by a seed for measurements.

        Returns:
            At most `count` words, fewer when there are not enough.
        """
        low, high = PROPOSED_ZIPF
        known = [word for word in self._lexicon.words(low) if self._lexicon.zipf(word) <= high]
        shuffle(known)
        chosen: list[str] = []
        for word in known:
            if len(chosen) == count:
                break
            if self._may_be_proposed(word) and all(self._apart(word, other) >= MIN_APART for other in chosen):
                chosen.append(word)
        return chosen

    def _may_be_proposed(self, word: str) -> bool:
        key = self._key(word)
        if (
            len(key) < MIN_KEY_SOUNDS + 1
            or len(self._by_key.get(self._loose(word), ())) > 1
            or not self._lexicon.is_thing(word)
        ):
            return False
        return self.judge(word).fit and not self._is_near_frequent(key)

    def _is_near_frequent(self, key: str) -> bool:
        if self._near_frequent is None:
            keys = (self._key(word) for word in self._lexicon.words(FREQUENT_ZIPF))
            self._near_frequent = {near for frequent in keys for near in _less_one(frequent)}
        return any(near in self._near_frequent for near in _less_one(key))

    def _apart(self, one: str, other: str) -> float:
        a, b = self._key(one), self._key(other)
        return edits(a, b) / max(len(a), len(b))


def syllables(text: str, language: Language) -> int:
    """Number of syllables: single vowels in Russian, runs of vowels in English, where a last "e" is silent."""
    vowels = _VOWELS[language]
    if language == "ru":
        return sum(letter in vowels for letter in text)
    count = 0
    for word in text.split():
        sounds = word.removesuffix("e") if len(word) > 3 and not word.endswith("le") else word
        count += max(1, sum(b in vowels and a not in vowels for a, b in zip(" " + sounds, sounds, strict=False)))
    return count


def _less_one(key: str) -> Iterator[str]:
    """The key, and the key without each of its sounds: keys within one edit have one of these in common."""
    yield key
    for at in range(len(key)):
        yield key[:at] + key[at + 1 :]


def edits(one: str, other: str) -> int:
    """Least number of insertions, deletions and replacements between two keys (Levenshtein 1966)."""
    costs = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        before, costs[0] = costs[0], row
        for column, wanted in enumerate(other, 1):
            before, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, before + (letter != wanted)),
            )
    return costs[-1]

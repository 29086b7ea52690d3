"""Misheard words put right: a word that training has never seen becomes the known one it most likely was.

Takes normalised text, gives it with such words replaced. The sentence embedding reads a garbled word as something
else altogether, so a sentence is understood both as heard and as put right (`ivrbot.nlu.classifier`). A word is
replaced only by one that differs in sounds made in the same place of the mouth or in its ending. Pure.
Source: Wagner and Fischer, "The String-to-String Correction Problem", 1974, with weights; candidates by shared
pairs of sounds as in Zobel and Dart, "Finding approximate matches in large lexicons", 1995.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np

SHORTEST: Final = 3
"""Letters of a word that is put right; shorter ones are too near to too many."""

SHORTEST_KNOWN: Final = 3
DEAREST: Final = 0.2
"""Most that a replacement may cost for each letter of the word."""

CANDIDATES: Final = 12
_LEAST_SHARED: Final = 0.45
_KEPT_WORDS: Final = 20_000

_SAME_PLACE: Final = 0.35
_ENDING: Final = 0.5
_ADDED: Final = 0.9
_SIGN: Final = 0.5
_USUAL: Final = 0.05
"""A word that training has often seen may cost so much more, for each square root of a sentence up to three."""

_PLACES: Final = (
    *("аоуыэяеёию", "бп", "дт", "гк", "вф", "зс", "жшщч", "ц", "х", "м", "н", "л", "р", "й"),
    *("aeiouy", "bp", "dt", "gkqc", "vf", "zsx", "j", "h", "m", "n", "l", "r", "w"),
)
"""Letters whose sounds are made in the same place, so that one is easily heard as another."""

_PLACE: Final = {letter: chr(ord("A") + index) for index, letters in enumerate(_PLACES) for letter in letters}
_SIGNS: Final = frozenset("ьъ")
_SPELT: Final = str.maketrans(dict.fromkeys("ьъ'", ""))
_TOGETHER: Final = ((re.compile("ph"), "f"), (re.compile("ck"), "k"), (re.compile("th"), "t"))
_SOFT_C: Final = re.compile("c(?=[ei])")
_RUN: Final = re.compile(r"(.)\1+")


class WordRepair:
    """Knows the words of the training data. Read-only but for a bounded memory of words seen; thread-safe."""

    def __init__(self, known: Mapping[str, int]) -> None:
        """Takes what there is to hear.

        Args:
            known: normalised words, with the number of sentences each is in.
        """
        self.known = dict(known)
        self._words = [word for word in self.known if len(word) >= SHORTEST_KNOWN and word.isalpha()]
        with_pair: dict[str, list[int]] = defaultdict(list)
        sizes = []
        for index, word in enumerate(self._words):
            pairs = _pairs(word)
            sizes.append(len(pairs))
            for pair in pairs:
                with_pair[pair].append(index)
        self._sizes = np.array(sizes, np.float64)
        self._with_pair = {pair: np.array(indices, np.intp) for pair, indices in with_pair.items()}
        self._put_right = lru_cache(_KEPT_WORDS)(self._nearest)

    @classmethod
    def of(cls, texts: Iterable[str]) -> WordRepair:
        """Knows the words of normalised sentences."""
        return cls(Counter(word for text in texts for word in set(text.split())))

    def __call__(self, text: str) -> str:
        """The text with its unknown words put right, as far as a known one is near enough."""
        return " ".join(self._put_right(word) for word in text.split())

    def _nearest(self, word: str) -> str:
        if len(word) < SHORTEST or word in self.known or not word.isalpha():
            return word
        best, least = word, DEAREST * len(word)
        for other in self._candidates(word):
            cost = _cost(word, other) - _USUAL * min(3.0, self.known[other] ** 0.5)
            if cost < least or (cost == least and other < best):
                best, least = other, cost
        return best

    def _candidates(self, word: str) -> list[str]:
        """The words that share most pairs of sounds with this one."""
        pairs = _pairs(word)
        found = [self._with_pair[pair] for pair in pairs if pair in self._with_pair]
        if not found:
            return []
        shared = np.bincount(np.concatenate(found), minlength=len(self._words))
        share = 2 * shared / (len(pairs) + self._sizes)
        near = np.flatnonzero(share >= _LEAST_SHARED)
        nearest = near[np.argsort(-share[near], kind="stable")[:CANDIDATES]]
        return [self._words[index] for index in nearest]


def _pairs(word: str) -> frozenset[str]:
    """Neighbouring sounds by their places, the word's edges among them."""
    for pattern, letter in _TOGETHER:
        word = pattern.sub(letter, word)
    word = _SOFT_C.sub("s", word.translate(_SPELT))
    places = _RUN.sub(r"\1", "".join(_PLACE.get(letter, letter) for letter in word))
    return frozenset(left + right for left, right in pairwise(f"^{places}$"))


def _weights(word: str) -> list[float]:
    """What a change at each letter costs: endings are swallowed and changed more easily than beginnings."""
    ending = max(3, len(word) - 3)
    return [_ENDING if index >= ending else 1.0 for index in range(len(word))]


def _cost(heard: str, meant: str) -> float:
    """Weighted edits between two words."""
    weights_heard, weights_meant = _weights(heard), _weights(meant)
    added = [_presence(*pair) for pair in zip(meant, weights_meant, strict=True)]
    row = [0.0]
    for cost in added:
        row.append(row[-1] + cost)
    for letter, weight in zip(heard, weights_heard, strict=True):
        lost = _presence(letter, weight)
        place = _PLACE.get(letter, letter)
        above, row = row, [row[0] + lost]
        for column, other in enumerate(meant):
            change = above[column]
            if letter != other:
                near = _SAME_PLACE if place == _PLACE.get(other, other) else 1.0
                change += near * max(weight, weights_meant[column])
            row.append(min(change, above[column + 1] + lost, row[column] + added[column]))
    return row[-1]


def _presence(letter: str, weight: float) -> float:
    """What a letter more or less costs; soft and hard signs are hardly heard."""
    return _ADDED * weight * (_SIGN if letter in _SIGNS else 1.0)

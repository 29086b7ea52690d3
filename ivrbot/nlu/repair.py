"""Misheard words put right: what was said, as far as the words around it and the words of training tell.

Takes normalised text, gives it with such words replaced. The sentence embedding reads a garbled word as something
else altogether, so a sentence is understood both as heard and as put right (`ivrbot.nlu.classifier`). A word is
replaced only by one that differs in sounds made in the same place of the mouth or in its ending; of those the one
that follows best on the word before it. A known word gives way only where another is much likelier there ("my pen
number"). Pure.
Source: the noisy channel of Kernighan, Church, Gale, "A Spelling Correction Program Based on a Noisy Channel
Model", 1990, searched by Viterbi; absolute discounting after Ney, Essen, Kneser, 1994; distance as in Wagner and
Fischer, "The String-to-String Correction Problem", 1974, with weights; candidates by shared pairs of sounds as in
Zobel and Dart, "Finding approximate matches in large lexicons", 1995. Constants by cross-validation on the
training data.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np

DEAREST: Final = 0.22
"""Most that a replacement may cost for each letter of the word."""

CANDIDATES: Final = 12
CANDIDATES_SHORT: Final = 30
SHORT: Final = 3
"""Letters of a word that shares few pairs with any."""

_LEAST_SHARED: Final = 0.45
_LEAST_SHARED_SHORT: Final = 0.3
_KEPT_WORDS: Final = 20_000

_SAME_PLACE: Final = 0.35
_ENDING: Final = 0.5
_ADDED: Final = 0.9
_SIGN: Final = 0.5

# Logarithms of probabilities.
_PER_COST: Final = 6.0
"""What a cost of 1 takes away."""

_CHANGED: Final = 1.0
_CHANGED_KNOWN: Final = 3.0
"""What it takes away that an unknown, a known word is another than heard."""

_UNKNOWN: Final = -18.0
"""A word that training has never seen."""

_DISCOUNT: Final = 0.75
_START: Final = "<s>"
_END: Final = "</s>"
_UNSEEN: Final = 0.1

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


Pair = tuple[str, str]


class WordRepair:
    """Knows the words of the training data and what follows what.

    Read-only but for a bounded memory of words seen; thread-safe.
    """

    def __init__(self, followed: Mapping[Pair, int]) -> None:
        """Takes what there is to hear.

        Args:
            followed: neighbouring normalised words, with how often the second follows the first; a sentence's
                edges are `<s>` and `</s>`.
        """
        self.followed = dict(followed)
        self._followers: dict[str, tuple[dict[str, int], int]] = {}
        after: dict[str, dict[str, int]] = defaultdict(dict)
        often: Counter[str] = Counter()
        for (left, right), count in self.followed.items():
            after[left][right] = count
            often[right] += count
        self._followers = {left: (own, sum(own.values())) for left, own in after.items()}
        self._often = dict(often)
        self._total = often.total() + 1
        self.known = frozenset(often) - {_END}
        self._words = sorted(word for word in self.known if word.isalpha())
        with_pair: dict[str, list[int]] = defaultdict(list)
        sizes = []
        for index, word in enumerate(self._words):
            pairs = _pairs(word)
            sizes.append(len(pairs))
            for pair in pairs:
                with_pair[pair].append(index)
        self._sizes = np.array(sizes, np.float64)
        self._with_pair = {pair: np.array(indices, np.intp) for pair, indices in with_pair.items()}
        self._readings = lru_cache(_KEPT_WORDS)(self._readings_of)

    @classmethod
    def of(cls, texts: Iterable[str]) -> WordRepair:
        """Knows the words of normalised sentences."""
        return cls(Counter(pair for text in texts for pair in pairwise((_START, *text.split(), _END))))

    def __call__(self, text: str) -> str:
        """The likeliest text that could have been heard as this one; the same number of words."""
        words = text.split()
        # Per reading of the last word: how likely the best way to it is, and the way.
        ways: dict[str, tuple[float, tuple[str, ...]]] = {_START: (0.0, ())}
        for word in words:
            found = {}
            for meant, share in self._readings(word):
                before = max(ways, key=lambda left: ways[left][0] + self._follows(left, meant))
                value, way = ways[before]
                found[meant] = (value + self._follows(before, meant) + share, (*way, meant))
            ways = found
        best = max(ways, key=lambda left: ways[left][0] + self._follows(left, _END) / 2)
        return " ".join(ways[best][1])

    def _follows(self, left: str, right: str) -> float:
        """Logarithm of the share of `right` after `left`; an unknown word is as unlikely anywhere."""
        if right != _END and right not in self.known:
            return _UNKNOWN
        alone = (self._often.get(right, 0) + _UNSEEN) / self._total
        found = self._followers.get(left)
        if found is None:
            return math.log(alone)
        own, count = found
        return math.log((max(own.get(right, 0) - _DISCOUNT, 0.0) + _DISCOUNT * len(own) * alone) / count)

    def _readings_of(self, word: str) -> tuple[tuple[str, float], ...]:
        """What a heard word may have been, with the logarithm of how likely that is heard so."""
        changed = _CHANGED_KNOWN if word in self.known else _CHANGED
        readings = [(word, 0.0)]
        limit = DEAREST * max(len(word), 2)
        for other in self._candidates(word) if word.isalpha() else ():
            cost = _cost(word, other, limit)
            if other != word and cost <= limit:
                readings.append((other, -_PER_COST * cost - changed))
        return tuple(readings)

    def _candidates(self, word: str) -> list[str]:
        """The words that share most pairs of sounds with this one."""
        pairs = _pairs(word)
        found = [self._with_pair[pair] for pair in pairs if pair in self._with_pair]
        if not found:
            return []
        shared = np.bincount(np.concatenate(found), minlength=len(self._words))
        share = 2 * shared / (len(pairs) + self._sizes)
        short = len(word) <= SHORT
        near = np.flatnonzero(share >= (_LEAST_SHARED_SHORT if short else _LEAST_SHARED))
        most = CANDIDATES_SHORT if short else CANDIDATES
        return [self._words[index] for index in near[np.argsort(-share[near], kind="stable")[:most]]]


def _pairs(word: str) -> frozenset[str]:
    """Neighbouring sounds by their places, the word's edges among them; a soft c is also read as a hard one."""
    for pattern, letter in _TOGETHER:
        word = pattern.sub(letter, word)
    word = word.translate(_SPELT)
    pairs = _pairs_of(_SOFT_C.sub("s", word))
    return pairs | _pairs_of(word) if _SOFT_C.search(word) else pairs


def _pairs_of(word: str) -> frozenset[str]:
    places = _RUN.sub(r"\1", "".join(_PLACE.get(letter, letter) for letter in word))
    return frozenset(left + right for left, right in pairwise(f"^{places}$"))


@lru_cache
def _weights(letters: int) -> tuple[float, ...]:
    """What a change at each letter costs: endings are swallowed and changed more easily than beginnings."""
    ending = max(3, letters - 3)
    return tuple(_ENDING if index >= ending else 1.0 for index in range(letters))


def _cost(heard: str, meant: str, limit: float) -> float:
    """Weighted edits between two words; infinite as soon as they must come to more than the limit."""
    weights_heard, weights_meant = _weights(len(heard)), _weights(len(meant))
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
        # No edit takes anything away again.
        if min(row) > limit:
            return math.inf
    return row[-1]


def _presence(letter: str, weight: float) -> float:
    """What a letter more or less costs; soft and hard signs are hardly heard."""
    return _ADDED * weight * (_SIGN if letter in _SIGNS else 1.0)

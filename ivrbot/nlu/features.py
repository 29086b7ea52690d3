"""Sentences as sparse vectors: TF-IDF over words, letters and sounds, in pure Python and numpy.

scikit-learn's vectorisers cost 3 ms for one sentence, nearly all of it checks and sparse-matrix bookkeeping that
pay off over thousands of rows, and a second to import; a caller's sentence comes alone. Same figures: term counts
1 + ln(tf), smoothed idf ln((1 + n) / (1 + df)) + 1, each block scaled to length 1.
Source: Manning, Raghavan, Schuetze, "Introduction to Information Retrieval", chapter 6.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.language.phonetic import phonetic_key

WORD_NGRAMS: Final = (1, 2)
LETTER_NGRAMS: Final = (2, 5)
MIN_SENTENCES_WORDS: Final = 2
MIN_SENTENCES_LETTERS: Final = 3
WORDS_REMEMBERED: Final = 20_000
_CYRILLIC: Final = re.compile("[а-яё]")


def word_ngrams(text: str) -> Iterator[str]:
    """Words, and pairs of neighbours joined by a space."""
    words = text.split()
    yield from words
    for left, right in pairwise(words):
        yield f"{left} {right}"


def letter_ngrams(word: str) -> Iterator[str]:
    """Runs of letters inside a word, its edges marked by a blank; a word shorter than a run counts once."""
    shortest, longest = LETTER_NGRAMS
    padded = f" {word} "
    for size in range(shortest, longest + 1):
        if size >= len(padded):
            yield padded
            break
        for start in range(len(padded) - size + 1):
            yield padded[start : start + size]


def sound_ngrams(word: str) -> Iterator[str]:
    """Runs of letters of a word's phonetic key: a word misspelt as it sounds has the same ones."""
    sound = _sound(word)
    return letter_ngrams(sound) if sound else iter(())


@lru_cache(maxsize=50_000)
def _sound(word: str) -> str:
    return phonetic_key(word, "ru" if _CYRILLIC.search(word) else "en")


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Rows of a sparse matrix, one after the other (CSR).

    Attributes:
        indptr: int64, rows + 1; row i is `indptr[i]:indptr[i + 1]`.
        indices: int32 columns.
        values: float32.
        columns: number of columns.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    columns: int


class TermBlock:
    """One kind of terms: which there are, and how much each says. Fitted once, then read-only.

    Terms that lie inside a word are looked up once for each word: callers share most of theirs.
    """

    def __init__(
        self, terms: Callable[[str], Iterator[str]], min_sentences: int, *, of_words: bool = False
    ) -> None:
        """Takes the kind.

        Args:
            terms: the terms of a normalised sentence, or of one word.
            min_sentences: a term in fewer sentences is not kept.
            of_words: `terms` takes one word; the sentence's terms are those of its words.
        """
        self._terms_of = terms
        self._of_words = of_words
        self._min_sentences = min_sentences
        self._columns: dict[str, tuple[int, ...]] = {}
        self.vocabulary: dict[str, int] = {}
        self.idf: list[float] = []

    def fit(self, texts: Sequence[str]) -> None:
        """Learns the terms of the sentences, in alphabetical order."""
        sentences: Counter[str] = Counter()
        for text in texts:
            sentences.update(set(self._terms(text)))
        kept = sorted(term for term, count in sentences.items() if count >= self._min_sentences)
        self.restore(kept, [math.log((1 + len(texts)) / (1 + sentences[term])) + 1 for term in kept])

    def restore(self, terms: Sequence[str], idf: Sequence[float]) -> None:
        """Takes what an earlier `fit` has learnt."""
        self._columns = {}
        self.vocabulary = {term: column for column, term in enumerate(terms)}
        self.idf = list(idf)

    def row(self, text: str) -> tuple[list[int], list[float]]:
        """Columns and weights of one sentence; the weights' squares add up to 1, or there are none."""
        counts: Counter[int] = Counter()
        for piece in text.split() if self._of_words else (text,):
            counts.update(self._columns_of(piece))
        idf = self.idf
        weights = [
            idf[column] if count == 1 else (1 + math.log(count)) * idf[column] for column, count in counts.items()
        ]
        length = math.sqrt(sum(weight * weight for weight in weights)) or 1.0
        return list(counts), [weight / length for weight in weights]

    def _columns_of(self, piece: str) -> tuple[int, ...]:
        """Columns of the terms known in a word (remembered) or a sentence (not), repeats included."""
        found = self._columns.get(piece)
        if found is None:
            known = self.vocabulary
            found = tuple(known[term] for term in self._terms_of(piece) if term in known)
            if self._of_words:
                if len(self._columns) >= WORDS_REMEMBERED:
                    self._columns.clear()
                self._columns[piece] = found
        return found

    def _terms(self, text: str) -> Iterator[str]:
        if not self._of_words:
            return self._terms_of(text)
        return (term for word in text.split() for term in self._terms_of(word))


class TextFeatures:
    """Words, letters and sounds side by side."""

    def __init__(self) -> None:
        self.blocks = (
            TermBlock(word_ngrams, MIN_SENTENCES_WORDS),
            TermBlock(letter_ngrams, MIN_SENTENCES_LETTERS, of_words=True),
            TermBlock(sound_ngrams, MIN_SENTENCES_LETTERS, of_words=True),
        )

    def fit(self, texts: Sequence[str]) -> None:
        """Learns the terms of normalised sentences."""
        for block in self.blocks:
            block.fit(texts)

    def rows(self, texts: Sequence[str]) -> SparseRows:
        """One row per normalised sentence."""
        indptr, indices, values = [0], [], []
        for text in texts:
            offset = 0
            for block in self.blocks:
                columns, weights = block.row(text)
                indices += [column + offset for column in columns]
                values += weights
                offset += len(block.vocabulary)
            indptr.append(len(indices))
        width = sum(len(block.vocabulary) for block in self.blocks)
        return SparseRows(
            np.array(indptr, np.int64), np.array(indices, np.int32), np.array(values, np.float32), width
        )

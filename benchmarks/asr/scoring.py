"""Word error rate: Levenshtein distance over words, after spelling is made equal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from num2words import num2words

from ivrbot.model.speech import Language

_WORD = re.compile(r"[^\W_]+")


def words(text: str, language: Language = "ru") -> list[str]:
    """Lower-case words without punctuation; ё counts as е, and figures as the words that they stand for."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        spelled = str(num2words(int(word), lang=language)) if word.isdecimal() and len(word) <= 6 else word
        found += [part.replace("ё", "е") for part in _WORD.findall(spelled.lower())]
    return found


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Least number of insertions, deletions and substitutions (Levenshtein 1966, row by row)."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(said, 1):
        diagonal, row[0] = row[0], index
        for column, other in enumerate(heard, 1):
            best = min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other))
            diagonal, row[column] = row[column], best
    return row[-1]

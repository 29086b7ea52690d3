"""What a number word can mean; filled per language by `numbers_ru` and `numbers_en`.

Takes nothing, gives the types that the grammar in `numbers` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction


def listed(text: str, separator: str | None = None) -> tuple[str, ...]:
    """Cut a table of words that is written as one string; easier to read and to extend than quoted words."""
    return tuple(text.split(separator))


class Rank(IntEnum):
    """Place of a number word in the grammar; inside one group of three digits ranks must fall."""

    ZERO = 0
    UNIT = 1
    TEEN = 2
    TEN = 3
    HUNDRED = 4
    TIMES_HUNDRED = 5  # "hundred", "сотня": multiplies what stands before it
    SCALE = 6  # thousand, million, ...: closes a group


@dataclass(frozen=True, slots=True)
class NumberWord:
    """One reading of one word.

    Attributes:
        value: what it stands for; a half is possible ("полторы").
        rank: place in the grammar.
        ordinal: "пятого", "fifth"; ends a number.
        bare_scale: for scales and hundreds, whether the form may stand without a number ("тысяча", not "тысяч").
        singular: a scale in the singular of a language that has a plural for it.
        countable: a digit as a noun ("нулей", "семерки") that a number before it multiplies.
    """

    value: Fraction
    rank: Rank
    ordinal: bool = False
    bare_scale: bool = True
    singular: bool = False
    countable: bool = False


@dataclass(frozen=True, slots=True)
class NumberLexicon:
    """All that the grammar knows of a language.

    Attributes:
        words: number words by spelling (lower case, "ё" as "е").
        joiners: words inside one number that add nothing ("and").
        articles: words for one that only count before a hundred or a scale ("a").
        repeats: words that repeat the next digit ("double" 2, "triple" 3).
        half_after: word sequences that add a half to the number before a scale ("с половиной").
        fillers: words that do not interrupt a dictated code.
        ordinal_suffixes: endings glued to digits ("5-го", "5th").
    """

    words: Mapping[str, NumberWord]
    joiners: frozenset[str]
    articles: frozenset[str]
    repeats: Mapping[str, int]
    half_after: tuple[tuple[str, ...], ...]
    fillers: frozenset[str]
    ordinal_suffixes: frozenset[str]

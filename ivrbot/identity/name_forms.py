"""Names as they stand in a sentence, brought back to their basic form.

Takes the words of a name as heard ("Соколовой Анны Сергеевны"), gives the names they may be forms of ("Соколова
Анна Сергеевна"). All words of a reading stand in one case and gender, so that a name gives few
readings and no mixture. Endings are also taken as recognisers write them by ear ("Соколовай").
Source: the declension tables of Russian names in A. A. Zaliznyak, "Grammaticheskij slovar russkogo jazyka".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Final

from ivrbot.model.speech import Language

MAX_FORMS: Final = 24
"""Readings of one name at most."""

_Endings = tuple[tuple[str, tuple[str, ...]], ...]


def _table(text: str) -> _Endings:
    """Read "ого:ий/ой а:": an ending of the form, and what stands for it in the basic form."""
    rows = (row.split(":") for row in text.split())
    return tuple((ending, tuple(basic.split("/"))) for ending, basic in rows)


# The first ending that fits a word holds; a word that none fits stands as it is ("Ким", "Шевченко").
_CASES: Final[tuple[_Endings, ...]] = (
    # men: genitive and accusative, dative, instrumental, prepositional
    _table("ого:ий/ой ово:ий/ой аво:ий/ой ага:ий/ой его:ий ия:ий ея:ей ьи:ья ья:ей а: я:ь и:а/я ы:а ью:ья у:а"),
    _table("ому:ий/ой аму:ий/ой ему:ий ию:ий ею:ей ье:ья ью:ей ю:ь у: е:а/я"),
    _table(
        "овым:ов евым:ев иным:ин ыным:ын им:ий ым:ый/ой ием:ий еем:ей ьей:ья ьем:ей ем:ь/ ом: ам: ой:а ай:а ей:а/я"
    ),
    _table("ове:ов еве:ев ине:ин ом:ий/ой ии:ий ее:ей ье:ья е:/ь"),
    # women: genitive and dative, accusative, instrumental
    _table("ской:ская скай:ская цкой:цкая ой:а/ая ай:а/ая ии:ия ье:ья ьи:ья и:а/я/ь ы:а е:а/я"),
    _table("ую:ая ию:ия ью:ья у:а ю:я"),
    _table("ской:ская скай:ская цкой:цкая ой:а/ая ай:а/ая ией:ия ей:а/я ью:ь"),
    # women, the last sound lost on the line; the first name keeps its own
    _table("ов:ова ев:ева ин:ина ын:ына овн:овна евн:евна ичн:ична"),
)
_FLEETING: Final = {"павл": "павел", "льв": "лев"}
_MIN_STEM: Final = 2


def basic_forms(words: Sequence[str], language: Language) -> tuple[tuple[str, ...], ...]:
    """Names that these words may be forms of, in the order heard, the words as they stand first.

    Args:
        words: two or three words of a name, lower case, "ё" as "е".
        language: only Russian declines names; English ones lose "'s".

    Returns:
        Without repeats, at most `MAX_FORMS`.
    """
    if language == "en":
        plain = tuple(word.removesuffix("'s") for word in words)
        return tuple(dict.fromkeys((tuple(words), plain)))
    return tuple(islice(dict.fromkeys(_russian(words)), MAX_FORMS))


def _russian(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield tuple(words)
    for case in _CASES:
        yield from product(*(_basic(word, case) for word in words))


def _basic(word: str, case: _Endings) -> tuple[str, ...]:
    for ending, replacements in case:
        stem = word.removesuffix(ending)
        if word.endswith(ending) and len(stem) >= _MIN_STEM:
            return tuple(_FLEETING.get(stem + basic, stem + basic) for basic in replacements)
    return (word,)

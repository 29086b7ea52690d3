"""Number words that a recogniser has written as they sound: "адин девит" for "один девять".

Takes the tokens of a dictated answer, gives them with such words put right. A word is taken for the number word
that sounds the same, where all number words that do mean the same. Of the sounds of `phonetic` two more are let
go, because they are lost before others: the last one of "шесть" in quick speech (E. A. Zemskaya, "Russkaya
razgovornaya rech", 1973), and where in the mouth a nasal is made that closes a syllable, "син" for "семь" (G. A.
Miller and P. E. Nicely 1955, "An analysis of perceptual confusions among some English consonants"). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from ivrbot.language.answers import parse_yes_no
from ivrbot.language.commands import universal
from ivrbot.language.lexicon import NumberLexicon, NumberWord, Rank
from ivrbot.language.lexicons import LEXICONS
from ivrbot.language.masking_words import BIRTH, CODE_CUES, LINKS, SMALL_UNITS
from ivrbot.language.phonetic import phonetic_key
from ivrbot.language.tokens import Kind, Token
from ivrbot.model.speech import Language

FEWEST_NUMBERS: Final = 2
"""A word alone is no dictation: "пить" may be meant."""
LEAST_LETTERS: Final = 3
"""Of the second part of a word written in two: "сорок а" is no "сорока"."""
FEWEST_SOUNDS: Final = 3
"""Shorter keys are those of too many words ("own" has that of "one")."""
FEWEST_SOUNDS_OF_SCALE: Final = 5
GREATEST_SCALE: Final = 1_000
"""Years have thousands; nothing that is dictated has millions."""

_QUICK: Final = (re.compile(r"ст$"), "с")
_NASAL: Final = (re.compile(r"м(?=$|[тдцс])"), "н")
_HARD_VOWELS: Final = "ыэ"
# Nobody dictates a genitive: what is left of "триста", "четыреста" written as two words.
_NO_NUMBER_OF_ITS_OWN: Final[dict[Language, frozenset[str]]] = {"ru": frozenset({"ста"}), "en": frozenset()}


def ear_key(word: str, language: Language) -> str:
    """How a number word sounds when it is said quickly over a telephone."""
    key = phonetic_key(word, language)
    if language == "ru":
        for pattern, heard in (_QUICK, _NASAL):
            key = pattern.sub(heard, key)
    return key


def put_right(
    tokens: Sequence[Token],
    language: Language,
    *,
    anywhere: bool = False,
    beside: Callable[[str], bool] = lambda _: False,
) -> tuple[Token, ...]:
    """Give the tokens with number words in their own spelling; as many as before, in their places.

    Args:
        tokens: of one utterance.
        language: of the utterance.
        anywhere: in any sentence, whichever of several numbers a word sounds like, where taking too much does no
            harm (masking); otherwise only of an utterance that is nothing but a dictation: what announces it, at
            least two numbers, and behind the first of them no other word, which might be a misheard figure ("мой"
            for "ноль").
        beside: what else may stand in it and counts as a number (the months of dates), unless it is a unit or
            announces one ("года", "рождения"): "четверти года" is no fourth day.

    Returns:
        The same tokens where there is nothing to put right.
    """
    lexicon = LEXICONS[language]
    found = list(tokens)
    numbers = 0
    for at, token in enumerate(tokens):
        if token.kind is Kind.DIGITS or token.text in lexicon.words or _in_two(tokens, at, language):
            numbers += 1
        elif token.kind is Kind.WORD and not (at and _in_two(tokens, at - 1, language)):
            second = at and _joined(tokens, at - 1) in lexicon.words
            meant = "" if second else _number_like(token.text, language, anywhere)
            if meant:
                found[at] = replace(token, text=meant)
                numbers += 1
            elif beside(token.text):
                numbers += not _is_no_number(token.text, language)
            elif not (anywhere or _has_a_role(token.text, lexicon, language)) and (
                numbers or not _announces(token.text, language)
            ):
                return tuple(tokens)
    return tuple(found) if anywhere or numbers >= FEWEST_NUMBERS else tuple(tokens)


def written_in_two(tokens: Sequence[Token], at: int, language: Language) -> NumberWord | None:
    """Give the number word whose parts stand at `at` and behind it ("три ста"), None where there is none."""
    return LEXICONS[language].words[_joined(tokens, at)] if _in_two(tokens, at, language) else None


def _joined(tokens: Sequence[Token], at: int) -> str:
    pair = tokens[at : at + 2]
    return "".join(token.text for token in pair) if all(token.kind is Kind.WORD for token in pair) else ""


def _in_two(tokens: Sequence[Token], at: int, language: Language) -> bool:
    """Not "пять десят", which may be 5 and 10 as well as 50."""
    words = LEXICONS[language].words
    if at + 1 >= len(tokens) or _joined(tokens, at) not in words:
        return False
    last = tokens[at + 1].text
    if len(last) < LEAST_LETTERS:
        return False
    return last in _NO_NUMBER_OF_ITS_OWN[language] or (last not in words and not _number_like(last, language))


def _announces(word: str, language: Language) -> bool:
    """Whether it is said before a number that is dictated: "последние цифры карты", "мой номер"."""
    return word in LINKS[language] or any(cue.match(word) for cue in (CODE_CUES[language], BIRTH[language]))


def _is_no_number(word: str, language: Language) -> bool:
    return bool(SMALL_UNITS[language].match(word)) or _announces(word, language)


def _has_a_role(word: str, lexicon: NumberLexicon, language: Language) -> bool:
    """Whether it is an answer or a command of its own, or a word of the grammar of numbers."""
    if word in lexicon.fillers | lexicon.joiners | lexicon.articles or word in lexicon.repeats:
        return True
    return parse_yes_no(word, language) is not None or universal(word, language) is not None


def _number_like(word: str, language: Language, any_of_several: bool = False) -> str:
    """Give the number word that it sounds like, "" where it is none, may be two or is something else already."""
    meant = _by_ear(language, any_of_several).get(ear_key(word, language), "")
    if not meant or _has_a_role(word, LEXICONS[language], language):
        return ""
    # One difference, not two: "тры" is "три" and "син" is "семь", but "сын" is a son.
    as_hard = _is_hard(word) == _is_hard(meant)
    return meant if as_hard or phonetic_key(word, language) == phonetic_key(meant, language) else ""


def _is_hard(word: str) -> bool:
    """Whether it has a vowel that only hard consonants stand before."""
    return any(vowel in word for vowel in _HARD_VOWELS)


@cache
def _by_ear(language: Language, any_of_several: bool) -> Mapping[str, str]:
    """Spellings of number words by their sound: of those whose sound has one meaning, or of all."""
    meanings: dict[str, dict[NumberWord, str]] = {}
    for spelling, word in LEXICONS[language].words.items():
        meanings.setdefault(ear_key(spelling, language), {}).setdefault(word, spelling)
    return {
        key: spelling
        for key, found in meanings.items()
        for word, spelling in _cardinal_first(found)[: 1 if any_of_several or len(found) == 1 else 0]
        if _is_dictated(key, word)
    }


def _cardinal_first(found: Mapping[NumberWord, str]) -> list[tuple[NumberWord, str]]:
    return sorted(found.items(), key=lambda one: one[0].ordinal)


def _is_dictated(key: str, word: NumberWord) -> bool:
    if word.rank >= Rank.TIMES_HUNDRED:
        return word.value == GREATEST_SCALE and len(key) >= FEWEST_SOUNDS_OF_SCALE
    return word.value.denominator == 1 and len(key) >= FEWEST_SOUNDS

"""One value out of all that a caller said: corrections, refusals, repetitions.

Takes candidates with their places in the tokens, gives the one that is meant, or None where that is not clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ivrbot.language.lexicon import listed
from ivrbot.language.tokens import Kind, Token
from ivrbot.model.speech import Language

T = TypeVar("T")

_CORRECTIONS: dict[Language, frozenset[tuple[str, ...]]] = {
    "ru": frozenset(
        tuple(phrase.split())
        for phrase in listed(
            "нет|ой|точнее|вернее|то есть|простите|извините|поправка|ошибся|ошиблась|оговорился|оговорилась|"
            "неправильно|неверно|не так|в смысле|наоборот|стоп|исправлюсь|не то|тьфу|а нет",
            "|",
        )
    ),
    "en": frozenset(
        tuple(phrase.split())
        for phrase in listed(
            "no|oops|sorry|i mean|rather|correction|actually|wait|make that|wrong|scratch that|not that|pardon|"
            "i meant|let me correct",
            "|",
        )
    ),
}
# Said after a value with nothing behind, these take it back.
_RETRACTIONS: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("нет ошибся ошиблась неправильно неверно стоп оговорился оговорилась тьфу")),
    "en": frozenset(listed("no wrong oops wait scratch")),
}
_RETRACTION_TAIL: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("не так то подождите погодите извините простите ой минуту секунду я сейчас")),
    "en": frozenset(listed("sorry that not that's is i was a minute second moment")),
}
_NOT: dict[Language, frozenset[str]] = {"ru": frozenset({"не"}), "en": frozenset({"not"})}


_ALTERNATIVES: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("или либо толи")),
    "en": frozenset(listed("or")),
}


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """A value and the tokens [start, end) that said it; `value` None marks a number that fits nothing."""

    value: T | None
    start: int
    end: int


def _words(tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(token.text for token in tokens if token.kind is not Kind.MARK)


def _contains(words: Sequence[str], phrases: frozenset[tuple[str, ...]]) -> bool:
    return any(tuple(words[at : at + len(phrase)]) == phrase for phrase in phrases for at in range(len(words)))


def _taken_back(tail: Sequence[str], language: Language) -> bool:
    retractions = _RETRACTIONS[language]
    if not any(word in retractions for word in tail):
        return False
    return all(word in retractions or word in _RETRACTION_TAIL[language] for word in tail)


def _refused(candidate: Candidate[T], tokens: Sequence[Token], language: Language) -> bool:
    before = _words(tokens[max(0, candidate.start - 3) : candidate.start])
    return bool(before) and before[-1] in _NOT[language]


def is_alternative(tokens: Sequence[Token], language: Language) -> bool:
    """Tell whether the tokens between two values are nothing but "or"."""
    words = _words(tokens)
    return bool(words) and all(word in _ALTERNATIVES[language] for word in words)


def choose(candidates: Sequence[Candidate[T]], tokens: Sequence[Token], language: Language) -> T | None:
    """Pick the value that the caller stands by.

    Args:
        candidates: in the order of speech; those without a value matter as unfinished or partial corrections.
        tokens: the utterance.
        language: of the utterance.

    Returns:
        The only value left after refusals ("не 42 71") and corrections ("нет, 42 81"); None when there is none,
        when two remain, when the last one was taken back or when a correction gave no complete value.
    """
    standing: list[Candidate[T]] = []
    previous_end: int | None = None
    for candidate in candidates:
        if _refused(candidate, tokens, language):
            standing = []
        else:
            if previous_end is not None and _contains(
                _words(tokens[previous_end : candidate.start]), _CORRECTIONS[language]
            ):
                standing = []
                if candidate.value is None:
                    return None
            standing.append(candidate)
        previous_end = candidate.end
    if previous_end is not None and _taken_back(_words(tokens[previous_end:]), language):
        return None
    values = {candidate.value for candidate in standing if candidate.value is not None}
    return values.pop() if len(values) == 1 else None

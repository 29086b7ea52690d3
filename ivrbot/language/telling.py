"""Whether an utterance tells what happened and asks for nothing: "I have lost my card", "у меня украли сумку".

Who only tells has often not finished: what he wants comes next, after a breath ("... and I want it blocked"). Who
asks or wishes has said it. Takes what was read, gives a flag; only closed classes of words and the endings of
verbs count, not topics. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ivrbot.language.lexicon import listed
from ivrbot.language.tokens import Kind, tokenise
from ivrbot.model.speech import Language

_ASKS: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(
        listed(
            "кто что чего чему чем где куда откуда когда как какой какая какое какие какого какую каком сколько "
            "почему зачем чей ли можно нельзя ли хочу хочется хотел хотела хотелось хотим бы надо нужно нужен "
            "нужна нужны прошу требую пожалуйста давайте дайте"
        )
    ),
    "en": frozenset(
        listed(
            "what what's where where's who who's which how how's why when whether want wants wanted wanna need "
            "needs like please trying looking hoping wondering let's"
        )
    ),
}
"""Words with which something is asked or wished for."""
_MODAL: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(listed("могу можем можете может получается выходит")),
    "en": frozenset(listed("can could would may might")),
}
"""Wishes and questions, unless they are denied: "can I" asks, "I can not" tells."""
_DENIALS: Final[dict[Language, frozenset[str]]] = {
    "ru": frozenset(listed("не никак")),
    "en": frozenset(listed("not can't cannot couldn't doesn't didn't don't isn't won't never")),
}
_IMPERATIVES: Final = ("ите", "йте", "ьте", "итесь", "йтесь")
_PAST: Final = ("л", "ла", "ло", "ли", "лся", "лась", "лось", "лись")
"""Endings of the Russian past; nouns that end alike cost a moment's wait."""
_LEAST_VERB: Final = 4
_TELLERS: Final = frozenset(
    listed("i i'm i've we we've he she it they someone somebody there it's there's they've he's she's")
)
_DETERMINERS: Final = frozenset(listed("my our your his her their the this that a an"))
_FINITE: Final = frozenset(listed("is are was were am be been has have had did does do got gets went"))


def tells_only(text: str, language: Language) -> bool:
    """Whether a sentence is a statement of what happened or does not work, without a question or a wish."""
    tokens = tokenise(text, language)
    said = [token.text for token in tokens if token.kind is Kind.WORD]
    if not said or any(token.text == "?" for token in tokens) or _ASKS[language] & set(said):
        return False
    denied = bool(_DENIALS[language] & set(said))
    if _MODAL[language] & set(said) and not denied:
        return False
    return _tells_ru(said, denied=denied) if language == "ru" else _tells_en(said)


def _tells_ru(said: Sequence[str], *, denied: bool) -> bool:
    if any(len(word) > _LEAST_VERB and word.endswith(_IMPERATIVES) and word != "здравствуйте" for word in said):
        return False
    return denied or any(len(word) >= _LEAST_VERB and word.endswith(_PAST) for word in said)


def _tells_en(said: Sequence[str]) -> bool:
    at = next((index for index, word in enumerate(said) if word in _TELLERS | _DETERMINERS), None)
    if at is None or any(word in _FINITE | _MODAL["en"] for word in said[:at]):
        return False  # nothing is told of anybody, or the verb stands first, as in questions
    if said[at] in _TELLERS:
        return len(said) > at + 2
    return any(word in _FINITE for word in said[at + 1 :]) or bool(_DENIALS["en"] & set(said))

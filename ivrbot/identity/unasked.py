"""A code word among words that were said at any other question: where it stands, so that it can be masked. Pure.

Takes the recogniser's readings of a turn and the hashes of the customers whom the call may be about, gives places
in the first reading. Words are compared as answers are (`ivrbot.identity.facts`): by the same keys, with the same
keyed hashes, all with all, in constant time. Nothing is proven here and nothing counted: who reads the answers of
this module must not let the caller see them, or it would be a way to guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Final

from ivrbot.identity.facts import MAX_HYPOTHESES, equal_readings
from ivrbot.identity.words import FILLERS
from ivrbot.language.masking import Span
from ivrbot.language.phonetic import both_keys
from ivrbot.language.tokens import Kind, Token, tokenise
from ivrbot.model.bank import Fact, FactHashes
from ivrbot.model.speech import Language

EXPRESSION_WORDS: Final = 2
"""A code word has no more words than this, fillers between them aside."""


def code_words_in(
    hypotheses: Sequence[str], customers: Iterable[FactHashes | None], key: bytes, language: Language
) -> list[Span]:
    """Find code words of these customers in a turn.

    A word that only a later reading holds is found by its place: what the first reading has there instead is the
    code word misheard.

    Args:
        hypotheses: readings of the recogniser, best first, at least one, of any length.
        customers: whom the call may be about; None stands for one who does not exist, at the same work.
        key: of `fact_hash`.
        language: of the call.

    Returns:
        Spans of tokens (`tokenise`) of the first reading, in no order; they may overlap. One is empty where the
        first reading has nothing in the word's place: it was said all the same.
    """
    readings = [tokenise(text, language) for text in dict.fromkeys(hypotheses[:MAX_HYPOTHESES])]
    places: dict[str, list[tuple[int, Span]]] = {}
    for number, tokens in enumerate(readings):
        for expression, span in _expressions(tokens, language):
            places.setdefault(expression, []).append((number, span))
    keys = {expression: both_keys(expression, language) for expression in places}
    candidates = dict.fromkeys(one for of_words in keys.values() for one in of_words)
    equal = {found for who in customers for found in equal_readings(who, key, Fact.CODE_WORD, candidates)}
    return [
        _in_first(readings[0], readings[number], span)
        for expression, where in places.items()
        if not equal.isdisjoint(keys[expression])
        for number, span in where
    ]


def _expressions(tokens: Sequence[Token], language: Language) -> Iterable[tuple[str, Span]]:
    """Every word and every two neighbours, as in an answer: without fillers, marks and figures."""
    words = [
        (at, token.text)
        for at, token in enumerate(tokens)
        if token.kind is Kind.WORD and token.text not in FILLERS[language]
    ]
    for size in range(1, EXPRESSION_WORDS + 1):
        for at in range(len(words) - size + 1):
            some = words[at : at + size]
            yield " ".join(word for _, word in some), (some[0][0], some[-1][0] + 1)


def _in_first(first: Sequence[Token], other: Sequence[Token], span: Span) -> Span:
    """What stands in the first reading where another has a span; empty where the first has nothing there."""
    if other is first:
        return span
    here, there = ([token.text for token in tokens] for tokens in (first, other))
    begin, end = len(first), 0
    for kind, start, stop, other_start, other_stop in SequenceMatcher(None, here, there, False).get_opcodes():
        since, until = max(span[0], other_start), min(span[1], other_stop)
        if since >= until:
            continue
        same = kind == "equal"
        begin = min(begin, start + since - other_start if same else start)
        end = max(end, start + until - other_start if same else stop)
    return (begin, end) if begin < end else (0, 0)

"""Answers to secret questions: canonical readings, and their comparison with keyed hashes.

Takes what was said or keyed (all hypotheses) and a customer's `FactHashes`, gives an `Attempt`. What was said goes
no further than this module. Comparison is in constant time over everything; the number of readings that one answer
may have is bounded, so that a long sentence is not a dictionary.

Code words and names are compared by phonetic key (see `ivrbot.language.phonetic`).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from ivrbot.identity.name_forms import basic_forms
from ivrbot.identity.state import Attempt
from ivrbot.identity.words import CUES, FILLERS, UNABLE
from ivrbot.language.codes import parse_digits
from ivrbot.language.dates import parse_date
from ivrbot.language.numbers import find_runs
from ivrbot.language.phonetic import both_keys, phonetic_key
from ivrbot.language.tokens import Kind, tokenise
from ivrbot.model.bank import Fact, FactHashes, fact_hash
from ivrbot.model.speech import Language

MAX_HYPOTHESES = 10
"""Readings of the recogniser that are judged, best first; each more is another guess for somebody else."""
MAX_READINGS_PER_HYPOTHESIS = 48
"""Of a code word 14: each of four words, each two neighbours, by two keys. Names in every case make the most."""
MAX_CONTENT_WORDS = 4
"""More words than this, fillers and numbers aside, are a sentence and not an answer."""
MAX_ANSWER_CHARS = 300
_LAST_FOUR_DIGITS = 4
_NO_HASH = "0" * 64
_STORED_AT_LEAST = 16
"""Every fact is compared with as many digests as this, so that a customer who has few or none takes as long."""

_WORD_FACTS = (Fact.CODE_WORD, Fact.FULL_NAME)


def readings(
    fact: Fact,
    hypotheses: Sequence[str],
    keyed: bool,
    language: Language,
    today: date,
    *,
    number_words: bool = True,
) -> tuple[str, ...]:
    """Canonical readings of an answer, as `FactHashes` describes them.

    Args:
        fact: what the answer is to be read as.
        hypotheses: readings of the recogniser, best first, or the keys pressed (0-9, *, #).
        keyed: the answer came by keys.
        language: of the call.
        today: of the call; births lie before it.
        number_words: spoken numbers standing alone ("семь") may be the code word.

    Returns:
        Without repeats, at most `MAX_HYPOTHESES` times `MAX_READINGS_PER_HYPOTHESIS`; empty when the answer holds
        nothing of this kind.
    """
    found: dict[str, None] = {}
    for text in _usable(hypotheses):
        one = (
            _keyed_reading(fact, text, today)
            if keyed
            else _spoken_readings(fact, text, language, today, number_words)
        )
        found.update(dict.fromkeys(one[:MAX_READINGS_PER_HYPOTHESIS]))
    return tuple(found)


def match(hashes: FactHashes | None, key: bytes, answers: Mapping[Fact, Sequence[str]]) -> dict[Fact, str]:
    """Compare readings with a customer's facts, every one with every one.

    The work depends on the readings alone: not on whether or where one matches, nor on what the customer has.

    Args:
        hashes: of the customer; None for a customer who does not exist: the same work is done, nothing matches.
        key: of `fact_hash`.
        answers: canonical readings by fact.

    Returns:
        The reading that matched, by fact; empty when nothing did.
    """
    matched: dict[Fact, str] = {}
    for fact, candidates in answers.items():
        if equal := equal_readings(hashes, key, fact, candidates):
            matched[fact] = equal[-1]
    return matched


def equal_readings(
    hashes: FactHashes | None, key: bytes, fact: Fact, candidates: Iterable[str]
) -> tuple[str, ...]:
    """Which of the readings are a fact of the customer; the work is as in `match`.

    Args:
        hashes: of the customer; None for a customer who does not exist.
        key: of `fact_hash`.
        fact: what they are compared as.
        candidates: canonical readings.
    """
    customer_id = hashes.customer_id if hashes is not None else ""
    kept = sorted(hashes.hashes.get(fact, ())) if hashes is not None else []
    # No digest is all noughts.
    kept += [_NO_HASH] * (_STORED_AT_LEAST - len(kept))
    found = []
    for candidate in candidates:
        digest = fact_hash(key, customer_id, fact, candidate)
        equal = False
        for stored in kept:
            equal |= hmac.compare_digest(digest, stored)
        if equal:
            found.append(candidate)
    return tuple(found)


def assess(
    hashes: FactHashes | None,
    key: bytes,
    asked: Fact,
    hypotheses: Sequence[str],
    *,
    keyed: bool,
    language: Language,
    today: date,
    unasked_words: bool = True,
) -> Attempt:
    """Judge one answer against everything the customer may prove.

    Callers give another fact than the one asked for, or two in one breath, so everything is tried as everything.
    It is a failure when what was asked for is there and not right, or when nothing that is there is right. What
    else was tried in vain (words beside figures, a date beside a card) is a side guess, which the ladder limits.

    Args:
        hashes: of the customer, None when the account does not exist.
        key: of `fact_hash`.
        asked: what was asked for.
        hypotheses: readings, best first, or keys.
        keyed: the answer came by keys.
        language: of the call.
        today: of the call.
        unasked_words: `ladder.may_compare_unasked_words`; False tries one thing alone: what was asked for if it is
            there, else figures of one kind.
    """
    figures = _figures(hypotheses, keyed, language, today)
    if not unasked_words:
        figures = _one_answer(figures, asked)
    has_figures = any(figures.values())
    unable = not keyed and declines(hypotheses, language)
    words: dict[Fact, tuple[str, ...]] = {}
    if unasked_words or (asked in _WORD_FACTS and not has_figures):
        for fact in _WORD_FACTS if unasked_words else (asked,):
            words[fact] = readings(fact, hypotheses, keyed, language, today, number_words=not has_figures)
    answers = {**figures, **words}
    matched = match(hashes, key, answers)
    asked_figure = bool(figures.get(asked))
    nothing_right = not matched and (has_figures or bool(words.get(asked)))
    wrong = asked not in matched if asked_figure else nothing_right
    return Attempt(
        matched=frozenset(matched),
        wrong=wrong,
        declined=unable and not any(answers.values()),
        side_guess=not wrong and _tried_in_vain(answers, matched, _names_heard(hypotheses, language)),
        card=matched.get(Fact.LAST_FOUR, ""),
    )


def _one_answer(figures: Mapping[Fact, tuple[str, ...]], asked: Fact) -> dict[Fact, tuple[str, ...]]:
    """What was asked for, else the first that is there: a card beside a known birth would be a free guess."""
    given = [fact for fact in (asked, *figures) if figures.get(fact)][:1]
    return {fact: figures[fact] for fact in given}


def _tried_in_vain(answers: Mapping[Fact, Sequence[str]], matched: Mapping[Fact, str], names: int) -> bool:
    """Whether anything was tried that did not match; a code word of two words also reads as one name."""
    missed = {fact for fact, found in answers.items() if found and fact not in matched}
    if missed == {Fact.FULL_NAME} and Fact.CODE_WORD in matched and names == 1:
        return False
    return bool(missed)


def _figures(
    hypotheses: Sequence[str], keyed: bool, language: Language, today: date
) -> dict[Fact, tuple[str, ...]]:
    """Readings of the facts made of digits; the year of a birth is not the end of a card's number."""
    births = readings(Fact.DATE_OF_BIRTH, hypotheses, keyed, language, today)
    taken = {part for born in births for part in (born[:4], born[8:] + born[5:7])}
    cards = readings(Fact.LAST_FOUR, hypotheses, keyed, language, today)
    return {Fact.DATE_OF_BIRTH: births, Fact.LAST_FOUR: tuple(card for card in cards if card not in taken)}


def declines(hypotheses: Sequence[str], language: Language) -> bool:
    """Whether the caller says that he does not know or has not got what was asked for."""
    return any(_is_unable(_words(text, language), language) for text in _usable(hypotheses)[:1])


def name_canonical(parts: Sequence[str], language: Language) -> str:
    """Canonical form of a name, whatever the order of its parts."""
    return " ".join(sorted(phonetic_key(part, language) for part in parts))


def _usable(hypotheses: Sequence[str]) -> list[str]:
    return [text for text in hypotheses[:MAX_HYPOTHESES] if len(text) <= MAX_ANSWER_CHARS]


def _keyed_reading(fact: Fact, keys: str, today: date) -> tuple[str, ...]:
    digits = keys.strip("*#")
    if not digits.isdecimal() or not digits.isascii():
        return ()
    if fact is Fact.LAST_FOUR and len(digits) == _LAST_FOUR_DIGITS:
        return (digits,)
    if fact is Fact.DATE_OF_BIRTH and len(digits) in (6, 8):
        return _keyed_birth(digits, today)
    return ()


def _keyed_birth(digits: str, today: date) -> tuple[str, ...]:
    """Day, month, year by two or four digits; of two centuries the one that gives a past birth."""
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    if len(digits) == 6:
        century = today.year // 100 * 100
        year += century if century + year <= today.year else century - 100
    try:
        born = date(year, month, day)
    except ValueError:
        return ()
    return (born.isoformat(),) if born < today else ()


def _spoken_readings(
    fact: Fact, text: str, language: Language, today: date, number_words: bool
) -> tuple[str, ...]:
    if fact is Fact.LAST_FOUR:
        digits = parse_digits(text, language, _LAST_FOUR_DIGITS)
        return (digits,) if digits is not None else ()
    if fact is Fact.DATE_OF_BIRTH:
        born = parse_date(text, language, today, with_year=True)
        return (born.isoformat(),) if born is not None and born < today else ()
    spans = _spans(fact, text, language, number_words)
    if fact is Fact.CODE_WORD:
        keys = [key for span in spans for key in both_keys(" ".join(span), language)]
    else:
        names = (name for span in spans for name in basic_forms(span, language))
        keys = [name_canonical(name, language) for name in names]
    return tuple(key for key in dict.fromkeys(keys) if key)


def _spans(fact: Fact, text: str, language: Language, number_words: bool) -> list[tuple[str, ...]]:
    """Neighbouring words that may be the answer: one or two for a code word, three or two for a name."""
    words = _content_words(fact, text, language, number_words)
    if not 0 < len(words) <= MAX_CONTENT_WORDS:
        return []
    sizes = (1, 2) if fact is Fact.CODE_WORD else (3, 2)
    return [words[at : at + size] for size in sizes for at in range(len(words) - size + 1)]


def _names_heard(hypotheses: Sequence[str], language: Language) -> int:
    """How many different names an answer holds, each counted once whatever forms it may stand in."""
    return len(
        {
            span
            for text in _usable(hypotheses)
            for span in _spans(Fact.FULL_NAME, text, language, number_words=True)
        }
    )


def _content_words(fact: Fact, text: str, language: Language, number_words: bool) -> tuple[str, ...]:
    """Words that could be the answer: behind its cue if there is one, without fillers, digits and spoken numbers.

    Spoken numbers are taken when there is nothing else and `number_words`. Who says that he cannot answer has
    given no answer, unless a cue and another word follow.
    """
    tokens = tokenise(text, language)
    numbers = {
        at for run in find_runs(tokens, language, code=True) for atom in run for at in range(atom.start, atom.end)
    }
    words = [(at, token.text) for at, token in enumerate(tokens) if token.kind is Kind.WORD]
    spoken = tuple(word for _, word in words)
    behind = max((at for cue in CUES[language][fact] for at in _ends(spoken, cue)), default=0)
    if not _content(words[behind:], language):
        behind = 0
    if _is_unable(spoken[behind:], language):
        return ()
    content = _content(words[behind:], language)
    plain = tuple(word for at, word in content if at not in numbers)
    return plain or (tuple(word for _, word in content) if number_words else ())


def _content(words: Sequence[tuple[int, str]], language: Language) -> list[tuple[int, str]]:
    return [(at, word) for at, word in words if word not in FILLERS[language]]


def _ends(words: tuple[str, ...], phrase: tuple[str, ...]) -> list[int]:
    """Positions right behind each place where the phrase stands."""
    size = len(phrase)
    return [at + size for at in range(len(words) - size + 1) if words[at : at + size] == phrase]


def _words(text: str, language: Language) -> tuple[str, ...]:
    return tuple(token.text for token in tokenise(text, language) if token.kind is Kind.WORD)


def _is_unable(words: tuple[str, ...], language: Language) -> bool:
    return any(_ends(words, phrase) for phrase in UNABLE[language])

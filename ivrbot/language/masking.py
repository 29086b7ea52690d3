"""Masks what nobody may read later in words that somebody said or typed. Pure.

Takes a text in a caller's words, gives it with card numbers, PINs, one-time codes, telephone and document
numbers, birth dates, code words and e-mail addresses as `***`, however they were said (digit by digit, in pairs,
as a number, in figures, and however a recogniser spelled what it heard). Sums, days, times and the bank's claim
numbers stay: they are what the call is about. In doubt a number of four digits or more is a code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from ivrbot.language.by_ear import FEWEST_NUMBERS, put_right
from ivrbot.language.dates import month_of, parse_date
from ivrbot.language.lexicon import Rank
from ivrbot.language.lexicons import LEXICONS
from ivrbot.language.masking_words import (
    AT_SIGNS,
    BIRTH,
    CLAIM_CUES,
    CODE_CUES,
    DOTS,
    HOMOPHONES,
    KEY_CUES,
    LINKS,
    NAME_MARKS,
    NO_SECRET,
    PREFIXES,
    SHORT_CUES,
    SLIPS,
    SMALL_UNITS,
    SUM_CUES,
    TOP_DOMAINS,
    UNITS,
    WORD_CUES,
    YEAR_WORDS,
)
from ivrbot.language.numbers import Number, Run, digit_readings, find_runs, read_number, read_whole
from ivrbot.language.tokens import Kind, Token, tokenise
from ivrbot.model.speech import Language

MIN_DIGITS: Final = 4
MIN_CUED_DIGITS: Final = 2
MIN_KEY_DIGITS: Final = 3
"""Of what is named as a code right before it and has a unit behind: "цвв 123 раза два", not "код 15 минут"."""
MAX_SUM_DIGITS: Final = 9
CLAIM_DIGITS: Final = range(4, 9)
YEARS: Final = range(1900, 2101)
OLD_YEARS: Final = 10
"""A full date further back than this is a birth date: operations in question are never that old."""
CUE_WORDS: Final = 4
MAX_LINKS: Final = 6
SECRET_WORDS: Final = 2
FEWEST_BY_EAR: Final = 3
"""Numbers of a code without a cue if one of them is only a word that sounds so ("на сим 500" is none)."""
MASK: Final = "***"

_SENTENCE_ENDS: Final = frozenset(".!?;")

Secret = tuple[str, ...]
"""A secret given before, as tokens."""

Span = tuple[int, int]
"""First token and one past the last."""


def mask_codes(
    text: str,
    language: Language,
    *,
    today: date | None = None,
    secrets: Iterable[Secret] = (),
    hidden: Iterable[Span] = (),
) -> str:
    """Replace everything that nobody may read later by `MASK`.

    Args:
        text: one turn, or something typed.
        language: of the text.
        today: the day of the call, by which old dates are told from those of operations; None: only dates that are
            called a birth date are masked.
        secrets: see `secret_of`; masked wherever they are said again.
        hidden: what somebody else has found in it, in tokens (`tokenise`).

    Returns:
        The text unchanged when nothing had to be masked; otherwise in the spelling of `tokens.normalise`.
    """
    tokens = tokenise(text, language)
    heard = put_right(tokens, language, anywhere=True)
    spans = [
        *_emails(tokens, language),
        *_cued_words(tokens, language),
        *_known(tokens, secrets),
        *hidden,
        *_births(text, tokens, language, today),
        *_codes(tokens, language),
        *_codes_by_ear(tokens, heard, language),
        *_codes_in_pieces(heard, language),
        *_codes_in_homophones(tokens, language),
    ]
    return _rendered(tokens, spans) if spans else text


def mask_typed(text: str) -> str:
    """The same for what was typed in either language."""
    for language in LEXICONS:
        text = mask_codes(text, language)
    return text


def mask_again(
    text: str,
    language: Language,
    find: Callable[[str], Iterable[Span]],
    secrets: Iterable[Secret] = (),
) -> str:
    """Mask more of what has been masked before.

    Args:
        text: as `mask_codes` gives it.
        language: of the text.
        find: gives what is to be hidden of a text without masks, in tokens.
        secrets: see `secret_of`.

    Returns:
        The text unchanged when there is nothing more to mask.
    """
    known, kept, found = tuple(secrets), list[str](), False
    for part in text.split(MASK):
        tokens = tokenise(part, language)
        both = (*find(part), *_known(tokens, known)) if tokens else ()
        spans = [(start, end) for start, end in both if start < end]
        found = found or bool(spans)
        kept.append(_rendered(tokens, spans) if spans else part.strip())
    return f" {MASK} ".join(kept).strip() if found else text


def secret_in(text: str, language: Language, span: Span) -> Secret:
    """The words of a span as a secret, to be masked wherever they are said again; see `secret_of`."""
    return secret_of(" ".join(token.text for token in tokenise(text, language)[slice(*span)]), language)


def holds_figures(text: str, language: Language) -> bool:
    """Whether figures may have been said in it: any number, or several words that only sound like numbers."""
    tokens = tokenise(text, language)
    heard = put_right(tokens, language, anywhere=True)
    return (
        any(find_runs(tokens, language, code=True))
        or any(len(run) >= FEWEST_NUMBERS for run in find_runs(heard, language, code=True))
        or any(_is_digit_by_digit(run) for run in find_runs(_as_digits(tokens, language), language, code=True))
    )


def figures_in(text: str, language: Language) -> int:
    """How many digits a text holds that holds nothing but a dictated number; 0 for any other text."""
    tokens = put_right(tokenise(text, language), language, anywhere=True)
    runs = list(find_runs(tokens, language, code=True))
    taken = {at for run in runs for at in range(run[0].start, run[-1].end)}
    fillers = LEXICONS[language].fillers
    rest = (token for at, token in enumerate(tokens) if at not in taken)
    if not runs or any(token.kind is not Kind.MARK and token.text not in fillers for token in rest):
        return 0
    return sum(_length(run) for run in runs)


def secret_of(text: str, language: Language, most_words: int = 3) -> Secret:
    """What to mask from now on after this answer to a secret question; () when the answer was a sentence."""
    said = tuple(
        token.text
        for token in tokenise(text, language)
        if token.kind is not Kind.MARK and token.text not in LINKS[language]
    )
    if not 0 < len(said) <= most_words or any(NO_SECRET[language].match(word) for word in said):
        return ()
    return said


def _rendered(tokens: Sequence[Token], spans: Iterable[Span]) -> str:
    hidden = {at for start, end in spans for at in range(start, end)}
    kept: list[str] = []
    for at, token in enumerate(tokens):
        if at not in hidden:
            kept.append(f" {token.text}" if token.spaced or token.kind is not Kind.MARK else token.text)
        elif at - 1 not in hidden:
            kept.append(f" {MASK}")
    return "".join(kept).strip()


# --- secrets in words -------------------------------------------------------------------------------------


def _known(tokens: Sequence[Token], secrets: Iterable[Secret]) -> Iterator[Span]:
    texts = tuple(token.text for token in tokens)
    for secret in secrets:
        for at in range(len(texts) - len(secret) + 1):
            if secret and texts[at : at + len(secret)] == secret:
                yield at, at + len(secret)


def _cued_words(tokens: Sequence[Token], language: Language) -> Iterator[Span]:
    """What stands behind "кодовое слово", "password is"; or before it ("cherry tree is my code word")."""
    for at in range(len(tokens)):
        for cue in WORD_CUES[language]:
            end = at + len(cue)
            said = tokens[at:end]
            if len(said) == len(cue) and all(
                stem.match(token.text) for stem, token in zip(cue, said, strict=True)
            ):
                yield from _behind(tokens, end, language) or _before(tokens, at, language)


def _behind(tokens: Sequence[Token], start: int, language: Language) -> list[Span]:
    at = start
    while at < len(tokens) and at - start <= MAX_LINKS:
        if tokens[at].text in _SENTENCE_ENDS:
            return []
        if tokens[at].kind is not Kind.MARK and tokens[at].text not in LINKS[language]:
            break
        at += 1
    end = at
    while end < len(tokens) and end < at + SECRET_WORDS:
        if tokens[end].kind is Kind.MARK or NO_SECRET[language].match(tokens[end].text):
            break
        end += 1
    return [(at, end)] if end > at else []


def _before(tokens: Sequence[Token], start: int, language: Language) -> list[Span]:
    """Only with a word or a mark that makes it so: "черёмуха - моё кодовое слово"."""
    at = start
    while at > 0 and (tokens[at - 1].text in LINKS[language] or tokens[at - 1].text in "-,:"):
        at -= 1
    begin = at
    while begin > 0 and begin > at - SECRET_WORDS and tokens[begin - 1].kind is not Kind.MARK:
        if NO_SECRET[language].match(tokens[begin - 1].text):
            break
        begin -= 1
    says_so = {"это", "is", "was", "-", ":"} & {token.text for token in tokens[at:start]}
    return [(begin, at)] if begin < at and says_so else []


def _emails(tokens: Sequence[Token], language: Language) -> Iterator[Span]:
    for at, token in enumerate(tokens):
        if token.text not in AT_SIGNS[language] or at == 0:
            continue
        end = _domain_end(tokens, at + 1, language)
        if end:
            yield _name_start(tokens, at, language), end


def _domain_end(tokens: Sequence[Token], start: int, language: Language) -> int:
    """One past the top domain behind an at sign; 0 where there is none."""
    end = 0
    for at in range(start + 1, min(start + 8, len(tokens))):
        if tokens[at - 1].text in DOTS[language] and TOP_DOMAINS.match(tokens[at].text):
            end = at + 1
    return end


def _name_start(tokens: Sequence[Token], at_sign: int, language: Language) -> int:
    figures = LEXICONS[language].words
    at = at_sign - 1
    while at > 0:
        if tokens[at - 1].text in NAME_MARKS:
            at = max(at - 2, 0)
        elif tokens[at].text in NAME_MARKS or not tokens[at].spaced or tokens[at].text in figures:
            at -= 1
        else:
            break
    return at


# --- birth dates ------------------------------------------------------------------------------------------


def _births(text: str, tokens: Sequence[Token], language: Language, today: date | None) -> Iterator[Span]:
    called_so = any(BIRTH[language].match(token.text) for token in tokens)
    said = parse_date(text, language, today, with_year=True) if today is not None else None
    is_old = today is not None and said is not None and said.year <= today.year - OLD_YEARS
    if not called_so and not is_old:
        return
    for at, token in enumerate(tokens):
        if token.kind is Kind.WORD and month_of(token.text, language) is not None:
            yield at, at + 1
    heard = put_right(tokens, language, anywhere=True)
    for run in find_runs(heard, language, code=True):
        alone = len(run) == 1 and heard[run[0].start] != tokens[run[0].start]
        if alone and month_of(_after(run, tokens), language) is None:
            continue  # "сын родился"
        if not _counts_something(run, heard, language) or YEAR_WORDS[language].match(_after(run, tokens)):
            yield run[0].start, run[-1].end


# --- codes ------------------------------------------------------------------------------------------------


def _codes(tokens: Sequence[Token], language: Language) -> Iterator[Span]:
    for run in find_runs(tokens, language, code=True):
        for part in _apart(run, tokens, language):
            if _is_code(part, tokens, language):
                yield part[0].start, part[-1].end


def _apart(run: Run, tokens: Sequence[Token], language: Language) -> tuple[Run, ...]:
    """A run, cut where a day follows: "карта 4271 | пятого марта"; without a sum before the day."""
    at = _first_ordinal(run)
    day = read_number(run, at) if at < len(run) else None
    before = run[:at]
    if day is None or not _is_day(int(day.value)) or _length(before) < MIN_DIGITS:
        return (run,)
    spent = _cue(run, tokens, SUM_CUES[language]) > _cue(run, tokens, CODE_CUES[language])
    is_sum = spent and _length(before) <= MAX_SUM_DIGITS and _is_one_number(before, tokens)
    return (run[at:],) if is_sum else (before, run[at:])


def _first_ordinal(run: Run) -> int:
    """Index of the atom that the first ordinal number begins with; the length of a run without any."""
    at = 0
    while at < len(run):
        number = read_number(run, at)
        if number is not None and number.ordinal:
            return at
        at = number.end if number is not None else at + 1
    return at


def _codes_by_ear(tokens: Sequence[Token], heard: Sequence[Token], language: Language) -> Iterator[Span]:
    """Codes with words that only sound like numbers, wherever they stand."""
    if heard == tuple(tokens):
        return
    codes = tuple(_codes(tokens, language))
    for run in find_runs(heard, language, code=True):
        for part in _apart(run, heard, language):
            start, end = part[0].start, part[-1].end
            dictated = len(part) >= FEWEST_BY_EAR or _cue(part, heard, CODE_CUES[language])
            # What goes on where a code has ended is a part of it: "номер 42765500 сим".
            goes_on = any(start < code_end and code_start < end for code_start, code_end in codes)
            if goes_on or (dictated and _is_code(part, heard, language)):
                yield start, end


def _codes_in_pieces(heard: Sequence[Token], language: Language) -> Iterator[Span]:
    """Codes in whose midst one hesitates or corrects himself: "карта четыре два ой семь один"."""
    if not any(CODE_CUES[language].match(token.text) for token in heard):
        return
    between = SLIPS[language] | LINKS[language] | LEXICONS[language].fillers
    chains: list[list[Run]] = [[]]
    for run in find_runs(heard, language, code=True):
        if _may_be_read(run, _length(run), heard, language):
            chains.append([])
            continue
        gap = heard[chains[-1][-1][-1].end : run[0].start] if chains[-1] else ()
        if not all(token.kind is Kind.MARK or token.text in between for token in gap):
            chains.append([])
        chains[-1].append(run)
    for chain in chains:
        if (
            len(chain) > 1
            and _cue(chain[0], heard, CODE_CUES[language])
            and sum(map(_length, chain)) >= MIN_DIGITS
        ):
            yield from ((run[0].start, run[-1].end) for run in chain)


def _codes_in_homophones(tokens: Sequence[Token], language: Language) -> Iterator[Span]:
    """Codes digit by digit, of which some are written as other words: "my pin is won to three for"."""
    heard = _as_digits(tokens, language)
    for run in find_runs(heard, language, code=True):
        counts = any(units[language].match(_after(run, heard)) for units in (UNITS, SMALL_UNITS))
        announced = _cue(run, heard, CODE_CUES[language])
        if _is_digit_by_digit(run) and announced and not counts:
            yield run[0].start, run[-1].end


def _as_digits(tokens: Sequence[Token], language: Language) -> Sequence[Token]:
    """With everyday words that sound like digits as these; nothing where there are none."""
    digits = HOMOPHONES[language]
    if not any(token.text in digits for token in tokens):
        return ()
    return [replace(token, text=digits.get(token.text, token.text)) for token in tokens]


def _is_code(run: Run, tokens: Sequence[Token], language: Language) -> bool:
    length = _length(run)
    least = MIN_CUED_DIGITS if _cue(run, tokens, SHORT_CUES[language]) else MIN_DIGITS
    return length >= least and not _may_be_read(run, length, tokens, language)


def _length(run: Run) -> int:
    """Digits of the longest reading; of babble that has none, a digit an atom."""
    readings = digit_readings(run)
    if readings:
        return max(map(len, readings))
    return sum(max(1, len(atom.digits)) for atom in run if not atom.half)


def _may_be_read(run: Run, length: int, tokens: Sequence[Token], language: Language) -> bool:
    if length > MAX_SUM_DIGITS:
        return False
    # Whoever says "пин 15:30" says no time.
    key = length >= MIN_DIGITS and _is_called_key(run, tokens, language) and bool(digit_readings(run))
    return (
        _counts_something(run, tokens, language)
        or (not key and _is_day_or_time(run, tokens, language))
        or _is_round_sum(run, tokens, language)
        or (length in CLAIM_DIGITS and _is_claim(run, tokens, language))
    )


def _counts_something(run: Run, tokens: Sequence[Token], language: Language) -> bool:
    """One number with a unit: a sum, a duration, a share."""
    symbol = run[0].start > 0 and tokens[run[0].start - 1].text in PREFIXES
    after = _after(run, tokens)
    few = bool(SMALL_UNITS[language].match(after)) and _are_few(run, tokens, language)
    return (symbol or few or bool(UNITS[language].match(after))) and _is_one_number(run, tokens)


def _are_few(run: Run, tokens: Sequence[Token], language: Language) -> bool:
    """Fewer than thousands, or nothing before them that makes a code of so many digits."""
    figures = [atom.digits for atom in run]
    with_decimals = len(figures) == 2 and all(figures) and not tokens[run[1].start].spaced
    if with_decimals or not _cue(run, tokens, CODE_CUES[language]):
        return True
    return _length(run) < (MIN_KEY_DIGITS if _is_called_key(run, tokens, language) else MIN_DIGITS)


def _is_one_number(run: Run, tokens: Sequence[Token]) -> bool:
    """A number in words, or in figures with groups of three and up to two decimals."""
    if read_whole(run) is not None:
        return True
    if any(atom.word is not None or atom.half or not atom.digits for atom in run):
        return _is_scaled_figure(run)
    *groups, last = (atom.digits for atom in run)
    marks = {token.text for token in tokens[run[0].start : run[-1].end] if token.kind is Kind.MARK}
    if not marks <= {".", ","}:
        return False
    decimals = len(last) <= 2 and bool(marks)
    grouped = groups[1:] if decimals else [*groups[1:], last]
    return 0 < len(groups[0]) <= (MAX_SUM_DIGITS if decimals and len(groups) == 1 else 3) and all(
        len(group) == 3 for group in grouped
    )


def _is_scaled_figure(run: Run) -> bool:
    """1,5 million."""
    *figures, scale = run
    is_scale = scale.word is not None and scale.word.rank is Rank.SCALE
    return is_scale and len(figures) <= 2 and all(0 < len(atom.digits) <= 3 for atom in figures)


def _is_day_or_time(run: Run, tokens: Sequence[Token], language: Language) -> bool:
    start, end = run[0].start, run[-1].end
    if _first_ordinal(run) < len(run) and len(run) <= 5:
        return _is_ordinal_date(run)
    near = [*tokens[max(0, start - 2) : start], *tokens[end : end + 1]]
    by_month = any(token.kind is Kind.WORD and month_of(token.text, language) is not None for token in near)
    if not _is_digit_by_digit(run) and (by_month or YEAR_WORDS[language].match(_after(run, tokens))):
        return any(_is_day_and_year(reading) for reading in digit_readings(run))
    figures = [atom.digits for atom in run]
    marks = [token.text for token in tokens[start:end] if token.kind is Kind.MARK]
    return all(figures) and (_is_date(figures, marks) or _is_time(figures, marks))


def _is_ordinal_date(run: Run) -> bool:
    """Days, months and years with ordinals among them; "сорок два семьдесят пятого" is none."""
    numbers: list[Number] = []
    while (at := numbers[-1].end if numbers else 0) < len(run):
        number = read_number(run, at)
        if number is None:
            return True
        numbers.append(number)
    if len(numbers) > 1 and all(number.ordinal for number in numbers):
        return True
    *days, last = (int(number.value) for number in numbers)
    return all(_is_day(day) or day in YEARS for day in days) and (
        _is_day(last) or last in YEARS or (bool(days) and last < 100)
    )


def _is_digit_by_digit(run: Run) -> bool:
    """As a code is dictated, and no year."""
    digits = all(len(atom.digits) == 1 or (atom.word is not None and atom.word.rank <= Rank.UNIT) for atom in run)
    return digits and len(run) >= MIN_DIGITS


def _is_day(number: int) -> bool:
    return number <= 31


def _is_day_and_year(digits: str) -> bool:
    """A year, or a day and a year said without a pause ("March fifth 2024")."""
    return digits[-4:].isdigit() and int(digits[-4:]) in YEARS and len(digits) <= 6


def _is_date(figures: list[str], marks: list[str]) -> bool:
    lengths = [len(part) for part in figures]
    if len(figures) != 3 or marks not in (["."] * 2, ["/"] * 2, ["-"] * 2):
        return False
    year, rest = (figures[0], figures[1:]) if lengths[0] == 4 else (figures[2], figures[:2])
    if len(year) == 2 and marks != ["."] * 2:
        return False
    return len(year) in (2, 4) and all(len(part) <= 2 and 1 <= int(part) <= 31 for part in rest)


def _is_time(figures: list[str], marks: list[str]) -> bool:
    return marks == [":"] and len(figures) == 2 and int(figures[0]) < 24 and int(figures[1]) < 60


def _is_round_sum(run: Run, tokens: Sequence[Token], language: Language) -> bool:
    """A round number that was spent, owed or said with its thousands, and that no card or code announces."""
    if _cue(run, tokens, SHORT_CUES[language]) or not _is_one_number(run, tokens):
        return False
    last = run[-1].word
    if last is not None and last.rank is Rank.SCALE:
        return True
    announced = _cue(run, tokens, CODE_CUES[language])
    spent = _cue(run, tokens, SUM_CUES[language])
    whole = read_whole(run)
    is_round = whole is not None and whole.value % 100 == 0
    in_hundreds = any(atom.word is not None and atom.word.rank >= Rank.TIMES_HUNDRED for atom in run)
    return is_round and spent >= announced and (in_hundreds or spent > 0)


def _is_claim(run: Run, tokens: Sequence[Token], language: Language) -> bool:
    """The nearest cue before it is a claim, not a card."""
    claim = _cue(run, tokens, CLAIM_CUES[language])
    plain = frozenset({"number", "numbers"})  # "claim number" and "card number" alike
    code = _cue(run, tokens, CODE_CUES[language], without=plain)
    return claim > code


def _is_called_key(run: Run, tokens: Sequence[Token], language: Language) -> bool:
    """Whether a code is named right before it: "пин", "мой код это"."""
    for token in reversed(tokens[: run[0].start]):
        if token.text in _SENTENCE_ENDS and token.text != ".":
            return False
        if token.kind is not Kind.MARK and token.text not in LINKS[language]:
            return bool(KEY_CUES[language].match(token.text))
    return False


def _cue(run: Run, tokens: Sequence[Token], cues: re.Pattern[str], without: frozenset[str] = frozenset()) -> int:
    """Where the nearest cue stands before a run, counted from 1; 0 when there is none within a few words."""
    words = 0
    for at in range(run[0].start - 1, -1, -1):
        token = tokens[at]
        if token.text in _SENTENCE_ENDS and token.text != ".":
            return 0
        if token.kind is Kind.MARK:
            continue
        if cues.match(token.text) and token.text not in without:
            return at + 1
        words += 1
        if words >= CUE_WORDS:
            return 0
    return 0


def _after(run: Run, tokens: Sequence[Token]) -> str:
    """The word behind a run; a mark in between separates, but for the signs of currencies."""
    end = run[-1].end
    if end >= len(tokens):
        return ""
    return tokens[end].text

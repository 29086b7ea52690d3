"""Dates as callers say them: birth dates and days of operations.

Takes recogniser text and today's date, gives a date. Day before month in Russian; in English figures whose
order is open ("03/05/1989") are ambiguous unless written with dots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from ivrbot.language.by_ear import put_right
from ivrbot.language.choice import Candidate, choose
from ivrbot.language.lexicon import Rank, listed
from ivrbot.language.numbers import Atom, Number, Run, find_runs, read_number
from ivrbot.language.tokens import Kind, Token, tokenise
from ivrbot.model.speech import Language

_MONTH_STEMS: dict[Language, tuple[re.Pattern[str], ...]] = {
    "ru": tuple(
        re.compile(rf"(?:{pattern})$")
        for pattern in (
            "январ[а-я]+|янв",
            "феврал[а-я]+|фев|февр",
            "март[а-я]*|мар",
            "апрел[а-я]+|апр",
            "ма[йяеюм]|маем",
            "июн[а-я]+|июн",
            "июл[а-я]+|июл",
            "август[а-я]*|авг",
            "сентябр[а-я]+|сен|сент",
            "октябр[а-я]+|окт",
            "ноябр[а-я]+|ноя|нояб",
            "декабр[а-я]+|дек",
        )
    ),
    "en": tuple(
        re.compile(rf"(?:{pattern})$")
        for pattern in (
            "january|jan",
            "february|feb",
            "march|mar",
            "april|apr",
            "may",
            "june|jun",
            "july|jul",
            "august|aug",
            "september|sept?",
            "october|oct",
            "november|nov",
            "december|dec",
        )
    ),
}
_RELATIVE: dict[Language, dict[str, int]] = {
    "ru": {"сегодня": 0, "вчера": -1, "позавчера": -2, "позапозавчера": -3, "завтра": 1, "послезавтра": 2},
    "en": {"today": 0, "yesterday": -1, "tomorrow": 1},
}
_WEEKDAYS: dict[Language, tuple[re.Pattern[str], ...]] = {
    "ru": tuple(
        re.compile(rf"(?:{pattern})$")
        for pattern in (
            "понедельник[а-я]*",
            "вторник[а-я]*",
            "сред[ауеы]",
            "четверг[а-я]*",
            "пятниц[а-я]+",
            "суббот[а-я]+",
            "воскресень[а-я]+",
        )
    ),
    "en": tuple(
        re.compile(rf"{day}$") for day in listed("monday tuesday wednesday thursday friday saturday sunday")
    ),
}
_AGO: dict[Language, str] = {"ru": "назад", "en": "ago"}
_SPANS: dict[Language, tuple[tuple[re.Pattern[str], int], ...]] = {
    "ru": ((re.compile(r"день|дня|дней"), 1), (re.compile(r"недел[юиь]"), 7)),
    "en": ((re.compile(r"days?"), 1), (re.compile(r"weeks?"), 7)),
}
_DAY_OF_MONTH: dict[Language, frozenset[str]] = {"ru": frozenset({"числа", "число"}), "en": frozenset()}
_LINKS: dict[Language, frozenset[str]] = {
    "ru": frozenset(listed("месяца месяц года год г число числа день рождения")),
    "en": frozenset(listed("of the in on day year")),
}
_EARLIEST_YEAR = 1900


@dataclass(frozen=True, slots=True)
class _Field:
    """A number of a date: its readings, or the month that a name stands for."""

    number: int
    digits: int  # how many figures were written, 0 for words
    ordinal: bool
    start: int
    end: int
    is_month: bool = False


# --- years ------------------------------------------------------------------------------------------------


def _full_year(year: int, digits: int, today: date) -> int | None:
    """Put the century in front of a two-digit year: the last such year that has begun."""
    if year >= 100 or digits == 4:
        return year if _EARLIEST_YEAR <= year <= today.year + 100 else None
    century = today.year // 100 * 100
    return century + year if year <= today.year % 100 else century - 100 + year


def _make(day: int, month: int, year: int | None, digits: int, today: date) -> date | None:
    """Build a date; without a year the last such day up to today."""
    full = today.year if year is None else _full_year(year, digits, today)
    if full is None:
        return None
    try:
        made = date(full, month, day)
        return date(full - 1, month, day) if year is None and made > today else made
    except ValueError:
        return None


# --- tokens -> fields -------------------------------------------------------------------------------------


def month_of(word: str, language: Language) -> int | None:
    """Number of the month that a word names in any of its forms, None for other words."""
    return next((number for number, pattern in enumerate(_MONTH_STEMS[language], 1) if pattern.match(word)), None)


def _year_pair(run: Run, at: int) -> tuple[int, int] | None:
    """Read an English year said in pairs: "nineteen eighty nine", "twenty oh five", "nineteen hundred"."""
    first = read_number(run, at)
    if first is None or first.ordinal or first.value not in (19, 20) or first.end >= len(run):
        return None
    zero = run[first.end]
    if zero.word is not None and zero.word.rank is Rank.ZERO:
        unit = read_number(run, first.end + 1) if first.end + 1 < len(run) else None
        fits = unit is not None and not unit.ordinal and 1 <= unit.value <= 9
        return (int(first.value) * 100 + int(unit.value), unit.end) if fits and unit else None
    rest = read_number(run, first.end)
    if rest is None or rest.ordinal or not 10 <= rest.value <= 99:
        return None
    return int(first.value) * 100 + int(rest.value), rest.end


def _zero_led(run: Run, at: int) -> Number | None:
    """Read "ноль пятое", "oh five" as 5."""
    atom = run[at]
    zero = (atom.word is not None and atom.word.rank is Rank.ZERO) or atom.digits == "0"
    if not zero or at + 1 >= len(run):
        return None
    number = read_number(run, at + 1)
    return number if number is not None and 1 <= number.value <= 9 else None


def _run_fields(run: Run, language: Language) -> list[_Field] | None:
    fields: list[_Field] = []
    at = 0
    while at < len(run):
        atom = run[at]
        if atom.digits and not (at + 1 < len(run) and _scale(run[at + 1])):
            fields += _figures(atom)
            at += 1
            continue
        pair = _year_pair(run, at) if language == "en" else None
        if pair is not None:
            value, end, ordinal = pair[0], pair[1], False
        else:
            number = _zero_led(run, at) or read_number(run, at)
            if number is None or number.value.denominator != 1:
                return None
            value, end, ordinal = int(number.value), number.end, number.ordinal
        fields.append(_Field(value, 0, ordinal, atom.start, run[end - 1].end))
        at = end
    return fields


def _scale(atom: Atom) -> bool:
    return atom.word is not None and atom.word.rank is Rank.SCALE


def _figures(atom: Atom) -> list[_Field]:
    """Read figures: one field, or three when a whole date was written together ("05031989", "050389")."""
    text = atom.digits
    if len(text) in (6, 8):
        cuts = (text[:2], text[2:4], text[4:])
        return [_Field(int(cut), len(cut), False, atom.start, atom.end) for cut in cuts]
    return [_Field(int(text), len(text), atom.ordinal, atom.start, atom.end)]


def _fields(tokens: Sequence[Token], language: Language) -> list[_Field]:
    found: list[_Field] = []
    for run in find_runs(tokens, language, code=False):
        found += _run_fields(run, language) or []
    for at, token in enumerate(tokens):
        month = month_of(token.text, language) if token.kind is Kind.WORD else None
        if month is not None:
            found.append(_Field(month, 0, False, at, at + 1, is_month=True))
    return sorted(found, key=lambda field: field.start)


def _chains(fields: Sequence[_Field], tokens: Sequence[Token], language: Language) -> list[list[_Field]]:
    """Join fields that nothing but marks and words like "года" keeps apart."""
    chains: list[list[_Field]] = [list(fields[:1])]
    for before, field in pairwise(fields):
        between = tokens[before.end : field.start]
        if all(token.kind is Kind.MARK or token.text in _LINKS[language] for token in between):
            chains[-1].append(field)
        else:
            chains.append([field])
    return [chain for chain in chains if chain]


# --- fields -> dates --------------------------------------------------------------------------------------


def _with_month(chain: Sequence[_Field], at: int, today: date) -> tuple[date | None, int, int]:
    """Read around the month name at `at`; give the date and the fields [start, end) that it takes."""
    month = chain[at].number
    before = chain[at - 1] if at > 0 and not chain[at - 1].is_month else None
    after = chain[at + 1 : at + 3]
    if before is not None and before.number > 31 and len(after) == 1 and not after[0].is_month:
        return _make(after[0].number, month, before.number, before.digits, today), at - 1, at + 2
    first = chain[at - 2] if at > 1 and not after else None
    if before is not None and first is not None and first.number > 31 and 1 <= before.number <= 31:
        return _make(before.number, month, first.number, first.digits, today), at - 2, at + 1
    if before is not None and 1 <= before.number <= 31:
        year = after[0] if after and not after[0].is_month else None
        made = _make(before.number, month, year.number if year else None, year.digits if year else 0, today)
        return made, at - 1, at + 2 if year else at + 1
    if after and 1 <= after[0].number <= 31 and not after[0].is_month:
        year = after[1] if len(after) > 1 and not after[1].is_month else None
        made = _make(after[0].number, month, year.number if year else None, year.digits if year else 0, today)
        return made, at, at + 3 if year else at + 2
    return None, at, at + 1


def _numeric(chain: Sequence[_Field], tokens: Sequence[Token], language: Language, today: date) -> date | None:
    """Read day, month and year in figures or number words."""
    first, second, third = chain
    if first.digits == 4:
        return _make(third.number, second.number, first.number, 4, today)
    between = [token.text for token in tokens[first.end : second.start]]
    day_first = language == "ru" or "." in between or first.number > 12 or first.number == second.number
    if day_first:
        return _make(first.number, second.number, third.number, third.digits, today)
    if second.number > 12:
        return _make(second.number, first.number, third.number, third.digits, today)
    return None


def _chain_candidates(
    chain: Sequence[_Field], tokens: Sequence[Token], language: Language, today: date, *, with_year: bool
) -> list[Candidate[date]]:
    months = [at for at, field in enumerate(chain) if field.is_month]
    if months:
        found: list[Candidate[date]] = []
        for at in months:
            made, start, end = _with_month(chain, at, today)
            # "may" is a verb, too, and "в марте" is no day.
            if end - start > (2 if with_year else 1):
                found.append(Candidate(made, chain[start].start, chain[end - 1].end))
        return found
    span = (chain[0].start, chain[-1].end)
    if len(chain) == 3:
        return [Candidate(_numeric(chain, tokens, language, today), *span)]
    # What is no date still counts as a try to correct one ("нет, семьдесят третьего").
    nothing: list[Candidate[date]] = [Candidate(None, *span)]
    if with_year:
        return nothing
    following = tokens[span[1]].text if span[1] < len(tokens) else ""
    if len(chain) == 1 and (following in _DAY_OF_MONTH[language] or chain[0].ordinal):
        return [Candidate(_last_day(chain[0].number, today), *span)]
    if len(chain) == 2 and _day_and_month(chain, tokens, language):
        return [Candidate(_make(chain[0].number, chain[1].number, None, 0, today), *span)]
    return nothing


def _day_and_month(chain: Sequence[_Field], tokens: Sequence[Token], language: Language) -> bool:
    """Tell "05.03" and "пятое третье" from two stray numbers."""
    if language != "ru":
        return False
    between = [token.text for token in tokens[chain[0].end : chain[1].start]]
    dotted = between == ["."] and all(field.digits in (1, 2) for field in chain)
    return dotted or all(field.ordinal for field in chain)


def _last_day(day: int, today: date) -> date | None:
    """Give the last day of that number up to today ("пятого числа")."""
    if not 1 <= day <= 31:
        return None
    for back in range(1, 63):
        candidate = today - timedelta(days=back - 1)
        if candidate.day == day:
            return candidate
    return None


# --- relative days ----------------------------------------------------------------------------------------


def _ago(tokens: Sequence[Token], language: Language, today: date) -> list[Candidate[date]]:
    found: list[Candidate[date]] = []
    for at, token in enumerate(tokens):
        if token.text != _AGO[language] or at == 0:
            continue
        days = next((days for pattern, days in _SPANS[language] if pattern.fullmatch(tokens[at - 1].text)), 0)
        if not days:
            continue
        runs = [run for run in find_runs(tokens[: at - 1], language, code=False) if run[-1].end == at - 1]
        number = read_number(runs[-1], 0) if runs else None
        count = int(number.value) if number is not None else 1
        start = runs[-1][0].start if runs else at - 1
        found.append(Candidate(today - timedelta(days=count * days), start, at + 1))
    return found


def _relative(tokens: Sequence[Token], language: Language, today: date) -> list[Candidate[date]]:
    found = _ago(tokens, language, today)
    if language == "en":
        texts = " ".join(token.text for token in tokens)
        if "day before yesterday" in texts or "day after tomorrow" in texts:
            return [Candidate(today + timedelta(days=-2 if "yesterday" in texts else 2), 0, len(tokens))]
    for at, token in enumerate(tokens):
        if token.text in _RELATIVE[language]:
            found.append(Candidate(today + timedelta(days=_RELATIVE[language][token.text]), at, at + 1))
        weekday = next((n for n, pattern in enumerate(_WEEKDAYS[language]) if pattern.match(token.text)), None)
        if weekday is not None:
            back = (today.weekday() - weekday) % 7 or 7
            found.append(Candidate(today - timedelta(days=back), at, at + 1))
    return found


def date_tokens(text: str, language: Language) -> tuple[Token, ...]:
    """Cut an utterance into tokens; of one that is nothing but a date, numbers written as they sound put right."""

    def stands_in_date(word: str) -> bool:
        return month_of(word, language) is not None or word in _LINKS[language]

    return put_right(tokenise(text, language), language, beside=stands_in_date)


def parse_date(text: str, language: Language, today: date, *, with_year: bool = False) -> date | None:
    """Read a date.

    Args:
        text: one utterance ("пятое марта восемьдесят девятого", "05.03.1989", "вчера", "March fifth").
        language: of the utterance.
        today: the day of the call; a date without a year is the last one up to it, a year of two digits the
        last one
            that has begun.
        with_year: accept only dates whose year was said (birth dates).

    Returns:
        The date; None when there is none, several, an impossible one or one of open order ("03/05/1989" in
        English).
    """
    tokens = date_tokens(text, language)
    fields = _fields(tokens, language)
    candidates: list[Candidate[date]] = []
    for chain in _chains(fields, tokens, language):
        candidates += _chain_candidates(chain, tokens, language, today, with_year=with_year)
    if not with_year and not any(candidate.value for candidate in candidates):
        candidates += _relative(tokens, language, today)
    return choose(sorted(candidates, key=lambda c: c.start), tokens, language)

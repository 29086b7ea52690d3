"""Amounts of money as callers say them.

Takes recogniser text, gives minor units (kopecks or cents).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from ivrbot.language.choice import Candidate, choose, is_alternative
from ivrbot.language.numbers import Run, find_runs, read_whole
from ivrbot.language.tokens import Kind, Token, tokenise
from ivrbot.model.speech import Language

MINOR_PER_MAJOR = 100
_MAX_MAJOR = 10**12
_SCALE_MINOR = 1_000 * MINOR_PER_MAJOR


class _Unit(Enum):
    MAJOR = "major"
    MINOR = "minor"
    OTHER = "other"
    NONE = "none"


_MAJOR: dict[Language, re.Pattern[str]] = {
    "ru": re.compile(r"(рубл\w*|руб|р|₽|рубчик\w*|доллар\w*|евро|\$|€)$"),
    "en": re.compile(r"(roubles?|rubles?|rub|₽|\$|€|dollars?|bucks?|euros?|usd|eur)$"),
}
_MINOR: dict[Language, re.Pattern[str]] = {
    "ru": re.compile(r"(копе\w*|коп|цент\w*)$"),
    "en": re.compile(r"(kopecks?|kopeks?|copecks?|cents?)$"),
}
# What follows a number that is no sum: days, cards, months, percent, the day of a date ...
_OTHER: dict[Language, re.Pattern[str]] = {
    "ru": re.compile(
        r"(дн[еяюи]\w*|день|недел\w*|месяц\w*|год\w*|лет|час\w*|минут\w*|секунд\w*|карт\w*|операц\w*|раза?|"
        r"числ\w*|процент\w*|%|цифр\w*|человек\w*|покуп\w*|платеж\w*|перевод\w*|списан\w*|январ\w*|феврал\w*|"
        r"март\w*|апрел\w*|ма[йяе]|июн\w*|июл\w*|август\w*|сентябр\w*|октябр\w*|ноябр\w*|декабр\w*)$"
    ),
    "en": re.compile(
        r"(days?|weeks?|months?|years?|hours?|minutes?|seconds?|cards?|transactions?|times?|percent|%|digits?|"
        r"people|payments?|purchases?|transfers?|of|january|february|march|april|may|june|july|august|"
        r"september|october|november|december|am|pm|o'clock)$"
    ),
}
_PREFIXED = frozenset({"$", "€", "₽"})
# One unit of currency, said without a number.
_ONE_MAJOR = frozenset({"рубль"})
# "одна", "one" alone is rather a pronoun than a sum.
_PRONOUN_VALUE = Fraction(1)


@dataclass(frozen=True, slots=True)
class _Part:
    """A run read as a sum, with the unit behind it and the tokens [start, end) of both."""

    value: Fraction | None
    unit: _Unit
    start: int
    end: int


_GROUPED = re.compile(r"(?<![\d.,])([1-9]\d{0,2})((?:[ \u00a0\u202f]\d{3})+|(?:,\d{3})+|(?:\.\d{3})+)(?![\d])")
_DECIMAL = re.compile(r"(?<![\d.,])(\d+)[.,](\d{1,2})(?![\d.,]*\d)")
_SHORT_THOUSANDS: dict[Language, re.Pattern[str]] = {
    "ru": re.compile(r"(?<=\d) ?к\b", re.IGNORECASE),
    "en": re.compile(r"(?<=\d) ?k\b", re.IGNORECASE),
}
_THOUSAND_WORD: dict[Language, str] = {"ru": " тысяч", "en": " thousand"}


def _one_spelling(text: str, language: Language) -> str:
    """Join grouped thousands ("12 345" -> "12345") and spell "5k" out, so that a sum is one digit string."""
    joined = _GROUPED.sub(lambda match: match[1] + re.sub(r"\D", "", match[2]), text)
    return _SHORT_THOUSANDS[language].sub(_THOUSAND_WORD[language], joined)


def _unit_at(tokens: Sequence[Token], at: int, language: Language) -> tuple[_Unit, int]:
    """Tell the unit that stands at a token, and the end of it."""
    if at >= len(tokens):
        return _Unit.NONE, at
    text = tokens[at].text
    for unit, pattern in ((_Unit.MAJOR, _MAJOR), (_Unit.MINOR, _MINOR), (_Unit.OTHER, _OTHER)):
        if pattern[language].match(text):
            dotted = at + 1 < len(tokens) and tokens[at + 1].text == "." and not tokens[at + 1].spaced
            return unit, at + (2 if dotted else 1)
    return _Unit.NONE, at


def _read(run: Run, tokens: Sequence[Token]) -> Fraction | None:
    """Read a run as one number; figures with a decimal sign inside are one number, too."""
    if len(run) >= 2 and run[0].digits and run[1].digits and run[1].start == run[0].end + 1:
        sign, after = tokens[run[0].end], tokens[run[1].start]
        if sign.text in ",." and not sign.spaced and not after.spaced and len(run[1].digits) <= 2:
            value = Fraction(f"{run[0].digits}.{run[1].digits}")
            scales = [atom.word.value for atom in run[2:] if atom.word is not None]
            if len(run) == 2:
                return value
            return value * scales[0] if len(run) == 3 and scales and scales[0] >= 1_000 else None
    number = read_whole(run)
    if number is not None and not number.ordinal:
        return number.value
    # "тысяч пять": a round sum said the other way round.
    if len(run) == 2:
        number = read_whole((run[1], run[0]))
        if number is not None and run[0].word is not None and not run[0].word.bare_scale:
            return number.value
    return None


def _parts(tokens: Sequence[Token], language: Language) -> list[_Part]:
    parts: list[_Part] = []
    for run in find_runs(tokens, language, code=False):
        start, after = run[0].start, run[-1].end
        unit, end = _unit_at(tokens, after, language)
        if unit is _Unit.NONE and start > 0 and tokens[start - 1].text in _PREFIXED:
            unit, start = _Unit.MAJOR, start - 1
        value = _read(run, tokens)
        if value is None and _is_ordinal(run):
            unit = _Unit.OTHER
        if value == _PRONOUN_VALUE and unit is _Unit.NONE and not run[0].digits and len(run) == 1:
            scale = run[0].word is not None and run[0].word.value >= 100
            unit = _Unit.NONE if scale or len(tokens) == 1 else _Unit.OTHER
        parts.append(_Part(value, unit, start, end))
    taken = {at for part in parts for at in range(part.start, part.end)}
    parts += [
        _Part(Fraction(1), _Unit.MAJOR, at, at + 1)
        for at, token in enumerate(tokens)
        if token.text in _ONE_MAJOR and at not in taken
    ]
    return sorted(parts, key=lambda part: part.start)


def _is_ordinal(run: Run) -> bool:
    last = run[-1]
    return last.ordinal or (last.word is not None and last.word.ordinal)


def _between_is_bare(tokens: Sequence[Token], start: int, end: int) -> bool:
    return all(token.kind is Kind.MARK or token.text in ("и", "and") for token in tokens[start:end])


def _sums(parts: Sequence[_Part], tokens: Sequence[Token]) -> list[tuple[Candidate[int], bool]]:
    """Join major and minor units; tell with each sum whether a currency was named."""
    sums: list[tuple[Candidate[int], bool]] = []
    at = 0
    while at < len(parts):
        part = parts[at]
        at += 1
        if part.unit is _Unit.OTHER:
            continue
        value, end = part.value, part.end
        if part.unit is _Unit.MINOR:
            value = None if value is None else value / MINOR_PER_MAJOR
        elif at < len(parts) and parts[at].unit is _Unit.MINOR and part.unit is _Unit.MAJOR:
            minor = parts[at]
            if _between_is_bare(tokens, end, minor.start):
                value = _joined(value, minor.value)
                end = minor.end
                at += 1
        elif part.unit is _Unit.MAJOR and at < len(parts) and parts[at].unit is _Unit.NONE:
            loose = parts[at]
            if loose.start == end:
                # "рубль двадцать", "five dollars fifty": two figures are kopecks or cents, else it is unclear.
                value = _joined(value, loose.value) if loose.value is not None and loose.value >= 10 else None
                end = loose.end
                at += 1
        sums.append((Candidate(_minor(value), part.start, end), part.unit is not _Unit.NONE))
    return sums


def _joined(major: Fraction | None, minor: Fraction | None) -> Fraction | None:
    if major is None or minor is None or minor >= MINOR_PER_MAJOR:
        return None
    return major + minor / MINOR_PER_MAJOR


def _minor(value: Fraction | None) -> int | None:
    if value is None:
        return None
    minor = value * MINOR_PER_MAJOR
    return int(minor) if minor.denominator == 1 and value < _MAX_MAJOR else None


def parse_amount(text: str, language: Language) -> int | None:
    """Read a sum of money.

    Args:
        text: one utterance ("двенадцать тысяч рублей пятьдесят копеек", "5 000", "полторы тысячи").
        language: of the utterance.

    Returns:
        Minor units; a number without a currency counts as major units. None when there is no sum, several, or one
        that can be read in two ways ("двадцать тридцать").
    """
    tokens = tokenise(_one_spelling(text, language), language)
    sums = _sums(_parts(tokens, language), tokens)
    everything = [candidate for candidate, _ in sums]
    named = [
        candidate
        for at, (candidate, has_currency) in enumerate(sums)
        if has_currency
        or any(
            is_alternative(tokens[candidate.end : other.start], language) for other in everything[at + 1 : at + 2]
        )
    ]
    some_named = any(has_currency for _, has_currency in sums)
    value = choose(named if some_named else everything, tokens, language)
    return None if _lost_scale(value, sums) else value


def names_currency(text: str, language: Language) -> bool:
    """Whether a currency or its hundredth part is named ("рублей", "kopecks", "₽")."""
    tokens = tokenise(text, language)
    return any(_MAJOR[language].match(token.text) or _MINOR[language].match(token.text) for token in tokens)


def _lost_scale(value: int | None, sums: Sequence[tuple[Candidate[int], bool]]) -> bool:
    """Tell "не пять тысяч, а шесть": six or six thousand, nobody knows."""
    if value is None or value >= _SCALE_MINOR:
        return False
    return any(other.value is not None and other.value >= _SCALE_MINOR for other, _ in sums) and any(
        candidate.value == value and not has_currency for candidate, has_currency in sums
    )


def written_money(minor: int, language: Language) -> str:
    """An amount in roubles to be read, not spoken: "50 000 ₽", "1,250.50 RUB"; no kopecks where there are none."""
    whole, part = divmod(abs(minor), 100)
    sign = "-" if minor < 0 else ""
    if language == "ru":
        return f"{sign}{whole:,}".replace(",", " ") + (f",{part:02d}" if part else "") + " ₽"
    return f"{sign}{whole:,}" + (f".{part:02d}" if part else "") + " RUB"

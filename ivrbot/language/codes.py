"""Dictated codes and telephone numbers.

Takes recogniser text, gives digit strings. Source for telephone numbers: Google's libphonenumber metadata.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import phonenumbers

from ivrbot.language.choice import Candidate, choose
from ivrbot.language.numbers import Atom, Run, digit_readings, find_runs
from ivrbot.language.tokens import Kind, Token, tokenise
from ivrbot.model.speech import Language

DEFAULT_REGION = "RU"

# A number before one of these counts something and is no code.
_COUNTED: dict[Language, re.Pattern[str]] = {
    "ru": re.compile(r"(цифр|карт|раз$|раза$|рубл|копе|тыс|минут|секунд|день$|дня$|дней$|лет$|год|месяц|человек)"),
    "en": re.compile(r"(digit|card|time|rouble|ruble|kopeck|dollar|cent|minute|second|day|year|month|numbers?$)"),
}
# "последние четыре четыре два семь один": the first "четыре" counts the digits.
_LAST: dict[Language, re.Pattern[str]] = {"ru": re.compile(r"последн"), "en": re.compile(r"last|final")}

# "только одну четыре два семь один": the first word says how many, no digit is dictated like that.
_ONLY: dict[Language, re.Pattern[str]] = {"ru": re.compile(r"одн(у|ой|а)$"), "en": re.compile(r"one$")}
_BEFORE_ONLY: dict[Language, re.Pattern[str]] = {"ru": re.compile(r""), "en": re.compile(r"only$|just$|the$")}


def _text(tokens: Sequence[Token], at: int) -> str:
    """Give the word at or after `at`, or ""."""
    return next((token.text for token in tokens[at:] if token.kind is not Kind.MARK), "")


def _split_at_pauses(run: Run) -> list[Run]:
    parts: list[list[Atom]] = []
    for atom in run:
        if atom.paused or not parts:
            parts.append([])
        parts[-1].append(atom)
    return [tuple(part) for part in parts]


def _of_length(run: Run, length: int) -> set[str]:
    """Give the readings of that length; a code said twice in a row counts once."""
    found: set[str] = set()
    for reading in digit_readings(run):
        repeated = len(reading) % length == 0 and reading == reading[:length] * (len(reading) // length)
        if reading and repeated:
            found.add(reading[:length])
    return found


def _without_count(run: Run, tokens: Sequence[Token], language: Language) -> Run:
    if len(run) < 2:
        return run
    at = run[0].start
    before = tokens[at - 1].text if at else ""
    only = _ONLY[language].match(tokens[at].text) and _BEFORE_ONLY[language].match(before)
    return run[1:] if only or _LAST[language].match(before) else run


def _candidates(run: Run, tokens: Sequence[Token], language: Language, length: int | None) -> list[Candidate[str]]:
    start, end = run[0].start, run[-1].end
    if length is None:
        readings = digit_readings(run)
        value = next(iter(readings)) if len(readings) == 1 and not _counts(run, tokens, language) else None
        return [Candidate(value, start, end)]
    attempts = [[run], [_without_count(run, tokens, language)], _split_at_pauses(run)]
    for parts in attempts:
        found = [(part, _of_length(part, length)) for part in parts]
        if any(readings for _, readings in found):
            return [
                Candidate(readings.pop() if len(readings) == 1 else None, part[0].start, part[-1].end)
                for part, readings in found
                if readings
            ]
    return [Candidate(None, start, end)]


def _left_over(run: Run, found: Sequence[Candidate[str]]) -> int:
    """Digits of a run that belong to no code found in it."""
    spans = [(one.start, one.end) for one in found if one.value is not None]
    rest = tuple(atom for atom in run if not any(start <= atom.start < end for start, end in spans))
    return max(map(len, digit_readings(rest)), default=len(rest)) if rest else 0


def _counts(run: Run, tokens: Sequence[Token], language: Language) -> bool:
    return bool(_COUNTED[language].match(_text(tokens, run[-1].end)))


def parse_digits(text: str, language: Language, length: int | None = None) -> str | None:
    """Read a dictated code: digit by digit, in pairs, as a number, in figures, mixed, inside a sentence.

    Args:
        text: one utterance.
        language: of the utterance.
        length: how many digits the code has; only readings of that length count.

    Returns:
        The digits, leading zeros kept; None when there is no code, more than one, or more than one reading.
    """
    tokens = tokenise(text, language)
    candidates: list[Candidate[str]] = []
    ambiguous = False
    besides = 0
    for run in find_runs(tokens, language, code=True):
        if length is not None and len(run) > 1:
            ambiguous = ambiguous or len(_of_length(run, length)) > 1
        found = _candidates(run, tokens, language, length)
        besides += _left_over(run, found)
        candidates += found
    if length is not None and besides > length:
        return None  # more than a slip: one of several codes, of which the others were misheard
    if length is None and len(candidates) > 1:
        # A lone small count ("две карты") beside a code is told apart by the noun behind it.
        candidates = [candidate for candidate in candidates if candidate.value is not None]
    value = choose(candidates, tokens, language)
    return None if ambiguous and len(candidates) == 1 else value


def _e164(digits: str, *, international: bool, region: str) -> str | None:
    try:
        number = phonenumbers.parse(("+" if international else "") + digits, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def parse_phone(text: str, language: Language, region: str = DEFAULT_REGION) -> str | None:
    """Read a telephone number said in any grouping.

    Args:
        text: one utterance.
        language: of the utterance.
        region: country (ISO 3166 alpha-2) of numbers said without "+".

    Returns:
        E.164 ("+79161234567"), or None when no single valid number was said.
    """
    tokens = tokenise(text, language)
    candidates: list[Candidate[str]] = []
    for run in find_runs(tokens, language, code=True):
        start = run[0].start
        plus = start > 0 and tokens[start - 1].text in ("+", "плюс", "plus")
        numbers = {_e164(reading, international=plus, region=region) for reading in digit_readings(run)} - {None}
        candidates.append(Candidate(numbers.pop() if len(numbers) == 1 else None, start, run[-1].end))
    return choose(candidates, tokens, language)

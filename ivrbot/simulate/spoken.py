"""How callers say digits, dates and sums. Written apart from the product's own number grammar, on purpose.

Takes values and a source of chance, gives words as a recogniser would write them: lower case, no figures.
"""

from __future__ import annotations

import random
from datetime import date
from typing import Final

from num2words import num2words

from ivrbot.model.speech import Language

DIGITS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять"),
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
}
_MONTHS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": (
        "января", "февраля", "марта", "апреля", "мая", "июня",
        "июля", "августа", "сентября", "октября", "ноября", "декабря",
    ),
    "en": (
        "january", "february", "march", "april", "may", "june",
        "july", "august", "september", "october", "november", "december",
    ),
}  # fmt: skip
_ORDINAL_STEMS: Final = (
    "", "перв", "втор", "трет", "четверт", "пят", "шест", "седьм", "восьм", "девят", "десят", "одиннадцат",
    "двенадцат", "тринадцат", "четырнадцат", "пятнадцат", "шестнадцат", "семнадцат", "восемнадцат", "девятнадцат",
)  # fmt: skip
_TENS_STEMS: Final = {20: "двадцат", 30: "тридцат", 40: "сорок", 50: "пятидесят", 60: "шестидесят",
                      70: "семидесят", 80: "восьмидесят", 90: "девяност"}  # fmt: skip


def digits_in_words(digits: str, language: Language, rng: random.Random) -> str:
    """A code as people say it: one by one, in pairs, or keyed figures that a recogniser wrote down."""
    if len(digits) % 2 == 0 and rng.random() < 0.45:
        pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
        return " ".join(_pair(pair, language) for pair in pairs)
    return " ".join(DIGITS[language][int(digit)] for digit in digits)


def _pair(pair: str, language: Language) -> str:
    if pair[0] == "0":
        return " ".join(DIGITS[language][int(digit)] for digit in pair)
    return str(num2words(int(pair), lang=language)).replace("-", " ")


def date_in_words(day: date, language: Language, rng: random.Random) -> str:
    """A birth date."""
    month = _MONTHS[language][day.month - 1]
    if language == "en":
        spoken = str(num2words(day.day, to="ordinal", lang="en")).replace("-", " ")
        year = str(num2words(day.year, to="year", lang="en")).replace("-", " ")
        return rng.choice((f"{spoken} of {month} {year}", f"{month} {spoken} {year}"))
    year = _russian_year(day.year, short=day.year < 2000 and rng.random() < 0.4)
    return f"{_russian_day(day.day)} {month} {year}{rng.choice((' года', ''))}"


def _russian_day(number: int) -> str:
    return _russian_ordinal(number, "ое", "ье")


def _russian_ordinal(number: int, ending: str, soft: str) -> str:
    if number < 20:
        return _ORDINAL_STEMS[number] + (soft if number == 3 else ending)
    tens, unit = number - number % 10, number % 10
    if unit == 0:
        return _TENS_STEMS[tens] + ("ов" if tens == 40 else "") + ending
    return f"{num2words(tens, lang='ru')} {_russian_ordinal(unit, ending, soft)}"


def _russian_year(year: int, *, short: bool) -> str:
    last = _russian_ordinal(year % 100, "ого", "ьего") if year % 100 else "го"
    if short:
        return last
    if year % 100 == 0:
        return "двухтысячного"
    return f"{num2words(year - year % 100, lang='ru')} {last}"


def sum_in_words(amount_minor: int, language: Language, rng: random.Random) -> str:
    """A round sum in the bank's currency."""
    whole = amount_minor // 100
    words = str(num2words(whole, lang=language)).replace("-", " ").replace(",", "")
    unit = {"ru": ("рублей", ""), "en": ("roubles", "rubles")}[language]
    return f"{words} {rng.choice(unit)}".strip()

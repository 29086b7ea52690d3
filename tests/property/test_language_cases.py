"""Sums and dates in all six Russian cases, digits singly, in pairs and in triples: 1,000 drawn of each.

The words come from num2words, the declension of rouble and kopeck from a table here. What can be read in two ways
has no reading; a wrong one is never given.
"""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from num2words import num2words

from ivrbot.language.codes import parse_digits
from ivrbot.language.dates import parse_date
from ivrbot.language.money import parse_amount

DRAWS = 1_000
TODAY = date(2026, 11, 22)
CASES = "ngdaip"
# One, two to four, five and more.
ROUBLES = {
    "n": ("рубль", "рубля", "рублей"),
    "g": ("рубля", "рублей", "рублей"),
    "d": ("рублю", "рублям", "рублям"),
    "a": ("рубль", "рубля", "рублей"),
    "i": ("рублём", "рублями", "рублями"),
    "p": ("рубле", "рублях", "рублях"),
}
KOPECKS = {
    "n": ("копейка", "копейки", "копеек"),
    "g": ("копейки", "копеек", "копеек"),
    "d": ("копейке", "копейкам", "копейкам"),
    "a": ("копейку", "копейки", "копеек"),
    "i": ("копейкой", "копейками", "копейками"),
    "p": ("копейке", "копейках", "копейках"),
}
MONTHS = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()  # noqa: SIM905


def form(number: int, forms: tuple[str, str, str]) -> str:
    if number % 10 == 1 and number % 100 != 11:
        return forms[0]
    return forms[1] if number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14) else forms[2]


def counted(number: int, case: str, gender: str, forms: dict[str, tuple[str, str, str]]) -> str:
    words = num2words(number, lang="ru", case=case, gender=gender, animate=False)
    return f"{words} {form(number, forms[case])}"


@pytest.mark.parametrize("case", CASES)
def test_sums_in_every_case(case: str) -> None:
    rng = random.Random("sum" + case)
    for _ in range(DRAWS):
        roubles, kopecks = rng.randrange(1, 10 ** rng.randrange(1, 8)), rng.randrange(1, 100)
        whole = counted(roubles, case, "m", ROUBLES)
        assert parse_amount(whole, "ru") == 100 * roubles, whole
        both = f"{whole} {counted(kopecks, case, 'f', KOPECKS)}"
        assert parse_amount(both, "ru") == 100 * roubles + kopecks, both


@pytest.mark.parametrize("case", CASES)
def test_days_as_ordinals_in_every_case(case: str) -> None:
    rng = random.Random("day" + case)
    for _ in range(DRAWS):
        day = TODAY - timedelta(days=rng.randrange(36_000))
        number = num2words(day.day, lang="ru", to="ordinal", case=case, gender="n", animate=False)
        year = num2words(day.year, lang="ru", to="ordinal", case="g", gender="m")
        text = f"{number} {MONTHS[day.month - 1]} {year} года"
        assert parse_date(text, "ru", TODAY, with_year=True) == day, text


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_digits_singly_in_pairs_and_in_triples(language: str, size: int) -> None:
    rng = random.Random(f"digits{language}{size}")
    for _ in range(DRAWS):
        code = "".join(rng.choice("0123456789") for _ in range(6))
        groups = [code[start : start + size] for start in range(0, 6, size)]
        text = " ".join(said(group, language) for group in groups)
        found = parse_digits(text, language, 6)  # type: ignore[arg-type]
        melts = any(group.endswith("0") and group.strip("0") for group in groups[:-1])
        assert found == code or (melts and found is None), text


def said(group: str, language: str) -> str:
    rest = group.lstrip("0")
    zeros = [num2words(0, lang=language)] * (len(group) - len(rest))
    return " ".join([*zeros, *([num2words(int(rest), lang=language)] if rest else [])])


@pytest.mark.parametrize(
    ("text", "length"),
    [("сто двадцать пять", 4), ("двадцать три", 3), ("сорок два семьдесят", 6), ("тысяча сто", 6)],
)
def test_too_few_or_too_many_digits_have_no_reading(text: str, length: int) -> None:
    assert parse_digits(text, "ru", length) is None


@pytest.mark.parametrize("text", ["пятьсот или шестьсот рублей", "сто двести рублей"])
def test_two_sums_are_none(text: str) -> None:
    assert parse_amount(text, "ru") is None

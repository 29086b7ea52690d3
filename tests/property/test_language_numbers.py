"""The hearing grammar against num2words as a generator of number words; what is said is heard again."""

import random
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from ivrbot.language.numbers import Number, find_runs, read_whole
from ivrbot.language.parse import parse_amount, parse_date, parse_digits
from ivrbot.language.tokens import tokenise
from ivrbot.language.verbalise import (
    CURRENCIES,
    MAX_COUNT,
    MAX_MINOR,
    NOUNS,
    Case,
    fragments,
    say_count,
    say_date,
    say_digits,
    say_money,
    say_number,
    say_percent,
)
from ivrbot.model.speech import LANGUAGES, Language

DRAWS = 1_000
TODAY = date(2026, 11, 22)
MONTHS_RU = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()  # noqa: SIM905

languages = st.sampled_from(LANGUAGES)
birth_dates = st.dates(date(1927, 1, 1), TODAY)


def heard(text: str, language: Language) -> Number | None:
    runs = list(find_runs(tokenise(text, language), language, code=False))
    return read_whole(runs[0]) if len(runs) == 1 else None


def drawn(seed: str, most: int) -> Iterator[int]:
    """Numbers of all lengths up to `most` digits."""
    rng = random.Random(seed)
    for _ in range(DRAWS):
        yield rng.randrange(10 ** rng.randrange(1, most + 1))


@pytest.mark.parametrize("gender", ["m", "f", "n"])
@pytest.mark.parametrize("case", ["n", "g", "d", "a", "i", "p"])
def test_russian_cardinals_in_every_case(case: str, gender: str) -> None:
    for value in drawn(case + gender, 9):
        text = num2words(value, lang="ru", case=case, gender=gender, animate=False)
        number = heard(text, "ru")
        assert number is not None and number.value == value and not number.ordinal, text


@pytest.mark.parametrize("gender", ["m", "f", "n"])
@pytest.mark.parametrize("case", ["n", "g", "d", "a", "i", "p"])
def test_russian_ordinals_in_every_case(case: str, gender: str) -> None:
    for value in drawn("o" + case + gender, 4):
        if value:
            text = num2words(value, lang="ru", to="ordinal", case=case, gender=gender, animate=False)
            number = heard(text, "ru")
            assert number is not None and number.value == value and number.ordinal, text


def test_english_cardinals_and_ordinals() -> None:
    for value in drawn("en", 9):
        number = heard(num2words(value), "en")
        assert number is not None and number.value == value and not number.ordinal
    for value in drawn("en ordinals", 4):
        if value:
            number = heard(num2words(value, to="ordinal"), "en")
            assert number is not None and number.value == value and number.ordinal


@pytest.mark.parametrize(("language", "currency"), [("ru", "RUB"), ("ru", "USD"), ("en", "USD"), ("en", "EUR")])
def test_sums_of_the_generator(language: Language, currency: str) -> None:
    for minor in drawn(language + currency, 11):
        text = num2words(minor, lang=language, to="currency", currency=currency)
        assert parse_amount(text, language) == minor, text


def russian_dates(day: date) -> Iterator[str]:
    def ordinal(number: int, case: str, gender: str = "n") -> str:
        return str(num2words(number, lang="ru", to="ordinal", case=case, gender=gender))

    month = MONTHS_RU[day.month - 1]
    year = ordinal(day.year, "g", "m")
    yield f"{ordinal(day.day, 'n')} {month} {year} года"
    yield f"{ordinal(day.day, 'g')} {month} {year}"
    yield f"{ordinal(day.day, 'n')} {ordinal(day.month, 'n')} {year} года"
    yield f"{num2words(day.day, lang='ru')} {month} {num2words(day.year, lang='ru')}"
    yield f"{day.day} {month} {day.year} года"
    yield f"{day.day}-го {month} {day.year}-го"
    yield day.strftime("%d.%m.%Y")
    if day.year % 100:
        yield f"{ordinal(day.day, 'n')} {month} {ordinal(day.year % 100, 'g', 'm')} года"
        yield f"{ordinal(day.day, 'g')} {ordinal(day.month, 'g')} {ordinal(day.year % 100, 'g', 'm')}"


def english_dates(day: date) -> Iterator[str]:
    number = num2words(day.day, to="ordinal")
    yield f"{day:%B} {number} {num2words(day.year, to='year')}"
    yield f"the {number} of {day:%B} {num2words(day.year, to='year')}"
    yield f"{number} of {day:%B} {num2words(day.year)}"
    yield f"{day:%B} {day.day}, {day.year}"


def test_dates_of_the_generator() -> None:
    rng = random.Random("dates")
    for _ in range(DRAWS):
        day = TODAY - timedelta(days=rng.randrange(36_000))
        for text in russian_dates(day):
            assert parse_date(text, "ru", TODAY, with_year=True) == day, text
        for text in english_dates(day):
            assert parse_date(text, "en", TODAY, with_year=True) == day, text


def cut(code: str, rng: random.Random) -> list[str]:
    """Cut a code into groups of one to three digits."""
    pieces: list[str] = []
    while code:
        length = rng.choice((1, 1, 2, 2, 3))
        pieces.append(code[:length])
        code = code[length:]
    return pieces


def spoken(piece: str, language: Language, case: str) -> str:
    """Say leading zeros one by one and the rest as a number."""
    rest = piece.lstrip("0")
    words = [num2words(0, lang=language)] * (len(piece) - len(rest))
    if rest:
        words.append(num2words(int(rest), lang=language, **({"case": case} if language == "ru" else {})))
    return " ".join(words)


@pytest.mark.parametrize(("language", "case"), [("ru", c) for c in "ngdip"] + [("en", "n")])
def test_codes_said_in_groups(language: Language, case: str) -> None:
    """A group that ends in a round number may melt into the next one; then None, never a wrong code."""
    rng = random.Random(language + case)
    for _ in range(DRAWS):
        code = "".join(rng.choice("0123456789") for _ in range(rng.choice((4, 4, 6))))
        pieces = cut(code, rng)
        text = " ".join(spoken(piece, language, case) for piece in pieces)
        result = parse_digits(text, language, len(code))
        melts = any(piece.endswith("0") and piece.strip("0") for piece in pieces[:-1])
        if melts:
            assert result in (code, None), text
        else:
            assert result == code, text


@given(st.integers(-999_999_999, 999_999_999), languages)
def test_numbers_said_are_in_the_inventory_and_heard_again(number: int, language: Language) -> None:
    said = say_number(number, language)
    assert set(said) <= fragments(language)
    again = heard(" ".join(said), language)
    assert again is not None and again.value == abs(number)


@given(st.integers(0, MAX_MINOR), languages, st.data())
def test_money_said_is_in_the_inventory_and_heard_again(
    minor: int, language: Language, data: st.DataObject
) -> None:
    said = say_money(minor, data.draw(st.sampled_from(sorted(CURRENCIES[language]))), language)
    assert set(said) <= fragments(language)
    assert parse_amount(" ".join(said), language) == minor


@given(st.text("0123456789", min_size=1, max_size=16), languages)
def test_digits_said_are_in_the_inventory_and_heard_again(digits: str, language: Language) -> None:
    said = say_digits(digits, language)
    assert set(said) <= fragments(language)
    assert parse_digits(" ".join(said), language, len(digits)) == digits


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), languages, st.sampled_from(("nominative", "genitive")))
def test_dates_said_are_in_the_inventory_and_heard_again(day: date, language: Language, case: Case) -> None:
    said = say_date(day, language, case)
    assert set(said) <= fragments(language)
    assert parse_date(" ".join(said), language, TODAY, with_year=True) == day


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_count_is_in_the_inventory(language: Language) -> None:
    for noun in NOUNS[language]:
        for number in range(MAX_COUNT + 1):
            assert set(say_count(number, noun, language)) <= fragments(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_inventory_holds_nothing_that_is_never_said(language: Language) -> None:
    said = {*say_money(-1, "RUB", language), *say_number(1, language, "n"), *say_number(2, language, "n")}
    for number in range(MAX_COUNT + 1):
        for noun in NOUNS[language]:
            said.update(say_count(number, noun, language))
        for currency in CURRENCIES[language]:
            said.update(say_money(number * 100 + number % 100, currency, language))
            said.update(say_money(number * 1_000_000 * 100 % MAX_MINOR, currency, language))
            said.update(say_money(number * 1_000 * 100, currency, language))
    for basis_points in (*range(500), 100_000 - 1):
        said.update(say_percent(basis_points, language))
    for offset in range(73_049):
        day = date(1900, 1, 1) + timedelta(days=offset)
        if day.day < 4 or day.year in (1999, 2000):
            said.update(say_date(day, language), say_date(day, language, "genitive"))
    assert fragments(language) == said
    assert len(said) < 300


@given(st.text(max_size=60), languages)
def test_any_text_is_read_without_an_error(text: str, language: Language) -> None:
    assert (parse_digits(text, language, 4) or "0000").isdigit()
    assert (parse_amount(text, language) or 0) >= 0
    assert isinstance(parse_date(text, language, TODAY) or TODAY, date)

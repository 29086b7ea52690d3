"""Values -> fragments: gender, number and case in hand-checked examples."""

from datetime import date

import pytest

from ivrbot.language.verbalise import fragments, say_count, say_date, say_digits, say_money, say_number
from ivrbot.model.speech import Language


def joined(said: tuple[str, ...]) -> str:
    return " ".join(said)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1_234_567, "RUB", "двенадцать тысяч триста сорок пять рублей шестьдесят семь копеек"),
        (0, "RUB", "ноль рублей"),
        (1, "RUB", "одна копейка"),
        (2, "RUB", "две копейки"),
        (100, "RUB", "один рубль"),
        (2_121, "RUB", "двадцать один рубль двадцать одна копейка"),
        (1_112, "RUB", "одиннадцать рублей двенадцать копеек"),
        (100_000, "RUB", "одна тысяча рублей"),
        (2_200_200, "RUB", "двадцать две тысячи два рубля"),
        (100_100_100, "RUB", "один миллион одна тысяча один рубль"),
        (
            99_999_999_999,
            "RUB",
            "девятьсот девяносто девять миллионов девятьсот девяносто девять тысяч "
            "девятьсот девяносто девять рублей девяносто девять копеек",
        ),
        (-500, "RUB", "минус пять рублей"),
        (302, "USD", "три доллара два цента"),
        (100, "EUR", "один евро"),
    ],
)
def test_russian_money(minor: int, currency: str, text: str) -> None:
    assert joined(say_money(minor, currency, "ru")) == text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1_234_567, "RUB", "twelve thousand three hundred forty five roubles sixty seven kopecks"),
        (101, "USD", "one dollar one cent"),
        (2_100, "RUB", "twenty one roubles"),
        (100_000_000, "RUB", "one million roubles"),
        (-50, "USD", "minus fifty cents"),
    ],
)
def test_english_money(minor: int, currency: str, text: str) -> None:
    assert joined(say_money(minor, currency, "en")) == text


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "card", "одна карта"),
        (2, "card", "две карты"),
        (5, "card", "пять карт"),
        (11, "day", "одиннадцать дней"),
        (21, "day", "двадцать один день"),
        (102, "operation", "сто две операции"),
        (4, "year", "четыре года"),
        (0, "attempt", "ноль попыток"),
        (112, "minute", "сто двенадцать минут"),
    ],
)
def test_russian_counts(number: int, noun: str, text: str) -> None:
    assert joined(say_count(number, noun, "ru")) == text


def test_english_counts() -> None:
    assert joined(say_count(1, "day", "en")) == "one day"
    assert joined(say_count(21, "card", "en")) == "twenty one cards"
    assert joined(say_count(2, "person", "en")) == "two people"


def test_dates() -> None:
    assert joined(say_date(date(2026, 3, 5), "ru")) == "пятое марта две тысячи двадцать шестого года"
    assert joined(say_date(date(2026, 3, 5), "ru", "genitive")) == "пятого марта две тысячи двадцать шестого года"
    assert joined(say_date(date(2026, 8, 4), "ru", "genitive", with_year=False)) == "четвёртого августа"
    assert joined(say_date(date(2000, 12, 31), "ru")) == "тридцать первое декабря двухтысячного года"
    assert joined(say_date(date(1900, 1, 1), "ru")) == "первое января тысяча девятисотого года"
    assert joined(say_date(date(2011, 1, 1), "ru")) == "первое января две тысячи одиннадцатого года"
    assert joined(say_date(date(2026, 3, 5), "en")) == "March fifth twenty twenty six"
    assert joined(say_date(date(2005, 3, 21), "en")) == "March twenty first two thousand five"
    assert joined(say_date(date(1905, 3, 30), "en")) == "March thirtieth nineteen oh five"


def test_digits_keep_leading_zeros() -> None:
    assert say_digits("0472", "ru") == ("ноль", "четыре", "семь", "два")
    assert say_digits("0472", "en") == ("zero", "four", "seven", "two")


@pytest.mark.parametrize("digits", ["", "42 71", "4a", "٤٢"])
def test_only_digits_are_said_as_digits(digits: str) -> None:
    with pytest.raises(ValueError, match="0-9"):
        say_digits(digits, "ru")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_what_has_no_fragments_is_refused(language: Language) -> None:
    with pytest.raises(ValueError, match="XXX"):
        say_money(1, "XXX", language)
    with pytest.raises(ValueError, match="beyond"):
        say_money(10**11, "RUB", language)
    with pytest.raises(ValueError, match="beyond"):
        say_number(-(10**9), language)
    with pytest.raises(ValueError, match="cannot count"):
        say_count(1_000, "day", language)
    with pytest.raises(ValueError, match="cannot count"):
        say_count(1, "spoon", language)
    with pytest.raises(ValueError, match="1899"):
        say_date(date(1899, 12, 31), language)


def test_the_inventory_is_small() -> None:
    assert len(fragments("ru")) < 200
    assert len(fragments("en")) < 120

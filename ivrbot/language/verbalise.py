"""Values -> fragments to be said: digits, money, counts, dates, in the right gender, number and case.

Takes values, gives tuples of fragment texts out of a closed inventory (`fragments`), which the prompt store
renders beforehand. Hundreds, tens and units are fragments of their own, so that a few hundred cover everything;
"ё" is written, since voices need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from num2words import num2words

from ivrbot.language.lexicon import listed
from ivrbot.model.speech import Language

Case = Literal["nominative", "genitive"]
Gender = Literal["m", "f", "n"]

MAX_MINOR = 99_999_999_999  # 999 999 999.99
MAX_COUNT = 999
MAX_BASIS_POINTS = 100_000
FIRST_YEAR = 1900
LAST_YEAR = 2099


@dataclass(frozen=True, slots=True)
class Noun:
    """Forms of a counted noun.

    Attributes:
        one: nominative singular ("день", "day").
        few: genitive singular, after 2-4 ("дня"); the plural in English.
        many: genitive plural ("дней"); the plural in English.
        gender: of the noun; English has only "m".
    """

    one: str
    few: str
    many: str
    gender: Gender = "m"

    def form(self, number: int, language: Language) -> str:
        """Give the form that goes with a number."""
        if language == "en":
            return self.one if number == 1 else self.many
        tens, units = number % 100, number % 10
        if 11 <= tens <= 14:
            return self.many
        return self.one if units == 1 else self.few if 2 <= units <= 4 else self.many


def _noun(one: str, many: str) -> Noun:
    return Noun(one, many, many)


NOUNS: dict[Language, dict[str, Noun]] = {
    "ru": {
        "card": Noun("карта", "карты", "карт", "f"),
        "day": Noun("день", "дня", "дней"),
        "month": Noun("месяц", "месяца", "месяцев"),
        "year": Noun("год", "года", "лет"),
        "hour": Noun("час", "часа", "часов"),
        "minute": Noun("минута", "минуты", "минут", "f"),
        "second": Noun("секунда", "секунды", "секунд", "f"),
        "operation": Noun("операция", "операции", "операций", "f"),
        "attempt": Noun("попытка", "попытки", "попыток", "f"),
        "digit": Noun("цифра", "цифры", "цифр", "f"),
        "person": Noun("человек", "человека", "человек"),
        "percent": Noun("процент", "процента", "процентов"),
        "account": Noun("счёт", "счёта", "счетов"),
    },
    "en": {
        "card": _noun("card", "cards"),
        "day": _noun("day", "days"),
        "month": _noun("month", "months"),
        "year": _noun("year", "years"),
        "hour": _noun("hour", "hours"),
        "minute": _noun("minute", "minutes"),
        "second": _noun("second", "seconds"),
        "operation": _noun("operation", "operations"),
        "attempt": _noun("attempt", "attempts"),
        "digit": _noun("digit", "digits"),
        "person": _noun("person", "people"),
        "percent": _noun("percent", "percent"),
        "account": _noun("account", "accounts"),
    },
}
# Major and minor unit of each currency (ISO 4217).
CURRENCIES: dict[Language, dict[str, tuple[Noun, Noun]]] = {
    "ru": {
        "RUB": (Noun("рубль", "рубля", "рублей"), Noun("копейка", "копейки", "копеек", "f")),
        "USD": (Noun("доллар", "доллара", "долларов"), Noun("цент", "цента", "центов")),
        "EUR": (Noun("евро", "евро", "евро"), Noun("цент", "цента", "центов")),
    },
    "en": {
        "RUB": (_noun("rouble", "roubles"), _noun("kopeck", "kopecks")),
        "USD": (_noun("dollar", "dollars"), _noun("cent", "cents")),
        "EUR": (_noun("euro", "euros"), _noun("cent", "cents")),
    },
}
_SCALES: dict[Language, tuple[tuple[int, Noun], ...]] = {
    "ru": (
        (1_000_000, Noun("миллион", "миллиона", "миллионов")),
        (1_000, Noun("тысяча", "тысячи", "тысяч", "f")),
    ),
    "en": (
        (1_000_000, Noun("million", "million", "million")),
        (1_000, Noun("thousand", "thousand", "thousand")),
    ),
}
_MINUS: dict[Language, str] = {"ru": "минус", "en": "minus"}
_MONTHS: dict[Language, tuple[str, ...]] = {
    "ru": tuple(listed("января февраля марта апреля мая июня июля августа сентября октября ноября декабря")),
    "en": tuple(listed("January February March April May June July August September October November December")),
}
_YEAR_WORD_RU = "года"
_WHOLE_RU = Noun("целая", "целых", "целых", "f")
_TENTH_RU = Noun("десятая", "десятых", "десятых", "f")
_HUNDREDTH_RU = Noun("сотая", "сотых", "сотых", "f")
_POINT_EN = "point"


@lru_cache(maxsize=4096)
def _word(number: int, language: Language, gender: Gender = "m") -> str:
    """Name a number that is one fragment (0-20, tens, hundreds)."""
    if language == "en":
        return str(num2words(number, lang="en"))
    return str(num2words(number, lang="ru", case="n", gender=gender))


@lru_cache(maxsize=4096)
def _ordinal(number: int, language: Language, case: Case) -> str:
    """Name an ordinal that is one fragment: Russian neuter ("пятое", "пятого"), English plain."""
    if language == "en":
        return str(num2words(number, lang="en", to="ordinal"))
    said = num2words(number, lang="ru", to="ordinal", case="n" if case == "nominative" else "g", gender="n")
    return str(said)


def _parts(number: int) -> tuple[int, ...]:
    """Split 1-999 into what is said apart: hundreds, then 1-19 or tens and units."""
    hundreds, rest = number // 100 * 100, number % 100
    low = (rest,) if rest < 20 else (rest // 10 * 10, rest % 10)
    return tuple(part for part in (hundreds, *low) if part)


def _group(number: int, language: Language, gender: Gender) -> tuple[str, ...]:
    said: list[str] = []
    for part in _parts(number):
        if language == "en" and part >= 100:
            said += [_word(part // 100, language), "hundred"]
        else:
            said.append(_word(part, language, gender if part < 3 else "m"))
    return tuple(said)


def say_number(number: int, language: Language, gender: Gender = "m") -> tuple[str, ...]:
    """Say a whole number from -999 999 999 to 999 999 999 in the nominative.

    Raises:
        ValueError: the number is out of range.
    """
    if abs(number) > MAX_MINOR // 100:
        raise ValueError(f"cannot say numbers beyond 999 999 999: {number}")
    if number == 0:
        return (_word(0, language),)
    said: list[str] = [_MINUS[language]] if number < 0 else []
    rest = abs(number)
    for scale, noun in _SCALES[language]:
        count, rest = divmod(rest, scale)
        if count:
            said += [*_group(count, language, noun.gender), noun.form(count, language)]
    return (*said, *_group(rest, language, gender))


def say_digits(digits: str, language: Language) -> tuple[str, ...]:
    """Say a code digit by digit ("0472" gives four fragments).

    Raises:
        ValueError: something other than 0-9 stands in it.
    """
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("only the digits 0-9 can be said")
    return tuple(_word(int(digit), language) for digit in digits)


def say_money(amount_minor: int, currency: str, language: Language) -> tuple[str, ...]:
    """Say a sum of money; kopecks or cents only when there are any.

    Args:
        amount_minor: kopecks or cents, up to 99 999 999 999 either way.
        currency: ISO 4217 code out of `CURRENCIES`.
        language: to be spoken.

    Returns:
        Fragments ("двенадцать", "тысяч", "рублей", "пять", "копеек").

    Raises:
        ValueError: unknown currency or sum out of range.
    """
    if currency not in CURRENCIES[language]:
        raise ValueError(f"no forms for currency {currency}; there are {', '.join(CURRENCIES[language])}")
    major_noun, minor_noun = CURRENCIES[language][currency]
    major, minor = divmod(abs(amount_minor), 100)
    said: list[str] = [_MINUS[language]] if amount_minor < 0 else []
    if major or not minor:
        said += [*say_number(major, language, major_noun.gender), major_noun.form(major, language)]
    if minor:
        said += [*say_number(minor, language, minor_noun.gender), minor_noun.form(minor, language)]
    return tuple(said)


def say_count(number: int, noun_key: str, language: Language) -> tuple[str, ...]:
    """Say how many of something ("две", "карты").

    Args:
        number: 0 to 999.
        noun_key: key of `NOUNS`.
        language: to be spoken.

    Raises:
        ValueError: unknown noun or number out of range.
    """
    noun = NOUNS[language].get(noun_key)
    if noun is None or not 0 <= number <= MAX_COUNT:
        raise ValueError(f"cannot count {number} of {noun_key!r}")
    return (*say_number(number, language, noun.gender), noun.form(number, language))


def say_percent(basis_points: int, language: Language) -> tuple[str, ...]:
    """Say a rate: "пятнадцать", "целых", "пять", "десятых", "процента"; "fifteen", "point", "five", "percent".

    Args:
        basis_points: hundredths of a percent, 0 to 99 999.
        language: to be spoken.

    Raises:
        ValueError: out of range.
    """
    if not 0 <= basis_points < MAX_BASIS_POINTS:
        raise ValueError(f"cannot say the rate {basis_points}")
    whole, part = divmod(basis_points, 100)
    noun = NOUNS[language]["percent"]
    if not part:
        return (*say_number(whole, language, noun.gender), noun.form(whole, language))
    if language == "en":
        figures = f"{part:02d}".rstrip("0")
        return (*say_number(whole, "en"), _POINT_EN, *say_digits(figures, "en"), noun.many)
    of, share = (_TENTH_RU, part // 10) if part % 10 == 0 else (_HUNDREDTH_RU, part)
    wholes = (*say_number(whole, "ru", "f"), _WHOLE_RU.form(whole, "ru"))
    return (*wholes, *say_number(share, "ru", "f"), of.form(share, "ru"), noun.few)


def _year_ru(year: int) -> tuple[str, ...]:
    """Say a year as a Russian ordinal in the genitive ("две", "тысячи", "двадцать", "шестого")."""
    parts = _parts(year % 1_000)
    if not parts:  # 2000: one word
        return (_ordinal(year, "ru", "genitive"),)
    thousands = ("тысяча",) if year < 2_000 else ("две", "тысячи")
    return (*thousands, *(_word(part, "ru") for part in parts[:-1]), _ordinal(parts[-1], "ru", "genitive"))


def _year_en(year: int) -> tuple[str, ...]:
    """Say a year in English pairs ("nineteen", "eighty", "nine"; "two", "thousand", "five")."""
    century, rest = divmod(year, 100)
    if 2_000 <= year < 2_010:
        return say_number(year, "en")
    head = say_number(century, "en")
    if rest == 0:
        return (*head, "hundred")
    return (*head, *(("oh",) if rest < 10 else ()), *say_number(rest, "en"))


def say_date(
    day: date, language: Language, case: Case = "nominative", *, with_year: bool = True
) -> tuple[str, ...]:
    """Say a date.

    Args:
        day: 1900-01-01 to 2099-12-31.
        language: to be spoken.
        case: of the day in Russian: nominative "пятое марта", genitive "(до) пятого марта"; English has one form.
        with_year: whether the year is said.

    Returns:
        Fragments: ("пятое", "марта", "две", "тысячи", "двадцать", "шестого", "года") or
        ("March", "fifth", "twenty", "twenty", "six").

    Raises:
        ValueError: the year is out of range.
    """
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"cannot say the year {day.year}")
    month = _MONTHS[language][day.month - 1]
    parts = _parts(day.day)
    number = (*(_word(part, language) for part in parts[:-1]), _ordinal(parts[-1], language, case))
    if language == "en":
        return (month, *number, *(_year_en(day.year) if with_year else ()))
    return (*number, month, *((*_year_ru(day.year), _YEAR_WORD_RU) if with_year else ()))


def _noun_forms(nouns: Iterable[Noun]) -> set[str]:
    return {form for noun in nouns for form in (noun.one, noun.few, noun.many)}


def _number_fragments(language: Language) -> set[str]:
    whole = {_word(number, language) for number in (*range(20), *range(20, 100, 10))}
    if language == "en":
        return whole | {"hundred", "oh"}
    genders: tuple[Gender, ...] = ("f", "n")
    gendered = {_word(number, language, gender) for number in (1, 2) for gender in genders}
    return whole | gendered | {_word(number, language) for number in range(100, 1_000, 100)}


def _date_fragments(language: Language) -> set[str]:
    if language == "en":
        return set(_MONTHS["en"]) | {_ordinal(number, "en", "nominative") for number in (*range(1, 20), 20, 30)}
    days = {_ordinal(n, "ru", "nominative") for n in (*range(1, 20), 20, 30)}
    years = {_ordinal(n, "ru", "genitive") for n in (*range(1, 20), *range(20, 100, 10), 900, 2_000)}
    return days | years | set(_MONTHS["ru"]) | {_YEAR_WORD_RU}


@lru_cache(maxsize=2)
def fragments(language: Language) -> frozenset[str]:
    """Give the closed inventory: every fragment that the functions here can ever return in a language."""
    currencies = [noun for pair in CURRENCIES[language].values() for noun in pair]
    scales = [noun for _, noun in _SCALES[language]]
    return frozenset(
        _noun_forms([*currencies, *scales, *NOUNS[language].values()])
        | _number_fragments(language)
        | _date_fragments(language)
        | (_noun_forms([_WHOLE_RU, _TENTH_RU, _HUNDREDTH_RU]) if language == "ru" else {_POINT_EN})
        | {_MINUS[language]}
    )

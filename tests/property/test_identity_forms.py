"""Births, last four digits and names in every way that callers say them: 1,000 drawn of each kind.

Numbers come from num2words, the declension of names from tables here. A wrong reading is never given; what has
none is asked again. The floors are what was measured, see docs/explanation/authentication.md.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from itertools import permutations

import pytest
from num2words import num2words

from ivrbot.identity.facts import name_canonical, readings
from ivrbot.model.bank import Fact
from ivrbot.model.speech import Language

DRAWS = 1_000
TODAY = date(2026, 11, 22)
MONTHS_RU = "января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split()  # noqa: SIM905
MONTHS_EN = "January February March April May June July August September October November December".split()  # noqa: SIM905


def said_ru(number: int, case: str = "g", gender: str = "m") -> str:
    return str(num2words(number, lang="ru", to="ordinal", case=case, gender=gender))


def birth_ru(born: date, rng: random.Random) -> str:
    day, month, year = born.day, born.month, born.year
    short = year % 100
    zero = "ноль " if rng.random() < 0.5 else ""
    days = [said_ru(day), said_ru(day, "n", "n"), num2words(day, lang="ru")]
    months = [MONTHS_RU[month - 1], said_ru(month), said_ru(month, "n", "n"), num2words(month, lang="ru")]
    if day < 10:
        days[2] = zero + days[2]
    if month < 10:
        months[3] = zero + months[3]
    years = [said_ru(year), num2words(year, lang="ru")]
    if short >= 10:
        years += [said_ru(short), num2words(short, lang="ru")]
    elif short > 0:
        years += [f"ноль {said_ru(short)}", f"ноль {num2words(short, lang='ru')}"]
    words = f"{rng.choice(days)} {rng.choice(months)} {rng.choice(years)}"
    figures = rng.choice(
        [f"{born:%d.%m.%Y}", f"{born:%d.%m.%y}", f"{day} {MONTHS_RU[month - 1]} {year}", f"{born:%d%m%Y}"]
    )
    text = words if rng.random() < 0.8 else figures
    frame = rng.choice(["{}", "{} года", "дата рождения {}", "я родилась {}", "э, {}", "родился {} года"])
    return frame.format(text)


def birth_en(born: date, rng: random.Random) -> str:
    day, month, year = born.day, MONTHS_EN[born.month - 1], born.year
    ordinal = num2words(day, to="ordinal")
    years = [num2words(year, to="year"), str(year), num2words(year)]
    if year % 100 >= 10:
        years.append(num2words(year % 100))
    said = rng.choice(years)
    forms = [f"{month} {ordinal} {said}", f"the {ordinal} of {month} {said}", f"{ordinal} {month} {said}"]
    forms += [
        f"{day} {month} {year}",
        f"{month} {day}, {year}",
        f"{month} {num2words(day)} {said}",
        f"{born:%d.%m.%Y}",
    ]
    return rng.choice(["{}", "born on {}", "my date of birth is {}", "um, {}"]).format(rng.choice(forms))


DOUBLES_RU = {"0": "два нуля", "1": "две единицы", "2": "две двойки", "3": "две тройки", "4": "две четвёрки"}
DOUBLES_RU |= {
    "5": "две пятёрки",
    "6": "две шестёрки",
    "7": "две семёрки",
    "8": "две восьмёрки",
    "9": "две девятки",
}


def pair(digits: str, language: Language, rng: random.Random) -> str:
    if digits[0] == digits[1] and rng.random() < 0.5:
        return DOUBLES_RU[digits[0]] if language == "ru" else f"double {num2words(int(digits[0]))}"
    if digits[0] == "0":
        return f"{num2words(0, lang=language)} {num2words(int(digits[1]), lang=language)}"
    return str(num2words(int(digits), lang=language))


def four(digits: str, language: Language, rng: random.Random) -> str:
    singly = " ".join(num2words(int(digit), lang=language) for digit in digits)
    forms = [singly, f"{pair(digits[:2], language, rng)} {pair(digits[2:], language, rng)}", digits]
    forms += [f"{digits[:2]} {digits[2:]}", "-".join((digits[:2], digits[2:])), " ".join(digits)]
    if digits[0] != "0":
        forms.append(num2words(int(digits), lang=language))
    return rng.choice(forms)


def last_four(digits: str, language: Language, rng: random.Random) -> str:
    frames = {
        "ru": [
            "{}",
            "карта {}",
            "заканчивается на {}",
            "последние цифры {}",
            "последние четыре цифры {}",
            "ну {}",
        ],
        "en": ["{}", "card {}", "it ends in {}", "the last four digits are {}", "um {}"],
    }
    text = four(digits, language, rng)
    if rng.random() < 0.15:
        slip = f"{rng.randrange(10_000):04d}"
        link = {"ru": ["нет", "ой нет", "то есть", "нет, не так,"], "en": ["no", "sorry", "I mean"]}[language]
        text = f"{four(slip, language, rng)} {rng.choice(link)} {text}"
    return rng.choice(frames[language]).format(text)


@pytest.mark.parametrize(
    ("language", "say", "floor"), [("ru", birth_ru, 0.985), ("en", birth_en, 0.99)], ids=["ru", "en"]
)
def test_births(language: Language, say: Callable[[date, random.Random], str], floor: float) -> None:
    rng = random.Random("births" + language)
    none, wrong = [], []
    for _ in range(DRAWS):
        born = date(1930, 1, 1) + timedelta(days=rng.randrange(28_500))
        text = say(born, rng)
        found = readings(Fact.DATE_OF_BIRTH, [text], False, language, TODAY)
        if not found:
            none.append(text)
        elif found != (born.isoformat(),):
            wrong.append((text, found))
    assert not wrong
    assert 1 - len(none) / DRAWS >= floor, (len(none), none[:40])


@pytest.mark.parametrize(("language", "floor"), [("ru", 1.0), ("en", 1.0)])
def test_last_four_digits(language: Language, floor: float) -> None:
    rng = random.Random("last four" + language)
    none, wrong = [], []
    for _ in range(DRAWS):
        digits = f"{rng.randrange(10_000):04d}"
        text = last_four(digits, language, rng)
        found = readings(Fact.LAST_FOUR, [text], False, language, TODAY)
        if not found:
            none.append(text)
        elif found != (digits,):
            wrong.append((text, found))
    assert not wrong
    assert 1 - len(none) / DRAWS >= floor, (len(none), none[:40])


# --- names ------------------------------------------------------------------------------------------------

CASES = "nominative genitive dative accusative instrumental".split()  # noqa: SIM905
FIRST = {
    "m": [
        "Пётр Петра Петру Петра Петром",
        "Иван Ивана Ивану Ивана Иваном",
        "Андрей Андрея Андрею Андрея Андреем",
        "Дмитрий Дмитрия Дмитрию Дмитрия Дмитрием",
        "Игорь Игоря Игорю Игоря Игорем",
        "Илья Ильи Илье Илью Ильёй",
        "Никита Никиты Никите Никиту Никитой",
        "Павел Павла Павлу Павла Павлом",
        "Лев Льва Льву Льва Львом",
        "Александр Александра Александру Александра Александром",
    ],
    "f": [
        "Анна Анны Анне Анну Анной",
        "Мария Марии Марии Марию Марией",
        "Ольга Ольги Ольге Ольгу Ольгой",
        "Наталья Натальи Наталье Наталью Натальей",
        "Любовь Любови Любови Любовь Любовью",
        "Александра Александры Александре Александру Александрой",
        "Ксения Ксении Ксении Ксению Ксенией",
        "Дарья Дарьи Дарье Дарью Дарьей",
    ],
}
PATRONYMIC = {
    "m": ["Ильич Ильича Ильичу Ильича Ильичом", "Сергеевич Сергеевича Сергеевичу Сергеевича Сергеевичем"],
    "f": [
        "Сергеевна Сергеевны Сергеевне Сергеевну Сергеевной",
        "Ильинична Ильиничны Ильиничне Ильиничну Ильиничной",
    ],
}
SURNAME = {
    "m": [
        "Орлов Орлова Орлову Орлова Орловым",
        "Соколов Соколова Соколову Соколова Соколовым",
        "Никитин Никитина Никитину Никитина Никитиным",
        "Достоевский Достоевского Достоевскому Достоевского Достоевским",
        "Толстой Толстого Толстому Толстого Толстым",
        "Белый Белого Белому Белого Белым",
        "Ким Кима Киму Кима Кимом",
        "Шевченко Шевченко Шевченко Шевченко Шевченко",
        "Мельник Мельника Мельнику Мельника Мельником",
        "Гоголь Гоголя Гоголю Гоголя Гоголем",
    ],
    "f": [
        "Орлова Орловой Орловой Орлову Орловой",
        "Соколова Соколовой Соколовой Соколову Соколовой",
        "Никитина Никитиной Никитиной Никитину Никитиной",
        "Достоевская Достоевской Достоевской Достоевскую Достоевской",
        "Толстая Толстой Толстой Толстую Толстой",
        "Ким Ким Ким Ким Ким",
        "Шевченко Шевченко Шевченко Шевченко Шевченко",
    ],
}
FRAMES = ["{}", "меня зовут {}", "я {}", "на имя {}", "э, {}", "это {}", "карта на имя {}"]
# What recognisers lose of names.
NOISE = [("ий", "и"), ("Ё", "Е"), ("ё", "е"), ("нн", "н"), ("дм", "тм"), ("с", "с"), ("о", "а")]


def person(rng: random.Random) -> tuple[str, list[list[str]]]:
    """Gender and the three declined parts: first name, patronymic, surname."""
    gender = rng.choice("mf")
    return gender, [rng.choice(table[gender]).split() for table in (FIRST, PATRONYMIC, SURNAME)]


def full_name(parts: list[list[str]], rng: random.Random) -> str:
    case = rng.choice([0, 0, 0, 1, 2, 3, 4])
    first, patronymic, surname = (part[case] for part in parts)
    order = rng.choice([*permutations((first, patronymic, surname)), (first, surname), (surname, first)])
    text = " ".join(order)
    if rng.random() < 0.3:
        text = text.replace(*rng.choice(NOISE))
    return rng.choice(FRAMES).format(text.lower() if rng.random() < 0.5 else text)


def test_full_names() -> None:
    rng = random.Random("names")
    missed = []
    for _ in range(DRAWS):
        _, parts = person(rng)
        first, patronymic, surname = (part[0] for part in parts)
        stored = {name_canonical((first, patronymic, surname), "ru"), name_canonical((first, surname), "ru")}
        text = full_name(parts, rng)
        if not stored & set(readings(Fact.FULL_NAME, [text], False, "ru", TODAY)):
            missed.append((first, patronymic, surname, text))
    assert 1 - len(missed) / DRAWS >= 0.999, (len(missed), missed[:40])


def test_other_peoples_names_are_not_accepted() -> None:
    rng = random.Random("others")
    taken = 0
    for _ in range(DRAWS):
        (_, owner), (_, other) = person(rng), person(rng)
        first, patronymic, surname = (part[0] for part in owner)
        if {first[:3], surname[:3]} & {other[0][0][:3], other[2][0][:3]}:
            continue
        stored = {name_canonical((first, patronymic, surname), "ru"), name_canonical((first, surname), "ru")}
        taken += bool(stored & set(readings(Fact.FULL_NAME, [full_name(other, rng)], False, "ru", TODAY)))
    assert taken == 0

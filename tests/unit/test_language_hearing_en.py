"""Clumsy spoken English -> values."""

from datetime import date

import pytest

from ivrbot.language.parse import (
    Universal,
    has_negation,
    parse_amount,
    parse_date,
    parse_digits,
    parse_phone,
    parse_yes_no,
    universal,
)

TODAY = date(2026, 11, 22)  # a Sunday


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Four, two, seven, one.", "4271"),
        ("uh forty two seventy one", "4271"),
        ("forty-two seventy-one", "4271"),
        ("four thousand two hundred and seventy one", "4271"),
        ("four two seventy one", "4271"),
        ("it ends in 42 71", "4271"),
        ("42-71", "4271"),
        ("4,271", "4271"),
        ("oh four seven two", "0472"),
        ("zero four seventy two", "0472"),
        ("double oh four two", "0042"),
        ("triple zero five", "0005"),
        ("three zeros and a five", "0005"),
        ("double four seventy one", "4471"),
        ("forty two hundred", "4200"),
        ("forty two double zero", "4200"),
        ("four oh oh two", "4002"),
        ("twenty oh five", "2005"),
        ("two thousand and five", "2005"),
        ("three sevens and then two", "7772"),
        ("the salary one, 4271", "4271"),
        ("the last four digits are four two seven one", "4271"),
        ("last four four two seven one", "4271"),
        ("four two seven... no, four two eight one", "4281"),
        ("4271, sorry, 4281", "4281"),
        ("not 4271 but 4281", "4281"),
        ("4271, that's 4271", "4271"),
        ("no, 4271", "4271"),
    ],
)
def test_four_digits_are_heard(text: str, code: str) -> None:
    assert parse_digits(text, "en", 4) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "my card",
        "four two seven",
        "four two seven one five",
        "4271 or 4281",
        "4271, no, 81",
        "4271 no",
        "not 4271",
    ],
)
def test_unclear_four_digits_are_none(text: str) -> None:
    assert parse_digits(text, "en", 4) is None


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("twelve thousand, three hundred and forty-five roubles and sixty seven kopecks", 1_234_567),
        ("5,000", 500_000),
        ("five grand", 500_000),
        ("5k", 500_000),
        ("a hundred and fifty", 15_000),
        ("a thousand rubles", 100_000),
        ("two and a half thousand", 250_000),
        ("one and a half million roubles", 150_000_000),
        ("1.5 million", 150_000_000),
        ("twenty five hundred rubles", 250_000),
        ("$5.50", 550),
        ("12,345.67", 1_234_567),
        ("fifty kopecks", 50),
        ("on March 5 they took three thousand roubles", 300_000),
        ("seven thousand for three days", 700_000),
        ("five thousand, no, six thousand", 600_000),
        ("about two hundred roubles", 20_000),
    ],
)
def test_sums_are_heard(text: str, minor: int) -> None:
    assert parse_amount(text, "en") == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a lot",
        "twenty thirty thousand",
        "one hundred or two hundred",
        "for three days",
        "the other one please",
    ],
)
def test_unclear_sums_are_none(text: str) -> None:
    assert parse_amount(text, "en") is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("March fifth nineteen eighty nine", date(1989, 3, 5)),
        ("5th of March 1989", date(1989, 3, 5)),
        ("the fifth of march, nineteen eighty-nine", date(1989, 3, 5)),
        ("March 5, 1989", date(1989, 3, 5)),
        ("I was born on 5 March 89", date(1989, 3, 5)),
        ("march five eighty nine", date(1989, 3, 5)),
        ("05.03.1989", date(1989, 3, 5)),
        ("15/03/1989", date(1989, 3, 15)),
        ("03/15/1989", date(1989, 3, 15)),
        ("1989-03-05", date(1989, 3, 5)),
        ("december twenty fifth twenty oh five", date(2005, 12, 25)),
        ("may the first two thousand and one", date(2001, 5, 1)),
        ("nineteen ninety five june the second", date(1995, 6, 2)),
        ("03/05/1989", None),
        ("february thirtieth nineteen ninety", None),
        ("march fifth", None),
    ],
)
def test_birth_dates_are_heard(text: str, day: date | None) -> None:
    assert parse_date(text, "en", TODAY, with_year=True) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("yesterday", date(2026, 11, 21)),
        ("the day before yesterday", date(2026, 11, 20)),
        ("three days ago", date(2026, 11, 19)),
        ("a week ago", date(2026, 11, 15)),
        ("on Monday", date(2026, 11, 16)),
        ("march fifth", date(2026, 3, 5)),
        ("on the 30th of november", date(2025, 11, 30)),
        ("may i block my card", None),
        ("in march", None),
    ],
)
def test_days_of_operations_are_heard(text: str, day: date | None) -> None:
    assert parse_date(text, "en", TODAY) == day


@pytest.mark.parametrize(
    "text",
    [
        "plus seven nine one six one two three four five six seven",
        "eight nine sixteen one twenty three forty five sixty seven",
        "my number is 8 (916) 123-45-67",
    ],
)
def test_telephone_numbers_are_heard(text: str) -> None:
    assert parse_phone(text, "en") == "+79161234567"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", True),
        ("Yes, please.", True),
        ("yeah go ahead", True),
        ("uh huh", True),
        ("that's right", True),
        ("of course", True),
        ("no problem", True),
        ("sure, why not", True),
        ("no", False),
        ("nope", False),
        ("no, another one", False),
        ("that's not right", False),
        ("not that one", False),
        ("absolutely not", False),
        ("don't do it", False),
        ("yes no", None),
        ("no, that's right", None),
        ("i don't know", None),
        ("maybe", None),
        ("i have no card", None),
        ("my card is green", None),
        ("", None),
    ],
)
def test_yes_and_no(text: str, answer: bool | None) -> None:
    assert parse_yes_no(text, "en") is answer


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("operator", Universal.OPERATOR),
        ("I want to speak to a human please", Universal.OPERATOR),
        ("let me talk to a real person", Universal.OPERATOR),
        ("I don't want to talk to a robot", Universal.OPERATOR),
        ("say that again", Universal.REPEAT),
        ("sorry, could you repeat that please", Universal.REPEAT),
        ("pardon?", Universal.REPEAT),
        ("hold on a second", Universal.WAIT),
        ("wait", Universal.WAIT),
        ("go back", Universal.BACK),
        ("cancel", Universal.CANCEL),
        ("never mind", Universal.CANCEL),
        ("help me please", Universal.HELP),
        ("what can I say", Universal.HELP),
        ("cancel the payment", None),
        ("i don't need an operator", None),
        ("i want my money back", None),
        ("no", None),
        ("thank you", None),
        ("", None),
    ],
)
def test_universal_commands(text: str, command: Universal | None) -> None:
    assert universal(text, "en") is command


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("don't block", True),
        ("please do not block my card", True),
        ("I don't want you to block my card", True),
        ("there is no need to block it", True),
        ("never block my card", True),
        ("block my card", False),
        ("I can't block my card", False),
        ("why don't you block it", False),
        ("no, block the card", False),
        ("don't forget to block it", False),
        ("i did not find it so block the card", False),
    ],
)
def test_negated_verbs(text: str, negated: bool) -> None:
    assert has_negation(text, "en", ("block",)) is negated

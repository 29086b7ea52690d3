"""The condition language: what it means, what it refuses, and that evaluation cannot fail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.dialogue.conditions import MAX_TOKENS, ConditionError, parse_condition, parse_value
from ivrbot.model.dialogue import Value

SLOTS: dict[str, Value] = {"card": "4271", "amount": 1000, "yes": True, "no": False, "empty": None, "list": ("a",)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("slots.yes", True),
        ("slots.no", False),
        ("slots.never_set", False),
        ("not slots.no", True),
        ("not not slots.no", False),
        ("slots.empty is null", True),
        ("slots.never_set is null", True),
        ("slots.card is null", False),
        ("slots.card is not null", True),
        ("slots.no is not null", True),
        ('slots.card = "4271"', True),
        ("slots.card = '9030'", False),
        ("slots.card != '9030'", True),
        ("slots.amount = 1000", True),
        ("slots.amount >= 1000", True),
        ("slots.amount > 1000", False),
        ("slots.amount < -5", False),
        ("slots.amount <= 1000", True),
        ("slots.card > 5", False),
        ("slots.empty < 5", False),
        ("slots.yes = true", True),
        ("slots.empty = null", True),
        ("slots.no or slots.yes and slots.no", False),
        ("(slots.no or slots.yes) and slots.yes", True),
        ("not (slots.yes and slots.no)", True),
        ("not slots.yes or slots.yes", True),
        ('slots.card = "or"', False),
        ("  slots.yes  ", True),
        ("slots.yes=true", True),
    ],
)
def test_meaning(text: str, expected: bool) -> None:
    assert parse_condition(text).holds(SLOTS) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("card", "'card' is not a value"),
        ("slots.", "is not a value"),
        ("slots.a.b", "'slots.a.b' is not a value"),
        ("slots.card =", "ends too early"),
        ("slots.card = = 5", "is not a value"),
        ("slots.a slots.b", "unexpected 'slots.b'"),
        ("slots.a and", "ends too early"),
        ("slots.a and or slots.b", "'or' is not a value"),
        ("(slots.a", "closing bracket"),
        ("slots.a)", "unexpected ')'"),
        ("slots.a is 5", "`is` goes with"),
        ("slots.a is not 5", "`is` goes with"),
        ("slots.a = 'open", 'cannot read "\'open"'),
        ("slots.a == 5", "is not a value"),
        ("slots.a; import os", "cannot read '; import os'"),
        ("__import__('os')", "is not a value"),
        ("(" * 5000 + "slots.a" + ")" * 5000, f"longer than {MAX_TOKENS}"),
    ],
)
def test_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    assert says in str(caught.value)


def test_it_knows_the_slots_that_it_reads() -> None:
    condition = parse_condition("slots.a is null and not (slots.b or slots.c = 5) or slots.a")
    assert condition.slots == {"a", "b", "c"}
    assert condition.text.startswith("slots.a is null")


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ConditionError:
        return
    assert condition.holds({}) in {True, False}


values = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.just(("a", 1)), st.just({"a": 1}))


@given(values, values, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
def test_comparing_never_fails(left: Value, right: Value, operator: str) -> None:
    condition = parse_condition(f"slots.left {operator} slots.right")
    assert condition.holds({"left": left, "right": right}) in {True, False}


def test_values_are_literals_or_copies() -> None:
    assert parse_value(5)({}) == 5
    assert parse_value("text")({}) == "text"
    assert parse_value(None)(SLOTS) is None
    assert parse_value(True)({}) is True
    assert parse_value("slots.card")(SLOTS) == "4271"
    assert parse_value("slots.never_set")(SLOTS) is None


@pytest.mark.parametrize("wrong", [1.5, ["a"], {"a": 1}])
def test_other_values_are_refused(wrong: object) -> None:
    with pytest.raises(ConditionError, match="neither text, a whole number"):
        parse_value(wrong)

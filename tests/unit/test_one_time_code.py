"""One-time codes: worth something once, soon, for one purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.identity.one_time import Binding, SentCode, check, issue, purpose_of, range_of
from ivrbot.identity.policy import OneTimeCode
from ivrbot.identity.state import CodeOutcome

RULES = OneTimeCode()
KEY = b"sixteen bytes or more of a key"
BINDING = Binding("call-1", "customer-1", "change_limits card=4271")


def sent(number: int = 4217, now_s: float = 100.0) -> tuple[str, SentCode]:
    return issue(number, RULES, KEY, BINDING, now_s)


def outcome(code: SentCode | None, keys: str, binding: Binding = BINDING, now_s: float = 101.0) -> CodeOutcome:
    return check(code, keys, RULES, KEY, binding, now_s)[1]


def test_the_right_code_is_right_once() -> None:
    digits, code = sent()
    assert digits == "004217"
    left, found = check(code, "004217#", RULES, KEY, BINDING, 101.0)
    assert (left, found) == (None, CodeOutcome.RIGHT)
    assert outcome(left, digits) is CodeOutcome.OVER


@given(st.integers(0, range_of(RULES) - 1), st.integers(0, range_of(RULES) - 1))
def test_every_code_fits_itself_only(number: int, other: int) -> None:
    digits, code = sent(number)
    assert len(digits) == RULES.digits
    assert (outcome(code, f"{other:06d}") is CodeOutcome.RIGHT) == (number == other)


@pytest.mark.parametrize(
    "other",
    [
        replace(BINDING, call_id="call-2"),
        replace(BINDING, customer_id="customer-2"),
        replace(BINDING, purpose="change_limits card=9030"),
        replace(BINDING, call_id="call-1\x1fcustomer-1", customer_id=""),
    ],
)
def test_a_code_is_good_for_nothing_else(other: Binding) -> None:
    digits, code = sent()
    assert outcome(code, digits, other) is CodeOutcome.WRONG


def test_a_code_is_over_after_its_lifetime_to_the_second() -> None:
    digits, code = sent(now_s=100.0)
    assert outcome(code, digits, now_s=399.9) is CodeOutcome.RIGHT
    assert outcome(code, digits, now_s=400.0) is CodeOutcome.OVER


def test_three_wrong_entries_use_a_code_up() -> None:
    digits, first = sent()
    code: SentCode | None = first
    for _ in range(RULES.tries):
        code, found = check(code, "111111", RULES, KEY, BINDING, 101.0)
        assert found is CodeOutcome.WRONG
    assert outcome(code, digits) is CodeOutcome.OVER


@pytest.mark.parametrize("keys", ["", "#", "12345", "1234567", "12345*", "١٢٣٤٥٦", "abcdef", "12 456"])
def test_what_is_no_code_costs_no_try(keys: str) -> None:
    _, code = sent()
    left, found = check(code, keys, RULES, KEY, BINDING, 101.0)
    assert (left, found) == (code, CodeOutcome.UNREADABLE)


def test_digits_and_hash_show_nowhere() -> None:
    digits, code = sent()
    assert digits not in repr(code) + code.digest
    assert code.digest not in repr(code)
    assert "4271" not in repr(BINDING)


@pytest.mark.parametrize("number", [-1, 1_000_000])
def test_a_number_out_of_range_is_an_error_and_not_told(number: int) -> None:
    with pytest.raises(ValueError, match="out of range") as caught:
        issue(number, RULES, KEY, BINDING, 0.0)
    assert str(number) not in str(caught.value)


def test_the_same_wish_has_the_same_purpose() -> None:
    assert purpose_of("change_limits", {"b": 2, "a": 1, "none": None}) == "change_limits a=1 b=2"
    assert purpose_of("change_contacts") == "change_contacts"

"""From a ranking to an intent: a card is not blocked on a guess, readings are put together."""

from __future__ import annotations

import pytest

from ivrbot.nlu.deciding import EMERGENCY_AT_LEAST, decide_intent, together, with_scope_of


def test_blocking_needs_more_than_the_first_place() -> None:
    scores = {"block_card": 0.4, "card_limits": 0.35, "report_fraud": 0.05, "out_of_scope": 0.2}
    intent, confidence = decide_intent("карта", "ru", scores, 0.3)
    assert (intent, confidence) == ("out_of_scope", pytest.approx(0.6))
    likely = {**scores, "block_card": EMERGENCY_AT_LEAST + 0.01}
    assert decide_intent("карта", "ru", likely, 0.3)[0] == "block_card"


def test_fraud_counts_for_blocking() -> None:
    scores = {"block_card": 0.4, "report_fraud": 0.3, "card_limits": 0.3}
    assert decide_intent("карта", "ru", scores, 0.3)[0] == "block_card"


def test_other_topics_need_the_least_confidence_only() -> None:
    assert decide_intent("карта", "ru", {"card_limits": 0.31, "block_card": 0.3}, 0.3)[0] == "card_limits"
    assert decide_intent("карта", "ru", {"card_limits": 0.29, "block_card": 0.28}, 0.3)[0] == "out_of_scope"


def test_together_keeps_what_all_readings_hold_likely() -> None:
    found = together(({"a": 0.8, "b": 0.19, "c": 0.01}, {"a": 0.05, "b": 0.94, "c": 0.01}))
    assert list(found) == ["b", "a", "c"]
    assert sum(found.values()) == pytest.approx(1.0)
    same = {"a": 0.7, "b": 0.3}
    assert together((same, same)) == pytest.approx(same)


def test_the_rest_says_whether_it_is_in_scope() -> None:
    whole, rest = {"out_of_scope": 0.8, "a": 0.15, "b": 0.05}, {"out_of_scope": 0.1, "a": 0.5, "b": 0.4}
    assert with_scope_of(rest, whole) == pytest.approx({"out_of_scope": 0.1, "a": 0.675, "b": 0.225})
    assert with_scope_of(rest, {"out_of_scope": 1.0, "a": 0.0, "b": 0.0})["out_of_scope"] == 0.1

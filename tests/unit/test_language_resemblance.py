"""A garbled word is recognised by its sounds, and other talk is not taken for it."""

from __future__ import annotations

import pytest

from ivrbot.language.resemblance import resemblance, sounds_like


@pytest.mark.parametrize("text", ["оператор", "Атиратор", "пати ратор", "Позавите лаператор.", "апиратр"])
def test_spelt_by_ear(text: str) -> None:
    assert resemblance(text, "оператор", "ru") >= 0.75


@pytest.mark.parametrize("text", ["", "да", "заблокируйте карту", "какая сегодня погода", "четыре два семь один"])
def test_other_talk(text: str) -> None:
    assert resemblance(text, "оператор", "ru") < 0.75


def test_bounds() -> None:
    assert resemblance("operator", "operator", "en") == 1.0
    assert resemblance("", "operator", "en") == 0.0
    assert resemblance("operator", "", "en") == 0.0


def test_any_reading_counts() -> None:
    assert sounds_like(["окно", "атиратор"], ["оператор"], "ru", 0.75)
    assert not sounds_like([], ["оператор"], "ru", 0.75)

"""Amounts in short messages: as people write them."""

from __future__ import annotations

import pytest

from ivrbot.language.money import written_money
from ivrbot.model.speech import Language


@pytest.mark.parametrize(
    ("minor", "language", "written"),
    [
        (5_000_000, "ru", "50 000 ₽"),
        (5_000_050, "ru", "50 000,50 ₽"),
        (-100, "ru", "-1 ₽"),
        (5, "ru", "0,05 ₽"),
        (125_050, "en", "1,250.50 RUB"),
        (100_000_000, "en", "1,000,000 RUB"),
    ],
)
def test_written(minor: int, language: Language, written: str) -> None:
    assert written_money(minor, language) == written

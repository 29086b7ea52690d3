"""Several codes in one answer are none, also where the recogniser has spoilt all of them but one."""

from __future__ import annotations

import pytest

from ivrbot.language.codes import parse_digits


@pytest.mark.parametrize(
    "text",
    [
        "11,11,14,42,71,9030",
        "11-11-11-14 или 42-71 или 90-130",
        "11,11,14, ил. 42,71,9030.",
        "одиннадцать одиннадцать или сорок два семьдесят один или девяносто тридцать",
    ],
)
def test_one_of_several_codes_is_not_picked(text: str) -> None:
    assert parse_digits(text, "ru", 4) is None


@pytest.mark.parametrize(
    "text",
    ["4271", "42, нет, 4271", "4271 4271", "последние четыре 42 71", "четыре, четыре два семь один"],
)
def test_a_slip_beside_a_code_is_only_that(text: str) -> None:
    assert parse_digits(text, "ru", 4) == "4271"

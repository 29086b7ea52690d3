"""Opening hours: written as text, asked with a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivrbot.config import OperatorSettings, load_settings
from ivrbot.errors import ConfigError
from ivrbot.model.opening import parse_hours

MOSCOW = "Europe/Moscow"


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of March 2026 by Moscow's clock; the 2nd is a Monday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC) - timedelta(hours=3)


@pytest.mark.parametrize(
    ("text", "moment", "is_open"),
    [
        ("", at(1, 3), True),
        ("mon-fri 09:00-20:00", at(2, 9), True),
        ("mon-fri 09:00-20:00", at(2, 8, 59), False),
        ("mon-fri 09:00-20:00", at(2, 20), False),
        ("mon-fri 09:00-20:00", at(7, 12), False),
        ("mon-fri 09:00-20:00, sat 10:00-18:00", at(7, 12), True),
        ("sat-mon 10:00-12:00", at(1, 11), True),
        ("sat-mon 10:00-12:00", at(3, 11), False),
        ("fri 22:00-02:00", at(7, 1, 59), True),
        ("fri 22:00-02:00", at(6, 1, 59), False),
        ("mon-sun 00:00-24:00", at(4, 23, 59), True),
    ],
)
def test_open_or_not(text: str, moment: datetime, is_open: bool) -> None:
    assert parse_hours(text).is_open(moment, MOSCOW) is is_open


def test_the_next_opening() -> None:
    hours = parse_hours("mon-fri 09:00-20:00")
    assert hours.next_open(at(2, 12), MOSCOW) == at(2, 12)
    assert hours.next_open(at(2, 21), MOSCOW) == at(3, 9)
    assert hours.next_open(at(6, 21), MOSCOW) == at(9, 9)


@pytest.mark.parametrize(
    "text", ["mon 9-18", "mon-xyz 09:00-18:00", "09:00-18:00", "mon 25:00-26:00", "mon 24:00-01:00"]
)
def test_what_is_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_hours(text)


def test_every_queue_has_its_own_hours_or_the_default() -> None:
    settings = OperatorSettings(hours={"default": "mon-fri 09:00-20:00", "loans": "mon 10:00-11:00"})
    assert settings.is_open("disputes", at(3, 12))
    assert not settings.is_open("loans", at(3, 12))
    assert OperatorSettings().is_open("loans", at(1, 3))


def test_nobody_is_rung_at_night_though_the_queue_is_open() -> None:
    settings = OperatorSettings(callback_hours="mon-sun 09:00-21:00")
    assert settings.next_open("loans", at(2, 3)) == at(2, 9)
    assert settings.next_open("loans", at(2, 22)) == at(3, 9)
    both = OperatorSettings(hours={"loans": "tue 08:00-18:00"}, callback_hours="mon-sun 09:00-21:00")
    assert both.next_open("loans", at(2, 12)) == at(3, 9)


def test_wrong_hours_and_zones_are_told_with_their_setting(tmp_path: Path) -> None:
    environ = {"IVRBOT_OPERATORS__HOURS__LOANS": "always", "IVRBOT_OPERATORS__TIMEZONE": "Mars/Base"}
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, environ)
    assert {problem.path for problem in caught.value.problems} == {"operators.hours", "operators.timezone"}

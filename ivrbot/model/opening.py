"""Opening hours of a week: written as text in the settings, asked with a moment.

Takes "mon-fri 09:00-20:00, sat 10:00-18:00", gives `WeeklyHours`. Pure: the moment comes in as an argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LOOK_AHEAD: Final = timedelta(days=8)

_STRETCH = re.compile(
    r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+(?P<opens>\d{2}:\d{2})-(?P<closes>\d{2}:\d{2})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hours of some weekdays.

    Attributes:
        days: 0 is Monday.
        opens: minute of the day, local time.
        closes: first minute that is too late; at or before `opens` it lies on the next day, 1440 is midnight.
    """

    days: frozenset[int]
    opens: int
    closes: int

    def includes(self, day: int, minute: int) -> bool:
        """Whether a minute of a weekday lies within."""
        if self.opens < self.closes:
            return day in self.days and self.opens <= minute < self.closes
        return (day in self.days and minute >= self.opens) or ((day - 1) % 7 in self.days and minute < self.closes)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """When something is open; no stretch at all means always."""

    stretches: tuple[Stretch, ...] = ()

    def is_open(self, now: datetime, timezone: str) -> bool:
        """Whether it is open.

        Args:
            now: aware time.
            timezone: IANA name, whose wall clock counts.
        """
        if not self.stretches:
            return True
        local = now.astimezone(ZoneInfo(timezone))
        minute = local.hour * 60 + local.minute
        return any(stretch.includes(local.weekday(), minute) for stretch in self.stretches)

    def next_open(self, now: datetime, timezone: str) -> datetime:
        """`now` while it is open, else the next moment at which it opens.

        Args:
            now: aware time.
            timezone: IANA name.

        Returns:
            An aware time; at the latest `LOOK_AHEAD` from now.
        """
        if self.is_open(now, timezone):
            return now
        zone = ZoneInfo(timezone)
        local = now.astimezone(zone)
        openings = []
        for ahead in range(LOOK_AHEAD.days):
            day = local.date() + timedelta(days=ahead)
            for stretch in self.stretches:
                if day.weekday() in stretch.days:
                    opens = time(stretch.opens // 60, stretch.opens % 60)
                    openings.append(datetime.combine(day, opens, zone))
        return min((at for at in openings if at > now), default=now + LOOK_AHEAD).astimezone(now.tzinfo)


def parse_hours(text: str) -> WeeklyHours:
    """Read hours.

    Args:
        text: stretches separated by commas, each weekdays and times: "mon-fri 09:00-20:00, sat 10:00-18:00"; a
            range of days may go over the week's end, times over midnight; "24:00" is the end of a day. "" means
            always.

    Raises:
        ValueError: not of this form.
    """
    parts = [part.strip().lower() for part in text.split(",")] if text.strip() else []
    return WeeklyHours(tuple(_stretch(part) for part in parts))


def _stretch(text: str) -> Stretch:
    found = _STRETCH.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not of the form 'mon-fri 09:00-20:00'")
    first = _day(found["first"])
    last = _day(found["last"]) if found["last"] else first
    days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    opens, closes = _minute(found["opens"]), _minute(found["closes"])
    if opens == 24 * 60:
        raise ValueError("nothing opens at 24:00")
    return Stretch(days, opens, closes)


def _day(name: str) -> int:
    if name not in DAYS:
        raise ValueError(f"{name!r} is no weekday; allowed: {', '.join(DAYS)}")
    return DAYS.index(name)


def _minute(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > 24 * 60:
        raise ValueError(f"{text!r} is no time of day")
    return hour * 60 + minute

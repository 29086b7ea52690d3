"""When a branch may climb by itself: while somebody is at work to see it. Rolling back knows no hours. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from ivrbot.errors import ConfigError, Problem

_HOURS = re.compile(r"([1-7])-([1-7]) (\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Days and hours of a week.

    Attributes:
        first_day: 1 is Monday.
        last_day: 7 is Sunday; may lie before `first_day` (over the week's end).
        opens: in local time.
        closes: the first moment that is too late; at or before `opens` it lies on the next day.
    """

    first_day: int
    last_day: int
    opens: time
    closes: time

    def include(self, now: datetime, timezone: str) -> bool:
        """Whether a moment is within them.

        Args:
            now: aware time.
            timezone: IANA name, whose wall clock counts.
        """
        local = now.astimezone(ZoneInfo(timezone))
        day, at = local.isoweekday(), local.time()
        if self.opens < self.closes:
            return self._has(day) and self.opens <= at < self.closes
        return (self._has(day) and at >= self.opens) or (self._has((day - 2) % 7 + 1) and at < self.closes)

    def _has(self, day: int) -> bool:
        if self.first_day <= self.last_day:
            return self.first_day <= day <= self.last_day
        return day >= self.first_day or day <= self.last_day


def parse_hours(words: str) -> WorkingHours:
    """Read "1-5 09:00-18:00": days of the week (1 is Monday), then hours.

    Raises:
        ConfigError: anything else.
    """
    found = _HOURS.fullmatch(words.strip())
    try:
        if found is None:
            raise ValueError
        numbers = [int(number) for number in found.groups()]
        return WorkingHours(numbers[0], numbers[1], time(numbers[2], numbers[3]), time(numbers[4], numbers[5]))
    except ValueError:
        allowed = 'days and hours such as "1-5 09:00-18:00" (1 is Monday)'
        raise ConfigError(
            [Problem("", None, "rollout.working_hours", words, "not working hours", allowed)]
        ) from None

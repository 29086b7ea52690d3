"""When a branch may climb by itself: while somebody is at work to see it. Rolling back knows no hours. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo


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

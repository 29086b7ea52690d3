"""Numbers, times and codes as people of a language write them: what templates call `say`.

Takes a language and a time zone; gives text. Numbers are those of `ivrbot.reports.numbers`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from ivrbot.model.speech import Language
from ivrbot.reports.numbers import amount, per_cent, whole

NONE: Final = "—"
MONTHS: Final = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "ru": ("янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"),
}


class Say:
    """Words for values.

    Args:
        language: of the page.
        timezone: IANA name, of the bank.
    """

    def __init__(self, language: Language, timezone: str = "UTC") -> None:
        self.language = language
        self.zone = ZoneInfo(timezone)

    def parse(self, text: str) -> date:
        """The day of an ISO date or time: a moment's in the bank's zone."""
        if len(text) <= len("2026-03-01"):
            return date.fromisoformat(text)
        return self.local(datetime.fromisoformat(text)).date()

    def local(self, at: datetime) -> datetime:
        """An aware time in the bank's zone."""
        return at.astimezone(self.zone)

    def day(self, day: date | None) -> str:
        """Day, month, year ("5 Mar 2026"): histories outlive a year."""
        if day is None:
            return NONE
        return f"{day.day} {MONTHS[self.language][day.month - 1]} {day.year}"

    def time(self, at: datetime | None) -> str:
        """Day and minute in the bank's zone."""
        return NONE if at is None else f"{self.day(self.local(at).date())}, {self.local(at):%H:%M}"

    def second(self, at: datetime | None) -> str:
        """Day and second in the bank's zone."""
        return NONE if at is None else f"{self.day(self.local(at).date())}, {self.local(at):%H:%M:%S}"

    def clock(self, seconds: float | None) -> str:
        """A duration as minutes and seconds: "1:05"."""
        if seconds is None:
            return NONE
        total = max(0, int(seconds))
        hours, rest = divmod(total, 3600)
        minutes, left = divmod(rest, 60)
        return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"

    def seconds(self, value_ms: float | None) -> str:
        """Milliseconds as seconds with two digits: "0.45 s"."""
        if value_ms is None:
            return NONE
        text = f"{value_ms / 1000:.2f}"
        return text.replace(".", ",") + "\u00a0с" if self.language == "ru" else text + "\u00a0s"

    def likeness(self, value: float) -> str:
        """A score from -1 to 1 with two digits."""
        text = f"{value:.2f}"
        return text.replace(".", ",") if self.language == "ru" else text

    def share(self, value: float | None) -> str:
        """A share of callers or calls in per cent."""
        return NONE if value is None else per_cent(round(value, 4), self.language)

    def whole(self, value: int | None) -> str:
        """A count with gaps."""
        return NONE if value is None else whole(value, self.language)

    def value(self, kpi: str, value: float | None) -> str:
        """A value of a KPI with its unit."""
        return amount(kpi, value, self.language)

    def difference(self, kpi: str, value: float | None, *, signed: bool = True) -> str:
        """A difference in a KPI with its unit."""
        return amount(kpi, value, self.language, difference=True, signed=signed)

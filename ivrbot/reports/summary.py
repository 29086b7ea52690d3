"""The weekly summary: what it says, when it is due, and that it is sent once.

Takes reports, a way for mails and the book of sent weeks; gives a mail a week. Nothing is remembered here: whoever
starts anew looks into the book.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from ivrbot.analytics.report_queries import Filters
from ivrbot.errors import IvrbotError
from ivrbot.model.speech import Language
from ivrbot.reports.mail import Mail, MailFailed, MailPort
from ivrbot.reports.report_documents import report_plain
from ivrbot.reports.service import Reports

log = logging.getLogger(__name__)

LOOK_S: Final = 300.0


class SentWeeks(Protocol):
    """Which weeks' summaries were sent; see `ivrbot.storage.report_facts`."""

    async def claim_summary(self, week: str, at: datetime) -> bool:
        """Note a week; False when it is noted already."""
        ...

    async def give_back_summary(self, week: str) -> None:
        """Take the note back: nobody took the mail."""
        ...


@dataclass(frozen=True, slots=True)
class SummaryRules:
    """When it is due and what it says.

    Attributes:
        weekday: 1 is Monday.
        hour: in the time zone.
        timezone: IANA name.
        link: address of the web server as recipients reach it, "" without one.
    """

    weekday: int
    hour: int
    timezone: str
    language: Language
    link: str = ""


def week_due(rules: SummaryRules, now: datetime) -> date | None:
    """Monday of the week to tell about: the one before this, once the day and hour have come; None before."""
    local = now.astimezone(ZoneInfo(rules.timezone))
    monday = local.date() - timedelta(days=local.weekday())
    due = datetime.combine(monday + timedelta(days=rules.weekday - 1), datetime.min.time(), local.tzinfo)
    return monday - timedelta(days=7) if local >= due + timedelta(hours=rules.hour) else None


def week_name(monday: date) -> str:
    """The ISO week ("2026-W45")."""
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


_SUBJECTS: Final = {
    "en": "Bot and operators, week {week}: {first} to {last}",
    "ru": "Робот и операторы, неделя {week}: {first} — {last}",
}


class Summaries:
    """Sends the summary of each week once.

    Args:
        reports: what it tells.
        weeks: the book.
        mail: the way out.
        rules: when and how.
        refresh: brings the export up to date.
        now: aware UTC clock.
    """

    def __init__(
        self,
        reports: Reports,
        weeks: SentWeeks,
        mail: MailPort,
        rules: SummaryRules,
        refresh: Callable[[], Awaitable[object]],
        now: Callable[[], datetime],
    ) -> None:
        self._reports = reports
        self._weeks = weeks
        self._mail = mail
        self._rules = rules
        self._refresh = refresh
        self._now = now

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look again and again; until cancelled."""
        while True:
            try:
                await self.look()
            except IvrbotError as error:
                log.warning("the weekly summary waits: %s", error)
            await sleep(LOOK_S)

    async def look(self) -> bool:
        """Send what is due; gives whether a mail went.

        The week is noted first and given back when nobody took the mail: of several servers one sends it, and a
        crash in between costs a mail, never a second one.

        Raises:
            StorageError: the book or the export.
            MailFailed: nobody took it; it is tried again at the next look.
        """
        monday = week_due(self._rules, self._now())
        if monday is None:
            return False
        week = week_name(monday)
        mail = None
        if not await self._weeks.claim_summary(week, self._now()):
            return False
        try:
            await self._refresh()
            mail = await self.summary(monday)
            await self._mail.send(mail)
        except (IvrbotError, asyncio.CancelledError):
            await self._weeks.give_back_summary(week)
            raise
        log.info("the summary of %s was sent", week)
        return True

    async def summary(self, monday: date) -> Mail:
        """The mail about a week."""
        language, last = self._rules.language, monday + timedelta(days=6)
        report = await self._reports.report(Filters(first=monday, last=last))
        week = week_name(monday)
        subject = _SUBJECTS[language].format(week=week, first=monday.isoformat(), last=last.isoformat())
        link = f"{self._rules.link.rstrip('/')}/reports?from={monday}&to={last}\n\n" if self._rules.link else ""
        return Mail(f"summary-{week}", subject, f"{subject}\n\n{link}{report_plain(report, language)}")


__all__ = ["MailFailed", "Summaries", "SummaryRules", "week_due", "week_name"]

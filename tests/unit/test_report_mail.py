"""The weekly summary: due when it should be, sent once, by every way that mails can leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from ivrbot.reports.mail import Envelope, FileMail, Mail, MailFailed, MailPort, SmtpAccount, SmtpMail
from ivrbot.reports.summary import Summaries, SummaryRules, week_due, week_name
from ivrbot.storage.report_facts import ReportFacts
from ivrbot.storage.store import Store
from tests.unit.test_reports import reports_in

ENVELOPE = Envelope("ivrbot@bank.example", ("owner@bank.example", "head@bank.example"))
MAIL = Mail("summary-2026-W10", "Робот и операторы", "Первая строка\n.точка в начале\n", "<p>отчёт</p>")
NOW = datetime(2026, 3, 9, 6, 0, tzinfo=UTC)  # a Monday, 9:00 in Moscow
RULES = SummaryRules(1, 8, "Europe/Moscow", "ru", "https://bot.bank.example/")


@dataclass
class SmtpSink:
    """A mail server that keeps what it is given.

    Attributes:
        refuses: answer to the recipients, "" to take them.
    """

    refuses: str = ""
    port: int = 0
    mails: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")

        say("220 sink")
        while line := await reader.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"EHLO":
                say("250 sink")
            elif verb == b"RCPT" and self.refuses:
                say(self.refuses)
            elif verb == b"DATA":
                say("354 go on")
                content = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(content[:-5].replace(b"\r\n..", b"\r\n."))
                say("250 taken")
            elif verb == b"QUIT":
                say("221 bye")
                break
            else:
                say("250 ok")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def mail_server(refuses: str = "") -> AsyncIterator[SmtpSink]:
    sink = SmtpSink(refuses)
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    async with server:
        yield sink


def smtp(port: int) -> SmtpMail:
    return SmtpMail(SmtpAccount("127.0.0.1", port, "none"), ENVELOPE, lambda: NOW)


# --- the contract of every way ----------------------------------------------------------------------------


async def check_delivery(mail: MailPort, taken: Callable[[], bytes]) -> None:
    await mail.send(MAIL)
    message = message_from_bytes(taken(), policy=policy.default)
    assert message["Subject"] == MAIL.subject
    assert message["From"] == ENVELOPE.sender
    assert message["To"] == ", ".join(ENVELOPE.recipients)
    assert message["Auto-Submitted"] == "auto-generated"
    assert "summary-2026-W10" in message["Message-ID"]
    body, attached = message.get_body(("plain",)), list(message.iter_attachments())
    assert body is not None and body.get_content().replace("\r\n", "\n") == MAIL.text
    assert [part.get_filename() for part in attached] == ["report.html"]
    assert attached[0].get_content().strip() == MAIL.page


async def test_a_mail_server_is_given_the_mail() -> None:
    async with mail_server() as sink:
        await check_delivery(smtp(sink.port), lambda: sink.mails[0])
        assert len(sink.mails) == 1


async def test_a_folder_is_given_the_mail(tmp_path: Path) -> None:
    way = FileMail(tmp_path / "outbox", ENVELOPE, lambda: NOW)
    await check_delivery(way, (tmp_path / "outbox" / "summary-2026-W10.eml").read_bytes)


async def test_who_does_not_take_a_mail_is_named() -> None:
    async with mail_server("550 unknown") as sink:
        with pytest.raises(MailFailed, match=f"127.0.0.1:{sink.port} refused"):
            await smtp(sink.port).send(MAIL)
        port = sink.port
    with pytest.raises(MailFailed, match="not reachable"):
        await smtp(port).send(MAIL)


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "outbox").touch()
    with pytest.raises(MailFailed, match="cannot be written"):
        await FileMail(tmp_path / "outbox", ENVELOPE, lambda: NOW).send(MAIL)


# --- when -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "monday"),
    [
        (-2, None),
        (-1, date(2026, 3, 2)),
        (24 * 6, date(2026, 3, 2)),
        (24 * 6 + 17, None),
        (24 * 7, date(2026, 3, 9)),
    ],
)
def test_the_week_before_is_due_from_the_hour_on(hours: int, monday: date | None) -> None:
    assert week_due(RULES, NOW + timedelta(hours=hours)) == monday


def test_weeks_are_iso_weeks() -> None:
    assert week_name(date(2026, 3, 2)) == "2026-W10"
    assert week_name(date(2025, 12, 29)) == "2026-W01"


@dataclass
class Outbox:
    """Takes mails, or fails so many times first."""

    failures: int = 0
    mails: list[Mail] = field(default_factory=list)

    async def send(self, mail: Mail) -> None:
        if self.failures:
            self.failures -= 1
            raise MailFailed("nobody is there")
        self.mails.append(mail)


async def nothing() -> None: ...


async def test_a_week_is_sent_once_whoever_looks_and_however_often(tmp_path: Path) -> None:
    outbox = Outbox(failures=1)
    async with Store(tmp_path / "a.sqlite") as store:

        def summaries() -> Summaries:
            return Summaries(reports_in(tmp_path), ReportFacts(store), outbox, RULES, nothing, lambda: NOW)

        with pytest.raises(MailFailed):
            await summaries().look()
        assert await summaries().look()
        assert not await summaries().look()
        again = [summaries().look() for _ in range(3)]
        assert not any(await asyncio.gather(*again))
    assert [mail.key for mail in outbox.mails] == ["summary-2026-W10"]
    assert "https://bot.bank.example/reports?from=2026-03-02&to=2026-03-08" in outbox.mails[0].text

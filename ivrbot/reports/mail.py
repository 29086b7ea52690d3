"""Ways for a summary to leave: a mail server, or a file in a folder.

Takes a `Mail`, gives it away. Sources: RFC 5321 (SMTP), RFC 5322 and 2045 (the message), RFC 3207 (STARTTLS).
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Final, Literal, Protocol

from ivrbot.errors import IvrbotError

DEADLINE_S: Final = 30.0

Security = Literal["none", "starttls", "tls"]


class MailFailed(IvrbotError):
    """The mail was not taken; the text says by whom and why, without anything of its content."""

    code = "mail_failed"
    retryable = True


@dataclass(frozen=True, slots=True)
class Mail:
    """A summary to be sent.

    Attributes:
        key: the same for the same mail, so that a mail server or reader can tell that it came twice.
        page: attached as a file, None without one.
    """

    key: str
    subject: str
    text: str
    page: str | None = None


class MailPort(Protocol):
    """Where mails go."""

    async def send(self, mail: Mail) -> None:
        """Give a mail away; when this returns somebody else is responsible for it.

        Raises:
            MailFailed: nobody took it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends to whom."""

    sender: str
    recipients: tuple[str, ...]


def message_of(mail: Mail, envelope: Envelope, at: datetime) -> EmailMessage:
    """The message, with the report as an attached page.

    Args:
        mail: what it says.
        envelope: from and to.
        at: aware time.
    """
    found = EmailMessage(policy=SMTP)
    found["Subject"] = mail.subject
    found["From"] = envelope.sender
    found["To"] = ", ".join(envelope.recipients)
    found["Date"] = format_datetime(at)
    domain = envelope.sender.rpartition("@")[2].strip("> ") or "localhost"
    found["Message-ID"] = make_msgid(re.sub(r"[^\w.-]", "-", mail.key), domain)
    found["Auto-Submitted"] = "auto-generated"
    found.set_content(mail.text)
    if mail.page is not None:
        found.add_attachment(mail.page, subtype="html", filename="report.html")
    return found


class FileMail:
    """Puts mails into a folder as `.eml` files, for another program to take or a person to read."""

    def __init__(self, folder: Path, envelope: Envelope, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._envelope = envelope
        self._now = now

    async def send(self, mail: Mail) -> None:
        """See `MailPort`."""
        message = message_of(mail, self._envelope, self._now())
        try:
            await asyncio.to_thread(self._write, re.sub(r"[^\w.-]", "-", mail.key), message.as_bytes())
        except OSError as error:
            raise MailFailed(f"{self._folder} cannot be written: {error.strerror}") from error

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".{name}.draft"
        draft.write_bytes(content)
        draft.replace(self._folder / f"{name}.eml")


@dataclass(frozen=True, slots=True)
class SmtpAccount:
    """A mail server and how to come in."""

    host: str
    port: int
    security: Security = "starttls"
    user: str = ""
    password: str = ""


class SmtpMail:
    """Hands mails to a mail server; the library blocks, so it works in a thread, under a deadline."""

    def __init__(self, account: SmtpAccount, envelope: Envelope, now: Callable[[], datetime]) -> None:
        self._account = account
        self._envelope = envelope
        self._now = now

    async def send(self, mail: Mail) -> None:
        """See `MailPort`; a mail that one recipient's server refuses counts as not taken."""
        message = message_of(mail, self._envelope, self._now())
        where = f"{self._account.host}:{self._account.port}"
        try:
            await asyncio.to_thread(self._hand_over, message)
        except smtplib.SMTPException as error:
            raise MailFailed(f"{where} refused the mail: {type(error).__name__}") from error
        except OSError as error:
            raise MailFailed(f"{where} is not reachable: {error.strerror or type(error).__name__}") from error

    def _hand_over(self, message: EmailMessage) -> None:
        account = self._account
        if account.security == "tls":
            context = ssl.create_default_context()
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                account.host, account.port, timeout=DEADLINE_S, context=context
            )
        else:
            client = smtplib.SMTP(account.host, account.port, timeout=DEADLINE_S)
        with client:
            if account.security == "starttls":
                client.starttls(context=ssl.create_default_context())
            if account.user:
                client.login(account.user, account.password)
            refused = client.send_message(message, self._envelope.sender, list(self._envelope.recipients))
            if refused:
                raise smtplib.SMTPRecipientsRefused(refused)

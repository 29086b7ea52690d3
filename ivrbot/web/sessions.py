"""Sessions of people: log-in with limits, who a cookie stands for, log-out.

Takes names, passwords and cookies, gives accounts and random tokens; the database holds only the tokens' hashes.

Sources: OWASP Session Management and Authentication cheat sheets (256 random bits, a new token at log-in, idle
and absolute limits, one answer to every refusal).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from asyncio import Lock
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

from ivrbot.errors import StorageError
from ivrbot.model.people import Account, Session, is_name
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.people import PeopleBook, name_subject
from ivrbot.web.people_passwords import Passwords

IDLE: Final = timedelta(hours=8)
WHOLE: Final = timedelta(days=7)
TOUCH: Final = timedelta(minutes=1)
"""A session's last use is stored so exactly."""
WINDOW: Final = timedelta(minutes=15)
NAME_LIMIT: Final = 10
ADDRESS_LIMIT: Final = 30
"""Failed log-ins within the window: of one name, from one address."""
REMEMBERED: Final = 1000
TOKEN_CHARS: Final = 43

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogIn:
    """What became of a log-in.

    Attributes:
        token: for the cookie; "" when refused.
        wait_s: how long nothing more is tried, 0 when a name or a password was wrong.
        account: who logged in.
    """

    token: str = ""
    wait_s: int = 0
    account: Account | None = None


def hash_of(token: str) -> str:
    """Under what a session or an API token is stored; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _neighbourhood(address: str) -> str:
    """What failed log-ins of an address are counted under: in IPv6 its /64, which is one household's."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def csrf_of(token: str) -> str:
    """What pages of a session show when they change something; tells nothing about the session's token."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


class Sessions:
    """Sessions over one store.

    Args:
        book: accounts, sessions, failed log-ins.
        activity: where log-ins and refusals are noted.
        passwords: verifies.
        now: aware UTC clock.
    """

    def __init__(
        self,
        book: PeopleBook,
        activity: ActivityLog,
        passwords: Passwords,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._book = book
        self._activity = activity
        self._passwords = passwords
        self._now = now
        self._one_by_one = Lock()
        self._seen: OrderedDict[str, Account] = OrderedDict()

    async def log_in(self, name: str, password: str, address: str) -> LogIn:
        """Open a session.

        Args:
            name: as typed.
            password: as typed.
            address: of the client.

        Raises:
            StorageError: the database is away.
        """
        name = name.strip().lower()
        async with self._one_by_one:  # or many at once would all be tried before one is counted
            subjects = (name_subject(name if is_name(name) else "?"), f"address:{_neighbourhood(address)}")
            wait_s = await self._wait_s(subjects)
            if wait_s:
                return LogIn(wait_s=wait_s)
            account = await self._book.account(name) if is_name(name) else None
            usable = account is not None and not account.is_disabled
            fits = await self._passwords.fits(account.password_hash if account and usable else "", password)
            if account is None or not fits:
                await self._book.add_failure(subjects, self._now())
                # A name that nobody has may be a password typed into the wrong field.
                known = account.name if account else ""
                await self._activity.note("(unknown)", "log_in_refused", "person", known, detail={"from": address})
                return LogIn()
        await self._book.forget_failures(name_subject(name))
        if self._passwords.is_outdated(account.password_hash):
            await self._book.set_hash(name, await self._passwords.hash(password))
        token = await self._open(account.name)
        await self._activity.note(name, "log_in", "person", name, detail={"from": address})
        return LogIn(token, account=account)

    async def renew(self, token: str, name: str) -> str:
        """End a session and open another for the same person; gives the new token."""
        await self._book.close_session(hash_of(token))
        return await self._open(name)

    async def account(self, token: str) -> Account | None:
        """Whose session a cookie stands for; None when it stands for none any more.

        While the database is away, whoever was known before is known still: nobody can be locked out then either.

        Raises:
            StorageError: the database is away, and this process has not seen the session before.
        """
        key = hash_of(token)
        try:
            found = await self._book.session(key)
        except StorageError:
            if key in self._seen:
                return self._seen[key]
            raise
        now = self._now()
        if found is None or not self._is_open(*found, now):
            self._seen.pop(key, None)
            return None
        session, account = found
        self._remember(key, account)
        if now - session.seen_at >= TOUCH:
            try:
                await self._book.touch_session(key, now)
            except StorageError:
                _log.warning("the use of a session could not be noted")
        return account

    async def log_out(self, token: str, name: str) -> None:
        """End a session."""
        self._seen.pop(hash_of(token), None)
        await self._book.close_session(hash_of(token))
        await self._activity.note(name, "log_out", "person", name)

    async def proves(self, account: Account, password: str) -> bool:
        """Whether somebody who is logged in knows his password; failures count as failed log-ins do."""
        subjects = (name_subject(account.name),)
        async with self._one_by_one:
            if await self._wait_s(subjects):
                return False
            if await self._passwords.fits(account.password_hash, password):
                return True
            await self._book.add_failure(subjects, self._now())
            return False

    async def _open(self, name: str) -> str:
        token, now = secrets.token_urlsafe(32), self._now()
        await self._book.open_session(Session(hash_of(token), name, now, now), now - IDLE)
        return token

    @staticmethod
    def _is_open(session: Session, account: Account, now: datetime) -> bool:
        fresh = now - session.seen_at < IDLE and now - session.created_at < WHOLE
        return fresh and not account.is_disabled

    async def _wait_s(self, subjects: tuple[str, ...]) -> int:
        """Seconds until another log-in may be tried; 0: now."""
        now = self._now()
        failed = await self._book.failures(subjects, now - WINDOW)
        firsts = [
            first
            for subject, (times, first) in failed.items()
            if times >= (NAME_LIMIT if subject.startswith("name:") else ADDRESS_LIMIT)
        ]
        return max((int((first + WINDOW - now).total_seconds()) + 1 for first in firsts), default=0)

    def _remember(self, key: str, account: Account) -> None:
        self._seen[key] = account
        self._seen.move_to_end(key)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

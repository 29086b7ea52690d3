"""API tokens: made for a machine with the rights it needs, shown once, known by their hashes.

Source: RFC 6750 (bearer tokens).
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from ivrbot.errors import StorageError
from ivrbot.model.people import ApiToken, Person, Right
from ivrbot.storage.people import PeopleBook
from ivrbot.web.caller import MACHINE
from ivrbot.web.sessions import hash_of

SIGN: Final = "ivrbot_"
"""Begins every token, so that one in the wrong place is recognised as one."""
MAX_DAYS: Final = 3660

_log = logging.getLogger(__name__)


def make_token(
    name: str,
    scopes: frozenset[Right],
    branches: frozenset[str] | None,
    *,
    made_by: str,
    now: datetime,
    days: int | None = None,
) -> tuple[str, ApiToken]:
    """A new token: what the machine shows, and what is stored.

    Args:
        name: it signs as "token:" and this.
        scopes: what it may do.
        branches: for whose things; None: all.
        made_by: who answers for it.
        now: aware UTC.
        days: until it expires; None: never.
    """
    shown = SIGN + secrets.token_urlsafe(32)
    expires_at = None if days is None else now + timedelta(days=days)
    kept = ApiToken(secrets.token_hex(8), name, hash_of(shown), scopes, branches, now, made_by, expires_at)
    return shown, kept


class Tokens:
    """Who shows a token.

    Args:
        own: the installation's own, from a file; it works without the database.
        book: all others.
        now: aware UTC clock.
    """

    def __init__(
        self, own: str, book: PeopleBook, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        if not own:
            raise ValueError("an empty token would let everybody in")
        self._own = own.encode()
        self._book = book
        self._now = now

    async def person(self, shown: str) -> Person | None:
        """Whose token it is; None for no valid one.

        Raises:
            StorageError: the database is away, and it is not the installation's own.
        """
        if hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self._own):
            return MACHINE
        if not shown.startswith(SIGN):
            return None
        now = self._now()
        token = await self._book.token(hash_of(shown))
        if token is None or not token.is_valid(now):
            return None
        if token.last_used_on != now.date():
            try:
                await self._book.use_token(token.token_id, now.date())
            except StorageError:
                _log.warning("the use of a token could not be noted")
        return token.person

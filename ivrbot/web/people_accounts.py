"""Adding and changing people and tokens, by a page or by a command: the same checks, the same notes in the log.

Takes names, roles and rights as typed, gives accounts, passwords made here, tokens to be shown once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

from ivrbot.errors import StorageConflict
from ivrbot.model.events import JsonValue
from ivrbot.model.people import FIRST_ADMIN, Account, ApiToken, Right, Role, is_name
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.people import PeopleBook
from ivrbot.web.people_passwords import Passwords, fault_of, new_password
from ivrbot.web.tokens import MAX_DAYS, make_token

STARTED: Final = "(start)"
"""Who made the first administrator."""


class PeopleFault(Exception):
    """Something about people cannot be done as asked for.

    Attributes:
        code: see the labels `people_faults`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class PeopleDesk:
    """Changes of people, each noted.

    Args:
        book: where they are stored.
        activity: where changes are noted.
        passwords: hashes them.
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

    async def first_admin(self) -> str:
        """Make the first administrator if nobody manages people yet; gives his password, "" if somebody does."""
        password = new_password()
        hashed = await self._passwords.hash(password)
        admin = Account(FIRST_ADMIN, frozenset({Role.ADMIN}), None, hashed, False, False, self._now(), STARTED)
        try:
            if not await self._book.add_first(admin):
                return ""
        except StorageConflict:
            return ""
        await self._activity.note(STARTED, "add", "person", FIRST_ADMIN, detail={"roles": ["admin"]})
        return password

    async def add(
        self,
        name: str,
        roles: Collection[Role],
        branches: frozenset[str] | None,
        *,
        by: str,
        password: str | None = None,
    ) -> str:
        """Add a person.

        Args:
            name: to log in with.
            roles: one or more.
            branches: whose things he may open; None: all.
            by: who adds him.
            password: his own; None makes one that he has to change.

        Returns:
            The password.

        Raises:
            PeopleFault: a bad name, password or choice, or the name is taken.
            StorageError: not stored.
        """
        if not is_name(name):
            raise PeopleFault("name")
        _check_rights(roles, branches)
        made = password is None
        password = new_password() if password is None else password
        if fault := fault_of(password, name):
            raise PeopleFault(fault)
        hashed = await self._passwords.hash(password)
        account = Account(name, frozenset(roles), branches, hashed, made, False, self._now(), by)
        try:
            await self._book.add(account)
        except StorageConflict as error:
            raise PeopleFault("name_taken") from error
        await self._activity.note(by, "add", "person", name, detail=_rights_detail(roles, branches))
        return password

    async def set_rights(
        self, name: str, roles: Collection[Role], branches: frozenset[str] | None, *, by: str
    ) -> bool:
        """Give a person other roles and branches; False when there is no such person.

        Raises:
            PeopleFault: a bad choice, or nobody would be left to manage people.
            StorageError: not stored.
        """
        _check_rights(roles, branches)
        try:
            found = await self._book.set_rights(name, frozenset(roles), branches)
        except StorageConflict as error:
            raise PeopleFault("last_manager") from error
        if found:
            await self._activity.note(by, "set_rights", "person", name, detail=_rights_detail(roles, branches))
        return found

    async def set_disabled(self, name: str, is_disabled: bool, *, by: str) -> bool:
        """Lock a person out at once, or let him in again; False when there is no such person.

        Raises:
            PeopleFault: nobody would be left to manage people.
            StorageError: not stored.
        """
        try:
            found = await self._book.set_disabled(name, is_disabled)
        except StorageConflict as error:
            raise PeopleFault("last_manager") from error
        if found:
            await self._activity.note(by, "disable" if is_disabled else "enable", "person", name)
        return found

    async def reset_password(self, name: str, *, by: str, password: str | None = None) -> str:
        """Give a person another password and log him out; "" when there is no such person.

        Args:
            name: whose.
            by: who does so.
            password: the new one; None makes one that he has to change.

        Raises:
            PeopleFault: a bad password.
            StorageError: not stored.
        """
        made = password is None
        password = new_password() if password is None else password
        if fault := fault_of(password, name):
            raise PeopleFault(fault)
        if not await self._book.set_password(name, await self._passwords.hash(password), must_change=made):
            return ""
        await self._activity.note(by, "reset_password", "person", name)
        return password

    async def add_token(
        self,
        name: str,
        scopes: Collection[Right],
        branches: frozenset[str] | None,
        *,
        by: str,
        days: int | None = None,
    ) -> str:
        """Make a token; gives what the machine shows, which is stored nowhere.

        Raises:
            PeopleFault: a bad name or choice, or the name is, or was, taken.
            StorageError: not stored.
        """
        if not is_name(name) or name == "api":
            raise PeopleFault("name")
        if not scopes:
            raise PeopleFault("scopes")
        if branches is not None and not branches:
            raise PeopleFault("branches")
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise PeopleFault("days")
        shown, token = make_token(name, frozenset(scopes), branches, made_by=by, now=self._now(), days=days)
        try:
            await self._book.add_token(token)
        except StorageConflict as error:
            raise PeopleFault("name_taken") from error
        detail: dict[str, JsonValue] = {
            "scopes": [*sorted(scope.value for scope in token.scopes)],
            "branches": None if branches is None else [*sorted(branches)],
            "days": days,
        }
        await self._activity.note(by, "add", "token", name, detail=detail)
        return shown

    async def revoke_token(self, token: ApiToken, *, by: str) -> None:
        """End a token for good.

        Raises:
            StorageError: not stored.
        """
        await self._book.revoke_token(token.token_id)
        await self._activity.note(by, "revoke", "token", token.name)


def _check_rights(roles: Collection[Role], branches: frozenset[str] | None) -> None:
    if not roles:
        raise PeopleFault("roles")
    if branches is not None and not branches:
        raise PeopleFault("branches")


def _rights_detail(roles: Collection[Role], branches: frozenset[str] | None) -> dict[str, JsonValue]:
    names: list[JsonValue] = [*sorted(role.value for role in roles)]
    return {"roles": names, "branches": None if branches is None else [*sorted(branches)]}

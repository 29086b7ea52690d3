"""Accounts, sessions, API tokens and failed log-ins; secrets only ever as hashes.

Takes a Store, gives `PeopleBook`; each method is one transaction. Times come in as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from ivrbot.errors import StorageConflict
from ivrbot.model.people import Account, ApiToken, Right, Role, Session
from ivrbot.storage.schema import UtcDateTime, metadata
from ivrbot.storage.store import Store

KEPT_FAILURES: Final = timedelta(days=1)

people = Table(
    "people",
    metadata,
    Column("name", String, primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("branches", JSON(none_as_null=True)),
    Column("password_hash", String, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String, primary_key=True),
    Column("name", String, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False, index=True),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("token_id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("token_hash", String, nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("branches", JSON(none_as_null=True)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_on", String),
    Column("is_revoked", Boolean, nullable=False),
)

log_in_failures = Table(
    "log_in_failures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_log_in_failures_subject_at", "subject", "at"),
)


class PeopleBook:
    """People over one store.

    Every method raises StorageUnavailable when the database does not answer.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    # --- accounts ---------------------------------------------------------------------------------------

    async def add(self, account: Account) -> None:
        """Store a new account.

        Raises:
            StorageConflict: somebody has that name.
        """
        values = _account_values(account)
        await self._store.write(lambda conn: conn.execute(insert(people).values(values)) and None)

    async def add_first(self, account: Account) -> bool:
        """Store an account if there is nobody yet who manages people; whether it was stored.

        Raises:
            StorageConflict: another process did so in the same moment.
        """
        return await self._store.write(partial(_add_first, account=account))

    async def account(self, name: str) -> Account | None:
        """The account of a name."""
        return await self._store.read(partial(_account_of, name=name))

    async def accounts(self) -> tuple[Account, ...]:
        """All accounts by name, disabled ones too."""
        query = select(people).order_by(people.c.name)
        return await self._store.read(lambda conn: tuple(_account(row) for row in conn.execute(query)))

    async def set_password(self, name: str, password_hash: str, *, must_change: bool, keep: str = "") -> bool:
        """Store another password, log him out everywhere and forget failed log-ins; False for an unknown name.

        Args:
            name: whose.
            password_hash: in argon2's form.
            must_change: he has to choose another at the next log-in.
            keep: hash of a session that stays.
        """
        values = {"password_hash": password_hash, "must_change": must_change}
        return await self._store.write(partial(_change, name=name, values=values, keep=keep))

    async def set_hash(self, name: str, password_hash: str) -> None:
        """Store the same password, hashed with today's parameters."""
        query = update(people).where(people.c.name == name).values(password_hash=password_hash)
        await self._store.write(lambda conn: conn.execute(query) and None)

    async def set_rights(self, name: str, roles: frozenset[Role], branches: frozenset[str] | None) -> bool:
        """Store other roles and branches and log him out; False for an unknown name.

        Raises:
            StorageConflict: nobody would be left to manage people.
        """
        values = {"roles": _sorted(roles), "branches": None if branches is None else sorted(branches)}
        return await self._store.write(partial(_change, name=name, values=values))

    async def set_disabled(self, name: str, is_disabled: bool) -> bool:
        """Lock an account and log it out, or unlock it; False for an unknown name.

        Raises:
            StorageConflict: nobody would be left to manage people.
        """
        return await self._store.write(partial(_change, name=name, values={"is_disabled": is_disabled}))

    # --- sessions ---------------------------------------------------------------------------------------

    async def open_session(self, session: Session, oldest: datetime) -> None:
        """Store a session; those not seen since `oldest` are forgotten."""

        def write(conn: Connection) -> None:
            conn.execute(delete(sessions).where(sessions.c.seen_at < oldest))
            conn.execute(insert(sessions).values(asdict(session)))

        await self._store.write(write)

    async def session(self, token_hash: str) -> tuple[Session, Account] | None:
        """A session and whose it is."""
        return await self._store.read(partial(_session_of, token_hash=token_hash))

    async def touch_session(self, token_hash: str, at: datetime) -> None:
        """Note that a session is in use."""
        query = update(sessions).where(sessions.c.token_hash == token_hash).values(seen_at=at)
        await self._store.write(lambda conn: conn.execute(query) and None)

    async def close_session(self, token_hash: str) -> None:
        """Log out one browser."""
        query = delete(sessions).where(sessions.c.token_hash == token_hash)
        await self._store.write(lambda conn: conn.execute(query) and None)

    async def sessions_of(self, name: str) -> tuple[Session, ...]:
        """Where somebody is logged in, newest first."""
        query = select(sessions).where(sessions.c.name == name).order_by(sessions.c.seen_at.desc())
        return await self._store.read(lambda conn: tuple(Session(**row._mapping) for row in conn.execute(query)))

    # --- tokens -----------------------------------------------------------------------------------------

    async def add_token(self, token: ApiToken) -> None:
        """Store a token.

        Raises:
            StorageConflict: there is, or was, one of that name.
        """
        values = asdict(token) | {
            "scopes": _sorted(token.scopes),
            "branches": None if token.branches is None else sorted(token.branches),
            "last_used_on": None if token.last_used_on is None else token.last_used_on.isoformat(),
        }
        await self._store.write(lambda conn: conn.execute(insert(api_tokens).values(values)) and None)

    async def tokens(self) -> tuple[ApiToken, ...]:
        """All tokens by name, revoked ones too: nobody else may ever sign with their names."""
        query = select(api_tokens).order_by(api_tokens.c.name)
        return await self._store.read(lambda conn: tuple(_token(row) for row in conn.execute(query)))

    async def token(self, token_hash: str) -> ApiToken | None:
        """The token with this hash."""
        query = select(api_tokens).where(api_tokens.c.token_hash == token_hash)

        def read(conn: Connection) -> ApiToken | None:
            row = conn.execute(query).one_or_none()
            return None if row is None else _token(row)

        return await self._store.read(read)

    async def use_token(self, token_id: str, on: date) -> None:
        """Note the day on which a token was used."""
        query = update(api_tokens).where(api_tokens.c.token_id == token_id).values(last_used_on=on.isoformat())
        await self._store.write(lambda conn: conn.execute(query) and None)

    async def revoke_token(self, token_id: str) -> str | None:
        """End a token for good; gives its name, None for an unknown id."""

        def write(conn: Connection) -> str | None:
            wanted = api_tokens.c.token_id == token_id
            name = conn.execute(select(api_tokens.c.name).where(wanted)).scalar_one_or_none()
            conn.execute(update(api_tokens).where(wanted).values(is_revoked=True))
            return name

        return await self._store.write(write)

    # --- failed log-ins ---------------------------------------------------------------------------------

    async def add_failure(self, subjects: tuple[str, ...], at: datetime) -> None:
        """Note a failed log-in of each subject (a name, an address)."""

        def write(conn: Connection) -> None:
            conn.execute(delete(log_in_failures).where(log_in_failures.c.at < at - KEPT_FAILURES))
            conn.execute(insert(log_in_failures), [{"subject": subject, "at": at} for subject in subjects])

        await self._store.write(write)

    async def failures(self, subjects: tuple[str, ...], since: datetime) -> Mapping[str, tuple[int, datetime]]:
        """How often each subject has failed since then, and when first; subjects without failures are left out."""
        table = log_in_failures
        query = (
            select(table.c.subject, func.count().label("times"), func.min(table.c.at).label("first"))
            .where(table.c.subject.in_(subjects), table.c.at > since)
            .group_by(table.c.subject)
        )
        return await self._store.read(
            lambda conn: {row.subject: (row.times, row.first) for row in conn.execute(query)}
        )

    async def forget_failures(self, subject: str) -> None:
        """Forget a subject's failed log-ins."""
        await self._store.write(partial(_forget, subject=subject))


def name_subject(name: str) -> str:
    """Under what failed log-ins of a name are counted."""
    return f"name:{name}"


def _forget(conn: Connection, subject: str) -> None:
    conn.execute(delete(log_in_failures).where(log_in_failures.c.subject == subject))


def _add_first(conn: Connection, account: Account) -> bool:
    if _has_manager(conn) or _account_of(conn, account.name) is not None:
        return False
    conn.execute(insert(people).values(_account_values(account)))
    return True


def _change(conn: Connection, name: str, values: Mapping[str, Any], keep: str = "") -> bool:
    """Change an account; whoever used it logs in again."""
    was_managed = _has_manager(conn)
    if not conn.execute(update(people).where(people.c.name == name).values(values)).rowcount:
        return False
    conn.execute(delete(sessions).where(sessions.c.name == name, sessions.c.token_hash != keep))
    if "password_hash" in values:
        _forget(conn, name_subject(name))
    elif was_managed and not _has_manager(conn):
        raise StorageConflict("nobody would be left to manage people")
    return True


def _has_manager(conn: Connection) -> bool:
    return any(
        not account.is_disabled and account.branches is None and account.person.may(Right.PEOPLE_MANAGE)
        for account in (_account(row) for row in conn.execute(select(people)))
    )


def _account_of(conn: Connection, name: str) -> Account | None:
    row = conn.execute(select(people).where(people.c.name == name)).one_or_none()
    return None if row is None else _account(row)


def _session_of(conn: Connection, token_hash: str) -> tuple[Session, Account] | None:
    row = conn.execute(select(sessions).where(sessions.c.token_hash == token_hash)).one_or_none()
    account = None if row is None else _account_of(conn, row.name)
    return None if row is None or account is None else (Session(**row._mapping), account)


def _account_values(account: Account) -> dict[str, Any]:
    return asdict(account) | {
        "roles": _sorted(account.roles),
        "branches": None if account.branches is None else sorted(account.branches),
    }


def _account(row: Row[Any]) -> Account:
    values = dict(row._mapping)
    return Account(
        **values
        | {
            "roles": frozenset(Role(role) for role in values["roles"]),
            "branches": None if values["branches"] is None else frozenset(values["branches"]),
        }
    )


def _token(row: Row[Any]) -> ApiToken:
    values = dict(row._mapping)
    day = values["last_used_on"]
    return ApiToken(
        **values
        | {
            # A scope of a version before that no longer exists opens nothing.
            "scopes": frozenset(Right(scope) for scope in values["scopes"] if scope in set(Right)),
            "branches": None if values["branches"] is None else frozenset(values["branches"]),
            "last_used_on": None if day is None else date.fromisoformat(day),
        }
    )


def _sorted(codes: frozenset[Role] | frozenset[Right]) -> list[str]:
    return sorted(code.value for code in codes)

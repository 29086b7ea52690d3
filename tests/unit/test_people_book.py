"""Accounts, sessions, tokens and failed log-ins as they lie in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ivrbot.errors import StorageConflict
from ivrbot.model.people import Account, ApiToken, Person, Right, Role, Session, is_name
from ivrbot.storage.people import PeopleBook, name_subject
from ivrbot.storage.store import Store

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CARDS = frozenset({"cards"})


def an_account(name: str = "anna", *roles: Role, branches: frozenset[str] | None = None) -> Account:
    return Account(name, frozenset(roles or {Role.ADMIN}), branches, "$argon2id$x", False, False, AT, "test")


def a_token(name: str = "pbx", **values: object) -> ApiToken:
    token = ApiToken(f"id-{name}", name, f"hash-{name}", frozenset({Right.CALLS_REGISTER}), CARDS, AT, "anna")
    return replace(token, **values)  # type: ignore[arg-type]


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[PeopleBook]:
    async with Store(tmp_path / "p.sqlite") as store:
        yield PeopleBook(store)


@pytest.mark.parametrize("name", ["anna", "a", "ivan.petrov", "x-1_2", "a" * 32])
def test_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "Anna", "a b", "token:x", "-a", "a.", "a" * 33, "анна", "a\n", "a/b", "<b>"])
def test_what_is_no_name(name: str) -> None:
    assert not is_name(name)


def test_who_sees_what() -> None:
    everywhere, bounded = Person("a", frozenset()), Person("b", frozenset(), CARDS)
    assert everywhere.sees(frozenset())
    assert bounded.sees(frozenset({"cards", "money"}))
    assert not bounded.sees(frozenset({"money"}))
    assert not bounded.sees(frozenset())


async def test_an_account_comes_back_as_it_went(book: PeopleBook) -> None:
    anna = an_account("anna", Role.OWNER, Role.ANALYST, branches=CARDS)
    await book.add(anna)
    assert await book.account("anna") == anna
    assert anna.person.may(Right.ROLLOUT_CHANGE, "cards")
    assert not anna.person.may(Right.ROLLOUT_CHANGE, "money")
    with pytest.raises(StorageConflict):
        await book.add(anna)
    await book.add(an_account("boris"))
    assert [account.name for account in await book.accounts()] == ["anna", "boris"]
    assert (await book.accounts())[1].branches is None


async def test_there_is_one_first_account(book: PeopleBook) -> None:
    await book.add(an_account("anna", Role.OPERATOR))
    assert await book.add_first(an_account("admin"))
    assert not await book.add_first(an_account("other"))
    assert [account.name for account in await book.accounts()] == ["admin", "anna"]


async def test_a_change_of_rights_or_password_logs_out(book: PeopleBook) -> None:
    await book.add(an_account("boss"))
    await book.add(an_account("anna", Role.OPERATOR))

    async def logged_in() -> list[str]:
        return sorted(session.token_hash for session in await book.sessions_of("anna"))

    async def log_in() -> None:
        for token_hash in ("one", "two"):
            await book.close_session(token_hash)
            await book.open_session(Session(token_hash, "anna", AT, AT), AT - timedelta(days=1))

    await log_in()
    assert await book.set_password("anna", "$other", must_change=True, keep="one")
    assert await logged_in() == ["one"]
    await log_in()
    assert await book.set_rights("anna", frozenset({Role.ANALYST}), CARDS)
    assert await logged_in() == []
    await log_in()
    assert await book.set_disabled("anna", True)
    assert await logged_in() == []
    changed = await book.account("anna")
    assert changed
    assert (changed.password_hash, changed.must_change, changed.is_disabled) == ("$other", True, True)
    assert (changed.roles, changed.branches) == (frozenset({Role.ANALYST}), CARDS)
    for unknown in (
        book.set_password("nobody", "x", must_change=False),
        book.set_rights("nobody", frozenset(), None),
        book.set_disabled("nobody", True),
    ):
        assert await unknown is False


async def test_somebody_is_left_to_manage_people(book: PeopleBook) -> None:
    await book.add(an_account("anna"))
    await book.add(an_account("bounded", Role.ADMIN, branches=CARDS))
    with pytest.raises(StorageConflict):
        await book.set_disabled("anna", True)
    with pytest.raises(StorageConflict):
        await book.set_rights("anna", frozenset({Role.OPERATOR}), None)
    kept = await book.account("anna")
    assert kept
    assert (kept.is_disabled, kept.roles) == (False, frozenset({Role.ADMIN}))
    await book.add(an_account("boris"))
    assert await book.set_disabled("anna", True)


async def test_sessions_are_found_touched_and_forgotten(book: PeopleBook) -> None:
    await book.add(an_account("anna"))
    await book.open_session(Session("old", "anna", AT, AT), AT)
    await book.touch_session("old", AT + timedelta(minutes=5))
    found = await book.session("old")
    assert found
    assert (found[0].seen_at, found[1].name) == (AT + timedelta(minutes=5), "anna")
    await book.open_session(Session("new", "anna", AT, AT + timedelta(hours=9)), AT + timedelta(hours=1))
    assert await book.session("old") is None
    await book.close_session("new")
    assert await book.session("new") is None


async def test_a_token_is_used_and_revoked(book: PeopleBook) -> None:
    token = a_token(expires_at=AT + timedelta(days=1))
    await book.add_token(token)
    assert await book.token("hash-pbx") == token
    assert token.person == Person(
        "token:pbx", frozenset({Right.CALLS_REGISTER}), CARDS, is_machine=True, made_by="anna"
    )
    await book.use_token(token.token_id, date(2026, 3, 2))
    assert await book.revoke_token(token.token_id) == "pbx"
    assert await book.revoke_token("unknown") is None
    (kept,) = await book.tokens()
    assert (kept.last_used_on, kept.is_revoked, kept.is_valid(AT)) == (date(2026, 3, 2), True, False)
    with pytest.raises(StorageConflict):
        await book.add_token(a_token(token_id="another", token_hash="other"))


def test_a_token_expires() -> None:
    assert a_token().is_valid(AT)
    assert a_token(expires_at=AT + timedelta(seconds=1)).is_valid(AT)
    assert not a_token(expires_at=AT).is_valid(AT)


async def test_failed_log_ins_are_counted_and_forgotten(book: PeopleBook) -> None:
    await book.add(an_account("anna"))
    anna = name_subject("anna")
    for minute in range(3):
        await book.add_failure((anna, "address:1"), AT + timedelta(minutes=minute))
    found = await book.failures((anna, "address:1", "address:2"), AT)
    assert found == {
        anna: (2, AT + timedelta(minutes=1)),
        "address:1": (2, AT + timedelta(minutes=1)),
    }
    await book.set_password("anna", "x", must_change=False)
    assert await book.failures((anna,), AT) == {}
    await book.add_failure(("address:3",), AT + timedelta(days=2))
    assert await book.failures(("address:1",), AT - timedelta(days=9)) == {}

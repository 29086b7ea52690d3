"""`ivrbot users`: who may log in, and with what rights; tokens of machines."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NoReturn

import click

from ivrbot import app
from ivrbot.cli.console import FAILED, INVALID, fail, json_option, print_json, quiet_settings, run_async
from ivrbot.cli.rollout_parts import who_asks
from ivrbot.config import Settings
from ivrbot.model.people import Account, ApiToken, Right, Role
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.people import PeopleBook
from ivrbot.web.people_accounts import PeopleDesk, PeopleFault
from ivrbot.web.people_passwords import Passwords
from ivrbot.web.texts.people import LABELS

branch_option = click.option(
    "--branch", "branches", multiple=True, help="Only this branch's calls and reports; may be repeated."
)
UNKNOWN: Final = "nobody is called so; see: ivrbot users list"


@click.group()
def users() -> None:
    """Add, list and disable people; make API tokens."""


@users.command()
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice([role.value for role in Role]))
@branch_option
@run_async
async def add(name: str, roles: tuple[str, ...], branches: tuple[str, ...]) -> None:
    """Add a person; the password is asked for, or read from standard input."""
    settings = quiet_settings()
    bounds = _bounds(settings, branches)
    password = _password()
    async with _desk(settings) as (desk, _book):
        try:
            await desk.add(name, {Role(role) for role in roles}, bounds, by=who_asks(), password=password)
        except PeopleFault as fault:
            _refuse(fault)
    click.echo(f"{name} may log in now", err=True)


@users.command("list")
@json_option
@run_async
async def list_(as_json: bool) -> None:
    """Print people and tokens."""
    async with _desk(quiet_settings()) as (_, book):
        people, tokens = await book.accounts(), await book.tokens()
    if as_json:
        print_json({"people": [_person_row(one) for one in people], "tokens": [_token_row(one) for one in tokens]})
        return
    for one in people:
        state = "disabled" if one.is_disabled else "must change the password" if one.must_change else "active"
        click.echo(f"{one.name:32} {', '.join(sorted(one.roles)):24} {_branch_words(one.branches)}  {state}")
    for token in tokens:
        state = "revoked" if token.is_revoked else f"until {token.expires_at:%F}" if token.expires_at else "valid"
        click.echo(
            f"token:{token.name:26} {', '.join(sorted(token.scopes))}  {_branch_words(token.branches)}  {state}"
        )


@users.command()
@click.argument("name")
@run_async
async def disable(name: str) -> None:
    """Lock a person out and log him out everywhere."""
    await _set_disabled(name, is_disabled=True)


@users.command()
@click.argument("name")
@run_async
async def enable(name: str) -> None:
    """Let a disabled person in again."""
    await _set_disabled(name, is_disabled=False)


@users.command()
@click.argument("name")
@run_async
async def password(name: str) -> None:
    """Set another password, log the person out and forget failed log-ins."""
    settings = quiet_settings()
    chosen = _password()
    async with _desk(settings) as (desk, _book):
        try:
            done = await desk.reset_password(name, by=who_asks(), password=chosen)
        except PeopleFault as fault:
            _refuse(fault)
    if not done:
        fail(FAILED, UNKNOWN)


@users.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice([right.value for right in Right])
)
@branch_option
@click.option("--days", type=click.IntRange(min=1), help="Days until it expires; without: never.")
@json_option
@run_async
async def token(
    name: str, scopes: tuple[str, ...], branches: tuple[str, ...], days: int | None, as_json: bool
) -> None:
    """Make a token for a machine and print it, this once."""
    settings = quiet_settings()
    bounds = _bounds(settings, branches)
    async with _desk(settings) as (desk, _book):
        try:
            made = await desk.add_token(name, {Right(scope) for scope in scopes}, bounds, by=who_asks(), days=days)
        except PeopleFault as fault:
            _refuse(fault)
    if as_json:
        print_json({"name": name, "token": made})
    else:
        click.echo(made)


@users.command()
@click.argument("name")
@run_async
async def revoke(name: str) -> None:
    """End a machine's token for good."""
    async with _desk(quiet_settings()) as (desk, book):
        found = next((one for one in await book.tokens() if one.name == name), None)
        if found is None:
            fail(FAILED, "there is no such token; see: ivrbot users list")
        await desk.revoke_token(found, by=who_asks())


async def _set_disabled(name: str, *, is_disabled: bool) -> None:
    async with _desk(quiet_settings()) as (desk, _book):
        try:
            found = await desk.set_disabled(name, is_disabled, by=who_asks())
        except PeopleFault as fault:
            _refuse(fault)
    if not found:
        fail(FAILED, UNKNOWN)


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[tuple[PeopleDesk, PeopleBook]]:
    async with app.store_of(settings) as store:
        book = PeopleBook(store)
        yield PeopleDesk(book, ActivityLog(store, app.utc_now), Passwords(), app.utc_now), book


def _password() -> str:
    """Asked for twice on a terminal, else the first line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _bounds(settings: Settings, branches: tuple[str, ...]) -> frozenset[str] | None:
    if not branches:
        return None
    known = app.branch_names(settings)
    if wrong := sorted(set(branches) - known):
        fail(INVALID, f"no such branch: {', '.join(wrong)}; allowed: {', '.join(sorted(known))}")
    return frozenset(branches)


def _refuse(fault: PeopleFault) -> NoReturn:
    fail(
        FAILED if fault.code in {"name_taken", "last_manager"} else INVALID,
        LABELS["people_faults"][fault.code]["en"],
    )


def _branch_words(branches: frozenset[str] | None) -> str:
    return "all branches" if branches is None else ", ".join(sorted(branches))


def _person_row(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "roles": sorted(account.roles),
        "branches": None if account.branches is None else sorted(account.branches),
        "disabled": account.is_disabled,
        "must_change_password": account.must_change,
        "created_at": account.created_at.isoformat(timespec="seconds"),
        "created_by": account.created_by,
    }


def _token_row(token: ApiToken) -> dict[str, object]:
    return {
        "name": token.name,
        "scopes": sorted(token.scopes),
        "branches": None if token.branches is None else sorted(token.branches),
        "created_by": token.created_by,
        "expires_at": token.expires_at.isoformat(timespec="seconds") if token.expires_at else None,
        "last_used_on": token.last_used_on.isoformat() if token.last_used_on else None,
        "revoked": token.is_revoked,
    }

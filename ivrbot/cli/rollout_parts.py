"""What the commands of `ivrbot rollout` share: the store, who is asking, the plan."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from ivrbot import app
from ivrbot.cli.console import print_json
from ivrbot.config import Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.language.masking import mask_typed
from ivrbot.model.rollout import StateChange
from ivrbot.rollout import rows
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.store import Store

why_option = click.option(
    "--why",
    required=True,
    callback=lambda _context, _option, text: mask_typed(text),
    help="Reason, kept in the audit.",
)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The database of the settings; a file is made where there is none."""
    async with app.store_of(settings) as store:
        yield store


def read_plan(settings: Settings) -> Plan:
    """The plan of the settings.

    Raises:
        ConfigError: every problem of it.
    """
    return app.load_rollout(settings.rollout.plan, load_flows(settings.flows_dir))


def who_asks() -> str:
    """The operating system's user; the environment, which anybody can set, is not asked."""
    number = os.getuid()
    try:
        return f"user:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user:{number}"


def show_changes(changes: list[StateChange], as_json: bool) -> None:
    """Print what was changed."""
    table = [rows.change_row(change) for change in changes]
    if as_json:
        print_json(table)
        return
    for change in changes:
        state = change.after
        where = f"{state.stage or '-'} {state.share:.0%}" if state.stage or not state.killed else ""
        click.echo(f"{state.branch}: {change.action} {where}".rstrip(), err=True)

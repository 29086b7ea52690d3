"""`ivrbot rollout`: the plan, what is in force, and changes to it."""

from __future__ import annotations

import getpass
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from ivrbot import app
from ivrbot.call.router import FRONT_BRANCH
from ivrbot.cli.console import INVALID, fail, guarded, json_option, print_json, quiet_settings, run_async
from ivrbot.cli.rollout_analyze import analyze_command
from ivrbot.cli.rollout_audit import audit_group, certificate_command, verify_command
from ivrbot.config import Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.model.rollout import StateChange
from ivrbot.rollout import control, rows
from ivrbot.rollout.caller_key import load_caller_key
from ivrbot.rollout.check import check_plan
from ivrbot.storage.sqlite import SqliteStore

why_option = click.option("--why", required=True, help="Reason, kept in the audit.")


@click.group()
def rollout() -> None:
    """Check the plan; see and change what is in force."""


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[SqliteStore]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with SqliteStore(settings.data_dir / "ivrbot.sqlite") as store:
        yield store


@rollout.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@guarded
def check(file: Path | None, as_json: bool) -> None:
    """Validate a plan: every problem at once, with its line."""
    settings = quiet_settings()
    branches = load_flows(settings.flows_dir).branches.branches
    emergencies = [name for name, branch in branches.items() if branch.emergency]
    problems, warnings = check_plan(
        file or settings.rollout.plan, {*branches, FRONT_BRANCH}, emergencies=emergencies
    )
    if as_json:
        print_json(
            [
                {
                    "file": p.file,
                    "line": p.line,
                    "path": p.path,
                    "value": p.value,
                    "message": p.message,
                    "allowed": p.allowed,
                }
                for p in problems
            ]
        )
    else:
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
        for problem in problems:
            click.echo(str(problem), err=True)
    sys.exit(INVALID if problems else 0)


@rollout.command()
@json_option
@run_async
async def status(as_json: bool) -> None:
    """What is in force in each branch."""
    settings = quiet_settings()
    plan = app.load_rollout(settings.rollout.plan, load_flows(settings.flows_dir))
    async with _store(settings) as store:
        table = rows.status(plan, await store.own_states())
    if as_json:
        print_json(table)
        return
    for row in table:
        note = " KILLED" if row["killed"] else ""
        click.echo(f"{row['branch']:<12} {row['stage'] or '-':<10} {row['share']:>5.0%}{note}")


@rollout.command()
@click.argument("branch")
@click.option("--caller", default="", help="Calling number; empty is a withheld one.")
@click.option("--call-id", default="", help="Stands for the caller when the number is withheld.")
@json_option
@run_async
async def decide(branch: str, caller: str, call_id: str, as_json: bool) -> None:
    """Where a call would go now; nothing is stored."""
    settings = quiet_settings()
    flow_set = load_flows(settings.flows_dir)
    plan = app.load_rollout(settings.rollout.plan, flow_set)
    known = {*flow_set.branches.branches, FRONT_BRANCH}
    if branch not in known:
        fail(INVALID, f"no branch {branch!r}; allowed: {', '.join(sorted(known))}")
    async with _store(settings) as store:
        own = await store.own_states()
    row = rows.decide(
        plan, own, branch, number=caller, call_id=call_id, caller_key=load_caller_key(settings.data_dir)
    )
    if as_json:
        print_json(row)
    else:
        click.echo(f"{row['route']} ({row['reason']})")


@rollout.command("set")
@click.argument("branch")
@click.argument("share", type=float)
@click.option("--override", is_flag=True, help="Skip rungs; stamped on report and certificate.")
@why_option
@json_option
@run_async
async def set_share(branch: str, share: float, override: bool, why: str, as_json: bool) -> None:
    """Set a branch to a share of its ladder, up one rung at a time."""
    settings = quiet_settings()
    plan = app.load_rollout(settings.rollout.plan, load_flows(settings.flows_dir))
    async with _store(settings) as store:
        await control.adopt(plan, store, _who(), app.utc_now())
        change = await control.set_share(
            plan, store, branch, share, who=_who(), why=why, at=app.utc_now(), override=override
        )
    _show_changes([change], as_json)


@rollout.command()
@click.argument("branch", required=False)
@why_option
@json_option
@run_async
async def kill(branch: str | None, why: str, as_json: bool) -> None:
    """Send every caller of a branch (or of all) to operators from the next call on."""
    settings = quiet_settings()
    async with _store(settings) as store:
        changes = await control.kill(store, branch, who=_who(), why=why, at=app.utc_now())
    _show_changes(changes, as_json)


@rollout.command()
@click.argument("branch", required=False)
@why_option
@json_option
@run_async
async def resume(branch: str | None, why: str, as_json: bool) -> None:
    """Take a kill back."""
    settings = quiet_settings()
    async with _store(settings) as store:
        changes = await control.resume(store, branch, who=_who(), why=why, at=app.utc_now())
    _show_changes(changes, as_json)


@rollout.command()
@click.argument("branch", required=False)
@json_option
@run_async
async def history(branch: str | None, as_json: bool) -> None:
    """Every change: who, when, from, to, why."""
    async with _store(quiet_settings()) as store:
        table = [rows.history_row(row) for row in await store.history(branch)]
    if as_json:
        print_json(table)
        return
    for row in table:
        click.echo(f"{row['at']}  {row['who']:<20} {row['action']:<10} {row['branch']:<12} {row['why']}")


for _command in (verify_command, audit_group, certificate_command):
    rollout.add_command(_command)
rollout.add_command(analyze_command)


def _who() -> str:
    return f"user:{getpass.getuser()}"


def _show_changes(changes: list[StateChange], as_json: bool) -> None:
    table = [rows.change_row(change) for change in changes]
    if as_json:
        print_json(table)
        return
    for row in table:
        click.echo(f"{row['branch']}: {row['action']}", err=True)

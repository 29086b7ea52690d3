"""`ivrbot rollout check, status, decide, history`: the plan and what is in force."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ivrbot import app
from ivrbot.call.router import FRONT_BRANCH
from ivrbot.cli.console import INVALID, fail, guarded, json_option, print_json, quiet_settings, run_async
from ivrbot.cli.rollout_parts import open_store, read_plan
from ivrbot.config import Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.errors import ConfigError
from ivrbot.model.rollout import ALL_BRANCHES, treatment_bound
from ivrbot.rollout import rows
from ivrbot.rollout.drawing.assignment import normalise_caller, unit_of
from ivrbot.rollout.drawing.caller_key import load_caller_key
from ivrbot.rollout.planning.check import check_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.web.rollout_status import RolloutStatus

NO_PLAN = Plan("", "", "UTC", {}, {}, 0, "")
"""Stands for a file that cannot be read: states are shown all the same."""


@click.command()
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
        if not problems:
            click.echo("no problems")
    sys.exit(INVALID if problems else 0)


@click.command()
@json_option
@run_async
async def status(as_json: bool) -> None:
    """What is in force in each branch."""
    settings = quiet_settings()
    broken = ""
    try:
        plan = read_plan(settings)
    except ConfigError as error:
        plan, broken = NO_PLAN, str(error)
        click.echo(broken, err=True)
    async with open_store(settings) as store:
        table = await RolloutStatus(store, app.utc_now).rows(plan, broken)
    if as_json:
        print_json(table)
        return
    for row in table:
        click.echo(f"{row['branch']:<12} {row['stage'] or '-':<10} {_bot_share(row)}{_notes(row)}")


def _bot_share(row: rows.Row) -> str:
    """Which part of the callers is drawn for the bot."""
    share, holdback = float(str(row["share"])), float(str(row["holdback"]))
    bound = treatment_bound(share, holdback)
    held = f" ({holdback * 100:g} % held back)" if bound < share else ""
    return f"{bound * 100:>3g} % with the bot{held}"


def _notes(row: rows.Row) -> str:
    asked = row["proposal"]
    notes = [
        "KILLED" if row["killed"] else "",
        "complete" if row["complete"] else "",
        "by override" if row["override"] else "",
        f"since {str(row['since'])[:10]}" if row["since"] and row["started"] else "",
        f"{row['callers_needed']} callers needed" if row["callers_needed"] else "",
        f"decision from {row['earliest_day']}" if row["earliest_day"] else "",
        f"proposal {asked['id']} to {asked['to_stage']}" if isinstance(asked, dict) else "",
    ]
    return "".join(f"  {note}" for note in notes if note)


@click.command()
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
    key = load_caller_key(settings.data_dir)
    async with open_store(settings) as store:
        own = await store.own_states()
        unit = unit_of(normalise_caller(caller), call_id, key)
        why_not = await RolloutBook(store).excluded(unit, branch)
    row = rows.decide(plan, own, branch, number=caller, call_id=call_id, caller_key=key, why_not=why_not)
    if as_json:
        print_json(row)
    else:
        click.echo(f"{row['route']} ({row['reason']})")


@click.command()
@click.argument("branch", required=False)
@json_option
@run_async
async def history(branch: str | None, as_json: bool) -> None:
    """Every change: who, when, from, to, why."""
    settings = quiet_settings()
    async with open_store(settings) as store:
        found = await store.history(branch)
        seen = {ALL_BRANCHES, *(row.branch for row in await store.history())} if branch and not found else set()
    if branch and not found and branch not in (known := seen | _menu(settings)):
        fail(INVALID, f"no branch {branch!r}; allowed: {', '.join(sorted(known))}")
    table = [rows.history_row(row) for row in found]
    if as_json:
        print_json(table)
        return
    for row in table:
        click.echo(f"{row['at']}  {row['who']:<20} {row['action']:<10} {row['branch']:<12} {row['why']}")


def _menu(settings: Settings) -> set[str]:
    """Branches of the menu, none when its files are broken: what was changed is told all the same."""
    try:
        return {*load_flows(settings.flows_dir).branches.branches, FRONT_BRANCH}
    except ConfigError:
        return set()

"""`ivrbot rollout`: what people change. Each command writes who (the operating system's user) and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from ivrbot import app
from ivrbot.call.router import FRONT_BRANCH
from ivrbot.cli.console import INVALID, fail, json_option, print_json, quiet_settings, run_async
from ivrbot.cli.rollout_parts import open_store, read_plan, show_changes, who_asks, why_option
from ivrbot.config import Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.errors import ConfigError
from ivrbot.model.evidence import ShadowEvidence
from ivrbot.model.experiment import BranchState
from ivrbot.model.proposals import Exclusion
from ivrbot.model.rollout import ALL_BRANCHES
from ivrbot.rollout import rows
from ivrbot.rollout.drawing.assignment import normalise_caller, unit_of
from ivrbot.rollout.drawing.caller_key import load_caller_key
from ivrbot.rollout.governing import control, proposals
from ivrbot.rollout.governing.standing import standings
from ivrbot.rollout.judging.decide import shadow_lacks
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.shadow import ShadowBook
from ivrbot.storage.store import Store

override_option = click.option(
    "--override", is_flag=True, help="Set rungs, order or hours aside; stamped on report and certificate."
)


@click.command("set")
@click.argument("branch")
@click.argument("share", type=float)
@override_option
@why_option
@json_option
@run_async
async def set_share(branch: str, share: float, override: bool, why: str, as_json: bool) -> None:
    """Set a branch to a share of its ladder, up one rung at a time."""
    settings = quiet_settings()
    plan, who = read_plan(settings), who_asks()
    async with open_store(settings) as store:
        await control.adopt(plan, store, who, app.utc_now())
        lacking = await _lacking(plan, store, branch) if share > 0 else ()
        change = await control.set_share(
            plan, store, branch, share, who=who, why=why, at=app.utc_now(), override=override, early=bool(lacking)
        )
    show_changes([change], as_json)
    for sentence in lacking:
        click.echo(f"warning: {branch} leaves shadow early: {sentence}", err=True)


async def _lacking(plan: Plan, store: Store, branch: str) -> tuple[str, ...]:
    """What the shadow rung of a branch has not shown yet; nothing for a branch elsewhere."""
    ladder, held = plan.branches.get(branch), (await store.own_states()).get(branch)
    stage = ladder.stage(held.stage) if ladder and held else None
    if ladder is None or held is None or stage is None or stage.share > 0:
        return ()
    standing = standings(await store.history()).get(branch)
    since = standing.since if standing is not None else None
    shadow = await ShadowBook(store).evidence(branch, since) if since is not None else ShadowEvidence()
    return shadow_lacks(ladder, held, shadow, since, app.utc_now())


@click.command()
@click.argument("branch")
@click.argument("share", type=float, required=False)
@override_option
@why_option
@json_option
@run_async
async def propose(branch: str, share: float | None, override: bool, why: str, as_json: bool) -> None:
    """Propose a rise (the next rung, or a share) that somebody else approves."""
    settings = quiet_settings()
    plan, who = read_plan(settings), who_asks()
    async with open_store(settings) as store:
        await control.adopt(plan, store, who, app.utc_now())
        desk = proposals.Desk(plan, store, RolloutBook(store))
        made = await proposals.propose(desk, branch, share, who=who, why=why, at=app.utc_now(), override=override)
    if as_json:
        print_json(rows.proposal_row(made))
    else:
        click.echo(f"proposal {made.proposal_id}: {made.branch} to {made.to_stage} ({made.to_share:.0%})")


@click.command()
@click.argument("proposal_id", metavar="ID")
@why_option
@json_option
@run_async
async def approve(proposal_id: str, why: str, as_json: bool) -> None:
    """Approve a proposal: the branch is put on its rung."""
    settings = quiet_settings()
    plan, who = read_plan(settings), who_asks()
    async with open_store(settings) as store:
        await control.adopt(plan, store, who, app.utc_now())
        desk = proposals.Desk(plan, store, RolloutBook(store))
        change = await proposals.approve(desk, proposal_id, who=who, why=why, at=app.utc_now())
    show_changes([change], as_json)


@click.command()
@click.argument("proposal_id", metavar="ID")
@why_option
@json_option
@run_async
async def reject(proposal_id: str, why: str, as_json: bool) -> None:
    """Reject a proposal, or take one's own back."""
    settings = quiet_settings()
    plan = read_plan(settings)
    async with open_store(settings) as store:
        desk = proposals.Desk(plan, store, RolloutBook(store))
        ended = await proposals.reject(desk, proposal_id, who=who_asks(), why=why, at=app.utc_now())
    if as_json:
        print_json(rows.proposal_row(ended))
    else:
        click.echo(f"proposal {ended.proposal_id}: {ended.state.value}")


@click.command("proposals")
@click.option("--all", "everything", is_flag=True, help="Also those that are answered or overtaken.")
@json_option
@run_async
async def list_proposals(everything: bool, as_json: bool) -> None:
    """What waits for approval."""
    async with open_store(quiet_settings()) as store:
        found = await proposals.current(store, RolloutBook(store), app.utc_now())
    shown = [rows.proposal_row(item) for item in found if everything or proposals.is_open(item)]
    if as_json:
        print_json(shown)
        return
    for row in shown:
        click.echo(
            f"{row['id']}  {row['branch']:<12} to {row['to_stage']:<8} {row['state']:<10} "
            f"{row['proposer']:<20} {row['why']}"
        )


@click.command()
@click.argument("branch")
@why_option
@json_option
@run_async
async def rollback(branch: str, why: str, as_json: bool) -> None:
    """Take a branch back to share 0, where operators serve everybody."""
    settings = quiet_settings()
    try:
        plan = read_plan(settings)
    except ConfigError as error:
        plan = None  # going back must not wait until the file is repaired
        click.echo(f"the plan cannot be read, the branch counts as not started: {error}", err=True)
    async with open_store(settings) as store:
        change = await control.rollback(plan, store, branch, who=who_asks(), why=why, at=app.utc_now())
    show_changes([change], as_json)


@click.command()
@click.argument("branch", required=False)
@why_option
@json_option
@run_async
async def kill(branch: str | None, why: str, as_json: bool) -> None:
    """Send every caller of a branch (or of all) to operators from the next call on."""
    settings, branch = quiet_settings(), _one(branch)
    known = _menu(settings, branch) if branch else ()
    async with open_store(settings) as store:
        changes = await control.kill(store, branch, who=who_asks(), why=why, at=app.utc_now(), known=known)
    show_changes(changes, as_json)
    if not changes:
        click.echo(f"{branch or 'everything'} is killed already; nothing was changed", err=True)


def _one(branch: str | None) -> str | None:
    """A branch, or None for all."""
    return None if branch == ALL_BRANCHES else branch


def _menu(settings: Settings, branch: str) -> tuple[str, ...]:
    """Branches of the menu; when its files are broken, what was named: going to operators must not need them."""
    try:
        return (*load_flows(settings.flows_dir).branches.branches, FRONT_BRANCH)
    except ConfigError:
        click.echo(f"the menu cannot be read: nobody has checked that there is a branch {branch!r}", err=True)
        return (branch,)


@click.command()
@click.argument("branch", required=False)
@why_option
@json_option
@run_async
async def resume(branch: str | None, why: str, as_json: bool) -> None:
    """Take a kill back; a proposal where the plan asks for two persons."""
    settings, branch = quiet_settings(), _one(branch)
    plan = read_plan(settings)
    async with open_store(settings) as store:
        desk = proposals.Desk(plan, store, RolloutBook(store))
        done = await proposals.resume(desk, branch, who=who_asks(), why=why, at=app.utc_now())
        own = await store.own_states()
    if isinstance(done, list):
        show_changes(done, as_json)
        for line in _still(branch, own, changed=bool(done)):
            click.echo(line, err=True)
    elif as_json:
        print_json(rows.proposal_row(done))
    else:
        click.echo(f"proposal {done.proposal_id}: resume {done.branch}; another person approves it")


def _still(branch: str | None, own: Mapping[str, BranchState], *, changed: bool) -> Iterator[str]:
    """What a resume has not taken back."""
    if not changed:
        yield f"{branch or 'everything'} was not killed; nothing was changed"
    killed = [name for name, state in own.items() if state.killed and name != ALL_BRANCHES]
    if branch is None and killed:
        yield f"killed by themselves, and still: {', '.join(killed)}"
    if branch is not None and ALL_BRANCHES in own and own[ALL_BRANCHES].killed:
        yield f"every branch is still killed, {branch} too: `ivrbot rollout resume` takes that back"


caller_option = click.option("--caller", required=True, help="The caller's number; only its keyed hash is kept.")
branch_option = click.option("--branch", default=ALL_BRANCHES, help="Where it holds; everywhere when not given.")


@click.command()
@caller_option
@branch_option
@click.option("--kind", type=click.Choice(["vip", "opt_out"]), required=True, help="Why the caller is kept out.")
@why_option
@json_option
@run_async
async def exclude(caller: str, branch: str, kind: str, why: str, as_json: bool) -> None:
    """Keep a caller with operators, in neither arm, from the next call on."""
    settings = quiet_settings()
    control.require(why=why)
    if branch != ALL_BRANCHES and branch not in (known := _menu(settings, branch)):
        fail(INVALID, f"no branch {branch!r}; allowed: {', '.join(sorted(known))}, or none for all")
    made = Exclusion(_unit(settings, caller), kind, branch, who_asks(), why.strip(), app.utc_now())
    async with open_store(settings) as store:
        await RolloutBook(store).exclude(made)
    if as_json:
        print_json(rows.exclusion_row(made))
    else:
        click.echo(f"{made.unit[:12]} stays with operators {_where(branch)} ({kind})")


def _where(branch: str) -> str:
    return "everywhere" if branch == ALL_BRANCHES else f"in {branch}"


@click.command()
@caller_option
@branch_option
@why_option
@json_option
@run_async
async def include(caller: str, branch: str, why: str, as_json: bool) -> None:
    """Let a caller in again who was kept out."""
    settings = quiet_settings()
    control.require(why=why)
    unit, who, at = _unit(settings, caller), who_asks(), app.utc_now()
    async with open_store(settings) as store:
        if not await RolloutBook(store).include(unit, branch, who=who, why=why.strip(), at=at):
            fail(INVALID, "this caller is not kept out there")
    if as_json:
        print_json({"unit": unit, "branch": branch, "who": who, "why": why.strip(), "at": at.isoformat()})
    else:
        click.echo(f"{unit[:12]} is drawn again {_where(branch)}")


@click.command()
@json_option
@run_async
async def exclusions(as_json: bool) -> None:
    """Who is kept out; numbers are not kept."""
    async with open_store(quiet_settings()) as store:
        found = [rows.exclusion_row(item) for item in await RolloutBook(store).exclusions()]
    if as_json:
        print_json(found)
        return
    for row in found:
        click.echo(f"{str(row['unit'])[:12]}  {row['branch']:<12} {row['kind']:<8} {row['who']:<20} {row['why']}")


def _unit(settings: Settings, caller: str) -> str:
    number = normalise_caller(caller)
    if number is None:
        fail(INVALID, "--caller is not a telephone number")
    return unit_of(number, "", load_caller_key(settings.data_dir))

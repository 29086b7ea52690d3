"""`ivrbot rollout simulate` and `ivrbot rollout forecast`: what the plan would do, and how long it takes."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.cli.console import INVALID, fail, guarded, json_option, print_json, quiet_settings, run_async
from ivrbot.config import Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.errors import ConfigError, Problem
from ivrbot.rollout.forecasting.forecast import Assumptions, BranchForecast, forecast
from ivrbot.rollout.forecasting.simulation import Summary, simulate, summarise
from ivrbot.rollout.forecasting.synthetic import RESOLUTION, TIME, Rate, World
from ivrbot.rollout.judging.evidence import kpis_of
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import BranchPlan, Plan, Primary
from ivrbot.storage.store import Store
from ivrbot.storage.volumes import VOLUME_DAYS, callers_per_day

plan_option = click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path), help="Rollout plan; else the settings' one."
)


def _pairs(text: str) -> Callable[[click.Context, click.Parameter, Sequence[str]], list[tuple[str, list[float]]]]:
    """A callback for options like NAME=NUMBER or NAME=NUMBER:NUMBER."""

    def read(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> list[tuple[str, list[float]]]:
        found = []
        for value in values:
            name, _, numbers = value.partition("=")
            try:
                found.append((name, [float(number) for number in numbers.split(":")]))
            except ValueError:
                raise click.BadParameter(f"{value!r}; allowed: {text}") from None
        return found

    return read


def _plan(settings: Settings, plan_file: Path | None) -> Plan:
    return load_plan(plan_file or settings.rollout.plan, load_flows(settings.flows_dir).branches.branches)


# --- simulate ---------------------------------------------------------------------------------------------


@click.command("simulate")
@click.option("--calls-per-day", type=click.FloatRange(min=1), required=True, help="Mean over a week.")
@click.option("--base", type=float, default=0.72, show_default=True, help="Operators' true resolution, 0..1.")
@click.option("--effect", type=float, default=0.0, show_default=True, help="Bot - operators, on the same scale.")
@click.option("--days", type=click.IntRange(1, 3650), default=120, show_default=True)
@click.option("--runs", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@plan_option
@click.option("--branch", "name", help="Whose ladder; by default the plan's first branch.")
@click.option("--start", "rung", help="Rung to begin at; by default the branch's own.")
@click.option("--margin", type=float, help="Margin of true_resolution, instead of the plan's.")
@click.option("--drift-per-day", type=float, default=0.0, help="Change of the base per day, both arms alike.")
@click.option("--step", "steps", multiple=True, metavar="DAY=CHANGE", callback=_pairs("DAY=CHANGE"))
@click.option("--contacts-per-caller", type=float, default=1.25, show_default=True, help="Mean; 1: nobody again.")
@click.option("--hard-share", type=float, default=0.0, help="Share of callers whose task is hard.")
@click.option("--hard-drop", type=float, default=0.0, help="How much lower their base is.")
@click.option("--bad-day-share", type=float, default=0.0, help="Share of days that go worse, both arms alike.")
@click.option("--bad-day-drop", type=float, default=0.0, help="By how much.")
@click.option("--even-week", is_flag=True, help="All weekdays alike; by default weekends are quieter.")
@click.option("--routing-fault", type=float, default=0.0, help="Added to the probability of the bot, unlogged.")
@click.option("--time-effect", type=float, default=0.0, help="Bot - operators of resolved callers, seconds.")
@click.option(
    "--rate",
    "rates",
    multiple=True,
    metavar="KPI=HUMAN:BOT",
    callback=_pairs("KPI=HUMAN:BOT, or KPI=BOT for what only the bot can have"),
    help="True rate of another KPI of the plan.",
)
@json_option
@guarded
def simulate_command(
    calls_per_day: float,
    base: float,
    effect: float,
    days: int,
    runs: int,
    seed: int,
    plan_file: Path | None,
    name: str | None,
    rung: str | None,
    margin: float | None,
    steps: list[tuple[str, list[float]]],
    rates: list[tuple[str, list[float]]],
    even_week: bool,
    as_json: bool,
    **world: float,
) -> None:
    """Chance of promotion and rollback, and days to a decision, with synthetic callers of a known truth."""
    days_of_steps = tuple((_day(day), change[0]) for day, change in steps)
    branch = _branch(_plan(quiet_settings(), plan_file), name, rung, margin)
    true_rates = {_rated(kpi, branch): _rate(values) for kpi, values in rates}
    truth = World(
        calls_per_day,
        base,
        effect,
        steps=days_of_steps,
        drift_per_day=world["drift_per_day"],
        contacts_per_caller=world["contacts_per_caller"],
        hard_share=world["hard_share"],
        hard_drop=world["hard_drop"],
        bad_day_share=world["bad_day_share"],
        bad_day_drop=world["bad_day_drop"],
        routing_fault=world["routing_fault"],
        time_effect_s=world["time_effect"],
        cap_s=branch.time_cap_s,
        rates=true_rates,
    )
    if even_week:
        truth = replace(truth, weekdays=(1.0,) * 7)
    found = summarise(branch, simulate(branch, truth, days=days, runs=runs, seed=seed, progress=_progress(runs)))
    if as_json:
        print_json({**asdict(found), "branch": branch.name, "days": days, "seed": seed})
    else:
        _say(found, branch, days)


def _branch(plan: Plan, name: str | None, rung: str | None, margin: float | None) -> BranchPlan:
    """The branch asked for, with what the options change."""
    name = name or next(iter(plan.branches), "")
    branch = plan.branches.get(name)
    if branch is None:
        fail(INVALID, f"no branch {name!r} in the plan; allowed: {', '.join(plan.branches)}")
    if rung is not None:
        if branch.stage(rung) is None:
            fail(INVALID, f"no rung {rung!r}; allowed: {', '.join(stage.name for stage in branch.stages)}")
        branch = replace(branch, start=rung)
    if margin is not None:
        if not 0 < margin < math.inf:
            fail(INVALID, "--margin must be a number above 0")
        primary = tuple(
            Primary(item.kpi, margin) if item.kpi == "true_resolution" else item for item in branch.primary
        )
        branch = replace(branch, primary=primary)
    return branch


def _day(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        fail(INVALID, f"--step: {text!r} is not a day; allowed: DAY=CHANGE, like 14=-0.06")


def _rated(kpi: str, branch: BranchPlan) -> str:
    """A KPI of the branch that a rate can be told of."""
    allowed = [name for name in kpis_of(branch) if name not in (RESOLUTION, TIME)]
    if kpi in (RESOLUTION, TIME):
        fail(INVALID, f"--rate: {kpi} follows from --base and --effect")
    if kpi not in allowed:
        fail(INVALID, f"--rate: {branch.name} has no KPI {kpi!r}; allowed: {', '.join(allowed) or 'none'}")
    return kpi


def _rate(values: list[float]) -> Rate:
    if len(values) > 2 or not all(0 <= value <= 1 for value in values):
        fail(INVALID, "--rate: allowed are one or two shares between 0 and 1")
    return Rate(values[0] if len(values) == 2 else None, values[-1])


def _progress(runs: int) -> Callable[[int], None]:
    """Tells people at a terminal how far it is."""
    shown = max(1, runs // 20)

    def tell(done: int) -> None:
        if sys.stderr.isatty() and (done % shown == 0 or done == runs):
            click.echo(f"\r{done}/{runs} runs", err=True, nl=done == runs)

    return tell


def _say(found: Summary, branch: BranchPlan, days: int) -> None:
    click.echo(f"{found.runs} rollouts of {branch.name}, {days} days each")
    median = "-" if found.median_days is None else f"after {found.median_days:g} days (median)"
    click.echo(f"promoted     {found.promoted:>6.1%}  {median}")
    click.echo(f"rolled back  {found.rolled_back:>6.1%}")
    click.echo(f"complete     {found.completed:>6.1%}")
    click.echo(f"{'rung':<12} {'share':>6} {'reached':>8} {'passed':>8} {'back':>8}  median days")
    for stage in found.stages:
        lasted = "-" if stage.median_days is None else f"{stage.median_days:g}"
        click.echo(
            f"{stage.stage:<12} {stage.share:>6.0%} {stage.reached:>8.1%} {stage.passed:>8.1%} "
            f"{stage.rolled_back:>8.1%}  {lasted}"
        )


# --- forecast ---------------------------------------------------------------------------------------------


@click.command("forecast")
@plan_option
@click.option("--volumes", type=click.Path(path_type=Path), help="CSV: branch, callers_per_day or calls_per_day.")
@click.option(
    "--calls-per-caller",
    type=click.FloatRange(min=1),
    default=1.25,
    show_default=True,
    help="Turns calls_per_day into callers.",
)
@click.option("--base", type=click.FloatRange(0, 1), default=0.72, show_default=True, help="True resolution.")
@click.option(
    "--spread",
    "spreads",
    multiple=True,
    metavar="KPI=NUMBER",
    callback=_pairs("KPI=NUMBER"),
    help="Standard deviation of one caller's value.",
)
@click.option("--power", type=click.FloatRange(0.5, 0.99), default=0.8, show_default=True)
@click.option("--approval-days", type=click.IntRange(0, 365), default=0, show_default=True)
@click.option("--from", "begins", type=click.DateTime(["%Y-%m-%d"]), help="First day; by default today.")
@json_option
@run_async
async def forecast_command(
    plan_file: Path | None,
    volumes: Path | None,
    calls_per_caller: float,
    base: float,
    spreads: list[tuple[str, list[float]]],
    power: float,
    approval_days: int,
    begins: Any,
    as_json: bool,
) -> None:
    """A calendar for all branches, from their volumes."""
    told = {"--base": base, "--calls-per-caller": calls_per_caller, "--power": power}
    told |= {f"--spread {kpi}": values[0] for kpi, values in spreads}
    for option, value in told.items():
        if not 0 <= value < math.inf:
            fail(INVALID, f"{option}: {value} is not a number from 0 on")
    if unknown := [kpi for kpi, _ in spreads if kpi not in KPIS]:
        fail(INVALID, f"--spread: no KPI {unknown[0]!r}; allowed: {', '.join(KPIS)}")
    settings = quiet_settings()
    plan = _plan(settings, plan_file)
    daily = _read_volumes(volumes, calls_per_caller, plan) if volumes else await _stored_volumes(settings)
    assumed = Assumptions(base, {kpi: values[0] for kpi, values in spreads}, power, approval_days)
    rows = forecast(plan, daily, assumed)
    first: date = begins.date() if begins else datetime.now(UTC).date()
    if as_json:
        print_json([_row(row, first) for row in rows])
    else:
        _tell(rows, first)


def _read_volumes(file: Path, calls_per_caller: float, plan: Plan) -> dict[str, float]:
    """New callers per day and branch.

    Raises:
        ConfigError: every line that cannot be used.
    """
    try:
        text = file.read_text("utf-8-sig")
        head = text.partition("\n")[0]
        # Spreadsheets of many countries write semicolons.
        separator = ";" if head.count(";") > head.count(",") else ","
        lines = [*csv.reader(io.StringIO(text, newline=""), delimiter=separator)]
    except OSError as error:
        raise ConfigError([Problem(str(file), None, "", "", f"cannot be read: {error.strerror}")]) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError([Problem(str(file), None, "", "", f"not a CSV file in UTF-8: {error}")]) from error
    header = [name.strip() for name in lines[0]] if lines else []
    column = next((name for name in ("callers_per_day", "calls_per_day") if name in header), "")
    if "branch" not in header or not column:
        allowed = "branch and callers_per_day (or calls_per_day)"
        raise ConfigError([Problem(str(file), 1, "header", ", ".join(header), "lacks a column", allowed)])
    daily: dict[str, float] = {}
    problems: list[Problem] = []
    for line, values in enumerate(lines[1:], start=2):
        row = dict(zip(header, values, strict=False))
        name, told = row.get("branch", "").strip(), row.get(column, "")
        volume = _volume(told)
        if not values:
            continue
        if name not in plan.branches:
            allowed = ", ".join(plan.branches)
            problems.append(Problem(str(file), line, "branch", name, "is not in the plan", allowed))
        elif volume is None:
            problems.append(Problem(str(file), line, column, told, "is not a number from 0 on"))
        else:
            daily[name] = volume if column == "callers_per_day" else volume / calls_per_caller
    if problems:
        raise ConfigError(problems)
    return daily


def _volume(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


async def _stored_volumes(settings: Settings) -> Mapping[str, float]:
    """From the contacts of the last weeks, as far as there are any."""
    file = settings.data_dir / "ivrbot.sqlite"
    if not file.exists():
        return {}
    now = datetime.now(UTC)
    async with Store(file) as store:
        return await callers_per_day(store, now - timedelta(days=VOLUME_DAYS), now)


def _row(row: BranchForecast, first: date) -> dict[str, Any]:
    return {
        "branch": row.branch,
        "after": row.after,
        "callers_per_day": row.callers_per_day,
        "decidable": row.decidable,
        "reason": row.reason,
        "starts_day": row.starts_day,
        "done_day": row.done_day,
        "starts_on": _on(first, row.starts_day),
        "done_on": _on(first, row.done_day),
        "weeks": None if row.done_day is None else round(row.done_day / 7, 1),
        "warnings": list(row.warnings),
        "stages": [asdict(stage) for stage in row.stages],
    }


def _on(first: date, day: int | None) -> str | None:
    return None if day is None else (first + timedelta(days=day)).isoformat()


def _tell(rows: Sequence[BranchForecast], first: date) -> None:
    for row in rows:
        volume = "volume unknown" if row.callers_per_day is None else f"{row.callers_per_day:,.0f} callers a day"
        end = f"done {_on(first, row.done_day)}" if row.decidable else f"not decidable: {row.reason}"
        begin = "" if row.starts_day is None else f"starts {_on(first, row.starts_day)}, "
        click.echo(f"{row.branch}: {volume}, {begin}{end}")
        for stage in row.stages:
            callers = "-" if stage.callers_needed is None else f"{stage.callers_needed:,}"
            days = "beyond a year" if stage.days is None else f"{stage.days} days"
            click.echo(
                f"    {stage.stage:<10} {stage.share:>5.0%}  {callers:>10} callers  {days} ({stage.because})"
            )
        for warning in row.warnings:
            click.echo(f"    warning: {warning}")

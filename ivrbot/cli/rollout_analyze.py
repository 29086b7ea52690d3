"""`ivrbot rollout analyze`: evidence and verdict from a file of exposures."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from ivrbot.cli.console import INVALID, fail, guarded, json_option, print_json, quiet_settings
from ivrbot.errors import Problem
from ivrbot.model.evidence import Metric
from ivrbot.rollout.judging.sentences import shown
from ivrbot.rollout.offline.analyze import Analysis, analysis_row, analyze_file
from ivrbot.rollout.planning.check import load_plan


def _moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """An ISO 8601 time; UTC where it has no offset."""
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a time; allowed: ISO 8601, like 2026-09-01T09:30:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@click.command("analyze")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="Rollout plan; else the settings' one.")
@click.option(
    "--now", metavar="TIME", callback=_moment, help="The moment of the decision, ISO 8601; by default now."
)
@json_option
@guarded
def analyze_command(file: Path, plan_file: Path | None, now: datetime | None, as_json: bool) -> None:
    """Evidence, verdict and decision per branch from a CSV file of exposures."""
    settings = quiet_settings()
    # Rows are judged by the plan alone: the menu's files, which may be broken, have no say in it.
    plan = load_plan(plan_file or settings.rollout.plan, None)
    try:
        found, problems = analyze_file(file, plan, now or datetime.now(UTC))
    except OSError as error:
        fail(INVALID, str(Problem(str(file), None, "", "", f"cannot be read: {error.strerror}")))
    if as_json:
        print_json([analysis_row(item) for item in found])
    else:
        click.echo("\n\n".join(_text(item) for item in found) or "no rows to judge")
    for problem in problems:
        click.echo(str(problem), err=True)
    sys.exit(INVALID if problems else 0)


def _text(found: Analysis) -> str:
    """One branch for people: what follows, why, and its KPIs."""
    decision, evidence = found.decision, found.evidence
    step = f"{decision.step.value} to {decision.to_stage or 'not started'}"
    lines = [
        f"{found.state.branch}: {decision.verdict.value}, "
        f"{step if decision.to_stage != found.state.stage else decision.step.value}"
        + (f" (stage {found.state.stage}, epoch {found.state.epoch})" if found.state.stage else ""),
        decision.sentence,
    ]
    if evidence is not None:
        srm = evidence.srm
        p_value = "-" if srm.p_value is None else f"{srm.p_value:.3g}"
        arms = "arms NOT filled as drawn" if srm.ok is False else "arms filled as drawn"
        lines.append(
            f"{found.rows} rows, {found.duplicates} duplicates dropped, {evidence.units} callers; "
            f"{arms}: p = {p_value}"
        )
        lines += [f"! {problem.text}" for problem in evidence.problems]
    if decision.metrics:
        lines.append(_HEADER)
        lines += [_row(metric) for metric in decision.metrics]
    return "\n".join(lines)


_COLUMNS = "{:<22} {:<10} {:>10} {:>10} {:>15} {:>15} {:>15} {:>10} {:>7} {:>7}  {}"
_HEADER = _COLUMNS.format(
    "KPI", "role", "bot", "operators", "difference", "lower", "upper", "margin", "n bot", "n op.", "verdict"
)


def _row(metric: Metric) -> str:
    kpi = metric.kpi
    differences = [shown(kpi, value, difference=True) for value in (metric.difference, metric.lower, metric.upper)]
    return _COLUMNS.format(
        kpi,
        metric.role.value,
        shown(kpi, metric.bot),
        shown(kpi, metric.human),
        *differences,
        shown(kpi, metric.margin),
        metric.n_bot,
        metric.n_human,
        f"{metric.verdict.value} ({metric.why.replace('_', ' ')})",
    )

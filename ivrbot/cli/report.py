"""`ivrbot report`: bot versus human, from the calls of the data folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from ivrbot import app, upkeep
from ivrbot.analytics.report_queries import Filters
from ivrbot.cli.console import quiet_settings, run_async
from ivrbot.cli.rollout_parts import open_store, read_plan
from ivrbot.errors import ConfigError, Problem
from ivrbot.model.speech import Language
from ivrbot.reports.comparison import Report
from ivrbot.reports.report_documents import report_csv, report_plain, report_text_json
from ivrbot.reports.view import build_view
from ivrbot.rollout.planning.plan import Plan
from ivrbot.web.report_page import report_file
from ivrbot.web.saying import Say


@click.command("report")
@click.option("--from", "first", metavar="DAY", help="First day (2026-03-01), in the plan's time zone.")
@click.option("--to", "last", metavar="DAY", help="Last day.")
@click.option("--branch", default="", help="One branch; by default all.")
@click.option("--by", type=click.Choice(["day"]), help="Figures of every day, too.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv", "html"]), default="text", show_default=True
)
@click.option("--lang", type=click.Choice(["ru", "en"]), default="en", show_default=True, help="Of text and HTML.")
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="By default the settings'.")
@click.option("--rebuild", is_flag=True, help="Read every day's calls anew, instead of changed ones only.")
@run_async
async def report(
    first: str | None,
    last: str | None,
    branch: str,
    by: str | None,
    form: str,
    lang: Any,
    plan_file: Path | None,
    rebuild: bool,
) -> None:
    """Bot versus human: every KPI with its interval, and the weighted comparison that decisions rest on."""
    settings = quiet_settings()
    if plan_file is not None:
        rollout = settings.rollout.model_copy(update={"plan": plan_file})
        settings = settings.model_copy(update={"rollout": rollout})
    plan = read_plan(settings)
    filters = _filters(first, last, branch, plan, app.branch_names(settings))
    async with open_store(settings) as store:
        await upkeep.fold_what_waits(store, settings)
        await upkeep.report_export(settings, store, lambda: plan).refresh(rebuild=rebuild)
        reports = upkeep.reports_of(settings, store, lambda: plan)
        if form == "html":
            text = report_file(await build_view(reports, filters), Say(lang, plan.timezone))
        else:
            found = await reports.report(filters, by_day=by == "day")
            text = _told(found, form, lang)
    click.echo(text, nl=False)


def _told(found: Report, form: str, language: Language) -> str:
    if form == "json":
        return report_text_json(found) + "\n"
    return report_csv(found) if form == "csv" else report_plain(found, language)


def _filters(first: str | None, last: str | None, branch: str, plan: Plan, known: frozenset[str]) -> Filters:
    """What was asked for.

    Raises:
        ConfigError: every option that cannot be used.
    """
    problems: list[Problem] = []
    days = {name: _day(name, text, problems) for name, text in (("--from", first), ("--to", last))}
    begin, end = days["--from"], days["--to"]
    if begin and end and begin > end:
        problems.append(Problem("", None, "--to", str(end), "lies before --from", f"{begin} or later"))
    allowed = sorted({*known, *plan.branches})
    if branch and branch not in allowed:
        problems.append(Problem("", None, "--branch", branch, "no such branch", ", ".join(allowed)))
    if problems:
        raise ConfigError(problems)
    return Filters(begin, end, branch=branch)


def _day(name: str, text: str | None, problems: list[Problem]) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        problems.append(Problem("", None, name, text[:40], "is not a day", "a day like 2026-03-01"))
        return None

"""`ivrbot rollout verify / audit export / certificate`: what was decided, and whether the record of it is true."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from ivrbot import app
from ivrbot.cli.console import FAILED, fail, json_option, language_option, print_json, quiet_settings, run_async
from ivrbot.config import Settings
from ivrbot.dialogue.loader import load_flows
from ivrbot.errors import ConfigError, Problem
from ivrbot.model.rollout import AuditRow
from ivrbot.model.speech import Language
from ivrbot.reports.audit_export import csv_lines, json_lines
from ivrbot.reports.certificate_page import certificate_html, certificate_json
from ivrbot.rollout.governing.audit import AuditReport, verify
from ivrbot.rollout.governing.certificate import certify, find
from ivrbot.storage.audit_rows import stored_audit, whole_audit

out_option = click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File; standard output by default."
)


@click.command("verify")
@click.option("--expect-hash", default="", help="A newest hash kept elsewhere: finds rows cut off at the end.")
@json_option
@run_async
async def verify_command(expect_hash: str, as_json: bool) -> None:
    """Recompute the audit's chain, follow the states, derive each decision again."""
    settings = quiet_settings()
    async with app.store_of(settings) as store:
        found, own = await stored_audit(store)
    report = verify([(row.row, row.fault) for row in found], own, expect_hash=expect_hash)
    if as_json:
        versions = [{"seq": seq, "version": version} for seq, version in report.other_versions]
        print_json({"ok": report.ok, **asdict(report), "other_versions": versions})
    if not report.ok:
        where = f" at row {report.broken_at}" if report.broken_at is not None else ""
        fail(FAILED, f"the audit is broken{where}: {report.reason}")
    if not as_json:
        for line in _whole(report):
            click.echo(line)


def _whole(report: AuditReport) -> list[str]:
    lines = [
        f"the audit is whole: {report.rows} rows",
        f"decisions derived again: {report.rederived} of {report.decisions}",
        *(
            f"row {seq} was decided by version {version}; cannot be re-derived here"
            for seq, version in report.other_versions
        ),
    ]
    return [*lines, f"newest hash: {report.newest_hash}"] if report.newest_hash else lines


@click.group("audit")
def audit_group() -> None:
    """The record of every change."""


@audit_group.command()
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@out_option
@run_async
async def export(form: Literal["jsonl", "csv"], out: Path | None) -> None:
    """All rows with all columns, for a file that is kept elsewhere."""
    async with app.store_of(quiet_settings()) as store:
        rows = await whole_audit(store)
    _write(out, csv_lines(rows) if form == "csv" else json_lines(rows))


@click.command("certificate")
@click.argument("promotion")
@click.option("--format", "form", type=click.Choice(["html", "json"]), default="html", show_default=True)
@out_option
@language_option
@run_async
async def certificate_command(
    promotion: str, form: Literal["html", "json"], out: Path | None, lang: Language
) -> None:
    """The certificate of a promotion: its audit row's number, or a branch for its newest."""
    settings = quiet_settings()
    async with app.store_of(settings) as store:
        rows: tuple[AuditRow, ...] = await whole_audit(store)
    certificate = certify(rows, find(rows, promotion))
    if form == "json":
        document = certificate_json(certificate)
        _write(out, [json.dumps(document, ensure_ascii=False, indent=1) + "\n"])
    else:
        _write(out, [certificate_html(certificate, lang, _timezone(settings))])


def _timezone(settings: Settings) -> str:
    """Of the plan; a certificate can be printed without one."""
    try:
        return app.load_rollout(settings.rollout.plan, load_flows(settings.flows_dir)).timezone
    except ConfigError:
        return "UTC"


def _write(out: Path | None, parts: Iterable[str]) -> None:
    if out is None:
        sys.stdout.writelines(parts)
        return
    try:
        with out.open("w", encoding="utf-8") as file:
            file.writelines(parts)
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise ConfigError([Problem("", None, "-o", str(out), message)]) from error

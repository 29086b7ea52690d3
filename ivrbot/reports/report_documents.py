"""A report as JSON, CSV and plain text.

Takes a `Report`, gives text; numbers are raw in JSON and CSV, as people read them in the text.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from ivrbot.model.events import JsonValue
from ivrbot.model.speech import Language
from ivrbot.reports.comparison import Comparison, Report, ReportRow
from ivrbot.reports.report_texts import LACKS, kpi_name, mixing_sentence, ready_sentence, shown, why_text

ROW_COLUMNS: Final = ("branch", "stage", "arm", "kpi", "value", "lower", "upper", "n", "maturing")


def row_json(row: ReportRow) -> dict[str, JsonValue]:
    """One row."""
    found: dict[str, JsonValue] = {} if row.day is None else {"day": row.day.isoformat()}
    figure = row.figure
    return found | {
        "branch": row.branch,
        "stage": row.stage,
        "arm": row.arm,
        "kpi": figure.kpi,
        "value": figure.value,
        "lower": figure.lower,
        "upper": figure.upper,
        "n": figure.n,
        "maturing": figure.maturing,
    }


def comparison_json(item: Comparison) -> dict[str, JsonValue]:
    """One comparison, with its sentence where the plain means say something else."""
    return {
        "branch": item.branch,
        "kpi": item.kpi,
        "difference": item.difference,
        "lower": item.lower,
        "upper": item.upper,
        "verdict": item.verdict.value if item.verdict else None,
        "role": item.role,
        "margin": item.margin,
        "raw_difference": item.raw,
        "n_bot": item.n_bot,
        "n_human": item.n_human,
        "why": item.why,
        "sentence": mixing_sentence(item, "en"),
    }


def report_json(report: Report) -> dict[str, JsonValue]:
    """The document of `ivrbot report --format json` and of the API."""
    filters = report.filters
    return {
        "rows": [row_json(row) for row in report.rows],
        "comparisons": [comparison_json(item) for item in report.comparisons],
        "others": [comparison_json(item) for item in report.others],
        "unmeasured": dict(report.unmeasured),
        "from": filters.first.isoformat() if filters.first else None,
        "to": filters.last.isoformat() if filters.last else None,
        "exported_at": report.exported_at.isoformat() if report.exported_at else None,
        "comparisons_as_of": report.known_until.isoformat() if report.known_until else None,
    }


def report_text_json(report: Report) -> str:
    """The same as one line."""
    return json.dumps(report_json(report), ensure_ascii=False)


def report_csv(report: Report) -> str:
    """Two tables in one: `kind` is "figure", or "comparison", whose value is the difference."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("kind", "day", *ROW_COLUMNS, "verdict"))
    for row in report.rows:
        values = row_json(row)
        writer.writerow(("figure", values.get("day", ""), *(_cell(values[name]) for name in ROW_COLUMNS), ""))
    for item in (*report.comparisons, *report.others):
        cells = (item.branch, "all", "", item.kpi, item.difference, item.lower, item.upper)
        verdict = item.verdict.value if item.verdict else ""
        writer.writerow(("comparison", "", *map(_cell, cells), item.n_bot + item.n_human, "", verdict))
    return text.getvalue()


def _cell(value: JsonValue) -> JsonValue:
    return "" if value is None else value


def report_plain(report: Report, language: Language = "en") -> str:
    """Tables for a terminal."""
    lines: list[str] = []
    if not report.rows:
        lines.append(_NOTHING[language])
    for (branch, day), rows in groupby(report.rows, key=lambda row: (row.branch, row.day)):
        lines += _branch_table(branch, list(rows), language, "" if day is None else f" {day}", report.currency)
    if report.comparisons:
        lines += ["", _HEADS["compared"][language]]
    for branch, items in groupby(report.comparisons, key=lambda item: item.branch):
        listed = list(items)
        lines.append(ready_sentence(branch, listed, language))
        lines += [_comparison_line(item, language) for item in listed]
    sentences = [mixing_sentence(item, language) for item in report.comparisons]
    lines += ["", *filter(None, sentences)] if any(sentences) else []
    if report.unmeasured:
        lines += ["", _HEADS["unmeasured"][language]]
        lines += [f"  {name}: {LACKS[code][language]}" for name, code in report.unmeasured.items()]
    return "\n".join(lines) + "\n"


_NOTHING: Final = {"en": "No drawn calls in these days.", "ru": "За эти дни нет распределённых звонков."}
_HEADS: Final = {
    "compared": {
        "en": "Bot - operators, per caller, weighted by the chance of the draw:",
        "ru": "Робот − операторы, по звонящим, с учётом вероятности жребия:",
    },
    "unmeasured": {"en": "Not measured:", "ru": "Не измерено:"},
}


def _branch_table(
    branch: str, rows: list[ReportRow], language: Language, day: str, currency: str
) -> Iterable[str]:
    yield ""
    for stage, group in groupby(rows, key=lambda row: row.stage):
        yield f"{branch} / {stage}{day}"
        yield f"  {'':<34} {'control':>26} {'treatment':>26}"
        for kpi, pair in groupby(group, key=lambda row: row.figure.kpi):
            cells = {row.arm: _figure_cell(row, language, currency) for row in pair}
            if any(cells.values()):
                yield f"  {kpi:<34} {cells.get('control', ''):>26} {cells.get('treatment', ''):>26}"


def _figure_cell(row: ReportRow, language: Language, currency: str) -> str:
    figure = row.figure
    if figure.value is None:
        return f"({figure.maturing} maturing)" if figure.maturing else ""
    return f"{shown(figure.kpi, figure.value, language, currency=currency)} (n {figure.n})"


def _comparison_line(item: Comparison, language: Language) -> str:
    difference = shown(item.kpi, item.difference, language, difference=True)
    ends = " .. ".join(shown(item.kpi, end, language, difference=True) for end in (item.lower, item.upper))
    verdict = item.verdict.value if item.verdict else ""
    return f"  {kpi_name(item.kpi, language)}: {difference} ({ends}) {verdict}: {why_text(item, language)}"

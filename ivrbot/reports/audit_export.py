"""The whole audit as JSON lines or CSV, for a file that is kept elsewhere.

Takes audit rows, gives text; nothing is left out, so that the chain can be recomputed from the export alone.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC
from typing import Final

from ivrbot.model.events import JsonValue
from ivrbot.model.rollout import AuditRow

COLUMNS: Final = (
    "seq",
    "at",
    "who",
    "action",
    "branch",
    "before",
    "after",
    "why",
    "override",
    "detail",
    "previous_hash",
    "hash",
)


def audit_json(row: AuditRow) -> dict[str, JsonValue]:
    """A row with all its columns; what is hashed is this without `hash`, keys sorted, without spaces, in UTF-8."""
    values = asdict(row) | {"at": row.at.astimezone(UTC).isoformat(timespec="microseconds")}
    return {name: values[name] for name in COLUMNS}


def json_lines(rows: Iterable[AuditRow]) -> Iterator[str]:
    """One document a line."""
    for row in rows:
        yield json.dumps(audit_json(row), ensure_ascii=False) + "\n"


def csv_lines(rows: Iterable[AuditRow]) -> Iterator[str]:
    """A table with a head; states and details are JSON in their cells."""
    yield _line(COLUMNS)
    for row in rows:
        yield _line(_cell(value) for value in audit_json(row).values())


def _cell(value: JsonValue) -> str:
    if isinstance(value, str):
        # A spreadsheet takes these for formulas; reasons are written by people.
        return f"'{value}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
    return json.dumps(value, ensure_ascii=False)


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()

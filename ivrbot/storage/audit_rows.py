"""The audit as it lies in the file, byte for byte: what a tolerant reader would forgive is found here.

Takes the store, gives its rows in order, each with what is wrong with it. A number written another way, a space in
JSON, a flag of 2 or another spelling of a time would read as the same values, so that the hash alone misses them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import AuditRow
from ivrbot.storage import schema, statements
from ivrbot.storage.store import Store

COLUMNS = tuple(column.name for column in schema.audit.columns)
WHOLE_DEADLINE_S = 60.0
_POSTGRES = {name: f'CAST("{name}" AS text) AS "{name}"' for name in ("before", "after", "detail")} | {
    "at": """to_char("at" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS "at" """,
    "override": 'CAST("override" AS integer) AS "override"',
}
"""PostgreSQL keeps JSON's text as it was written (type json), times and flags as values of their own types: these
are written as SQLite has them."""
WORDS = ("at", "who", "action", "branch", "why", "after", "detail", "previous_hash", "hash")


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row of the table.

    Attributes:
        place: 1 for the first row of the table, whatever number it bears.
        row: None when it cannot be read.
        fault: what is wrong with its form, "" when nothing is.
    """

    place: int
    row: AuditRow | None
    fault: str = ""


async def stored_audit(store: Store) -> tuple[tuple[StoredRow, ...], dict[str, BranchState]]:
    """All audit rows, oldest first, and the states of the same moment as stored.

    Raises:
        StorageUnavailable: the file cannot be read at all.
    """
    return await store.read(lambda conn: (_stored(conn), statements.own_states(conn)), deadline_s=WHOLE_DEADLINE_S)


async def whole_audit(store: Store) -> tuple[AuditRow, ...]:
    """All audit rows with all details, oldest first; years of them take longer than a call may wait.

    Raises:
        StorageUnavailable: not read.
    """
    return await store.read(lambda conn: statements.history(conn, None), deadline_s=WHOLE_DEADLINE_S)


def _stored(conn: Connection) -> tuple[StoredRow, ...]:
    # text() without types: values come as the driver finds them, past every conversion.
    names = ", ".join(_POSTGRES.get(name, f'"{name}"') for name in COLUMNS)
    if conn.dialect.name == "sqlite":
        names = ", ".join(f'"{name}"' for name in COLUMNS)
    found = conn.execute(text(f"SELECT {names} FROM audit ORDER BY seq"))
    return tuple(_checked(place, dict(row._mapping)) for place, row in enumerate(found, start=1))


def _checked(place: int, raw: Mapping[str, Any]) -> StoredRow:
    try:
        row = _parsed(raw)
        written = _written(row)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        return StoredRow(place, None, f"row {place} cannot be read ({type(error).__name__})")
    strange = [name for name in COLUMNS if not _same(raw[name], written[name])]
    fault = f"row {place}, column {', '.join(strange)}: not as ivrbot writes it" if strange else ""
    return StoredRow(place, row, fault)


def _parsed(raw: Mapping[str, Any]) -> AuditRow:
    values = dict(raw)
    if any(not isinstance(values[name], str) for name in WORDS) or type(values["seq"]) is not int:
        raise TypeError("another kind of value")
    before = json.loads(values["before"]) if values["before"] is not None else None
    return AuditRow(
        **values
        | {
            "at": datetime.fromisoformat(values["at"]).replace(tzinfo=UTC),
            "before": BranchState(**before) if before is not None else None,
            "after": BranchState(**json.loads(values["after"])),
            "override": bool(values["override"]),
            "detail": json.loads(values["detail"]),
        }
    )


def _written(row: AuditRow) -> dict[str, Any]:
    """The values that the driver was given when the row was stored."""
    return asdict(row) | {
        "at": row.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "before": None if row.before is None else _json(asdict(row.before)),
        "after": _json(asdict(row.after)),
        "override": int(row.override),
        "detail": _json(row.detail),
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _same(found: object, written: object) -> bool:
    return type(found) is type(written) and found == written


class AuditTrail:
    """The audit as the controller needs it, often and for years: details of each branch's newest row only.

    Args:
        store: whose audit.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def own_states(self) -> dict[str, BranchState]:
        """States as stored."""
        return await self._store.own_states()

    async def history(self, branch: str | None = None) -> tuple[AuditRow, ...]:
        """Rows, oldest first; the hash of one without its detail cannot be recomputed."""
        return await self._store.read(lambda conn: _trail(conn, branch))


def _trail(conn: Connection, branch: str | None) -> tuple[AuditRow, ...]:
    table = schema.audit
    last = select(func.max(table.c.seq)).group_by(table.c.branch)
    newest = {row.seq: row.detail for row in conn.execute(select(table).where(table.c.seq.in_(last)))}
    query = select(*(column for column in table.columns if column.name != "detail")).order_by(table.c.seq)
    if branch is not None:
        query = query.where(table.c.branch == branch)
    return tuple(
        statements.audit_row({**row._mapping, "detail": newest.get(row.seq, {})}) for row in conn.execute(query)
    )

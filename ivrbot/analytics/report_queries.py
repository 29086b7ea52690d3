"""Questions of reports to the exported files: figures by any keys, the funnel, how calls ended.

Takes the export's folder, gives rows. Every question reads roll-ups of the days asked for, with one
thread of DuckDB's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from ivrbot.analytics import rollup
from ivrbot.analytics.export import day_file, read_manifest, reading
from ivrbot.analytics.figures import FROM_GROUPS, Beside, Figure, Rates, figures
from ivrbot.analytics.kpis import KPIS

EPOCH_DAY: Final = date(1970, 1, 1)
ARMS: Final = ("control", "treatment")

NO_RATES: Final = Rates()
_BESIDE: Final = {*FROM_GROUPS} - {"cost_per_resolution"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a report is about; "" and None: everything.

    Attributes:
        first, last: local days, both included.
        branches: those that may be seen; None: all.
        hour: local, 0..23.
        arms: "control", "treatment", "" (not drawn).
    """

    first: date | None = None
    last: date | None = None
    branches: frozenset[str] | None = None
    branch: str = ""
    topic: str = ""
    queue: str = ""
    hour: int | None = None
    arms: tuple[str, ...] = ARMS

    @property
    def narrow(self) -> bool:
        """By something that minutes and gaps are not kept by."""
        return bool(self.topic or self.queue or self.hour is not None)


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of some contacts.

    Attributes:
        keys: what they have in common.
        calls: contacts.
    """

    keys: Mapping[str, Any]
    calls: int
    figures: tuple[Figure, ...] = field(default=())

    def figure(self, kpi: str) -> Figure:
        """One of them."""
        return next(item for item in self.figures if item.kpi == kpi)


class ReportReader:
    """Reads an export.

    Args:
        folder: of the export.
        rates: prices.
    """

    def __init__(self, folder: Path, rates: Rates = NO_RATES) -> None:
        self._folder = folder
        self._rates = rates

    @property
    def exported_at(self) -> datetime | None:
        """When the store was read; None when there is no export."""
        manifest = read_manifest(self._folder)
        return manifest.exported_at if manifest else None

    @property
    def known_until(self) -> datetime | None:
        """No contact that began later is known for certain."""
        manifest = read_manifest(self._folder)
        return manifest.known_until if manifest else None

    def days(self) -> tuple[date, date] | None:
        """First and last UTC day with contacts; None without any."""
        manifest = read_manifest(self._folder)
        days = sorted(day for day, note in manifest.days.items() if note.contacts) if manifest else []
        return (_date(days[0]), _date(days[-1])) if days else None

    def groups(self, filters: Filters, keys: Sequence[str], kpis: Collection[str] = tuple(KPIS)) -> list[Group]:
        """Figures by keys, ordered by them.

        Args:
            filters: which contacts.
            keys: of `rollup.KEYS`.
            kpis: figures to tell; of the files only their columns are read.
        """
        with reading(self._folder) as db:
            rows = self._ask(db, "totals", filters, lambda source, where: rollup.added(source, keys, where, kpis))
            if not keys and rows and rows[0]["calls"] is None:
                return []
            beside = self._beside(db, filters, keys) if _BESIDE & set(kpis) else {}
        found = []
        for row in rows:
            key = tuple(row[name] for name in keys)
            told = figures(row, beside.get(key, Beside()), self._rates, kpis)
            found.append(Group(_plain({name: row[name] for name in keys}), int(row["calls"]), told))
        return found

    def _beside(
        self, db: duckdb.DuckDBPyConnection, filters: Filters, keys: Sequence[str]
    ) -> dict[tuple[Any, ...], Beside]:
        """Minutes and gaps, where they are kept by these keys and filters."""
        if filters.narrow or not set(keys) <= set(rollup.GAPS):
            return {}
        listed = ", ".join(keys)
        by = "GROUP BY ALL" if keys else ""
        comma = ", " if keys else ""
        # A minute in which two stages or arms had calls counts in each; over several of them it counts once only
        # where they are keys.
        known = {"branch", "arm"} <= set(keys)
        found: dict[tuple[Any, ...], Beside] = {}
        if known:
            for row in self._ask(
                db,
                "minutes",
                filters,
                lambda source, where: (
                    f"SELECT {listed}{comma}sum(minutes)::BIGINT AS minutes, "
                    f"sum(failed)::BIGINT AS failed FROM {source} WHERE {where} {by}"
                ),
            ):
                found[tuple(row[name] for name in keys)] = Beside(row["minutes"] or 0, row["failed"] or 0)
        steps: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
        for row in self._ask(
            db,
            "gaps",
            filters,
            lambda source, where: (
                f"SELECT {listed}{comma}step_ms, sum(gaps)::BIGINT AS gaps FROM {source} "
                f"WHERE {where} GROUP BY ALL ORDER BY step_ms"
            ),
        ):
            steps.setdefault(tuple(row[name] for name in keys), []).append((row["step_ms"], row["gaps"]))
        for key, pairs in steps.items():
            told = found.get(key, Beside())
            found[key] = replace(told, steps_ms=[pair[0] for pair in pairs], gaps=[pair[1] for pair in pairs])
        return found

    def endings(self, filters: Filters, keys: Sequence[str], where: str = "true") -> list[Row]:
        """How contacts ended, by keys of `rollup.ENDINGS` and `escalated`: `contacts`, `handed`, `reached`.

        Args:
            filters: which contacts.
            keys: to count by.
            where: a further condition, never of a reader's own words.
        """
        listed = ", ".join(keys)
        with reading(self._folder) as db:
            return [
                _plain(row)
                for row in self._ask(
                    db,
                    "endings",
                    filters,
                    lambda source, given: (
                        f"SELECT {listed}, sum(contacts)::BIGINT AS contacts, sum(handed)::BIGINT AS handed, "
                        f"sum(reached)::BIGINT AS reached FROM {source} WHERE {given} AND {where} "
                        f"GROUP BY ALL ORDER BY contacts DESC, {listed}"
                    ),
                )
            ]

    def funnel(self, filters: Filters) -> dict[str, int]:
        """Calls by step of the funnel; they sum to all calls of the filters' days and branches."""
        rows = self.endings(filters, ("way",), "way <> ''")
        return {row["way"]: row["contacts"] for row in rows}

    def choices(self, filters: Filters) -> dict[str, list[str]]:
        """Branches, topics and queues that occur, for filters to choose from."""
        rows = self.endings(filters, ("branch", "topic", "queue"))
        return {name: sorted({row[name] for row in rows if row[name]}) for name in ("branch", "topic", "queue")}

    def _ask(self, db: duckdb.DuckDBPyConnection, kind: str, filters: Filters, query: Any) -> list[Row]:
        files = self._files(kind, filters)
        if not files:
            return []
        where, values = _condition(kind, filters)
        cursor = db.execute(query("read_parquet($files)", where), {"files": files} | values)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _files(self, kind: str, filters: Filters) -> list[str]:
        """Files of the days asked for; a local day may begin in the UTC day before, or end in the one after."""
        manifest = read_manifest(self._folder)
        if manifest is None:
            return []
        first = (filters.first - EPOCH_DAY).days - 1 if filters.first else min(manifest.days, default=0)
        last = (filters.last - EPOCH_DAY).days + 1 if filters.last else max(manifest.days, default=0)
        days = [day for day, note in manifest.days.items() if note.contacts and first <= day <= last]
        return [str(path) for day in days if (path := day_file(self._folder, kind, day)).is_file()]


def _condition(kind: str, filters: Filters) -> tuple[str, Row]:
    """SQL of the filters and its values; a file kind without a filter's column is not asked with it."""
    wanted: list[tuple[str, str, Any]] = [
        ("first", "day >= $first", (filters.first - EPOCH_DAY).days if filters.first else None),
        ("last", "day <= $last", (filters.last - EPOCH_DAY).days if filters.last else None),
        ("branches", "list_contains($branches, branch)", _listed(filters.branches)),
        ("branch", "branch = $branch", filters.branch or None),
        ("arms", "list_contains($arms, arm)", list(filters.arms) if set(filters.arms) != {*ARMS, ""} else None),
    ]
    if kind in {"totals", "endings"}:
        wanted += [
            ("topic", "topic = $topic", filters.topic or None),
            ("queue", "queue = $queue", filters.queue or None),
            ("hour", "hour = $hour", filters.hour),
        ]
    used = [item for item in wanted if item[2] is not None]
    return " AND ".join(("true", *(text for _, text, _ in used))), {name: value for name, _, value in used}


def _listed(branches: frozenset[str] | None) -> list[str] | None:
    """None: all; DuckDB cannot type an empty list, and no branch is called so."""
    return None if branches is None else sorted(branches) or ["\x00"]


def _plain(row: Row) -> Row:
    """Days as dates."""
    return {name: _date(value) if name == "day" else value for name, value in row.items()}


def _date(day: int) -> date:
    return EPOCH_DAY + timedelta(days=int(day))

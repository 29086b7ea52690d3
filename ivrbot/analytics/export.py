"""The analytical export: a Parquet file a day of contacts with their KPIs, and daily roll-ups beside it.

Takes a store's facts day by day, gives files in a folder; DuckDB writes and reads them, the operational store is
asked for changed days only. Nothing in the files is unique: whoever deletes the folder gets it back.

    facts/DAY.parquet      contacts as stored
    contacts/DAY.parquet   the same with every KPI: what an analyst opens
    totals/, endings/, minutes/, gaps/ DAY.parquet     roll-ups that reports read
    manifest.json          what was exported when, written last

DAY is a day of UTC; the columns `day` and `hour` are in the plan's time zone. A file is replaced at once, never
changed. A windowed KPI is filled in once its window has passed; until then it has no value, so that nothing is
written anew only because somebody rang again.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import numpy as np

from ivrbot.analytics import rollup
from ivrbot.analytics.export_columns import DAY_US, TEXTS, Columns, Habits, facts, gaps, kpi_columns, local_times
from ivrbot.errors import StorageError, StorageUnavailable
from ivrbot.model.contact_columns import OWN_FIELDS
from ivrbot.model.queue import EPOCH
from ivrbot.model.report import FactRow

log = logging.getLogger(__name__)

FORMAT: Final = 2
"""Grows with whatever files mean; an older folder is written anew."""
MANIFEST: Final = "manifest.json"
KINDS: Final = ("facts", "contacts", "totals", "endings", "minutes", "gaps")
CHUNK_DAYS: Final = 16
OPEN_DAYS: Final = 3
"""Contacts that are not over are looked at again for so long."""
CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 1,  # calls are answered on the same cores
    "memory_limit": "512MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class FactSource(Protocol):
    """Where contacts are read; see `ivrbot.storage.report_facts`."""

    async def versions(self) -> dict[int, int]:
        """Version of every day that has had contacts."""
        ...

    async def unmarked_days(self) -> frozenset[int]:
        """Days with contacts and no version."""
        ...

    async def of_day(self, day: int) -> list[FactRow]:
        """Contacts of a day and its edges."""
        ...

    async def human_complete_at(self) -> datetime | None:
        """Until when the operators' data is complete."""
        ...


@dataclass(frozen=True, slots=True)
class DayNote:
    """What was exported of a day.

    Attributes:
        version: of the store's contacts.
        known_until_us: windows that ended later have no value yet.
        contacts: rows.
        open: contacts that were not over.
    """

    version: int
    known_until_us: int = 0
    contacts: int = 0
    open: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder holds.

    Attributes:
        habits: what of the plan its columns depend on.
        exported_at: aware; the store was read at or after this moment.
        known_until: no contact that began later is known for certain.
        days: by days since 1970-01-01 UTC.
    """

    habits: str
    exported_at: datetime
    known_until: datetime
    days: dict[int, DayNote]


def read_manifest(folder: Path) -> Manifest | None:
    """What a folder holds; None for none, or one of another format."""
    try:
        found = json.loads((folder / MANIFEST).read_text("utf-8"))
        if found["format"] != FORMAT:
            return None
        return Manifest(
            found["habits"],
            datetime.fromisoformat(found["exported_at"]),
            datetime.fromisoformat(found["known_until"]),
            {int(day): DayNote(**note) for day, note in found["days"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def day_file(folder: Path, kind: str, day: int) -> Path:
    """File of a day (since 1970-01-01 UTC)."""
    return folder / kind / f"{date(1970, 1, 1) + timedelta(days=day)}.parquet"


class Export:
    """Keeps a folder up to date with a store.

    Args:
        folder: made where there is none, readable by its owner only.
        source: of contacts.
        habits: of the plan in force.
        now: aware UTC clock.
    """

    def __init__(
        self, folder: Path, source: FactSource, habits: Callable[[], Habits], now: Callable[[], datetime]
    ) -> None:
        self.folder = folder
        self._source = source
        self._habits = habits
        self._now = now

    async def refresh(self, *, rebuild: bool = False) -> Manifest:
        """Bring the folder up to date; of several processes one works, the others wait for it.

        Args:
            rebuild: read every day anew.

        Raises:
            StorageError: the store, or the folder, could not be read or written; what is there stays.
        """
        try:
            lock = await asyncio.to_thread(_locked, self.folder)
        except OSError as error:
            raise StorageUnavailable(f"{self.folder} cannot be written: {error.strerror}") from error
        try:
            return await self._refresh(rebuild=rebuild)
        except (OSError, duckdb.Error) as error:
            raise StorageUnavailable(f"the export in {self.folder} failed: {error}") from error
        finally:
            os.close(lock)

    async def _refresh(self, *, rebuild: bool) -> Manifest:
        now, habits = self._now(), self._habits()
        versions = await self._source.versions()
        before = None if rebuild else read_manifest(self.folder)
        if before is None:
            versions = dict.fromkeys(await self._source.unmarked_days(), 0) | versions
        complete = await self._source.human_complete_at()
        known_until = now if complete is None else min(now, complete)
        notes = dict(before.days) if before else {}
        changed = sorted(
            day for day, version in versions.items() if notes.get(day, DayNote(-1)).version != version
        )
        for day in changed:
            rows = await self._source.of_day(day)
            count = await asyncio.to_thread(self._write_facts, rows, day, habits.timezone)
            notes[day] = DayNote(versions[day], contacts=count)
        told = repr((habits.timezone, *sorted(habits.told)))
        everything = before is None or before.habits != told
        due = sorted(notes) if everything else _due(notes, changed, habits, now, known_until)
        for days in _chunks(due):
            written = await asyncio.to_thread(self._write_kpis, days, habits, known_until, complete)
            for day, (count, is_open) in written.items():
                until_us = (known_until - EPOCH) // timedelta(microseconds=1)
                notes[day] = replace(notes[day], known_until_us=until_us, contacts=count, open=is_open)
        manifest = Manifest(told, now, known_until, notes)
        await asyncio.to_thread(self._write_manifest, manifest)
        return manifest

    # --- files, in a thread -----------------------------------------------------------------------------

    def _write_facts(self, rows: Sequence[FactRow], day: int, timezone: str) -> int:
        columns = facts(rows, day)
        steps = gaps(rows, day, timezone)
        with duckdb.connect(config=CONFIG) as db:
            _save(db, columns, f"SELECT {_typed(columns)} FROM columns", self._file("facts", day))
            text = ", ".join(f"{name}::VARCHAR AS {name}" for name in ("branch", "stage", "arm"))
            pooled = rollup.gap_steps(f"(SELECT day::INT AS day, {text}, step_ms::INT AS step_ms FROM columns)")
            _save(db, steps, pooled, self._file("gaps", day))
        return len(columns["branch"])

    def _write_kpis(
        self, days: Sequence[int], habits: Habits, known_until: datetime, complete: datetime | None
    ) -> dict[int, tuple[int, int]]:
        """KPIs and roll-ups of some days; gives contacts, and open ones, of each."""
        reach = habits.reach_days
        files = [
            str(path)
            for day in range(days[0] - reach, days[-1] + reach + 1)
            if (path := self._file("facts", day)).is_file()
        ]
        found = {}
        with duckdb.connect(config=CONFIG) as db:
            around = _fetch(db, f"SELECT {', '.join(_AROUND)} FROM read_parquet($1)", files) if files else None
            for day in days:
                path = self._file("facts", day)
                if around is None or not path.is_file():
                    continue
                own = _fetch(db, "SELECT * FROM read_parquet($1)", [str(path)])
                kpis = kpi_columns(own, around, habits, known_until=known_until, complete=complete)
                whole = own | kpis | local_times(own["started_us"], habits.timezone)
                self._write_rollups(db, whole, day)
                found[day] = (len(own["branch"]), int(kpis["open"].sum()))
        return found

    def _write_rollups(self, db: duckdb.DuckDBPyConnection, whole: Columns, day: int) -> None:
        _save(db, whole, f"SELECT {_typed(whole)} FROM columns", self._file("contacts", day))
        source = f"read_parquet('{_quoted(self._file('contacts', day))}')"
        _save(db, None, rollup.totals(source, rollup.KEYS), self._file("totals", day))
        _save(db, None, rollup.endings(source), self._file("endings", day))
        _save(db, None, rollup.minutes(source), self._file("minutes", day))

    def _write_manifest(self, manifest: Manifest) -> None:
        for day in [day for day, note in manifest.days.items() if not note.contacts]:
            for kind in KINDS:
                self._file(kind, day).unlink(missing_ok=True)
        document = {
            "format": FORMAT,
            "habits": manifest.habits,
            "exported_at": manifest.exported_at.isoformat(),
            "known_until": manifest.known_until.isoformat(),
            "days": {str(day): asdict(note) for day, note in sorted(manifest.days.items())},
        }
        draft = self.folder / f".{MANIFEST}.draft"
        draft.write_text(json.dumps(document), "utf-8")
        draft.replace(self.folder / MANIFEST)

    def _file(self, kind: str, day: int) -> Path:
        return day_file(self.folder, kind, day)


def _due(
    notes: dict[int, DayNote], changed: Iterable[int], habits: Habits, now: datetime, known_until: datetime
) -> list[int]:
    """Days whose KPIs have to be computed anew.

    A changed day; a day whose contacts a changed day may follow or precede, as far as that counts already; a day
    whose windows have ended since; and a young day with contacts that are not over.
    """
    until_us = (known_until - EPOCH) // timedelta(microseconds=1)
    shortest_us, reach = habits.shortest_us, habits.reach_days
    today = (now - EPOCH) // timedelta(days=1)
    found = set(changed)
    for day in tuple(found):
        found |= {near for near in range(day - reach, day + reach + 1) if near in notes}
    for day in tuple(found - set(changed)):
        # Nobody's window had passed: whoever rang since changes nothing of what is written.
        if day < min(changed, default=day) and notes[day].known_until_us < day * DAY_US + shortest_us:
            found.discard(day)
    for day, note in notes.items():
        seen_us = note.known_until_us
        if day * DAY_US + shortest_us <= until_us and seen_us < (day + 1) * DAY_US + habits.longest_us:
            found.add(day)
        if note.open and day >= today - OPEN_DAYS:
            found.add(day)
    return sorted(found)


def _chunks(days: Sequence[int]) -> Iterator[list[int]]:
    """Days near each other, a few at a time: their neighbours are read once."""
    held: list[int] = []
    for day in days:
        if held and (len(held) >= CHUNK_DAYS or day > held[-1] + 2):
            yield held
            held = []
        held.append(day)
    if held:
        yield held


_AROUND: Final = ("branch", "unit", "started_us", "duration_s", "outcome", "solved_s")
_INTEGERS: Final = {"day": "INT", "hour": "UTINYINT", "epoch": "INT", "step_ms": "INT"}


def _typed(columns: Columns) -> str:
    """What of numpy columns is written: texts, integers, flags; floats with NULL for NaN."""
    parts = []
    for name, column in columns.items():
        if name in TEXTS or column.dtype == object:
            parts.append(f"{name}::VARCHAR AS {name}")
        elif column.dtype.kind == "f":
            kind = "DOUBLE" if name == "propensity" else "FLOAT"
            parts.append(f"nullif({name}, 'nan'::DOUBLE)::{kind} AS {name}")
        else:
            parts.append(f"{name}::{_INTEGERS[name]} AS {name}" if name in _INTEGERS else name)
    return ", ".join(parts)


def _save(db: duckdb.DuckDBPyConnection, columns: Columns | None, query: str, path: Path) -> None:
    """Write what a query (over `columns`, where it has any) gives; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    if columns is not None:
        db.register("columns", columns)
    db.execute(f"COPY ({query}) TO '{_quoted(draft)}' (FORMAT parquet, COMPRESSION zstd)")
    draft.replace(path)


def _fetch(db: duckdb.DuckDBPyConnection, query: str, files: list[str]) -> Columns:
    """Columns as numpy; NULL becomes NaN."""
    found: Columns = {}
    for name, column in db.execute(query, [files]).fetchnumpy().items():
        plain: Any = column
        if isinstance(column, np.ma.MaskedArray):
            plain = column.filled(np.nan) if column.dtype.kind == "f" else np.asarray(column.data)
        is_real = name in OWN_FIELDS or plain.dtype.kind == "f"
        found[name] = plain.astype(np.float64) if is_real else plain
    return found


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("'", "''")


def _locked(folder: Path) -> int:
    """Take the folder; the descriptor's closing gives it back, also when the process dies."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """One for all questions, since opening costs as much as a small question; it keeps no data between them."""
    return duckdb.connect(config={**CONFIG, "enable_external_file_cache": False})


@contextmanager
def reading(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for questions to the files.

    Raises:
        StorageUnavailable: a file could not be read.
    """
    try:
        with _engine().cursor() as db:
            yield db
    except duckdb.Error as error:
        _engine.cache_clear()  # after some errors it answers nothing any more
        raise StorageUnavailable(f"the export in {folder} cannot be read: {error}") from error


Waits = Callable[[float], Awaitable[None]]


async def keep_exporting(
    export: Export, every_s: float, after: Callable[[], Awaitable[None]], sleep: Waits = asyncio.sleep
) -> None:
    """Refresh again and again, and do what follows; until cancelled.

    The folder's lock lets one process of a host work at a time.
    """
    while True:
        try:
            await export.refresh()
            await after()
        except StorageError as error:
            log.warning("the export waits: %s", error)
        await sleep(every_s)

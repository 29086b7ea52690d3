"""What comparisons of a report rest on: the rows that decisions are made from, read from the exported files.

Takes the export's folder, gives `ports.EvidenceSource`. The values are those of the export, so that a report and
its comparisons speak of the same moment: ask with `Manifest.known_until` as the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from ivrbot.analytics.export import day_file, read_manifest, reading
from ivrbot.analytics.kpis import LEVELLED
from ivrbot.analytics.rollup import KPI_COLUMNS
from ivrbot.model.evidence import Freshness, ShadowEvidence, UnitRows
from ivrbot.model.experiment import Arm
from ivrbot.ports import EvidenceSource

JUDGED: Final = tuple(name for name in LEVELLED if name in KPI_COLUMNS)
"""KPIs that a plan may judge."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What was read: columns of n first exposures, and the names behind the codes of branches and stages."""

    columns: dict[str, Any]
    names: dict[str, list[str]]


class ExportEvidence:
    """Rows from files; how new the data is, and shadow calls, from elsewhere.

    Args:
        folder: of the export.
        live: answers what the files cannot.
    """

    def __init__(self, folder: Path, live: EvidenceSource) -> None:
        self._folder = folder
        self._live = live
        self._held: _Held | None = None
        self._reading = asyncio.Lock()

    async def unit_rows(
        self, branch: str, epoch: int, *, kpis: Sequence[str], window_days: int, now: datetime
    ) -> UnitRows:
        """See `ports.EvidenceSource`; the window is the one of the export, which is the plan's.

        The files are read once for all branches; `forget` lets go of what was read.
        """
        del window_days, now
        async with self._reading:
            if self._held is None:
                self._held = await asyncio.to_thread(self._read)
        return await asyncio.to_thread(_rows_of, self._held, branch, epoch, tuple(kpis))

    def forget(self) -> None:
        """Give the memory back; the next question reads the files anew."""
        self._held = None

    async def freshness(self, branch: str) -> Freshness:
        """See `ports.EvidenceSource`."""
        return await self._live.freshness(branch)

    async def shadow(self, branch: str, since: datetime) -> ShadowEvidence:
        """See `ports.EvidenceSource`."""
        return await self._live.shadow(branch, since)

    def _read(self) -> _Held:
        """First exposures of all branches, oldest first."""
        manifest = read_manifest(self._folder)
        days = [day for day, note in manifest.days.items() if note.contacts] if manifest else []
        files = [str(path) for day in days if (path := day_file(self._folder, "contacts", day)).is_file()]
        if not files:
            return _Held({}, {})
        names: dict[str, list[str]] = {}
        with reading(self._folder) as db:
            for column in ("branch", "stage"):
                found = db.execute(
                    f"SELECT DISTINCT {column} FROM read_parquet($files) WHERE first", {"files": files}
                )
                names[column] = sorted(row[0] for row in found.fetchall())
                listed = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}'" for name in names[column] or [""])
                db.execute(f"CREATE TYPE {column}_names AS ENUM ({listed})")
            values = ", ".join(KPI_COLUMNS[kpi] for kpi in JUDGED)
            columns = db.execute(
                "SELECT exposed_us, epoch, enum_code(branch::branch_names)::INT AS branch, "
                "enum_code(stage::stage_names)::INT AS stage, "
                f"arm = '{Arm.TREATMENT.value}' AS treated, propensity, {values} "
                "FROM read_parquet($files) WHERE first",
                {"files": files},
            ).fetchnumpy()
        order = np.argsort(columns["exposed_us"], kind="stable")
        return _Held({name: np.ma.asarray(column)[order] for name, column in columns.items()}, names)


def _rows_of(held: _Held, branch: str, epoch: int, kpis: tuple[str, ...]) -> UnitRows:
    known = [kpi for kpi in kpis if kpi in JUDGED]
    if branch not in held.names.get("branch", []):
        nothing = np.empty(0)
        ints, flags = nothing.astype(np.int64), nothing.astype(np.bool_)
        return UnitRows(ints, ints, (), flags, nothing, dict.fromkeys(known, nothing))
    columns, code = held.columns, held.names["branch"].index(branch)
    own = np.flatnonzero((columns["branch"] == code) & (columns["epoch"] == epoch))
    return UnitRows(
        at_us=np.asarray(columns["exposed_us"][own], dtype=np.int64),
        stage=np.asarray(columns["stage"][own], dtype=np.int64),
        stages=tuple(held.names["stage"]),
        treated=np.asarray(columns["treated"][own], dtype=np.bool_),
        propensity=np.asarray(columns["propensity"][own], dtype=np.float64),
        values={kpi: np.ma.filled(columns[KPI_COLUMNS[kpi]][own].astype(np.float64), np.nan) for kpi in known},
    )

"""What comparisons of a report rest on: the rows that decisions are made from, read from the exported files.

Takes the export's folder, gives `ports.EvidenceSource`. The values are those of the export, so that a report and
its comparisons speak of the same moment: ask with `Manifest.known_until` as the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.export import day_file, read_manifest, reading
from ivrbot.analytics.kpis import LEVELLED
from ivrbot.analytics.rollup import KPI_COLUMNS
from ivrbot.model.evidence import Freshness, ShadowEvidence, UnitRows
from ivrbot.model.experiment import Arm
from ivrbot.ports import EvidenceSource

JUDGED: Final = tuple(name for name in LEVELLED if name in KPI_COLUMNS)
"""KPIs that a plan may judge."""
_VALUES: Final = tuple(KPI_COLUMNS[kpi] for kpi in JUDGED)


@dataclass(frozen=True, slots=True)
class _Held:
    """What was read: columns of n first exposures, and the names behind the codes of branches and stages.

    Attributes:
        places: rows of a branch and epoch, oldest first; found once, asked for several times.
    """

    columns: dict[str, Any]
    names: dict[str, list[str]]
    places: dict[tuple[str, int], NDArray[np.int64]] = field(default_factory=dict)

    def of(self, branch: str, epoch: int) -> NDArray[np.int64]:
        """Rows of a branch that there is, oldest first."""
        if (branch, epoch) not in self.places:
            code = self.names["branch"].index(branch)
            own = np.flatnonzero((self.columns["branch"] == code) & (self.columns["epoch"] == epoch))
            self.places[branch, epoch] = own[np.argsort(self.columns["exposed_us"][own], kind="stable")]
        return self.places[branch, epoch]


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
        """First exposures of all branches, in no order."""
        manifest = read_manifest(self._folder)
        days = [day for day, note in manifest.days.items() if note.contacts] if manifest else []
        days = [day for day in days if day_file(self._folder, "contacts", day).is_file()]
        if not days:
            return _Held({}, {})
        files, sums = ([str(day_file(self._folder, kind, day)) for day in days] for kind in ("contacts", "totals"))
        names: dict[str, list[str]] = {}
        with reading(self._folder) as db:
            for column in ("branch", "stage"):
                found = db.execute(f"SELECT DISTINCT {column} FROM read_parquet($files)", {"files": sums})
                names[column] = sorted(row[0] for row in found.fetchall())
            # NaN for NULL: a masked column would be cut together with its mask, at twice the cost.
            values = ", ".join(f"coalesce({name}, 'nan'::FLOAT) AS {name}" for name in _VALUES)
            columns = db.execute(
                "SELECT exposed_us, epoch, (list_position($branch, branch) - 1)::INT AS branch, "
                "(list_position($stage, stage) - 1)::INT AS stage, "
                f"arm = '{Arm.TREATMENT.value}' AS treated, propensity, {values} "
                "FROM read_parquet($files) WHERE first",
                {"files": files} | names,
            ).fetchnumpy()
        return _Held(columns, names)


def _rows_of(held: _Held, branch: str, epoch: int, kpis: tuple[str, ...]) -> UnitRows:
    known = [kpi for kpi in kpis if kpi in JUDGED]
    if branch not in held.names.get("branch", []):
        nothing = np.empty(0)
        ints, flags = nothing.astype(np.int64), nothing.astype(np.bool_)
        return UnitRows(ints, ints, (), flags, nothing, dict.fromkeys(known, nothing))
    columns, own = held.columns, held.of(branch, epoch)
    return UnitRows(
        at_us=np.asarray(columns["exposed_us"][own], dtype=np.int64),
        stage=np.asarray(columns["stage"][own], dtype=np.int64),
        stages=tuple(held.names["stage"]),
        treated=np.asarray(columns["treated"][own], dtype=np.bool_),
        propensity=np.asarray(columns["propensity"][own], dtype=np.float64),
        values={kpi: np.asarray(columns[KPI_COLUMNS[kpi]][own], dtype=np.float64) for kpi in known},
    )

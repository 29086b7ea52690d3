"""What comparisons of a report rest on: the rows that decisions are made from, read from the exported files.

Takes the export's folder, gives `ports.EvidenceSource`. The values are those of the export, so that a report and
its comparisons speak of the same moment: ask with `Manifest.known_until` as the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from ivrbot.analytics.export import day_file, read_manifest, reading
from ivrbot.analytics.rollup import KPI_COLUMNS
from ivrbot.model.evidence import Freshness, ShadowEvidence, UnitRows
from ivrbot.model.experiment import Arm
from ivrbot.ports import EvidenceSource


class ExportEvidence:
    """Rows from files; how new the data is, and shadow calls, from elsewhere.

    Args:
        folder: of the export.
        live: answers what the files cannot.
    """

    def __init__(self, folder: Path, live: EvidenceSource) -> None:
        self._folder = folder
        self._live = live

    async def unit_rows(
        self, branch: str, epoch: int, *, kpis: Sequence[str], window_days: int, now: datetime
    ) -> UnitRows:
        """See `ports.EvidenceSource`; the window is the one of the export, which is the plan's."""
        del window_days, now
        return await asyncio.to_thread(self._read, branch, epoch, tuple(kpis))

    async def freshness(self, branch: str) -> Freshness:
        """See `ports.EvidenceSource`."""
        return await self._live.freshness(branch)

    async def shadow(self, branch: str, since: datetime) -> ShadowEvidence:
        """See `ports.EvidenceSource`."""
        return await self._live.shadow(branch, since)

    def _read(self, branch: str, epoch: int, kpis: tuple[str, ...]) -> UnitRows:
        manifest = read_manifest(self._folder)
        days = [day for day, note in manifest.days.items() if note.contacts] if manifest else []
        files = [str(path) for day in days if (path := day_file(self._folder, "contacts", day)).is_file()]
        known = [kpi for kpi in kpis if kpi in KPI_COLUMNS]
        if not files:
            nothing = np.empty(0)
            ints, flags = nothing.astype(np.int64), nothing.astype(np.bool_)
            return UnitRows(ints, ints, (), flags, nothing, dict.fromkeys(known, nothing))
        values = "".join(f", {KPI_COLUMNS[kpi]}::DOUBLE AS {KPI_COLUMNS[kpi]}" for kpi in known)
        query = (
            f"SELECT exposed_us, stage, arm = '{Arm.TREATMENT.value}' AS treated, propensity{values} "
            "FROM read_parquet($files) WHERE branch = $branch AND epoch = $epoch AND first "
            "ORDER BY exposed_us, call_id"
        )
        with reading(self._folder) as db:
            found = db.execute(query, {"files": files, "branch": branch, "epoch": epoch}).fetchnumpy()
        stages, place = np.unique(np.asarray(found["stage"], dtype=str), return_inverse=True)
        return UnitRows(
            at_us=np.asarray(found["exposed_us"], dtype=np.int64),
            stage=place.astype(np.int64),
            stages=tuple(stages.tolist()),
            treated=np.asarray(found["treated"], dtype=np.bool_),
            propensity=np.asarray(found["propensity"], dtype=np.float64),
            values={kpi: np.ma.filled(np.ma.asarray(found[KPI_COLUMNS[kpi]]), np.nan) for kpi in known},
        )

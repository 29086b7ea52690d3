"""An evidence source in memory: first exposures that a test puts in, told as the database tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from ivrbot.errors import StorageUnavailable
from ivrbot.model.evidence import Freshness, ShadowEvidence, UnitRows
from ivrbot.rollout.planning.plan import Stage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Truth:
    """Means of one arm: shares, and seconds."""

    true_resolution: float = 0.72
    time_to_solution_s: float = 200.0
    abandonment_mid_task: float = 0.05
    failed_transfer: float = 0.002
    engine_failure: float = 0.001


@dataclass
class _Chunk:
    epoch: int
    rows: UnitRows


class MemoryEvidence:
    """EvidenceSource whose rows are drawn with a seed.

    Attributes:
        down: every question raises StorageUnavailable.
        fresh: until when both arms' data is known; None says nothing of freshness.
        shadow_calls: what shadow calls showed.
        asked: branches asked about, in order.
    """

    def __init__(self, seed: int = 1) -> None:
        self.down = False
        self.fresh: datetime | None = None
        self.shadow_calls = ShadowEvidence()
        self.asked: list[str] = []
        self._rng = np.random.default_rng(seed)
        self._chunks: dict[str, list[_Chunk]] = {}

    def add_calls(
        self,
        branch: str,
        epoch: int,
        stage: Stage,
        *,
        since: datetime,
        until: datetime,
        callers: int,
        bot: Truth = Truth(),
        human: Truth = Truth(),
    ) -> None:
        """First exposures spread evenly over a time, with a value for every KPI."""
        rng = self._rng
        span_us = (until - since) // timedelta(microseconds=1)
        at_us = (since - EPOCH) // timedelta(microseconds=1) + np.sort(rng.integers(0, span_us, callers))
        treated = rng.random(callers) < stage.bound
        values = {name: self._values(name, treated, bot, human) for name in vars(bot)}
        rows = UnitRows(
            at_us,
            np.zeros(callers, np.int64),
            (stage.name,),
            treated,
            np.full(callers, stage.bound),
            values,
        )
        self._chunks.setdefault(branch, []).append(_Chunk(epoch, rows))
        self.fresh = until

    def _values(self, name: str, treated: np.ndarray, bot: Truth, human: Truth) -> np.ndarray:  # type: ignore[type-arg]
        mean = np.where(treated, getattr(bot, name), getattr(human, name))
        if name.endswith("_s"):
            return np.maximum(0.0, self._rng.normal(mean, 60.0))
        return (self._rng.random(len(treated)) < mean).astype(np.float64)

    def _check(self) -> None:
        if self.down:
            raise StorageUnavailable("switched off by the test")

    async def unit_rows(
        self, branch: str, epoch: int, *, kpis: Sequence[str], window_days: int, now: datetime
    ) -> UnitRows:
        self.asked.append(branch)
        self._check()
        known = [chunk.rows for chunk in self._chunks.get(branch, []) if chunk.epoch == epoch]
        before = [_until(rows, now) for rows in known]
        return _together(before, kpis)

    async def freshness(self, branch: str) -> Freshness:
        self._check()
        return Freshness(self.fresh, self.fresh, self.fresh)

    async def shadow(self, branch: str, since: datetime) -> ShadowEvidence:
        self._check()
        return self.shadow_calls


def _until(rows: UnitRows, now: datetime) -> UnitRows:
    keep = rows.at_us <= (now - EPOCH) // timedelta(microseconds=1)
    return replace(
        rows,
        at_us=rows.at_us[keep],
        stage=rows.stage[keep],
        treated=rows.treated[keep],
        propensity=rows.propensity[keep],
        values={name: column[keep] for name, column in rows.values.items()},
    )


def _together(parts: Sequence[UnitRows], kpis: Sequence[str]) -> UnitRows:
    stages = tuple(dict.fromkeys(name for part in parts for name in part.stages))
    columns: Mapping[str, np.ndarray] = {  # type: ignore[type-arg]
        name: np.concatenate([part.values[name] for part in parts]) if parts else np.zeros(0) for name in kpis
    }
    if not parts:
        none = np.zeros(0, np.int64)
        return UnitRows(none, none, (), none.astype(np.bool_), none.astype(np.float64), columns)
    order = np.argsort(np.concatenate([part.at_us for part in parts]), kind="stable")
    stage = np.concatenate([np.full(len(part), stages.index(part.stages[0])) for part in parts])
    return UnitRows(
        np.concatenate([part.at_us for part in parts])[order],
        stage[order],
        stages,
        np.concatenate([part.treated for part in parts])[order],
        np.concatenate([part.propensity for part in parts])[order],
        {name: column[order] for name, column in columns.items()},
    )

"""Evidence at many moments of the same rows, for simulations: summed once, read off at each look.

Takes the rows of an epoch up to its end, gives `Evidence` as of any moment before. Only the parts that decide on
quiet days are there: the sample ratio is taken as sound and both arms as fresh. A simulation asks `build_evidence`
itself before anything is done; a test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.model.evidence import (
    ArmCounts,
    ArmFlow,
    Estimate,
    Evidence,
    KpiEvidence,
    KpiSample,
    SrmEvidence,
    UnitRows,
)
from ivrbot.model.experiment import BranchState
from ivrbot.rollout.judging.evidence import GRACE, kpis_of, microseconds
from ivrbot.rollout.planning.plan import BranchPlan
from ivrbot.stats.weighting import phi

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """One KPI over the rows from some place on, per look.

    Attributes:
        ripe: int64[looks], rows whose value must be there.
        ripe_bot: int64[looks], of these, the bot's.
        n: int64[looks], rows with a value.
        columns: float64[12, looks], over rows with a value: bot's rows, their y / p, 1 / p, y and y^2; operators'
            y / (1 - p), 1 / (1 - p); phi and phi^2; y, y^2 and 1 / (p (1 - p)) of both arms.
    """

    ripe: Ints
    ripe_bot: Ints
    n: Ints
    columns: Floats


class Looks:
    """Evidence of one rung of one branch at moments known beforehand, until the ladder moves."""

    def __init__(
        self, rows: UnitRows, branch: BranchPlan, state: BranchState, moments: Sequence[datetime]
    ) -> None:
        """Sum up.

        Args:
            rows: of the epoch, oldest first, to the end of the simulation; every value filled in.
            branch: its plan.
            state: in force; rows of its rung are the last ones.
            moments: when somebody will look, in order.
        """
        drawn = (rows.propensity > 0) & (rows.propensity < 1)
        self._branch, self._state = branch, state
        self._look_of = {moment: look for look, moment in enumerate(moments)}
        now_us = np.array([microseconds(moment) for moment in moments], dtype=np.int64)
        self._all_seen = np.searchsorted(rows.at_us, now_us, side="right")
        at_us, treated, propensity = rows.at_us[drawn], rows.treated[drawn], rows.propensity[drawn]
        here = rows.stages.index(state.stage) if state.stage in rows.stages else -1
        in_stage = np.flatnonzero(rows.stage[drawn] == here)
        begin = int(in_stage[0]) if in_stage.size else len(at_us)
        self._begin = begin
        self._seen = np.searchsorted(at_us, now_us, side="right")
        self._seen_bot = _running(treated.astype(np.float64), self._seen).astype(np.int64)
        later = np.maximum(self._seen - begin, 0)
        self._stage_seen_bot = _running(treated[begin:].astype(np.float64), later).astype(np.int64)
        self._pooled: dict[str, _Sums] = {}
        self._stage: dict[str, _Sums] = {}
        for kpi in kpis_of(branch):
            delay = timedelta(days=branch.repeat_window_days) if KPIS[kpi].windowed else GRACE
            ripe = np.searchsorted(at_us, now_us - delay // timedelta(microseconds=1), side="right")
            values = rows.values[kpi][drawn]
            whole = _sums(values, treated, propensity, ripe)
            rest = np.maximum(ripe - begin, 0)
            own = _sums(values[begin:], treated[begin:], propensity[begin:], rest) if begin else whole
            self._pooled[kpi], self._stage[kpi] = whole, own

    def at(self, rest: Evidence) -> Evidence:
        """Evidence as of one of the moments.

        Args:
            rest: what else holds then (`as_of`, freshness, last decision, completion); its numbers are replaced.
        """
        look = self._look_of[rest.as_of]
        seen, seen_bot = int(self._seen[look]), int(self._seen_bot[look])
        in_stage, in_stage_bot = max(seen - self._begin, 0), int(self._stage_seen_bot[look])
        kpis = tuple(
            KpiEvidence(
                kpi,
                pooled=_sample(self._pooled[kpi], look, seen, seen_bot),
                stage=_sample(self._stage[kpi], look, in_stage, in_stage_bot),
            )
            for kpi in kpis_of(self._branch)
        )
        return replace(
            rest,
            units=seen,
            without_chance=int(self._all_seen[look]) - seen,
            kpis=kpis,
            srm=SrmEvidence(seen, 1.0, True) if seen else SrmEvidence(),
            bot_flow=ArmFlow(rest.as_of),
            human_flow=ArmFlow(rest.as_of),
        )


def _running(column: Floats, ends: Ints) -> Floats:
    """Sums of the first `ends` entries, for each end (not falling)."""
    different, place = np.unique(ends, return_inverse=True)
    if different[-1] == 0:
        return np.zeros(len(ends))
    # reduceat takes no empty pieces: only ends that differ, the last of them where the column is cut off.
    begins = np.concatenate(([0], different[:-1])) if different[0] else different[:-1]
    sums = np.cumsum(np.add.reduceat(column[: different[-1]], begins))
    whole: Floats = sums if different[0] else np.concatenate(([0.0], sums))
    return whole[place]


def _sums(values: Floats, treated: NDArray[np.bool_], propensity: Floats, ripe: Ints) -> _Sums:
    missing = np.isnan(values)
    places = np.flatnonzero(~missing) if missing.any() else np.arange(len(values))
    n = np.searchsorted(places, ripe)
    few = places[: int(n[-1]) if n.size else 0]
    cut: slice | NDArray[np.intp] = few if missing.any() else slice(len(few))
    y, a, p = values[cut], treated[cut], propensity[cut]
    bot = a / p
    human = ~a / (1 - p)
    of_bot = a * y
    estimates = phi(y, a, p)
    arms = (a.astype(np.float64), bot * y, bot, of_bot, of_bot * y, human * y, human)
    parts = (*arms, estimates, estimates * estimates, y, y * y, 1 / (p * (1 - p)))
    columns = np.array([_running(part, n) for part in parts])
    return _Sums(ripe, _running(treated.astype(np.float64), ripe).astype(np.int64), n, columns)


def _sample(sums: _Sums, look: int, seen: int, seen_bot: int) -> KpiSample:
    """A KPI at a look by which `seen` rows, `seen_bot` of the bot, are there."""
    n, ripe, ripe_bot = int(sums.n[look]), int(sums.ripe[look]), int(sums.ripe_bot[look])
    bots, bot_y, bot_w, raw, square, human_y, human_w, total, squares, *level = (
        float(x) for x in sums.columns[:, look]
    )
    n_bot = int(bots)
    both = 0 < n_bot < n  # as in build_evidence: one arm alone says nothing of a difference
    estimate = Estimate(
        n=n,
        n_bot=n_bot,
        n_human=n - n_bot,
        bot=bot_y / bot_w if n_bot else None,
        human=human_y / human_w if n > n_bot else None,
        bot_variance=_variance(n_bot, raw, square),
        difference=total / n if both else None,
        variance=_cautious(n, _variance(n, total, squares), *level) if both else None,
        raw_bot=raw / n_bot if n_bot else None,
        raw_human=(level[0] - raw) / (n - n_bot) if n > n_bot else None,
    )
    humans = ripe - ripe_bot
    return KpiSample(
        estimate,
        ArmCounts(ripe_bot, ripe_bot - n_bot, seen_bot - ripe_bot),
        ArmCounts(humans, humans - (n - n_bot), seen - seen_bot - humans),
    )


def _cautious(n: int, own: float | None, total: float, squares: float, weights: float) -> float | None:
    """The larger of phi's variance and the raw values' as phi weights them (`Contrast.cautious_variance`)."""
    raw = _variance(n, total, squares)
    return None if own is None or raw is None else max(own, raw * weights / n)


def _variance(n: int, total: float, squares: float) -> float | None:
    """Sample variance (n - 1) from sums."""
    return max(squares - total * total / n, 0.0) / (n - 1) if n >= 2 else None

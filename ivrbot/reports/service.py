"""Reports on request: figures, comparisons, the questions of analysts.

Takes the export, the plan in force and the store of states; gives `Report`s. Comparisons cost a look at every
caller and are kept until the export, the plan or a branch's state has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ivrbot.analytics.export_evidence import ExportEvidence
from ivrbot.analytics.figures import Rates
from ivrbot.analytics.report_queries import NO_RATES, Filters, ReportReader
from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import AuditRow, effective_states
from ivrbot.reports.comparison import Comparison, Report, compare, report_rows, unmeasured
from ivrbot.rollout.governing.standing import standings
from ivrbot.rollout.planning.plan import Plan

Compared = tuple[tuple[Comparison, ...], tuple[Comparison, ...]]


class BranchStates(Protocol):
    """What is in force, and since when."""

    async def own_states(self) -> dict[str, BranchState]:
        """States as stored."""
        ...

    async def history(self, branch: str | None = None) -> tuple[AuditRow, ...]:
        """Audit rows, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What reports are made from.

    Attributes:
        reader: of the export.
        evidence: rows behind comparisons.
        plan: gives the plan in force.
        states: of branches.
        rates: prices of the settings.
        currency: ISO 4217 code of the prices.
    """

    reader: ReportReader
    evidence: ExportEvidence
    plan: Callable[[], Plan]
    states: BranchStates
    rates: Rates = NO_RATES
    currency: str = "RUB"


class Reports:
    """Answers questions about calls."""

    def __init__(self, parts: ReportParts) -> None:
        self.parts = parts
        self._kept: tuple[object, Compared] | None = None
        self._looking = asyncio.Lock()

    @property
    def reader(self) -> ReportReader:
        """For questions beyond a report."""
        return self.parts.reader

    async def report(self, filters: Filters, *, by_day: bool = False) -> Report:
        """Figures and comparisons.

        Args:
            filters: which contacts; comparisons know branches only, since a bound that may be looked at every day
                must rest on everybody who was drawn.
            by_day: figures also by local day.

        Raises:
            StorageError: the export or the states could not be read.
        """
        parts, plan = self.parts, self.parts.plan()
        known_until = parts.reader.known_until
        rows = await asyncio.to_thread(report_rows, parts.reader, filters, plan, by_day=by_day)
        judged, others = await self.comparisons(filters)
        rates = parts.rates
        priced = rates.bot_minute_minor > 0 or rates.operator_minute_minor > 0
        return Report(
            filters,
            parts.reader.exported_at,
            known_until,
            tuple(rows),
            judged,
            others,
            unmeasured(rows, priced=priced) if rows else {},
            parts.currency,
        )

    async def prepare(self) -> None:
        """Work the comparisons out before somebody asks.

        Raises:
            StorageError: not readable.
        """
        await self._all()

    async def comparisons(self, filters: Filters) -> Compared:
        """Of the branches asked for, as of the export.

        Raises:
            StorageError: not readable.
        """
        judged, others = await self._all()
        return tuple(item for item in judged if _wanted(filters, item.branch)), tuple(
            item for item in others if _wanted(filters, item.branch)
        )

    async def _all(self) -> Compared:
        parts, plan = self.parts, self.parts.plan()
        now: datetime | None = parts.reader.known_until
        if now is None:
            return (), ()
        own = await parts.states.own_states()
        about = (parts.reader.exported_at, plan.revision, own)
        async with self._looking:  # of many who ask at once, one looks
            if self._kept is not None and self._kept[0] == about:
                return self._kept[1]
            told = standings(await parts.states.history())
            parts.evidence.forget()
            try:
                judged, others = await compare(parts.evidence, plan, effective_states(own), told, now)
            finally:
                parts.evidence.forget()
            found = tuple(judged), tuple(others)
            self._kept = (about, found)
            return found


def _wanted(filters: Filters, branch: str) -> bool:
    seen = filters.branches is None or branch in filters.branches
    return seen and filters.branch in {"", branch}

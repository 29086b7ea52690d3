"""What decisions of the rollout read: both arms' first exposures with their KPI values, measured alike.

Takes a store of contacts, gives `ports.EvidenceSource`. Arithmetic over a million rows runs in a thread; the event
loop goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.kpis import KPIS, Measure, values
from ivrbot.model.contact_columns import UNSERVED_NOBODY, ContactColumns, FirstExposures
from ivrbot.model.evidence import Freshness, ShadowEvidence, UnitRows
from ivrbot.model.queue import EPOCH

LOST_AFTER: Final = timedelta(hours=1)
"""A caller handed to people who is in no queue so long after, while the log is complete, never got there."""

ShadowReader = Callable[[str, datetime], Awaitable[ShadowEvidence]]


class ContactReader(Protocol):
    """Where contacts are read from."""

    async def first_exposures(self, branch: str, epoch: int, window: timedelta) -> FirstExposures:
        """First exposures of an epoch with their contacts."""
        ...

    async def newest(self, branch: str, arm: str) -> datetime | None:
        """End of the newest closed contact of an arm."""
        ...

    async def human_complete_at(self) -> datetime | None:
        """Until when the operators' data is known to be complete."""
        ...


class ContactEvidence:
    """Implements `ports.EvidenceSource` over contacts.

    Args:
        contacts: the store.
        shadow: reads shadow calls; without one there are none.
        time_cap_s: of a branch: what a caller who was not helped counts in `time_to_solution_s`.
    """

    def __init__(
        self,
        contacts: ContactReader,
        *,
        shadow: ShadowReader | None = None,
        time_cap_s: Callable[[str], float] | None = None,
    ) -> None:
        self._contacts = contacts
        self._shadow = shadow
        self._time_cap_s = time_cap_s

    async def unit_rows(
        self, branch: str, epoch: int, *, kpis: Sequence[str], window_days: int, now: datetime
    ) -> UnitRows:
        """See `ports.EvidenceSource`.

        Raises:
            KeyError: no such KPI.
        """
        window = timedelta(days=window_days)
        complete = await self._contacts.human_complete_at()
        found = await self._contacts.first_exposures(branch, epoch, window)
        measure = Measure(self._time_cap_s(branch)) if self._time_cap_s else Measure()
        work = partial(unit_rows, found, kpis, window=window, now=now, complete=complete, measure=measure)
        return await asyncio.to_thread(work)

    async def freshness(self, branch: str) -> Freshness:
        """See `ports.EvidenceSource`."""
        return Freshness(
            bot_at=await self._contacts.newest(branch, "treatment"),
            human_at=await self._contacts.newest(branch, "control"),
            human_source_at=await self._contacts.human_complete_at(),
        )

    async def shadow(self, branch: str, since: datetime) -> ShadowEvidence:
        """See `ports.EvidenceSource`."""
        return ShadowEvidence() if self._shadow is None else await self._shadow(branch, since)


def unit_rows(
    found: FirstExposures,
    kpis: Sequence[str],
    *,
    window: timedelta,
    now: datetime,
    complete: datetime | None,
    measure: Measure,
) -> UnitRows:
    """Values of KPIs at a moment. Pure.

    Args:
        found: first exposures with their contacts.
        kpis: names.
        window: a windowed KPI counts only once so long has passed since the exposure.
        now: aware.
        complete: until when the operators' data is complete, None when nothing delivers it.
        measure: caps of the formulas.
    """
    contacts = with_the_lost(found.contacts, found.asked_us, found.entered, complete)
    known_until = now if complete is None else min(now, complete)
    mature = found.at_us + _us(window) <= _us(known_until - EPOCH)
    ages = found.at_us <= _us(now - EPOCH)  # an exposure of the future (a clock that jumped) has no value yet
    columns = {}
    for name in kpis:
        usable = mature & ages if KPIS[name].windowed else ages
        columns[name] = np.where(usable, values(name, contacts, measure), np.nan)
    return UnitRows(
        at_us=found.at_us,
        stage=found.stage,
        stages=found.stages,
        treated=found.treated,
        propensity=found.propensity,
        values=columns,
        trunk=found.trunk,
        prefix=found.prefix,
    )


def with_the_lost(
    contacts: ContactColumns, asked_us: NDArray[np.int64], entered: NDArray[np.bool_], complete: datetime | None
) -> ContactColumns:
    """Callers that were handed over and show in no queue although the log is complete: unresolved, nobody came.

    Args:
        contacts: of n calls.
        asked_us: int64[n], when a person was asked for, 0: never.
        entered: bool[n], a queue's row is known.
        complete: until when the operators' data is complete; None: nothing delivers it, nobody is lost.
    """
    if complete is None:
        return contacts
    lost = (asked_us > 0) & ~entered & (contacts.closed == 0) & (asked_us < _us(complete - LOST_AFTER - EPOCH))
    return replace(
        contacts,
        outcome=np.where(lost & np.isnan(contacts.outcome), 0.0, contacts.outcome),
        closed=np.where(lost, 1.0, contacts.closed),
        unserved=np.where(lost, UNSERVED_NOBODY, contacts.unserved),
    )


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)

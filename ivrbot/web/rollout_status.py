"""The rollout's state as people ask for it, over HTTP and on the command line: the same rows.

Takes the store and the plan; gives status rows, with what each branch still lacks. That costs a look at
the evidence of every branch: a server keeps it for a while; whatever moves a branch ends that at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from ivrbot.analytics.evidence_source import ContactEvidence
from ivrbot.errors import StorageError
from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import effective_states
from ivrbot.rollout import rows
from ivrbot.rollout.forecasting.outlooks import View, views
from ivrbot.rollout.governing import proposals
from ivrbot.rollout.governing.standing import Standing, standings
from ivrbot.rollout.planning.plan import Plan
from ivrbot.rollout.rows import Row
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.shadow import ShadowBook
from ivrbot.storage.store import Store
from ivrbot.storage.volumes import VOLUME_DAYS, callers_per_day

KEPT: Final = timedelta(minutes=1)

log = logging.getLogger(__name__)

Found = Mapping[str, View]


class RolloutStatus:
    """Status rows from a store.

    Args:
        store: states, audit, proposals, contacts.
        now: aware UTC clock.
    """

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._kept: tuple[object, datetime, Found] | None = None
        self._looking = asyncio.Lock()

    async def rows(self, plan: Plan, plan_error: str = "") -> list[Row]:
        """One row per branch.

        Args:
            plan: in force.
            plan_error: what is wrong with its file, "" when nothing is.

        Raises:
            StorageError: the states cannot be read.
        """
        return await self.states(plan, await self.views(plan), plan_error)

    async def states(self, plan: Plan, seen: Found, plan_error: str = "") -> list[Row]:
        """`rows`, with what is known already of the branches' evidence.

        Raises:
            StorageError: the states cannot be read.
        """
        store = self._store
        told = rows.Beside(
            standings=standings(await store.history()),
            proposals=await proposals.current(store, RolloutBook(store), self._now()),
            outlook=lambda branch, _state, _standing: _outlook(seen.get(branch.name)),
            plan_error=plan_error,
        )
        return rows.status(plan, await store.own_states(), told)

    async def views(self, plan: Plan) -> Found:
        """What every branch on a rung has shown, not older than a minute.

        Raises:
            StorageError: the states cannot be read.
        """
        own = await self._store.own_states()
        return await self._views(plan, own, standings(await self._store.history()), self._now())

    async def _views(
        self, plan: Plan, own: Mapping[str, BranchState], known: Mapping[str, Standing], now: datetime
    ) -> Found:
        about = (plan.revision, dict(own), dict(known))
        async with self._looking:  # of many who ask at once, one looks
            if self._kept is not None and self._kept[0] == about and now - self._kept[1] < KEPT:
                return self._kept[2]
            found = await _look(self._store, plan, own, known, now)
            self._kept = (about, now, found)
            return found


async def _look(
    store: Store,
    plan: Plan,
    own: Mapping[str, BranchState],
    known: Mapping[str, Standing],
    now: datetime,
) -> Found:
    source = ContactEvidence(
        ContactBook(store),
        shadow=ShadowBook(store).evidence,
        time_cap_s=lambda branch: plan.branches[branch].time_cap_s,
    )
    try:
        daily = await callers_per_day(store, now - timedelta(days=VOLUME_DAYS), now)
    except StorageError as error:  # without a volume no day can be named; the states are told all the same
        log.warning("callers per day could not be read: %s", error)
        daily = {}
    return await views(plan, effective_states(own), known, source, daily, now)


def _outlook(view: View | None) -> rows.Outlook:
    return view.outlook if view is not None else rows.Outlook()

"""Many calls of one branch, written into the tables that real calls are written into.

What each caller becomes is drawn with a seed; everything from the rows on (first exposures, repeats, KPIs,
evidence) is the product's own work.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, insert

from ivrbot.model.contact_columns import OWN_FIELDS
from ivrbot.model.experiment import BranchState
from ivrbot.model.queue import LogPosition
from ivrbot.model.rollout import treatment_bound
from ivrbot.storage import schema
from ivrbot.storage.contact_tables import contacts
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.store import Store

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Served:
    """What an arm's callers meet: shares, and seconds."""

    resolved: float = 0.75
    hangs_up: float = 0.04
    fails_to_transfer: float = 0.001
    engine_fails: float = 0.001
    solved_s: float = 180.0


class Callers:
    """People who ring about a branch, each once.

    Args:
        store: the database.
        seed: of what they meet.
        a_day: how many ring a day, spread evenly over day and night.
    """

    def __init__(self, store: Store, *, seed: int = 7, a_day: int = 600) -> None:
        self._store = store
        self._rng = np.random.default_rng(seed)
        self._a_day = a_day
        self._number = 0

    async def ring(
        self,
        state: BranchState,
        since: datetime,
        until: datetime,
        *,
        bot: Served = Served(),
        human: Served = Served(),
        a_day: int | None = None,
    ) -> None:
        """Everybody of a stretch of time, by the branch's state; operators' data is complete up to its end."""
        number = round((until - since) / timedelta(days=1) * (a_day or self._a_day))
        offsets_us = np.sort(self._rng.integers(0, (until - since) // timedelta(microseconds=1), number))
        rows = [self._row(state, since + timedelta(microseconds=int(us)), bot, human) for us in offsets_us]

        def write(conn: Connection) -> None:
            conn.execute(insert(schema.exposures), [exposure for exposure, _ in rows])
            conn.execute(insert(contacts), [contact for _, contact in rows])

        await self._store.write(write)
        await ContactBook(self._store).add_queue_rows([], "queue_log", LogPosition(1, 0, "", until))

    def _row(
        self, state: BranchState, at: datetime, bot: Served, human: Served
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        self._number += 1
        call_id, unit = f"call-{self._number:07d}", f"{self._number:064x}"
        propensity = treatment_bound(state.share, state.holdback)
        treated = bool(self._rng.random() < propensity)
        exposure = {
            "call_id": call_id,
            "unit": unit,
            "branch": state.branch,
            "arm": "treatment" if treated else "control",
            "propensity": propensity,
            "stage": state.stage,
            "epoch": state.epoch,
            "plan_revision": state.plan_revision,
            "at": at,
        }
        numbers = self._numbers(bot if treated else human, treated=treated)
        started_us = (at - EPOCH) // timedelta(microseconds=1)
        contact = {
            "call_id": call_id,
            "branch": state.branch,
            "unit": unit,
            "origin": "product",
            "started_us": started_us,
            "ended_us": started_us + int(numbers["duration_s"] * 1e6),
            "asked_us": 0 if treated else started_us + 5_000_000,
            "entered": not treated,
            "outcome": "resolved" if numbers["outcome"] else "unresolved",
            "closed": True,
            "numbers": struct.pack(f"<{len(OWN_FIELDS)}f", *(numbers[name] for name in OWN_FIELDS)),
        }
        return exposure, contact

    def _numbers(self, served: Served, *, treated: bool) -> dict[str, float]:
        rng = self._rng
        left = bool(rng.random() < served.hangs_up)
        resolved = not left and bool(rng.random() < served.resolved)
        duration_s = max(10.0, float(rng.normal(served.solved_s, 40.0)))
        nobody = treated and bool(rng.random() < served.fails_to_transfer)
        return dict.fromkeys(OWN_FIELDS, 0.0) | {
            "outcome": float(resolved),
            "closed": 1.0,
            "with_bot": float(treated),
            "asked": float(not treated or nobody),
            "escalated": float(nobody),
            "connected": float(not treated),
            "unserved": 2.0 * nobody,
            "left_by_caller": float(left),
            "duration_s": duration_s,
            "solved_s": duration_s if resolved else float("nan"),
            "engine_failures": float(treated and bool(rng.random() < served.engine_fails)),
        }

"""Folds contacts as soon as something new is known of their calls.

Takes marks that the store sets in the transaction in which a call ends, a queue's row or an operator's word is
stored; gives contacts in the store. Nothing is remembered here: after a crash the marks are still there.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from ivrbot.analytics.contacts import UnitOf, fold
from ivrbot.errors import StorageError
from ivrbot.model.contact import CallMaterial, Contact
from ivrbot.model.queue import EPOCH

log = logging.getLogger(__name__)

STEP_S: Final = 1.0
STEP_CALLS: Final = 100
SWEEP_EVERY_S: Final = 300.0
SWEEP_BACK: Final = timedelta(days=2)
GRACE_S: Final = 60.0


Folded = tuple[CallMaterial, tuple[Contact, ...]]


class FoldingStore(Protocol):
    """Where material is gathered and contacts are kept."""

    async def due(self, limit: int) -> tuple[tuple[int, str], ...]:
        """Oldest marks: (id, key)."""
        ...

    async def sweep(self, since: datetime, until: datetime) -> int:
        """Mark calls without a contact."""
        ...

    async def materials(self, keys: Sequence[str]) -> tuple[CallMaterial, ...]:
        """Everything stored of the calls behind some keys, each once."""
        ...

    async def save(self, folded: Sequence[Folded], marks: Sequence[int]) -> None:
        """Replace the contacts of some calls and take marks away, these last."""
        ...


class ContactWriter:
    """The only writer of contacts.

    Args:
        store: of marks, material and contacts.
        unit_of: makes units of callers that were not drawn.
        now: aware UTC clock.
        max_call_s: the longest that a call stays with the bot: one that has not ended by then was cut off.
    """

    def __init__(
        self,
        store: FoldingStore,
        *,
        unit_of: UnitOf,
        now: Callable[[], datetime],
        max_call_s: float,
    ) -> None:
        self._store = store
        self._unit_of = unit_of
        self._now = now
        self._overdue = timedelta(seconds=max_call_s + GRACE_S)

    async def run(self) -> None:
        """Fold until cancelled. While the store is away, marks wait in it."""
        swept_s = -math.inf
        while True:
            now_s = asyncio.get_running_loop().time()
            more = 0
            try:
                if now_s - swept_s >= SWEEP_EVERY_S:
                    await self.sweep(everything=swept_s == -math.inf)
                    swept_s = now_s
                more = await self.step()
            except StorageError as error:
                log.warning("contacts wait: %s", error.code)
            await asyncio.sleep(0 if more else STEP_S)

    async def sweep(self, *, everything: bool = False) -> int:
        """Mark calls that ended without a word (the bot was killed in them); gives how many.

        Args:
            everything: all times, for what an older version left; else the last two days.

        Raises:
            StorageError: not done.
        """
        now = self._now()
        return await self._store.sweep(EPOCH if everything else now - SWEEP_BACK, now - self._overdue)

    async def step(self) -> int:
        """Fold what is due, up to a hundred calls; gives how many marks that were.

        Raises:
            StorageError: the rest stays due.
        """
        marks = await self._store.due(STEP_CALLS)
        if marks:
            keys = tuple(dict.fromkeys(key for _, key in marks))
            gathered = await self._store.materials(keys)
            folded = [result for material in gathered if (result := self._folded(material))]
            await self._store.save(folded, [mark for mark, _ in marks])
        return len(marks)

    def _folded(self, material: CallMaterial) -> Folded | None:
        try:
            return material, fold(material, unit_of=self._unit_of)
        except Exception:  # one damaged call must not hold up all others; what was stored of it stays
            log.exception("a call could not be folded")
            return None

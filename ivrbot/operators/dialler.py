"""Dials call-backs that are due: an operator first, then the caller.

Takes the kept call-backs and a PBX that places calls, gives calls and results. The operator comes first, since a
bank that rings its customer and then makes him wait has called him for nothing; while his telephone rings the
operator reads the dossier. An attempt is claimed in the store before it is placed, so that it is made once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from ivrbot.config import OperatorSettings
from ivrbot.errors import StorageError
from ivrbot.metrics import CALLBACKS
from ivrbot.model.call import CallId
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.operators import Callback, CallbackResult, QueueState
from ivrbot.ports import CallbackStore

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
AT_ONCE: Final = 5
"""Call-backs begun in one look; operators who are free are few."""
REPORT_S: Final = 60
"""An attempt that has had all its time may be reported so much later."""
NO_OPERATOR_S: Final = 60
"""Pause after an attempt in which no operator was reached, or while a queue has none or is not known."""

Record = Callable[[CallId, EventType, dict[str, JsonValue]], Awaitable[None]]
"""Keeps an event of a call-back under its id."""


class PlacesCallbacks(Protocol):
    """A PBX that connects an operator with a caller."""

    async def place(self, callback: Callback, number: str, *, queue_s: int, ring_s: int) -> bool:
        """Begin; False when it was refused. How it ends is reported to `CallbackDialler.report`."""
        ...


@dataclass(frozen=True, slots=True)
class DiallerParts:
    """What a dialler works with.

    Attributes:
        store: kept call-backs.
        pbx: places them.
        state: of a queue, None when not known.
        settings: hours and limits.
        record: keeps events.
        now: aware UTC clock.
    """

    store: CallbackStore
    pbx: PlacesCallbacks
    state: Callable[[str], Awaitable[QueueState | None]]
    settings: OperatorSettings
    record: Record
    now: Callable[[], datetime]


class CallbackDialler:
    """Dials what is due until cancelled; several processes on one store do not disturb each other."""

    def __init__(self, parts: DiallerParts) -> None:
        self._parts = parts

    async def run(self) -> None:
        """Look for due call-backs for ever."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                log.warning("call-backs cannot be read: %s", error.code)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Close attempts that nobody reports any more, then begin those whose time has come.

        Raises:
            StorageError: the store failed.
        """
        now = self._parts.now()
        for lost in await self._parts.store.overdue(now):
            await self._close(lost, CallbackResult.LOST)
        for callback in await self._parts.store.due(now, AT_ONCE):
            await self._begin(callback, now)

    async def report(self, callback_id: str, try_no: int, result: CallbackResult) -> bool:
        """The PBX says how an attempt ended; False when it was not the one under way.

        Raises:
            StorageError: not noted; the PBX may say it again.
        """
        return await self._end(callback_id, try_no, result)

    async def _begin(self, callback: Callback, now: datetime) -> None:
        parts = self._parts
        opens = parts.settings.next_open(callback.queue, now)
        if opens > now:
            await parts.store.put_off(callback.callback_id, opens)
            return
        state = await parts.state(callback.queue)
        if state is None or state.operators == 0:
            # Rung now he would wait for nobody; left due he would be looked at for ever instead of later ones.
            await parts.store.put_off(callback.callback_id, now + timedelta(seconds=NO_OPERATOR_S))
            return
        limits = parts.settings
        until = now + timedelta(seconds=limits.callback_queue_s + limits.callback_ring_s + REPORT_S)
        claimed = await parts.store.claim(callback.callback_id, now, until)
        if claimed is None:
            return
        taken, number = claimed
        if not number.startswith(limits.callback_prefixes):
            log.error("call-back %s is for a number that may not be dialled", taken.callback_id)
            await self._end(taken.callback_id, taken.tries, CallbackResult.NOT_PLACED, for_good=True)
            return
        await self._record(taken, EventType.CALLBACK_DIALLED, {"try": taken.tries, "queue": taken.queue})
        placed = await parts.pbx.place(
            taken, number, queue_s=limits.callback_queue_s, ring_s=limits.callback_ring_s
        )
        if not placed:
            await self._close(taken, CallbackResult.NOT_PLACED)

    async def _close(self, callback: Callback, result: CallbackResult) -> None:
        await self._end(callback.callback_id, callback.tries, result)

    async def _end(self, callback_id: str, try_no: int, result: CallbackResult, *, for_good: bool = False) -> bool:
        again_at = None if for_good else self._again_at(result)
        closed = await self._parts.store.close_attempt(
            callback_id, try_no, result, again_at=again_at, most=self._parts.settings.callback_attempts
        )
        if closed is None:
            return False
        CALLBACKS.labels(result.value).inc()
        log.info("call-back %s: %s, now %s", callback_id, result.value, closed.state.value)
        data: dict[str, JsonValue] = {
            "try": try_no,
            "result": result.value,
            "state": closed.state.value,
            "call": closed.call_id,
        }
        await self._record(closed, EventType.CALLBACK_ENDED, data)
        return True

    def _again_at(self, result: CallbackResult) -> datetime | None:
        if result is CallbackResult.ANSWERED:
            return None
        pause_s = self._parts.settings.callback_pause_s if result.rang else NO_OPERATOR_S
        return self._parts.now() + timedelta(seconds=pause_s)

    async def _record(self, callback: Callback, kind: EventType, data: dict[str, JsonValue]) -> None:
        try:
            await self._parts.record(CallId(callback.callback_id), kind, data)
        except StorageError as error:
            log.warning("an event of a call-back could not be numbered: %s", error.code)

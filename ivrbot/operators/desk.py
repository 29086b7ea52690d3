"""The operators' side of every call: context that survives the bot, stored dossiers, screens that pop up.

Behind a PBX the outcome is fetched by the dialplan; without one the desk page takes the operator's part.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from ivrbot.model.call import CallOutcome, CallRegistration, Dossier
from ivrbot.ports import CallStore, PbxControl

log = logging.getLogger(__name__)

KEPT = 200
PBX_WAIT_S = 0.3


class OperatorDesk:
    """`ivrbot.ports.OperatorQueue` over a call store and an optional PBX.

    Args:
        calls: keeps dossiers and outcomes.
        pbxs: sets channel variables; none without a PBX.
    """

    def __init__(self, calls: CallStore, pbxs: Sequence[PbxControl] = ()) -> None:
        self._calls = calls
        self._pbxs = tuple(pbxs)
        self._recent: deque[Dossier] = deque(maxlen=KEPT)
        self._watchers: list[Callable[[Dossier], None]] = []

    @property
    def recent(self) -> tuple[Dossier, ...]:
        """Dossiers of this process, newest first."""
        return tuple(reversed(self._recent))

    def watch(self, watcher: Callable[[Dossier], None]) -> Callable[[], None]:
        """Be told of every dossier; gives the function that ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    async def announce(self, registration: CallRegistration, topic: str, queue: str) -> None:
        """Leave topic and queue with the PBX; a slow PBX does not hold the call up."""
        await self._tell(registration.channel, {"__BOT_TOPIC": topic, "__BOT_QUEUE": queue})

    async def transfer(self, registration: CallRegistration, dossier: Dossier) -> CallOutcome:
        """Store the dossier and what the PBX is to do, then tell everybody."""
        outcome = CallOutcome("transfer", dossier.queue, dossier.topic, dossier.dossier_id, dossier.priority)
        self._recent.append(dossier)
        for watcher in tuple(self._watchers):
            try:
                watcher(dossier)
            except Exception:  # a screen that broke must not keep the caller from his operator
                log.exception("a dossier's watcher failed")
        known = {
            "__BOT_DOSSIER": dossier.dossier_id,
            "__BOT_QUEUE": dossier.queue,
            "__BOT_REASON": dossier.reason.value,
            "__BOT_PRIORITY": str(dossier.priority),
        }
        await self._tell(registration.channel, known)
        await self._calls.save_dossier(dossier)
        await self._calls.save_outcome(registration.call_id, outcome)
        return outcome

    async def close(self) -> None:
        """Disconnect from the PBX."""
        for pbx in self._pbxs:
            await pbx.close()

    async def _tell(self, channel: str, variables: dict[str, str]) -> None:
        if not channel or not self._pbxs:
            return
        try:
            async with asyncio.timeout(PBX_WAIT_S):
                for pbx in self._pbxs:
                    for name, value in variables.items():
                        await pbx.set_variable(channel, name, value)
        except TimeoutError:
            log.warning("the PBX did not take a variable in time")

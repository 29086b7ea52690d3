"""The operators' side of every call: context that survives the bot, stored dossiers, screens that pop up.

Behind a PBX the outcome is fetched by the dialplan; without one the desk page takes the operator's part.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from ivrbot.errors import StorageError, StorageUnavailable
from ivrbot.model.call import EMERGENCY_QUEUE, CallOutcome, CallRegistration, Dossier
from ivrbot.model.operators import (
    Callback,
    CallbackAsked,
    CallbackId,
    PhoneNews,
    PhoneState,
    QueueState,
    expected_wait_s,
)
from ivrbot.operators.hands import Hands
from ivrbot.ports import CallbackStore, CallStore, PbxControl

log = logging.getLogger(__name__)

KEPT = 200
KEPT_TALKS = 20
PBX_WAIT_S = 0.3

Queues = Callable[[str], Awaitable[QueueState | None]]
"""State of a PBX's queue by its name."""
Ahead = Callable[[str, float], Awaitable[int | None]]
"""Callers of a queue who wait longer than so many seconds; None when that is not known."""


class OperatorDesk:
    """`ivrbot.ports.OperatorQueue` over a call store and an optional PBX.

    Args:
        calls: keeps dossiers and outcomes.
        pbxs: sets channel variables; none without a PBX.
        queues: states of the PBX's queues; None without a PBX: then the open desk pages are the operators.
        callbacks: keeps call-backs; None: none can be promised.
        now: aware UTC clock; needed for states and call-backs.
        recorded: callers are told that calls are recorded, so that the PBX may record operators' talks.

    Attributes:
        callers_waiting: how many wait on the desk page itself; set by the page.
        hands: which operator serves which caller.
    """

    def __init__(
        self,
        calls: CallStore,
        pbxs: Sequence[PbxControl] = (),
        *,
        queues: Queues | None = None,
        ahead: Ahead | None = None,
        callbacks: CallbackStore | None = None,
        now: Callable[[], datetime] | None = None,
        recorded: bool = False,
    ) -> None:
        self._recorded = recorded
        self._calls = calls
        self._pbxs = tuple(pbxs)
        self._queues = queues
        self._ahead = ahead
        self._places: dict[str, tuple[str, float]] = {}  # by call: queue, and since when on the monotonic clock
        self._callbacks = callbacks
        self._now = now
        self._recent: deque[Dossier] = deque(maxlen=KEPT)
        self._watchers: list[Callable[[Dossier], None]] = []
        self._tell: Callable[[Dossier, Sequence[str]], None] = lambda *_: None
        self._by_channel: dict[str, str] = {}
        self._phones: dict[str, dict[str, PhoneState]] = {}
        self._screens: int | None = None
        self._talking = 0
        self._talks_s: deque[float] = deque(maxlen=KEPT_TALKS)
        self.callers_waiting: Callable[[], int] = lambda: 0
        self.hands = Hands(time.monotonic)

    @property
    def recent(self) -> tuple[Dossier, ...]:
        """Dossiers of this process, newest first."""
        return tuple(reversed(self._recent))

    def phone(self, news: PhoneNews) -> None:
        """An operator's telephone rings for a caller, is picked up, or is done with him. Never raises."""
        dossier_id = next((self._by_channel[name] for name in news.channels if name in self._by_channel), None)
        if dossier_id is None:
            return
        phones = self._phones.setdefault(dossier_id, {})
        if news.state is PhoneState.OVER:
            phones.pop(news.operator, None)
        else:
            phones[news.operator] = news.state

    def phones(self, dossier_id: str) -> Mapping[str, PhoneState]:
        """Operators whose telephones ring for, or are connected with, the caller of a dossier."""
        return self._phones.get(dossier_id, {})

    def watch(self, watcher: Callable[[Dossier], None]) -> Callable[[], None]:
        """Be told of every dossier; gives the function that ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def pass_on(self, tell: Callable[[Dossier, Sequence[str]], None]) -> None:
        """Tell other workers' screens of every dossier, and of the channels of its caller; returns at once."""
        self._tell = tell

    def show(self, dossier: Dossier, channels: Sequence[str] = ()) -> None:
        """Show a dossier, of this worker or of another, on every screen that is open here.

        Args:
            dossier: of a caller.
            channels: by which a PBX knows him.
        """
        for channel in channels:
            self._by_channel[channel] = dossier.dossier_id
        self._show(dossier)

    # --- who is there ---------------------------------------------------------------------------------

    @contextmanager
    def at_desk(self) -> Iterator[None]:
        """While somebody has the desk page open."""
        self._screens = (self._screens or 0) + 1
        try:
            yield
        finally:
            self._screens -= 1

    @contextmanager
    def in_talk(self, monotonic: Callable[[], float]) -> Iterator[None]:
        """While somebody at the desk talks to a caller.

        Args:
            monotonic: seconds of a clock that never jumps.
        """
        began_s = monotonic()
        self._talking += 1
        try:
            yield
        finally:
            self._talking -= 1
            self._talks_s.append(monotonic() - began_s)

    async def state(self, queue: str) -> QueueState | None:
        """State of the PBX's queue; without a PBX the desk's own, once anybody has opened it."""
        if self._queues is not None:
            return await self._queues(queue)
        if self._screens is None or self._now is None:
            return None
        free, waiting = max(0, self._screens - self._talking), self.callers_waiting()
        mean_s = sum(self._talks_s) / len(self._talks_s) if self._talks_s else 0.0
        wait_s = expected_wait_s(operators=self._screens, free=free, ahead=waiting, talk_s=mean_s, hold_s=0.0)
        return QueueState(queue, waiting, self._screens, free, None, wait_s, self._now())

    # --- calls ----------------------------------------------------------------------------------------

    async def announce(self, registration: CallRegistration, topic: str, queue: str) -> None:
        """Leave topic and queue with the PBX; a slow PBX does not hold the call up.

        Whose place is kept waits for what he waited for: of him the PBX learns where he stands now instead, but
        in an emergency, which has a queue of its own and no place in it.
        """
        held = registration.call_id in self._places
        if held and queue != EMERGENCY_QUEUE:
            await self._leave_place(registration)
            return
        known = {"__BOT_TOPIC": topic, "__BOT_QUEUE": queue} | ({"__BOT_POSITION": ""} if held else {})
        await self._set_variables(registration.channel, known)

    async def hold_place(self, registration: CallRegistration, queue: str) -> bool:
        """Remember since when he waits; only where the PBX tells who came before him, and can put him there.

        The PBX has his place from now on, as it is then and at each of his topics, should this process die.
        """
        if self._ahead is None or not registration.channel or not self._pbxs:
            return False
        self._places.setdefault(registration.call_id, (queue, time.monotonic()))
        while len(self._places) > KEPT:  # the oldest are of callers who have hung up
            del self._places[next(iter(self._places))]
        await self._leave_place(registration)
        return True

    async def _leave_place(self, registration: CallRegistration) -> None:
        queue, since_s = self._places[registration.call_id]
        if place := await self._place_now(queue, since_s):
            await self._set_variables(registration.channel, {"__BOT_QUEUE": queue} | place)

    async def _take_up_place(self, registration: CallRegistration, queue: str) -> dict[str, str]:
        """The place kept for him, for the PBX: none in another queue, the last known if it does not tell."""
        if registration.call_id not in self._places:
            return {}
        held_in, since_s = self._places.pop(registration.call_id)
        return await self._place_now(queue, since_s) if held_in == queue else {"__BOT_POSITION": ""}

    async def _place_now(self, queue: str, since_s: float) -> dict[str, str]:
        ahead = await self._ahead(queue, time.monotonic() - since_s) if self._ahead is not None else None
        return {"__BOT_POSITION": str(ahead + 1)} if ahead is not None else {}

    async def transfer(self, registration: CallRegistration, dossier: Dossier) -> CallOutcome:
        """Store the dossier and what the PBX is to do, then tell everybody."""
        outcome = CallOutcome("transfer", dossier.queue, dossier.topic, dossier.dossier_id, dossier.priority)
        channels = [channel for channel in (registration.uniqueid, registration.linkedid) if channel]
        self.show(dossier, channels)
        known = {
            "__BOT_DOSSIER": dossier.dossier_id,
            "__BOT_QUEUE": dossier.queue,
            "__BOT_REASON": dossier.reason.value,
            "__BOT_PRIORITY": str(dossier.priority),
            "__BOT_LANGUAGE": dossier.language,
        } | ({"__BOT_RECORDED": "yes"} if self._recorded else {})
        known |= await self._take_up_place(registration, dossier.queue)
        await self._set_variables(registration.channel, known)
        await self._calls.save_dossier(dossier)
        self._tell(dossier, channels)
        await self._calls.save_outcome(registration.call_id, outcome)
        return outcome

    async def promise_callback(
        self, registration: CallRegistration, dossier: Dossier, asked: CallbackAsked
    ) -> None:
        """Store dossier, call-back and outcome; the outcome last, since with it the PBX lets the caller go."""
        if self._callbacks is None or self._now is None:
            raise StorageUnavailable("call-backs are not kept")
        await self._calls.save_dossier(dossier)
        callback = Callback(
            # one call has one call-back: asked for twice it is the same
            CallbackId(str(uuid.uuid5(uuid.UUID(registration.call_id), "callback"))),
            registration.call_id,
            self._now(),
            asked.due_at,
            dossier.queue,
            dossier.topic,
            dossier.dossier_id,
            dossier.language,
        )
        await self._callbacks.add(callback, asked.number)
        outcome = CallOutcome("callback", "", dossier.topic, dossier.dossier_id)
        await self._calls.save_outcome(registration.call_id, outcome)
        self._show(dossier)
        self._tell(dossier, ())

    async def alarm(self, dossier: Dossier) -> None:
        """Show it on every open desk of its queue, and keep it."""
        self._show(dossier)
        try:
            await self._calls.save_dossier(dossier)
            self._tell(dossier, ())
        except StorageError as error:
            log.error("an alarm could not be stored: %s", error.code)

    async def close(self) -> None:
        """Disconnect from the PBX."""
        for pbx in self._pbxs:
            await pbx.close()

    def _show(self, dossier: Dossier) -> None:
        self._recent.append(dossier)
        kept = {one.dossier_id for one in self._recent}
        self._phones = {name: phones for name, phones in self._phones.items() if name in kept}
        self._by_channel = {channel: name for channel, name in self._by_channel.items() if name in kept}
        for watcher in tuple(self._watchers):
            try:
                watcher(dossier)
            except Exception:  # a screen that broke must not keep the caller from his operator
                log.exception("a dossier's watcher failed")

    async def _set_variables(self, channel: str, variables: dict[str, str]) -> None:
        if not channel or not self._pbxs:
            return
        try:
            async with asyncio.timeout(PBX_WAIT_S):
                for pbx in self._pbxs:
                    for name, value in variables.items():
                        await pbx.set_variable(channel, name, value)
        except TimeoutError:
            log.warning("the PBX did not take a variable in time")

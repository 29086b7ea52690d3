"""The door of one of several workers: a call is announced to one of them, its leg may come to any.

Takes registrations and legs as `CallDesk` does. Who may come in stands in the database, where a place is given
once for all workers; a leg is let in at once, and meets silence for the milliseconds until its place is its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final, Protocol

from ivrbot import metrics
from ivrbot.call.door import REGISTRATION_S, CallDesk, LiveCall, _Expected, send_away
from ivrbot.call.headroom import Refusal
from ivrbot.call.sound import SoundChannel
from ivrbot.errors import LegRefused, StorageConflict, StorageError
from ivrbot.logs import call_id_var
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.places import Claim
from ivrbot.ports import Leg, MediaSink

log = logging.getLogger(__name__)

USED_S: Final = 3600.0
"""After the longest call its id is refused for so much longer, whoever has announced it."""


class Places(Protocol):
    """The places of all workers; see `ivrbot.storage.call_places`."""

    async def announce(self, registration: CallRegistration, at: datetime, *, most: int, wait_s: float) -> bool:
        """Register a call and keep a place for it; False when there is no room."""
        ...

    async def decide(self, call_id: CallId, *, to_bot: bool, topic: str) -> None:
        """Where somebody else's menu sends a call that waits."""
        ...

    async def claim(self, call_id: CallId, at: datetime, *, keep_s: float, announced_only: bool) -> Claim | None:
        """Take a call whose leg has come here; None when it may not come in."""
        ...

    async def leave(self, call_id: CallId) -> None:
        """The call is over; its id stays used."""
        ...

    async def forget(self, at: datetime) -> tuple[CallRegistration, ...]:
        """Forget places whose time is over; gives the calls whose leg has never come."""
        ...


class Others(Protocol):
    """The other workers; see `ivrbot.peers`."""

    def live(self) -> Collection[str]:
        """Ids of calls that they have."""
        ...

    def are_able(self) -> bool:
        """One of them has the strength for one more call."""
        ...

    def room(self, most: int) -> int:
        """Of so many calls at once, how many the workers that live can serve together, this one included."""
        ...


class SharedDesk(CallDesk):
    """Implements `ports.CallDoor`; one in each of several workers. Made like `CallDesk`, then `share`d."""

    _places: Places
    _others: Others
    _changed: Callable[[], None]

    def share(self, places: Places, others: Others, changed: Callable[[], None]) -> None:
        """Before anybody comes.

        Args:
            places: of all workers.
            others: the other workers.
            changed: told whenever a call comes or goes.
        """
        self._places, self._others, self._changed = places, others, changed
        self._announced: dict[CallId, float] = {}

    @property
    def able(self) -> bool:
        """This worker takes new calls, and has the strength for one more."""
        return self.ready and self._headroom() is None

    @property
    def live_anywhere(self) -> set[str]:
        """Ids of calls under way, in whichever worker."""
        return {*self._live, *self._others.live()}

    @property
    def expected(self) -> int:
        """Calls announced here whose leg has not come to any worker."""
        arrived, now_s = self.live_anywhere, time.monotonic()
        waiting = self._announced.items()
        self._announced = {
            name: at_s for name, at_s in waiting if name not in arrived and now_s - at_s < REGISTRATION_S
        }
        return len(self._announced)

    async def register(self, registration: CallRegistration) -> bool:
        """Expect a call, in whichever worker (see `CallDesk.register`)."""
        why = self._headroom() if self.ready else Refusal.NOT_READY
        if why is Refusal.NOT_READY or (why is not None and not self._others.are_able()):
            return send_away(why)
        most = self._others.room(self._settings.max_calls)
        try:
            room = await self._places.announce(registration, self._parts.now(), most=most, wait_s=REGISTRATION_S)
        except StorageConflict as error:
            raise LegRefused("this call id has been used") from error
        except StorageError as error:
            log.error("a call could not be registered: %s", error.code)
            return False
        if not room:
            return send_away(Refusal.CAP)
        self._announced[registration.call_id] = time.monotonic()
        return True

    async def learn_decision(self, call_id: CallId, *, to_bot: bool, topic: str = "") -> None:
        """Where a call goes whose own menu asked. An answer that cannot be kept is asked for again by the bot."""
        if not to_bot:
            self._announced.pop(call_id, None)
        try:
            await self._places.decide(call_id, to_bot=to_bot, topic=topic)
        except StorageError as error:
            log.warning("where a call goes could not be kept: %s", error.code)

    def admit(self, leg: Leg) -> MediaSink:
        """Let a leg wait for its place (see `ports.CallDoor`)."""
        if self._group is None or self._draining:
            raise LegRefused("not taking calls")
        if leg.call_id in self._used:
            raise LegRefused("this call has had its leg")
        self._forget()
        self._used[leg.call_id] = time.monotonic()
        channel = SoundChannel(
            leg, self._asr, self._voice, self.emit_for(leg.call_id), recordings=self._recordings
        )
        unknown = CallRegistration(leg.call_id)
        self._live[leg.call_id] = LiveCall(unknown, self.language_of(unknown), time.time())
        self._empty.clear()
        self._changed()
        metrics.CALLS_ACTIVE.set(len(self._live))
        self._group.create_task(self._let_in(leg.call_id, channel), name=f"call-{leg.call_id}")
        return channel

    async def forget_late(self) -> None:
        """Note calls that were announced and never came; for the worker that leads.

        Raises:
            StorageError: to be tried again.
        """
        for registration in await self._places.forget(self._parts.now()):
            self._note_registered(registration)

    async def _let_in(self, call_id: CallId, channel: SoundChannel) -> None:
        call_id_var.set(call_id)
        claim = await self._claimed(call_id)
        if claim is None:
            metrics.LEGS_REFUSED.labels("door").inc()
            channel.close()
            self._gone(call_id)
            return
        try:
            registration = claim.registration
            language = self.language_of(registration)
            self._live[call_id] = LiveCall(registration, language, time.time())
            self._announced.pop(call_id, None)
            if claim.announced:
                self._note_registered(registration)
            expected = _Expected(registration, 0.0, decided=claim.decided, topic=claim.topic)
            await self._hold(expected, language, channel)
        finally:
            self._changed()
            try:
                await self._places.leave(call_id)
            except StorageError as error:
                log.warning("a call's place is free only when its time is over: %s", error.code)

    async def _claimed(self, call_id: CallId) -> Claim | None:
        keep_s = self._settings.max_call_s + USED_S
        try:
            claim = await self._places.claim(
                call_id, self._parts.now(), keep_s=keep_s, announced_only=self._registered_only
            )
        except StorageError as error:
            log.error("a leg is refused, its place is not known: %s", error.code)
            return None
        if claim is None:
            log.warning("leg refused: nobody registered this call, or it has had its leg")
        return claim

    def _gone(self, call_id: CallId) -> None:
        self._live.pop(call_id, None)
        metrics.CALLS_ACTIVE.set(len(self._live))
        if not self._live:
            self._empty.set()
        self._changed()

    def _note_registered(self, registration: CallRegistration) -> None:
        data: dict[str, JsonValue] = {
            "gateway": registration.gateway,
            "called": registration.called,
            "withheld": not registration.caller,
            "uniqueid": registration.uniqueid,
            "linkedid": registration.linkedid,
        }
        self._record(registration.call_id, EventType.CALL_REGISTERED, 0, data)

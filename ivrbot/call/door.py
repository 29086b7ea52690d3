"""Who may ring: registrations, admission, and the task of every call.

Takes registrations (from the PBX, the softphone, the command line) and legs, runs one session per leg in a task
group of the process. A leg needs a registration of its own call id that was not used yet; above the cap, while
draining, or where measured headroom does not allow one call more, the answer to a registration is "operator" and
the PBX queues the caller without the bot.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ivrbot import metrics
from ivrbot.call.backdrop import Backdrop
from ivrbot.call.headroom import Refusal
from ivrbot.call.running import CallParts
from ivrbot.call.session import CallSession
from ivrbot.call.sound import SoundChannel
from ivrbot.config import CallSettings
from ivrbot.errors import LegRefused, StorageConflict, StorageError
from ivrbot.logs import call_id_var
from ivrbot.model.call import CallEnd, CallId, CallRegistration
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Language
from ivrbot.ports import AsrEngine, Leg, MediaSink, Recordings, Voice

log = logging.getLogger(__name__)

REGISTRATION_S: Final = 30.0
"""A registered call whose leg has not come by then is forgotten."""

Recorder = Callable[[CallId, EventType, int, dict[str, JsonValue]], object]


@dataclass(slots=True)
class _Expected:
    """A registered call whose leg has not come.

    Attributes:
        at_s: monotonic time of the registration.
        decided: somebody else's menu has asked where the call goes.
        to_bot: the answer; whoever was sent to an operator takes no room here and comes in no more.
        topic: what the menu knows he wants, "" when he must be asked.
    """

    registration: CallRegistration
    at_s: float
    decided: bool = False
    to_bot: bool = True
    topic: str = ""


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call under way, for the live page."""

    registration: CallRegistration
    language: Language
    started_s: float


def canonical_call_id(text: str) -> CallId | None:
    """The canonical form of a UUID, None when `text` is none."""
    try:
        return CallId(str(uuid.UUID(text)))
    except (ValueError, AttributeError, TypeError):
        return None


def send_away(why: Refusal) -> bool:
    """Count a caller who goes to an operator before the bot answers; gives the answer to his registration."""
    metrics.CALLS_REFUSED.labels(why.value).inc()
    metrics.LEGS_REFUSED.labels("not_ready" if why is Refusal.NOT_READY else "overload").inc()
    return False


class CallDesk:
    """Implements `ports.CallDoor`; one per process.

    Args:
        parts: shared by all sessions.
        asr: recogniser for a language.
        voice: the bot's mouth.
        settings: limits and languages.
        record: the recorder's entrance.
        registered_only: legs without a registration are refused.
        recordings: where the sound of calls is kept; None: nowhere.
        headroom: why one more call cannot be served well now, by measured load; None: it can.
    """

    def __init__(
        self,
        parts: CallParts,
        *,
        asr: Callable[[Language], AsrEngine],
        voice: Voice,
        settings: CallSettings,
        record: Recorder,
        registered_only: bool,
        recordings: Recordings | None = None,
        headroom: Callable[[], Refusal | None] = lambda: None,
    ) -> None:
        self._parts = parts
        self._headroom = headroom
        self._asr = asr
        self._voice = voice
        self._settings = settings
        self._record = record
        self._registered_only = registered_only
        self._recordings = recordings
        self._expected: dict[CallId, _Expected] = {}
        self._used: dict[CallId, float] = {}
        self._live: dict[CallId, LiveCall] = {}
        self._group: asyncio.TaskGroup | None = None
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def live(self) -> tuple[LiveCall, ...]:
        """Calls under way."""
        return tuple(self._live.values())

    @property
    def live_anywhere(self) -> set[str]:
        """Ids of calls under way, in whichever worker."""
        return set(self._live)

    @property
    def ready(self) -> bool:
        """New calls are taken."""
        return self._group is not None and not self._draining

    @property
    def expected(self) -> int:
        """Calls announced for the bot whose leg has not come."""
        return sum(expected.to_bot for expected in self._expected.values())

    def open(self, group: asyncio.TaskGroup) -> None:
        """Take calls from now on; their tasks run in `group`."""
        self._group = group

    async def drain(self, timeout_s: float) -> bool:
        """Take no new calls, let running ones finish; False when some had to be left."""
        self._draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def register(self, registration: CallRegistration) -> bool:
        """Expect a call.

        Returns:
            False when the caller is to go to an operator at once (cap reached, no headroom, draining, store away).

        Raises:
            LegRefused: this call id has been seen before.
        """
        self._forget()
        if registration.call_id in self._expected or registration.call_id in self._used:
            raise LegRefused("this call id has been used")
        if (why := self._refusal()) is not None:
            return send_away(why)
        self._expected[registration.call_id] = _Expected(registration, time.monotonic())
        try:
            await self._parts.calls.register(registration, self._parts.now())
        except StorageConflict as error:
            self._expected.pop(registration.call_id, None)
            raise LegRefused("this call id has been used") from error
        except StorageError as error:
            log.error("a call could not be registered: %s", error.code)
            self._expected.pop(registration.call_id, None)
            return False
        data: dict[str, JsonValue] = {
            "gateway": registration.gateway,
            "called": registration.called,
            "withheld": not registration.caller,
            "uniqueid": registration.uniqueid,
            "linkedid": registration.linkedid,
        }
        self._record(registration.call_id, EventType.CALL_REGISTERED, 0, data)
        return True

    def decided(self, call_id: CallId, *, to_bot: bool, topic: str = "") -> None:
        """Learn where a call goes whose own menu asked; unknown calls are none of ours.

        Args:
            call_id: of the call.
            to_bot: else an operator has him, and his place is free at once.
            topic: what he wants, "" when he must be asked.
        """
        expected = self._expected.get(call_id)
        if expected is not None:
            expected.decided, expected.to_bot, expected.topic = True, to_bot, topic

    async def learn_decision(self, call_id: CallId, *, to_bot: bool, topic: str = "") -> None:
        """As `decided`, kept wherever the leg may come to when this returns."""
        self.decided(call_id, to_bot=to_bot, topic=topic)

    def admit(self, leg: Leg) -> MediaSink:
        """Take a leg (see `ports.CallDoor`)."""
        self._forget()
        if self._group is None or self._draining:
            raise LegRefused("not taking calls")
        if leg.call_id in self._used:
            raise LegRefused("this call has had its leg")
        expected = self._expected.pop(leg.call_id, None)
        if expected is None and self._registered_only:
            raise LegRefused("nobody registered this call")
        if expected is None:
            expected = _Expected(CallRegistration(leg.call_id), 0.0)
        if not expected.to_bot:
            raise LegRefused("this call was sent to an operator")
        registration = expected.registration
        if len(self._live) >= self._settings.max_calls:
            raise LegRefused("no room")
        self._used[leg.call_id] = time.monotonic()
        channel = SoundChannel(
            leg,
            self._asr,
            self._voice,
            self.emit_for(leg.call_id),
            recordings=self._recordings,
            backdrop=Backdrop(noise=self._settings.comfort_noise, thinking=self._settings.thinking_sound),
        )
        language = self.language_of(registration)
        self._live[leg.call_id] = LiveCall(registration, language, time.time())
        self._empty.clear()
        metrics.CALLS_ACTIVE.set(len(self._live))
        self._group.create_task(self._hold(expected, language, channel), name=f"call-{leg.call_id}")
        return channel

    def _refusal(self) -> Refusal | None:
        """Why one more call is not taken."""
        if len(self._live) + self.expected >= self._settings.max_calls:
            return Refusal.CAP
        return self._headroom() if self.ready else Refusal.NOT_READY

    def emit_for(self, call_id: CallId) -> Callable[[EventType, int, dict[str, JsonValue]], None]:
        """The recorder's entrance for one call."""

        def emit(type_: EventType, t_ms: int, data: dict[str, JsonValue]) -> None:
            self._record(call_id, type_, t_ms, data)

        return emit

    def language_of(self, registration: CallRegistration) -> Language:
        """Language of the first words: as registered, else by the dialled number, else as set."""
        if registration.language is not None:
            return registration.language
        return self._settings.language_by_called.get(registration.called, self._settings.language)

    async def _hold(self, expected: _Expected, language: Language, channel: SoundChannel) -> None:
        registration = expected.registration
        call_id_var.set(registration.call_id)
        try:
            async with asyncio.TaskGroup() as group:
                channel.start(group)
                session = CallSession(
                    self._parts,
                    registration,
                    language,
                    channel,
                    self.emit_for(registration.call_id),
                    expected.topic,
                    front="external" if expected.decided else "",
                )
                end: CallEnd = await session.run()
                log.info("call ended: %s, %s", end.disposition.value, end.reason)
        except Exception:  # one call must never end the others
            log.exception("call broke")
            channel.close()
        finally:
            self._live.pop(registration.call_id, None)
            metrics.CALLS_ACTIVE.set(len(self._live))
            if not self._live:
                self._empty.set()

    def _forget(self) -> None:
        now_s = time.monotonic()
        for call_id, expected in list(self._expected.items()):
            if now_s - expected.at_s > REGISTRATION_S:
                del self._expected[call_id]
        for call_id, at_s in list(self._used.items()):
            if call_id not in self._live and now_s - at_s > self._settings.max_call_s + 3600:
                del self._used[call_id]

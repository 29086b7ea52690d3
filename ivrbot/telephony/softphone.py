"""Softphone gateway: a browser page calls in over one WebSocket.

Takes WebSockets (handed over by the web server), gives each admitted one to the call door as a `Leg` and drives
its `MediaSink`. Binary messages are PCM16 at 8 kHz in both directions, text messages are JSON objects with a
`type`:

    page -> bot   start {language, caller}, key {key}, hangup, say {text} (while with an operator)
    bot -> page   ready {call_id}, transcript {who, text, t_ms}, error {code},
                  ended {reason, disposition, escalated_to, dossier_id, waiting},
                  operator_joined, said {who, text}, left {who}

After an escalation the socket stays open until an operator at the desk page has taken the caller and one of them
leaves, or nobody came for ten minutes.

Source: RFC 6455 (section 10.2 for the Origin check).
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from ivrbot.config import MediaSettings
from ivrbot.errors import LegRefused, ProtocolError
from ivrbot.metrics import LEGS_REFUSED
from ivrbot.model.audio import SAMPLE_BYTES
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.ports import CallDoor
from ivrbot.telephony.operator_line import WAIT_FOR_OPERATOR_S, OperatorLine, OperatorLines, Side
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.sound_socket import CLOSE_S, MAX_MESSAGES_AT_ONCE, SoundSocket

MAX_SOCKETS: Final = 64
START_S: Final = 30.0
"""A page that was opened must place its call by then."""
MAX_MESSAGE_BYTES: Final = 16 * 1024
ENDING_S: Final = 5.0
"""How long the page waits to be told how its call ended."""

_KEYS: Final = frozenset("0123456789*#")
_NUMBER: Final = frozenset("+0123456789")
_MAX_NUMBER_CHARS: Final = 20
_log = logging.getLogger(__name__)

Register = Callable[[CallRegistration], Awaitable[bool]]
"""Announces a call; False when callers are to go to operators. Raises LegRefused for a used id."""
Follow = Callable[[CallId], AbstractAsyncContextManager[AsyncIterator[CallEvent]]]
"""Events of one call from now on."""


def is_own_origin(request: web.BaseRequest) -> bool:
    """Whether a request comes from a page of this server, or from no page at all."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    try:
        return bool(request.host) and urlsplit(origin).netloc.lower() == request.host.lower()
    except ValueError:
        return False


def new_call_id() -> CallId:
    """A random UUID."""
    return CallId(str(uuid.uuid4()))


class SoftphoneGateway:
    """Opens legs from browser pages.

    Args:
        door: decides about every leg.
        pacer: the clock of all outbound sound.
        register: announces a call before its leg.
        follow: events of a call, from which the page learns how it ended.
        settings: patience with silent peers.
        new_id: makes call ids.
    """

    def __init__(
        self,
        door: CallDoor,
        pacer: Pacer,
        register: Register,
        follow: Follow,
        settings: MediaSettings,
        new_id: Callable[[], CallId] = new_call_id,
    ) -> None:
        self.door = door
        self.pacer = pacer
        self.register = register
        self.follow = follow
        self.new_id = new_id
        self.lines = OperatorLines()
        self._silent_peer_s = settings.silent_peer_s
        self._legs: set[_Socket] = set()

    @property
    def legs(self) -> int:
        """Open sockets, in a call or with an operator."""
        return len(self._legs)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket until it closes (mount it as an aiohttp handler).

        Raises:
            HTTPForbidden: the request comes from a page of another site.
            HTTPServiceUnavailable: too many sockets.
        """
        if not is_own_origin(request):
            LEGS_REFUSED.labels("origin").inc()
            raise web.HTTPForbidden(text="foreign origin")
        if len(self._legs) >= MAX_SOCKETS:
            LEGS_REFUSED.labels("crowded").inc()
            raise web.HTTPServiceUnavailable(text="too many connections")
        # A ping goes out after `heartbeat` without traffic and is waited for half as long.
        ws = web.WebSocketResponse(
            heartbeat=self._silent_peer_s / 1.5,
            max_msg_size=MAX_MESSAGE_BYTES,
            compress=False,
            timeout=CLOSE_S,
        )
        await ws.prepare(request)
        leg = _Socket(self, ws, request.transport)
        self._legs.add(leg)
        try:
            await leg.serve()
        finally:
            self._legs.discard(leg)
        return ws

    async def stop(self) -> None:
        """End every leg (cause "shutdown"). Idempotent."""
        for leg in tuple(self._legs):
            leg.end("shutdown")
            leg.leave()


class _Socket(SoundSocket):
    """One page: a leg (see ports.Leg) while the bot has it, then perhaps a line to an operator."""

    def __init__(
        self, gateway: SoftphoneGateway, ws: web.WebSocketResponse, transport: asyncio.Transport | None
    ) -> None:
        super().__init__(ws, transport, gateway.pacer)
        self._gateway = gateway
        self._line: OperatorLine | None = None
        self._started: asyncio.Future[CallRegistration] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._gone = asyncio.Event()

    def notify(self, message: dict[str, object]) -> None:
        """Show something on the page."""
        self._outbox.tell(message)

    # --- the socket's life ---

    async def serve(self) -> None:
        """Read, write and follow the call until the page is gone or there is nothing more to tell it."""
        try:
            await self._run("softphone", self._read(), self._live())
        finally:
            if self._line:
                self._gateway.lines.close(self._line)

    def leave(self) -> None:
        """Stop serving the page, with a call or without."""
        self._gone.set()
        super().leave()
        if not self._started.done():
            self._started.cancel()

    async def _live(self) -> None:
        """The call from its start to the last thing that the page is told."""
        try:
            async with asyncio.timeout(START_S):
                registration = await self._started
        except TimeoutError:
            LEGS_REFUSED.labels("no_start").inc()
            self._error("no_start")
            return
        self.call_id = registration.call_id
        async with self._gateway.follow(registration.call_id) as events:
            if not await self._begin(registration):
                return
            await self._ended.wait()
            ending = await _ending(events)
        dossier_id = str(ending.get("dossier") or "")
        waits = bool(dossier_id) and self.cause == "closed" and not self._gone.is_set()
        if waits:
            self._line = self._gateway.lines.open(dossier_id, self._outbox.put)
        self._outbox.tell(
            {
                "type": "ended",
                "disposition": ending.get("disposition", ""),
                "reason": ending.get("reason", ""),
                "escalated_to": ending.get("escalated_to", ""),
                "dossier_id": dossier_id,
                "waiting": waits,
            }
        )
        if self._line:
            await self._with_operator(self._line)

    async def _begin(self, registration: CallRegistration) -> bool:
        """Register the call and ask the door; False after a refusal, of which the page has been told."""
        try:
            taken = await self._gateway.register(registration)
            if self._gone.is_set() or not taken:
                self._error("busy")
                return False
            self._let_in(self._gateway.door, self._outbox.play)
        except LegRefused as error:
            _log.warning("leg refused: %s", error)
            LEGS_REFUSED.labels("door").inc()
            self._error("refused")
            return False
        self._outbox.tell({"type": "ready", "call_id": registration.call_id})
        return True

    async def _with_operator(self, line: OperatorLine) -> None:
        try:
            async with asyncio.timeout(WAIT_FOR_OPERATOR_S):
                await _first(line.taken, line.over, self._gone)
        except TimeoutError:
            self._outbox.tell({"type": "left", "who": "operator"})
            return
        await _first(line.over, self._gone)

    def _report(self) -> None:
        super()._report()
        self._ended.set()

    # --- from the page ---

    async def _read(self) -> None:
        async for message in self._ws:
            if not self._may_speak():
                self._broken(f"more than {MAX_MESSAGES_AT_ONCE} messages at once")
                return
            try:
                if message.type is WSMsgType.BINARY:
                    self._listen(message.data)
                elif message.type is WSMsgType.TEXT:
                    self._obey(_parsed(message.data))
            except ProtocolError as error:
                self._broken(str(error))
                return
            if self._gone.is_set():
                return

    def _listen(self, pcm: bytes) -> None:
        if len(pcm) % SAMPLE_BYTES:
            raise ProtocolError("half a sample")
        if not self._takes(pcm):
            return
        if self._line:
            self._line.sound(Side.CALLER, pcm)
        else:
            self._hear(pcm)

    def _obey(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "start":
                if self._started.done():
                    raise ProtocolError("a second start")
                self._started.set_result(_registration(message, self._gateway.new_id()))
            case "key":
                self._press(message.get("key"))
            case "hangup":
                self._hang_up()
            case "say":
                if self._line:
                    self._line.say(Side.CALLER, str(message.get("text", "")))
            case _:
                raise ProtocolError("unknown type of message")

    def _press(self, key: object) -> None:
        if key not in _KEYS:
            raise ProtocolError("no such key")
        if self.sink:
            self.sink.on_key(str(key))

    def _hang_up(self) -> None:
        self.end("hangup")
        if self._line:
            self._gateway.lines.close(self._line)
        if self._line or not self.was_let_in:
            self.leave()

    def _broken(self, what: str) -> None:
        _log.warning("softphone closed: %s", what)
        self._error("protocol")
        self.end("protocol_error")

    def _error(self, code: str) -> None:
        self._outbox.tell({"type": "error", "code": code})


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except ValueError as error:
        raise ProtocolError("not JSON") from error
    if not isinstance(message, dict):
        raise ProtocolError("not a JSON object")
    return message


def _registration(message: dict[str, Any], call_id: CallId) -> CallRegistration:
    """What the page says about its call; numbers keep digits and a plus only."""
    caller = "".join(char for char in str(message.get("caller") or "") if char in _NUMBER)[:_MAX_NUMBER_CHARS]
    chosen = message.get("language")
    language: Language | None = next((name for name in LANGUAGES if name == chosen), None)
    return CallRegistration(call_id, caller=caller, gateway="softphone", language=language)


async def _ending(events: AsyncIterator[CallEvent]) -> dict[str, JsonValue]:
    """Data of the event that ends the call; {} when it does not come."""
    try:
        async with asyncio.timeout(ENDING_S):
            async for event in events:
                if event.type is EventType.CALL_ENDED:
                    return dict(event.data)
    except TimeoutError:
        _log.warning("a call did not report its end")
    return {}


async def _first(*events: asyncio.Event) -> None:
    """Until one of them is set."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()

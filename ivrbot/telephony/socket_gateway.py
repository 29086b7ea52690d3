"""Gateway for media that comes over a WebSocket: who may connect, how many, and one leg for each.

Takes requests (handed over by the web server), serves each with a `SocketLeg` of the right dialect.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from ivrbot.config import MediaSettings
from ivrbot.errors import LegRefused
from ivrbot.metrics import LEGS_REFUSED
from ivrbot.model.call import CallId
from ivrbot.ports import CallDoor
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.socket_leg import MAX_MESSAGE_BYTES, Identify, SocketLeg
from ivrbot.telephony.sound_socket import CLOSE_S
from ivrbot.telephony.wire.chan_websocket import SUBPROTOCOL, ChanWebsocket
from ivrbot.telephony.wire.media_messages import Began, Dialect

MAX_SOCKETS: Final = 400
"""More than a process can serve: calls above its cap never get this far."""

Allow = Callable[[web.BaseRequest], bool]
"""Whether a peer may connect at all."""


class SocketGateway:
    """Opens legs from media WebSockets of one dialect.

    Args:
        door: decides about every leg.
        pacer: the clock of all outbound sound.
        settings: patience with silent peers.
        dialect: makes one for each connection.
        allow: who may connect.
        identify: turns a peer's first words into a call.
        protocols: subprotocols that are spoken (RFC 6455, section 1.9).
    """

    def __init__(
        self,
        door: CallDoor,
        pacer: Pacer,
        settings: MediaSettings,
        *,
        dialect: Callable[[], Dialect],
        allow: Allow,
        identify: Identify,
        protocols: Sequence[str] = (),
    ) -> None:
        self._door = door
        self._pacer = pacer
        self._heartbeat_s = settings.silent_peer_s / 1.5
        self._dialect = dialect
        self._allow = allow
        self._identify = identify
        self._protocols = tuple(protocols)
        self._legs: set[SocketLeg] = set()

    @property
    def legs(self) -> int:
        """Open sockets."""
        return len(self._legs)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket until it closes (mount it as an aiohttp handler).

        Raises:
            HTTPForbidden: this peer may not connect.
            HTTPServiceUnavailable: too many sockets.
        """
        if not self._allow(request):
            LEGS_REFUSED.labels("peer").inc()
            raise web.HTTPForbidden(text="not from here")
        if len(self._legs) >= MAX_SOCKETS:
            LEGS_REFUSED.labels("crowded").inc()
            raise web.HTTPServiceUnavailable(text="too many connections")
        # A ping goes out after `heartbeat` without traffic and is waited for half as long.
        ws = web.WebSocketResponse(
            heartbeat=self._heartbeat_s,
            max_msg_size=MAX_MESSAGE_BYTES,
            compress=False,
            timeout=CLOSE_S,
            protocols=self._protocols,
        )
        await ws.prepare(request)
        leg = SocketLeg(ws, request.transport, self._dialect(), self._door, self._pacer, self._identify)
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


def chan_websocket_gateway(door: CallDoor, pacer: Pacer, settings: MediaSettings, allow: Allow) -> SocketGateway:
    """The gateway for Asterisk's `Dial(WebSocket/...)`."""
    return SocketGateway(
        door,
        pacer,
        settings,
        dialect=ChanWebsocket,
        allow=allow,
        identify=announced_call,
        protocols=(SUBPROTOCOL,),
    )


def announced_call(began: Began) -> CallId:
    """The call that the peer says it brings; the door knows whether it was registered.

    Raises:
        LegRefused: it names none.
    """
    try:
        return CallId(str(uuid.UUID(began.call_id)))
    except ValueError as error:
        raise LegRefused("the peer does not say which call it brings") from error

"""Every media WebSocket of one process: Asterisk's chan_websocket and Media Streams, with the latter's webhooks.

Takes settings and the call door, gives handlers by their paths; the web server mounts them. Without a provider in
the settings a Media Streams socket is for allowed addresses and registered calls, as all the others are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from ivrbot.config import MediaSettings, TwilioSettings
from ivrbot.ports import CallDoor
from ivrbot.telephony.allowed_peers import AllowedPeers
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.socket_gateway import SocketGateway, announced_call, chan_websocket_gateway
from ivrbot.telephony.twilio_calls import NEXT, STREAM, VOICE, Outcome, Register, TwilioCalls
from ivrbot.telephony.wire.media_streams import MediaStreams

ASTERISK: Final = "/ws/asterisk"

Webhook = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MediaSockets:
    """The gateways and webhooks.

    Args:
        door: decides about every leg.
        pacer: the clock of all outbound sound.
        media: allowed peers, patience with silent ones.
        twilio: the provider, if there is one.
        token: its auth token, b"" when there is no provider.
        register: announces a call.
        outcome: what is to be done when the bot's leg has closed.

    Raises:
        ConfigError: an allowed address is none.
    """

    def __init__(
        self,
        door: CallDoor,
        pacer: Pacer,
        media: MediaSettings,
        twilio: TwilioSettings,
        token: bytes,
        register: Register,
        outcome: Outcome,
    ) -> None:
        peers = AllowedPeers(media.allowed_addresses)

        def allow(request: web.BaseRequest) -> bool:
            return peers.allow(request.remote or "")

        calls = TwilioCalls(twilio, token, register, outcome) if twilio.public_url else None
        streams = SocketGateway(
            door,
            pacer,
            media,
            dialect=MediaStreams,
            allow=calls.may_stream if calls else allow,
            identify=calls.identify if calls else announced_call,
        )
        self.gateways: Mapping[str, SocketGateway] = {
            ASTERISK: chan_websocket_gateway(door, pacer, media, allow),
            STREAM: streams,
        }
        self.webhooks: Mapping[str, Webhook] = {VOICE: calls.voice, NEXT: calls.next} if calls else {}

    async def stop(self) -> None:
        """End every leg. Idempotent."""
        for gateway in self.gateways.values():
            await gateway.stop()

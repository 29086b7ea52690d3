"""Asterisk's chan_websocket: bytes and JSON text <-> messages, no I/O.

Sound is binary, PCM16 little-endian at 8 kHz (`c(slin)` in the dial string), control is JSON text (`f(json)`):
events `{"event": ..., "channel_id": ...}` from Asterisk, commands `{"command": ...}` to it. The bot's call id
comes as the channel variable `BOT_CALL_ID` (set by the dialplan with two underscores), never as a parameter of the
address: those leak between concurrent calls. Asterisk drops commands of more than 128 bytes, so marks are short.

Source: docs.asterisk.org, Configuration > Channel Drivers > WebSocket (Asterisk 20.18, 22.8 and 23.2 on).
"""

from __future__ import annotations

import json
from typing import Any, Final

from ivrbot.errors import ProtocolError
from ivrbot.model.audio import SAMPLE_BYTES, Frame
from ivrbot.telephony.wire.media_messages import Began, KeyPress, MediaMessage, Played, Sound

SUBPROTOCOL: Final = "media"
"""What Asterisk asks for in Sec-WebSocket-Protocol."""
FORMATS: Final = frozenset({"slin"})
MAX_COMMAND_BYTES: Final = 128
VARIABLE: Final = "BOT_CALL_ID"

_KEYS: Final = frozenset("0123456789*#")


class ChanWebsocket:
    """The dialect of one connection."""

    def parse(self, data: str | bytes) -> tuple[MediaMessage, ...]:
        """See `Dialect`."""
        if isinstance(data, bytes):
            if len(data) % SAMPLE_BYTES:
                raise ProtocolError("half a sample")
            return (Sound(data),) if data else ()
        event = _event(data)
        match event.get("event"):
            case "MEDIA_START":
                return (_began(event),)
            case "DTMF_END":
                digit = event.get("digit")
                return (KeyPress(digit),) if isinstance(digit, str) and digit in _KEYS else ()
            case "MEDIA_MARK_PROCESSED":
                return (Played(str(event.get("correlation_id", ""))),)
            case _:
                return ()  # status, flow control, whatever later releases add

    def sound(self, frame: Frame) -> bytes:
        """See `Dialect`."""
        return bytes(frame)

    def mark(self, name: str) -> str:
        """See `Dialect`; the name may have 60 characters."""
        return _command("MARK_MEDIA", correlation_id=name)

    def clear(self) -> str:
        """See `Dialect`. Marks that wait are dropped with the sound and never answered."""
        return _command("FLUSH_MEDIA")

    def hang_up(self) -> str:
        """See `Dialect`."""
        return _command("HANGUP")


def _command(name: str, **arguments: str) -> str:
    text = json.dumps({"command": name, **arguments}, separators=(",", ":"))
    if len(text.encode()) > MAX_COMMAND_BYTES:
        raise ProtocolError("a command longer than Asterisk takes")
    return text


def _event(text: str) -> dict[str, Any]:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not JSON; the dial string needs f(json)") from error
    if not isinstance(event, dict):
        raise ProtocolError("not a JSON object")
    return event


def _began(event: dict[str, Any]) -> Began:
    name = str(event.get("format", ""))
    if name not in FORMATS:
        raise ProtocolError(f"sound as {name[:20]!r}; the dial string needs c(slin)")
    variables = event.get("channel_variables")
    # an inherited variable keeps the underscores that make it inherited
    named = {name.lstrip("_"): value for name, value in variables.items()} if isinstance(variables, dict) else {}
    call_id = named.get(VARIABLE, "")
    return Began(str(call_id), str(event.get("channel_id", "")))

"""Twilio's Media Streams protocol, both ways: JSON text <-> messages, no I/O; and the signature of its requests.

Every message is JSON: `connected`, `start`, `media`, `dtmf`, `mark`, `stop` from the peer, `media`, `mark`,
`clear` to it. Sound is G.711 mu-law at 8 kHz, base64. Other providers speak it as well.

Sources: twilio.com/docs, Voice > Media Streams > WebSocket messages; Usage > Security (request validation);
ITU-T G.711.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any, Final

from ivrbot.errors import ProtocolError
from ivrbot.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from ivrbot.model.audio import Frame, Pcm
from ivrbot.telephony.wire.media_messages import Began, Ended, KeyPress, MediaMessage, Played, Sound

CALL_ID: Final = "call_id"
"""Name of the `<Parameter>` that brings the bot's call id back."""
FORMAT: Final = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
MAX_PAYLOAD_CHARS: Final = 11_000
"""A second of sound in base64; the peer sends 20 ms at a time."""

_KEYS: Final = frozenset("0123456789*#")


class MediaStreams:
    """The dialect of one connection."""

    def __init__(self) -> None:
        self._stream = ""

    def parse(self, data: str | bytes) -> tuple[MediaMessage, ...]:
        """See `Dialect`."""
        if isinstance(data, bytes):
            raise ProtocolError("a binary message")
        message = _object(data)
        match message.get("event"):
            case "start":
                return (self._start(_part(message, "start"), message),)
            case "media":
                return self._media(_part(message, "media"))
            case "dtmf":
                digit = _part(message, "dtmf").get("digit")
                return (KeyPress(digit),) if isinstance(digit, str) and digit in _KEYS else ()
            case "mark":
                return (Played(str(_part(message, "mark").get("name", ""))),)
            case "stop":
                return (Ended(),)
            case _:
                return ()  # "connected", and what may come later

    def sound(self, frame: Frame) -> str:
        """See `Dialect`."""
        payload = base64.b64encode(pcm_to_ulaw(frame)).decode()
        return json.dumps({"event": "media", "streamSid": self._stream, "media": {"payload": payload}})

    def mark(self, name: str) -> str:
        """See `Dialect`."""
        return json.dumps({"event": "mark", "streamSid": self._stream, "mark": {"name": name}})

    def clear(self) -> str:
        """See `Dialect`. Marks that wait come back at once."""
        return json.dumps({"event": "clear", "streamSid": self._stream})

    def hang_up(self) -> None:
        """See `Dialect`: the peer goes on with its TwiML when the socket closes."""
        return

    def _start(self, start: dict[str, Any], message: dict[str, Any]) -> Began:
        if self._stream:
            raise ProtocolError("a second start")
        form = start.get("mediaFormat")
        if not isinstance(form, dict) or any(form.get(name) != value for name, value in FORMAT.items()):
            raise ProtocolError("sound in another format than 8 kHz mu-law")
        self._stream = str(message.get("streamSid") or start.get("streamSid") or "")
        if not self._stream:
            raise ProtocolError("a start without streamSid")
        own = start.get("customParameters")
        call_id = own.get(CALL_ID, "") if isinstance(own, dict) else ""
        return Began(str(call_id), str(start.get("callSid", "")))

    def _media(self, media: dict[str, Any]) -> tuple[MediaMessage, ...]:
        if media.get("track", "inbound") != "inbound":
            return ()  # what we have sent ourselves
        payload = media.get("payload")
        if not isinstance(payload, str) or len(payload) > MAX_PAYLOAD_CHARS:
            raise ProtocolError("media without a payload of at most a second")
        try:
            ulaw = base64.b64decode(payload, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ProtocolError("a payload that is not base64") from error
        return (Sound(Pcm(ulaw_to_pcm(ulaw))),)


def signature(token: bytes, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """What `X-Twilio-Signature` must hold: base64(HMAC-SHA1(token, url + sorted names and values)).

    SHA-1 is the protocol's choice; as an HMAC it is not known to be broken (RFC 6194).

    Args:
        token: the account's auth token.
        url: the full address as the provider called it, query included.
        form: fields of a form-encoded POST, none for a WebSocket.
    """
    text = url + "".join(name + value for name, value in sorted(form))
    return base64.b64encode(hmac.new(token, text.encode(), hashlib.sha1).digest()).decode()


def _object(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("not JSON") from error
    if not isinstance(message, dict):
        raise ProtocolError("not a JSON object")
    return message


def _part(message: dict[str, Any], name: str) -> dict[str, Any]:
    part = message.get(name)
    if not isinstance(part, dict):
        raise ProtocolError(f"a message without its {name!r}")
    return part

"""AudioSocket, Asterisk's media protocol over TCP: bytes <-> messages, no I/O.

Takes bytes in any pieces, gives messages, and back. A frame on the wire is one byte of type, two bytes of payload
length (big-endian) and the payload. Sound is PCM16 little-endian mono; type 0x10 means 8 kHz, types 0x11-0x18 mean
other rates, which this bot never negotiates and therefore takes as an error.

Source: docs.asterisk.org, Configuration > Channel Drivers > AudioSocket.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from ivrbot.errors import ProtocolError
from ivrbot.model.audio import FRAME_BYTES, SAMPLE_BYTES, Frame
from ivrbot.model.call import CallId

KIND_HANGUP: Final = 0x00
KIND_UUID: Final = 0x01
KIND_KEY: Final = 0x03
KIND_AUDIO: Final = 0x10
KIND_ERROR: Final = 0xFF
HEADER_BYTES: Final = 3
MAX_AUDIO_BYTES: Final = 16_000
"""One second; Asterisk sends 320 bytes at a time, so a longer frame is damage or an attack."""

_KEYS: Final = b"0123456789*#ABCD"
_OTHER_RATES_HZ: Final = dict(enumerate((12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000), 0x11))
FRAME_HEADER: Final = bytes([KIND_AUDIO]) + FRAME_BYTES.to_bytes(2, "big")
WHOLE_FRAME_BYTES: Final = HEADER_BYTES + FRAME_BYTES
"""What 20 ms of sound take on the wire; nearly all traffic is such frames, one in each TCP segment."""


@dataclass(frozen=True, slots=True)
class Uuid:
    """Names the call; the first message of every connection."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class Audio:
    """8 kHz PCM16, a whole number of samples, at most one second."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """One key of 0-9, *, #, A-D."""

    key: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """The sender ends the connection."""


@dataclass(frozen=True, slots=True)
class Error:
    """The sender failed; `error_code` is its own number, None when it gave none."""

    error_code: int | None


Message = Uuid | Audio | Key | Hangup | Error


class Parser:
    """Turns one connection's bytes into messages; holds at most one unfinished frame.

    Attributes:
        error: set once the peer broke the protocol; what came before it was returned, nothing after it will be.
    """

    __slots__ = ("_rest", "error")

    def __init__(self) -> None:
        self._rest = b""
        self.error: ProtocolError | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Take received bytes.

        Args:
            data: as the socket gave them, cut anywhere.

        Returns:
            The messages completed by them, in order. Look at `error` afterwards: the connection is to be closed
            when it is set.
        """
        if self.error:
            return []
        data = self._rest + data
        messages: list[Message] = []
        position = 0
        try:
            while len(data) - position >= HEADER_BYTES:
                kind = data[position]
                length = data[position + 1] << 8 | data[position + 2]
                _check_header(kind, length)
                end = position + HEADER_BYTES + length
                if len(data) < end:
                    break
                messages.append(_message(kind, data[position + HEADER_BYTES : end]))
                position = end
            self._rest = data[position:]
        except ProtocolError as error:
            self.error = error
            self._rest = b""
        return messages

    @property
    def is_idle(self) -> bool:
        """Whether the next byte begins a message."""
        return not self._rest and self.error is None

    def finish(self) -> None:
        """Say that the peer has closed its side.

        Raises:
            ProtocolError: in the middle of a frame, or the stream was broken before.
        """
        if self._rest and not self.error:
            self.error = ProtocolError(f"the connection ended {len(self._rest)} bytes into a frame")
            self._rest = b""
        if self.error:
            raise self.error


def whole_frames(data: bytes) -> list[Frame]:
    """The sound of data that is whole frames of 20 ms and nothing else; empty where it is anything else.

    Args:
        data: received bytes that begin with a message.
    """
    frames: list[Any] = []
    if len(data) % WHOLE_FRAME_BYTES == 0:
        for at in range(0, len(data), WHOLE_FRAME_BYTES):
            if not data.startswith(FRAME_HEADER, at):
                return []
            frames.append(data[at + HEADER_BYTES : at + WHOLE_FRAME_BYTES])
    return frames


def _check_header(kind: int, length: int) -> None:
    """Refuse a frame as soon as its header is known, so that no hostile length is ever buffered."""
    if kind == KIND_AUDIO:
        if not 0 < length <= MAX_AUDIO_BYTES or length % SAMPLE_BYTES:
            raise ProtocolError(f"sound frame of {length} bytes; allowed: even, 2 to {MAX_AUDIO_BYTES}")
    elif kind in _OTHER_RATES_HZ:
        raise ProtocolError(f"sound at {_OTHER_RATES_HZ[kind]} Hz; allowed: 8000 Hz")
    elif kind == KIND_ERROR:
        if length > 1:
            raise ProtocolError(f"error frame of {length} bytes; allowed: 0 or 1")
    else:
        expected = {KIND_HANGUP: 0, KIND_UUID: 16, KIND_KEY: 1}.get(kind)
        if expected is None:
            raise ProtocolError(f"unknown frame type 0x{kind:02x}")
        if length != expected:
            raise ProtocolError(f"frame of type 0x{kind:02x} with {length} bytes; allowed: {expected}")


def _message(kind: int, payload: bytes) -> Message:
    if kind == KIND_AUDIO:
        return Audio(payload)
    if kind == KIND_UUID:
        return Uuid(CallId(str(uuid.UUID(bytes=payload))))
    if kind == KIND_KEY:
        if payload not in _KEYS:
            raise ProtocolError(f"key 0x{payload.hex()}; allowed: {_KEYS.decode()}")
        return Key(payload.decode("ascii"))
    if kind == KIND_HANGUP:
        return Hangup()
    return Error(payload[0] if payload else None)


def audio_frame(pcm: bytes) -> bytes:
    """Wire form of sound.

    Args:
        pcm: 8 kHz PCM16, 2 to 16,000 bytes, even.

    Raises:
        ValueError: another length.
    """
    if len(pcm) == FRAME_BYTES:
        return FRAME_HEADER + pcm
    if not 0 < len(pcm) <= MAX_AUDIO_BYTES or len(pcm) % SAMPLE_BYTES:
        raise ValueError(f"cannot send {len(pcm)} bytes of sound in one frame")
    return bytes([KIND_AUDIO]) + len(pcm).to_bytes(2, "big") + pcm


def uuid_frame(call_id: CallId) -> bytes:
    """Wire form of the call's name.

    Raises:
        ValueError: `call_id` is not the text of a UUID.
    """
    return bytes([KIND_UUID, 0, 16]) + uuid.UUID(call_id).bytes


def key_frame(key: str) -> bytes:
    """Wire form of a key.

    Raises:
        ValueError: not one of 0-9, *, #, A-D.
    """
    if len(key) != 1 or not key.isascii() or key.encode() not in _KEYS:
        raise ValueError(f"no such key: {key!r}")
    return bytes([KIND_KEY, 0, 1]) + key.encode()


def hangup_frame() -> bytes:
    """Wire form of a hang-up."""
    return bytes([KIND_HANGUP, 0, 0])


def error_frame(error_code: int | None = None) -> bytes:
    """Wire form of an error with a code of 0-255, or without one."""
    return bytes([KIND_ERROR, 0, 0]) if error_code is None else bytes([KIND_ERROR, 0, 1, error_code])


def to_bytes(message: Message) -> bytes:
    """Wire form of any message.

    Raises:
        ValueError: the message holds something that the protocol cannot carry.
    """
    match message:
        case Uuid(call_id):
            return uuid_frame(call_id)
        case Audio(pcm):
            return audio_frame(pcm)
        case Key(key):
            return key_frame(key)
        case Hangup():
            return hangup_frame()
        case Error(error_code):
            return error_frame(error_code)

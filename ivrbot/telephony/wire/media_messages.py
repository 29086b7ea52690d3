"""What travels on a media WebSocket, whichever protocol carries it; a dialect makes it bytes and text and back.

Sound is 8 kHz PCM16 mono on this side; what it is on the wire is the dialect's business. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ivrbot.model.audio import Frame


@dataclass(frozen=True, slots=True)
class Began:
    """Sound may flow.

    Attributes:
        call_id: as this bot gave it out when the call was registered, "" when the peer did not show it.
        remote_id: the peer's own name for the call.
    """

    call_id: str
    remote_id: str = ""


@dataclass(frozen=True, slots=True)
class Sound:
    """8 kHz PCM16, a whole number of samples."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class KeyPress:
    """One key of 0-9, *, #."""

    key: str


@dataclass(frozen=True, slots=True)
class Played:
    """The peer has played, or dropped, everything sent before this mark."""

    mark: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The caller is gone."""


MediaMessage = Began | Sound | KeyPress | Played | Ended


class Dialect(Protocol):
    """One protocol, for one connection: it may remember how the connection began."""

    def parse(self, data: str | bytes) -> tuple[MediaMessage, ...]:
        """Messages in one WebSocket message; what is of no interest gives none.

        Raises:
            ProtocolError: the peer broke the protocol.
        """
        ...

    def sound(self, frame: Frame) -> str | bytes:
        """20 ms to be played."""
        ...

    def mark(self, name: str) -> str:
        """Asks to be told when everything before it was played."""
        ...

    def clear(self) -> str:
        """Makes the peer drop what it has not played yet."""
        ...

    def hang_up(self) -> str | None:
        """Ends the leg politely; None when closing the socket does that."""
        ...

"""Cutting sound into the 20 ms frames that travel inside the bot.

Takes 8 kHz PCM16 mono in any pieces, gives frames of 320 bytes; a remainder waits for the next piece.
"""

from __future__ import annotations

from collections.abc import Iterator

from ivrbot.model.audio import FRAME_BYTES, Frame, Pcm


class Framer:
    """Cuts a stream into frames; holds less than one frame, odd bytes included."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for the next piece."""
        return not self._rest

    def feed(self, pcm: bytes) -> list[Frame]:
        """Add sound and take the frames that are complete now."""
        if not self._rest and len(pcm) == FRAME_BYTES:
            return [Frame(Pcm(pcm))]
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % FRAME_BYTES
        self._rest = pcm[whole:]
        return [Frame(Pcm(pcm[at : at + FRAME_BYTES])) for at in range(0, whole, FRAME_BYTES)]

    def flush(self) -> Frame | None:
        """Take the remainder, filled up with silence; None when there is none."""
        rest, self._rest = self._rest, b""
        return Frame(Pcm(rest.ljust(FRAME_BYTES, b"\0"))) if rest else None


def frames_of(pcm: bytes) -> Iterator[Frame]:
    """Frames of a finished stretch; the last one is filled up with silence."""
    for at in range(0, len(pcm), FRAME_BYTES):
        yield Frame(Pcm(pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")))

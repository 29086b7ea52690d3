"""One party's sound on a time line that it may share with others'.

Takes pieces with the moment they arrived, gives the sound a listener would have heard: pieces that come early
queue up behind each other, pieces that come late leave a hole.
"""

from __future__ import annotations

from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm


class Track:
    """Growing 8 kHz PCM16 mono sound, sample 0 at time 0."""

    __slots__ = ("_sound",)

    def __init__(self) -> None:
        self._sound = bytearray()

    @property
    def end_s(self) -> float:
        """Where the next piece would begin at the earliest, seconds."""
        return len(self._sound) / (SAMPLE_BYTES * SAMPLE_RATE_HZ)

    @property
    def pcm(self) -> Pcm:
        """Everything so far."""
        return Pcm(bytes(self._sound))

    def add(self, pcm: bytes, at_s: float) -> None:
        """Lay a piece down.

        A silent piece that would have to wait is left out, so that the track catches up with its arrivals in
        pauses, as a telephone's jitter buffer does.

        Args:
            pcm: whole samples.
            at_s: when it arrived, on the line's clock.
        """
        hole = round(at_s * SAMPLE_RATE_HZ) * SAMPLE_BYTES - len(self._sound)
        if hole > 0:
            self._sound.extend(bytes(hole))
        elif -hole >= len(pcm) and not any(pcm):
            return
        self._sound.extend(pcm)

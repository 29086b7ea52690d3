"""One party's sound on a time line that it may share with others'.

Takes pieces with the moment they arrived, gives the sound a listener would have heard: pieces that come early
queue up behind each other, pieces that come late leave a hole.
"""

from __future__ import annotations

from typing import Final

from ivrbot.media.comfort import is_quiet
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm

BRIDGED_MS: Final = 60
"""Lateness within sound that is closed up instead of being heard as a click."""
_BRIDGED_BYTES: Final = BRIDGED_MS * SAMPLE_RATE_HZ // 1000 * SAMPLE_BYTES


class Track:
    """Growing 8 kHz PCM16 mono sound, sample 0 at time 0."""

    __slots__ = ("_ends_in_sound", "_sound")

    def __init__(self) -> None:
        self._sound = bytearray()
        self._ends_in_sound = False

    @property
    def end_s(self) -> float:
        """Where the next piece would begin at the earliest, seconds."""
        return len(self._sound) / (SAMPLE_BYTES * SAMPLE_RATE_HZ)

    @property
    def pcm(self) -> Pcm:
        """Everything so far."""
        return Pcm(bytes(self._sound))

    def since(self, at_s: float) -> Pcm:
        """The end of it, from a moment on; copies no more than that."""
        return Pcm(bytes(self._sound[max(0, round(at_s * SAMPLE_RATE_HZ)) * SAMPLE_BYTES :]))

    def add(self, pcm: bytes, at_s: float) -> None:
        """Lay a piece down.

        As in a telephone's jitter buffer, pauses are where time is made up for: a silent piece that would have to
        wait is left out, and a little lateness within sound is ignored. What follows silence lies exactly where it
        arrived, so that onsets can be measured.

        Args:
            pcm: whole samples.
            at_s: when it arrived, on the line's clock.
        """
        is_sound = not is_quiet(pcm)
        hole = round(at_s * SAMPLE_RATE_HZ) * SAMPLE_BYTES - len(self._sound)
        if -hole >= len(pcm) and not is_sound:
            return
        if hole > (_BRIDGED_BYTES if self._ends_in_sound and is_sound else 0):
            self._sound.extend(bytes(hole))
        self._sound.extend(pcm)
        self._ends_in_sound = is_sound

"""Where the voice itself ends: levels of single frames against the caller's voice and the noise around it.

A voice detector lets go late (Silero 100 to 300 ms after the last sound, later in noise), for it judges windows
with a memory. Within what it takes for speech, a frame counts as voiced while its level stands above the noise
floor and not too far below the voice. So silence can be counted from the last voiced frame; the closer noise and
voice lie, the longer a voice is believed to go on, and where noise is as loud as the voice or never steady, the
detector alone decides. Takes 20 ms frames, gives one flag per frame. Pure.
Source: R. Martin 2001, "Noise Power Spectral Density Estimation Based on Optimal Smoothing and Minimum
Statistics", IEEE Trans. Speech and Audio Processing 9(5): the floor is the least smoothed power of a window,
raised by a bias; here of the whole band, and of frames without speech only.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np

from ivrbot.model.audio import FRAME_SAMPLES, Frame

_HALF: Final = FRAME_SAMPLES // 2
_PCM16: Final = np.dtype("<i2")
MEASURED_TOGETHER: Final = 16
"""Frames of noise, at most, that wait until the floor is asked for: measured together they cost a quarter."""

SMOOTHING: Final = 0.85
"""Share of the past in the smoothed power: a memory of 0.13 s."""
SUB_WINDOW: Final = 15
SUB_WINDOWS: Final = 5
"""The least of five times 15 frames, 1.5 s: longer than any syllable that the detector has missed."""
BIAS_DB: Final = 1.5
"""The least of many is below the mean by about so much, at this smoothing."""

ABOVE_FLOOR_DB: Final = 4.0
"""Half a frame of steady noise seldom stands so far above its mean."""
CLEAR_DB: Final = 40.0
DROWNED_DB: Final = 20.0
"""Between voice and noise; where they lie closer, the weak ends of words drown and levels tell less."""
MAX_HOLD_FRAMES: Final = 8
"""By so much longer a drowned voice is believed to go on than its level says; the detector lets go in 180 ms."""
BELOW_VOICE_DB: Final = 35.0
"""The weakest endings of words are so far below the loudest vowels."""
LEAST_DB: Final = 30.0
"""Under -60 dBFS nobody speaks."""
PEAK_FALLS_DB: Final = 0.1
"""By so much a frame the voice's level is forgotten, 5 dB a second: who turns away speaks lower."""


class NoiseFloor:
    """Level of the steady noise, in dB (0 dB is a mean square of one step)."""

    __slots__ = ("_earlier", "_least", "_left", "_power", "db")

    def __init__(self) -> None:
        self.db: float | None = None
        self._power = 0.0
        self._least = math.inf
        self._left = -1  # nothing heard yet
        self._earlier: deque[float] = deque(maxlen=SUB_WINDOWS)

    def add(self, powers: Sequence[float]) -> None:
        """Take frames without speech, at least one.

        Args:
            powers: their mean squares.
        """
        for power in powers:
            self._power = power if self._left < 0 else SMOOTHING * self._power + (1.0 - SMOOTHING) * power
            self._least = min(self._least, self._power)
            self._left = SUB_WINDOW - 1 if self._left < 0 else self._left - 1
            if not self._left:
                self._earlier.append(self._least)
                self._least, self._left = self._power, SUB_WINDOW
        self.db = _db(min((self._least, *self._earlier))) + BIAS_DB


class VoiceLevel:
    """One caller's voice against his surroundings."""

    __slots__ = ("_floor", "_held", "_peak_db", "_quiet")

    def __init__(self) -> None:
        self._floor = NoiseFloor()
        self._peak_db = 0.0
        self._held = 0
        self._quiet: list[Frame] = []

    @property
    def floor(self) -> NoiseFloor:
        """Of the noise, with all that was heard so far."""
        if self._quiet:
            self._measure()
        return self._floor

    def feed(self, frame: Frame, is_speech: bool) -> bool:
        """Take one frame, with what the detector says.

        Returns:
            Whether the frame is voiced.
        """
        self._peak_db -= PEAK_FALLS_DB
        if not is_speech:
            self.rest(frame)
            self._held = 0
            return False
        level_db = _db(loudest_half(frame))
        self._peak_db = max(self._peak_db, level_db)
        if level_db > self.threshold_db:
            self._held = self._hold_frames
            return True
        self._held -= 1
        return self._held >= 0

    def rest(self, frame: Frame) -> None:
        """Take a frame that is no speech for sure; not every such frame need be given."""
        self._quiet.append(frame)
        if len(self._quiet) >= MEASURED_TOGETHER:
            self._measure()

    def _measure(self) -> None:
        self._floor.add(_mean_squares(self._quiet))
        self._quiet.clear()

    @property
    def _hold_frames(self) -> int:
        floor_db = self.floor.db
        if floor_db is None:
            return 0
        above_db = self._peak_db - floor_db
        if above_db >= CLEAR_DB:
            return 0
        return round(MAX_HOLD_FRAMES * min(1.0, (CLEAR_DB - above_db) / (CLEAR_DB - DROWNED_DB)))

    @property
    def threshold_db(self) -> float:
        """Level above which a frame is voiced."""
        floor_db = self.floor.db
        least_db = max(LEAST_DB, self._peak_db - BELOW_VOICE_DB)
        return least_db if floor_db is None else max(least_db, floor_db + ABOVE_FLOOR_DB)


def loudest_half(frame: Frame) -> float:
    """Mean square of the louder half of a frame: a burst of 10 ms is not to drown in the silence beside it."""
    samples = np.frombuffer(frame, _PCM16).astype(np.float32)
    first, second = samples[:_HALF], samples[_HALF:]
    power, other = first.dot(first), second.dot(second)
    return float(other if other > power else power) / _HALF


def _mean_squares(frames: Sequence[Frame]) -> list[float]:
    samples = np.frombuffer(b"".join(frames), _PCM16).astype(np.float32).reshape(len(frames), -1)
    powers: list[float] = (np.einsum("ij,ij->i", samples, samples) / FRAME_SAMPLES).tolist()
    return powers


def _db(power: float) -> float:
    return 10.0 * math.log10(power + 1.0)

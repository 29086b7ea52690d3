"""How loud sound is, and where in it somebody speaks: by energy, for measurements only.

Takes 8 kHz PCM16 mono, gives dBFS and sample positions. 0 dBFS is the RMS of a full-scale square wave. The bot's
ears are in `speech`; this is for recordings whose noise is known to be low or steady.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.audio import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

SILENCE_DBFS: Final = -120.0
"""Level given to digital silence."""
SPEECH_DBFS: Final = -45.0
"""Frames below this are never speech."""
ABOVE_NOISE_DB: Final = 10.0
"""Speech stands at least so far above the steady noise of its recording."""
_FULL_SCALE: Final = 32768.0
_NOISE_PERCENTILE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Continuous speech, from its first sample to the one after its last."""

    start_sample: int
    end_sample: int

    @property
    def start_ms(self) -> float:
        """Begin, milliseconds from the start of the recording."""
        return self.start_sample * 1000 / SAMPLE_RATE_HZ

    @property
    def end_ms(self) -> float:
        """End, milliseconds from the start of the recording."""
        return self.end_sample * 1000 / SAMPLE_RATE_HZ


def rms_dbfs(pcm: bytes) -> float:
    """Level of a whole stretch; -120 for digital silence and for nothing."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    if not len(samples):
        return SILENCE_DBFS
    return float(_dbfs(np.sqrt(np.mean(samples**2))))


def frame_levels_dbfs(pcm: bytes) -> NDArray[np.float64]:
    """Level of each 20 ms; a last, shorter frame counts as filled up with silence."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    samples = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
    return _dbfs(np.sqrt(np.mean(samples.reshape(-1, FRAME_SAMPLES) ** 2, axis=1)))


def speech_threshold_dbfs(levels_dbfs: NDArray[np.float64]) -> float:
    """Level from which a frame of this recording counts as speech: above its noise, never below -45 dBFS."""
    if not len(levels_dbfs):
        return SPEECH_DBFS
    noise_dbfs = float(np.percentile(levels_dbfs, _NOISE_PERCENTILE))
    # A recording that is speech throughout has no noise to measure: stay well below its loudest frame.
    return max(SPEECH_DBFS, min(noise_dbfs + ABOVE_NOISE_DB, float(levels_dbfs.max()) - ABOVE_NOISE_DB))


def speech_stretches(pcm: bytes, *, join_ms: int = 300, min_ms: int = 60) -> tuple[Stretch, ...]:
    """Find where somebody speaks.

    Args:
        pcm: the recording.
        join_ms: pauses up to this long belong to the speech around them.
        min_ms: shorter noises, pauses not counted, are ignored.

    Returns:
        Stretches in order, their edges exact to the sample that is loud enough.
    """
    levels = frame_levels_dbfs(pcm)
    threshold = speech_threshold_dbfs(levels)
    voiced = np.flatnonzero(levels >= threshold)
    if not len(voiced):
        return ()
    groups = np.split(voiced, np.flatnonzero(np.diff(voiced) > 1 + join_ms // FRAME_MS) + 1)
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
    amplitude = _FULL_SCALE * 10 ** (threshold / 20) * 0.999  # rounding must not hide a frame's loudest sample
    return tuple(_edges(samples, amplitude, group) for group in groups if len(group) * FRAME_MS >= min_ms)


def _edges(samples: NDArray[np.int32], amplitude: float, frames: NDArray[np.intp]) -> Stretch:
    first, last = int(frames[0]) * FRAME_SAMPLES, int(frames[-1]) * FRAME_SAMPLES
    begin = np.flatnonzero(samples[first : first + FRAME_SAMPLES] >= amplitude)
    end = np.flatnonzero(samples[last : last + FRAME_SAMPLES] >= amplitude)
    return Stretch(first + int(begin[0]), last + int(end[-1]) + 1)


def _dbfs(rms: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(20 * np.log10(np.maximum(rms / _FULL_SCALE, 10 ** (SILENCE_DBFS / 20))), np.float64)

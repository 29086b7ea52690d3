"""Which parts of a sound are a person speaking, and how far above the noise.

Takes 8 kHz PCM16 mono, gives one flag per 10 ms and a signal-to-noise ratio. WebRTC's detector (Gaussian mixtures
over six bands) decides, in its strictest mode; frames that it took but that are near digital silence, hardly above
the noise or cut off at full scale do not count, for they say nothing of a voice.
Source: the WebRTC project's voice activity detector, by `webrtcvad`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ

STEP_MS: Final = 10
STEP_SAMPLES: Final = SAMPLE_RATE_HZ * STEP_MS // 1000
FLOOR_DBFS: Final = -70.0
"""Quieter is silence whatever the detector says."""
QUIETEST_DBFS: Final = -90.0
"""Digital silence is counted as so much noise, the rounding of 16 bits."""
ABOVE_NOISE_DB: Final = 3.0
CLIPPED_SHARE: Final = 0.1
"""More of a step's samples at full scale than that, and it is distortion."""
LARGEST_SNR_DB: Final = 60.0

_MODE: Final = 3
_FULL_SCALE: Final = 32768.0
_CLIP_LEVEL: Final = 0.97
LOUD_PERCENTILE: Final = 95.0
LOUD_DBFS: Final = -18.0
LARGEST_GAIN: Final = 31.6
QUIET_STEPS: Final = 20
QUIET_PERCENTILE: Final = 10.0

Flags = NDArray[np.bool_]
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Speech:
    """What of a sound is speech.

    Attributes:
        flags: one per whole step of 10 ms.
        snr_db: mean power of the speech over the median of the rest, in dB; -60 without speech.
        rms: root mean square of the speech within the band, 1.0 at full scale; 0 without speech.
    """

    flags: Flags
    snr_db: float
    rms: float = 0.0

    @property
    def duration_ms(self) -> int:
        """Speech in all."""
        return int(self.flags.sum()) * STEP_MS


def find_speech(pcm: bytes, in_band: Samples) -> Speech:
    """Tell speech from the rest.

    Args:
        pcm: 8 kHz PCM16 mono as it came; the detector hears this.
        in_band: the same sound, filtered to the telephone's band, 1.0 at full scale; levels are measured here.
    """
    detector = webrtcvad.Vad(_MODE)
    steps = len(pcm) // (STEP_SAMPLES * SAMPLE_BYTES)
    if not steps:
        return Speech(np.zeros(0, bool), -LARGEST_SNR_DB)
    whole = np.frombuffer(pcm[: steps * STEP_SAMPLES * SAMPLE_BYTES], "<i2").astype(np.float32) / _FULL_SCALE
    clipped = (np.abs(whole).reshape(steps, -1) >= _CLIP_LEVEL).mean(axis=1) > CLIPPED_SHARE
    powers = np.square(in_band[: steps * STEP_SAMPLES].astype(np.float64)).reshape(steps, -1).mean(axis=1)
    heard = _heard(detector, whole * np.float32(_gain(powers)))
    quiet = powers[_away_from(heard)]
    if len(quiet) >= QUIET_STEPS:
        # The median: a breath, a click or a syllable that the detector missed is no noise of the line.
        noise = max(float(np.median(quiet)), _ratio(QUIETEST_DBFS))
        loud = powers >= max(noise * _ratio(ABOVE_NOISE_DB), _ratio(FLOOR_DBFS))
    else:
        # Nobody ever stops: the quietest moments of speech stand for the noise, but prove nothing against others.
        noise = max(float(np.percentile(powers, QUIET_PERCENTILE)), _ratio(QUIETEST_DBFS))
        loud = powers >= _ratio(FLOOR_DBFS)
    flags = heard & ~clipped & loud
    rms = float(np.sqrt(powers[flags].mean())) if flags.any() else 0.0
    return Speech(flags, _snr_db(powers, flags, noise), rms)


def _gain(powers: NDArray[np.float64]) -> float:
    """What brings the loud part of a sound to the level that the detector was made for; at most 30 dB."""
    audible = powers[powers >= _ratio(FLOOR_DBFS)]
    if not len(audible):
        return 1.0
    loud = float(np.percentile(audible, LOUD_PERCENTILE))
    return float(np.clip(np.sqrt(_ratio(LOUD_DBFS) / loud), 1 / LARGEST_GAIN, LARGEST_GAIN))


def _heard(detector: webrtcvad.Vad, samples: Samples) -> Flags:
    pcm = np.clip(samples * _FULL_SCALE, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
    size = STEP_SAMPLES * SAMPLE_BYTES
    return np.array([detector.is_speech(pcm[at : at + size], SAMPLE_RATE_HZ) for at in range(0, len(pcm), size)])


def _away_from(heard: Flags) -> Flags:
    """Steps that are not near speech: the detector holds on for some after it and opens a step late."""
    near = heard.copy()
    for away in (1, 2, 3):
        near[away:] |= heard[:-away]
        near[:-away] |= heard[away:]
    return ~near


def _snr_db(powers: NDArray[np.float64], flags: Flags, noise: float) -> float:
    if not flags.any():
        return -LARGEST_SNR_DB
    above = max(float(powers[flags].mean()) - noise, 1e-12)
    return float(np.clip(10 * np.log10(above / noise), -LARGEST_SNR_DB, LARGEST_SNR_DB))


def _ratio(decibels: float) -> float:
    return float(10.0 ** (decibels / 10.0))

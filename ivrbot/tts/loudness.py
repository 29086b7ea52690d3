"""Sound of a voice as the telephone needs it: 8 kHz, 300-3400 Hz, the same loudness for every voice.

Takes and gives 8 kHz PCM16 (or an engine's own rate in a stream). Loudness is measured after the band-pass: voices
differ greatly in how much of their energy lies in the telephone band. Source: windowed-sinc design, e.g. Smith,
The Scientist and Engineer's Guide to Digital Signal Processing, ch. 16; active level after the idea of ITU-T P.56.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ivrbot.media.resample import StreamResampler
from ivrbot.model.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm

Samples = npt.NDArray[np.float32]

TARGET_DBFS: Final = -20.0
"""Active speech level; peaks of speech lie 12-15 dB above it."""

_TAPS: Final = 161
_LOW_HZ: Final = 300
_HIGH_HZ: Final = 3400
_FULL_SCALE: Final = 32768.0


def _sinc_low_pass(cutoff_hz: float) -> Samples:
    n = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * cutoff_hz / SAMPLE_RATE_HZ * n) * np.hamming(_TAPS)
    return np.asarray(taps / taps.sum(), np.float32)


_BAND_PASS: Final = _sinc_low_pass(_HIGH_HZ) - _sinc_low_pass(_LOW_HZ)


def to_samples(pcm: bytes) -> Samples:
    """PCM16 as floats in -1..1."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / _FULL_SCALE


def to_pcm(samples: Samples) -> Pcm:
    """Floats as PCM16, clipped."""
    return Pcm(np.clip(samples * _FULL_SCALE, -32768, 32767).astype("<i2").tobytes())


def active_dbfs(samples: Samples) -> float:
    """Level of the speech itself: mean power of the 20 ms frames within 25 dB of the loudest; -120 for silence."""
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    if not whole:
        return -120.0
    power = np.square(samples[:whole].reshape(-1, FRAME_SAMPLES)).mean(axis=1)
    loudest = float(power.max())
    if loudest <= 1e-12:
        return -120.0
    return float(10 * np.log10(power[power > loudest * 10**-2.5].mean()))


class TelephoneFilter:
    """Stream from an engine's rate to band-passed, levelled 8 kHz PCM16."""

    def __init__(self, rate_hz: int, gain: float) -> None:
        self._resampler = StreamResampler(rate_hz, SAMPLE_RATE_HZ)
        self._gain = gain
        self._history = np.zeros(_TAPS - 1, dtype=np.float32)
        # the filter's delay is cut off the beginning and made up for at the end
        self._skip = (_TAPS - 1) // 2

    def feed(self, pcm: bytes) -> Pcm:
        """Take PCM16 at the engine's rate; gives what is ready at 8 kHz."""
        return self._filter(to_samples(self._resampler.feed(pcm)))

    def finish(self) -> Pcm:
        """Give what was held back."""
        rest = to_samples(self._resampler.finish())
        return self._filter(np.concatenate([rest, np.zeros((_TAPS - 1) // 2, dtype=np.float32)]))

    def _filter(self, samples: Samples) -> Pcm:
        if not len(samples):
            return Pcm(b"")
        joined = np.concatenate([self._history, samples])
        self._history = joined[-(_TAPS - 1) :]
        out = np.asarray(np.convolve(joined, _BAND_PASS, mode="valid"), np.float32)
        cut = min(self._skip, len(out))
        self._skip -= cut
        return to_pcm(out[cut:] * self._gain)


def gain_for(pcm: bytes, rate_hz: int) -> float:
    """Factor that brings a voice to the target level, measured on a sample of its speech in the telephone band."""
    chain = TelephoneFilter(rate_hz, 1.0)
    level = active_dbfs(to_samples(chain.feed(pcm) + chain.finish()))
    return float(10 ** ((TARGET_DBFS - level) / 20)) if level > -100 else 1.0


def level(pcm: Pcm, most_db: float) -> Pcm:
    """Move a recording towards the target level by at most `most_db`, keeping its peaks below full scale."""
    samples = to_samples(pcm)
    if not len(samples):
        return pcm
    wanted = float(np.clip(TARGET_DBFS - active_dbfs(samples), -most_db, most_db))
    peak = float(np.abs(samples).max())
    gain = min(10 ** (wanted / 20), 0.97 / peak if peak else 1.0)
    return to_pcm(samples * np.float32(gain))


def trim(pcm: Pcm, lead_ms: int = 20, tail_ms: int = 40, floor_dbfs: float = -48.0) -> Pcm:
    """Cut silence at both ends, leaving margins with short fades so that joints do not click.

    Args:
        pcm: levelled speech.
        lead_ms: what stays before the first 5 ms louder than the floor.
        tail_ms: what stays after the last.
        floor_dbfs: below it counts as silence.
    """
    samples = to_samples(pcm)
    step = SAMPLE_RATE_HZ // 200
    whole = len(samples) // step * step
    power = np.square(samples[:whole].reshape(-1, step)).mean(axis=1)
    loud = np.flatnonzero(power > 10 ** (floor_dbfs / 10))
    if not len(loud):
        return Pcm(b"")
    per_ms = SAMPLE_RATE_HZ // 1000
    start = max(0, int(loud[0]) * step - lead_ms * per_ms)
    end = min(len(samples), (int(loud[-1]) + 1) * step + tail_ms * per_ms)
    kept = samples[start:end].copy()
    fade = np.linspace(0, 1, min(step, len(kept)), dtype=np.float32)
    kept[: len(fade)] *= fade
    kept[-len(fade) :] *= fade[::-1]
    return to_pcm(kept)


def longest_silence_ms(pcm: Pcm, floor_dbfs: float = -50.0) -> int:
    """Longest stretch of 20 ms frames below the floor, in milliseconds."""
    samples = to_samples(pcm)
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    power = np.square(samples[:whole].reshape(-1, FRAME_SAMPLES)).mean(axis=1)
    longest = run = 0
    for quiet in power <= 10 ** (floor_dbfs / 10):
        run = run + 1 if quiet else 0
        longest = max(longest, run)
    return longest * FRAME_SAMPLES * 1000 // SAMPLE_RATE_HZ

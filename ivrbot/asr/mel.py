"""Log-mel features as Whisper was trained on.

Takes 16 kHz sound, gives 80 log-mel bands in steps of 10 ms; pure numpy.
Sources: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 2.2 (80 bands,
25 ms windows, 10 ms stride, scaled to about -1..1); M. Slaney 1998, "Auditory Toolbox", Technical Report 1998-010
(mel scale linear below 1 kHz and logarithmic above, triangles of equal area).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 16000
WINDOW_SAMPLES: Final = 400
HOP_SAMPLES: Final = 160
BANDS: Final = 80
FRAMES_PER_S: Final = SAMPLE_RATE_HZ // HOP_SAMPLES
_DYNAMIC_RANGE_LOG10: Final = 8.0
_LINEAR_HZ_PER_MEL: Final = 200.0 / 3.0
_LOG_FROM_HZ: Final = 1000.0
_LOG_STEP: Final = np.log(6.4) / 27.0

Samples = NDArray[np.float32]
Features = NDArray[np.float32]


def log_mel(samples: Samples) -> Features:
    """Features of one stretch of sound.

    Args:
        samples: shape [n], 16 kHz, -1..1; at least 25 ms.

    Returns:
        Shape [80, n // 160]: log10 power cut at 8 decades below the loudest value, then (x + 4) / 4.
    """
    padded = np.pad(samples, WINDOW_SAMPLES // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
    windows = windows[: len(samples) // HOP_SAMPLES]
    spectrum = np.fft.rfft(windows * _window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    levels = np.log10(np.maximum(_filters() @ power.T, 1e-10))
    levels = np.maximum(levels, levels.max() - _DYNAMIC_RANGE_LOG10)
    return np.asarray((levels + 4.0) / 4.0, dtype=np.float32)


def pad_frames(features: Features, frames: int) -> Features:
    """Append zero frames up to `frames` in all, or cut the rest off.

    Args:
        features: shape [80, n].
        frames: wanted length in steps of 10 ms.
    """
    missing = frames - features.shape[1]
    if missing <= 0:
        return features[:, :frames]
    return np.pad(features, ((0, 0), (0, missing)))


@lru_cache(maxsize=1)
def _window() -> Samples:
    """Periodic Hann window."""
    return np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> Features:
    """Triangular filters of equal area, shape [80, 201], from 0 Hz to 8 kHz."""
    bins_hz = np.fft.rfftfreq(WINDOW_SAMPLES, 1.0 / SAMPLE_RATE_HZ)
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE_HZ / 2), BANDS + 2))
    left, centre, right = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - left) / (centre - left)
    falling = (right - bins_hz) / (right - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * 2.0 / (right - left), dtype=np.float32)


def _hz_to_mel(hz: float) -> float:
    if hz < _LOG_FROM_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return float(_LOG_FROM_HZ / _LINEAR_HZ_PER_MEL + np.log(hz / _LOG_FROM_HZ) / _LOG_STEP)


def _mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    bend = _LOG_FROM_HZ / _LINEAR_HZ_PER_MEL
    linear = mels * _LINEAR_HZ_PER_MEL
    return np.where(mels < bend, linear, _LOG_FROM_HZ * np.exp(_LOG_STEP * (np.maximum(mels, bend) - bend)))

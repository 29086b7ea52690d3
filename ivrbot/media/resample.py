"""Changing the sample rate, band-limited.

Takes and gives PCM16 mono; soxr does the arithmetic and clips instead of wrapping round.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from ivrbot.model.audio import SAMPLE_BYTES


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Convert a finished stretch.

    Args:
        pcm: PCM16 mono.
        from_hz: its rate.
        to_hz: the rate wanted.

    Raises:
        ValueError: an odd number of bytes, or a rate below 1 Hz.
    """
    _check_rates(from_hz, to_hz)
    samples = np.frombuffer(pcm, "<i2")
    if from_hz == to_hz or not len(samples):
        return bytes(pcm)
    return _to_bytes(soxr.resample(samples, from_hz, to_hz))


class StreamResampler:
    """Converts sound piece by piece without clicks at the seams.

    Gives back a little less than went in until `finish`: the filter looks ahead by some milliseconds.

    Args:
        from_hz: rate of what is fed.
        to_hz: rate wanted.

    Raises:
        ValueError: a rate below 1 Hz.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        _check_rates(from_hz, to_hz)
        self._odd = b""
        self._stream = (
            None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="MQ")
        )

    def feed(self, pcm: bytes) -> bytes:
        """Convert what can be converted now; half a sample waits for its other half."""
        pcm = self._odd + pcm
        whole = len(pcm) - len(pcm) % SAMPLE_BYTES
        self._odd = pcm[whole:]
        return self._convert(pcm[:whole], last=False)

    def finish(self) -> bytes:
        """What the filter still holds. Nothing may be fed afterwards."""
        self._odd = b""
        return self._convert(b"", last=True)

    def _convert(self, pcm: bytes, *, last: bool) -> bytes:
        if self._stream is None:
            return pcm
        return _to_bytes(self._stream.resample_chunk(np.frombuffer(pcm, "<i2"), last=last))


def _check_rates(*rates_hz: int) -> None:
    for rate_hz in rates_hz:
        if rate_hz < 1:
            raise ValueError(f"no such sample rate: {rate_hz} Hz")


def _to_bytes(samples: NDArray[np.int16]) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()

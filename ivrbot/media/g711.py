"""G.711, the telephone network's 8-bit companding, A-law (Europe, Russia) and mu-law (America, Japan).

Takes and gives bytes: one byte per sample companded, two (PCM16 little-endian) linear. All conversions are table
look-ups; the tables are built once from the definition.

Source: ITU-T Recommendation G.711 (11/88), tables 1a/1b and 2a/2b; negative values are complemented before
companding as in the software tools of ITU-T G.191, so that the decision values lie as the tables say.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_ALAW_INVERTED_BITS: Final = 0x55
"""A-law sends every second bit inverted (G.711, note 2 to table 1a)."""
_ULAW_BIAS: Final = 33
"""Shifts mu-law's segments to powers of two, in units of its 14-bit scale."""
_ULAW_MAX: Final = 0x1FFF


def _alaw_to_linear() -> NDArray[np.int16]:
    code = np.arange(256) ^ _ALAW_INVERTED_BITS
    segment, step = (code >> 4) & 7, code & 15
    # Output values lie in the middle of their interval: half a step, in 16-bit units, is 8.
    magnitude = (step << 4) + 8
    magnitude = np.where(segment > 0, (magnitude + 256) << np.maximum(segment - 1, 0), magnitude)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _ulaw_to_linear() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = ((((step << 1) + _ULAW_BIAS) << segment) - _ULAW_BIAS) << 2
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _all_linear() -> NDArray[np.int64]:
    """Every 16-bit value, in the order of its bit pattern."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _linear_to_alaw() -> NDArray[np.uint8]:
    linear = _all_linear()
    magnitude = np.where(linear < 0, ~linear, linear) >> 4  # 11 bits
    segment = np.searchsorted([32, 64, 128, 256, 512, 1024], magnitude, side="right") + 1
    segment = np.where(magnitude < 16, 0, segment)
    step = (magnitude >> np.maximum(segment - 1, 0)) & 15
    code = (segment << 4) | step | np.where(linear < 0, 0, 0x80)
    return np.asarray(code ^ _ALAW_INVERTED_BITS, np.uint8)


def _linear_to_ulaw() -> NDArray[np.uint8]:
    linear = _all_linear()
    magnitude = (np.where(linear < 0, ~linear, linear) >> 2) + _ULAW_BIAS  # 14-bit scale
    magnitude = np.minimum(magnitude, _ULAW_MAX)
    segment = np.searchsorted([64, 128, 256, 512, 1024, 2048, 4096], magnitude, side="right")
    step = (magnitude >> (segment + 1)) & 15
    code = (segment << 4) | step | np.where(linear < 0, 0x80, 0)
    return np.asarray(code ^ 0xFF, np.uint8)


_ALAW_TO_LINEAR: Final = _alaw_to_linear()
_ULAW_TO_LINEAR: Final = _ulaw_to_linear()
_LINEAR_TO_ALAW: Final = _linear_to_alaw()
_LINEAR_TO_ULAW: Final = _linear_to_ulaw()


def alaw_to_pcm(alaw: bytes) -> bytes:
    """Expand A-law, one byte per sample, to PCM16."""
    return _ALAW_TO_LINEAR[np.frombuffer(alaw, np.uint8)].astype("<i2").tobytes()


def ulaw_to_pcm(ulaw: bytes) -> bytes:
    """Expand mu-law, one byte per sample, to PCM16."""
    return _ULAW_TO_LINEAR[np.frombuffer(ulaw, np.uint8)].astype("<i2").tobytes()


def pcm_to_alaw(pcm: bytes) -> bytes:
    """Compress PCM16 to A-law.

    Raises:
        ValueError: an odd number of bytes.
    """
    return bytes(_LINEAR_TO_ALAW[np.frombuffer(pcm, "<u2")])


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """Compress PCM16 to mu-law.

    Raises:
        ValueError: an odd number of bytes.
    """
    return bytes(_LINEAR_TO_ULAW[np.frombuffer(pcm, "<u2")])

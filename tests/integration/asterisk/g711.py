"""A-law of ITU-T G.711, for the callers of the tests: independent of the product's own codec."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SILENCE = 0xD5


def _expand(code: int) -> int:
    """One A-law octet to a 16-bit sample (G.711 table 1a: 13-bit values, scaled by 8)."""
    bits = code ^ 0x55
    exponent, mantissa = (bits >> 4) & 7, bits & 15
    magnitude = (2 * mantissa + 1) if exponent == 0 else (2 * mantissa + 33) << (exponent - 1)
    return magnitude * 8 if bits & 0x80 else -magnitude * 8


_SAMPLES = np.array([_expand(code) for code in range(256)], dtype=np.int16)
_ORDER = np.argsort(_SAMPLES, kind="stable")
_EDGES = (_SAMPLES[_ORDER][1:].astype(np.int32) + _SAMPLES[_ORDER][:-1].astype(np.int32)) // 2


def decode(payload: bytes) -> bytes:
    """A-law octets to 16-bit little-endian samples."""
    return bytes(_SAMPLES[np.frombuffer(payload, dtype=np.uint8)].astype("<i2").tobytes())


def encode(pcm: bytes) -> bytes:
    """16-bit little-endian samples to A-law: the nearest level."""
    samples: NDArray[np.int16] = np.frombuffer(pcm, dtype="<i2")
    return bytes(_ORDER[np.searchsorted(_EDGES, samples, side="right")].astype(np.uint8).tobytes())

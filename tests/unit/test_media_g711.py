"""G.711 against values worked out by hand from the Recommendation's tables."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from ivrbot.media.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm


def pcm(*samples: int) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


# Output values of table 1a (scale of 4096: 1, 3, 31, 33, 66, 264, 528, 1056, 2112, 4032) in 16-bit units, times 8.
ALAW = [
    (0xD5, 8),  # +0: smallest positive step, half of it
    (0x55, -8),
    (0xD4, 24),
    (0xDA, 248),  # last step of segment 1
    (0xC5, 264),  # first step of segment 2, same step size
    (0xF5, 528),  # first step of segment 3
    (0x95, 2112),  # first steps of segments 5 to 8
    (0x85, 4224),
    (0xB5, 8448),
    (0xA5, 16896),
    (0xAA, 32256),  # the largest, 4032 * 8
    (0x2A, -32256),
]
# Output values of table 2a (14-bit scale: 0, 2, 30, 33, 8031) in 16-bit units.
ULAW = [
    (0xFF, 0),
    (0x7F, 0),
    (0xFE, 8),
    (0x7E, -8),
    (0xF0, 120),
    (0xEF, 132),
    (0x80, 32124),
    (0x00, -32124),
]


@pytest.mark.parametrize(("code", "value"), ALAW)
def test_alaw_output_values(code: int, value: int) -> None:
    assert alaw_to_pcm(bytes([code])) == pcm(value)


@pytest.mark.parametrize(("code", "value"), ULAW)
def test_ulaw_output_values(code: int, value: int) -> None:
    assert ulaw_to_pcm(bytes([code])) == pcm(value)


def test_every_alaw_code_survives_the_round_trip() -> None:
    codes = bytes(range(256))
    assert pcm_to_alaw(alaw_to_pcm(codes)) == codes


def test_every_ulaw_code_but_negative_zero_survives_the_round_trip() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert pcm_to_ulaw(ulaw_to_pcm(codes)) == codes


def test_decision_values_of_alaw() -> None:
    # 13-bit scale: steps of 2 up to 64, then 4 up to 128 (table 1a, column 5).
    edges = pcm(0, 15, 16, 31, 32, 511, 512, 543, 544, 32767)
    assert pcm_to_alaw(edges) == bytes([0xD5, 0xD5, 0xD4, 0xD4, 0xD7, 0xCA, 0xF5, 0xF5, 0xF4, 0xAA])


def test_decision_values_of_ulaw() -> None:
    # 14-bit scale: 0-1, then steps of 2 up to 31 (table 2a, column 5).
    edges = pcm(0, 3, 4, 11, 12, 123, 124, 32767, -1, -32768)
    assert pcm_to_ulaw(edges) == bytes([0xFF, 0xFF, 0xFE, 0xFE, 0xFD, 0xF0, 0xEF, 0x80, 0x7F, 0x00])


@pytest.mark.parametrize(("there", "back"), [(pcm_to_alaw, alaw_to_pcm), (pcm_to_ulaw, ulaw_to_pcm)])
def test_error_stays_below_half_a_step(there: object, back: object) -> None:
    linear = np.arange(-32768, 32768, dtype=np.int32)
    again = np.frombuffer(back(there(linear.astype("<i2").tobytes())), "<i2").astype(np.int32)  # type: ignore[operator]
    loud = np.abs(linear) < 32124  # beyond, mu-law clips
    allowed = np.maximum(8, np.abs(linear) / 32 + 4.2)  # steps are 1/16 of their segment
    assert (np.abs(again - linear) <= allowed)[loud].all()


@pytest.mark.parametrize("compress", [pcm_to_alaw, pcm_to_ulaw])
def test_half_a_sample_is_refused(compress: object) -> None:
    with pytest.raises(ValueError, match="buffer size"):
        compress(b"\0\0\0")  # type: ignore[operator]


def test_nothing_stays_nothing() -> None:
    assert pcm_to_alaw(b"") == pcm_to_ulaw(b"") == alaw_to_pcm(b"") == ulaw_to_pcm(b"") == b""

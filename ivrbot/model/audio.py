"""Sound as it travels inside the bot: 8 kHz, 16 bit, mono, in frames of 20 ms."""

from __future__ import annotations

from typing import Final, NewType

SAMPLE_RATE_HZ: Final = 8000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = SAMPLE_RATE_HZ * FRAME_MS // 1000
SAMPLE_BYTES: Final = 2
FRAME_BYTES: Final = FRAME_SAMPLES * SAMPLE_BYTES

Pcm = NewType("Pcm", bytes)
"""Any stretch of PCM16 little-endian mono at 8 kHz."""

Frame = NewType("Frame", Pcm)
"""Exactly 20 ms: 160 samples, 320 bytes."""

SILENCE: Final = Frame(Pcm(bytes(FRAME_BYTES)))


def duration_ms(pcm: bytes) -> int:
    """Length of 8 kHz PCM16 sound in whole milliseconds."""
    return len(pcm) * 1000 // (SAMPLE_BYTES * SAMPLE_RATE_HZ)


def silence(duration_ms_: int) -> Pcm:
    """Digital silence of the given length in milliseconds."""
    return Pcm(bytes(duration_ms_ * SAMPLE_RATE_HZ // 1000 * SAMPLE_BYTES))

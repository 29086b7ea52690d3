"""One party of a stereo recording, and only its beginning."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from ivrbot.errors import ConfigError
from ivrbot.media.wav import decode_wav, encode_wav

LEFT = np.full(8000, 1000, "<i2").tobytes()
RIGHT = np.full(8000, -3000, "<i2").tobytes()


def test_a_channel_is_taken_alone() -> None:
    data = encode_wav(LEFT, RIGHT)
    assert decode_wav(data, "x", channel=0) == LEFT
    assert decode_wav(data, "x", channel=1) == RIGHT
    assert decode_wav(data, "x") == np.full(8000, -1000, "<i2").tobytes()


def test_mono_has_only_one_channel_whichever_is_asked_for() -> None:
    assert decode_wav(encode_wav(LEFT), "x", channel=1) == LEFT


def test_a_channel_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError) as raised:
        decode_wav(encode_wav(LEFT, RIGHT), "x.wav", channel=2)
    assert [problem.path for problem in raised.value.problems] == ["fmt.channels"]


def test_the_beginning_of_a_recording_beyond_the_longest() -> None:
    """Two hours of 8-bit sound at 4 kHz are refused as a whole; of their beginning 3 s are taken."""
    samples = 2 * 3600 * 4000
    form = struct.pack("<HHIIHH", 7, 1, 4000, 4000, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", samples) + b"\xff" * samples
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    with pytest.raises(ConfigError):
        decode_wav(data, "x")
    assert len(decode_wav(data, "x", first_s=3)) == 3 * 8000 * 2

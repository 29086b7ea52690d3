from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from ivrbot.errors import ConfigError
from ivrbot.media.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from ivrbot.media.wav import MAX_FILE_BYTES, decode_wav, encode_wav, read_wav, write_wav

SOUND = (9000 * np.sin(2 * np.pi * 500 * np.arange(4000) / 8000)).astype("<i2")


def chunk(name: bytes, payload: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(payload) if size is None else size) + payload + b"\0" * (len(payload) % 2)


def wav_bytes(
    sound: bytes, codec: int, bits: int, *, rate_hz: int = 8000, channels: int = 1, extra: bytes = b"", **how: int
) -> bytes:
    block = how.get("block", channels * bits // 8)
    form = struct.pack("<HHIIHH", codec, channels, rate_hz, rate_hz * block, block, bits) + extra
    body = b"WAVE" + chunk(b"fmt ", form) + chunk(b"data", sound, how.get("size"))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wide(bits: int) -> bytes:
    values = SOUND.astype(np.int64) << (bits - 16)
    return b"".join(int(value).to_bytes(bits // 8, "little", signed=True) for value in values)


EIGHT_BIT = ((SOUND.astype(int) >> 8) + 128).astype(np.uint8)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (wav_bytes(SOUND.tobytes(), 1, 16), SOUND.tobytes()),
        (wav_bytes(EIGHT_BIT.tobytes(), 1, 8), ((SOUND >> 8) << 8).astype("<i2").tobytes()),
        (wav_bytes(wide(24), 1, 24), SOUND.tobytes()),
        (wav_bytes(wide(32), 1, 32), SOUND.tobytes()),
        (wav_bytes((SOUND / 32767).astype("<f4").tobytes(), 3, 32), SOUND.tobytes()),
        (wav_bytes((SOUND / 32767).astype("<f8").tobytes(), 3, 64), SOUND.tobytes()),
        (wav_bytes(pcm_to_alaw(SOUND.tobytes()), 6, 8), alaw_to_pcm(pcm_to_alaw(SOUND.tobytes()))),
        (wav_bytes(pcm_to_ulaw(SOUND.tobytes()), 7, 8), ulaw_to_pcm(pcm_to_ulaw(SOUND.tobytes()))),
        (
            wav_bytes(SOUND.tobytes(), 0xFFFE, 16, extra=struct.pack("<HHIH", 22, 16, 0, 1) + bytes(14)),
            SOUND.tobytes(),
        ),
    ],
    ids=["pcm16", "pcm8", "pcm24", "pcm32", "float32", "float64", "alaw", "ulaw", "extensible"],
)
def test_formats(data: bytes, expected: bytes) -> None:
    assert decode_wav(data, "x.wav") == expected


@pytest.mark.parametrize("rate_hz", [11025, 16000, 44100, 48000])
def test_rates_and_channels(rate_hz: int) -> None:
    t = np.arange(rate_hz) / rate_hz
    left = 8000 * np.sin(2 * np.pi * 500 * t)
    both = np.stack([left, np.zeros_like(left)], axis=1).astype("<i2")
    result = np.frombuffer(decode_wav(wav_bytes(both.tobytes(), 1, 16, rate_hz=rate_hz, channels=2), "x"), "<i2")
    assert len(result) == 8000
    assert np.abs(result[1000:7000]).max() == pytest.approx(4000, rel=0.02)  # the mean of both


def test_floats_beyond_the_scale_clip() -> None:
    sound = np.array([2.0, -2.0, np.nan, np.inf], "<f4").tobytes()
    assert decode_wav(wav_bytes(sound, 3, 32), "x") == struct.pack("<4h", 32767, -32768, 0, 32767)


def test_chunks_that_nobody_knows_are_skipped() -> None:
    plain = wav_bytes(SOUND.tobytes(), 1, 16)
    with_list = plain[:12] + chunk(b"LIST", b"abc") + plain[12:]
    assert decode_wav(with_list, "x") == SOUND.tobytes()


def test_a_size_left_open_by_a_pipe_means_the_rest_of_the_file() -> None:
    assert decode_wav(wav_bytes(SOUND.tobytes(), 1, 16, size=0xFFFFFFFF), "x") == SOUND.tobytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a WAV file"),
        (b"RIFF", "not a WAV file"),
        (b"ID3\x04" + bytes(100), "not a WAV file"),
        (b"RIFF\0\0\0\0WAVE", "no sound in the file"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"data", b"\0\0"), "missing before the sound"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"\1\0"), "too short"),
        (wav_bytes(SOUND.tobytes(), 1, 16)[:-100], "cut off"),
        (wav_bytes(b"\0" * 12, 1, 12), "unknown format"),
        (wav_bytes(b"\0" * 12, 85, 16), "unknown format"),
        (wav_bytes(b"\0" * 12, 1, 16, channels=0), "unusable"),
        (wav_bytes(b"\0" * 12, 1, 16, channels=65535, block=2), "unusable"),
        (wav_bytes(b"\0" * 12, 1, 16, rate_hz=0), "unusable"),
        (wav_bytes(b"\0" * 12, 1, 16, rate_hz=2**32 - 1, block=0), "unusable"),
        (wav_bytes(b"\0" * 12, 1, 16, block=7), "contradicts"),
        (wav_bytes(b"\x80" * 4000 * 3601, 1, 8, rate_hz=4000), "too long"),
    ],
)
def test_broken_and_hostile_files_get_one_clear_error(data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        decode_wav(data, "prompts/hello.wav")
    assert str(caught.value).startswith("prompts/hello.wav: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.wav: cannot be read: No such file"):
        read_wav(tmp_path / "absent.wav")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.wav"
    with file.open("wb") as handle:
        handle.truncate(MAX_FILE_BYTES + 1)  # sparse: takes no disk
    with pytest.raises(ConfigError, match="too large"):
        read_wav(file)


def test_recordings_open_in_other_readers(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    write_wav(file, SOUND.tobytes(), SOUND.tobytes()[:100])
    with wave.open(str(file)) as other:
        assert (other.getnchannels(), other.getframerate(), other.getsampwidth()) == (2, 8000, 2)
        frames = np.frombuffer(other.readframes(other.getnframes()), "<i2").reshape(-1, 2)
    assert (frames[:, 0] == SOUND).all()
    assert (frames[:50, 1] == SOUND[:50]).all()
    assert not frames[50:, 1].any()


def test_mono_round_trip(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", SOUND.tobytes())
    assert read_wav(tmp_path / "a.wav") == SOUND.tobytes()


def test_a_file_needs_a_channel() -> None:
    with pytest.raises(ValueError, match="needs a channel"):
        encode_wav()

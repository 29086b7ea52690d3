"""WAV files: reading what people have, writing recordings.

Takes PCM of 8, 16, 24 or 32 bits, floats, A-law or mu-law, any rate, one or more channels; gives 8 kHz PCM16 mono.
Files are read in full and checked before anything is allocated for them, for they may be broken or hostile.

Source: Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (RIFF WAVE), and the
WAVEFORMATEXTENSIBLE supplement to it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.errors import ConfigError, Problem
from ivrbot.media.g711 import alaw_to_pcm, ulaw_to_pcm
from ivrbot.media.resample import resample
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ, Pcm

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
MAX_DURATION_S: Final = 3600
MAX_CHANNELS: Final = 8
MIN_RATE_HZ: Final = 4_000
MAX_RATE_HZ: Final = 384_000

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_FORMATS: Final = {
    (_PCM, 8): "8-bit PCM",
    (_PCM, 16): "16-bit PCM",
    (_PCM, 24): "24-bit PCM",
    (_PCM, 32): "32-bit PCM",
    (_FLOAT, 32): "32-bit float",
    (_FLOAT, 64): "64-bit float",
    (_ALAW, 8): "A-law",
    (_ULAW, 8): "mu-law",
}
_SIZE_UNKNOWN: Final = 0x7FFF0000
"""Programs that write to a pipe leave a size from here upwards: "until the end of the file"."""


@dataclass(frozen=True, slots=True)
class _Format:
    codec: int
    channels: int
    rate_hz: int
    bits: int


class _Broken(Exception):
    """Carries the wording of a Problem out of the parser."""

    def __init__(self, path: str, value: object, message: str, allowed: str = "") -> None:
        self.problem = (path, str(value), message, allowed)
        super().__init__(message)


def read_wav(path: Path, *, channel: int | None = None, first_s: int | None = None) -> Pcm:
    """Read a file; see `decode_wav`.

    Raises:
        ConfigError: not there, not readable, broken, or beyond the limits; names the file and what is wrong.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ConfigError(
                [Problem(str(path), None, "", f"{size} bytes", "too large", f"{MAX_FILE_BYTES} bytes")]
            )
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", "", f"cannot be read: {error.strerror}")]) from error
    return decode_wav(data, str(path), channel=channel, first_s=first_s)


def decode_wav(data: bytes, name: str, *, channel: int | None = None, first_s: int | None = None) -> Pcm:
    """Turn a WAV file's contents into 8 kHz PCM16 mono.

    Args:
        data: the whole file.
        name: how to call it in an error.
        channel: the one wanted, from 0 (left); None averages all. A mono file has only one, which is then taken.
        first_s: seconds wanted from the beginning; None is all of it.

    Raises:
        ConfigError: broken, of an unknown format, or beyond the limits; names what is wrong.
    """
    try:
        form, sound = _chunks(data)
        if first_s is not None:
            sound = sound[: first_s * form.rate_hz * form.channels * form.bits // 8]
        mono = _mono(_samples(form, sound), form.channels, channel)
        return Pcm(resample(mono, form.rate_hz, SAMPLE_RATE_HZ))
    except _Broken as broken:
        field, value, message, allowed = broken.problem
        raise ConfigError([Problem(name, None, field, value, message, allowed)]) from None


def encode_wav(*channels: bytes) -> bytes:
    """Make the contents of a WAV file.

    Args:
        channels: 8 kHz PCM16 mono, one (mono) or two (caller left, bot right); the shorter is filled with silence.

    Raises:
        ValueError: no channel, or half a sample.
    """
    if not channels:
        raise ValueError("a WAV file needs a channel")
    longest = max(map(len, channels))
    columns = [np.frombuffer(channel.ljust(longest, b"\0"), "<i2") for channel in channels]
    sound = np.stack(columns, axis=1).tobytes()
    block = SAMPLE_BYTES * len(channels)
    form = struct.pack("<HHIIHH", _PCM, len(channels), SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * block, block, 16)
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"data", sound)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def write_wav(path: Path, *channels: bytes) -> None:
    """Write 8 kHz PCM16, mono or two parties side by side; see `encode_wav`.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_bytes(encode_wav(*channels))


def _chunk(name: bytes, payload: bytes) -> bytes:
    return name + struct.pack("<I", len(payload)) + payload


def _chunks(data: bytes) -> tuple[_Format, bytes]:
    """Find the format and the sound."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise _Broken("", "", "not a WAV file", "RIFF WAVE")
    form: _Format | None = None
    for name, size, at in _walk(data):
        if name == b"fmt ":
            form = _read_format(data[at : at + size])
        elif name == b"data":
            if form is None:
                raise _Broken("fmt", "", "missing before the sound")
            left = len(data) - at
            if size > left and size < _SIZE_UNKNOWN:
                raise _Broken("data", f"{left} of {size} bytes", "cut off")
            return form, data[at : at + size]
    raise _Broken("data", "", "no sound in the file")


def _walk(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        yield name, size, at + 8
        at += 8 + size + size % 2


def _read_format(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise _Broken("fmt", f"{len(chunk)} bytes", "too short", "16 bytes or more")
    codec, channels, rate_hz, _, block, bits = struct.unpack_from("<HHIIHH", chunk)
    if codec == _EXTENSIBLE and len(chunk) >= 26:
        codec = struct.unpack_from("<H", chunk, 24)[0]
    if (codec, bits) not in _FORMATS:
        raise _Broken("fmt", f"codec {codec} with {bits} bits", "unknown format", ", ".join(_FORMATS.values()))
    if not 1 <= channels <= MAX_CHANNELS:
        raise _Broken("fmt.channels", channels, "unusable", f"1 to {MAX_CHANNELS}")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise _Broken("fmt.sample_rate", rate_hz, "unusable", f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    if block != channels * bits // 8:
        raise _Broken("fmt.block_align", block, "contradicts channels and bits", str(channels * bits // 8))
    return _Format(codec, channels, rate_hz, bits)


def _samples(form: _Format, sound: bytes) -> NDArray[np.int16]:
    """All channels interleaved, as 16 bit."""
    block = form.channels * form.bits // 8
    sound = sound[: len(sound) - len(sound) % block]
    if len(sound) // block > MAX_DURATION_S * form.rate_hz:
        raise _Broken("data", f"{len(sound) // block // form.rate_hz} s", "too long", f"{MAX_DURATION_S} s")
    if form.codec == _ALAW:
        return np.frombuffer(alaw_to_pcm(sound), "<i2")
    if form.codec == _ULAW:
        return np.frombuffer(ulaw_to_pcm(sound), "<i2")
    if form.codec == _FLOAT:
        real = np.nan_to_num(np.frombuffer(sound, f"<f{form.bits // 8}"), nan=0.0, posinf=1.0, neginf=-1.0)
        return np.asarray(np.clip(np.rint(real * 32767.0), -32768, 32767), np.int16)
    return _integers(form.bits, sound)


def _integers(bits: int, sound: bytes) -> NDArray[np.int16]:
    if bits == 8:  # the only unsigned one
        return (np.frombuffer(sound, np.uint8).astype(np.int16) - 128) << 8
    # The two upper bytes of each little-endian sample are its 16-bit value.
    return np.frombuffer(sound, np.uint8).reshape(-1, bits // 8)[:, -2:].copy().view("<i2").reshape(-1)


def _mono(samples: NDArray[np.int16], channels: int, channel: int | None) -> bytes:
    if channels > 1 and channel is not None:
        if not 0 <= channel < channels:
            raise _Broken("fmt.channels", channels, f"has no channel {channel + 1}", f"1 to {channels}")
        samples = samples.reshape(-1, channels)[:, channel]
    elif channels > 1:
        samples = np.rint(samples.reshape(-1, channels).mean(axis=1)).astype(np.int16)
    return samples.astype("<i2", copy=False).tobytes()

"""What a line sounds like while nobody speaks: comfort noise, and a soft sound of somebody thinking.

Gives loops of 20 ms frames, made once by arithmetic; nothing is drawn by chance and nothing is a recording.
Digital silence between prompts sounds like a dead line, so a little noise takes its place, within what RFC 3389
(3.1: 0 to -127 dBov) can ask for; 0 dBov is the RMS of a full-scale square wave, which is also what
`level.rms_dbfs` counts from, and 6.18 dB above 0 dBm0 on mu-law lines (same place). Both loops stay below what
measurements of this house take for speech (`level.SPEECH_DBFS`), so they are no answer to anybody.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.media.framing import frames_of
from ivrbot.model.audio import FRAME_MS, SAMPLE_RATE_HZ, SILENCE, Frame, Pcm

NOISE_DBOV: Final = -68.0
"""About -62 dBm0: the noise of a good line, two steps of A-law."""
NOISE_MS: Final = 2560
"""Length of its loop: too long to be heard as one."""
THINKING_DBOV: Final = -47.0
"""Loudest 20 ms of it: some 25 dB below a voice."""
THINKING_MS: Final = 2400
BACKDROP_PEAK: Final = 64
"""No sample of the comfort noise is further from zero, through G.711 as well."""

_FULL_SCALE: Final = 32768.0
_LOW_HZ, _HIGH_HZ = 150.0, 3400.0
_FALLS_FROM_HZ: Final = 500.0
"""Rooms and lines hum more than they hiss: above, the noise falls by 3 dB an octave."""
# (begins at ms, hertz): two notes a fifth apart.
_NOTES: Final = ((100, 440.0), (300, 659.3))
_ATTACK_MS, _DECAY_MS = 15.0, 130.0
_OVERTONE: Final = 0.15

_Sound = NDArray[np.float64]


@cache
def comfort_noise() -> tuple[Frame, ...]:
    """Noise of -68 dBov in an endless loop: the last frame goes over into the first."""
    return tuple(frames_of(_pcm(_noise())))


@cache
def thinking_sound() -> tuple[Frame, ...]:
    """Two soft notes, then a pause, in a loop, over the comfort noise."""
    length = THINKING_MS * SAMPLE_RATE_HZ // 1000
    sound = np.zeros(length)
    for start_ms, hertz in _NOTES:
        start = start_ms * SAMPLE_RATE_HZ // 1000
        sound[start:] += _note(hertz, length - start)
    levels = np.sqrt(np.mean(sound.reshape(-1, FRAME_MS * SAMPLE_RATE_HZ // 1000) ** 2, axis=1))
    sound *= _FULL_SCALE * 10 ** (THINKING_DBOV / 20) / levels.max()
    return tuple(frames_of(_pcm(sound + _noise()[:length])))


def is_backdrop(frame: bytes) -> bool:
    """Whether a frame is silence or comfort noise: what may be left out to make up for time."""
    return frame == SILENCE or frame in _noise_frames()


def is_quiet(pcm: bytes) -> bool:
    """Whether there is nothing in a stretch but silence or comfort noise, perhaps through G.711."""
    samples = np.frombuffer(pcm, "<i2")
    return not len(samples) or max(int(samples.max()), -int(samples.min())) <= BACKDROP_PEAK


@cache
def _noise_frames() -> frozenset[bytes]:
    return frozenset(comfort_noise())


def _noise() -> _Sound:
    """A period of noise: all tones of the loop's length within the telephone's band, in phases without order."""
    length = NOISE_MS * SAMPLE_RATE_HZ // 1000
    tones = np.arange(length // 2 + 1)
    hertz = tones * (SAMPLE_RATE_HZ / length)
    strengths = np.where((hertz >= _LOW_HZ) & (hertz <= _HIGH_HZ), 1.0, 0.0)
    strengths /= np.sqrt(np.maximum(hertz, _FALLS_FROM_HZ) / _FALLS_FROM_HZ)
    # Fractions of a steep sine: a well-known cheap way to numbers without visible order.
    phases = 2 * np.pi * np.modf(np.abs(np.sin(tones * 12.9898) * 43758.5453))[0]
    sound = np.fft.irfft(strengths * np.exp(1j * phases), length)
    return np.asarray(sound * (_FULL_SCALE * 10 ** (NOISE_DBOV / 20) / np.sqrt(np.mean(sound**2))))


def _note(hertz: float, samples: int) -> _Sound:
    at_s = np.arange(samples) / SAMPLE_RATE_HZ
    shape = np.minimum(at_s * 1000 / _ATTACK_MS, 1.0) * np.exp(-at_s * 1000 / _DECAY_MS)
    tone = np.sin(2 * np.pi * hertz * at_s) + _OVERTONE * np.sin(4 * np.pi * hertz * at_s)
    return np.asarray(shape * tone)


def _pcm(sound: _Sound) -> Pcm:
    return Pcm(np.rint(sound).astype("<i2").tobytes())

"""Sounds that are no words, synthesised: coughs, music, streets. 8 kHz, as floats of PCM16; the same for a seed.

They are imitations made by formulas, not recordings, and so is what is measured with them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.audio import SAMPLE_RATE_HZ

Sound = NDArray[np.float64]
_LOW_HZ, _HIGH_HZ = 300.0, 3400.0
_FULL_SCALE: Final = 32768.0
_SEMITONE: Final = 2 ** (1 / 12)
_CHORDS: Final = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14), (2, 5, 9), (4, 7, 11))


def at_level(sound: Sound, dbfs: float) -> Sound:
    """The telephone's band of a sound, its loudest 100 ms at a level (0 dBFS: a full-scale square wave)."""
    spectrum = np.fft.rfft(sound)
    hertz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    spectrum[(hertz < _LOW_HZ) | (hertz > _HIGH_HZ)] = 0
    band = np.fft.irfft(spectrum, len(sound))
    step = SAMPLE_RATE_HZ // 10
    loudest = max(np.sqrt(np.mean(band[at : at + step] ** 2)) for at in range(0, len(band), step))
    return np.asarray(band * (_FULL_SCALE * 10 ** (dbfs / 20) / loudest))


def cough(seed: int) -> Sound:
    """One to three coughs: a burst, breath through a throat, sometimes some voice; every fourth is a knock."""
    chance = np.random.default_rng(seed)
    if seed % 4 == 3:
        return _knocks(chance)
    parts = [_one_cough(chance) for _ in range(int(chance.integers(1, 4)))]
    gaps = [np.zeros(int(chance.uniform(0.08, 0.3) * SAMPLE_RATE_HZ)) for _ in parts]
    return at_level(
        np.concatenate([piece for pair in zip(parts, gaps, strict=True) for piece in pair]), _loud(chance)
    )


def music(seed: int) -> Sound:
    """Four to five seconds of chords with a melody and a beat."""
    chance = np.random.default_rng(1000 + seed)
    beat_s = chance.uniform(0.35, 0.6)
    root_hz = 110 * _SEMITONE ** int(chance.integers(0, 12))
    sound = np.zeros(int(5.0 * SAMPLE_RATE_HZ))
    at_s, number = 0.0, 0
    while at_s < 4.6:
        chord = _CHORDS[int(chance.integers(len(_CHORDS)))]
        for step in chord:
            _lay(sound, at_s, _tone(root_hz * _SEMITONE**step, 2 * beat_s, chance) * 0.5)
        for half in (0, 1):
            step = chord[int(chance.integers(3))] + 12 * int(chance.integers(1, 3))
            _lay(sound, at_s + half * beat_s, _tone(root_hz * _SEMITONE**step, beat_s, chance))
            _lay(sound, at_s + half * beat_s, _drum(chance) * (0.8 if number % 2 else 0.0))
        at_s += 2 * beat_s
        number += 1
    return at_level(sound, chance.uniform(-32, -18))


def street(seed: int) -> Sound:
    """Five seconds of traffic: rumble and hiss, cars passing, now and then a horn or a crossing's signal."""
    chance = np.random.default_rng(2000 + seed)
    length = 5 * SAMPLE_RATE_HZ
    sound = _coloured(chance, length, 1.0) * 0.4
    time_s = np.arange(length) / SAMPLE_RATE_HZ
    for _ in range(int(chance.integers(1, 4))):
        passes = np.exp(-(((time_s - chance.uniform(0, 5)) / chance.uniform(0.4, 1.2)) ** 2))
        sound += passes * _coloured(chance, length, 0.5)
    if seed % 3 == 0:
        for hertz in (chance.uniform(380, 440), chance.uniform(480, 540)):
            _lay(sound, chance.uniform(0.5, 3.5), _tone(hertz, chance.uniform(0.3, 0.9), chance) * 2)
    if seed % 3 == 1:
        for number in range(8):
            _lay(sound, 0.5 + 0.45 * number, _tone(1000, 0.1, chance) * 1.5)
    return at_level(sound, chance.uniform(-38, -24))


def _loud(chance: np.random.Generator) -> float:
    return float(chance.uniform(-26, -12))


def _one_cough(chance: np.random.Generator) -> Sound:
    length = int(chance.uniform(0.18, 0.4) * SAMPLE_RATE_HZ)
    time_s = np.arange(length) / SAMPLE_RATE_HZ
    noise = _through_throat(chance.standard_normal(length), chance)
    shape = np.minimum(time_s / 0.004, 1) * (np.exp(-time_s / 0.02) + 0.5 * np.exp(-time_s / 0.11))
    sound = noise * shape
    if chance.random() < 0.6:  # the vocal folds close at the end
        hertz = chance.uniform(110, 260) * (1 - 0.3 * time_s / time_s[-1])
        pulses = np.sign(np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE_HZ)) + 0.3 * chance.standard_normal(
            length
        )
        voiced = _through_throat(pulses, chance)
        end = np.exp(-(((time_s - 0.75 * time_s[-1]) / 0.05) ** 2))
        sound += 0.4 * voiced * end * np.abs(noise).mean() / np.abs(voiced).mean()
    return np.asarray(sound)


def _knocks(chance: np.random.Generator) -> Sound:
    sound = np.zeros(int(0.9 * SAMPLE_RATE_HZ))
    at_s = 0.02
    while at_s < 0.7:
        length = int(0.12 * SAMPLE_RATE_HZ)
        time_s = np.arange(length) / SAMPLE_RATE_HZ
        ring = np.sin(2 * np.pi * chance.uniform(300, 900) * time_s) + 0.5 * chance.standard_normal(length)
        _lay(sound, at_s, ring * np.exp(-time_s / chance.uniform(0.008, 0.03)))
        at_s += chance.uniform(0.12, 0.4)
    return at_level(sound, _loud(chance))


def _through_throat(sound: Sound, chance: np.random.Generator) -> Sound:
    """Resonances of a throat at chance places."""
    spectrum = np.fft.rfft(sound)
    hertz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    gain = np.full(len(hertz), 0.05)
    for low, high in ((400, 900), (1000, 1700), (2200, 2900)):
        gain += 1 / (1 + ((hertz - chance.uniform(low, high)) / 140) ** 2)
    return np.asarray(np.fft.irfft(spectrum * gain, len(sound)))


def _coloured(chance: np.random.Generator, length: int, slope: float) -> Sound:
    spectrum = np.fft.rfft(chance.standard_normal(length))
    hertz = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ), 50)
    noise = np.fft.irfft(spectrum / hertz**slope, length)
    return np.asarray(noise / np.abs(noise).max())


def _tone(hertz: float, length_s: float, chance: np.random.Generator) -> Sound:
    time_s = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    bent = hertz * (1 + 0.004 * np.sin(2 * np.pi * 5.5 * time_s + chance.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(bent) / SAMPLE_RATE_HZ
    tone = sum(np.sin(number * phase) / number**1.5 for number in range(1, 7))
    shape = np.minimum(time_s / 0.01, 1) * np.exp(-time_s / 0.5) * np.minimum((time_s[-1] - time_s) / 0.02, 1)
    return np.asarray(tone * shape)


def _drum(chance: np.random.Generator) -> Sound:
    time_s = np.arange(int(0.15 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.asarray(chance.standard_normal(len(time_s)) * np.exp(-time_s / 0.03))


def _lay(sound: Sound, at_s: float, piece: Sound) -> None:
    start = int(at_s * SAMPLE_RATE_HZ)
    piece = piece[: max(0, len(sound) - start)]
    sound[start : start + len(piece)] += piece

"""Levels of frames tell where a voice ends, in silence and in noise."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbot.model.audio import FRAME_MS, FRAME_SAMPLES, Frame, Pcm
from ivrbot.speech.voiced import VoiceLevel, loudest_half


def tone(dbfs: float, frames: int) -> list[Frame]:
    sound = 32768 * 10 ** (dbfs / 20) * np.sqrt(2) * np.sin(np.arange(frames * FRAME_SAMPLES) * 0.7)
    return cut(sound)


def noise(dbfs: float, frames: int, seed: int = 1) -> list[Frame]:
    return cut(np.random.default_rng(seed).normal(0, 32768 * 10 ** (dbfs / 20), frames * FRAME_SAMPLES))


def cut(sound: np.ndarray) -> list[Frame]:
    pcm = np.clip(sound, -32768, 32767).astype("<i2").tobytes()
    return [Frame(Pcm(pcm[at : at + 2 * FRAME_SAMPLES])) for at in range(0, len(pcm), 2 * FRAME_SAMPLES)]


def mixed(one: list[Frame], other: list[Frame]) -> list[Frame]:
    return [
        Frame(Pcm((np.frombuffer(a, "<i2") + np.frombuffer(b, "<i2")).astype("<i2").tobytes()))
        for a, b in zip(one, other, strict=True)
    ]


def lag_ms(noise_dbfs: float | None, detector_lag: int = 9) -> int:
    """How long after a voice at -20 dBFS its end is noticed, when the detector takes `detector_lag` frames."""
    level = VoiceLevel()
    around = [Frame(Pcm(bytes(2 * FRAME_SAMPLES)))] * 200 if noise_dbfs is None else noise(noise_dbfs, 200)
    for frame in around[:100]:
        level.rest(frame)
    for frame in mixed(tone(-20, 50), around[100:150]):
        assert level.feed(frame, True), "a loud voice is voiced throughout"
    flags = [level.feed(frame, number < detector_lag) for number, frame in enumerate(around[150:])]
    return flags.count(True) * FRAME_MS


def test_in_silence_the_end_is_the_last_voiced_frame() -> None:
    assert lag_ms(None) == 0


def test_on_a_quiet_line_too() -> None:
    assert lag_ms(-60) == 0


def test_the_louder_the_noise_the_more_the_detector_decides() -> None:
    lags = [lag_ms(dbfs) for dbfs in (-60, -50, -45, -40, -35)]
    assert lags == sorted(lags)
    assert lags[0] < lags[-1] <= 9 * FRAME_MS


@pytest.mark.parametrize("noise_dbfs", [-70.0, -50.0, -30.0])
def test_without_the_detector_nothing_is_voiced(noise_dbfs: float) -> None:
    level = VoiceLevel()
    assert not any(level.feed(frame, False) for frame in mixed(tone(-20, 50), noise(noise_dbfs, 50)))


def test_the_floor_finds_the_noise_again_after_it_has_changed() -> None:
    level = VoiceLevel()
    for frame in noise(-30, 200):
        level.rest(frame)
    loud_db = level.floor.db
    for frame in noise(-55, 200):
        level.rest(frame)
    assert loud_db is not None and level.floor.db is not None
    assert loud_db == pytest.approx(90.3 - 30, abs=2)
    assert level.floor.db == pytest.approx(90.3 - 55, abs=2)
    for frame in noise(-30, 200):
        level.rest(frame)
    assert level.floor.db == pytest.approx(loud_db, abs=1)


def test_a_burst_of_half_a_frame_counts() -> None:
    level = VoiceLevel()
    for frame in tone(-20, 20):
        level.feed(frame, True)
    burst = Frame(Pcm(bytes(FRAME_SAMPLES) + tone(-45, 1)[0][FRAME_SAMPLES:]))
    assert loudest_half(burst) == pytest.approx(2 * np.mean(np.frombuffer(burst, "<i2").astype(float) ** 2))
    assert level.feed(burst, True)


def test_who_speaks_lower_is_heard_after_a_while() -> None:
    level = VoiceLevel()
    for frame in tone(-10, 20):
        level.feed(frame, True)
    flags = [level.feed(frame, True) for frame in tone(-47, 100)]
    assert not flags[0] and flags[-1]

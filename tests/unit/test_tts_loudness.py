"""Band, level and trimming of the bot's sound."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbot.model.audio import Pcm, duration_ms, silence
from ivrbot.tts.loudness import (
    TARGET_DBFS,
    TelephoneFilter,
    active_dbfs,
    gain_for,
    level,
    longest_silence_ms,
    to_pcm,
    to_samples,
    trim,
)


def sine(frequency_hz: float, duration_s: float, amplitude: float = 0.5, rate_hz: int = 8000) -> Pcm:
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    return to_pcm((amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32))


def through(pcm: bytes, rate_hz: int, gain: float = 1.0, chunk: int = 4800) -> Pcm:
    chain = TelephoneFilter(rate_hz, gain)
    parts = [chain.feed(pcm[at : at + chunk]) for at in range(0, len(pcm), chunk)]
    return Pcm(b"".join([*parts, chain.finish()]))


@pytest.mark.parametrize("frequency_hz", [500, 1000, 2500, 3200])
def test_speech_band_passes(frequency_hz: float) -> None:
    out = through(sine(frequency_hz, 1, rate_hz=24000), 24000)
    assert active_dbfs(to_samples(out)) == pytest.approx(-9.03, abs=0.3)


@pytest.mark.parametrize("frequency_hz", [50, 100, 150, 5000, 9000])
def test_outside_the_band_nothing_passes(frequency_hz: float) -> None:
    middle = to_samples(through(sine(frequency_hz, 1, rate_hz=24000), 24000))[1000:-1000]
    assert active_dbfs(middle) < -45


@pytest.mark.parametrize("chunk", [2, 480, 4800, 48000])
def test_chunks_make_no_difference(chunk: int) -> None:
    sound = sine(700, 0.3, rate_hz=24000)
    pieces, whole = (to_samples(through(sound, 24000, chunk=size)) for size in (chunk, 100_000))
    assert pieces == pytest.approx(whole, abs=8 / 32768), "more than rounding"


def test_length_is_kept() -> None:
    assert duration_ms(through(sine(700, 1.234, rate_hz=24000), 24000)) == pytest.approx(1234, abs=2)


@pytest.mark.parametrize("amplitude", [0.02, 0.9])
def test_gain_brings_a_voice_to_the_target(amplitude: float) -> None:
    voice = sine(900, 1, amplitude, 22050)
    out = through(voice, 22050, gain_for(voice, 22050))
    assert active_dbfs(to_samples(out)) == pytest.approx(TARGET_DBFS, abs=0.5)


def test_loudness_is_measured_in_the_band() -> None:
    deep = to_samples(sine(120, 1, 0.6, 24000)) + to_samples(sine(900, 1, 0.05, 24000))
    out = through(to_pcm(deep), 24000, gain_for(to_pcm(deep), 24000))
    assert active_dbfs(to_samples(out)) == pytest.approx(TARGET_DBFS, abs=0.5)


def test_silence_has_no_gain_and_no_level() -> None:
    assert gain_for(bytes(48000), 24000) == 1.0
    assert active_dbfs(to_samples(silence(500))) == -120.0
    assert active_dbfs(to_samples(Pcm(b""))) == -120.0


def test_level_moves_at_most_so_far() -> None:
    quiet = sine(700, 1, 10 ** (-40 / 20) * 2**0.5)
    assert active_dbfs(to_samples(level(quiet, 3))) == pytest.approx(-37, abs=0.2)
    assert active_dbfs(to_samples(level(quiet, 40))) == pytest.approx(TARGET_DBFS, abs=0.2)


def test_level_never_clips() -> None:
    click = bytearray(sine(700, 1, 0.01))
    click[8000:8002] = b"\x00\x60"
    assert abs(to_samples(level(Pcm(bytes(click)), 40))).max() < 0.98


def test_trim_cuts_silence_and_keeps_speech() -> None:
    speech = sine(700, 0.5, 0.1)
    out = trim(Pcm(silence(400) + speech + silence(900)))
    assert 500 <= duration_ms(out) <= 570
    assert active_dbfs(to_samples(out)) == pytest.approx(active_dbfs(to_samples(speech)), abs=1)


def test_trim_fades_so_that_joints_do_not_click() -> None:
    out = to_samples(trim(sine(700, 0.5, 0.5)))
    assert abs(out[0]) < 0.01
    assert abs(out[-1]) < 0.01


def test_trim_of_silence_is_nothing() -> None:
    assert trim(silence(300)) == b""
    assert trim(Pcm(b"")) == b""


def test_longest_silence() -> None:
    speech = sine(700, 0.2, 0.1)
    assert longest_silence_ms(Pcm(speech + silence(600) + speech + silence(200))) == pytest.approx(600, abs=20)

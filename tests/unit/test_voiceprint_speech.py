"""What counts as speech, how far it stands above the noise, and the features that come of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.model.audio import duration_ms, silence
from ivrbot.voiceprint import features
from ivrbot.voiceprint.features import BANDS, as_samples, hear, telephone_band
from ivrbot.voiceprint.speech import find_speech
from tests.voice_sounds import buzz

VOICE = buzz(140, 900, 6.0)


def spoken_ms(pcm: bytes) -> int:
    return find_speech(pcm, telephone_band(as_samples(pcm))).duration_ms


def test_pauses_are_left_out() -> None:
    heard = hear(VOICE)
    assert 0.5 * duration_ms(VOICE) < heard.speech_ms < duration_ms(VOICE)
    amid = hear(silence(4000) + VOICE + silence(4000))
    assert amid.speech_ms == pytest.approx(heard.speech_ms, rel=0.1)
    assert len(heard.features) == pytest.approx(heard.speech_ms / 10, abs=2)


def test_every_band_has_mean_zero() -> None:
    features = hear(VOICE).features
    assert features.shape[1] == BANDS
    assert np.abs(features.mean(axis=0)).max() < 1e-3


@pytest.mark.parametrize("sound", [b"", b"\0", bytes(158), bytes(160), bytes(32_000)])
def test_nobody_speaks(sound: bytes) -> None:
    heard = hear(sound)
    assert (heard.speech_ms, len(heard.features), heard.snr_db) == (0, 0, -60.0)


def test_only_the_telephones_band_is_kept() -> None:
    time = np.arange(16_000) / 8000

    def kept(hz: float) -> float:
        tone = np.sin(2 * np.pi * hz * time).astype(np.float32)
        return float(np.sqrt(2 * np.mean(telephone_band(tone)[1000:-1000] ** 2)))

    assert all(kept(hz) == pytest.approx(1, abs=0.02) for hz in (400, 1000, 2000, 3200))
    assert all(kept(hz) < 0.02 for hz in (50, 100, 200, 3600, 3900))
    assert len(telephone_band(np.zeros(7, np.float32))) == 7


def test_the_band_comes_without_delay() -> None:
    click = np.zeros(1001, np.float32)
    click[500] = 1
    assert int(np.argmax(telephone_band(click))) == 500


def test_a_quiet_line_is_heard_alike() -> None:
    quiet = (np.frombuffer(VOICE, "<i2") * 0.05).astype("<i2").tobytes()
    assert spoken_ms(quiet) == pytest.approx(spoken_ms(VOICE), rel=0.15)
    loud, low = hear(VOICE).features.std(axis=0), hear(quiet).features.std(axis=0)
    assert np.corrcoef(loud, low)[0, 1] > 0.95


def test_distortion_is_no_speech() -> None:
    levels = np.frombuffer(VOICE, "<i2").astype(float) * 40
    shouted = np.clip(levels, -32768, 32767).astype("<i2").tobytes()
    assert spoken_ms(shouted) < 0.3 * spoken_ms(VOICE)


def test_what_is_hardly_audible_is_no_speech() -> None:
    whispered = (np.frombuffer(VOICE, "<i2") * 0.002).astype("<i2").tobytes()
    assert spoken_ms(whispered) == 0


def test_the_first_speech_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "LONGEST_SPEECH_MS", 3000)
    first = hear(VOICE)
    assert first.speech_ms == 3000
    assert np.allclose(hear(VOICE * 2).features, first.features, atol=0.01)


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=4000), st.integers(0, 3))
def test_any_sound_gives_finite_features(sound: bytes, times: int) -> None:
    heard = hear(sound * times)
    assert np.isfinite(heard.features).all()
    assert -60 <= heard.snr_db <= 60
    assert len(heard.features) * 10 <= heard.speech_ms <= len(sound) * times / 16

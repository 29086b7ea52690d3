"""Log-mel features have the shape, scale and bands that Whisper was trained on."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbot.asr import mel


def tone(hz: float, seconds: float = 1.0, level: float = 0.5) -> np.ndarray:
    at = np.arange(int(seconds * mel.SAMPLE_RATE_HZ)) / mel.SAMPLE_RATE_HZ
    return (level * np.sin(2 * np.pi * hz * at)).astype(np.float32)


def slaney_mel(hz: float) -> float:
    """Slaney's scale by its definition: 3/200 mel per Hz up to 1 kHz, then 27 mel per factor 6.4."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def test_shape_and_type() -> None:
    features = mel.log_mel(tone(440, 1.237))
    assert features.shape == (80, 123)
    assert features.dtype == np.float32


def test_silence_is_flat() -> None:
    features = mel.log_mel(np.zeros(16000, np.float32))
    # log10 of the floor 1e-10, plus 4, over 4
    assert np.allclose(features, -1.5)


def test_range_is_eight_decades() -> None:
    features = mel.log_mel(np.concatenate((tone(1000), np.zeros(16000, np.float32))))
    assert features.max() - features.min() == pytest.approx(2.0)


@pytest.mark.parametrize("hz", [200, 440, 1000, 2500, 3400, 7000])
def test_a_tone_peaks_in_its_band(hz: float) -> None:
    features = mel.log_mel(tone(hz))
    band = int(features[:, 50].argmax())
    expected = slaney_mel(hz) / slaney_mel(8000) * 81 - 1
    assert abs(band - expected) <= 1


def test_ten_times_louder_is_half_a_unit_up() -> None:
    quiet, loud = mel.log_mel(tone(1000, level=0.05)), mel.log_mel(tone(1000, level=0.5))
    assert float(loud.max() - quiet.max()) == pytest.approx(0.5, abs=1e-3)


def test_padding() -> None:
    features = np.ones((80, 7), np.float32)
    assert mel.pad_frames(features, 10)[:, 7:].sum() == 0
    assert mel.pad_frames(features, 10).shape == (80, 10)
    assert mel.pad_frames(features, 5).shape == (80, 5)

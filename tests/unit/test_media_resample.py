from __future__ import annotations

import numpy as np
import pytest

from ivrbot.media.resample import StreamResampler, resample


def tone(hz: float, rate_hz: int, duration_s: float, amplitude: float = 10_000) -> bytes:
    t = np.arange(round(rate_hz * duration_s)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


def spectrum_peak_hz(pcm: bytes, rate_hz: int) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * rate_hz / len(samples))


@pytest.mark.parametrize("from_hz", [8000, 11025, 16000, 22050, 24000, 44100, 48000])
def test_a_tone_keeps_pitch_length_and_level(from_hz: int) -> None:
    result = resample(tone(1000, from_hz, 1.0), from_hz, 8000)
    assert len(result) == 16000
    assert spectrum_peak_hz(result, 8000) == pytest.approx(1000, abs=2)
    middle = np.frombuffer(result, "<i2")[1000:7000].astype(float)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(10_000 / np.sqrt(2), rel=0.01)


def test_what_the_new_rate_cannot_carry_is_filtered_out() -> None:
    result = np.frombuffer(resample(tone(6000, 48000, 1.0), 48000, 8000), "<i2")[500:-500]
    assert np.abs(result).max() < 30  # -50 dB; without a filter it would come back as 2 kHz


def test_loud_sound_clips_and_does_not_wrap_round() -> None:
    square = np.sign(np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)) * 32767
    result = np.frombuffer(resample(square.astype("<i2").tobytes(), 16000, 8000), "<i2")
    jumps = np.abs(np.diff(result.astype(int)))
    assert jumps.max() <= 65535
    assert result.max() == 32767


def test_the_same_rate_changes_nothing() -> None:
    sound = tone(440, 8000, 0.1)
    assert resample(sound, 8000, 8000) == sound


def test_nothing_stays_nothing() -> None:
    assert resample(b"", 48000, 8000) == b""


@pytest.mark.parametrize("piece_bytes", [1, 7, 320, 961, 96_000])
def test_a_stream_gives_the_same_sound_however_it_is_cut(piece_bytes: int) -> None:
    sound = tone(700, 48000, 0.25)
    stream = StreamResampler(48000, 8000)
    pieces = [stream.feed(sound[at : at + piece_bytes]) for at in range(0, len(sound), piece_bytes)]
    result = b"".join(pieces) + stream.finish()
    whole = StreamResampler(48000, 8000)
    expected = np.frombuffer(whole.feed(sound) + whole.finish(), "<i2").astype(int)
    assert len(result) == 2 * len(expected) == 4000
    # soxr dithers its last bit, differently for each piece.
    assert np.abs(np.frombuffer(result, "<i2") - expected).max() <= 2


def test_a_stream_at_the_same_rate_keeps_half_samples_together() -> None:
    stream = StreamResampler(8000, 8000)
    assert stream.feed(b"\1\2\3") == b"\1\2"
    assert stream.feed(b"\4") == b"\3\4"


@pytest.mark.parametrize("rates", [(0, 8000), (8000, -1)])
def test_impossible_rates_are_refused(rates: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no such sample rate"):
        resample(b"\0\0", *rates)
    with pytest.raises(ValueError, match="no such sample rate"):
        StreamResampler(*rates)

"""Sound of a voice into the features that the network knows.

Takes 8 kHz PCM16 mono, gives log-mel frames of its speech. Whatever line a call came by, it is first cut to the
same band of 300 to 3400 Hz: a network that hears a wide band on one side and a telephone on the other compares
lines, not voices. Features are those of the network's training: 80 bands to 8 kHz, windows of 25 ms every 10 ms,
the mean of each band taken off.
Source: 3D-Speaker's `FBank` (torchaudio's Kaldi features with 80 bins, no dither, samples in -1..1); Kaldi's
compute-fbank-feats for what the other parameters mean; windowed-sinc design as in Oppenheim and Schafer,
"Discrete-Time Signal Processing", 7.5, with a Hamming window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from ivrbot.errors import EngineUnavailable
from ivrbot.model.audio import SAMPLE_BYTES, SAMPLE_RATE_HZ
from ivrbot.voiceprint.speech import STEP_SAMPLES, find_speech

BAND_HZ: Final = (300.0, 3400.0)
NETWORK_RATE_HZ: Final = 16_000
BANDS: Final = 80
LONGEST_SPEECH_MS: Final = 60_000
"""More adds nothing to a voice, but costs time: the first minute of speech is taken."""
LONGEST_SOUND_MS: Final = 600_000
SPEECH_LEVEL: Final = 0.1
"""Speech is brought to -20 dBFS: the logarithm has a floor, and a quiet line must not lie on it."""
VERSION: Final = "telephone band 300-3400 Hz, 80 mel bands at 16 kHz, speech only, 1"
"""Part of what a sample is told apart by: other features, other embeddings."""

_TAPS: Final = 257
_FULL_SCALE: Final = 32768.0

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """The speech in a sound.

    Attributes:
        features: float32 [frames, 80], mean-normalised; no frames where nobody speaks.
        speech_ms: speech that they were made of.
        snr_db: its ratio to the noise.
    """

    features: Features
    speech_ms: int
    snr_db: float


def telephone_band(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep 300 to 3400 Hz of sound at 8 kHz, without delay; same length."""
    if not len(samples):
        return samples
    filtered = np.convolve(samples, _band_pass(), mode="full")
    return filtered[_TAPS // 2 : _TAPS // 2 + len(samples)].astype(np.float32)


def as_samples(pcm: bytes) -> NDArray[np.float32]:
    """PCM16 as float32 with 1.0 at full scale; half a sample at the end is left out."""
    whole = np.frombuffer(pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2")
    return whole.astype(np.float32) / np.float32(_FULL_SCALE)


def hear(pcm: bytes) -> Heard:
    """Features of the speech in a sound.

    Args:
        pcm: 8 kHz PCM16 mono of one speaker; at most ten minutes are looked at, half a sample at the end is not.
    """
    pcm = pcm[: min(len(pcm) // SAMPLE_BYTES, LONGEST_SOUND_MS * SAMPLE_RATE_HZ // 1000) * SAMPLE_BYTES]
    in_band = telephone_band(as_samples(pcm))
    speech = find_speech(pcm, in_band)
    steps = np.flatnonzero(speech.flags)[: LONGEST_SPEECH_MS * SAMPLE_RATE_HZ // 1000 // STEP_SAMPLES]
    if not len(steps):
        return Heard(np.zeros((0, BANDS), np.float32), 0, speech.snr_db)
    first, last = int(steps[0]), int(steps[-1])
    # Windows reach 7.5 ms past their step on either side.
    begin, end = max(0, first - 1), last + 3
    part = in_band[begin * STEP_SAMPLES : end * STEP_SAMPLES]
    frames = _log_mel(part * np.float32(SPEECH_LEVEL / speech.rms))
    # Frame i is a window around 12.5 ms + 10 i ms: it belongs to the step that holds its middle.
    chosen = steps - begin - 1
    frames = frames[chosen[(chosen >= 0) & (chosen < len(frames))]]
    if len(frames):
        frames = frames - frames.mean(axis=0, keepdims=True)
    return Heard(frames, len(steps) * 10, speech.snr_db)


def check_library() -> None:
    """Load what makes the features.

    Raises:
        EngineUnavailable: it is not installed.
    """
    _bank()


@lru_cache(maxsize=1)
def _band_pass() -> NDArray[np.float64]:
    place = np.arange(_TAPS) - _TAPS // 2
    low, high = (edge / SAMPLE_RATE_HZ for edge in BAND_HZ)
    ideal = 2 * high * np.sinc(2 * high * place) - 2 * low * np.sinc(2 * low * place)
    return np.asarray(ideal * np.hamming(_TAPS), np.float64)


def _log_mel(in_band: NDArray[np.float32]) -> Features:
    """Frames of sound at 8 kHz, 1.0 at full scale: float32 [frames, 80]."""
    bank = _bank()
    wide = soxr.resample(in_band, SAMPLE_RATE_HZ, NETWORK_RATE_HZ)
    bank.accept_waveform(NETWORK_RATE_HZ, wide.tolist())
    bank.input_finished()
    frames = [bank.get_frame(place) for place in range(bank.num_frames_ready)]
    return np.array(frames, np.float32).reshape(-1, BANDS)


def _bank() -> Any:
    try:
        import kaldi_native_fbank  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise EngineUnavailable("comparing voices needs kaldi-native-fbank: install ivrbot[voiceprint]") from error
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = NETWORK_RATE_HZ
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = BANDS
    return kaldi_native_fbank.OnlineFbank(options)

"""Piper inside the worker process: levelled telephone sound, sentence by sentence.

Takes options (voices as JSON: name and path of the network), gives 8 kHz PCM16 through a sink. Measured choices:
one thread a network (two cost half as much processor time again and are no faster beside other work); the noise of
durations stays out, so that the same text takes the same time whenever it is said; the library's own levelling
stays off, for it takes each sentence's highest peak for its loudness.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.model.audio import silence
from ivrbot.tts.loudness import TelephoneFilter, gain_for, to_pcm
from ivrbot.tts.text import sentences
from ivrbot.tts.worker_process import Sink

LONGEST_CHARACTERS: Final = 160
"""A stretch is made as a whole before its first sound: longer sentences are cut at a comma, or between words."""
BETWEEN_SENTENCES_MS: Final = 120
"""On top of what the network itself leaves at a sentence's end."""
WARM_UP: Final = {"en": "Good day, this is the voice assistant.", "ru": "Добрый день, говорит голосовой помощник."}
_PIECE_MS: Final = 200


class PiperSynth:
    """The voices of one worker, loaded and warm."""

    def __init__(self, options: dict[str, str]) -> None:
        self._voices = {name: _load(Path(path)) for name, path in json.loads(options["voices"]).items()}
        self._gains: dict[str, float] = {}
        for name, voice in self._voices.items():
            # Without its noise, or each start of the process would give a voice another loudness, by up to 1 dB.
            self._gains[name] = gain_for(_render(voice, WARM_UP[name], noise=0.0), voice.config.sample_rate)

    def info(self) -> dict[str, object]:
        """Nothing is worth telling."""
        return {}

    def speak(self, text: str, voice: str, sink: Sink) -> None:
        """Speak; see `ivrbot.tts.worker_process.Synth`."""
        loaded = self._voices[voice]
        rate_hz = loaded.config.sample_rate
        piece_bytes = rate_hz * _PIECE_MS // 1000 * 2
        chain = TelephoneFilter(rate_hz, self._gains[voice])
        for number, sentence in enumerate(sentences(text, LONGEST_CHARACTERS)):
            pcm = _render(loaded, sentence)
            if number and pcm:
                pcm = silence(BETWEEN_SENTENCES_MS * rate_hz // 8000) + pcm
            for start in range(0, len(pcm), piece_bytes):
                if not sink(chain.feed(pcm[start : start + piece_bytes])):
                    return
        sink(chain.finish())


def _render(voice: Any, text: str, noise: float | None = None) -> bytes:
    """PCM16 at the voice's own rate, with its own noise by default."""
    from piper import SynthesisConfig

    how = SynthesisConfig(noise_scale=noise, noise_w_scale=0.0, normalize_audio=False)
    try:
        # Double brackets would hand what they hold to the network as sounds: this is text, whatever it holds.
        parts = [chunk.audio_float_array for chunk in voice.synthesize(text.replace("[", " ("), how)]
    # The library and the network's run time raise bare Exception and their own.
    except Exception as error:
        raise EngineBadOutput(f"piper failed: {type(error).__name__}") from error
    if not parts:
        return b""
    samples = np.concatenate(parts).astype(np.float32)
    if not np.isfinite(samples).all():
        raise EngineBadOutput("piper made no sound but numbers")
    return to_pcm(samples)


def _load(network: Path) -> Any:
    try:
        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig
    except ImportError as error:
        raise EngineUnavailable(
            f"{error.name} is not installed; run `pip install 'ivrbot[piper]'` (GPL-3)"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        config = PiperConfig.from_dict(json.loads(Path(f"{network}.json").read_text("utf-8")))
        session = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    # A damaged network raises exceptions of the run time's own, a damaged description any.
    except Exception as error:
        raise EngineUnavailable(f"{network} is no usable Piper voice ({type(error).__name__})") from error
    return PiperVoice(session=session, config=config)

"""pyttsx3 over espeak-ng inside the worker process.

Takes text, gives 8 kHz PCM16 through a sink, a whole text at once. The library comes from the package
espeakng-loader and is loaded beforehand under the name that pyttsx3 looks for. What is worked around:
`runAndWait` starts espeak-ng's own thread and returns before it has written the file (hence the event and
`Synchronize`); the engine keeps properties back until then, where a new voice and the rate run over each other and
now and then a process speaks at espeak-ng's own rate for its whole life (hence the driver's own `setProperty`, and
a wait for it); an unwritable path hangs (hence a folder of our own); an unknown voice silently becomes English
(hence the check); messages go to standard output (the worker's is /dev/null).
"""

from __future__ import annotations

import ctypes
import os
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.tts.loudness import TelephoneFilter, gain_for
from ivrbot.tts.worker_process import Sink

_WORDS_PER_MINUTE = 165
_WRITE_S = 8.0
_PIECE_BYTES = 8820  # 200 ms at espeak-ng's 22,050 Hz


class Pyttsx3Synth:
    """One espeak-ng (it cannot be initialised twice in a process), one job at a time."""

    def __init__(self, options: dict[str, str]) -> None:
        self._folder = Path(options["folder"])
        self._engine, self._set_property, self._synchronize = _load()
        self._written = threading.Event()
        self._engine.connect("finished-utterance", lambda name, completed: self._written.set())
        present = {str(voice.id) for voice in self._engine.getProperty("voices")}
        self._gains: dict[str, float] = {}
        for voice in options["voices"].split(","):
            if voice not in present:
                raise EngineUnavailable(f"espeak-ng has no voice {voice}")
            pcm, rate_hz = self._render("one two three four five", voice)
            self._gains[voice] = gain_for(pcm, rate_hz)

    def info(self) -> dict[str, object]:
        """Nothing is worth telling."""
        return {}

    def speak(self, text: str, voice: str, sink: Sink) -> None:
        """Speak; see `ivrbot.tts.worker_process.Synth`."""
        pcm, rate_hz = self._render(text, voice)
        chain = TelephoneFilter(rate_hz, self._gains[voice])
        for start in range(0, len(pcm), _PIECE_BYTES):
            if not sink(chain.feed(pcm[start : start + _PIECE_BYTES])):
                return
        sink(chain.finish())

    def _render(self, text: str, voice: str) -> tuple[bytes, int]:
        file = self._folder / "speech.wav"
        file.unlink(missing_ok=True)
        self._synchronize()
        self._set_property("voice", voice)
        self._set_property("rate", _WORDS_PER_MINUTE)
        self._synchronize()
        self._engine.save_to_file(text, str(file))
        self._written.clear()
        self._engine.runAndWait()
        # espeak-ng's thread tells us once the file is closed; `Synchronize` lets it come out of pyttsx3 altogether
        written = self._written.wait(_WRITE_S)
        self._synchronize()
        if not written or not file.is_file():
            raise EngineBadOutput("espeak-ng wrote no file")
        with wave.open(str(file), "rb") as wav:
            pcm, rate_hz = wav.readframes(wav.getnframes()), wav.getframerate()
        file.unlink()
        return pcm, rate_hz


def _load() -> tuple[Any, Callable[[str, object], None], Callable[[], object]]:
    try:
        import espeakng_loader
        import pyttsx3
    except ImportError as error:
        raise EngineUnavailable(f"{error.name} is not installed; it comes with ivrbot's dependencies") from error
    os.environ["ESPEAK_DATA_PATH"] = espeakng_loader.get_data_path()
    try:
        ctypes.CDLL(espeakng_loader.get_library_path() + ".1", mode=ctypes.RTLD_GLOBAL)
        engine = pyttsx3.init("espeak")
    except (OSError, RuntimeError) as error:
        raise EngineUnavailable(f"espeak-ng does not load: {error}") from error
    from pyttsx3.drivers import _espeak
    from pyttsx3.drivers.espeak import EspeakDriver

    return engine, EspeakDriver.setProperty, _espeak.Synchronize

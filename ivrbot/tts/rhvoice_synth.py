"""RHVoice inside the worker process: levelled telephone sound from plain text.

Takes options (root, voices to warm up, tempo), gives 8 kHz PCM16 through a sink.
"""

from __future__ import annotations

from pathlib import Path

from ivrbot.tts.loudness import TelephoneFilter, gain_for
from ivrbot.tts.rhvoice_library import RhvoiceLibrary, find_installation
from ivrbot.tts.worker_process import Sink

_SAMPLE = {"ru": "Добрый день, говорит голосовой помощник.", "en": "Good day, this is the voice assistant."}


class RhvoiceSynth:
    """One library, one engine, one job at a time."""

    def __init__(self, options: dict[str, str]) -> None:
        installation = find_installation(Path(options["root"]) if options.get("root") else None)
        self._voices = installation.voices()
        self._library = RhvoiceLibrary(installation)
        self._tempo = float(options.get("tempo", "1"))
        self._gains: dict[str, float] = {}
        for voice in options["voices"].split(","):
            self._gain(voice)

    def info(self) -> dict[str, object]:
        """Version of the library."""
        return {"version": self._library.version}

    def speak(self, text: str, voice: str, sink: Sink) -> None:
        """Speak; see `ivrbot.tts.worker_process.Synth`."""
        gain = self._gain(voice)
        chain: list[TelephoneFilter] = []

        def take(pcm: bytes) -> bool:
            if not chain:  # the rate is known with the first samples
                chain.append(TelephoneFilter(self._library.rate_hz, gain))
            return sink(chain[0].feed(pcm))

        self._library.speak(text, voice, take, self._tempo)
        if chain:
            sink(chain[0].finish())

    def _gain(self, voice: str) -> float:
        """Measured once for each voice; the measurement is the warm-up too."""
        if voice not in self._gains:
            parts: list[bytes] = []

            def take(pcm: bytes) -> bool:
                parts.append(pcm)
                return True

            self._library.speak(_SAMPLE[self._voices.get(voice, "ru")], voice, take)
            self._gains[voice] = gain_for(b"".join(parts), self._library.rate_hz)
        return self._gains[voice]

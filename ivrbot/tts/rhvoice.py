"""RHVoice behind the TTS port: Russian and English, streaming, about 0.02 CPU seconds per second of speech.

Takes text, gives 8 kHz PCM16 in stretches of about 100 ms. The library runs in a process of its own
(`ivrbot.tts.worker`), which a crash or a time-out replaces. Text is always plain text, never SSML.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from pathlib import Path

from ivrbot.errors import EngineUnavailable
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.tts.rhvoice_library import find_installation
from ivrbot.tts.worker import SpeechWorker


class RhvoiceEngine:
    """Live speech by RHVoice.

    Args:
        voice_ru: Russian voice ("aleksandr", "irina", "anna", "elena", ...).
        voice_en: English voice ("slt", "bdl", "alan", ...).
        root: an unpacked root to use instead of the system's copy; None searches.
        tempo: relative speed of speech.
        stall_s: time without a sound after which the process is replaced.
        languages: those to be spoken; the others need no voice.
    """

    def __init__(
        self,
        voice_ru: str = "aleksandr",
        voice_en: str = "slt",
        root: Path | None = None,
        tempo: float = 1.0,
        stall_s: float = 10.0,
        languages: Collection[Language] = LANGUAGES,
    ) -> None:
        voices: dict[Language, str] = {"ru": voice_ru.lower(), "en": voice_en.lower()}
        self._voices = {language: voice for language, voice in voices.items() if language in languages}
        self._root = root
        options = {
            "root": str(root) if root else "",
            "voices": ",".join(self._voices.values()),
            "tempo": str(tempo),
        }
        self._worker = SpeechWorker("rhvoice", options, stall_s=stall_s)
        self.version = ""

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return "rhvoice"

    @property
    def cpu_s(self) -> float:
        """Processor time spent on finished texts."""
        return self._worker.cpu_s

    @property
    def pid(self) -> int | None:
        """Process id of the worker."""
        return self._worker.pid

    def voice(self, language: Language) -> str:
        """Voice of a language."""
        return self._voices[language]

    async def start(self) -> None:
        """Check that library and voices are there, start the process, warm the voices up.

        Raises:
            EngineUnavailable: something is missing; says which packages to install.
        """
        present = find_installation(self._root).voices()
        for language, voice in self._voices.items():
            if present.get(voice) != language:
                there = ", ".join(sorted(name for name, spoken in present.items() if spoken == language))
                raise EngineUnavailable(f"RHVoice has no {language} voice {voice}; there are: {there or 'none'}")
        self.version = str((await self._worker.start()).get("version", ""))

    def languages(self) -> frozenset[Language]:
        """Russian and English, or one of them."""
        return frozenset(self._voices)

    def stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
        """Speak; gives 8 kHz PCM16 as it is made.

        Raises:
            EngineBadOutput: nothing to say, text too long, or words were left out (an English voice given Russian
                gives no sound and no error: only the length tells).
            EngineUnavailable: the process died.
            EngineTimeout: no sound in time.
        """
        return self._worker.speak_whole(text, self._voices[language])

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()

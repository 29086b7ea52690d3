"""pyttsx3 over espeak-ng behind the TTS port: always there, since it comes with the dependencies.

Takes text, gives 8 kHz PCM16. English is understood on the telephone; Russian is not (94 % word errors against
13-26 % by RHVoice, read by Whisper base), so Russian is only spoken where somebody explicitly chose it, and
figures never (`ivrbot.tts.voice`).
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from ivrbot.errors import EngineBadOutput
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Language
from ivrbot.tts.worker import SpeechWorker

_VOICES: dict[Language, str] = {"en": "gmw/en-us", "ru": "zle/ru"}


class Pyttsx3Engine:
    """Live speech by pyttsx3.

    Args:
        allow_russian: somebody chose this engine although its Russian is hardly understood.
        stall_s: time without a sound after which the process is replaced.
    """

    def __init__(self, allow_russian: bool = False, stall_s: float = 10.0) -> None:
        self._languages: frozenset[Language] = frozenset({"en", "ru"} if allow_russian else {"en"})
        self._folder = Path(tempfile.gettempdir(), f"ivrbot-tts-{secrets.token_hex(8)}")
        options = {
            "voices": ",".join(_VOICES[name] for name in sorted(self._languages)),
            "folder": str(self._folder),
        }
        self._worker = SpeechWorker("pyttsx3", options, stall_s=stall_s)

    @property
    def name(self) -> str:
        """Name for events and metrics."""
        return "pyttsx3"

    @property
    def cpu_s(self) -> float:
        """Processor time spent on finished texts."""
        return self._worker.cpu_s

    @property
    def pid(self) -> int | None:
        """Process id of the worker."""
        return self._worker.pid

    async def start(self) -> None:
        """Start the process and warm it up.

        Raises:
            EngineUnavailable: the library does not load.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        await self._worker.start()

    def languages(self) -> frozenset[Language]:
        """English; Russian only where it was explicitly allowed."""
        return self._languages

    def stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
        """Speak; gives 8 kHz PCM16.

        Raises:
            EngineBadOutput: nothing to say, text too long, a language that is not allowed, or words left out.
            EngineUnavailable: the process died.
            EngineTimeout: no sound in time.
        """
        if language not in self._languages:
            raise EngineBadOutput(f"pyttsx3 is not understood in language {language}")
        return self._worker.speak_whole(text, _VOICES[language])

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()
        shutil.rmtree(self._folder, ignore_errors=True)

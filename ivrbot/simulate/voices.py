"""Voices of simulated callers: others than the bot's own, and only those that are installed.

Takes settings, gives telephone sound. Russian needs RHVoice; English is spoken by pyttsx3 where there is none.
"""

from __future__ import annotations

import asyncio
from typing import Final

from ivrbot.config import Settings
from ivrbot.errors import EngineUnavailable, MissingError
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Language
from ivrbot.ports import TtsEngine
from ivrbot.simulate.persona import Persona
from ivrbot.tts.loudness import trim
from ivrbot.tts.measure import speak_to_pcm
from ivrbot.tts.pyttsx3_engine import Pyttsx3Engine
from ivrbot.tts.rhvoice import RhvoiceEngine

VOICES: Final[dict[Language, tuple[str, ...]]] = {"ru": ("anna", "elena", "irina"), "en": ("clb", "bdl", "alan")}
"""Of RHVoice, by how usual they are; a caller has always the same."""
INSTALL: Final = "Install RHVoice with a Russian voice (see docs/how-to/choose-speech-engines.md), or use --text."


class Voices:
    """Engines, started when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engines: dict[str, TtsEngine | None] = {}
        self._starting = asyncio.Lock()

    async def speak(self, persona: Persona, text: str) -> Pcm:
        """What a caller says, as 8 kHz PCM16 without silence at its ends.

        Raises:
            MissingError: no voice speaks his language.
            EngineError: no sound could be made.
        """
        engine = await self._engine(persona)
        return trim((await speak_to_pcm(engine, text, persona.language)).pcm)

    async def close(self) -> None:
        """End all engines."""
        for engine in self._engines.values():
            if engine is not None:
                await engine.close()

    async def _engine(self, persona: Persona) -> TtsEngine:
        names = VOICES[persona.language]
        wished = names[persona.number % len(names)]
        for name in (wished, *names):
            engine = await self._started(persona.language, name)
            if engine is not None:
                return engine
        engine = await self._started(persona.language, "pyttsx3") if persona.language == "en" else None
        if engine is None:
            raise MissingError(f"no voice for callers in {persona.language!r} is installed", INSTALL)
        return engine

    async def _started(self, language: Language, name: str) -> TtsEngine | None:
        async with self._starting:
            if name not in self._engines:
                engine = self._new(language, name)
                try:
                    await engine.start()
                except EngineUnavailable:
                    await engine.close()
                    self._engines[name] = None
                else:
                    self._engines[name] = engine
            return self._engines[name]

    def _new(self, language: Language, name: str) -> TtsEngine:
        if name == "pyttsx3":
            return Pyttsx3Engine()
        root = self._settings.tts.rhvoice_dir
        if language == "en":
            return RhvoiceEngine(voice_en=name, root=root)
        return RhvoiceEngine(voice_ru=name, root=root)

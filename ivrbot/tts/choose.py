"""Several live voices as one: each language is spoken by the engine that the settings chose for it.

Takes started engines by language, gives one engine that sends every text to its language's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from ivrbot.errors import EngineBadOutput
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Language
from ivrbot.ports import TtsEngine
from ivrbot.tts.measure import CountsCpu


class VoicesByLanguage:
    """See `ivrbot.ports.TtsEngine`."""

    def __init__(self, engines: Mapping[Language, TtsEngine]) -> None:
        self._engines = dict(engines)

    @property
    def name(self) -> str:
        """Names of all engines."""
        return "+".join(sorted({engine.name for engine in self._engines.values()}))

    @property
    def engines(self) -> Mapping[Language, TtsEngine]:
        """Who speaks which language."""
        return dict(self._engines)

    @property
    def cpu_s(self) -> float:
        """Processor time of all finished texts, of those engines that count it."""
        return sum(engine.cpu_s for engine in self._each() if isinstance(engine, CountsCpu))

    async def start(self) -> None:
        """Start every engine.

        Raises:
            EngineUnavailable: one does not start.
        """
        for engine in self._each():
            await engine.start()

    def languages(self) -> frozenset[Language]:
        """Those that have an engine."""
        return frozenset(self._engines)

    async def stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
        """Speak by the language's engine.

        Raises:
            EngineError: nobody speaks that language, or its engine failed.
        """
        engine = self._engines.get(language)
        if engine is None:
            raise EngineBadOutput(f"no live voice for {language}")
        async for pcm in engine.stream(text, language):
            yield pcm

    async def close(self) -> None:
        """End every engine."""
        for engine in self._each():
            await engine.close()

    def _each(self) -> tuple[TtsEngine, ...]:
        return tuple({id(engine): engine for engine in self._engines.values()}.values())


def name_for(engine: TtsEngine, language: Language) -> str:
    """Who really speaks a language."""
    if isinstance(engine, VoicesByLanguage):
        engine = engine.engines[language]
    return engine.name

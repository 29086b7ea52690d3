"""A voice without a library: a tone as long as the text would take, or a scripted failure."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np

from ivrbot.errors import EngineUnavailable
from ivrbot.model.audio import SAMPLE_RATE_HZ, Pcm
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.tts.text import speakable

MS_PER_LETTER = 60
CHUNK_BYTES = 1600


def tone(text: str) -> Pcm:
    """The fake's sound of a text; texts that differ in length sound different."""
    letters = max(1, sum(c.isalnum() for c in text))
    t = np.arange(letters * MS_PER_LETTER * SAMPLE_RATE_HZ // 1000) / SAMPLE_RATE_HZ
    return Pcm((8000 * np.sin(2 * np.pi * (400 + 7 * letters) * t)).astype("<i2").tobytes())


class FakeTts:
    """Speaks at once. `failure` is raised after `fails_after` chunks; `spoken` holds what was asked for."""

    def __init__(self, languages: frozenset[Language] = frozenset(LANGUAGES), name: str = "fake") -> None:
        self._languages = languages
        self._name = name
        self._closed = False
        self.failure: Exception | None = None
        self.fails_after = 0
        self.spoken: list[tuple[str, Language]] = []

    @property
    def name(self) -> str:
        return self._name

    async def start(self) -> None:
        if self._closed:
            raise EngineUnavailable("closed")

    def languages(self) -> frozenset[Language]:
        return self._languages

    async def stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
        if self._closed:
            raise EngineUnavailable("closed")
        cleaned = speakable(text)
        self.spoken.append((cleaned, language))
        sound = tone(cleaned)
        for index, start in enumerate(range(0, len(sound), CHUNK_BYTES)):
            if self.failure is not None and index == self.fails_after:
                raise self.failure
            yield Pcm(sound[start : start + CHUNK_BYTES])

    async def close(self) -> None:
        self._closed = True

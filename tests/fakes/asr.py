"""A recogniser that hears by loudness: as many words as the sound is long, or the texts that a test gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ivrbot.errors import EngineError, EngineUnavailable
from ivrbot.media.level import rms_dbfs
from ivrbot.model.audio import Pcm, duration_ms
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript

AUDIBLE_DBFS = -50.0
WORD_MS = 400


class FakeAsr:
    """Engine whose utterances read as the given texts in turn, then as counted words.

    Attributes:
        failures: errors that the next decodes raise, in turn.
        opened: (language, expectation) of every utterance.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = list(texts)
        self.failures: list[EngineError] = []
        self.opened: list[tuple[Language, Expect]] = []
        self._running = False

    @property
    def name(self) -> str:
        return "fake"

    async def start(self) -> None:
        self._running = True

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> FakeAsrStream:
        if not self._running:
            raise EngineUnavailable("fake is not started")
        self.opened.append((language, expect))
        return FakeAsrStream(self, self._texts.pop(0) if self._texts else None, on_partial)

    async def close(self) -> None:
        self._running = False

    @property
    def running(self) -> bool:
        return self._running


class FakeAsrStream:
    def __init__(self, engine: FakeAsr, text: str | None, on_partial: Callable[[Partial], None]) -> None:
        self._engine = engine
        self._text = text
        self._on_partial = on_partial
        self._sound = bytearray()
        self._shown = ""
        self._closed = False

    def feed(self, pcm: Pcm) -> None:
        if self._closed:
            return
        self._sound += pcm
        words = self._heard().split()
        if len(words) > len(self._shown.split()) + 1:
            self._shown = " ".join(words[:-1])
            self._on_partial(Partial(duration_ms(bytes(self._sound)), self._shown))

    async def decode(self) -> Transcript:
        if self._closed or not self._engine.running:
            raise EngineUnavailable("the utterance is closed")
        if self._engine.failures:
            raise self._engine.failures.pop(0)
        text = self._heard() if self._text is None else self._text
        hypotheses = (Hypothesis(text),) if text and self._heard() else ()
        return Transcript(hypotheses, self._engine.name, duration_ms(bytes(self._sound)))

    def close(self) -> None:
        self._closed = True

    def _heard(self) -> str:
        if rms_dbfs(bytes(self._sound)) < AUDIBLE_DBFS:
            return ""
        words = 1 + duration_ms(bytes(self._sound)) // WORD_MS
        return " ".join(f"word{number}" for number in range(words))

"""Whether recognition works, told by what it does for the calls: no probe, no counter of a metric.

Takes an engine and every decode that a call waited for; gives "it fails" after a row of failures of one language,
until a decode succeeds or a rest has passed, after which callers find out whether it has recovered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ivrbot.errors import EngineError
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Expect, Language, Partial, Transcript
from ivrbot.ports import AsrEngine, AsrStream, Guessing

FAILURES: Final = 3
"""In a row, over all calls of a language: one may be a bad moment, and a call gives up after its second."""

REST_S: Final = 30.0
"""How long after the last failure nobody is sent to a recogniser that fails; then the next caller tries it."""


@dataclass(slots=True)
class _Row:
    """Failures in a row, and when the last one was (monotonic seconds)."""

    failures: int = 0
    last_s: float = 0.0


class AsrWatch:
    """Recognisers by language, watched.

    Args:
        hearing: recogniser of a language.
        clock_s: monotonic seconds.
    """

    def __init__(self, hearing: Callable[[Language], AsrEngine], clock_s: Callable[[], float]) -> None:
        self._hearing = hearing
        self._clock_s = clock_s
        self._rows: dict[Language, _Row] = {}

    def hearing(self, language: Language) -> AsrEngine:
        """The recogniser of a language, watched."""
        return _Watched(self._hearing(language), self)

    @property
    def down(self) -> bool:
        """Whether some language is not recognised now."""
        now_s = self._clock_s()
        return any(row.failures >= FAILURES and now_s - row.last_s < REST_S for row in self._rows.values())

    def note(self, language: Language, *, failed: bool) -> None:
        """Learn how a decode that somebody waited for has ended."""
        row = self._rows.setdefault(language, _Row())
        row.failures = row.failures + 1 if failed else 0
        row.last_s = self._clock_s()


class _Watched:
    """See `ivrbot.ports.AsrEngine`."""

    def __init__(self, engine: AsrEngine, watch: AsrWatch) -> None:
        self._engine = engine
        self._watch = watch

    @property
    def name(self) -> str:
        return self._engine.name

    async def start(self) -> None:
        await self._engine.start()

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> AsrStream:
        try:
            stream = self._engine.open(language, expect, on_partial)
        except EngineError:
            self._watch.note(language, failed=True)
            raise
        return _WatchedStream(stream, language, self._watch)

    async def close(self) -> None:
        await self._engine.close()


class _WatchedStream:
    """See `ivrbot.ports.AsrStream`."""

    def __init__(self, stream: AsrStream, language: Language, watch: AsrWatch) -> None:
        self._stream = stream
        self._language = language
        self._watch = watch
        self._asked = 0
        self._closed = False

    def feed(self, pcm: Pcm) -> None:
        self._stream.feed(pcm)

    def may_guess(self) -> bool:
        return isinstance(self._stream, Guessing) and self._stream.may_guess()

    async def guess(self) -> Transcript:
        assert isinstance(self._stream, Guessing)
        return await self._stream.guess()

    async def decode(self) -> Transcript:
        self._asked += 1
        number = self._asked
        try:
            transcript = await self._stream.decode()
        except Exception:
            # One that a newer decode or the end of the utterance has overtaken says nothing about the engine.
            if number == self._asked and not self._closed:
                self._watch.note(self._language, failed=True)
            raise
        self._watch.note(self._language, failed=False)
        return transcript

    def close(self) -> None:
        self._closed = True
        self._stream.close()

"""The bot's mouth: every piece of an utterance from a recording, else from a live engine fit for it.

Takes utterances, gives 8 kHz PCM16 phrase by phrase with natural pauses between pieces. Pieces that need a live
engine are spoken before the first sound leaves, so that an engine's failure never cuts a sentence in half. An
engine that hangs or has died is left alone for a while: nobody else waits for it, and what it would say goes to an
operator.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Final

from ivrbot.errors import EngineBadOutput, EngineError, EngineTimeout, EngineUnavailable
from ivrbot.language.verbalise import say_digits
from ivrbot.model.audio import Pcm, duration_ms, silence
from ivrbot.model.dialogue import Piece, Utterance
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.ports import TtsEngine
from ivrbot.tts.choose import name_for
from ivrbot.tts.loudness import trim
from ivrbot.tts.prompts import PromptStore
from ivrbot.tts.text import is_pronounceable, most_ms, pause_between_ms

WITHIN_NUMBER_MS: Final = 30
"""Between the words of a number, on top of the recordings' own margins; with more, a number falls apart."""
BETWEEN_DIGITS_MS: Final = 80
"""Between the digits of a code: with less, some run together."""
BEFORE_VALUE_MS: Final = 70
"""Between running text and a value."""
AFTER_VALUE_MS: Final = 160
"""Between a value and running text: the pause of a comma, so that the value stands by itself."""
BETWEEN_PHRASES_MS: Final = 120
"""Between two pieces of running text."""

PATIENCE_S: Final = 4.0
"""For the next stretch of live sound; a caller meanwhile hears that something is being done."""
REST_S: Final = 20.0
"""How long after a failure nobody's sentence is given to the live engine."""

_NOT_FOR_FIGURES: Final = frozenset({("pyttsx3", "ru")})
"""Engines whose figures are not understood on the telephone: amounts and digits go to an operator instead."""

_DIGITS: Final[dict[Language, frozenset[str]]] = {
    language: frozenset(say_digits("0123456789", language)) for language in LANGUAGES
}


class BankVoice:
    """`ivrbot.ports.Voice` over prompt stores and at most one live engine.

    Args:
        stores: recordings by language; a language may lack.
        engine: started live engine, or None.
        clock_s: monotonic seconds.
    """

    def __init__(
        self,
        stores: Mapping[Language, PromptStore],
        engine: TtsEngine | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stores = dict(stores)
        self._engine = engine
        self._clock_s = clock_s
        self._rests_until_s: dict[Language, float] = {}

    def can_speak(self, utterance: Utterance) -> bool:
        """Whether every piece has a recording or an engine fit to speak it."""
        return all(
            self._recorded(piece, utterance.language) or self._live(piece, utterance.language)
            for piece in utterance.pieces
            if is_pronounceable(piece.text)
        )

    async def speak(self, utterance: Utterance) -> AsyncIterator[Pcm]:
        """Sound of the utterance, piece by piece.

        Raises:
            EngineUnavailable: a piece has neither a recording nor an engine fit to speak it.
            EngineError: the live engine failed.
        """
        language = utterance.language
        pieces = [piece for piece in utterance.pieces if is_pronounceable(piece.text)]
        for piece in pieces:
            if not self._recorded(piece, language) and not self._live(piece, language):
                raise EngineUnavailable(f"no recording and no engine for a {piece.kind} piece in {language}")
        if len(pieces) == 1 and not self._recorded(pieces[0], language):
            async for pcm in self._engine_stream(pieces[0].text, language):
                yield pcm
            return
        sounds = [await self._sound(piece, language) for piece in pieces]
        for index, (piece, sound) in enumerate(zip(pieces, sounds, strict=True)):
            if index:
                yield silence(_pause_ms(pieces[index - 1], piece, language))
            yield sound

    def _recorded(self, piece: Piece, language: Language) -> bool:
        store = self._stores.get(language)
        return store is not None and piece.text in store

    def _live(self, piece: Piece, language: Language) -> bool:
        if self._engine is None or language not in self._engine.languages():
            return False
        if self._clock_s() < self._rests_until_s.get(language, 0.0):
            return False
        figures = piece.kind == "fragment" or any(c.isdigit() for c in piece.text)
        return not (figures and (name_for(self._engine, language), language) in _NOT_FOR_FIGURES)

    async def _sound(self, piece: Piece, language: Language) -> Pcm:
        store = self._stores.get(language)
        recorded = store.find(piece.text) if store is not None else None
        if recorded is not None:
            return recorded
        return trim(Pcm(b"".join([pcm async for pcm in self._engine_stream(piece.text, language)])))

    async def _engine_stream(self, text: str, language: Language) -> AsyncIterator[Pcm]:
        """Live sound, as long as it comes and ends."""
        assert self._engine is not None
        stream = aiter(self._engine.stream(text, language))
        made_ms = 0
        try:
            while True:
                async with asyncio.timeout(PATIENCE_S):
                    pcm = await anext(stream, None)
                if pcm is None:
                    return
                made_ms += duration_ms(pcm)
                if made_ms > most_ms(text):
                    raise EngineBadOutput(f"the live voice does not stop: {made_ms} ms for {len(text)} characters")
                yield pcm
        except EngineBadOutput:
            raise  # that was this text; the next may well be spoken
        except Exception as error:
            self._rests_until_s[language] = self._clock_s() + REST_S
            if isinstance(error, EngineError):
                raise
            if isinstance(error, TimeoutError):
                raise EngineTimeout(f"no live sound for {PATIENCE_S:g} s") from error
            raise EngineBadOutput(f"the live voice broke ({type(error).__name__})") from error
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()


def _pause_ms(left: Piece, right: Piece, language: Language) -> int:
    kinds = {left.kind, right.kind}
    if kinds == {"fragment"}:
        digits = _DIGITS[language]
        within_ms = BETWEEN_DIGITS_MS if {left.text, right.text} <= digits else WITHIN_NUMBER_MS
    elif "fragment" in kinds:
        within_ms = AFTER_VALUE_MS if left.kind == "fragment" else BEFORE_VALUE_MS
    else:
        within_ms = BETWEEN_PHRASES_MS
    return pause_between_ms(left.text, right.text, within_ms)

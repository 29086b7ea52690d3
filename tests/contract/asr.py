"""What every recogniser promises; engines' tests inherit `AsrContract`, provide `engine`, `language`, `speech`."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ivrbot.errors import EngineError
from ivrbot.model.audio import FRAME_BYTES, Pcm, duration_ms, silence
from ivrbot.model.speech import Expect, Language, Partial
from ivrbot.ports import AsrEngine


def ignore(_: Partial) -> None:
    pass


class AsrContract:
    """Inherit and provide fixtures `engine` (started), `language`, and `speech` (two or more words in it)."""

    async def test_hears_speech(self, engine: AsrEngine, language: Language, speech: Pcm) -> None:
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(speech)
        transcript = await stream.decode()
        stream.close()
        assert transcript.text.strip()
        assert transcript.text == transcript.hypotheses[0].text
        assert transcript.engine == engine.name
        assert transcript.audio_ms == duration_ms(speech)
        assert all(0.0 <= one.confidence <= 1.0 for one in transcript.hypotheses)

    @pytest.mark.parametrize("length_ms", [0, 20, 90, 1500])
    async def test_hears_nothing_in_silence(self, engine: AsrEngine, language: Language, length_ms: int) -> None:
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(silence(length_ms))
        transcript = await stream.decode()
        stream.close()
        assert transcript.hypotheses == ()
        assert transcript.text == ""
        assert transcript.audio_ms == length_ms

    async def test_same_sound_same_reading(self, engine: AsrEngine, language: Language, speech: Pcm) -> None:
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(speech)
        assert await stream.decode() == await stream.decode()
        stream.close()

    async def test_reads_on_after_a_decode(self, engine: AsrEngine, language: Language, speech: Pcm) -> None:
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(speech)
        first = await stream.decode()
        stream.feed(silence(300))
        # Who says the very same twice may be read once.
        half = Pcm(speech[: len(speech) // 2 // FRAME_BYTES * FRAME_BYTES])
        stream.feed(half)
        second = await stream.decode()
        stream.close()
        assert second.audio_ms == first.audio_ms + 300 + duration_ms(half)
        assert len(second.text.split()) > len(first.text.split())

    @pytest.mark.parametrize("expect", list(Expect))
    async def test_best_reading_first_and_none_twice(
        self, engine: AsrEngine, language: Language, speech: Pcm, expect: Expect
    ) -> None:
        stream = engine.open(language, expect, ignore)
        stream.feed(speech)
        hypotheses = (await stream.decode()).hypotheses
        stream.close()
        confidences = [one.confidence for one in hypotheses]
        assert confidences == sorted(confidences, reverse=True)
        assert len({one.text for one in hypotheses}) == len(hypotheses) > 0

    async def test_partials_come_on_the_loop_in_order(
        self, engine: AsrEngine, language: Language, speech: Pcm
    ) -> None:
        partials: list[Partial] = []
        threads = set()

        def on_partial(partial: Partial) -> None:
            threads.add(threading.get_ident())
            partials.append(partial)

        stream = engine.open(language, Expect.OPEN, on_partial)
        for start in range(0, len(speech), FRAME_BYTES):
            stream.feed(Pcm(speech[start : start + FRAME_BYTES]))
            await asyncio.sleep(0.002)
        await stream.decode()
        stream.close()
        times = [partial.t_ms for partial in partials]
        assert times == sorted(times)
        assert all(0 < t_ms <= duration_ms(speech) for t_ms in times)
        assert all(partial.text.strip() for partial in partials)
        assert threads <= {threading.get_ident()}

    async def test_utterances_at_once_do_not_mix(self, engine: AsrEngine, language: Language, speech: Pcm) -> None:
        half = Pcm(speech[: len(speech) // 2 // FRAME_BYTES * FRAME_BYTES])
        sounds = [speech, half, silence(500), speech]

        async def read(sound: Pcm) -> str:
            stream = engine.open(language, Expect.OPEN, ignore)
            stream.feed(sound)
            text = (await stream.decode()).text
            stream.close()
            return text

        alone = [await read(sound) for sound in sounds]
        together = await asyncio.gather(*(read(sound) for sound in sounds))
        # Vosk adapts to the channel as it listens: the same sound may read a little differently next time.
        assert [bool(text) for text in together] == [bool(text) for text in alone] == [True, True, False, True]

    async def test_a_cancelled_decode_loses_nothing(
        self, engine: AsrEngine, language: Language, speech: Pcm
    ) -> None:
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(speech)
        speculative = asyncio.create_task(stream.decode())
        await asyncio.sleep(0)
        speculative.cancel()
        assert (await asyncio.gather(speculative, return_exceptions=True))[0] is not None
        assert (await stream.decode()).text.strip()
        stream.close()

    async def test_speech_that_comes_while_a_decode_runs_is_in_the_next_one(
        self, engine: AsrEngine, language: Language, speech: Pcm
    ) -> None:
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(speech)
        first = await stream.decode()
        stream.feed(silence(60))
        running = asyncio.create_task(stream.decode())
        await asyncio.sleep(0)
        stream.feed(speech)
        assert (await running).audio_ms == first.audio_ms + 60
        second = await stream.decode()
        stream.close()
        assert second.audio_ms == 2 * first.audio_ms + 60
        assert len(second.text.split()) > len(first.text.split())

    async def test_closed_utterance(self, engine: AsrEngine, language: Language, speech: Pcm) -> None:
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(speech)
        stream.close()
        stream.close()
        stream.feed(speech)
        with pytest.raises(EngineError):
            await stream.decode()

    async def test_closed_in_the_middle_of_a_decode(
        self, engine: AsrEngine, language: Language, speech: Pcm
    ) -> None:
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(speech)
        decoding = asyncio.create_task(stream.decode())
        await asyncio.sleep(0)
        stream.close()
        [outcome] = await asyncio.gather(decoding, return_exceptions=True)
        assert isinstance(outcome, EngineError) or getattr(outcome, "engine", "") == engine.name
        after = engine.open(language, Expect.OPEN, ignore)
        after.feed(speech)
        assert (await after.decode()).text.strip()
        after.close()

    async def test_closed_engine_and_started_again(
        self, engine: AsrEngine, language: Language, speech: Pcm
    ) -> None:
        await engine.close()
        await engine.close()
        with pytest.raises(EngineError):
            stream = engine.open(language, Expect.OPEN, ignore)
            stream.feed(speech)
            await stream.decode()
        await engine.start()
        stream = engine.open(language, Expect.OPEN, ignore)
        stream.feed(speech)
        assert (await stream.decode()).text.strip()
        stream.close()

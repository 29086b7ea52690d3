"""What every speech engine promises: an engine's test class inherits `TtsContract` and provides `engine`."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from ivrbot.errors import EngineBadOutput, EngineUnavailable
from ivrbot.model.audio import SAMPLE_BYTES, Pcm, duration_ms
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.ports import TtsEngine
from ivrbot.tts.loudness import active_dbfs, to_samples

SENTENCES: dict[Language, str] = {
    "ru": "Карта заблокирована, новая будет готова через пять дней.",
    "en": "The card is blocked, a new one will be ready in five days.",
}
MARKUP = {
    "ru": "<speak><break time='9s'/>Привет &amp; пока</speak> [[h@'loU]]",
    "en": "<speak><break time='9s'/>Hello &amp; goodbye</speak> [[h@'loU]]",
}


async def spoken(engine: TtsEngine, text: str, language: Language) -> Pcm:
    return Pcm(b"".join([pcm async for pcm in engine.stream(text, language)]))


def one_language(engine: TtsEngine) -> Language:
    return sorted(engine.languages())[0]


def pid_of(engine: TtsEngine) -> int:
    pid = getattr(engine, "pid", None)
    assert isinstance(pid, int), "the engine's process is not running"
    return pid


def alike(left: Pcm, right: Pcm) -> bool:
    """Whether two sounds are the same but for the noise that synthesisers mix into voices."""
    longer = max(len(left), len(right))
    levels = (active_dbfs(to_samples(pcm)) for pcm in (left, right))
    return abs(len(left) - len(right)) <= 0.02 * longer and abs(next(levels) - next(levels)) < 1


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


class TtsContract:
    async def test_has_a_name_and_speaks_known_languages(self, engine: TtsEngine) -> None:
        assert engine.name
        assert engine.languages()
        assert engine.languages() <= set(LANGUAGES)

    async def test_sentence_gives_telephone_sound_of_credible_length(self, engine: TtsEngine) -> None:
        for language in sorted(engine.languages()):
            pcm = await spoken(engine, SENTENCES[language], language)
            assert len(pcm) % SAMPLE_BYTES == 0
            assert 2000 <= duration_ms(pcm) <= 9000
            assert -30 <= active_dbfs(to_samples(pcm)) <= -10

    async def test_every_chunk_is_whole_samples(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        chunks = [pcm async for pcm in engine.stream(SENTENCES[language], language)]
        assert chunks
        assert all(chunk and len(chunk) % SAMPLE_BYTES == 0 for chunk in chunks)

    async def test_same_text_sounds_the_same(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        first = await spoken(engine, SENTENCES[language], language)
        assert alike(await spoken(engine, SENTENCES[language], language), first)

    @pytest.mark.parametrize("text", ["", "  \n", "...", "\x00\x01", "\u200b"])
    async def test_nothing_to_say_is_an_error(self, engine: TtsEngine, text: str) -> None:
        with pytest.raises(EngineBadOutput):
            await spoken(engine, text, one_language(engine))

    async def test_long_text_is_spoken_to_its_end(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        one = duration_ms(await spoken(engine, SENTENCES[language], language))
        ten = duration_ms(await spoken(engine, " ".join([SENTENCES[language]] * 10), language))
        assert 7 * one <= ten <= 13 * one

    async def test_endless_text_is_refused(self, engine: TtsEngine) -> None:
        with pytest.raises(EngineBadOutput):
            await spoken(engine, "a " * 5000, one_language(engine))

    async def test_markup_is_only_text(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        pcm = await spoken(engine, MARKUP[language], language)
        loud = loud_share(pcm)
        assert loud > 0.3, "a nine-second break was obeyed"
        assert duration_ms(pcm) > 1000

    async def test_control_characters_do_not_disturb(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        text = SENTENCES[language]
        disturbed = text.replace(" ", " \x01\x1b\x00", 1)
        assert alike(await spoken(engine, disturbed, language), await spoken(engine, text, language))

    async def test_requests_at_once_do_not_mix(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        alone = await spoken(engine, SENTENCES[language], language)
        together = await asyncio.gather(*(spoken(engine, SENTENCES[language], language) for _ in range(4)))
        assert all(alike(pcm, alone) for pcm in together)

    async def test_leaving_early_leaves_the_engine_usable(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        whole = await spoken(engine, SENTENCES[language], language)
        stream = engine.stream(" ".join([SENTENCES[language]] * 20), language)
        assert await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        assert alike(await spoken(engine, SENTENCES[language], language), whole)

    async def test_slow_listener_does_not_block_the_others(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        slow = engine.stream(" ".join([SENTENCES[language]] * 20), language)
        assert await anext(slow)
        assert await spoken(engine, SENTENCES[language], language)
        await slow.aclose()  # type: ignore[attr-defined]

    async def test_close_leaves_no_process_and_refuses_work(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        pid = getattr(engine, "pid", None)
        await engine.close()
        await engine.close()
        assert pid is None or not is_running(pid)
        with pytest.raises(EngineUnavailable):
            await spoken(engine, SENTENCES[language], language)


class TtsProcessContract(TtsContract):
    """What engines promise besides that run in a process of their own."""

    async def test_killed_worker_is_replaced(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        before = await spoken(engine, SENTENCES[language], language)
        os.kill(pid_of(engine), signal.SIGKILL)
        assert alike(await spoken(engine, SENTENCES[language], language), before)

    async def test_killed_in_mid_sentence_says_so_and_the_next_is_spoken(self, engine: TtsEngine) -> None:
        language = one_language(engine)
        stream = engine.stream(" ".join([SENTENCES[language]] * 40), language)
        assert await anext(stream)
        os.kill(pid_of(engine), signal.SIGKILL)
        with pytest.raises(EngineUnavailable, match="died while it spoke"):
            while await anext(stream, None):
                pass
        assert await spoken(engine, SENTENCES[language], language)


def loud_share(pcm: Pcm) -> float:
    """Share of the sound's samples that are not near silence."""
    samples = abs(to_samples(pcm))
    return float((samples > 0.01).mean())

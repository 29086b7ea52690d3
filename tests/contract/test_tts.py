"""Every speech engine, and the fake that stands for them, keeps the promises of the port."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.ports import TtsEngine
from ivrbot.tts.measure import speak_to_pcm
from ivrbot.tts.pyttsx3_engine import Pyttsx3Engine
from ivrbot.tts.rhvoice import RhvoiceEngine
from tests.caller_speech import rhvoice_root
from tests.contract.tts import SENTENCES, TtsContract, TtsProcessContract, pid_of, spoken
from tests.fakes.tts import FakeTts


class TestFake(TtsContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[TtsEngine]:
        engine = FakeTts()
        await engine.start()
        yield engine
        await engine.close()


class TestPyttsx3(TtsProcessContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[TtsEngine]:
        engine = Pyttsx3Engine()
        await engine.start()
        yield engine
        await engine.close()

    async def test_russian_is_not_offered(self, engine: TtsEngine) -> None:
        assert engine.languages() == {"en"}
        with pytest.raises(EngineBadOutput):
            await spoken(engine, SENTENCES["ru"], "ru")

    async def test_russian_is_spoken_where_it_was_chosen(self) -> None:
        engine = Pyttsx3Engine(allow_russian=True)
        await engine.start()
        try:
            assert engine.languages() == {"ru", "en"}
            assert await spoken(engine, SENTENCES["ru"], "ru")
        finally:
            await engine.close()

    async def test_frozen_worker_times_out_and_is_replaced(self) -> None:
        engine = Pyttsx3Engine(stall_s=3)
        await engine.start()
        try:
            os.kill(pid_of(engine), signal.SIGSTOP)
            with pytest.raises(EngineTimeout):
                await spoken(engine, SENTENCES["en"], "en")
            assert await spoken(engine, SENTENCES["en"], "en")
        finally:
            await engine.close()

    async def test_requests_behind_a_killed_one_are_spoken(self, engine: TtsEngine) -> None:
        waiting = [asyncio.ensure_future(spoken(engine, SENTENCES["en"], "en")) for _ in range(3)]
        await asyncio.sleep(0)
        os.kill(pid_of(engine), signal.SIGKILL)
        assert all(await asyncio.gather(*waiting))

    async def test_cost_is_measured(self, engine: TtsEngine) -> None:
        pcm, first_audio_ms, cpu_s = await speak_to_pcm(engine, SENTENCES["en"], "en")
        assert pcm
        assert first_audio_ms >= 0
        assert cpu_s > 0


@pytest.mark.integration
class TestRhvoice(TtsProcessContract):
    """Where RHVoice is not on the machine it is fetched (141 MB), hence the mark."""

    @pytest.fixture
    async def engine(self) -> AsyncIterator[TtsEngine]:
        engine = RhvoiceEngine(root=rhvoice_root())
        await engine.start()
        yield engine
        await engine.close()

    async def test_words_left_out_are_an_error(self, engine: TtsEngine) -> None:
        # the English voice makes nothing of Cyrillic and reports success
        with pytest.raises(EngineBadOutput, match="0 ms"):
            await spoken(engine, SENTENCES["ru"], "en")

    async def test_unknown_voice_is_named_with_those_there_are(self) -> None:
        engine = RhvoiceEngine(voice_ru="nobody", root=rhvoice_root())
        with pytest.raises(EngineUnavailable, match=r"nobody.*aleksandr"):
            await engine.start()

    async def test_voice_of_the_wrong_language_is_refused(self) -> None:
        engine = RhvoiceEngine(voice_en="irina", root=rhvoice_root())
        with pytest.raises(EngineUnavailable, match="irina"):
            await engine.start()


async def test_rhvoice_absent_says_what_to_install(tmp_path: Path) -> None:
    engine = RhvoiceEngine(root=tmp_path)
    with pytest.raises(EngineUnavailable, match=r"librhvoice5.*rhvoice-russian.*rhvoice_unpack"):
        await engine.start()
    await engine.close()

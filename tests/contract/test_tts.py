"""Every speech engine, and the fake that stands for them, keeps the promises of the port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio

from ivrbot.config import load_settings
from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.model.audio import duration_ms
from ivrbot.ports import TtsEngine
from ivrbot.tts.measure import speak_to_pcm
from ivrbot.tts.piper import PiperEngine, find_voices
from ivrbot.tts.pyttsx3_engine import Pyttsx3Engine
from ivrbot.tts.rhvoice import RhvoiceEngine
from tests.caller_speech import rhvoice_root
from tests.contract.tts import SENTENCES, TtsContract, TtsProcessContract, pid_of, spoken
from tests.fakes.tts import FakeTts

RATES_AT_EACH_TEXT = """
import json, os, sys
import pyttsx3.engine
from ivrbot.tts import pyttsx3_synth

rates = []
def run(self, real=pyttsx3.engine.Engine.runAndWait):
    rates.append(self.getProperty("rate"))
    real(self)

pyttsx3.engine.Engine.runAndWait = run
synth = pyttsx3_synth.Pyttsx3Synth({"voices": "gmw/en-us", "folder": sys.argv[1]})
synth.speak("one two three four five", "gmw/en-us", lambda pcm: True)
print(json.dumps(rates), file=sys.stderr, flush=True)
os._exit(0)  # espeak-ng does not take its leave of an interpreter
"""
"""Words per minute that are in force as each text begins, the one by which the voice is measured first."""


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

    def test_rate_is_in_force_before_the_first_text_begins(self, tmp_path: Path) -> None:
        """Set while a text began, it was lost about every ninth time, for the whole life of the process."""
        command = [sys.executable, "-c", RATES_AT_EACH_TEXT, str(tmp_path)]
        shown = subprocess.run(command, check=True, capture_output=True)
        rates = json.loads(shown.stderr.splitlines()[-1])
        assert rates == [165, 165]

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


@pytest.fixture(scope="module")
def piper_voice() -> Path:
    voices = find_voices(load_settings(Path()).models_dir)
    if "en" not in voices or find_spec("piper") is None:
        pytest.skip("needs `pip install 'ivrbot[piper]'` and `ivrbot models pull piper-en-joe`")
    return voices["en"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pipers(piper_voice: Path) -> AsyncIterator[list[PiperEngine]]:
    """Loaded engines, so that only tests that close theirs cost another load."""
    loaded: list[PiperEngine] = []
    yield loaded
    for engine in loaded:
        await engine.close()


@pytest.mark.models
@pytest.mark.asyncio(loop_scope="module")
class TestPiper(TtsProcessContract):
    """With the voice that a package carries."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def engine(self, pipers: list[PiperEngine], piper_voice: Path) -> TtsEngine:
        if not pipers or pipers[-1].pid is None:
            pipers.append(PiperEngine({"en": piper_voice}))
            await pipers[-1].start()
        return pipers[-1]

    async def test_first_sentence_comes_before_the_last_is_made(self, engine: PiperEngine) -> None:
        before_s = engine.cpu_s
        stream = engine.stream(" ".join([SENTENCES["en"]] * 8), "en")
        assert duration_ms(await anext(stream)) <= 200
        assert engine.cpu_s == before_s, "the whole text was made first"
        await stream.aclose()  # type: ignore[attr-defined]

    async def test_russian_is_refused_by_an_english_voice(self, engine: PiperEngine) -> None:
        with pytest.raises(EngineBadOutput, match="ru"):
            await spoken(engine, SENTENCES["ru"], "ru")

    async def test_damaged_voice_is_named(self, piper_voice: Path, tmp_path: Path) -> None:
        description = piper_voice.with_name(piper_voice.name + ".json")
        (tmp_path / "x.onnx").write_bytes(b"no network")
        (tmp_path / "x.onnx.json").write_bytes(description.read_bytes())
        broken = PiperEngine({"en": tmp_path / "x.onnx"})
        with pytest.raises(EngineUnavailable, match=r"x\.onnx is no usable Piper voice"):
            await broken.start()
        await broken.close()


async def test_piper_without_a_voice_says_what_to_fetch() -> None:
    engine = PiperEngine({})
    with pytest.raises(EngineUnavailable, match=r"models pull piper-en-joe|ivrbot\[piper\]"):
        await engine.start()
    await engine.close()


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

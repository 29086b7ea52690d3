"""A Vosk server keeps the recognition contract, the real library behind it too; and what a broken one costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from ivrbot.asr.choose import choose_engine
from ivrbot.asr.vosk_server import VoskServerEngine
from ivrbot.config import AsrSettings, load_settings
from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import FRAME_BYTES, Pcm
from ivrbot.model.speech import Expect, Language
from tests.contract.asr import AsrContract, ignore
from tests.fakes.vosk_server import RATE_HZ, Loudness, VoskServer

SPEECH = Path(__file__).parent.parent / "data" / "speech_en.wav"


def by_loudness(config: dict[str, Any]) -> Loudness:
    assert config["sample_rate"] == RATE_HZ
    return Loudness(config.get("max_alternatives", 0))


class _Spoken:
    @pytest.fixture
    def language(self) -> Language:
        return "ru"

    @pytest.fixture
    def speech(self) -> Pcm:
        return read_wav(SPEECH)


@pytest.fixture
async def server() -> AsyncIterator[VoskServer]:
    async with VoskServer(by_loudness) as server:
        yield server


@pytest.fixture
async def engine(server: VoskServer) -> AsyncIterator[VoskServerEngine]:
    engine = VoskServerEngine({"ru": server.address}, deadline_ms=10_000)
    await engine.start()
    yield engine
    await engine.close()


class TestServer(_Spoken, AsrContract):
    """Beside the fake recogniser, whose words are loudness."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real() -> AsyncIterator[VoskServerEngine]:
    folder = load_settings(Path()).models_dir / "vosk-ko"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}: run `ivrbot models pull vosk-ko`")
    import vosk

    vosk.SetLogLevel(-1)
    model = vosk.Model(str(folder))

    def make(config: dict[str, Any]) -> Any:
        recogniser = vosk.KaldiRecognizer(model, config["sample_rate"])
        recogniser.SetWords(True)
        recogniser.SetMaxAlternatives(config.get("max_alternatives", 0))
        return recogniser

    async with VoskServer(make) as server:
        engine = VoskServerEngine({cast("Language", "ko"): server.address}, deadline_ms=60_000)
        await engine.start()
        yield engine
        await engine.close()


@pytest.mark.models
@pytest.mark.asyncio(loop_scope="module")
class TestRealVoskBehindTheServer(_Spoken, AsrContract):
    """The Korean model hears Korean words in anything."""

    @pytest.fixture
    def language(self) -> Language:
        return cast("Language", "ko")

    @pytest.fixture
    def engine(self, real: VoskServerEngine) -> VoskServerEngine:
        return real


def loud(seconds: int) -> Pcm:
    return Pcm(b"\x00\x40" * (RATE_HZ * seconds))


async def reading(engine: VoskServerEngine, expect: Expect = Expect.OPEN) -> str:
    stream = engine.open("ru", expect, ignore)
    sound = read_wav(SPEECH)
    for start in range(0, len(sound), FRAME_BYTES * 5):
        stream.feed(Pcm(sound[start : start + FRAME_BYTES * 5]))
    try:
        return (await stream.decode()).text
    finally:
        stream.close()


async def test_a_lost_connection_costs_no_words(engine: VoskServerEngine, server: VoskServer) -> None:
    whole = await reading(engine)
    server.breaks = 1
    assert await reading(engine) == whole
    assert whole


async def test_sound_on_its_way_to_the_server_does_not_count_as_waiting(engine: VoskServerEngine) -> None:
    stream = engine.open("ru", Expect.OPEN, ignore)
    stream.feed(loud(8))
    await asyncio.sleep(0)
    stream.feed(loud(10))
    transcript = await stream.decode()
    stream.close()
    assert transcript.audio_ms == 18_000
    assert len(transcript.text.split()) == 60
    assert engine.load.dropped_ms == 0


async def test_what_no_server_takes_is_bounded(engine: VoskServerEngine, server: VoskServer) -> None:
    server.breaks = 1000
    stream = engine.open("ru", Expect.OPEN, ignore)
    stream.feed(loud(8))
    with pytest.raises(EngineUnavailable):
        await stream.decode()
    stream.feed(loud(4))
    server.breaks = 0
    assert len((await stream.decode()).text.split()) == 34
    stream.close()
    assert engine.load.dropped_ms == 2000


async def test_alternatives_are_asked_for_where_a_secret_is_said(
    engine: VoskServerEngine, server: VoskServer
) -> None:
    await reading(engine, Expect.SECRET)
    assert server.configs[-1]["max_alternatives"] > 1
    assert "phrase_list" not in server.configs[-1], "a secret must never be in a grammar"
    await reading(engine)
    assert "max_alternatives" not in server.configs[-1]


async def test_a_server_that_is_gone(engine: VoskServerEngine, server: VoskServer) -> None:
    server.breaks = 1000
    with pytest.raises(EngineUnavailable, match="has gone"):
        await reading(engine)
    server.breaks = 0
    assert await reading(engine)


@pytest.mark.parametrize("answer", ["{", "[]", "7"])
async def test_a_server_that_talks_nonsense(engine: VoskServerEngine, server: VoskServer, answer: str) -> None:
    server.answers = answer
    with pytest.raises(EngineBadOutput):
        await reading(engine)


async def test_a_server_that_hangs(server: VoskServer) -> None:
    engine = VoskServerEngine({"ru": server.address}, deadline_ms=500)
    await engine.start()
    server.is_mute = True
    with pytest.raises(EngineTimeout):
        await reading(engine)
    await engine.close()


async def test_a_server_that_is_not_there() -> None:
    engine = VoskServerEngine({"ru": "ws://127.0.0.1:9"})
    with pytest.raises(EngineUnavailable, match="does not answer"):
        await engine.start()


def test_a_server_in_the_settings_comes_first(tmp_path: Path) -> None:
    folder = tmp_path / "whisper-base"
    folder.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).touch()
    settings = AsrSettings(vosk_servers={"ru": "ws://127.0.0.1:2700"})
    engine = choose_engine(settings, tmp_path)
    assert {language: one.name for language, one in engine.engines.items()} == {
        "ru": "vosk-server",
        "en": "whisper",
    }

"""The fake, Whisper and Vosk keep the recognition contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from ivrbot.asr.vosk import VoskEngine
from ivrbot.asr.whisper import WhisperEngine
from ivrbot.config import load_settings
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Language
from tests.contract.asr import AsrContract
from tests.fakes.asr import FakeAsr

KOREAN = cast("Language", "ko")
SPEECH = Path(__file__).parent.parent / "data" / "speech_en.wav"


def model(name: str) -> Path:
    folder = load_settings(Path()).models_dir / name
    if not folder.is_dir():
        pytest.skip(f"needs {folder}: run `ivrbot models pull {name}`")
    return folder


# One load serves all tests of an engine.
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whisper() -> AsyncIterator[WhisperEngine]:
    engine = WhisperEngine(model("whisper-base"), deadline_ms=60_000)
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vosk() -> AsyncIterator[VoskEngine]:
    engine = VoskEngine({KOREAN: model("vosk-ko")}, instances=1, deadline_ms=60_000)
    await engine.start()
    yield engine
    await engine.close()


class _English:
    @pytest.fixture
    def language(self) -> Language:
        return "en"

    @pytest.fixture
    def speech(self) -> Pcm:
        return read_wav(SPEECH)


class TestFake(_English, AsrContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[FakeAsr]:
        engine = FakeAsr()
        await engine.start()
        yield engine
        await engine.close()


@pytest.mark.models
@pytest.mark.asyncio(loop_scope="module")
class TestWhisper(_English, AsrContract):
    @pytest.fixture
    def engine(self, whisper: WhisperEngine) -> WhisperEngine:
        return whisper

    async def test_understands_english(self, engine: WhisperEngine, speech: Pcm) -> None:
        from ivrbot.asr.transcribe import transcribe_file

        reading = await transcribe_file(engine, speech, "en")
        heard = set(reading.text.lower().replace(",", "").replace(".", "").split())
        assert {"lost", "card", "block"} <= heard
        assert reading.engine == "whisper"
        assert reading.cpu_s > 0


@pytest.mark.models
@pytest.mark.asyncio(loop_scope="module")
class TestVosk(_English, AsrContract):
    """On the Korean model, the only one that comes in a package: it hears Korean words in anything."""

    @pytest.fixture
    def language(self) -> Language:
        return KOREAN

    @pytest.fixture
    def engine(self, vosk: VoskEngine) -> VoskEngine:
        return vosk

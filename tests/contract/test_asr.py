"""The fake, Whisper, Vosk and sherpa-onnx keep the recognition contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from ivrbot.asr.sherpa import SherpaEngine
from ivrbot.asr.vosk import VoskEngine
from ivrbot.asr.whisper import WhisperEngine
from ivrbot.config import load_settings
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Expect, Language, Partial
from tests.contract.asr import AsrContract
from tests.fakes.asr import FakeAsr

KOREAN = cast("Language", "ko")
STANDIN = Path(__file__).parent.parent / "data" / "t_one_standin"
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sherpa() -> AsyncIterator[SherpaEngine]:
    pytest.importorskip("sherpa_onnx")
    engine = SherpaEngine({"en": STANDIN}, instances=2, deadline_ms=60_000)
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


@pytest.mark.asyncio(loop_scope="module")
class TestSherpa(_English, AsrContract):
    """On a network with T-one's inputs and outputs that reads loudness: the library is real, the words are not."""

    @pytest.fixture
    def engine(self, sherpa: SherpaEngine) -> SherpaEngine:
        return sherpa

    async def test_partials_come_while_the_caller_speaks(self, engine: SherpaEngine, speech: Pcm) -> None:
        partials: list[Partial] = []
        stream = engine.open("en", Expect.OPEN, partials.append)
        stream.feed(speech)
        await stream.settle()
        heard = len(partials)
        transcript = await stream.decode()
        stream.close()
        assert heard > 0
        assert transcript.text.startswith(partials[0].text)
        assert set(transcript.text) <= set("ао ")

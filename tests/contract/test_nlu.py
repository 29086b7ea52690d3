"""The embedded engine keeps the contract, with the sentence encoder and without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ivrbot.errors import EngineUnavailable
from ivrbot.nlu.embedded import REJECT_BELOW_WITHOUT_ENCODER, EmbeddedNlu
from ivrbot.nlu.encoder import SentenceEncoder
from tests.contract.nlu import NluContract
from tests.unit.nlu_engines import NLU_DATA, classifier, encoder_path


class TestWithoutEncoder(NluContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[EmbeddedNlu]:
        engine = EmbeddedNlu(classifier(None), reject_below=REJECT_BELOW_WITHOUT_ENCODER)
        yield engine
        await engine.close()

    async def test_closed_engine_says_so(self, engine: EmbeddedNlu) -> None:
        await engine.close()
        with pytest.raises(EngineUnavailable):
            await engine.parse("карту украли", "ru")

    async def test_a_given_executor_stays_open(self) -> None:
        with ThreadPoolExecutor(2) as executor:
            engine = EmbeddedNlu(classifier(None), executor=executor)
            await engine.parse("карту украли", "ru")
            await engine.close()
            assert executor.submit(int, "7").result() == 7


@pytest.mark.models
class TestWithEncoder(NluContract):
    @pytest.fixture
    async def engine(self) -> AsyncIterator[EmbeddedNlu]:
        engine = EmbeddedNlu(classifier(encoder_path()))
        yield engine
        await engine.close()


def test_train_without_the_model_file_is_words_alone(tmp_path) -> None:
    engine = EmbeddedNlu.train(NLU_DATA, tmp_path / "absent.onnx")
    assert not engine.has_encoder
    assert engine.parse_now("у меня украли карту", "ru").intent == "block_card"


def test_a_broken_model_file_is_an_error_not_a_worse_engine(tmp_path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(EngineUnavailable, match=r"broken\.onnx"):
        SentenceEncoder(broken)

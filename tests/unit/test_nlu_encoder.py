"""The sentence encoder's own graph of the published weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ivrbot import onnxparts
from ivrbot.errors import EngineUnavailable
from ivrbot.nlu.encoder import EMBEDDING_SIZE, SentenceEncoder
from tests.unit.nlu_engines import encoder_path

LENGTHS = ["да", "карту украли", "здравствуйте у меня вчера в автобусе вытащили кошелёк а в нём была карта"]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(encoder_path())


@pytest.mark.models
def test_it_gives_what_the_published_graph_gives(encoder: SentenceEncoder) -> None:
    import onnxruntime
    from onnxruntime_extensions import get_library_path

    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(get_library_path())
    options.log_severity_level = 3
    published = onnxruntime.InferenceSession(str(encoder_path()), options, providers=["CPUExecutionProvider"])
    for text in [*LENGTHS, "my card was stolen on the train this morning"]:
        (theirs,) = published.run(None, {"inputs": np.array([text], dtype=object)})
        assert (encoder.encode([text]) @ theirs[0]).item() > 0.999


@pytest.mark.models
def test_meaning_is_near_across_languages(encoder: SentenceEncoder) -> None:
    ours, theirs, other = encoder.encode(["карту украли", "my card was stolen", "какая завтра погода"])
    assert ours @ theirs > 0.6 > 0.4 > ours @ other


@pytest.mark.models
def test_company_hardly_matters_and_order_is_kept(encoder: SentenceEncoder) -> None:
    together = encoder.encode([*LENGTHS, "", *reversed(LENGTHS)])
    alone = np.vstack([encoder.encode([text]) for text in LENGTHS])
    assert (together[:3] * alone).sum(axis=1).min() > 0.98
    assert (together[:3] * together[:3:-1]).sum(axis=1).min() > 0.999
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert encoder.encode([]).shape == (0, EMBEDDING_SIZE)


def test_a_model_of_another_making_is_refused(tmp_path: Path) -> None:
    other = onnxparts.model([onnxparts.node("Neg", ["a"], "b")], [], [], [], {"": 17})
    (tmp_path / "other.onnx").write_bytes(other)
    with pytest.raises(EngineUnavailable, match="no tensor"):
        SentenceEncoder(tmp_path / "other.onnx")

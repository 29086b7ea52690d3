"""What a reading is limited by, and what instances of a model share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ivrbot.asr import whisper_model
from ivrbot.asr.whisper_model import DecodeOptions, Encoded, WhisperModel
from ivrbot.asr.whisper_network import Vocabulary
from ivrbot.asr.whisper_search import Found, Limits, Reader
from ivrbot.errors import EngineBadOutput
from ivrbot.model.audio import silence

POSITIONS = 448
PROMPT = (0, 1, 2, 9)
VOCABULARY = Vocabulary(np.arange(20), np.array([], np.int64), 8, 9)


def loaded(_folder: Path) -> Any:
    """A model without a network."""
    network: Any = SimpleNamespace(vocabularies={"en": VOCABULARY}, nothing=())
    return whisper_model._Loaded(network, None, {"en": np.array(PROMPT)}, {"en": 8}, 8)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WhisperModel:
    monkeypatch.setattr(whisper_model, "_load", loaded)
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).touch()
    return WhisperModel(tmp_path)


@pytest.mark.parametrize("seconds", [0.1, 2.0, 29.0])
def test_however_long_it_goes_on_a_reading_fits_the_network(
    model: WhisperModel, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    asked: list[Limits] = []

    def search(_reader: Reader, limits: Limits) -> list[Found]:
        asked.append(limits)
        return []

    monkeypatch.setattr(whisper_model, "search", search)
    model.decode(Encoded((), "en", DecodeOptions(lead_ms=100), seconds, 0.0))
    assert 24 < asked[0].pieces <= POSITIONS - len(PROMPT)
    assert asked[0].sound_s == pytest.approx(seconds + 0.1)


def test_a_failing_network_is_bad_output(model: WhisperModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(_reader: Reader, _limits: Limits) -> list[Found]:
        raise RuntimeError("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT")

    monkeypatch.setattr(whisper_model, "search", search)
    with pytest.raises(EngineBadOutput, match="INVALID_ARGUMENT"):
        model.decode(Encoded((), "en", DecodeOptions(), 1.0, 0.0))


def test_instances_of_a_folder_share_what_is_loaded_while_one_of_them_lives(
    tmp_path: Path, model: WhisperModel
) -> None:
    other = WhisperModel(tmp_path)
    assert other._loaded is model._loaded
    (tmp_path / "model.bin").write_bytes(b"another")
    assert WhisperModel(tmp_path)._loaded is not model._loaded
    other.close()
    assert model._loaded is not None


def test_readings_without_a_probability_are_bad_output(
    model: WhisperModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper_model, "search", lambda _reader, _limits: [Found((), float("nan"))])
    monkeypatch.setattr(whisper_model._AtOneSound, "text", lambda _self, _places: "да")
    with pytest.raises(EngineBadOutput, match="damaged"):
        model.decode(Encoded((), "en", DecodeOptions(), 1.0, 0.0))


def test_what_is_given_up_fails_and_what_comes_next_does_not(model: WhisperModel) -> None:
    in_its_middle = [model.give_up, lambda: None]

    def encode(_features: Any, run: Any) -> tuple[()]:
        in_its_middle.pop(0)()  # by another thread, in life
        if run.terminate:
            raise RuntimeError("Exiting due to terminate flag being set to true.")
        return ()

    network: Any = model._loaded.network
    network.encode = encode
    with pytest.raises(EngineBadOutput, match="terminate"):
        model.encode(silence(300), "en", DecodeOptions())
    assert model.encode(silence(300), "en", DecodeOptions()).sound == ()

"""The files of a model: what is read of them, and what is said of damaged ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ivrbot.asr import whisper_file
from ivrbot.asr.whisper_file import UnknownForm
from tests.fakes.whisper_folder import write_folder

PIECES = ("a", "b", "c", "<|endoftext|>")
WEIGHTS = {
    "decoder/embeddings/weight": np.arange(8, dtype=np.float16).reshape(4, 2),
    "decoder/bias": np.ones(3, "f4"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path, WEIGHTS, PIECES, suppressed=(1,))
    return tmp_path


def test_weights_pieces_and_lists_are_read(folder: Path) -> None:
    file = whisper_file.read(folder)
    assert file.pieces == PIECES
    assert file.suppressed == (1,)
    assert np.array_equal(file.array("decoder/embeddings/weight"), WEIGHTS["decoder/embeddings/weight"])
    assert file.array("decoder/embeddings/weight").dtype == np.float32
    assert file.stored("decoder/embeddings/weight").dtype == np.float16


def test_pieces_may_be_a_list_in_json(folder: Path) -> None:
    (folder / "vocabulary.txt").unlink()
    (folder / "vocabulary.json").write_text(json.dumps(PIECES), "utf-8")
    assert whisper_file.read(folder).pieces == PIECES


def test_missing_weights_are_named(folder: Path) -> None:
    with pytest.raises(UnknownForm, match="encoder/conv1/weight"):
        whisper_file.read(folder).array("encoder/conv1/weight")


@pytest.mark.parametrize("kept", [0, 3, 20, 60, -1])
def test_a_cut_file_is_told(folder: Path, kept: int) -> None:
    content = (folder / "model.bin").read_bytes()
    # Behind the variables stand aliases, which are not read.
    end = len(content) - whisper_file_tail(folder)
    (folder / "model.bin").write_bytes(content[: kept if kept >= 0 else end - 1])
    with pytest.raises(UnknownForm, match=r"model\.bin"):
        whisper_file.read(folder)


def whisper_file_tail(folder: Path) -> int:
    """Bytes behind the variables: the number of aliases."""
    assert (folder / "model.bin").read_bytes()[-4:] == bytes(4)
    return 4


@pytest.mark.parametrize(("version", "says"), [(5, "version 5, known is 6"), (7, "version 7")])
def test_another_form_is_told(folder: Path, version: int, says: str) -> None:
    write_folder(folder, WEIGHTS, PIECES, version=version)
    with pytest.raises(UnknownForm, match=says):
        whisper_file.read(folder)


@pytest.mark.parametrize("config", ["", "[]", "{}", '{"suppress_ids": ["a"]}'])
def test_a_damaged_config_is_told(folder: Path, config: str) -> None:
    (folder / "config.json").write_text(config, "utf-8")
    with pytest.raises(UnknownForm, match=r"config\.json"):
        whisper_file.read(folder)


def test_weights_of_another_type_are_told(folder: Path) -> None:
    content = (folder / "model.bin").read_bytes()
    name = b"decoder/bias\0"
    at = content.index(name) + len(name) + 1 + 4  # behind rank and one size
    (folder / "model.bin").write_bytes(content[:at] + b"\x09" + content[at + 1 :])
    with pytest.raises(UnknownForm, match="decoder/bias is of type 9"):
        whisper_file.read(folder)


def test_weights_that_are_quantised_already_are_told(folder: Path) -> None:
    write_folder(folder, WEIGHTS | {"decoder/bias_scale": np.ones(1, "f4")}, PIECES)
    with pytest.raises(UnknownForm, match="decoder/bias is quantised; needed is a model of float16"):
        whisper_file.read(folder).array("decoder/bias")

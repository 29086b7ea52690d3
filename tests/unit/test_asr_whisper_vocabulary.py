"""A model narrowed to one language: which rows stay, where they are kept, and what is left as it is."""

from __future__ import annotations

import json
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from ivrbot.asr import whisper_vocabulary
from ivrbot.asr.whisper_vocabulary import UnknownForm, narrowed, spoken

PIECES = ("a", "Ġcard", "18", "Ð¾", "ÐºÐ°ÑĢÑĤÐ°", "Ġî", "å¤§", "Ñĸ", "ĠÐ", "Ġzürich", "<|ru|>", "<|0.00|>")
"""English twice, figures, Russian twice, half a sign, Han, Ukrainian, half a letter, a German word, two marks."""


def string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, table: np.ndarray, type_id: int) -> bytes:
    dims = struct.pack(f"<B{table.ndim}I", table.ndim, *table.shape)
    return string(name) + dims + struct.pack("<BI", type_id, table.nbytes) + table.tobytes()


ROWS = np.arange(len(PIECES) * 2, dtype=np.float16).reshape(-1, 2)
OTHER = np.ones((len(PIECES), 3), dtype=np.float16)


def write_model(folder: Path, version: int = 6, embedding: str = "decoder/embeddings/weight") -> None:
    variables = variable(embedding, ROWS, 4) + variable("decoder/layer_0/weight", OTHER, 4)
    tail = struct.pack("<I", 1) + string("decoder/projection/weight") + string(embedding)
    header = struct.pack("<I", version) + string("WhisperSpec") + struct.pack("<II", 3, 2)
    (folder / "model.bin").write_bytes(header + variables + tail)
    (folder / "vocabulary.txt").write_text("\n".join(PIECES) + "\n", "utf-8")
    (folder / "config.json").write_text(json.dumps({"lang_ids": [10], "suppress_ids": [1, 6], "other": 7}))


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(whisper_vocabulary, "COMMON_LATIN", 1)
    folder = tmp_path / "model"
    folder.mkdir()
    write_model(folder)
    return folder


def words(folder: Path) -> np.ndarray:
    """The rows of the embedding in a narrowed file, found by its size."""
    data = (folder / "model.bin").read_bytes()
    at = data.index(b"decoder/embeddings/weight\0") + len(b"decoder/embeddings/weight\0")
    rank, rows, width, _, size = struct.unpack_from("<BIIBI", data, at)
    assert rank == 2
    return np.frombuffer(data, np.float16, rows * width, at + 14).reshape(rows, width)[: size // 4]


def test_russian_keeps_its_letters_figures_marks_and_the_commonest_latin(model: Path) -> None:
    with narrowed(model, "ru") as (folder, ids):
        kept = [PIECES[index] for index in ids]
        assert kept == ["a", "18", "Ð¾", "ÐºÐ°ÑĢÑĤÐ°", "ĠÐ", "<|ru|>", "<|0.00|>"]
        assert json.loads((folder / "vocabulary.json").read_text()) == kept
        assert words(folder).tolist() == ROWS[ids].tolist()
        assert json.loads((folder / "config.json").read_text()) == {
            "lang_ids": [5],
            "suppress_ids": [],
            "other": 7,
        }


def test_english_keeps_plain_letters_only(model: Path) -> None:
    with narrowed(model, "en") as (_, ids):
        assert [PIECES[index] for index in ids] == ["a", "Ġcard", "18", "ĠÐ", "<|ru|>", "<|0.00|>"]


def test_the_other_tables_stay_as_they_are(model: Path) -> None:
    with narrowed(model, "en") as (folder, _):
        data = (folder / "model.bin").read_bytes()
    assert variable("decoder/layer_0/weight", OTHER, 4) in data
    assert data.endswith(string("decoder/projection/weight") + string("decoder/embeddings/weight"))


def test_it_is_made_once_and_again_for_another_model(model: Path) -> None:
    with narrowed(model, "ru") as (folder, _):
        assert folder == model / "ru"
        made = (folder / "model.bin").stat().st_mtime_ns
    with narrowed(model, "ru") as (folder, _):
        assert (folder / "model.bin").stat().st_mtime_ns == made
    stat = (model / "model.bin").stat()
    os.utime(model / "model.bin", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    with narrowed(model, "ru") as (folder, _):
        assert (folder / "model.bin").stat().st_mtime_ns != made
    assert sorted(path.name for path in model.iterdir() if path.is_dir()) == ["ru"]


@pytest.mark.parametrize("name", ["model.bin", "config.json", "vocabulary.json", "made_from.txt"])
@pytest.mark.parametrize("left", ["", "half", "other"])
def test_what_a_machine_that_went_off_has_left_is_made_again(model: Path, name: str, left: str) -> None:
    with narrowed(model, "ru") as (folder, _):
        whole = (folder / name).read_bytes()
    cut = {"": b"", "half": whole[: len(whole) // 2], "other": bytes(len(whole))}[left]
    (model / "ru" / name).write_bytes(cut)
    with narrowed(model, "ru") as (folder, _):
        assert folder == model / "ru"
        assert (folder / name).read_bytes() == whole


def test_several_at_once_make_one(model: Path) -> None:
    def make(_: int) -> bytes:
        with narrowed(model, "ru") as (folder, _ids):
            return (folder / "model.bin").read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(make, range(8)))) == 1
    assert [path.name for path in model.iterdir() if path.is_dir()] == ["ru"]


def test_a_folder_that_cannot_be_written_gets_a_temporary_one(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(prefix: str, dir: Path | None = None) -> object:
        if dir is not None:
            raise PermissionError("read-only")
        return TemporaryDirectory(prefix=prefix)

    monkeypatch.setattr(whisper_vocabulary, "TemporaryDirectory", refuse)
    with narrowed(model, "ru") as (folder, ids):
        assert words(folder).tolist() == ROWS[ids].tolist()
    assert not folder.exists()
    assert not (model / "ru").exists()


@pytest.mark.parametrize(
    ("version", "embedding", "says"),
    [(7, "decoder/embeddings/weight", "version 7"), (6, "decoder/words/weight", "no word embedding of 12 rows")],
)
def test_another_form_is_said_and_leaves_nothing_behind(
    model: Path, version: int, embedding: str, says: str
) -> None:
    write_model(model, version, embedding)
    with pytest.raises(UnknownForm, match=says), narrowed(model, "ru"):
        pass
    assert not [path for path in model.iterdir() if path.is_dir()]


@pytest.mark.parametrize("length", [5, 40, 100])
def test_a_file_cut_off_is_of_another_form(model: Path, length: int) -> None:
    whole = (model / "model.bin").read_bytes()
    (model / "model.bin").write_bytes(whole[:length])
    with pytest.raises(UnknownForm), narrowed(model, "ru"):
        pass


def test_every_single_byte_stays_sayable() -> None:
    letters = list(whisper_vocabulary._byte_letters())
    assert len(letters) == len(set(letters)) == 256
    assert len(spoken(letters, "ru")) == len(spoken(letters, "en")) == 256

"""The kept classifier: answers the same, is found only for the same data, and is never trusted when broken."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ivrbot.nlu.cache import KEPT_FILES, cache_key, load_classifier, store_classifier
from ivrbot.nlu.classifier import TextClassifier
from ivrbot.nlu.embedded import EmbeddedNlu

DATA = {
    "ru": "- intent: a\n  examples: |\n" + "".join(f"    - карту украли {n} раз\n" for n in range(10)),
    "en": "- intent: a\n  examples: |\n" + "".join(f"    - card stolen {n} times\n" for n in range(10)),
}
MORE = {
    "ru": "- intent: b\n  examples: |\n" + "".join(f"    - какой баланс {n}\n" for n in range(10)),
    "en": "- intent: b\n  examples: |\n" + "".join(f"    - what balance {n}\n" for n in range(10)),
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    for language, body in DATA.items():
        (tmp_path / "data" / language).mkdir(parents=True)
        text = 'version: "3.1"\nnlu:\n' + body + MORE[language]
        (tmp_path / "data" / language / "a.yml").write_text(text, encoding="utf-8")
    return tmp_path / "data"


def confidence(engine: EmbeddedNlu) -> float:
    return engine.parse_now("украли карту", "ru").confidence


def test_the_second_start_takes_what_the_first_has_kept(data_dir, tmp_path, monkeypatch) -> None:
    kept = tmp_path / "kept"
    first = EmbeddedNlu.train(data_dir, cache_dir=kept)
    monkeypatch.setattr(TextClassifier, "fit", lambda *_: pytest.fail("trained again"))
    second = EmbeddedNlu.train(data_dir, cache_dir=kept)
    assert confidence(second) == confidence(first)
    assert second.intents == first.intents


def test_other_data_other_code_other_encoder_other_key(data_dir, tmp_path, monkeypatch) -> None:
    encoder = tmp_path / "encoder.onnx"
    keys = {cache_key(data_dir, None), cache_key(data_dir, None, {"a", "b"})}
    keys.add(cache_key(data_dir, encoder))
    assert len(keys) == 2, "an absent encoder is none"
    encoder.write_bytes(b"one")
    keys.add(cache_key(data_dir, encoder))
    encoder.write_bytes(b"two")
    keys.add(cache_key(data_dir, encoder))
    monkeypatch.setattr("ivrbot.nlu.cache._CODE", ("classifier.py",))
    keys.add(cache_key(data_dir, None))
    (data_dir / "ru" / "b.yml").write_text(
        (data_dir / "ru" / "a.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    keys.add(cache_key(data_dir, None))
    assert len(keys) == 6


class Planted:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("code of a planted file ran",)


def planted() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("names", "bias"):
            inner = io.BytesIO()
            np.lib.format.write_array_header_1_0(inner, {"descr": "|O", "fortran_order": False, "shape": (1,)})
            archive.writestr(f"{name}.npy", inner.getvalue() + pickle.dumps([Planted()]))
    return buffer.getvalue()


def half(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def other_classes(whole: bytes) -> bytes:
    with np.load(io.BytesIO(whole)) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["bias"] = arrays["bias"][:1]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("spoil", [half, lambda _: b"", lambda _: planted(), other_classes])
def test_a_broken_file_is_as_good_as_none_and_is_replaced(data_dir, tmp_path, spoil, caplog) -> None:
    kept = tmp_path / "kept"
    right = confidence(EmbeddedNlu.train(data_dir, cache_dir=kept))
    (path,) = kept.iterdir()
    path.write_bytes(spoil(path.read_bytes()))
    key = cache_key(data_dir, None)
    assert load_classifier(kept, key, None) is None
    assert "cannot be read" in caplog.text
    assert confidence(EmbeddedNlu.train(data_dir, cache_dir=kept)) == right
    assert load_classifier(kept, key, None) is not None


def test_few_files_are_kept_and_no_scraps(tmp_path) -> None:
    classifier = TextClassifier(None)
    classifier.fit({"ru": (["один", "два"] * 3, ["a", "b"] * 3)})
    for number in range(KEPT_FILES + 3):
        assert store_classifier(tmp_path, f"key{number}", classifier)
    assert len(list(tmp_path.iterdir())) == KEPT_FILES


def test_a_folder_that_cannot_be_written_costs_only_time(data_dir, tmp_path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("", encoding="utf-8")
    assert EmbeddedNlu.train(data_dir, cache_dir=occupied).parse_now("украли карту", "ru").intent == "a"

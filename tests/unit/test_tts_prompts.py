"""The store of recordings: what it plays, and what it says about broken folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivrbot.errors import ConfigError
from ivrbot.media.g711 import alaw_to_pcm, pcm_to_alaw
from ivrbot.media.wav import decode_wav, encode_wav
from ivrbot.model.audio import Pcm
from ivrbot.tts.prompts import MANIFEST, PromptStore, encode_alaw_wav, read_manifest, sha256_of
from tests.fakes.tts import tone

Edit = Callable[[dict[str, Any], Path], object]


def entry(folder: Path, text: str, data: bytes, file: str) -> dict[str, Any]:
    (folder / file).write_bytes(data)
    return {
        "text": text,
        "file": file,
        "voice": "somebody",
        "engine": "studio",
        "licence": "ours",
        "sha256": sha256_of(data),
        "duration_ms": 100,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two Russian recordings, one A-law and one PCM."""
    ru = tmp_path / "ru"
    ru.mkdir()
    entries = [
        entry(ru, "Здравствуйте!", encode_alaw_wav(tone("Здравствуйте!")), "hello.wav"),
        entry(ru, "два", encode_wav(tone("два")), "two.wav"),
    ]
    (ru / MANIFEST).write_text(json.dumps({"language": "ru", "entries": entries}), "utf-8")
    return tmp_path


def edit(folder: Path, change: Edit) -> None:
    file = folder / "ru" / MANIFEST
    manifest = json.loads(file.read_text("utf-8"))
    change(manifest, folder / "ru")
    file.write_text(json.dumps(manifest), "utf-8")


def as_alaw(pcm: Pcm) -> Pcm:
    return Pcm(alaw_to_pcm(pcm_to_alaw(pcm)))


def test_plays_both_formats_by_text(folder: Path) -> None:
    store = PromptStore(folder, "ru")
    assert len(store) == 2
    assert store.find("  здравствуйте! ") == as_alaw(tone("Здравствуйте!"))
    assert store.find("два") == as_alaw(tone("два"))


def test_other_texts_are_missing(folder: Path) -> None:
    store = PromptStore(folder, "ru")
    assert store.find("Здравствуйте") is None, "without its mark it is another melody"
    assert store.missing(["два", "три"]) == ("три",)


def test_no_folder_is_an_empty_store(tmp_path: Path) -> None:
    assert len(PromptStore(tmp_path, "en")) == 0


def test_alaw_wav_is_read_back(tmp_path: Path) -> None:
    for count in (1, 2, 801):
        pcm = Pcm(tone("x" * 20)[: 2 * count])
        assert decode_wav(encode_alaw_wav(pcm), "x") == as_alaw(pcm)


def cut(manifest: dict[str, Any], ru: Path) -> None:
    data = (ru / "two.wav").read_bytes()[:30]
    (ru / "two.wav").write_bytes(data)
    manifest["entries"][1]["sha256"] = sha256_of(data)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m, ru: (ru / "two.wav").unlink(), ["two.wav", "entries[1]", "cannot be read"]),
        (lambda m, ru: (ru / "two.wav").write_bytes(b"other"), ["two.wav", "sha256", "manifest describes"]),
        (cut, ["two.wav"]),
        (lambda m, ru: m["entries"][0].update(file="../../secret.wav"), ["entries.0.file", "../../secret.wav"]),
        (lambda m, ru: m["entries"][0].update(file="hello.mp3"), ["entries.0.file"]),
        (lambda m, ru: m["entries"][0].update(volume=3), ["entries.0.volume", "Extra"]),
        (lambda m, ru: m["entries"][0].pop("licence"), ["entries.0.licence", "required"]),
        (lambda m, ru: m["entries"].append(m["entries"][1]), ["entries[2]", "twice"]),
        (lambda m, ru: m.update(language="en"), ["language", "wrong folder", "ru"]),
    ],
)
def test_every_fault_is_named(folder: Path, change: Edit, expected: list[str]) -> None:
    edit(folder, change)
    with pytest.raises(ConfigError) as caught:
        PromptStore(folder, "ru")
    for part in expected:
        assert part in str(caught.value)


def test_all_faults_come_at_once(folder: Path) -> None:
    (folder / "ru" / "hello.wav").unlink()
    (folder / "ru" / "two.wav").write_bytes(b"")
    with pytest.raises(ConfigError) as caught:
        PromptStore(folder, "ru")
    assert len(caught.value.problems) == 2


def test_manifest_that_is_no_json(folder: Path) -> None:
    (folder / "ru" / MANIFEST).write_text("{", "utf-8")
    with pytest.raises(ConfigError, match="not valid JSON"):
        read_manifest(folder, "ru")

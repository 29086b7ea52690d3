"""Recorded prompts of one language: `audio_prompts/<lang>/manifest.json` and the WAV files it lists.

Takes a folder, gives 8 kHz PCM16 by text. Everything is checked when the store is opened, and all problems come at
once: a bot must not find out in the middle of a sentence that a recording is missing.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ivrbot.errors import ConfigError, Problem
from ivrbot.media.g711 import alaw_to_pcm, pcm_to_alaw
from ivrbot.media.wav import decode_wav
from ivrbot.model.audio import SAMPLE_RATE_HZ, Pcm
from ivrbot.model.speech import Language
from ivrbot.tts.text import key_of

MANIFEST: Final = "manifest.json"
FILE_NAME_PATTERN: Final = r"^[\w-]+\.wav$"

_ALAW_FORMAT = 6
_ALAW_HEAD = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")


class PromptEntry(BaseModel):
    """One recording.

    Attributes:
        text: what is said.
        file: name within the folder, no path.
        voice: speaker ("aleksandr").
        engine: what spoke ("rhvoice 1.8.0", "studio").
        licence: of the voice, with its source.
        sha256: of the file.
        duration_ms: length of the sound.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1)
    file: str = Field(pattern=FILE_NAME_PATTERN)
    voice: str
    engine: str
    licence: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    duration_ms: int = Field(gt=0)


class Manifest(BaseModel):
    """All recordings of a language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Language
    entries: tuple[PromptEntry, ...] = ()


def encode_alaw_wav(pcm: Pcm) -> bytes:
    """An A-law WAV file: half the size of PCM16 and exactly what an A-law trunk carries.

    Source: RIFF WAVE; formats other than PCM need the extension size and a fact chunk.
    """
    sound = pcm_to_alaw(pcm)
    count = len(sound)
    padding = b"\0" * (count % 2)
    head = _ALAW_HEAD.pack(
        b"RIFF",
        _ALAW_HEAD.size - 8 + count + len(padding),
        b"WAVE",
        b"fmt ",
        18,
        _ALAW_FORMAT,
        1,
        SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ,
        1,
        8,
        0,
        b"fact",
        4,
        count,
        b"data",
        count,
    )
    return head + sound + padding


def sha256_of(data: bytes) -> str:
    """Hash as the manifest holds it."""
    return hashlib.sha256(data).hexdigest()


def read_manifest(folder: Path, language: Language) -> Manifest:
    """Read the manifest of a language; an absent one is empty.

    Raises:
        ConfigError: not JSON, unknown or wrong fields, wrong language, a text twice.
    """
    file = folder / language / MANIFEST
    if not file.is_file():
        return Manifest(language=language)
    try:
        manifest = Manifest.model_validate(json.loads(file.read_text("utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(file), None, "", "", f"not valid JSON: {error}")]) from error
    except ValidationError as error:
        raise ConfigError(_field_problems(file, error)) from error
    problems = [] if manifest.language == language else [_language_problem(file, manifest, language)]
    problems += _repeated(file, manifest.entries)
    if problems:
        raise ConfigError(problems)
    return manifest


def check_files(folder: Path, manifest: Manifest) -> list[Problem]:
    """Everything that is wrong with the files of a manifest: missing, changed, or not telephone sound."""
    problems: list[Problem] = []
    for index, entry in enumerate(manifest.entries):
        problems += _read_entry(folder / manifest.language, index, entry)[1]
    return problems


class PromptStore:
    """Recordings of one language, checked and in memory.

    Args:
        folder: the folder that holds `<lang>/manifest.json`.
        language: which language.

    Raises:
        ConfigError: every missing or changed file and every fault of the manifest.
    """

    def __init__(self, folder: Path, language: Language) -> None:
        self.language: Language = language
        manifest = read_manifest(folder, language)
        problems: list[Problem] = []
        self._sounds: dict[str, bytes] = {}
        for index, entry in enumerate(manifest.entries):
            pcm, wrong = _read_entry(folder / language, index, entry)
            problems += wrong
            # kept as A-law: half the memory, and the trunk's own resolution
            self._sounds[key_of(entry.text)] = pcm_to_alaw(pcm)
        if problems:
            raise ConfigError(problems)

    def __len__(self) -> int:
        return len(self._sounds)

    def __contains__(self, text: str) -> bool:
        return key_of(text) in self._sounds

    def find(self, text: str) -> Pcm | None:
        """Recording of exactly this text (spacing and case aside), or None."""
        sound = self._sounds.get(key_of(text))
        return None if sound is None else Pcm(alaw_to_pcm(sound))

    def missing(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Texts without a recording."""
        return tuple(text for text in texts if text not in self)


def _read_entry(folder: Path, index: int, entry: PromptEntry) -> tuple[Pcm, list[Problem]]:
    file = folder / entry.file
    where = f"entries[{index}]"
    try:
        data = file.read_bytes()
    except OSError as error:
        return Pcm(b""), [Problem(str(file), None, where, entry.text, f"cannot be read: {error.strerror}")]
    found = sha256_of(data)
    if found != entry.sha256:
        message = "is not the file that the manifest describes (render or record it again)"
        return Pcm(b""), [Problem(str(file), None, f"{where}.sha256", found[:12], message, entry.sha256[:12])]
    try:
        return decode_wav(data, str(file)), []
    except ConfigError as error:
        return Pcm(b""), list(error.problems)


def _field_problems(file: Path, error: ValidationError) -> list[Problem]:
    return [
        Problem(str(file), None, ".".join(map(str, item["loc"])), str(item["input"])[:80], item["msg"])
        for item in error.errors()
    ]


def _language_problem(file: Path, manifest: Manifest, language: Language) -> Problem:
    return Problem(str(file), None, "language", manifest.language, "lies in the wrong folder", language)


def _repeated(file: Path, entries: Iterable[PromptEntry]) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        for value in (key_of(entry.text), entry.file):
            if value in seen:
                problems.append(Problem(str(file), None, f"entries[{index}]", value, "stands there twice"))
            seen.add(value)
    return problems

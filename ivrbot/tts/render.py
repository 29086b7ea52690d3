"""Making and checking the recorded prompts: rendering by an engine, taking over a studio's files, its script.

Takes texts (the static pieces of the responses and the fragments of a language), gives files and a manifest.
Nothing that is still right is touched: a second run changes no byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivrbot.errors import ConfigError, EngineBadOutput, Problem
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import Pcm, duration_ms
from ivrbot.model.speech import Language
from ivrbot.ports import TtsEngine
from ivrbot.tts.loudness import level, trim
from ivrbot.tts.prompts import (
    MANIFEST,
    Manifest,
    PromptEntry,
    check_files,
    encode_alaw_wav,
    read_manifest,
    sha256_of,
)
from ivrbot.tts.text import clean, key_of, least_ms

STUDIO: Final = "studio"
"""Engine name of recordings by a person: never rendered over, never removed while the text is needed."""

_RHVOICE = (
    "GPL-2+ by data/* in the copyright file of Debian's rhvoice 1.14 (LGPL-2.1+ in that of 1.8), "
    "Olga Yakovleva, RHVoice"
)
VOICE_LICENCES: Final[Mapping[str, str]] = {
    "aleksandr": _RHVOICE,
    "irina": _RHVOICE,
    "anna": _RHVOICE,
    "slt": "CMU (copyright file of Debian's rhvoice 1.14), Artem Plaksin, Zvonimir Stanecic, from CMU ARCTIC",
}
"""RHVoice's voices whose licence allows a bank to use them, with its source; others say "not stated"."""

# a word said alone may be a little louder or softer than its neighbours; more than this would be heard as a jump
_MOST_CORRECTION_DB = 3.0


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What a run did: texts rendered, kept, removed."""

    rendered: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One line for the speaker: number, name of the file to record, text."""

    number: int
    file: str
    text: str


def file_name(text: str) -> str:
    """Name of a text's recording: stable, without anything that a file system could object to."""
    return hashlib.sha256(key_of(text).encode()).hexdigest()[:16] + ".wav"


async def render(
    store_dir: Path,
    texts: Iterable[str],
    language: Language,
    voice: str,
    engine: TtsEngine,
    *,
    engine_version: str = "",
    licence: str = "",
) -> RenderReport:
    """Render what is missing or changed, remove what nobody needs, write the manifest.

    Args:
        store_dir: the folder that holds a folder for each language.
        texts: everything that must be there.
        language: of the texts.
        voice: name of the engine's voice; texts recorded with another one are rendered again.
        engine: started; must speak the language.
        engine_version: goes into the manifest; by default what the engine says of itself, if it does.
        licence: of the voice; known voices need none.

    Raises:
        EngineError: a text could not be spoken; what was rendered before stays.
        ConfigError: the manifest is damaged.
    """
    wanted = _by_key(texts)
    old = {key_of(entry.text): entry for entry in read_manifest(store_dir, language).entries}
    folder = store_dir / language
    folder.mkdir(parents=True, exist_ok=True)
    label = f"{engine.name} {engine_version or getattr(engine, 'version', '')}".strip()
    known = VOICE_LICENCES if engine.name == "rhvoice" else {}
    licence = licence or known.get(voice, "not stated")
    entries: list[PromptEntry] = []
    rendered: list[str] = []
    for key, text in wanted.items():
        entry = old.get(key)
        if entry is None or not _still_good(folder, entry, text, voice, engine.name):
            pcm = await _speak(engine, text, language)
            entry = _store(folder, text, pcm, voice, label, licence)
            rendered.append(text)
        elif entry.engine != STUDIO:
            entry = entry.model_copy(update={"licence": licence})
        entries.append(entry)
    removed = tuple(entry.text for key, entry in old.items() if key not in wanted)
    _write_manifest(folder, Manifest(language=language, entries=tuple(entries)))
    _remove_others(folder, {entry.file for entry in entries})
    return RenderReport(tuple(rendered), tuple(sorted(set(wanted.values()) - set(rendered))), removed)


def check(store_dir: Path, texts: Iterable[str], language: Language) -> list[Problem]:
    """Compare texts with recordings.

    Returns:
        Texts without a recording, recordings without a text, missing or changed files, files not in the manifest.
    """
    try:
        manifest = read_manifest(store_dir, language)
    except ConfigError as error:
        return list(error.problems)
    folder = store_dir / language
    name = str(folder / MANIFEST)
    wanted = _by_key(texts)
    recorded = {key_of(entry.text): entry for entry in manifest.entries}
    problems = [
        Problem(name, None, "", text, "has no recording (ivrbot prompts render)")
        for key, text in wanted.items()
        if key not in recorded
    ]
    problems += [
        Problem(name, None, "", entry.text, "is recorded but nobody says it (ivrbot prompts render removes it)")
        for key, entry in recorded.items()
        if key not in wanted
    ]
    problems += check_files(store_dir, manifest)
    listed = {entry.file for entry in manifest.entries}
    problems += [
        Problem(str(file), None, "", "", "is not in the manifest")
        for file in sorted(folder.glob("*.wav"))
        if file.name not in listed
    ]
    return problems


def script(texts: Iterable[str]) -> tuple[ScriptLine, ...]:
    """The recording script: every text once, with the file name under which `adopt` looks for it."""
    wanted = _by_key(texts).values()
    return tuple(ScriptLine(number, file_name(text), text) for number, text in enumerate(wanted, start=1))


def adopt(
    store_dir: Path, recordings: Path, texts: Iterable[str], language: Language, speaker: str, licence: str
) -> tuple[str, ...]:
    """Take over a studio's recordings, named as in the script: any WAV, becomes 8 kHz A-law, trimmed and levelled.

    Args:
        store_dir: the folder that holds a folder for each language.
        recordings: folder with the studio's files; those not in the script are left alone.
        texts: everything that the bot says.
        language: of the texts.
        speaker: goes into the manifest as the voice.
        licence: terms under which the speaker's voice is used.

    Returns:
        The texts taken over.

    Raises:
        ConfigError: every file that is broken or holds no speech; nothing is changed then.
    """
    sounds, problems = _studio_sounds(recordings, texts)
    if problems:
        raise ConfigError(problems)
    old = {key_of(entry.text): entry for entry in read_manifest(store_dir, language).entries}
    folder = store_dir / language
    folder.mkdir(parents=True, exist_ok=True)
    new = {key_of(text): _store(folder, text, pcm, speaker, STUDIO, licence) for text, pcm in sounds.items()}
    entries = [entry for _, entry in sorted({**old, **new}.items())]
    _write_manifest(folder, Manifest(language=language, entries=tuple(entries)))
    return tuple(sounds)


def _studio_sounds(recordings: Path, texts: Iterable[str]) -> tuple[dict[str, Pcm], list[Problem]]:
    sounds: dict[str, Pcm] = {}
    problems: list[Problem] = []
    for line in script(texts):
        file = recordings / line.file
        if not file.is_file():
            continue
        try:
            pcm = _finished(read_wav(file), 30.0)
        except ConfigError as error:
            problems += error.problems
            continue
        if duration_ms(pcm) < least_ms(line.text):
            problems.append(Problem(str(file), None, "", f"{duration_ms(pcm)} ms", f"too short for: {line.text}"))
        sounds[line.text] = pcm
    return sounds, problems


def _by_key(texts: Iterable[str]) -> dict[str, str]:
    """Texts by key, in the order of the keys; the first of equal ones wins."""
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(key_of(text), clean(text))
    return dict(sorted(found.items()))


def _still_good(folder: Path, entry: PromptEntry, text: str, voice: str, engine_name: str) -> bool:
    engine = entry.engine.split(" ")[0]
    same_source = engine == STUDIO or (engine == engine_name and entry.voice == voice and entry.text == text)
    file = folder / entry.file
    return same_source and file.is_file() and sha256_of(file.read_bytes()) == entry.sha256


async def _speak(engine: TtsEngine, text: str, language: Language) -> Pcm:
    spoken = Pcm(b"".join([pcm async for pcm in engine.stream(text, language)]))
    pcm = _finished(spoken, _MOST_CORRECTION_DB)
    if not pcm:
        raise EngineBadOutput(f"{engine.name} made only silence of: {text}")
    return pcm


def _finished(pcm: Pcm, most_db: float) -> Pcm:
    return trim(level(pcm, most_db))


def _store(folder: Path, text: str, pcm: Pcm, voice: str, engine: str, licence: str) -> PromptEntry:
    data = encode_alaw_wav(pcm)
    name = file_name(text)
    (folder / name).write_bytes(data)
    return PromptEntry(
        text=text,
        file=name,
        voice=voice,
        engine=engine,
        licence=licence,
        sha256=sha256_of(data),
        duration_ms=duration_ms(pcm),
    )


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    lines = ",\n".join("  " + json.dumps(entry.model_dump(), ensure_ascii=False) for entry in manifest.entries)
    text = f'{{"language": "{manifest.language}", "entries": [\n{lines}\n]}}\n'
    # written beside and renamed: an interrupted run leaves the old manifest
    partial = folder / (MANIFEST + ".new")
    partial.write_text(text, "utf-8")
    partial.replace(folder / MANIFEST)


def _remove_others(folder: Path, keep: set[str]) -> None:
    for file in folder.glob("*.wav"):
        if file.name not in keep:
            file.unlink()

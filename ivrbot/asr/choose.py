"""Which engine hears which language, by settings and by what lies in the model folder.

Takes settings and the folder, gives one engine that sends every utterance to its language's engine. With `auto` a
server that the settings name comes first, for somebody has put it there; then a sherpa-onnx model of the language
(T-one hears Russian telephones best of all), then a Vosk model, because both stream and hear far better; else
Whisper, which always works.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ivrbot.asr.sherpa import SherpaEngine, find_model
from ivrbot.asr.streaming import StreamingEngine
from ivrbot.asr.vosk import VoskEngine
from ivrbot.asr.vosk_server import NAME as SERVER
from ivrbot.asr.vosk_server import VoskServerEngine
from ivrbot.asr.whisper import WhisperEngine
from ivrbot.asr.whisper_model import check_folder
from ivrbot.asr.workers import WorkerPool
from ivrbot.config import AsrSettings
from ivrbot.errors import EngineUnavailable, MissingError
from ivrbot.model.speech import LANGUAGES, Expect, Language, Partial
from ivrbot.ports import AsrEngine, AsrStream

WHISPER_FOLDER: Final = "whisper-base"
_LANGUAGE_NAMES: Final[Mapping[Language, tuple[str, ...]]] = {"ru": ("ru", "russian"), "en": ("en", "english")}
_VOSK_MAIN_FILES: Final = ("am/final.mdl", "final.mdl")


class ByLanguage:
    """Several engines as one. See `ivrbot.ports.AsrEngine`."""

    def __init__(self, engines: Mapping[Language, AsrEngine]) -> None:
        self._engines = dict(engines)

    @property
    def name(self) -> str:
        """Names of all engines; a transcript names the one that heard it."""
        return "+".join(sorted({engine.name for engine in self._engines.values()}))

    @property
    def engines(self) -> Mapping[Language, AsrEngine]:
        """Who hears which language."""
        return dict(self._engines)

    @property
    def pools(self) -> tuple[WorkerPool[Any], ...]:
        """Pools of recognisers in this process; a server elsewhere watches itself."""
        return tuple(one.pool for one in self._each() if isinstance(one, WhisperEngine | StreamingEngine))

    async def start(self) -> None:
        """Load every engine.

        Raises:
            EngineUnavailable: some cannot be loaded, each is named; the others are freed.
        """
        failed: list[EngineUnavailable] = []
        try:
            for engine in self._each():
                try:
                    await engine.start()
                except EngineUnavailable as error:
                    failed.append(error)
            if failed:
                raise failed[0] if len(failed) == 1 else EngineUnavailable("; ".join(map(str, failed)))
        except BaseException:
            await self.close()
            raise

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> AsrStream:
        """Begin an utterance on the language's engine.

        Raises:
            EngineUnavailable: nobody hears that language.
        """
        engine = self._engines.get(language)
        if engine is None:
            raise EngineUnavailable(f"no speech recognition for {language}")
        return engine.open(language, expect, on_partial)

    async def close(self) -> None:
        """Free every engine."""
        for engine in self._each():
            await engine.close()

    def _each(self) -> tuple[AsrEngine, ...]:
        return tuple({id(engine): engine for engine in self._engines.values()}.values())


def vosk_folder(models_dir: Path, language: str) -> Path | None:
    """The Vosk model of a language, found by the names that the project gives its models; large before small."""
    name = re.compile(rf"vosk(-model)?(-small|-big)?-{re.escape(language)}(-.*)?", re.IGNORECASE)
    folders = [
        folder
        for folder in (sorted(models_dir.iterdir()) if models_dir.is_dir() else ())
        if name.fullmatch(folder.name) and any((folder / file).is_file() for file in _VOSK_MAIN_FILES)
    ]
    return min(folders, key=lambda folder: ("small" in folder.name, folder.name), default=None)


def sherpa_folder(models_dir: Path, language: Language) -> Path | None:
    """The sherpa-onnx model of a language, found by the names that the project gives its models; T-one first."""
    name = re.compile(rf"sherpa-onnx-.*\b({'|'.join(_LANGUAGE_NAMES[language])})\b.*", re.IGNORECASE)
    folders = [
        folder
        for folder in (sorted(models_dir.iterdir()) if models_dir.is_dir() else ())
        if name.fullmatch(folder.name) and find_model(folder) is not None
    ]
    return min(folders, key=lambda folder: ("t-one" not in folder.name, folder.name), default=None)


def choose_engine(
    settings: AsrSettings,
    models_dir: Path,
    languages: tuple[Language, ...] = LANGUAGES,
    observe_queue_s: Callable[[float], None] = lambda _: None,
) -> ByLanguage:
    """Pick the engines; nothing is loaded yet.

    Args:
        settings: engine wanted, instances, deadline.
        models_dir: where models lie.
        languages: those to be heard.
        observe_queue_s: told each job's waiting time in seconds.

    Raises:
        MissingError: models or addresses are missing; names all of them and says how to get them.
    """
    wanted = {language: settings.engines.get(language, settings.engine) for language in languages}
    chosen: dict[Language, str] = {}
    missing: dict[str, list[Language]] = {}
    for language, name in wanted.items():
        kind = _kind_for(language, name, settings, models_dir)
        if kind is None:
            missing.setdefault(name, []).append(language)
        else:
            chosen[language] = kind
    problems = [_problem(name, lacking, models_dir) for name, lacking in missing.items()]
    engines: dict[Language, AsrEngine] = {}
    for kind in dict.fromkeys(chosen.values()):
        heard = tuple(language for language in languages if chosen.get(language) == kind)
        try:
            engine = _make(kind, heard, settings, models_dir, observe_queue_s)
        except MissingError as error:
            problems.append(error)
        else:
            engines.update(dict.fromkeys(heard, engine))
    if problems:
        raise problems[0] if len(problems) == 1 else _together(problems)
    return ByLanguage(engines)


_STREAMING: Final = {"sherpa": sherpa_folder, "vosk": vosk_folder}
"""Engines that stream, the best first, and how the model of a language is found."""

_NAMES: Final = {"vosk": "Vosk", "sherpa": "sherpa-onnx"}


def _kind_for(language: Language, name: str, settings: AsrSettings, models_dir: Path) -> str | None:
    """Which engine hears a language; None when what is wanted by name is not there."""
    if name in {"auto", SERVER} and language in settings.vosk_servers:
        return SERVER
    for kind, find in _STREAMING.items():
        if name in {"auto", kind} and find(models_dir, language):
            return kind
    return "whisper" if name in {"auto", "whisper"} else None


def _problem(name: str, languages: list[Language], models_dir: Path) -> MissingError:
    spoken = ", ".join(languages)
    if name == SERVER:
        return MissingError(f"no Vosk server for {spoken}", "Set asr.vosk_servers, or another engine")
    return MissingError(
        f"no {_NAMES[name]} model for {spoken} in {models_dir}",
        "Put one there (`ivrbot models list` names them and where they come from), or set asr.engine to auto",
    )


def _together(problems: list[MissingError]) -> MissingError:
    """All problems as one: nobody wants to mend them one start at a time."""
    *others, last = problems
    return MissingError("; ".join([*map(str, others), str(last).removesuffix(f". {last.fix}")]), last.fix)


def _make(
    kind: str,
    languages: tuple[Language, ...],
    settings: AsrSettings,
    models_dir: Path,
    observe_queue_s: Callable[[float], None],
) -> AsrEngine:
    if kind == SERVER:
        addresses = {language: settings.vosk_servers[language] for language in languages}
        return VoskServerEngine(addresses, deadline_ms=settings.deadline_ms)
    if kind == "whisper":
        return _whisper(settings, models_dir, observe_queue_s)
    found = {language: _STREAMING[kind](models_dir, language) for language in languages}
    folders = {language: folder for language, folder in found.items() if folder}
    make = SherpaEngine if kind == "sherpa" else VoskEngine
    return make(
        folders, instances=settings.instances, deadline_ms=settings.deadline_ms, observe_queue_s=observe_queue_s
    )


def _whisper(settings: AsrSettings, models_dir: Path, observe_queue_s: Callable[[float], None]) -> WhisperEngine:
    folder = models_dir / WHISPER_FOLDER
    try:
        check_folder(folder)
    except EngineUnavailable as error:
        raise MissingError(f"no speech recognition model: {error}", "Run `ivrbot models pull`") from error
    return WhisperEngine(
        folder,
        instances=settings.instances,
        deadline_ms=settings.deadline_ms,
        observe_queue_s=observe_queue_s,
    )

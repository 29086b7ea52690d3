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
            EngineUnavailable: one cannot be loaded; those loaded before are freed.
        """
        try:
            for engine in self._each():
                await engine.start()
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
        MissingError: no model for a language; says how to get one.
    """
    engines: dict[Language, AsrEngine] = {}
    servers = {language: url for language, url in settings.vosk_servers.items() if language in languages}
    if servers and settings.engine == "auto":
        engines.update(dict.fromkeys(servers, VoskServerEngine(servers, deadline_ms=settings.deadline_ms)))
    for kind, find, make in _STREAMING:
        if settings.engine not in {"auto", kind}:
            continue
        found = {language: find(models_dir, language) for language in languages if language not in engines}
        folders = {language: folder for language, folder in found.items() if folder}
        if folders:
            engine = make(
                folders,
                instances=settings.instances,
                deadline_ms=settings.deadline_ms,
                observe_queue_s=observe_queue_s,
            )
            engines.update(dict.fromkeys(folders, engine))
    rest = [language for language in languages if language not in engines]
    if rest and settings.engine in {"vosk", "sherpa"}:
        name = {"vosk": "Vosk", "sherpa": "sherpa-onnx"}[settings.engine]
        raise MissingError(
            f"no {name} model for {', '.join(rest)} in {models_dir}",
            "Put one there (`ivrbot models list` names them and their page), or set asr.engine to auto",
        )
    if rest:
        whisper = _whisper(settings, models_dir, observe_queue_s)
        engines.update(dict.fromkeys(rest, whisper))
    return ByLanguage(engines)


_STREAMING: Final = (("sherpa", sherpa_folder, SherpaEngine), ("vosk", vosk_folder, VoskEngine))
"""Engines that stream, the best first: name in the settings, how its model is found, how it is made."""


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

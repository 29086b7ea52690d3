"""The composition root's engines: what understands, hears and speaks, by the settings.

`open_nlu` gives understanding, `open_speech` ears and a mouth; commands take single engines. Only this module and
`app` name concrete engines.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from ivrbot import metrics
from ivrbot.asr.choose import ByLanguage, choose_engine
from ivrbot.config import Settings
from ivrbot.errors import EngineError, EngineUnavailable, IvrbotError, MissingError
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.nlu.encoder import ENCODER_FILE
from ivrbot.nlu.fallback import FallbackNlu
from ivrbot.nlu.rasa import RasaNlu, RasaServer
from ivrbot.ports import AsrEngine, NluEngine, TtsEngine
from ivrbot.secretfile import read_secret
from ivrbot.speech.vad import shared_silero
from ivrbot.tts.choose import VoicesByLanguage
from ivrbot.tts.piper import PiperEngine, find_voices
from ivrbot.tts.prompts import PromptStore
from ivrbot.tts.pyttsx3_engine import Pyttsx3Engine
from ivrbot.tts.rhvoice import RhvoiceEngine
from ivrbot.tts.voice import BankVoice

log = logging.getLogger(__name__)


async def train_nlu(settings: Settings) -> EmbeddedNlu:
    """The embedded classifier, kept from the last time or trained now, off the event loop."""
    encoder, kept = settings.models_dir / ENCODER_FILE, settings.data_dir / "nlu"
    with ThreadPoolExecutor(1, "nlu-training") as executor:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            executor, lambda: EmbeddedNlu.train(settings.nlu_data_dir, encoder, cache_dir=kept)
        )


def rasa_nlu(settings: Settings) -> RasaNlu:
    """The Rasa server of the settings, alone.

    Raises:
        ConfigError: the token's file cannot be read.
    """
    nlu = settings.nlu
    token = "" if nlu.rasa_token_file is None else read_secret(nlu.rasa_token_file, "nlu.rasa_token_file")
    return RasaNlu(RasaServer(nlu.rasa_url, token, nlu.rasa_deadline_ms))


async def open_nlu(settings: Settings) -> NluEngine:
    """The understanding engine of the settings: a Rasa server always has the embedded classifier behind it.

    Raises:
        ConfigError: the training data or the token's file is invalid.
    """
    embedded = await train_nlu(settings)
    if settings.nlu.engine == "embedded":
        return embedded

    def count(engine: str, code: str) -> None:
        metrics.ENGINE_FAILURES.labels(engine, code).inc()

    return FallbackNlu(rasa_nlu(settings), embedded, on_failure=count)


@dataclass(frozen=True, slots=True)
class Speech:
    """Ears and mouth."""

    asr: ByLanguage
    voice: BankVoice
    tts: TtsEngine | None

    def hearing(self, language: Language) -> AsrEngine:
        """Recogniser of a language."""
        return self.asr.engines[language]


def prompt_stores(settings: Settings) -> dict[Language, PromptStore]:
    """Recorded prompts of all languages.

    Raises:
        ConfigError: missing or damaged recordings.
    """
    return {language: PromptStore(settings.tts.prompts_dir, language) for language in LANGUAGES}


def tts_engine(settings: Settings, name: str, languages: Collection[Language] = LANGUAGES) -> TtsEngine:
    """A live speech engine by name ("rhvoice", "piper", "pyttsx3"); not started.

    Args:
        settings: voices, and where they lie.
        name: of the engine.
        languages: those that it is wanted for.
    """
    if name == "pyttsx3":
        return Pyttsx3Engine(allow_russian=settings.tts.engines.get("ru") == "pyttsx3")
    if name == "piper":
        found = find_voices(settings.models_dir)
        return PiperEngine({language: voice for language, voice in found.items() if language in languages})
    return RhvoiceEngine(
        settings.tts.voice_ru, settings.tts.voice_en, settings.tts.rhvoice_dir, languages=languages
    )


_BY_ITSELF: Final = ("rhvoice", "pyttsx3")
"""What `auto` takes, the best first. Piper is for who chooses it: its voices' licences are to be weighed."""


async def start_tts(settings: Settings) -> TtsEngine | None:
    """The live voices of the settings, each language's own; None where there are none.

    Raises:
        EngineUnavailable: engines asked for by name do not start or lack a language; names all of them.
    """
    wanted = {language: settings.tts.engines.get(language, settings.tts.engine) for language in LANGUAGES}
    tried: dict[str, TtsEngine | EngineError] = {}
    for kind in dict.fromkeys(kind for name in wanted.values() for kind in _candidates(name)):
        users = [language for language, name in wanted.items() if kind in _candidates(name)]
        tried[kind] = await _started(tts_engine(settings, kind, users))
    chosen: dict[Language, TtsEngine] = {}
    problems: dict[str, None] = {}
    for language, name in wanted.items():
        able = [tried[kind] for kind in _candidates(name)]
        speaks = [one for one in able if not isinstance(one, EngineError) and language in one.languages()]
        if speaks:
            chosen[language] = speaks[0]
        elif name not in {"auto", "none"} and isinstance(able[0], EngineError):
            problems[str(able[0])] = None
        elif language in settings.tts.engines and name not in {"auto", "none"}:
            problems[f"{name} has no voice for {language}"] = None
    for engine in tried.values():
        if not isinstance(engine, EngineError) and (problems or engine not in chosen.values()):
            await engine.close()
    if problems:
        raise EngineUnavailable("; ".join(problems))
    return _as_one(chosen)


def _candidates(name: str) -> tuple[str, ...]:
    return _BY_ITSELF if name == "auto" else () if name == "none" else (name,)


def _as_one(chosen: dict[Language, TtsEngine]) -> TtsEngine | None:
    only = next(iter(chosen.values()), None)
    alone = all(engine is only for engine in chosen.values())
    if only is None or (alone and only.languages() == set(chosen)):
        return only
    return VoicesByLanguage(chosen)


async def _started(engine: TtsEngine) -> TtsEngine | EngineError:
    try:
        await engine.start()
    except EngineError as error:
        await engine.close()
        log.info("%s is not available: %s", engine.name, error)
        return error
    return engine


@asynccontextmanager
async def open_speech(settings: Settings) -> AsyncIterator[Speech]:
    """Load recogniser and voices.

    Raises:
        MissingError: no recognition model.
        EngineUnavailable: engines do not load; names all of them.
        ConfigError: damaged prompts.
    """
    stores = prompt_stores(settings)
    shared_silero()  # loaded here, so that no call waits for it
    problems: list[IvrbotError] = []
    async with AsyncExitStack() as stack:
        try:
            engine = await start_tts(settings)
            if engine is not None:
                stack.push_async_callback(engine.close)
        except EngineUnavailable as error:
            problems.append(error)
        try:
            asr = choose_engine(settings.asr, settings.models_dir, observe_queue_s=metrics.ASR_QUEUE_S.observe)
            await asr.start()
            stack.push_async_callback(asr.close)
        except (MissingError, EngineUnavailable) as error:
            problems.append(error)
        if problems:
            raise problems[0] if len(problems) == 1 else EngineUnavailable("; ".join(map(str, problems)))
        yield Speech(asr, BankVoice(stores, engine), engine)

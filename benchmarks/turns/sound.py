"""The callers' voices: every sentence whole and in its two halves, rendered once with RHVoice and kept.

SYNTHETIC voices, none of which the bot uses; telephone sound (8 kHz, 300-3400 Hz). Files lie in `.cache/turns`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.turns.sentences import every_sentence
from ivrbot.config import PROJECT_ROOT
from ivrbot.media.wav import read_wav, write_wav
from ivrbot.model.audio import Pcm, silence
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.tts.loudness import trim
from ivrbot.tts.measure import speak_to_pcm
from ivrbot.tts.rhvoice import RhvoiceEngine
from tests.caller_speech import rhvoice_root

VOICES: Final[dict[Language, tuple[str, ...]]] = {"ru": ("anna", "elena", "irina"), "en": ("bdl", "clb", "alan")}
_FOLDER: Final = PROJECT_ROOT / ".cache" / "turns" / "voices"


def halves(sentence: str) -> tuple[str, ...]:
    """What is said before and after the place of hesitation; one part where there is none."""
    return tuple(part.strip() for part in re.split(r"[|/]", sentence))


def spoken(sentence: str, voice: str, pause_ms: int) -> Pcm:
    """A sentence as a caller says it, with a pause inside if `pause_ms` is above 0; `render` was called before."""
    parts = _texts(sentence)
    if pause_ms and len(parts) > 1:
        before, after = (read_wav(_file(text, voice)) for text in parts[1:])
        return Pcm(before + silence(pause_ms) + after)
    return read_wav(_file(parts[0], voice))


async def render() -> int:
    """Render what is not there yet; gives how many files that were."""
    made = 0
    for language in LANGUAGES:
        texts = list(dict.fromkeys(text for sentence in every_sentence(language) for text in _texts(sentence)))
        for voice in VOICES[language]:
            made += await _render(texts, voice, language)
    return made


async def _render(texts: Sequence[str], voice: str, language: Language) -> int:
    missing = [text for text in texts if not _file(text, voice).is_file()]
    if not missing:
        return 0
    root = await asyncio.to_thread(rhvoice_root)
    engine = (
        RhvoiceEngine(voice_en=voice, root=root) if language == "en" else RhvoiceEngine(voice_ru=voice, root=root)
    )
    await engine.start()
    try:
        for text in missing:
            file = _file(text, voice)
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".new")
            write_wav(partial, trim((await speak_to_pcm(engine, text, language)).pcm))
            partial.replace(file)
    finally:
        await engine.close()
    return len(missing)


def _texts(sentence: str) -> tuple[str, ...]:
    """The whole sentence, then its halves; the first half with the comma that keeps the voice up."""
    parts = halves(sentence)
    return (" ".join(parts), *((f"{parts[0]},", parts[1]) if len(parts) > 1 else ()))


def _file(text: str, voice: str) -> Path:
    return _FOLDER / voice / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.wav"


def files() -> Iterator[Path]:
    """All recordings there are."""
    return _FOLDER.glob("*/*.wav")

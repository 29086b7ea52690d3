"""Speaking a text and measuring it: what the command `ivrbot tts` shows.

Takes a started engine and a text, gives the sound, the time to the first of it and the processor time.
"""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol, runtime_checkable

from ivrbot.model.audio import Pcm
from ivrbot.model.speech import Language
from ivrbot.ports import TtsEngine


@runtime_checkable
class CountsCpu(Protocol):
    """An engine that knows what it has cost."""

    @property
    def cpu_s(self) -> float:
        """Processor time of all finished texts, in seconds."""
        ...


class Spoken(NamedTuple):
    """A text as sound, and its cost.

    Attributes:
        pcm: 8 kHz PCM16.
        first_audio_ms: from the request to the first sound.
        cpu_s: processor time of the engine; 0 where it does not count.
    """

    pcm: Pcm
    first_audio_ms: int
    cpu_s: float


async def speak_to_pcm(engine: TtsEngine, text: str, language: Language) -> Spoken:
    """Speak a whole text with a started engine.

    Raises:
        EngineError: no sound could be made.
    """
    began_cpu_s = engine.cpu_s if isinstance(engine, CountsCpu) else 0.0
    began_s = time.monotonic()
    first_ms = 0
    parts: list[Pcm] = []
    async for pcm in engine.stream(text, language):
        if not parts:
            first_ms = round((time.monotonic() - began_s) * 1000)
        parts.append(pcm)
    cpu_s = engine.cpu_s - began_cpu_s if isinstance(engine, CountsCpu) else 0.0
    return Spoken(Pcm(b"".join(parts)), first_ms, cpu_s)

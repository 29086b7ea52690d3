"""A voice engine without a network: a voice is the level of its sound, and so is its embedding."""

from __future__ import annotations

import array
import math

from ivrbot.errors import EngineBadOutput, EngineError
from ivrbot.model.audio import SAMPLE_RATE_HZ, Pcm, duration_ms
from ivrbot.model.voiceprint import VoiceSample

ANNAS, HER_SISTERS, A_STRANGERS = 100, 500, 1600
"""Voices, in thousandths of a radian: how far apart their embeddings are."""


def voice(who: int, seconds: float = 3.0) -> Pcm:
    """Sound of a voice."""
    return Pcm(array.array("h", [who]).tobytes() * round(seconds * SAMPLE_RATE_HZ))


class FakeVoiceEngine:
    """Implements `ports.VoiceprintEngine`.

    Attributes:
        model: as set.
        failures: raised by the next samples, in turn.
        heard: how many milliseconds each sample was made of.
        snr_db: of every sample.
    """

    def __init__(self, model: str = "a" * 64) -> None:
        self.model = model
        self.failures: list[EngineError] = []
        self.heard: list[int] = []
        self.snr_db = 25.0

    async def start(self) -> None:
        pass

    async def sample(self, pcm: Pcm) -> VoiceSample:
        self.heard.append(duration_ms(pcm))
        if self.failures:
            raise self.failures.pop(0)
        if len(pcm) % 2 or not any(pcm):
            raise EngineBadOutput("no speech in it, or half a sample")
        levels = array.array("h", pcm)
        angle = sum(levels) / len(levels) / 1000
        return VoiceSample((math.cos(angle), math.sin(angle)), self.model, duration_ms(pcm), self.snr_db)

    async def close(self) -> None:
        pass

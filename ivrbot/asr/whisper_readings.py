"""What Whisper's readings are worth: unsure ones, two as one, and what of them was really said. Pure."""

from __future__ import annotations

import math
from typing import Final

from ivrbot.asr import guards
from ivrbot.asr.whisper_model import Reading
from ivrbot.model.speech import Hypothesis, Transcript

NAME: Final = "whisper"
UNSURE_LOG_PROB: Final = -0.7


def unsure(reading: Reading, audio_ms: int) -> bool:
    """Whether a second pass may better it: unlikely words, or a loop."""
    text, log_prob = reading.texts[0]
    return log_prob < UNSURE_LOG_PROB or guards.is_repetitive(guards.clean(text), audio_ms / 1000.0)


def together(one: Reading, other: Reading) -> Reading:
    """Readings of two passes as one, the likeliest first."""
    texts = sorted((*one.texts, *other.texts), key=lambda found: -found[1])
    return Reading(tuple(texts), min(one.no_speech, other.no_speech), one.cpu_ms + other.cpu_ms)


def transcript(reading: Reading, audio_ms: int, cpu_ms: float) -> Transcript:
    """Apply the guards; equal readings are merged, the best first."""
    hypotheses: dict[str, Hypothesis] = {}
    if not guards.is_doubtful(reading.no_speech, reading.texts[0][1]):
        for raw, log_prob in reading.texts:
            text = guards.unloop(guards.clean(raw))
            if guards.is_invented(text) or (audio_ms and guards.is_repetitive(text, audio_ms / 1000.0)):
                continue
            hypotheses.setdefault(text.casefold(), Hypothesis(text, round(math.exp(min(0.0, log_prob)), 3)))
    return Transcript(tuple(hypotheses.values()), NAME, audio_ms, round(cpu_ms))

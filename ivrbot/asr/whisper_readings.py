"""What Whisper's readings are worth: unsure ones, two as one, and what of them was really said. Pure."""

from __future__ import annotations

import math
from typing import Final

from ivrbot.asr import guards
from ivrbot.asr.whisper_model import Reading
from ivrbot.model.speech import Hypothesis, Transcript

NAME: Final = "whisper"
UNSURE_LOG_PROB: Final = -0.65
SPEECH_LIMIT: Final = 0.2
"""Speech that was read as a loop had a no-speech probability of at most so much, silence and noise above 0.6."""


def unsure(reading: Reading, audio_ms: int) -> bool:
    """Whether a second pass may better it: unlikely words, or a loop."""
    return reading.texts[0][1] < UNSURE_LOG_PROB or repeats_itself(reading, audio_ms)


def repeats_itself(reading: Reading, audio_ms: int) -> bool:
    """Whether the likeliest reading runs in a loop, or holds more words than can be said."""
    return guards.is_repetitive(guards.clean(reading.texts[0][0]), audio_ms / 1000.0)


def is_speech(reading: Reading) -> bool:
    """Whether somebody speaks in it, whatever was made of his words."""
    return reading.no_speech <= SPEECH_LIMIT


def lost_in_loops(reading: Reading, audio_ms: int) -> bool:
    """Whether somebody spoke, and nothing is left of it but loops.

    Of speech that the network read so the no-speech probability was 0.2 at most, of silence and noise, of which it
    makes loops as well, above 0.6.
    """
    said = (guards.unloop(guards.clean(text)) for text, _ in reading.texts)
    loops = all(guards.is_repetitive(text, audio_ms / 1000.0) for text in said)
    return loops and reading.no_speech <= guards.NO_SPEECH_LIMIT


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
    garbled = not hypotheses and is_speech(reading)
    return Transcript(tuple(hypotheses.values()), NAME, audio_ms, round(cpu_ms), garbled)

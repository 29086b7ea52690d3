"""What two voices have in common, and what that is worth: cosine of speaker embeddings against thresholds. Pure.

Takes samples and templates, gives verdicts and templates. A verdict opens nothing: the ladder decides what it is
good for. Source: cosine scoring of speaker embeddings, Dehak et al. 2011, "Front-End Factor Analysis for Speaker
Verification", section IV-A.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ivrbot.model.voiceprint import (
    VoiceComparison,
    VoiceDoubt,
    VoiceSample,
    VoiceTemplate,
    VoiceThresholds,
    VoiceVerdict,
)

ENROL_CALLS: Final = 3
"""Calls whose sound makes a template: another telephone, another day, a cold."""


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """Cosine of two vectors of one length, -1 to 1; 0 where one of them is nothing.

    Raises:
        ValueError: of different lengths.
    """
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.hypot(*one) * math.hypot(*other)
    return max(-1.0, min(1.0, dot / lengths)) if lengths else 0.0


def doubt_about(sample: VoiceSample, thresholds: VoiceThresholds) -> VoiceDoubt | None:
    """Why a sample is not good enough to be compared or kept; None when it is."""
    if sample.speech_ms < thresholds.min_speech_ms:
        return VoiceDoubt.TOO_LITTLE_SPEECH
    return VoiceDoubt.TOO_NOISY if sample.snr_db < thresholds.min_snr_db else None


def compare(
    sample: VoiceSample,
    template: VoiceTemplate | None,
    thresholds: VoiceThresholds,
    answer: VoiceSample | None = None,
) -> VoiceComparison:
    """What the voice of a call is worth against the one that is kept.

    Args:
        sample: of everything the caller has said.
        template: of the customer, None when there is none.
        thresholds: in force.
        answer: of what he repeated just now alone. It is short, so that it can accept nothing; but when it is
            clearly another voice than the template's, the rest may have been played.

    Returns:
        A verdict, and the score of the whole sample; no score where nothing could be compared.
    """
    if template is None:
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.NOT_ENROLLED)
    if template.model != sample.model or len(template.embedding) != len(sample.embedding):
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.OTHER_MODEL)
    if (doubt := doubt_about(sample, thresholds)) is not None:
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=doubt)
    score = likeness(sample.embedding, template.embedding)
    if score < thresholds.flag:
        return VoiceComparison(VoiceVerdict.FLAG, score)
    if score < thresholds.accept:
        return VoiceComparison(VoiceVerdict.STEP_UP, score)
    if answer is not None and likeness(answer.embedding, template.embedding) < thresholds.flag:
        return VoiceComparison(VoiceVerdict.STEP_UP, score, VoiceDoubt.ANSWER_DIFFERS)
    return VoiceComparison(VoiceVerdict.ACCEPT, score)


def enrolled(
    customer_id: str, samples: Sequence[VoiceSample], thresholds: VoiceThresholds, at: datetime
) -> VoiceTemplate | None:
    """The template that samples of several calls make; None while there are too few that belong together.

    A sample that is nothing like the others (somebody else has taken the telephone) is left out.

    Args:
        customer_id: whose they are.
        samples: one a call, oldest first; those of another model than the last one's do not count.
        thresholds: in force; `flag` parts another's voice from his.
        at: aware UTC.
    """
    usable = [one for one in samples if one.model == samples[-1].model] if samples else []
    kept = [one for one in usable if _belongs(one, [other for other in usable if other is not one], thresholds)]
    if len(kept) < ENROL_CALLS:
        return None
    embedding = _unit(_sum([_unit(one.embedding) for one in kept]))
    spoken_ms = sum(one.speech_ms for one in kept)
    return VoiceTemplate(customer_id, embedding, kept[-1].model, len(kept), spoken_ms, at)


def _belongs(sample: VoiceSample, others: Sequence[VoiceSample], thresholds: VoiceThresholds) -> bool:
    """Whether it is like most of the others."""
    like = sum(likeness(sample.embedding, other.embedding) >= thresholds.flag for other in others)
    return 2 * like >= len(others)


def _sum(vectors: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(math.fsum(values) for values in zip(*vectors, strict=True))


def _unit(vector: Sequence[float]) -> tuple[float, ...]:
    length = math.hypot(*vector)
    return tuple(value / length for value in vector) if length else tuple(vector)

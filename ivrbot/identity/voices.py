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
    """Cosine of two vectors of one length, -1 to 1.

    Raises:
        ValueError: of different lengths, or one of them has no direction (zero, infinite, not a number).
    """
    dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.hypot(*one) * math.hypot(*other)
    if not math.isfinite(lengths) or not lengths:
        raise ValueError("an embedding without a direction")
    return max(-1.0, min(1.0, dot / lengths))


def doubt_about(sample: VoiceSample, thresholds: VoiceThresholds) -> VoiceDoubt | None:
    """Why a sample is not good enough to be compared or kept; None when it is."""
    if sample.speech_ms < thresholds.min_speech_ms:
        return VoiceDoubt.TOO_LITTLE_SPEECH
    # So written that a ratio that is not a number is a doubt as well.
    return None if sample.snr_db >= thresholds.min_snr_db else VoiceDoubt.TOO_NOISY


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
        answer: of what he repeated just now alone. It is short, so that it can accept nothing; but when it is not
            like the template by itself (`VoiceThresholds.answer`), the rest may have been played.

    Returns:
        A verdict, and the score of the whole sample; no score where nothing could be compared.
    """
    if template is None:
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.NOT_ENROLLED)
    if template.model != sample.model or len(template.embedding) != len(sample.embedding):
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.OTHER_MODEL)
    if (doubt := doubt_about(sample, thresholds)) is not None:
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=doubt)
    try:
        score = likeness(sample.embedding, template.embedding)
        answered = 1.0 if answer is None else likeness(answer.embedding, template.embedding)
    except ValueError:
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.ENGINE_FAILED)
    verdict = verdict_of(score, thresholds)
    if verdict is VoiceVerdict.ACCEPT and answered < thresholds.answer:
        return VoiceComparison(VoiceVerdict.STEP_UP, score, VoiceDoubt.ANSWER_DIFFERS)
    return VoiceComparison(verdict, score)


def verdict_of(score: float, thresholds: VoiceThresholds) -> VoiceVerdict:
    """Where a score stands: from `accept` up, below `flag`, or between."""
    if score >= thresholds.accept:
        return VoiceVerdict.ACCEPT
    return VoiceVerdict.FLAG if score < thresholds.flag else VoiceVerdict.STEP_UP


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

    Raises:
        ValueError: one of them has no direction.
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
    if not math.isfinite(length) or not length:
        raise ValueError("an embedding without a direction")
    return tuple(value / length for value in vector)

"""How alike two voices are, and what that is worth. Pure arithmetic.

Takes samples, templates and thresholds, gives cosines and verdicts. A cosine says "alike for this network", never
"the same person": recordings and cloned voices score like their owners.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from ivrbot.model.voiceprint import (
    VoiceComparison,
    VoiceDoubt,
    VoiceSample,
    VoiceTemplate,
    VoiceThresholds,
    VoiceVerdict,
)


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    """Cosine of the angle between two vectors of one length, -1 to 1.

    Raises:
        ValueError: different lengths, or one of them has no direction (zero, infinite or not a number).
    """
    if len(first) != len(second):
        raise ValueError(f"embeddings of {len(first)} and {len(second)} numbers do not compare")
    lengths = math.hypot(*first) * math.hypot(*second)
    if not math.isfinite(lengths) or lengths == 0.0:
        raise ValueError("an embedding without a direction")
    return max(-1.0, min(1.0, math.fsum(a * b for a, b in zip(first, second, strict=True)) / lengths))


def compare(
    sample: VoiceSample,
    template: VoiceTemplate | None,
    thresholds: VoiceThresholds,
    *,
    scored_when_in_doubt: bool = False,
) -> VoiceComparison:
    """Judge a caller's sample against a customer's template.

    Args:
        sample: what was heard.
        template: None when the customer is not enrolled.
        thresholds: of the bank.
        scored_when_in_doubt: give the score of short or noisy samples too (calibration wants it).

    Returns:
        The verdict; INDETERMINATE with its doubt when the comparison would be worth nothing.
    """
    if template is None:
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.NOT_ENROLLED)
    if sample.model != template.model or len(sample.embedding) != len(template.embedding):
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.OTHER_MODEL)
    try:
        score = cosine(sample.embedding, template.embedding)
    except ValueError:
        return VoiceComparison(VoiceVerdict.INDETERMINATE, doubt=VoiceDoubt.ENGINE_FAILED)
    if (doubt := _doubt(sample, thresholds)) is not None:
        shown = score if scored_when_in_doubt else None
        return VoiceComparison(VoiceVerdict.INDETERMINATE, shown, doubt)
    return VoiceComparison(verdict_of(score, thresholds), score)


def verdict_of(score: float, thresholds: VoiceThresholds) -> VoiceVerdict:
    """Where a score stands: at or above `accept`, below `flag`, or between."""
    if score >= thresholds.accept:
        return VoiceVerdict.ACCEPT
    return VoiceVerdict.FLAG if score < thresholds.flag else VoiceVerdict.STEP_UP


def merged(samples: Sequence[VoiceSample]) -> VoiceSample:
    """One sample of several of the same voice: mean of the unit vectors, weighted by their speech.

    Returns:
        A unit vector; speech added up, signal-to-noise ratio averaged by speech.

    Raises:
        ValueError: none, of different models, or cancelling each other out.
    """
    if not samples or len({(sample.model, len(sample.embedding)) for sample in samples}) != 1:
        raise ValueError("samples of one model are needed, at least one")
    weights = [float(max(sample.speech_ms, 1)) for sample in samples]
    embedding = _weighted([sample.embedding for sample in samples], weights)
    snr_db = math.fsum(weight * sample.snr_db for weight, sample in zip(weights, samples, strict=True)) / sum(
        weights
    )
    return VoiceSample(embedding, samples[0].model, sum(sample.speech_ms for sample in samples), snr_db)


def enrolled(
    customer_id: str, calls: Sequence[VoiceSample], at: datetime, before: VoiceTemplate | None = None
) -> VoiceTemplate:
    """A customer's template, new or with further calls added.

    Args:
        customer_id: whose voice it is.
        calls: one sample per call.
        at: aware UTC.
        before: his template so far; one of another model is left behind.

    Raises:
        ValueError: no sample, or of different models.
    """
    fresh = merged(calls)
    if before is None or before.model != fresh.model:
        return VoiceTemplate(customer_id, fresh.embedding, fresh.model, len(calls), fresh.speech_ms, at)
    embedding = _weighted([before.embedding, fresh.embedding], [float(before.speech_ms), float(fresh.speech_ms)])
    speech_ms = before.speech_ms + fresh.speech_ms
    return VoiceTemplate(customer_id, embedding, fresh.model, before.calls + len(calls), speech_ms, at)


def _doubt(sample: VoiceSample, thresholds: VoiceThresholds) -> VoiceDoubt | None:
    if sample.speech_ms < thresholds.min_speech_ms:
        return VoiceDoubt.TOO_LITTLE_SPEECH
    # Written so that a ratio that is not a number is a doubt too.
    return None if sample.snr_db >= thresholds.min_snr_db else VoiceDoubt.TOO_NOISY


def _weighted(vectors: Sequence[tuple[float, ...]], weights: Sequence[float]) -> tuple[float, ...]:
    directions = [(vector, weight / math.hypot(*vector)) for vector, weight in zip(vectors, weights, strict=True)]
    total = [math.fsum(scale * vector[place] for vector, scale in directions) for place in range(len(vectors[0]))]
    length = math.hypot(*total)
    if not math.isfinite(length) or length < 1e-6 * sum(weights):
        raise ValueError("samples that cancel each other out")
    return tuple(item / length for item in total)

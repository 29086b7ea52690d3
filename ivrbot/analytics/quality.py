"""Quality of calls: which are scored, how far scorers agree, how it goes from month to month.

Takes candidates and scores, gives a sample and figures. Pure: a sample depends on the month, the salt and the
calls alone, so that anybody can draw it again and nobody can choose his calls.

Sources: Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20
(1960) 37-46; Student's t for the mean of a stratum (Cochran, "Sampling Techniques", 3rd ed., chapters 2 and 5).
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ivrbot.model.quality import Candidate, QualityScore, Sampled, Why

PER_STRATUM: Final = 10
"""Calls a month of each branch and arm."""
TWICE_SHARE: Final = 0.2
CONFIDENCE: Final = 0.95


def draw_sample(
    candidates: Iterable[Candidate], month: str, salt: bytes, per_stratum: int = PER_STRATUM
) -> tuple[Sampled, ...]:
    """The calls of a month that are scored, by branch, arm and lot.

    In each branch and arm the calls with the smallest keyed hashes: the order of the candidates, and which calls
    other strata have, change nothing. Calls with complaints and thanks are added to those drawn by lot.

    Args:
        candidates: all calls of the month, each once.
        month: "2026-03".
        salt: secret of the installation, so that nobody can tell beforehand which calls will be heard.
        per_stratum: calls of each branch and arm; all where there are fewer.
    """
    strata: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        strata[candidate.branch, candidate.arm].append(candidate)
    sample = []
    for _, calls in sorted(strata.items()):
        lots = sorted(calls, key=lambda call: _lot(salt, month, "draw", call.call_id))
        for at, call in enumerate(lots):
            if at < per_stratum or call.remark is not None:
                drawn = at < per_stratum
                twice = drawn and at < math.ceil(TWICE_SHARE * min(per_stratum, len(lots)))
                why = call.remark or Why.DRAWN
                sample.append(Sampled(month, call.call_id, call.branch, call.arm, why, drawn, twice))
    return tuple(sample)


def _lot(salt: bytes, month: str, purpose: str, call_id: str) -> bytes:
    return hmac.new(salt, "\x1f".join((purpose, month, call_id)).encode(), hashlib.sha256).digest()


# --- how far scorers agree ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two people's scores of the same calls.

    Attributes:
        calls: that two people scored.
        difference: mean absolute difference of their points; None without calls.
        kappa: Cohen's, over the marks of all criteria; None without calls, or where both only ever gave one mark.
    """

    calls: int
    difference: float | None
    kappa: float | None


def agreement(scores: Iterable[QualityScore]) -> Agreement:
    """How far scorers agree: of each call the first two scores count.

    Args:
        scores: of any calls, one for each call and scorer.
    """
    by_call: dict[str, list[QualityScore]] = defaultdict(list)
    for score in sorted(scores, key=lambda one: (one.at, one.scorer)):
        by_call[score.call_id].append(score)
    pairs = [(own[0], own[1]) for own in by_call.values() if len(own) >= 2 and own[0].version == own[1].version]
    if not pairs:
        return Agreement(0, None, None)
    difference = sum(abs(first.points - second.points) for first, second in pairs) / len(pairs)
    marks = [
        (first.marks[name], second.marks[name])
        for first, second in pairs
        for name in first.marks
        if name in second.marks
    ]
    return Agreement(len(pairs), difference, cohens_kappa(marks))


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """(p_o - p_e) / (1 - p_e): agreement beyond what chance would give (Cohen 1960, equation 1).

    Args:
        pairs: both people's mark of the same thing.

    Returns:
        1 for perfect agreement, 0 for chance; None where chance alone would agree always.
    """
    if not pairs:
        return None
    n = len(pairs)
    observed = sum(first == second for first, second in pairs) / n
    firsts, seconds = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    expected = sum(firsts[mark] * seconds[mark] for mark in firsts) / n**2
    return None if expected >= 1 else (observed - expected) / (1 - expected)


# --- how it goes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quality:
    """Mean points of some calls.

    Attributes:
        calls: scored.
        lower, upper: 95 % interval of the mean; None with fewer than two calls.
    """

    calls: int
    mean: float | None
    lower: float | None
    upper: float | None


def mean_points(points: Sequence[float]) -> Quality:
    """Mean with Student's t interval, kept within 0 to 100.

    Args:
        points: one number for each call.
    """
    n = len(points)
    if n == 0:
        return Quality(0, None, None, None)
    mean = sum(points) / n
    if n == 1:
        return Quality(1, mean, None, None)
    from scipy.special import stdtrit  # loaded when a page of figures is opened, not at start

    variance = sum((one - mean) ** 2 for one in points) / (n - 1)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * math.sqrt(variance / n)
    return Quality(n, mean, max(0.0, mean - half), min(100.0, mean + half))


def points_of_calls(scores: Iterable[QualityScore]) -> dict[str, float]:
    """A call's points: the mean over its scorers."""
    given: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        given[score.call_id].append(score.points)
    return {call_id: sum(points) / len(points) for call_id, points in given.items()}


def trends(
    sample: Iterable[Sampled], scores: Sequence[QualityScore], branch: str = ""
) -> Mapping[str, Mapping[str, Quality]]:
    """Quality by month and arm, of calls drawn by lot only.

    Complaints and thanks are read by people for their own sake: as a part of the mean they would say nothing of
    the calls in general.

    Args:
        sample: of any months.
        scores: of their calls.
        branch: of this branch only; "": of all.
    """
    points = points_of_calls(scores)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in sample:
        if one.drawn and one.call_id in points and branch in ("", one.branch):
            found[one.month][one.arm].append(points[one.call_id])
    return {
        month: {arm: mean_points(values) for arm, values in sorted(arms.items())}
        for month, arms in sorted(found.items())
    }

"""Intervals of one group's figure, for one look: a share, a mean.

Takes counts and sums, gives the two ends. They say how far chance alone can move a figure of independent contacts;
no decision rests on them (see `sequences` for bounds that may be looked at every day). Pure.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927), for shares;
"Student", "The probable error of a mean" (1908), for means; M. Abramowitz, I. A. Stegun, "Handbook of Mathematical
Functions", 26.7.5, for the quantile of Student's distribution.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

CONFIDENCE: Final = 0.95
FEWEST: Final = 5
"""A mean of fewer values has no interval: the expansion of the quantile is not good there, nor is the mean."""

Ends = tuple[float, float]


def share_interval(successes: float, n: float, confidence: float = CONFIDENCE) -> Ends | None:
    """Wilson's score interval of a share; None without trials."""
    if n <= 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(0.0, share * (1 - share)) / n + z * z / (4 * n * n))
    # Rounding must not put the share itself outside.
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))


def mean_interval(total: float, squares: float, n: float, confidence: float = CONFIDENCE) -> Ends | None:
    """Student's interval of a mean, from the sum of values and of their squares; None below `FEWEST` values."""
    if n < FEWEST:
        return None
    mean = total / n
    variance = max(0.0, squares - n * mean * mean) / (n - 1)
    half = student_quantile(0.5 + confidence / 2, n - 1) * math.sqrt(variance / n)
    return mean - half, mean + half


def student_quantile(p: float, freedom: float) -> float:
    """Quantile of Student's distribution, within 0.5 % for 0.9 <= p <= 0.99 from 4 degrees of freedom on."""
    z = NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))

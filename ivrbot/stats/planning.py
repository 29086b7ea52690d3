"""How many callers it takes to show that the bot is no worse.

Takes margin, spread, share and error rates, gives units; `rollout forecast` turns them into a calendar.

Source: the bound is the one-sided sequence of `sequences` (Waudby-Smith et al., arXiv 2103.06476); the power is
the usual normal approximation of a mean of independent values.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from ivrbot.stats.sequences import one_sided_half_width

# Beyond this many callers no bank branch decides in years; the answer is "not decidable".
_MOST_CALLERS = 10**10


def phi_variance(variance: float, share: float) -> float:
    """Variance of one unit's phi when both arms spread alike and differ little: variance / (share (1 - share)).

    Args:
        variance: of the raw value within an arm (base rate 72 %: 0.72 * 0.28), in its unit squared, >= 0.
        share: chance of the bot's arm, strictly between 0 and 1.

    Raises:
        ValueError: an argument is out of its range.
    """
    if not (variance >= 0.0 and math.isfinite(variance)):
        raise ValueError(f"variance must not be negative: {variance}")
    if not 0.0 < share < 1.0:
        raise ValueError(f"share must lie between 0 and 1, not {share}")
    return variance / (share * (1.0 - share))


def callers_needed(
    margin: float,
    variance: float,
    share: float,
    alpha: float = 0.05,
    power: float = 0.8,
    t_opt: float = 10_000,
    effect: float = 0.0,
) -> int | None:
    """Units in both arms together at which a look shows benefit > -margin with the given power.

    Computed as the smallest n with effect + margin - h(n) >= z_power sqrt(v / n), v = phi_variance(variance,
    share), h the one-sided half-width: the estimate at n is taken as normal around the true benefit. This is the
    power of the one look at n. Who also looks earlier and stops at the first success needs fewer (about a fifth at
    a margin of 3 points and 10 % share), so that the figure is on the safe side for a controller that looks every
    day.

    Args:
        margin: non-inferiority margin in the value's unit, > 0.
        variance: of the raw value within an arm, in its unit squared.
        share: chance of the bot's arm, strictly between 0 and 1.
        alpha: one-sided error rate over all looks, 0 < alpha < 1/2.
        power: chance of success at that look, 1/2 <= power < 1.
        t_opt: units at which the sequence is tightest.
        effect: true benefit bot - human, in the value's unit, positive when the bot is better.

    Returns:
        Units, at least 2; None where no number of callers suffices (effect <= -margin) or 10^10 would not.

    Raises:
        ValueError: an argument is out of its range.
    """
    if not (margin > 0.0 and math.isfinite(margin)):
        raise ValueError(f"margin must be positive: {margin}")
    if not 0.5 <= power < 1.0:
        raise ValueError(f"power must lie in [1/2, 1), not {power}")
    distance = margin + effect
    v = phi_variance(variance, share)
    z = NormalDist().inv_cdf(power)

    def shown(n: int) -> bool:
        return distance - one_sided_half_width(float(n), v, alpha, t_opt) >= z * math.sqrt(v / n)

    if distance <= 0.0 or not shown(_MOST_CALLERS):
        return None
    # Both terms fall with n, so "shown" changes once.
    low, high = 1, _MOST_CALLERS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high

"""What people compare bot and operators with, looked at daily, beside the weighted sequence of this product.

Takes rows in order of time and the row counts at each look; says at which looks a method claims a difference.
Written for the comparison only: nothing in the product uses it; `phi` and the half-width are the product's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.evidence import UnitRows
from ivrbot.stats.sequences import two_sided_half_width
from ivrbot.stats.weighting import phi

Z_975 = 1.959964
Looks = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prefixes:
    """Sums over the first rows, at each look: n, and per arm count, sum and sum of squares.

    `variance_phi` is the product's `Contrast.cautious_variance`.
    """

    n: Looks
    bot: tuple[Looks, Looks, Looks]
    human: tuple[Looks, Looks, Looks]
    mean_phi: Looks
    variance_phi: Looks

    def enough(self, min_callers: int) -> NDArray[np.bool_]:
        """Looks at which both arms have enough rows."""
        return (self.bot[0] >= min_callers) & (self.human[0] >= min_callers)


def prefixes(rows: UnitRows, kpi: str, looks: NDArray[np.int64]) -> Prefixes:
    """Sums at each look.

    Args:
        rows: oldest first, every value there.
        kpi: which of its values.
        looks: how many rows each look sees, each at least 1.
    """
    y, a = rows.values[kpi], rows.treated
    estimates = phi(y, a, rows.propensity)
    n = looks.astype(np.float64)

    def at(column: NDArray[np.float64]) -> Looks:
        picked: Looks = np.cumsum(column)[looks - 1]
        return picked

    def arm(mask: NDArray[np.bool_]) -> tuple[Looks, Looks, Looks]:
        inside = mask.astype(np.float64)
        return at(inside), at(inside * y), at(inside * y * y)

    total, squares = at(estimates), at(estimates * estimates)
    variance = (squares - total * total / n) / np.maximum(n - 1, 1)
    level, level_squares = at(y), at(y * y)
    raw = (level_squares - level * level / n) / np.maximum(n - 1, 1)
    cautious = np.maximum(variance, raw * at(1 / (rows.propensity * (1 - rows.propensity))) / n)
    return Prefixes(n, arm(a), arm(~a), total / n, cautious)


def pooled_difference(sums: Prefixes) -> tuple[Looks, Looks]:
    """Plain difference of the arms' averages and its squared standard error."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [total / n for n, total, _ in (sums.bot, sums.human)]
        parts = [
            (square / n - mean * mean) / n
            for (n, _, square), mean in zip((sums.bot, sums.human), means, strict=True)
        ]
        return means[0] - means[1], parts[0] + parts[1]


def z_test(sums: Prefixes) -> NDArray[np.bool_]:
    """Averages and a z-test at 5 % at each look."""
    difference, square = pooled_difference(sums)
    return np.abs(difference) > Z_975 * np.sqrt(square)


def pooled_sequence(sums: Prefixes, alpha: float = 0.05, t_opt: float = 10_000) -> NDArray[np.bool_]:
    """The same averages within a confidence sequence: valid at any look, if nothing else changes."""
    difference, square = pooled_difference(sums)
    return np.abs(difference) > two_sided_half_width(sums.n, np.nan_to_num(square * sums.n), alpha, t_opt)


def weighted_sequence(sums: Prefixes, alpha: float = 0.05, t_opt: float = 10_000) -> NDArray[np.bool_]:
    """Weighted by the logged probability of the draw, within a confidence sequence."""
    return np.abs(sums.mean_phi) > two_sided_half_width(sums.n, sums.variance_phi, alpha, t_opt)

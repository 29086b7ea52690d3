"""The difference between two arms when the chance of being drawn changes over time.

Takes one row per unit in order of first exposure (value, arm, logged chance), gives a series whose mean is the
difference bot - human, and its summary.

Why not compare the arms' plain means: when the share ramps up while the base rate drifts, the bot's arm holds more
late callers than the humans' arm, and the drift shows as a difference. Weighting by the logged chance undoes that.

Source: Horvitz and Thompson 1952 (weights 1/p); Waudby-Smith et al. (arXiv 2103.06476), section on randomised
experiments with known propensities, for its use in a confidence sequence; Hajek 1971 for the self-normalised
means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Contrast:
    """What the rows say about the difference bot - human, in the value's raw unit.

    A number that the rows cannot give is None, never a neutral value.

    Attributes:
        n: rows that count: a value, and a chance strictly between 0 and 1.
        n_bot: of these, the bot's.
        n_human: of these, the operators'.
        bot: Hajek mean of the bot's arm, sum(a y / p) / sum(a / p); None without rows.
        human: Hajek mean of the operators' arm, with (1 - a) and (1 - p); None without rows.
        bot_variance: sample variance (n - 1) of raw values of the bot's arm; None below two rows.
        difference: mean of phi; unbiased for bot - human; None without rows.
        variance: sample variance (n - 1) of phi, for the half-width of a sequence; None below two rows.
        pooled_variance: what the variance of phi would be if both arms spread alike: the sample variance of raw
            values of both arms times the mean of 1 / (p (1 - p)); None below two rows.
    """

    n: int
    n_bot: int
    n_human: int
    bot: float | None
    human: float | None
    bot_variance: float | None
    difference: float | None
    variance: float | None
    pooled_variance: float | None

    @property
    def cautious_variance(self) -> float | None:
        """The larger of the two variances: the one for bounds on rare events at uneven shares.

        At a share of 10 % most of phi's variance comes from the few events in the bot's arm (each weighs 1 / p).
        While they have not happened yet the sample variance is far too small, and the bound "shows" a difference:
        with 0.3 % of events in both arms and 300 units in each, a one-sided sequence at 1.7 % says "the bot has
        fewer" in 30 % of rollouts; with the larger variance in none of 400. For common events the two agree within
        a per cent.
        """
        if self.variance is None or self.pooled_variance is None:
            return None
        return max(self.variance, self.pooled_variance)


def phi(values: ArrayLike, treated: ArrayLike, propensity: ArrayLike) -> NDArray[np.float64]:
    """Unbiased per-unit estimates of bot - human.

    phi_i = (y_i - m_{i-1}) (a_i / p_i - (1 - a_i) / (1 - p_i)), m_{i-1} the mean of y over the rows before i. As
    E[a_i] = p_i given everything earlier, any centre known before row i leaves E[phi_i] = E[y_i(1)] - E[y_i(0)];
    the running mean of both arms takes most of the level, and so of the variance, away.

    The centre before the first row is 0: nothing is known yet, and the only data-driven choice (the row's own
    value) would make phi_1 exactly 0 and pull every estimate towards "no difference". It costs the variance once
    about y^2 / (p (1 - p)) / n.

    Args:
        values: float[n], in order of first exposure, no NaN.
        treated: bool[n], True for the bot's arm.
        propensity: float[n], logged chance of the bot's arm, each strictly between 0 and 1.

    Returns:
        float64[n], in the unit of the values.

    Raises:
        ValueError: lengths differ, a NaN, or a chance outside (0, 1).
    """
    y, a, p = _columns(values, treated, propensity)
    if np.isnan(y).any():
        raise ValueError("phi needs values without NaN")
    if y.size and not (p.min() > 0.0 and p.max() < 1.0):
        raise ValueError("phi needs propensities strictly between 0 and 1")
    return _phi(y, a, p)


def contrast(values: ArrayLike, treated: ArrayLike, propensity: ArrayLike) -> Contrast:
    """Summary of the difference between the arms; rows without value or without a draw are left out.

    Args:
        values: float[n], in order of first exposure; NaN where there is none (not mature, or missing).
        treated: bool[n], True for the bot's arm.
        propensity: float[n], logged chance of the bot's arm; rows with 0 or 1 give no evidence and do not count.

    Raises:
        ValueError: lengths differ, or a chance outside [0, 1] or NaN.
    """
    y, a, p = _columns(values, treated, propensity)
    if p.size and not (p.min() >= 0.0 and p.max() <= 1.0):
        raise ValueError("propensities must lie in [0, 1]")
    keep = ~np.isnan(y) & (p > 0.0) & (p < 1.0)
    if not keep.all():
        y, a, p = y[keep], a[keep], p[keep]
    estimates = _phi(y, a, p)
    bot_values = y[a]
    return Contrast(
        n=int(y.size),
        n_bot=int(bot_values.size),
        n_human=int(y.size - bot_values.size),
        bot=_hajek(bot_values, p[a]),
        human=_hajek(y[~a], 1.0 - p[~a]),
        bot_variance=_sample_variance(bot_values),
        difference=float(estimates.mean()) if estimates.size else None,
        variance=_sample_variance(estimates),
        pooled_variance=_pooled_variance(y, p),
    )


def _columns(
    values: ArrayLike, treated: ArrayLike, propensity: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """The three columns as one-dimensional arrays of equal length."""
    y = np.asarray(values, dtype=np.float64)
    a = np.asarray(treated, dtype=np.bool_)
    p = np.asarray(propensity, dtype=np.float64)
    if y.ndim != 1 or y.shape != a.shape or y.shape != p.shape:
        raise ValueError(f"columns must be of equal length: {y.shape}, {a.shape}, {p.shape}")
    return y, a, p


def _phi(y: NDArray[np.float64], a: NDArray[np.bool_], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """`phi` of rows that are known to be sound."""
    centre = np.zeros_like(y)
    if y.size > 1:
        centre[1:] = np.cumsum(y[:-1]) / np.arange(1.0, y.size)
    return (y - centre) / np.where(a, p, p - 1.0)


def _hajek(values: NDArray[np.float64], chance: NDArray[np.float64]) -> float | None:
    """Mean of one arm weighted by 1 / chance."""
    if not values.size:
        return None
    weight = 1.0 / chance
    # Not `np.dot`: BLAS would wake a thread on every core for a sum that takes 50 microseconds.
    return float(np.einsum("i,i->", values, weight) / weight.sum())


def _pooled_variance(y: NDArray[np.float64], p: NDArray[np.float64]) -> float | None:
    """Raw variance of both arms together, weighted as phi weights it."""
    raw = _sample_variance(y)
    return None if raw is None else raw * float(np.mean(1.0 / (p * (1.0 - p))))


def _sample_variance(values: NDArray[np.float64]) -> float | None:
    """With n - 1; None below two values."""
    return float(values.var(ddof=1)) if values.size >= 2 else None

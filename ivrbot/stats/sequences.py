"""Bounds on a mean that stay valid however often somebody looks.

Takes a number of units, the variance of one of them and an error rate; gives the half-width of the asymptotic
confidence sequence, two-sided or one-sided.

Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences" (arXiv 2103.06476): Theorem 2.2 for the two-sided boundary (eq. 9 in version 7), the appendices on
optimising rho (eq. 161 in version 7) and on one-sided sequences. The two-sided boundary mixes over effects with a
normal distribution; the one-sided one with half of it, and where the exact boundary has no closed form it uses
Phi(x) >= 1 - exp(-x^2 / 2), so that it is wider than need be, by less than 5 % at alpha <= 0.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray


def tuning(alpha: float, t_opt: float) -> float:
    """Squared tuning parameter rho^2 for which the two-sided sequence is tightest at `t_opt` units.

    rho^2 = (-2 ln alpha + ln(1 - 2 ln alpha)) / t_opt, the paper's closed form (an approximation of the Lambert
    W_-1 solution; the width that it costs is far below one per cent).

    Args:
        alpha: error rate, 0 < alpha < 1.
        t_opt: number of units, > 0; chosen before the data and never retuned.

    Raises:
        ValueError: an argument is out of its range.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    if not (t_opt > 0.0 and math.isfinite(t_opt)):
        raise ValueError(f"t_opt must be a positive number of units, not {t_opt}")
    two_log = -2.0 * math.log(alpha)
    return (two_log + math.log1p(two_log)) / t_opt


@overload
def two_sided_half_width(n: float, variance: float, alpha: float, t_opt: float) -> float: ...
@overload
def two_sided_half_width(
    n: ArrayLike, variance: ArrayLike, alpha: float, t_opt: float
) -> float | NDArray[np.float64]: ...


def two_sided_half_width(
    n: ArrayLike, variance: ArrayLike, alpha: float, t_opt: float
) -> float | NDArray[np.float64]:
    """Half-width h of the two-sided sequence: the mean lies within estimate -+ h at all n with 1 - alpha.

    h = sqrt(v) sqrt( 2 (n r2 + 1) / (n^2 r2) ln( sqrt(n r2 + 1) / alpha ) ), r2 = tuning(alpha, t_opt).

    Args:
        n: units seen; scalar or array.
        variance: sample variance of one unit's value (of phi where arms are compared); scalar or array.
        alpha: error rate over all looks together, 0 < alpha < 1.
        t_opt: units at which the bound is tightest.

    Returns:
        In the unit of the values; a float for scalars, else the arrays' common shape. Infinite where n < 2, NaN
        where the variance is NaN.

    Raises:
        ValueError: alpha or t_opt out of range, or a negative variance.
    """
    r2 = tuning(alpha, t_opt)
    return _half_width(n, variance, r2, lambda root: np.log(root / alpha))


@overload
def one_sided_half_width(n: float, variance: float, alpha: float, t_opt: float) -> float: ...
@overload
def one_sided_half_width(
    n: ArrayLike, variance: ArrayLike, alpha: float, t_opt: float
) -> float | NDArray[np.float64]: ...


def one_sided_half_width(
    n: ArrayLike, variance: ArrayLike, alpha: float, t_opt: float
) -> float | NDArray[np.float64]:
    """Distance h of the one-sided bound: the mean lies above estimate - h at all n with 1 - alpha (or below + h).

    h = sqrt(v) sqrt( 2 (n r2 + 1) / (n^2 r2) ln( 1 + sqrt(n r2 + 1) / (2 alpha) ) ), r2 = tuning(2 alpha, t_opt).

    Args:
        n: units seen; scalar or array.
        variance: sample variance of one unit's value; scalar or array.
        alpha: error rate over all looks together, 0 < alpha < 1/2.
        t_opt: units at which the bound is tightest.

    Returns:
        As `two_sided_half_width`.

    Raises:
        ValueError: alpha or t_opt out of range, or a negative variance.
    """
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"a one-sided alpha must lie between 0 and 1/2, not {alpha}")
    r2 = tuning(2.0 * alpha, t_opt)
    return _half_width(n, variance, r2, lambda root: np.log1p(root / (2.0 * alpha)))


def _half_width(
    n: ArrayLike, variance: ArrayLike, r2: float, logarithm: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> float | NDArray[np.float64]:
    """The part that both boundaries share; `logarithm` takes sqrt(n r2 + 1)."""
    units, v = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(variance, dtype=np.float64))
    if np.any(v < 0.0):
        raise ValueError("a variance cannot be negative")
    enough = units >= 2.0
    t = np.where(enough, units, 2.0)
    growth = t * r2 + 1.0
    width = np.sqrt(v * 2.0 * growth / (t * t * r2) * logarithm(np.sqrt(growth)))
    out = np.where(enough, width, np.inf)
    return float(out) if out.ndim == 0 else out

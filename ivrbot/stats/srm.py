"""Did callers really get the arm that the draw gave them? A sample-ratio test that may be looked at any time.

Takes first exposures in order (arm, logged chance), gives an anytime-valid p-value, the size of the mismatch, and
a table of where it sits.

How: the null says that unit i goes to the bot with its logged chance p_i. Alternatives say that the log-odds are
off by a constant s: q_i = sigmoid(logit p_i + s). The likelihood ratio against the null after n units is

    ln L_n(s) = s sum(a_i) - sum ln(1 - p_i + p_i e^s),

a martingale of mean 1 under the null; so is its weighted average over a fixed list of shifts of both signs. By
Ville's inequality the chance that this average ever exceeds 1/alpha is at most alpha, with no approximation,
whatever the chances p_i are and however they follow from the past.

Source: Ville 1939; Wald 1945 for the ratio, Robbins 1970 for the mixture; Lindon and Malek, "Anytime-valid
inference for multinomial count data" (NeurIPS 2022), for the application to sample-ratio mismatch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Log-odds shifts and their prior weights per sign. A fault of 2 percentage points is a shift of 0.08 at a chance
# of 0.50, 0.12 to 0.13 at 0.20 and 0.20 to 0.25 at 0.10; the first of these has the least information per unit and
# so gets the most weight. The larger ones find gross faults within a few hundred units, the
# smaller ones faults of half a point or one late.
_SHIFTS = (0.02, 0.04, 0.08, 0.13, 0.23, 0.5, 1.0, 2.0)
_WEIGHTS = (0.02, 0.05, 0.60, 0.12, 0.09, 0.06, 0.04, 0.02)
# Rows per block: keeps the table of rows x shifts within the processor's cache.
_BLOCK = 8192
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class SrmResult:
    """Outcome of the test.

    Attributes:
        n: first exposures that count (chance strictly between 0 and 1).
        p_value: 1 / largest e-value on the path, at most 1: never more often below alpha than alpha, at any time.
        ok: p_value > alpha. True with few rows means "nothing found yet", not "routing proven right".
        log_e: natural logarithm of the e-value now, after the last row.
        shift: maximum-likelihood shift of the log-odds, positive when the bot gets too many; 0 without rows.
    """

    n: int
    p_value: float
    ok: bool
    log_e: float
    shift: float


@dataclass(frozen=True, slots=True)
class SrmGroup:
    """One value of one attribute, for looking where a mismatch sits; descriptive, not a test.

    Attributes:
        by: the attribute ("trunk", "hour", "prefix").
        group: its value.
        n: first exposures.
        observed: of these, the bot's.
        expected: sum of the logged chances.
        z: (observed - expected) / sqrt(sum p (1 - p)).
    """

    by: str
    group: str
    n: int
    observed: int
    expected: float
    z: float


def srm(treated: ArrayLike, propensity: ArrayLike, alpha: float = 0.01) -> SrmResult:
    """Test first exposures, oldest first, against their logged chances.

    Args:
        treated: bool[n], True for the bot's arm.
        propensity: float[n], logged chance of the bot's arm; rows with 0 or 1 do not count.
        alpha: rate of false alarms over all looks together, 0 < alpha < 1.

    Raises:
        ValueError: lengths differ, a chance outside [0, 1], or alpha out of range.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    a, p, _ = _drawn(treated, propensity)
    peak, last = _log_e_path(a, p)
    p_value = float(np.exp(-peak))
    return SrmResult(n=int(a.size), p_value=p_value, ok=p_value > alpha, log_e=last, shift=_fitted_shift(a, p))


def localise(treated: ArrayLike, propensity: ArrayLike, groups: Mapping[str, ArrayLike]) -> tuple[SrmGroup, ...]:
    """Where observed and expected differ most.

    Args:
        treated: bool[n].
        propensity: float[n]; rows with 0 or 1 do not count.
        groups: str[n] per attribute.

    Returns:
        One entry per attribute and value, the largest |z| first.

    Raises:
        ValueError: lengths differ, or a chance outside [0, 1].
    """
    a, p, keep = _drawn(treated, propensity)
    found: list[SrmGroup] = []
    for by, column in groups.items():
        labels = np.asarray(column, dtype=np.str_)
        if labels.shape != keep.shape:
            raise ValueError(f"{by}: {labels.shape} labels for {keep.shape} rows")
        names, index = np.unique(labels[keep], return_inverse=True)
        n = np.bincount(index, minlength=names.size)
        observed = np.bincount(index, weights=a, minlength=names.size)
        expected = np.bincount(index, weights=p, minlength=names.size)
        spread = np.sqrt(np.bincount(index, weights=p * (1.0 - p), minlength=names.size))
        z = (observed - expected) / spread
        found += [
            SrmGroup(by, str(names[i]), int(n[i]), int(observed[i]), float(expected[i]), float(z[i]))
            for i in range(names.size)
        ]
    return tuple(sorted(found, key=lambda entry: (-abs(entry.z), entry.by, entry.group)))


def _drawn(
    treated: ArrayLike, propensity: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Arm (0 or 1) and chance of the rows that were really drawn, and the mask that kept them."""
    a = np.asarray(treated, dtype=np.bool_)
    p = np.asarray(propensity, dtype=np.float64)
    if a.ndim != 1 or a.shape != p.shape:
        raise ValueError(f"columns must be of equal length: {a.shape}, {p.shape}")
    if p.size and not (p.min() >= 0.0 and p.max() <= 1.0):
        raise ValueError("propensities must lie in [0, 1]")
    keep = (p > 0.0) & (p < 1.0)
    return a[keep].astype(np.float64), p[keep], keep


def _log_e_path(a: NDArray[np.float64], p: NDArray[np.float64]) -> tuple[float, float]:
    """Largest and last logarithm of the mixture e-value; both 0 without rows (the e-value starts at 1)."""
    shifts = np.array([*(-s for s in _SHIFTS), *_SHIFTS])
    log_weights = np.log(np.array([*_WEIGHTS, *_WEIGHTS]) / (2.0 * sum(_WEIGHTS)))
    # Chances come from a handful of rungs: the logarithms are taken once for each.
    chances, index = np.unique(p, return_inverse=True)
    penalty = np.log1p(chances[:, None] * np.expm1(shifts)[None, :])
    total = log_weights
    peak, last = 0.0, 0.0
    for start in range(0, a.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        steps = a[block, None] * shifts[None, :] - penalty[index[block]]
        path = total + np.cumsum(steps, axis=0)
        total = path[-1]
        high = path.max(axis=1)
        # A sum of so many parts is at most that many times the largest: other rows cannot be the peak.
        near = high >= high.max() - np.log(shifts.size) - _ROUNDING
        near[-1] = True
        high = high[near]
        log_e = high + np.log(np.exp(path[near] - high[:, None]).sum(axis=1))
        peak, last = max(peak, float(log_e.max())), float(log_e[-1])
    return peak, last


def _fitted_shift(a: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """The shift at which expected and observed bot calls agree, by bisection within -+10."""
    if not a.size:
        return 0.0
    chances, counts = np.unique(p, return_counts=True)
    odds = chances / (1.0 - chances)
    observed = float(a.sum())
    low, high = -10.0, 10.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        shifted = odds * np.exp(middle)
        if float(np.dot(counts, shifted / (1.0 + shifted))) < observed:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)

"""Callers needed: the design's table, a simulation of the same look, and edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ivrbot.stats.planning import callers_needed, phi_variance
from ivrbot.stats.sequences import one_sided_half_width
from ivrbot.stats.weighting import contrast

BASE = 0.72 * 0.28


@pytest.mark.parametrize(
    ("margin", "share", "callers"),
    [
        (0.03, 0.1, 34_000),
        (0.03, 0.2, 18_700),
        (0.03, 0.5, 11_800),
        (0.05, 0.1, 11_800),
        (0.05, 0.2, 6_700),
        (0.05, 0.5, 4_500),
    ],
)
def test_the_designs_table(margin: float, share: float, callers: int) -> None:
    """Base rate 72 %, one-sided 5 %, power 80 %, tightest at 10,000 callers."""
    assert callers_needed(margin, BASE, share) == pytest.approx(callers, rel=0.02)


def test_the_number_is_the_smallest() -> None:
    needed = callers_needed(0.05, BASE, 0.2, power=0.9)
    assert needed is not None

    def slack(n: int) -> float:
        v = phi_variance(BASE, 0.2)
        return 0.05 - one_sided_half_width(n, v, 0.05, 10_000) - 1.2815515655 * math.sqrt(v / n)

    assert slack(needed) >= 0 > slack(needed - 1)


def test_simulated_power_at_the_number_given() -> None:
    """500 experiments of equal arms at 50 %, from raw values through the contrast: 80 % show it."""
    rng = np.random.default_rng(14)
    n = callers_needed(0.05, BASE, 0.5)
    assert n is not None
    shown = 0
    for _ in range(500):
        result = contrast(1.0 * (rng.random(n) < 0.72), rng.random(n) < 0.5, np.full(n, 0.5))
        shown += result.difference - one_sided_half_width(n, result.variance, 0.05, 10_000) > -0.05
    # 2.6 standard errors of a rate of 80 % from 500.
    assert shown / 500 == pytest.approx(0.80, abs=2.6 * math.sqrt(0.8 * 0.2 / 500))


def test_a_better_bot_needs_fewer_and_a_worse_one_more() -> None:
    equal = callers_needed(0.03, BASE, 0.2)
    better, worse = callers_needed(0.03, BASE, 0.2, effect=0.02), callers_needed(0.03, BASE, 0.2, effect=-0.01)
    assert better < equal < worse


def test_what_no_number_of_callers_can_show() -> None:
    assert callers_needed(0.03, BASE, 0.2, effect=-0.03) is None
    assert callers_needed(0.03, BASE, 0.2, effect=-0.05) is None
    assert callers_needed(1e-7, BASE, 0.2) is None


def test_without_spread_two_callers_do() -> None:
    assert callers_needed(0.03, 0.0, 0.5) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": 0.0}, "margin"),
        ({"margin": math.nan}, "margin"),
        ({"variance": -1.0}, "variance"),
        ({"share": 0.0}, "share"),
        ({"share": 1.0}, "share"),
        ({"power": 1.0}, "power"),
        ({"power": 0.4}, "power"),
        ({"alpha": 0.5}, "alpha"),
        ({"t_opt": 0.0}, "t_opt"),
    ],
)
def test_arguments_out_of_range_are_refused(change: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        callers_needed(**{"margin": 0.03, "variance": BASE, "share": 0.2, **change})

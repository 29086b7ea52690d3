"""Statistics over everything that Hypothesis can think of."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.stats.erlang import agents_needed, mean_wait_s, service_level, waiting_probability
from ivrbot.stats.planning import callers_needed
from ivrbot.stats.sequences import one_sided_half_width, two_sided_half_width
from ivrbot.stats.srm import localise, srm
from ivrbot.stats.weighting import contrast, phi

# The machine's load is none of these tests' business.
UNTIMED = settings(deadline=None)
# Each example goes through all draws.
EVERY_DRAW = settings(deadline=None, max_examples=20)
ALPHAS = st.floats(0.001, 0.2)
SIZES = st.integers(2, 10**7)
VARIANCES = st.floats(1e-6, 1e9)
T_OPTS = st.floats(10.0, 1e6)
ROWS = st.lists(
    st.tuples(st.floats(-1e4, 1e4), st.booleans(), st.sampled_from([0.05, 0.1, 0.2, 0.5, 0.95])),
    min_size=2,
    max_size=60,
)


def columns(rows: list[tuple[float, bool, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, treated, propensity = zip(*rows, strict=True)
    return np.array(values), np.array(treated), np.array(propensity)


@UNTIMED
@given(SIZES, VARIANCES, ALPHAS, T_OPTS)
def test_widths_shrink_with_units_and_grow_with_spread(
    n: int, variance: float, alpha: float, t_opt: float
) -> None:
    for half_width in (two_sided_half_width, one_sided_half_width):
        here = half_width(n, variance, alpha, t_opt)
        assert half_width(2 * n, variance, alpha, t_opt) < here
        assert half_width(n, 4.0 * variance, alpha, t_opt) == pytest.approx(2.0 * here)
        # Never narrower than the fixed-sample bound of the same error, 1.28 standard errors at 10 % one-sided.
        assert here > math.sqrt(variance / n)


@UNTIMED
@given(ALPHAS, T_OPTS)
def test_a_stricter_rate_and_a_second_side_cost_width(alpha: float, t_opt: float) -> None:
    assert one_sided_half_width(t_opt, 1.0, alpha, t_opt) < two_sided_half_width(t_opt, 1.0, alpha, t_opt)
    assert one_sided_half_width(t_opt, 1.0, alpha / 2, t_opt) > one_sided_half_width(t_opt, 1.0, alpha, t_opt)


@UNTIMED
@given(ROWS)
def test_swapping_the_arms_turns_the_sign(rows: list[tuple[float, bool, float]]) -> None:
    values, treated, propensity = columns(rows)
    assert phi(values, ~treated, 1.0 - propensity) == pytest.approx(-phi(values, treated, propensity))


@UNTIMED
@given(ROWS, st.floats(-100.0, 100.0))
def test_contrast_scales_with_the_values(rows: list[tuple[float, bool, float]], factor: float) -> None:
    values, treated, propensity = columns(rows)
    one, scaled = contrast(values, treated, propensity), contrast(factor * values, treated, propensity)
    assert scaled.difference == pytest.approx(factor * one.difference, rel=1e-6, abs=1e-6)
    assert scaled.variance == pytest.approx(factor**2 * one.variance, rel=1e-6, abs=1e-6)
    assert (one.n, one.n_bot + one.n_human) == (len(rows), len(rows))


@UNTIMED
@given(ROWS)
def test_every_arm_mean_lies_within_its_values(rows: list[tuple[float, bool, float]]) -> None:
    values, treated, propensity = columns(rows)
    result = contrast(values, treated, propensity)
    for mean, arm in ((result.bot, treated), (result.human, ~treated)):
        if mean is None:
            assert not arm.any()
        else:
            assert values[arm].min() - 1e-6 <= mean <= values[arm].max() + 1e-6


@EVERY_DRAW
@given(st.lists(st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.9]), min_size=1, max_size=7))
def test_phi_is_unbiased_over_every_possible_draw(chances: list[float]) -> None:
    """All 2^n draws with their probabilities: the mean of phi is exactly the mean difference."""
    propensity = np.array(chances)
    n = propensity.size
    bot, human = np.linspace(1.0, 2.0, n), np.linspace(3.0, -1.0, n)
    total = 0.0
    for draw in range(2**n):
        treated = np.array([bool(draw >> i & 1) for i in range(n)])
        chance = np.prod(np.where(treated, propensity, 1.0 - propensity))
        total += chance * phi(np.where(treated, bot, human), treated, propensity).mean()
    assert total == pytest.approx(np.mean(bot - human), abs=1e-9)


@EVERY_DRAW
@given(st.lists(st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.9]), min_size=1, max_size=6))
def test_the_e_value_is_a_fair_bet_over_every_possible_draw(chances: list[float]) -> None:
    """Expected e-value 1 under the logged chances: what Ville's inequality rests on."""
    propensity = np.array(chances)
    total = 0.0
    for draw in range(2**propensity.size):
        treated = np.array([bool(draw >> i & 1) for i in range(propensity.size)])
        chance = np.prod(np.where(treated, propensity, 1.0 - propensity))
        total += chance * math.exp(srm(treated, propensity).log_e)
    assert total == pytest.approx(1.0, rel=1e-9)


@UNTIMED
@given(ROWS)
def test_more_exposures_never_raise_the_p_value(rows: list[tuple[float, bool, float]]) -> None:
    _, treated, propensity = columns(rows)
    values = [srm(treated[:n], propensity[:n]).p_value for n in range(len(rows) + 1)]
    assert values[0] == 1.0
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(values))
    assert all(0.0 < value <= 1.0 for value in values)


@UNTIMED
@given(ROWS)
def test_groups_add_up(rows: list[tuple[float, bool, float]]) -> None:
    values, treated, propensity = columns(rows)
    groups = localise(treated, propensity, {"sign": np.where(values < 0, "-", "+")})
    assert sum(group.n for group in groups) == len(rows)
    assert sum(group.observed for group in groups) == treated.sum()
    assert sum(group.expected for group in groups) == pytest.approx(propensity.sum())


@UNTIMED
@given(st.integers(0, 500), st.floats(0.0, 600.0))
def test_waiting_is_a_chance_and_falls_with_operators(agents: int, load: float) -> None:
    here, more = waiting_probability(agents, load), waiting_probability(agents + 1, load)
    assert 0.0 <= more <= here <= 1.0


@UNTIMED
@given(st.floats(1.0, 5_000.0), st.floats(30.0, 900.0), st.floats(0.0, 0.99), st.floats(0.0, 120.0))
def test_the_operators_needed_reach_the_goal(calls: float, handle_s: float, share: float, within_s: float) -> None:
    needed = agents_needed(calls, handle_s, share, within_s)
    assert service_level(needed, calls, handle_s, within_s) >= share
    assert math.isfinite(mean_wait_s(needed, calls, handle_s))


@UNTIMED
@given(st.floats(0.01, 0.2), st.floats(0.05, 0.5), st.floats(0.5, 0.95))
def test_wider_margins_fairer_shares_and_less_power_need_fewer(margin: float, share: float, power: float) -> None:
    here = callers_needed(margin, 0.2, share, power=power)
    assert callers_needed(1.5 * margin, 0.2, share, power=power) <= here
    assert callers_needed(margin, 0.2, 0.5, power=power) <= here
    assert callers_needed(margin, 0.2, share, power=0.5) <= here

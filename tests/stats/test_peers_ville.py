"""Agreement with ville, an independent implementation of the same sequences."""

from __future__ import annotations

import numpy as np
import pytest
import ville
from ville._boundaries import best_rho, normal_mixture
from ville.proportions import BernoulliTest

from ivrbot.stats.sequences import one_sided_half_width, tuning, two_sided_half_width
from ivrbot.stats.srm import srm
from ivrbot.stats.weighting import phi

SIZES = np.array([100, 300, 1_000, 5_000, 10_000, 30_000, 100_000, 1_000_000])


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("t_opt", [500, 10_000])
def test_the_tuning_is_close_to_the_best(alpha: float, t_opt: int) -> None:
    ours = tuning(alpha, t_opt)
    # ville's rho is the mixing precision, 1 / rho^2 of the paper.
    best = two_sided_half_width(t_opt, 1.0, alpha, t_opt)
    assert best == pytest.approx(float(normal_mixture(t_opt, alpha, best_rho(t_opt, alpha))) / t_opt, rel=2e-3)
    assert ours == pytest.approx(1.0 / best_rho(t_opt, alpha), rel=0.2)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
def test_the_two_sided_boundary_is_the_same_formula(alpha: float) -> None:
    theirs = normal_mixture(SIZES, alpha, 1.0 / tuning(alpha, 10_000)) / SIZES
    assert two_sided_half_width(SIZES, 1.0, alpha, 10_000) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
def test_the_one_sided_boundary_lies_just_outside_the_exact_one(alpha: float) -> None:
    exact = normal_mixture(SIZES, alpha, 1.0 / tuning(2 * alpha, 10_000), one_sided=True) / SIZES
    ours = one_sided_half_width(SIZES, 1.0, alpha, 10_000)
    assert np.all(ours >= exact)
    # The bound on Phi costs most far below t_opt and at a large alpha: 4.6 % in the limit at 0.1.
    assert np.all(ours <= 1.05 * exact)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_whole_path_of_an_experiment_agrees(share: float) -> None:
    rng = np.random.default_rng(7)
    treated = rng.random(20_000) < share
    values = 1.0 * (rng.random(20_000) < np.where(treated, 0.70, 0.72))
    theirs = ville.AsymptoticABTest(alpha=0.05, propensity=share, t_opt=10_000, min_samples=600)
    theirs._cs.rho_ = 1.0 / tuning(0.05, 10_000)  # ville solves for the best; the test above compares the two
    theirs.update(values, treated)

    estimates = phi(values, treated, np.full(20_000, share))
    n = np.arange(1, 20_001)
    mean = np.cumsum(estimates) / n
    looks = n[599::100]
    variance = np.array([estimates[:look].var(ddof=1) for look in looks])
    half = two_sided_half_width(looks, variance, 0.05, 10_000)
    assert mean == pytest.approx(theirs.estimate_, abs=1e-12)
    assert half == pytest.approx((theirs.upper_ - theirs.lower_)[looks - 1] / 2, rel=1e-9)


def test_the_sample_ratio_test_finds_what_a_beta_mixture_finds() -> None:
    """Ville's Bernoulli e-process spreads its prior over all chances: sound too, and slower for a small fault."""
    rng = np.random.default_rng(11)
    found_by_ours = found_by_theirs = 0
    for _ in range(20):
        treated = rng.random(20_000) < 0.525
        found_by_ours += not srm(treated, np.full(20_000, 0.5)).ok
        found_by_theirs += bool(BernoulliTest(0.5, alpha=0.01).fit(1.0 * treated).rejected_)
    assert found_by_ours == 20
    assert found_by_theirs <= found_by_ours

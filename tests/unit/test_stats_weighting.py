"""The difference between the arms: by hand, against drift, and what does not count."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from ivrbot.stats.sequences import one_sided_half_width
from ivrbot.stats.weighting import contrast, phi


def test_phi_by_hand() -> None:
    # Centres 0, 1, 1/2, 2/3; weights 1/p for the bot, -1/(1-p) for operators.
    values, treated, propensity = [1.0, 0.0, 1.0, 1.0], [True, False, True, False], [0.5, 0.5, 0.2, 0.2]
    expected = [1 / 0.5, -(0 - 1) / 0.5, (1 - 1 / 2) / 0.2, -(1 - 2 / 3) / 0.8]
    assert phi(values, treated, propensity) == pytest.approx(expected)


def test_contrast_by_hand() -> None:
    got = contrast([1.0, 0.0, 1.0, 1.0], [True, False, True, False], [0.5, 0.5, 0.2, 0.2])
    estimates = [2.0, 2.0, 2.5, -1 / 2.4]
    assert (got.n, got.n_bot, got.n_human) == (4, 2, 2)
    assert got.bot == pytest.approx(1.0)
    # Weights 1/0.5 for the 0 and 1/0.8 for the 1.
    assert got.human == pytest.approx(1.25 / 3.25)
    assert got.bot_variance == pytest.approx(0.0)
    assert got.difference == pytest.approx(np.mean(estimates))
    assert got.variance == pytest.approx(np.var(estimates, ddof=1))
    # Raw variance of 1, 0, 1, 1 is 1/4; 1 / (p (1 - p)) is 4 and 6.25, half each.
    assert got.pooled_variance == pytest.approx(0.25 * 5.125)
    assert got.cautious_variance == got.variance


def test_rows_without_value_or_without_a_draw_do_not_count() -> None:
    values = np.array([1.0, np.nan, 0.0, 1.0, 1.0, 0.0, 1.0])
    treated = np.array([True, True, False, True, True, False, False])
    propensity = np.array([0.5, 0.5, 0.5, 1.0, 0.2, 0.2, 0.0])
    keep = [0, 2, 4, 5]
    assert contrast(values, treated, propensity) == contrast(values[keep], treated[keep], propensity[keep])


def test_what_the_rows_cannot_give_is_none() -> None:
    empty = contrast([], [], [])
    assert (empty.n, empty.bot, empty.human, empty.difference, empty.variance) == (0, None, None, None, None)
    single = contrast([3.0], [True], [0.5])
    assert (single.bot, single.human, single.bot_variance, single.difference) == (3.0, None, None, 6.0)
    assert (single.variance, single.pooled_variance, single.cautious_variance) == (None, None, None)


def test_a_contrast_survives_json() -> None:
    rng = np.random.default_rng(1)
    got = asdict(contrast(rng.random(50), rng.random(50) < 0.5, np.full(50, 0.5)))
    assert json.loads(json.dumps(got, allow_nan=False)) == got
    assert json.loads(json.dumps(asdict(contrast([], [], [])), allow_nan=False))["n"] == 0


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (([1.0, 2.0], [True], [0.5]), "equal length"),
        (([[1.0]], [[True]], [[0.5]]), "equal length"),
        (([1.0], [True], [1.5]), "propensities"),
        (([1.0], [True], [float("nan")]), "propensities"),
    ],
)
def test_unsound_columns_are_refused(columns, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        contrast(*columns)


@pytest.mark.parametrize("row", [([float("nan")], [True], [0.5]), ([1.0], [True], [1.0]), ([1.0], [False], [0.0])])
def test_phi_refuses_rows_that_are_no_evidence(row) -> None:
    with pytest.raises(ValueError, match="phi needs"):
        phi(*row)


def drifting(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal arms; base rate .80 -> .74 -> .68 while the share climbs 10 -> 20 -> 50 %."""
    propensity = np.repeat([0.1, 0.2, 0.5], n // 3)
    base = np.repeat([0.80, 0.74, 0.68], n // 3)
    return 1.0 * (rng.random(n) < base), rng.random(n) < propensity, propensity


def test_drift_while_the_share_climbs_does_not_look_like_a_difference() -> None:
    rng = np.random.default_rng(8)
    weighted, plain = [], []
    for _ in range(200):
        values, treated, propensity = drifting(rng, 6_000)
        weighted.append(contrast(values, treated, propensity).difference)
        plain.append(values[treated].mean() - values[~treated].mean())
    error = np.std(weighted) / np.sqrt(len(weighted))
    assert abs(np.mean(weighted)) < 3 * error
    # The plain comparison is off by the drift: -4 percentage points, far outside its own noise.
    assert np.mean(plain) == pytest.approx(-0.041, abs=0.004)


def test_the_variance_is_that_of_the_estimate() -> None:
    rng = np.random.default_rng(9)
    results = [contrast(*drifting(rng, 3_000)) for _ in range(400)]
    spread = np.var([result.difference for result in results], ddof=1)
    stated = np.mean([result.variance / result.n for result in results])
    assert stated == pytest.approx(spread, rel=0.2)


def test_the_cautious_variance_keeps_rare_events_from_looking_like_a_difference() -> None:
    """Equal arms, 0.3 % of events, a share of 10 %, looks every 500 units: "the bot has fewer" is false."""
    rng = np.random.default_rng(11)
    naive = cautious = 0
    for _ in range(100):
        treated, values = rng.random(10_000) < 0.1, 1.0 * (rng.random(10_000) < 0.003)
        looks = [contrast(values[:n], treated[:n], np.full(n, 0.1)) for n in range(3_500, 10_001, 500)]
        upper = [look.difference + one_sided_half_width(look.n, look.variance, 0.05, 10_000) for look in looks]
        naive += min(upper) < 0.0
        upper = [
            look.difference + one_sided_half_width(look.n, look.cautious_variance, 0.05, 10_000) for look in looks
        ]
        cautious += min(upper) < 0.0
    assert naive > 10
    assert cautious <= 5


def test_the_cautious_variance_costs_nothing_for_common_events() -> None:
    rng = np.random.default_rng(12)
    treated = rng.random(20_000) < 0.1
    result = contrast(1.0 * (rng.random(20_000) < 0.72), treated, np.full(20_000, 0.1))
    assert result.pooled_variance == pytest.approx(result.variance, rel=0.05)
    assert result.cautious_variance == max(result.variance, result.pooled_variance)


def test_a_true_difference_is_found_without_bias() -> None:
    rng = np.random.default_rng(10)
    found = []
    for _ in range(200):
        propensity = np.repeat([0.1, 0.5], 2_000)
        treated = rng.random(4_000) < propensity
        seconds = rng.gamma(2.0, 150.0, 4_000) - 20.0 * treated
        found.append(contrast(seconds, treated, propensity).difference)
    assert np.mean(found) == pytest.approx(-20.0, abs=3 * np.std(found) / np.sqrt(len(found)))

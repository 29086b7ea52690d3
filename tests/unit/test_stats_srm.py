"""Sample-ratio test: against its definition, false alarms, faults that must be found, edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ivrbot.stats.srm import _SHIFTS, _WEIGHTS, localise, srm


def test_the_e_value_is_the_mixture_of_likelihood_ratios() -> None:
    rng = np.random.default_rng(2)
    propensity = rng.choice([0.1, 0.2, 0.5], 60)
    treated = rng.random(60) < propensity
    weights = [weight / (2 * sum(_WEIGHTS)) for weight in _WEIGHTS]
    path, peak = 0.0, 1.0
    ratios = {sign * shift: 1.0 for shift in _SHIFTS for sign in (1, -1)}
    for arm, p in zip(treated, propensity, strict=True):
        for shift in ratios:
            shifted = 1 / (1 + math.exp(-(math.log(p / (1 - p)) + shift)))
            ratios[shift] *= shifted / p if arm else (1 - shifted) / (1 - p)
        path = sum(w * (ratios[s] + ratios[-s]) for s, w in zip(_SHIFTS, weights, strict=True))
        peak = max(peak, path)
    result = srm(treated, propensity)
    assert result.log_e == pytest.approx(math.log(path), abs=1e-9)
    assert result.p_value == pytest.approx(1 / peak, rel=1e-9)
    assert result.n == 60


def test_the_p_value_keeps_the_worst_moment_of_the_path() -> None:
    """A fault that was there and has gone stays found: the p-value never rises."""
    rng = np.random.default_rng(4)
    faulty, healthy = rng.random(3_000) < 0.6, rng.random(30_000) < 0.5
    treated, propensity = np.concatenate([faulty, healthy]), np.full(33_000, 0.5)
    values = [srm(treated[:n], propensity[:n]).p_value for n in (100, 1_000, 3_000, 10_000, 33_000)]
    assert values == sorted(values, reverse=True)
    assert not srm(treated, propensity).ok


def test_blocks_of_rows_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    propensity = rng.choice([0.1, 0.5], 1_000)
    treated = rng.random(1_000) < propensity
    whole = srm(treated, propensity)
    monkeypatch.setattr("ivrbot.stats.srm._BLOCK", 7)
    pieces = srm(treated, propensity)
    assert pieces.log_e == pytest.approx(whole.log_e, abs=1e-9)
    assert pieces.p_value == pytest.approx(whole.p_value, rel=1e-9)


@pytest.mark.parametrize(("share", "exposures"), [(0.1, 10_000), (0.2, 20_000), (0.5, 20_000)])
@pytest.mark.parametrize("fault", [0.02, -0.02])
def test_a_routing_fault_of_two_points_is_found(share: float, exposures: int, fault: float) -> None:
    rng = np.random.default_rng(20260901)
    propensity = np.full(exposures, share)
    found = sum(not srm(rng.random(exposures) < share + fault, propensity).ok for _ in range(40))
    assert found >= 0.95 * 40


def test_right_routing_raises_no_alarm_more_often_than_allowed() -> None:
    """At alpha 10 %, so that a test that is wrong shows within 300 runs."""
    rng = np.random.default_rng(6)
    propensity = np.repeat([0.1, 0.2, 0.5], 700)
    alarms = sum(not srm(rng.random(2_100) < propensity, propensity, alpha=0.1).ok for _ in range(300))
    assert alarms <= 0.1 * 300
    assert alarms > 0


def test_gross_faults_are_found_quickly() -> None:
    assert not srm(np.ones(60, dtype=bool), np.full(60, 0.5)).ok
    assert not srm(np.zeros(120, dtype=bool), np.full(120, 0.1)).ok


def test_the_shift_is_the_fault_in_log_odds() -> None:
    propensity = np.full(10_000, 0.2)
    treated = np.arange(10_000) < 2_500
    assert srm(treated, propensity).shift == pytest.approx(math.log(0.25 / 0.75) - math.log(0.2 / 0.8), abs=1e-9)
    assert srm(~treated, 1.0 - propensity).shift == pytest.approx(-srm(treated, propensity).shift, abs=1e-9)


def test_nothing_drawn_gives_no_alarm_and_says_so() -> None:
    for result in (srm([], []), srm([True, False], [1.0, 0.0])):
        assert (result.n, result.p_value, result.ok, result.log_e, result.shift) == (0, 1.0, True, 0.0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([True], [0.5, 0.5]), "equal length"),
        (([True], [-0.1]), "propensities"),
        (([True], [float("nan")]), "propensities"),
        (([True], [0.5], 0.0), "alpha"),
    ],
)
def test_unsound_arguments_are_refused(arguments, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        srm(*arguments)


def test_a_mismatch_is_localised_where_it_sits() -> None:
    rng = np.random.default_rng(12)
    n = 4_000
    trunk = np.where(rng.random(n) < 0.5, "north", "south")
    hour = np.char.mod("%02d", rng.integers(0, 24, n))
    treated = rng.random(n) < np.where(trunk == "south", 0.3, 0.2)
    groups = localise(treated, np.full(n, 0.2), {"trunk": trunk, "hour": hour})
    worst = groups[0]
    assert (worst.by, worst.group) == ("trunk", "south")
    south = trunk == "south"
    assert (worst.n, worst.observed) == (south.sum(), treated[south].sum())
    assert worst.expected == pytest.approx(0.2 * south.sum())
    assert worst.z == pytest.approx((worst.observed - worst.expected) / math.sqrt(0.16 * worst.n))
    assert len(groups) == 26
    assert [abs(group.z) for group in groups] == sorted((abs(group.z) for group in groups), reverse=True)


def test_localising_leaves_out_what_was_not_drawn() -> None:
    groups = localise([True, True, False], [1.0, 0.5, 0.5], {"trunk": ["a", "b", "b"]})
    assert [(group.group, group.n, group.observed) for group in groups] == [("b", 2, 1)]
    assert localise([], [], {"trunk": []}) == ()
    with pytest.raises(ValueError, match="trunk"):
        localise([True], [0.5], {"trunk": ["a", "b"]})

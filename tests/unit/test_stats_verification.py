"""Error rates of accepting above a threshold."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.stats.verification import Scores

SCORES = st.lists(st.integers(-10, 10).map(lambda tenth: tenth / 10), min_size=1, max_size=30)


def test_rates_by_hand() -> None:
    scores = Scores([0.9, 0.8, 0.7, 0.4], [0.5, 0.3, 0.2, 0.1, 0.0])
    rates = scores.at(0.5)
    assert (rates.false_accepts, rates.far, rates.false_rejects, rates.frr) == (1, 0.2, 1, 0.25)
    assert (scores.at(0.51).far, scores.at(0.4).frr) == (0.0, 0.0)
    assert scores.at(-1).far == 1.0
    assert scores.at(1.1).frr == 1.0


def test_an_equal_error_of_normal_scores_is_the_known_one() -> None:
    """Owners N(2, 1), others N(0, 1): equal at 1, where both err in 15.87 %."""
    grid = [(place + 0.5) / 4000 for place in range(4000)]
    genuine = [2 + NormalDist().inv_cdf(share) for share in grid]
    impostor = [NormalDist().inv_cdf(share) for share in grid]
    rate, threshold = Scores(genuine, impostor).equal_error()
    assert rate == pytest.approx(NormalDist().cdf(-1), abs=1e-3)
    assert threshold == pytest.approx(1.0, abs=0.01)


def test_parted_and_reversed_scores() -> None:
    assert Scores([0.9, 0.8], [0.1, 0.2]).equal_error()[0] == 0.0
    assert Scores([0.1, 0.2], [0.8, 0.9]).equal_error()[0] == 1.0
    assert Scores([0.5], [0.5]).equal_error()[0] == pytest.approx(0.5)


@settings(max_examples=50)
@given(SCORES, SCORES)
def test_no_threshold_is_better_than_the_equal_error_in_both(genuine: list[float], impostor: list[float]) -> None:
    scores = Scores(genuine, impostor)
    rate, _ = scores.equal_error()
    assert 0 <= rate <= 1
    for threshold in {*genuine, *impostor}:
        assert max(scores.at(threshold).far, scores.at(threshold).frr) >= rate - 1e-12


@settings(max_examples=50)
@given(
    SCORES,
    st.integers(1, 8).flatmap(lambda times: SCORES.map(lambda scores: scores * times)),
    st.sampled_from([0.02, 0.1, 0.2, 0.5]),
)
def test_a_threshold_for_a_wanted_rate_keeps_it_and_is_the_lowest(
    genuine: list[float], impostor: list[float], wanted: float
) -> None:
    scores = Scores(genuine, impostor)
    rates = scores.for_far(wanted)
    if len(impostor) * wanted < 3:
        assert rates is None
        return
    assert rates is not None
    assert rates.far <= wanted
    assert scores.at(math.nextafter(rates.threshold, -math.inf)).far > wanted


def test_the_curve_falls_and_rises() -> None:
    curve = Scores([0.9, 0.8, 0.5], [0.6, 0.1]).curve(20)
    assert [rates.far for rates in curve] == sorted((rates.far for rates in curve), reverse=True)
    assert [rates.frr for rates in curve] == sorted(rates.frr for rates in curve)
    assert (curve[0].far, curve[0].frr) == (1.0, 0.0)


@pytest.mark.parametrize(("genuine", "impostor"), [([], [0.1]), ([0.1], []), ([math.nan], [0.1])])
def test_nothing_to_measure(genuine: list[float], impostor: list[float]) -> None:
    with pytest.raises(ValueError, match="finite scores"):
        Scores(genuine, impostor)

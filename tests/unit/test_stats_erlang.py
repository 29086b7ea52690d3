"""Erlang C against published values and exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from ivrbot.stats.erlang import agents_needed, mean_wait_s, service_level, waiting_probability


def exact(agents: int, load: int) -> float:
    """The textbook sum in fractions, without rounding."""
    a = Fraction(load)
    tail = a**agents / math.factorial(agents) * Fraction(agents) / (agents - a)
    return float(tail / (sum(a**k / math.factorial(k) for k in range(agents)) + tail))


def test_gross_and_harris_eye_clinic() -> None:
    """Gross et al., Fundamentals of Queueing Theory, M/M/c example: 3 servers, 6 an hour, 20 minutes: Lq = 8/9."""
    assert waiting_probability(3, 2.0) == pytest.approx(4 / 9)
    wait_h = mean_wait_s(3, 6.0, 1_200.0) / 3_600.0
    assert wait_h == pytest.approx(0.148, abs=5e-4)
    assert 6.0 * wait_h == pytest.approx(8 / 9)


def test_trueman_bank_tellers() -> None:
    """Trueman 1977, table 12.2 (quoted in HP's 12C solutions handbook): 3 tellers at 80 %: 1.079 services."""
    assert mean_wait_s(3, 72.0, 120.0) / 120.0 == pytest.approx(1.079, abs=5e-4)


def test_call_centre_helper_example() -> None:
    """Call Centre Helper's worked example: 100 calls in 30 minutes, 180 s, 80 % in 20 s: 14 agents."""
    assert agents_needed(200.0, 180.0, 0.80, 20.0) == 14
    assert waiting_probability(14, 10.0) == pytest.approx(0.174, abs=5e-4)
    assert service_level(14, 200.0, 180.0, 20.0) == pytest.approx(0.888, abs=5e-4)
    assert mean_wait_s(14, 200.0, 180.0) == pytest.approx(7.8, abs=0.05)


def test_angus_example() -> None:
    """Angus, An Introduction to Erlang B and Erlang C: 360 calls in half an hour, 4 minutes, 55 agents."""
    assert waiting_probability(55, 48.0) == pytest.approx(0.239, abs=5e-4)
    assert mean_wait_s(55, 720.0, 240.0) == pytest.approx(8.2, abs=0.05)


@pytest.mark.parametrize(("agents", "load"), [(1, 0), (5, 4), (40, 35), (1_000, 970), (1_000, 999), (1_000, 500)])
def test_exact_arithmetic_agrees(agents: int, load: int) -> None:
    assert waiting_probability(agents, float(load)) == pytest.approx(exact(agents, load), rel=1e-9)


def test_one_operator_is_m_m_1() -> None:
    assert waiting_probability(1, 0.7) == pytest.approx(0.7)
    assert mean_wait_s(1, 14.0, 180.0) == pytest.approx(0.7 * 180.0 / 0.3)


def test_a_queue_that_grows_without_end() -> None:
    for agents in (0, 9, 10):
        assert waiting_probability(agents, 10.0) == 1.0
        assert mean_wait_s(agents, 200.0, 180.0) == math.inf
        assert service_level(agents, 200.0, 180.0, 20.0) == 0.0


def test_nobody_calls() -> None:
    assert waiting_probability(0, 0.0) == 0.0
    assert mean_wait_s(0, 0.0, 180.0) == 0.0
    assert service_level(0, 0.0, 180.0, 20.0) == 1.0
    assert agents_needed(0.0, 180.0, 0.8, 20.0) == 0


def test_the_agents_needed_are_the_fewest() -> None:
    for calls in (1.0, 50.0, 777.0, 20_000.0):
        needed = agents_needed(calls, 240.0, 0.8, 20.0)
        assert service_level(needed, calls, 240.0, 20.0) >= 0.8
        assert service_level(needed - 1, calls, 240.0, 20.0) < 0.8


def test_no_service_goal_still_means_a_stable_queue() -> None:
    assert agents_needed(200.0, 180.0, 0.0, 20.0) == 11


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: waiting_probability(-1, 1.0), "agents"),
        (lambda: waiting_probability(1, -1.0), "load"),
        (lambda: waiting_probability(1, math.nan), "load"),
        (lambda: mean_wait_s(1, -1.0, 180.0), "calls_per_hour"),
        (lambda: mean_wait_s(1, 1.0, 0.0), "handle_s"),
        (lambda: service_level(1, 1.0, 180.0, -1.0), "within_s"),
        (lambda: agents_needed(1.0, 180.0, 1.0, 20.0), "share"),
    ],
)
def test_arguments_out_of_range_are_refused(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()

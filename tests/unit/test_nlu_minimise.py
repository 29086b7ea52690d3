"""The minimiser of training against known minima and against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from ivrbot.nlu.minimise import minimise


def test_a_stretched_bowl_of_known_minimum() -> None:
    scales = np.geomspace(0.01, 100.0, 40).astype(np.float32)
    centre = np.linspace(-1.0, 1.0, 40).astype(np.float32)

    def bowl(point):
        away = point - centre
        return float(0.5 * scales @ (away * away)), scales * away

    found = minimise(bowl, np.zeros(40, np.float32), tolerance=1e-5, max_iterations=500, least_gain=0.0)
    assert np.abs(found - centre).max() < 0.01
    assert found.dtype == np.float32


def test_it_agrees_with_scipy_on_logistic_regression() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(200, 12)).astype(np.float32)
    sides = np.sign(points @ rng.normal(size=12) + rng.normal(size=200)).astype(np.float32)

    def loss(weights):
        margins = sides * (points @ weights)
        value = np.logaddexp(0.0, -margins).mean() + 0.01 * weights @ weights
        slope = -(sides / (1.0 + np.exp(margins))) @ points / len(points) + 0.02 * weights
        return float(value), slope

    def single(weights):
        value, slope = loss(weights)
        return value, slope.astype(np.float32)

    ours = minimise(single, np.zeros(12, np.float32), tolerance=1e-5, max_iterations=200)
    theirs = minimize(loss, np.zeros(12), jac=True, method="L-BFGS-B", tol=1e-12).x
    assert np.abs(ours - theirs).max() < 2e-3


def test_it_stops_where_nothing_can_be_gained() -> None:
    asked: list[int] = []

    def flat(point):
        asked.append(1)
        return 1.0, np.zeros_like(point)

    start = np.ones(3, np.float32)
    assert minimise(flat, start, tolerance=1e-3, max_iterations=10) is start
    assert len(asked) == 1


def test_a_gradient_that_lies_ends_the_search() -> None:
    def uphill(point):
        return float(point.sum()), -np.ones_like(point)

    start = np.zeros(2, np.float32)
    assert minimise(uphill, start, tolerance=1e-3, max_iterations=10) is start


def test_no_more_steps_than_asked_for() -> None:
    def bowl(point):
        return float(point @ point), 2 * point

    start = np.full(2, 100.0, np.float32)
    found = minimise(bowl, start, tolerance=0.0, max_iterations=1)
    assert np.linalg.norm(start - found) == pytest.approx(1.0, abs=1e-4), "the first step has length 1"

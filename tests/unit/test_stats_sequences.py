"""Confidence sequences: the paper's formulas, edges, and what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ivrbot.stats.sequences import one_sided_half_width, tuning, two_sided_half_width


def test_tuning_is_the_papers_closed_form() -> None:
    # By hand: -2 ln 0.05 = 5.991465, ln(6.991465) = 1.944691; their sum over 10,000.
    assert tuning(0.05, 10_000) == pytest.approx(7.936156e-4, rel=1e-6)
    # alpha = 1 / sqrt(e): -2 ln alpha = 1, so (1 + ln 2) / t_opt.
    assert tuning(math.exp(-0.5), 1.0) == pytest.approx(1.0 + math.log(2.0))


def test_two_sided_width_at_a_point_that_can_be_worked_by_hand() -> None:
    # alpha = e^-1/2 and t_opt = 1 + ln 2 give r2 = 1; n = 3:
    # sqrt(2 * 4 / 9 * ln(2 / alpha)) = sqrt(8/9 (ln 2 + 1/2)).
    width = two_sided_half_width(3, 1.0, math.exp(-0.5), 1.0 + math.log(2.0))
    assert width == pytest.approx(math.sqrt(8.0 / 9.0 * (math.log(2.0) + 0.5)))


def test_one_sided_width_at_a_point_that_can_be_worked_by_hand() -> None:
    # 2 alpha = e^-1/2: r2 = 1 again; n = 3: sqrt(8/9 ln(1 + 2 / (2 alpha))) = sqrt(8/9 ln(1 + 2 e^1/2)).
    width = one_sided_half_width(3, 1.0, math.exp(-0.5) / 2.0, 1.0 + math.log(2.0))
    assert width == pytest.approx(math.sqrt(8.0 / 9.0 * math.log(1.0 + 2.0 * math.exp(0.5))))


def test_the_one_sided_tuning_is_taken_at_twice_alpha() -> None:
    r2, n, alpha = tuning(0.1, 10_000), 5_000, 0.05
    expected = math.sqrt(2 * (n * r2 + 1) / (n**2 * r2) * math.log(1 + math.sqrt(n * r2 + 1) / (2 * alpha)))
    assert one_sided_half_width(n, 1.0, alpha, 10_000) == pytest.approx(expected, rel=1e-12)


def test_the_price_of_looking_any_time_is_known() -> None:
    """By hand at n = t_opt, 5 %: 3.035 and 2.779 standard errors, where one look alone takes 1.960 and 1.645.

    Two-sided: r2 n = 7.93616, 2 * 8.93616 / 7.93616 * ln(2.98934 / 0.05) = 9.2125. One-sided, r2 at 10 %:
    r2 n = 6.32886, 2 * 7.32886 / 6.32886 * ln(1 + 2.70719 / 0.1) = 7.7234.
    """
    standard_error = 1.0 / 100.0
    assert two_sided_half_width(10_000, 1.0, 0.05, 10_000) / standard_error == pytest.approx(9.2125**0.5, rel=1e-4)
    assert one_sided_half_width(10_000, 1.0, 0.05, 10_000) / standard_error == pytest.approx(7.7234**0.5, rel=1e-4)


@pytest.mark.parametrize("half_width", [two_sided_half_width, one_sided_half_width])
def test_below_two_units_nothing_is_known(half_width) -> None:
    assert half_width(0, 1.0, 0.05, 100) == math.inf
    assert half_width(1, 0.0, 0.05, 100) == math.inf
    assert half_width(np.array([0, 1, 2]), 1.0, 0.05, 100).tolist()[:2] == [math.inf, math.inf]
    assert math.isfinite(half_width(2, 1.0, 0.05, 100))


@pytest.mark.parametrize("half_width", [two_sided_half_width, one_sided_half_width])
def test_scalars_give_floats_and_arrays_give_arrays(half_width) -> None:
    assert type(half_width(100, 1.0, 0.05, 100)) is float
    widths = half_width(np.array([100, 200]), np.array([1.0, 4.0]), 0.05, 100)
    assert widths.dtype == np.float64
    assert widths.tolist() == [half_width(100, 1.0, 0.05, 100), half_width(200, 4.0, 0.05, 100)]


@pytest.mark.parametrize("half_width", [two_sided_half_width, one_sided_half_width])
def test_an_unknown_variance_gives_an_unknown_width(half_width) -> None:
    assert math.isnan(half_width(100, math.nan, 0.05, 100))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tuning(0.0, 100), "alpha"),
        (lambda: tuning(1.0, 100), "alpha"),
        (lambda: tuning(math.nan, 100), "alpha"),
        (lambda: tuning(0.05, 0.0), "t_opt"),
        (lambda: tuning(0.05, math.inf), "t_opt"),
        (lambda: one_sided_half_width(10, 1.0, 0.5, 100), "one-sided alpha"),
        (lambda: two_sided_half_width(10, -1.0, 0.05, 100), "variance"),
        (lambda: one_sided_half_width(10, np.array([1.0, -1.0]), 0.05, 100), "variance"),
    ],
)
def test_arguments_out_of_range_are_refused(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_the_sequence_covers_at_all_times_together() -> None:
    """400 paths of normal values to 3,000 with a look at every one: errors at most 5 %."""
    rng = np.random.default_rng(3)
    n = np.arange(1, 3_001)
    values = rng.standard_normal((400, n.size))
    mean = np.cumsum(values, axis=1) / n
    late = n >= 100
    two = (np.abs(mean) > two_sided_half_width(n, 1.0, 0.05, 1_000))[:, late].any(axis=1).mean()
    one = (mean > one_sided_half_width(n, 1.0, 0.05, 1_000))[:, late].any(axis=1).mean()
    fixed = (np.abs(mean) > 1.96 / np.sqrt(n))[:, late].any(axis=1).mean()
    assert two <= 0.05
    assert one <= 0.05
    assert fixed > 0.2

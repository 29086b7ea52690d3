"""Agreement with gbstats, which runs in an environment of its own (built on demand by tools/peers.py)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ivrbot.stats.sequences import two_sided_half_width
from ivrbot.stats.weighting import contrast
from tools import peers

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parent / "peers" / "run_gbstats.py"
ALPHA, T_OPT = 0.05, 10_000


def cases() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Value, arm and constant propensity: shares of success and seconds, three shares, two sizes.

    The realised split is exactly the logged one: gbstats divides by realised counts, weighting by expected ones,
    and only then is the difference between the two a matter of the formulas.
    """
    rng = np.random.default_rng(20260901)
    found = []
    for share in (0.1, 0.2, 0.5):
        for n in (2_000, 40_000):
            treated = rng.permutation(n) < round(share * n)
            found.append((1.0 * (rng.random(n) < np.where(treated, 0.74, 0.71)), treated, np.full(n, share)))
            found.append((rng.gamma(2.0, np.where(treated, 110.0, 120.0)), treated, np.full(n, share)))
    return found


@pytest.fixture(scope="module")
def compared() -> list[tuple[dict, np.ndarray, np.ndarray, np.ndarray]]:
    try:
        python = peers.build()
    except peers.PeersError as error:
        pytest.skip(str(error))
    rows = cases()
    question = [
        {"human": y[~a].tolist(), "bot": y[a].tolist(), "alpha": ALPHA, "t_opt": T_OPT} for y, a, _ in rows
    ]
    done = subprocess.run(
        [str(python), str(SCRIPT)], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    answers = json.loads(done.stdout)
    return [(theirs, *row) for theirs, row in zip(answers, rows, strict=True)]


def test_the_arms_means_differ_by_what_gbstats_says(compared: list) -> None:
    for theirs, y, a, p in compared:
        ours = contrast(y, a, p)
        assert ours.bot - ours.human == pytest.approx(theirs["difference"], rel=1e-9)


def test_the_weighted_difference_agrees_within_a_quarter_of_its_standard_error(compared: list) -> None:
    for theirs, y, a, p in compared:
        assert abs(contrast(y, a, p).difference - theirs["difference"]) < 0.25 * theirs["standard_error"]


def test_standard_errors_agree_within_five_per_cent(compared: list) -> None:
    for theirs, y, a, p in compared:
        ours = contrast(y, a, p)
        assert np.sqrt(ours.variance / ours.n) == pytest.approx(theirs["standard_error"], rel=0.05)


def test_the_sequential_half_width_is_the_same_formula(compared: list) -> None:
    for theirs, y, _, _ in compared:
        lower, upper = theirs["sequential"]
        n = len(y)
        ours = two_sided_half_width(n, n * theirs["standard_error"] ** 2, ALPHA, T_OPT)
        assert ours == pytest.approx((upper - lower) / 2, rel=1e-9)


def test_sequential_intervals_agree_from_raw_data(compared: list) -> None:
    for theirs, y, a, p in compared:
        ours = contrast(y, a, p)
        half = two_sided_half_width(ours.n, ours.variance, ALPHA, T_OPT)
        interval = [ours.difference - half, ours.difference + half]
        assert interval == pytest.approx(theirs["sequential"], abs=0.1 * half)


def test_a_fixed_sample_interval_is_narrower_than_one_that_may_be_looked_at(compared: list) -> None:
    for theirs, *_ in compared:
        assert theirs["sequential"][0] < theirs["fixed"][0] < theirs["fixed"][1] < theirs["sequential"][1]

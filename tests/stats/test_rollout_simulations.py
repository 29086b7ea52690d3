"""What the statistics promise, through the controller's own evidence and decisions; seeded, with few runs.

A rate fails when its 99 % limit lies beyond the promise. With so few runs that finds gross mistakes only (each
test says which); `python -m benchmarks.rollout_simulations` runs the same scenarios 2,000 times.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from benchmarks.rollout_simulations import (
    COVERAGES,
    GUARDED,
    Coverage,
    Rollout,
    at_margin,
    branch,
    equal,
    left_first_rung,
    limits,
    promoted,
    promoted_beyond,
    resolution,
    rolled_back,
)
from benchmarks.rollout_why import SITUATIONS, rates
from ivrbot.model.evidence import Step
from ivrbot.rollout.forecasting.simulation import START, Event, Run, Walk, simulate, simulate_run, summarise
from ivrbot.rollout.forecasting.synthetic import TIME, World
from ivrbot.rollout.planning.schema import PrimaryFile

MARGIN_3 = branch([resolution(0.03)])
MARGIN_5 = branch([resolution(0.05)])


def test_a_rate_is_refused_only_beyond_chance() -> None:
    assert limits(15, 150)[0] > 0.05 > limits(14, 150)[0]
    assert limits(0, 10)[0] == 0 and limits(10, 10)[1] == 1
    # Clopper and Pearson: at the limit, what was seen is a 1 % event.
    assert sum(np.random.default_rng(1).binomial(150, limits(15, 150)[0], 20_000) >= 15) / 20_000 == pytest.approx(
        0.01, abs=0.003
    )


def test_a_bot_at_the_margin_is_hardly_ever_promoted_under_drift_and_repeat_callers() -> None:
    """1: at most 5 % in 120 days of daily looks. 100 runs: finds 17 % with 90 % power."""
    found = Rollout("", MARGIN_3, at_margin(0.68, 0.001, 300), 120, promoted, 0.05, claim="no worse").result(100)
    assert found.holds, found
    # The same callers, compared by averages while the share grows: promoted by chance and by drift.
    assert found.beside["z-test"] > 0.2
    assert found.beside["weighted sequence"] < 0.1


def test_an_equal_bot_is_hardly_ever_rolled_back() -> None:
    """2: at most 5 %, with two primaries and three guardrails. 40 runs: finds 25 % with 90 % power."""
    plan = branch([resolution(0.03), PrimaryFile(kpi=TIME, margin=20.0)], GUARDED)
    found = Rollout("", plan, equal(0.80, -0.001, 300), 75, rolled_back, 0.05).result(40)
    assert found.holds, found


def test_a_bad_bot_is_rolled_back() -> None:
    """What the test above could not tell from a controller that never rolls back."""
    found = [simulate_run(MARGIN_3, World(600, 0.72, -0.12), 60, np.random.default_rng(n)) for n in range(10)]
    assert all(run.rolled_back_day is not None and not promoted(run) for run in found)


def test_an_equal_bot_passes_the_first_rung_within_thirty_days() -> None:
    """3: at least 80 % at 1,500 callers a day, margin 5 points. 24 runs: finds 43 % with 90 % power."""
    found = Rollout("", MARGIN_5, World(1_500, 0.72), 30, left_first_rung, 0.80, at_least=True).result(24)
    assert found.holds, found


@pytest.mark.parametrize("scenario", COVERAGES, ids=lambda scenario: scenario.name)
def test_the_sequence_covers_the_truth_at_every_caller(scenario: Coverage) -> None:
    """4: at least 95 %. 60 runs each: finds 81 % with 90 % power."""
    found = replace(scenario, world=replace(scenario.world, calls_per_day=500)).result(60)
    assert found.holds, found


def test_drift_and_bad_days_break_averages_and_not_the_weighted_sequence() -> None:
    drift = COVERAGES[1].result(20)
    assert drift.beside["z-test"] < 0.2 and drift.beside["pooled sequence"] < 0.2
    assert drift.count >= 17


@pytest.mark.parametrize(
    ("start", "fault", "units"), [("tenth", -0.02, 10_000), ("fifth", 0.02, 20_000), ("half", -0.02, 20_000)]
)
def test_nothing_is_promoted_once_a_routing_fault_must_have_been_found(
    start: str, fault: float, units: int
) -> None:
    """5: found within so many first exposures in 95 %. 12 runs each: finds 48 % with 90 % power."""
    plan = branch([resolution(0.05 if start == "tenth" else 0.03)], start=start)
    world = World(1_500, 0.72, routing_fault=fault)
    found = Rollout("", plan, world, 30, promoted_beyond(units), 0.05).result(12)
    assert found.holds, found


def test_a_promotion_is_held_by_a_fault_and_by_nothing_else() -> None:
    """The same callers without the fault are promoted: it is the sample ratio that held them."""
    sound = simulate(MARGIN_5, World(1_500, 0.72), days=30, runs=4, seed=3)
    faulty = simulate(MARGIN_5, World(1_500, 0.72, routing_fault=-0.02), days=30, runs=4, seed=3)
    assert all(map(promoted, sound))
    assert not any(map(promoted, faulty))
    assert not any(map(rolled_back, faulty))


def test_why_averages_are_not_compared() -> None:
    """The table of the documentation, in small: 20 rollouts without any difference."""
    stable, drift, per_call, per_caller = (rates(situation, 20) for situation in SITUATIONS)
    assert stable["z"] > 0.1 and stable["pooled"] <= 0.1 and stable["weighted"] <= 0.1
    assert drift["z"] > 0.9 and drift["pooled"] > 0.9 and drift["weighted"] <= 0.1
    assert per_call["z"] > 0.5 and per_call["weighted"] > 0.1
    assert per_caller["weighted"] <= 0.1


# --- the loop itself --------------------------------------------------------------------------------------


def test_values_inside_their_window_change_nothing() -> None:
    walk = Walk(MARGIN_5, World(800, 0.72), 40, np.random.default_rng(5))
    other = Walk(MARGIN_5, World(800, 0.72), 40, np.random.default_rng(5))
    for column in (other.rows.values["true_resolution"],):
        column[other.rows.at_us > other.rows.at_us[0] + 6 * 86_400_000_000] = 1.0

    early = START + timedelta(days=13)
    assert walk.evidence(early).kpis == other.evidence(early).kpis
    late = START + timedelta(days=20)
    assert walk.evidence(late).kpis != other.evidence(late).kpis


def test_the_ladder_is_climbed_rung_by_rung_and_not_before_its_days() -> None:
    (run,) = simulate(MARGIN_5, World(3_000, 0.72, 0.05), days=80, runs=1)
    assert [event.from_stage for event in run.events] == ["tenth", "fifth", "half", "full"]
    assert run.events[-1].step is Step.COMPLETE
    days = [0, *(event.day for event in run.events)]
    assert all(
        later - earlier >= least for earlier, later, least in zip(days, days[1:], (7, 7, 7, 14), strict=False)
    )
    assert run.stage == "full"


def test_a_run_of_a_seed_is_the_same_whatever_the_number_of_runs() -> None:
    world = World(300, 0.72)
    assert simulate(MARGIN_5, world, days=30, runs=3, seed=4)[:2] == simulate(
        MARGIN_5, world, days=30, runs=2, seed=4
    )


def test_the_summary_counts_what_happened() -> None:
    def event(day: int, step: Step, stage: str, share: float) -> Event:
        return Event(day, step, stage, share, "", 0)

    up = event(10, Step.ADVANCE, "tenth", 0.1)
    runs = [
        Run((up, event(20, Step.ROLL_BACK, "fifth", 0.2)), ""),
        Run((event(14, Step.ADVANCE, "tenth", 0.1),), "fifth"),
        Run((event(5, Step.ROLL_BACK, "tenth", 0.1),), ""),
        Run((), "tenth"),
    ]
    found = summarise(MARGIN_5, runs)
    assert (found.promoted, found.rolled_back, found.completed, found.median_days) == (0.5, 0.5, 0.0, 12)
    tenth, fifth, *_ = found.stages
    assert (tenth.reached, tenth.passed, tenth.rolled_back, tenth.median_days) == (1.0, 0.5, 0.25, 12)
    assert (fifth.reached, fifth.passed, fifth.rolled_back, fifth.median_days) == (0.5, 0.0, 0.25, None)


def test_leaving_shadow_is_no_promotion() -> None:
    run = Run((Event(3, Step.ADVANCE, "shadow", 0.0, "passed", 0),), "tenth")
    assert run.promoted_day is None

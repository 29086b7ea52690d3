"""The synthetic callers are what they claim to be: volumes, rates, repeats, faults."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbot.errors import ConfigError
from ivrbot.rollout.forecasting.synthetic import (
    DAY_US,
    RESOLUTION,
    TIME,
    Contacts,
    Rate,
    World,
    contacts,
    first_contacts,
    solution_variance,
    unit_rows,
)

MONDAY_US = 20_703 * DAY_US  # 7 September 2026
HALF = [(MONDAY_US, 0, 0.5)]


def drawn(world: World, days: int = 28, kpis: tuple[str, ...] = (RESOLUTION, TIME), seed: int = 1) -> Contacts:
    return contacts(world, days, kpis, np.random.default_rng(seed), MONDAY_US)


def test_calls_per_day_hold_over_a_week_with_and_without_repeat_callers() -> None:
    for mean in (1.0, 1.6):
        world = World(1_000, contacts_per_caller=mean)
        per_week = np.bincount((drawn(world).at_us - MONDAY_US) // (7 * DAY_US))
        assert len(per_week) == 4
        # Four Poisson weeks of 7,000; repeats make them clump.
        assert np.all(np.abs(per_week - 7_000) < 500)


def test_weekends_are_quieter() -> None:
    calls = drawn(World(1_000))
    weekday = (calls.at_us // DAY_US + 3) % 7
    assert np.mean(weekday == 6) < 0.7 * np.mean(weekday == 0)


def test_repeat_callers_ring_the_stated_number_of_times_and_keep_their_draw() -> None:
    calls = drawn(World(1_000, contacts_per_caller=1.6, gap_days=0.5), days=56)
    middle = np.unique(
        calls.unit[(calls.at_us > MONDAY_US + 10 * DAY_US) & (calls.at_us < MONDAY_US + 40 * DAY_US)]
    )
    mine = np.isin(calls.unit, middle)
    assert np.sum(mine) / len(middle) == pytest.approx(1.6, abs=0.05)
    pairs = {(int(unit), float(draw)) for unit, draw in zip(calls.unit, calls.draw, strict=True)}
    assert len(pairs) == len(np.unique(calls.unit))


def test_rows_are_the_first_contact_of_each_caller_since_the_epoch_began() -> None:
    calls = drawn(World(300, contacts_per_caller=2))
    since = MONDAY_US + 5 * DAY_US
    rows = first_contacts(calls, since)
    later = calls.take(np.flatnonzero(calls.at_us >= since))
    assert len(np.unique(rows.unit)) == len(rows) == len(np.unique(later.unit))
    assert np.all(np.diff(rows.at_us) >= 0)
    first_of = {}
    for unit, at in zip(later.unit.tolist(), later.at_us.tolist(), strict=True):
        first_of.setdefault(unit, at)
    assert dict(zip(rows.unit.tolist(), rows.at_us.tolist(), strict=True)) == first_of


def test_base_effect_drift_and_hard_callers_give_the_stated_rates() -> None:
    world = World(4_000, 0.75, -0.05, steps=((14, -0.1),), contacts_per_caller=1.5, hard_share=0.3, hard_drop=0.2)
    rows = first_contacts(drawn(world), MONDAY_US)
    seen = unit_rows(world, rows, ("half",), HALF, (RESOLUTION,))
    for after, base in ((False, 0.75), (True, 0.65)):
        when = (rows.at_us >= MONDAY_US + 14 * DAY_US) == after
        for arm, rate in ((False, base), (True, base - 0.05)):
            got = seen.values[RESOLUTION][when & (seen.treated == arm)]
            assert got.mean() == pytest.approx(rate, abs=4 * 0.5 / np.sqrt(len(got)))


def test_effect_is_the_same_for_callers_chosen_by_their_history() -> None:
    """What makes a bot "exactly at the margin" also when a stage begins amid callers who have rung before."""
    world = World(6_000, 0.75, -0.05, contacts_per_caller=3, hard_share=0.3, hard_drop=0.4)
    calls = drawn(world, days=40)
    seen = unit_rows(world, calls, ("half",), HALF, (RESOLUTION,)).values[RESOLUTION]
    treated = calls.draw < 0.5
    rang_before = np.zeros(len(calls), dtype=bool)
    rang_before[np.setdiff1d(np.arange(len(calls)), np.unique(calls.unit, return_index=True)[1])] = True
    difference = seen[rang_before & treated].mean() - seen[rang_before & ~treated].mean()
    assert difference == pytest.approx(-0.05, abs=0.02)


def test_a_routing_fault_moves_the_arms_and_not_the_logged_propensity() -> None:
    world = World(5_000, routing_fault=-0.02)
    seen = unit_rows(world, first_contacts(drawn(world), MONDAY_US), ("tenth",), [(MONDAY_US, 0, 0.1)], ())
    assert set(seen.propensity.tolist()) == {0.1}
    assert seen.treated.mean() == pytest.approx(0.08, abs=0.004)


def test_who_is_with_the_bot_stays_with_it_as_shares_rise() -> None:
    world = World(1_000, contacts_per_caller=2)
    calls = drawn(world)
    rungs = [(MONDAY_US, 0, 0.1), (MONDAY_US + 14 * DAY_US, 1, 0.5)]
    seen = unit_rows(world, calls, ("tenth", "half"), rungs, ())
    early = set(calls.unit[(seen.stage == 0) & seen.treated].tolist())
    late_human = set(calls.unit[(seen.stage == 1) & ~seen.treated].tolist())
    assert early
    assert not early & late_human


def test_time_is_capped_and_counts_the_cap_for_whoever_was_not_resolved() -> None:
    world = World(3_000, 0.7, time_effect_s=30)
    rows = first_contacts(drawn(world), MONDAY_US)
    seen = unit_rows(world, rows, ("half",), HALF, (RESOLUTION, TIME))
    solved = seen.values[RESOLUTION] == 1
    assert set(seen.values[TIME][~solved].tolist()) == {900.0}
    bot, human = (np.median(seen.values[TIME][solved & (seen.treated == arm)]) for arm in (True, False))
    assert human == pytest.approx(180, abs=3)
    assert bot - human == pytest.approx(30, abs=4)
    assert np.std(np.log(seen.values[TIME][solved & ~seen.treated])) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("cap_s", [900.0, 1_800.0])
def test_the_spread_of_times_is_the_one_that_forecasts_take(cap_s: float) -> None:
    world = World(6_000, 0.72, cap_s=cap_s)
    seen = unit_rows(world, first_contacts(drawn(world), MONDAY_US), ("half",), HALF, (TIME,))
    assert np.std(seen.values[TIME]) == pytest.approx(np.sqrt(solution_variance(0.72, cap_s)), rel=0.01)


def test_what_only_the_bot_can_have_has_no_value_with_operators() -> None:
    world = World(2_000, rates={"engine_failure": Rate(None, 0.02)})
    rows = first_contacts(drawn(world, kpis=("engine_failure",)), MONDAY_US)
    seen = unit_rows(world, rows, ("half",), HALF, ("engine_failure",))
    failures = seen.values["engine_failure"]
    assert np.isnan(failures[~seen.treated]).all()
    assert failures[seen.treated].mean() == pytest.approx(0.02, abs=0.004)


def test_the_same_seed_gives_the_same_callers() -> None:
    one, two, other = drawn(World(100)), drawn(World(100)), drawn(World(100), seed=2)
    assert np.array_equal(one.at_us, two.at_us)
    assert np.array_equal(one.luck[TIME], two.luck[TIME])
    assert not np.array_equal(one.at_us[:50], other.at_us[:50])


@pytest.mark.parametrize(
    "world",
    [
        World(100, 0.98, 0.05),
        World(100, 0.1, -0.2),
        World(100, 0.5, drift_per_day=-0.02),
        World(100, 0.9, hard_share=0.5, hard_drop=0.4),
        World(0),
    ],
)
def test_a_world_whose_rates_leave_the_possible_is_refused(world: World) -> None:
    with pytest.raises(ConfigError):
        drawn(world)


def test_an_unknown_kpi_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="csat"):
        drawn(World(100), kpis=("csat",))

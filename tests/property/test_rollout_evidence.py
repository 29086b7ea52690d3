"""Evidence, verdicts and decisions: what holds for any rows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ivrbot.model.evidence import Evidence, Freshness, Metric, Role, Step, UnitRows, Verdict
from ivrbot.rollout.judging.decide import decide
from ivrbot.rollout.judging.evidence import build_evidence, microseconds, moment
from ivrbot.rollout.judging.snapshot import evidence_from_json, evidence_to_json
from ivrbot.rollout.planning.plan import Guardrail, Primary, state_at
from tests.unit.rollout_data import START, branch_plan

PLAN = branch_plan(
    primary=(Primary("true_resolution", 0.05),),
    guardrails=(Guardrail("abandonment_mid_task", 0.02, None), Guardrail("engine_failure", None, 0.01)),
)
KPIS = ("true_resolution", "abandonment_mid_task", "engine_failure")
NAMES = ("tenth", "fifth", "half")
CHANCES = np.array([0.0, 0.1, 0.2, 0.5, 1.0])


def make(seed: int, n: int, hours: int) -> UnitRows:
    rng = np.random.default_rng(seed)
    chance = rng.choice(CHANCES, n, p=[0.05, 0.3, 0.3, 0.3, 0.05])
    values = {kpi: (rng.random(n) < 0.5).astype(np.float64) for kpi in KPIS}
    for column in values.values():
        column[rng.random(n) < 0.004] = np.nan
    return UnitRows(
        at_us=microseconds(START) + rng.integers(0, hours * 3_600_000_000, n),
        stage=rng.integers(0, 3, n),
        stages=NAMES,
        treated=rng.random(n) < chance,
        propensity=chance,
        values=values,
        trunk=rng.choice(np.array(["a", "b", ""]), n),
    )


def gather(rows: UnitRows, hours: int, *, stage: str = "half", freshness: Freshness | None = None) -> Evidence:
    state = state_at(PLAN, PLAN.stage(stage), "r")
    now = START + timedelta(hours=hours)
    return build_evidence(rows, PLAN, state, now=now, stage_since=START, freshness=freshness)


rows_strategy = st.builds(make, st.integers(0, 10_000), st.integers(0, 4000), st.integers(1, 500))
hours_strategy = st.integers(0, 1000)


@given(rows_strategy, hours_strategy)
@settings(deadline=None)
def test_counts_add_up(rows: UnitRows, hours: int) -> None:
    seen = gather(rows, hours)
    assert seen.units + seen.without_chance + seen.late == len(rows)
    for kpi in seen.kpis:
        for sample in (kpi.pooled, kpi.stage):
            estimate = sample.estimate
            assert estimate.n == estimate.n_bot + estimate.n_human
            assert estimate.n_bot == sample.bot.mature - sample.bot.missing
            assert estimate.n_human == sample.human.mature - sample.human.missing
            assert (estimate.difference is None) == (min(estimate.n_bot, estimate.n_human) == 0)
        assert kpi.stage.estimate.n <= kpi.pooled.estimate.n
        total = (
            kpi.pooled.bot.mature + kpi.pooled.bot.immature + kpi.pooled.human.mature + kpi.pooled.human.immature
        )
        assert total == seen.units


@given(rows_strategy, hours_strategy)
@settings(deadline=None)
def test_snapshot_is_exact_and_decides_the_same(rows: UnitRows, hours: int) -> None:
    seen = gather(rows, hours)
    again = evidence_from_json(json.loads(json.dumps(evidence_to_json(seen), allow_nan=False)))
    assert again == seen
    state = state_at(PLAN, PLAN.stage("half"), "r")
    assert decide(PLAN, state, again, seen.as_of) == decide(PLAN, state, seen, seen.as_of)


@given(rows_strategy, hours_strategy)
@settings(deadline=None)
def test_order_of_rows_does_not_matter(rows: UnitRows, hours: int) -> None:
    distinct = np.unique(rows.at_us, return_index=True)[1]  # ties keep the order that they came in
    rows = take(rows, distinct)
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    assert gather(take(rows, order), hours) == gather(rows, hours)


def take(rows: UnitRows, which: NDArray[np.int64]) -> UnitRows:
    assert rows.trunk is not None
    return replace(
        rows,
        at_us=rows.at_us[which],
        stage=rows.stage[which],
        treated=rows.treated[which],
        propensity=rows.propensity[which],
        values={kpi: column[which] for kpi, column in rows.values.items()},
        trunk=rows.trunk[which],
    )


@given(rows_strategy, hours_strategy)
@settings(deadline=None)
def test_what_is_not_mature_changes_nothing(rows: UnitRows, hours: int) -> None:
    now_us = microseconds(START + timedelta(hours=hours))
    changed = {kpi: column.copy() for kpi, column in rows.values.items()}
    changed["true_resolution"][rows.at_us > now_us - 7 * 86_400_000_000] = np.nan
    changed["abandonment_mid_task"][rows.at_us > now_us - 3_600_000_000] = 1.0
    assert gather(replace(rows, values=changed), hours) == gather(rows, hours)


@given(rows_strategy, hours_strategy)
@settings(deadline=None)
def test_rows_without_a_draw_change_nothing(rows: UnitRows, hours: int) -> None:
    drawn = (rows.propensity > 0) & (rows.propensity < 1)
    every, some = gather(rows, hours), gather(take(rows, np.flatnonzero(drawn)), hours)
    assert replace(every, without_chance=0, late=0) == replace(some, without_chance=0, late=0)


@given(rows_strategy, hours_strategy)
@settings(deadline=None)
def test_steps_follow_their_verdicts(rows: UnitRows, hours: int) -> None:
    seen = gather(rows, hours)
    state = state_at(PLAN, PLAN.stage("half"), "r")
    decision = decide(PLAN, state, seen, seen.as_of)
    if decision.step in (Step.ADVANCE, Step.COMPLETE):
        assert decision.verdict is Verdict.PASS
        assert all(metric.verdict is Verdict.PASS for metric in decision.metrics)
    if decision.step is Step.ROLL_BACK:
        assert decision.verdict is Verdict.FAIL
    assert (decision.to_stage == "half") == (decision.step is Step.HOLD)
    for metric in decision.metrics:
        check(metric)


def check(metric: Metric) -> None:
    if metric.difference is not None and metric.lower is not None and metric.upper is not None:
        assert metric.lower <= metric.difference <= metric.upper
    if metric.verdict is not Verdict.INCONCLUSIVE:
        assert metric.bound is not None
        needed = [metric.n_bot] if metric.difference is None else [metric.n_bot, metric.n_human]
        assert min(needed) >= 300
    if metric.role is Role.PRIMARY and metric.verdict is Verdict.PASS:
        assert metric.bound is not None and metric.bound > -metric.margin
        assert min(metric.stage_n_bot, metric.stage_n_human) >= 300


@given(st.integers(0, 1000), st.integers(0, 300))
@settings(deadline=None)
def test_operators_data_sets_the_moment_for_what_compares_the_arms(seed: int, behind_h: int) -> None:
    rows, hours = make(seed, 500, 400), 500
    fresh = Freshness(human_source_at=START + timedelta(hours=hours - behind_h))
    held, free = gather(rows, hours, freshness=fresh), gather(rows, hours - behind_h)
    assert held.kpi("true_resolution").pooled.estimate == free.kpi("true_resolution").pooled.estimate
    assert held.kpi("true_resolution").stage.estimate == free.kpi("true_resolution").stage.estimate
    assert held.kpi("engine_failure") == gather(rows, hours).kpi("engine_failure")


@given(st.integers(-(10**15), 4 * 10**15))
def test_microseconds_are_exact(at_us: int) -> None:
    assert microseconds(moment(at_us)) == at_us


def test_columns_of_different_length_are_refused() -> None:
    rows = make(1, 100, 10)
    with pytest.raises((ValueError, IndexError)):
        gather(replace(rows, treated=rows.treated[1:]), 20)

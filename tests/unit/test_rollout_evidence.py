"""Rows of units into evidence: what counts, by hand."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from ivrbot.model.evidence import ArmCounts, Freshness, UnitRows
from ivrbot.rollout.judging.evidence import build_evidence, kpis_of, microseconds
from ivrbot.rollout.planning.plan import Guardrail, Primary, state_at
from tests.unit.rollout_data import START, branch_plan

PLAN = branch_plan(
    primary=(Primary("true_resolution", 0.05), Primary("first_call_resolution", 0.05)),
    guardrails=(Guardrail("failed_transfer", 0.02, None), Guardrail("true_resolution", 0.1, None)),
)
STATE = state_at(PLAN, PLAN.stage("half"), "r", epoch=4)
NAN = math.nan


def rows(hours: list[float], arms: str, chances: list[float], stages: str = "", **values: list[float]) -> UnitRows:
    """One row per hour after the start; arms as a word of b and h, stages as one of t(enth) and h(alf)."""
    return UnitRows(
        at_us=np.array([microseconds(START + timedelta(hours=hour)) for hour in hours], dtype=np.int64),
        stage=np.array([0 if name == "t" else 1 for name in stages or "h" * len(hours)], dtype=np.int64),
        stages=("tenth", "half"),
        treated=np.array([arm == "b" for arm in arms]),
        propensity=np.array(chances),
        values={name: np.array(column) for name, column in values.items()},
    )


def test_difference_is_the_mean_of_phi_by_hand() -> None:
    seen = build_evidence(
        rows([0, 1, 2, 3], "bhbh", [0.5, 0.5, 0.2, 0.2], "tthh", first_call_resolution=[1.0, 0.0, 1.0, 1.0]),
        PLAN,
        STATE,
        now=START + timedelta(hours=4),
    )
    found = seen.kpi("first_call_resolution")
    # phi: (1-0)/.5, (0-1)(-1/.5), (1-.5)/.2, (1-2/3)(-1/.8)
    phi = [2.0, 2.0, 2.5, -1 / 2.4]
    assert found.pooled.estimate.difference == pytest.approx(sum(phi) / 4)
    assert found.pooled.estimate.variance == pytest.approx(np.var(phi, ddof=1))
    assert (found.pooled.estimate.n_bot, found.pooled.estimate.n_human) == (2, 2)
    # the stage alone starts its running mean anew: 1/.2, (1-1)(-1/.8)
    assert found.stage.estimate.difference == pytest.approx(2.5)
    assert (seen.epoch, seen.stage, seen.units) == (4, "half", 4)


def test_maturity_to_the_microsecond() -> None:
    given = rows([0, 24], "bh", [0.5, 0.5], true_resolution=[1.0, 1.0], first_call_resolution=[1.0, NAN])
    ripe = START + timedelta(days=7)
    just = build_evidence(given, PLAN, STATE, now=ripe).kpi("true_resolution").pooled
    assert (just.bot, just.human) == (ArmCounts(mature=1), ArmCounts(immature=1))
    assert just.estimate.difference is None  # one arm alone says nothing
    early = build_evidence(given, PLAN, STATE, now=ripe - timedelta(microseconds=1)).kpi("true_resolution").pooled
    assert early.bot == ArmCounts(immature=1)
    hour = timedelta(hours=25)
    plain = build_evidence(given, PLAN, STATE, now=START + hour).kpi("first_call_resolution").pooled
    assert (plain.bot, plain.human) == (ArmCounts(mature=1), ArmCounts(mature=1, missing=1))
    before = build_evidence(given, PLAN, STATE, now=START + hour - timedelta(microseconds=1))
    assert before.kpi("first_call_resolution").pooled.human == ArmCounts(immature=1)


def test_operators_data_that_ends_early_sets_the_moment() -> None:
    given = rows([0, 1, 5, 6], "bhbh", [0.5] * 4, first_call_resolution=[1.0, 1.0, 1.0, NAN])
    fresh = Freshness(human_source_at=START + timedelta(hours=3))
    seen = build_evidence(given, PLAN, STATE, now=START + timedelta(hours=9), freshness=fresh)
    found = seen.kpi("first_call_resolution").pooled
    assert (found.bot, found.human) == (ArmCounts(1, 0, 1), ArmCounts(1, 0, 1))


def test_rows_later_than_now_are_left_out_but_for_the_skew_of_clocks() -> None:
    given = rows([0, 1, 2], "bhb", [0.5] * 3)
    assert build_evidence(given, PLAN, STATE, now=START + timedelta(hours=1, minutes=55)).late == 0
    assert build_evidence(given, PLAN, STATE, now=START + timedelta(hours=1, minutes=54)).late == 1


def test_each_kpi_of_the_plan_once_primaries_first_and_absent_ones_told() -> None:
    assert kpis_of(PLAN) == ("true_resolution", "first_call_resolution", "failed_transfer")
    seen = build_evidence(rows([], "", []), PLAN, STATE, now=START)
    assert [(kpi.kpi, kpi.present) for kpi in seen.kpis] == [(name, False) for name in kpis_of(PLAN)]
    assert (seen.srm.n, seen.srm.p_value, seen.srm.ok) == (0, None, None)
    assert seen.bot_flow.newest_at is None


def test_silence_of_an_arm_is_the_product_of_chances() -> None:
    seen = build_evidence(rows([0, 1, 2, 3], "hbbb", [0.5, 0.1, 0.2, 0.5]), PLAN, STATE, now=START + timedelta(1))
    assert seen.human_flow.newest_at == START
    assert seen.human_flow.silence_log10_p == pytest.approx(math.log10(0.1 * 0.2 * 0.5))
    assert seen.bot_flow.silence_log10_p == 0.0


def test_mismatch_is_put_to_its_hour() -> None:
    rng = np.random.default_rng(3)
    hours = np.sort(rng.uniform(0, 240, 20_000))
    nine = (hours % 24).astype(int) == 9
    arms = "".join(
        "h" if lost or draw >= 0.5 else "b" for lost, draw in zip(nine, rng.random(20_000), strict=True)
    )
    seen = build_evidence(rows(hours.tolist(), arms, [0.5] * 20_000), PLAN, STATE, now=START + timedelta(days=11))
    assert seen.srm.ok is False and seen.srm.p_value is not None and seen.srm.p_value < 0.01
    assert (seen.srm.groups[0].kind, seen.srm.groups[0].name) == ("hour", "09:00 UTC")
    assert seen.srm.groups[0].observed_bot == 0 < seen.srm.groups[0].expected_bot

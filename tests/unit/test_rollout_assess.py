"""Evidence into metrics: bounds against the formulas written out, and what people read."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.model.evidence import ArmCounts, Estimate, Evidence, KpiEvidence, KpiSample, Role, Verdict
from ivrbot.rollout.judging.assess import assess
from ivrbot.rollout.judging.sentences import metric_sentence, shown
from ivrbot.rollout.planning.plan import Guardrail, Primary
from tests.unit.rollout_data import LADDER, START, branch_plan

PLAN = branch_plan(
    primary=(Primary("true_resolution", 0.05),),
    guardrails=(Guardrail("abandonment_mid_task", 0.02, None), Guardrail("engine_failure", None, 0.005)),
)
N, VARIANCE = 9000, 0.9
POOLED = KpiSample(Estimate(N, 3000, 6000, 0.74, 0.75, 0.19, -0.01, VARIANCE), ArmCounts(3000), ArmCounts(6000))
STAGE = KpiSample(Estimate(2000, 900, 1100, 0.05, 0.04, 0.05, 0.012, 0.2), ArmCounts(900), ArmCounts(1100))
SEEN = Evidence(
    "balance",
    1,
    "half",
    START,
    kpis=(
        KpiEvidence("true_resolution", pooled=POOLED, stage=STAGE),
        KpiEvidence("abandonment_mid_task", pooled=POOLED, stage=STAGE),
        KpiEvidence("engine_failure", pooled=POOLED, stage=STAGE),
    ),
)


def width(n: float, variance: float, alpha: float, *, sides: int) -> float:
    """The documented formulas, written out once more."""
    a = alpha if sides == 2 else 2 * alpha
    r = (-2 * math.log(a) + math.log(1 - 2 * math.log(a))) / PLAN.t_opt
    root = math.sqrt(n * r + 1)
    logarithm = math.log(root / alpha) if sides == 2 else math.log(1 + root / (2 * alpha))
    return math.sqrt(variance) * math.sqrt(2 * (n * r + 1) / (n * n * r) * logarithm)


def test_primary_is_pooled_at_alpha() -> None:
    metric = assess(PLAN, SEEN)[0]
    assert (metric.role, metric.difference, metric.margin) == (Role.PRIMARY, -0.01, 0.05)
    assert metric.lower == pytest.approx(-0.01 - width(N, VARIANCE, 0.05, sides=2))
    assert metric.upper == pytest.approx(-0.01 + width(N, VARIANCE, 0.05, sides=2))
    assert metric.bound == pytest.approx(-0.01 - width(N, VARIANCE, 0.05, sides=1))
    assert (metric.n_bot, metric.n_human, metric.stage_n_bot, metric.stage_n_human) == (3000, 6000, 900, 1100)
    assert (metric.verdict, metric.why) == (Verdict.PASS, "no_worse")


def test_guardrails_read_the_stage_at_their_part_of_alpha() -> None:
    _, limit, level = assess(PLAN, SEEN)
    assert limit.bound == pytest.approx(0.012 - width(2000, 0.2, 0.025, sides=1))
    assert (limit.n_bot, limit.n_human, limit.margin) == (900, 1100, 0.02)
    assert level.bound == pytest.approx(0.05 - width(900, 0.05, 0.025, sides=1))
    assert (level.difference, level.lower, level.upper) == (None, None, None)


@pytest.mark.parametrize("missing", [30, 31])
def test_one_per_cent_may_be_missing(missing: int) -> None:
    pooled = replace(POOLED, bot=ArmCounts(mature=3000, missing=missing))
    seen = replace(SEEN, kpis=(replace(SEEN.kpis[0], pooled=pooled), *SEEN.kpis[1:]))
    assert assess(PLAN, seen)[0].verdict is (Verdict.PASS if missing == 30 else Verdict.INCONCLUSIVE)


def test_operators_missing_values_do_not_blind_a_guardrail_on_the_bot_alone() -> None:
    stage = replace(STAGE, human=ArmCounts(mature=2000, missing=900))
    kpis = tuple(replace(kpi, stage=stage) for kpi in SEEN.kpis)
    verdicts = [metric.verdict for metric in assess(PLAN, replace(SEEN, kpis=kpis))]
    assert verdicts == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.FAIL]


@pytest.mark.parametrize("stage", ["shadow", "third", ""])
def test_nothing_is_judged_where_nobody_is_drawn(stage: str) -> None:
    assert assess(PLAN, replace(SEEN, stage=stage)) == ()


def test_sentences_carry_the_numbers() -> None:
    half = LADDER[3]
    primary, limit, level = (metric_sentence(metric, half) for metric in assess(PLAN, SEEN))
    assert primary.startswith(
        "true_resolution: bot - operators is -1.00 points; the benefit (more is better) is at"
    )
    assert "margin of 5.00 points" in primary
    assert limit.startswith("Guardrail abandonment_mid_task: bot - operators is +1.20 points")
    assert limit.endswith("not shown beyond 2.00 points.")
    assert "the bot's own mean is 5.00 %" in level and level.endswith("0.50 %.")


def test_values_in_the_unit_in_which_people_read_them() -> None:
    assert shown("time_to_solution_s", 12.345, difference=True) == "+12.35 s"
    assert shown("response_gap_ms", 500.0) == "500.00 ms"
    assert shown("csat", 4.5) == "4.50"
    assert shown("repeat_7d", 0.1) == "10.00 %"
    assert shown("csat", None) == "-"
    assert all(shown(kpi, 0.5) for kpi in KPIS)

"""From evidence to a step: what widens, what holds, what rolls back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ivrbot.model.evidence import (
    ArmCounts,
    ArmFlow,
    Decision,
    Estimate,
    Evidence,
    EvidenceProblem,
    Freshness,
    KpiEvidence,
    KpiSample,
    ShadowEvidence,
    SrmEvidence,
    Step,
    Verdict,
)
from ivrbot.model.experiment import BranchState
from ivrbot.rollout.judging.decide import accuracy_interval, decide, ground_stage, query_failed
from ivrbot.rollout.judging.snapshot import evidence_from_json, evidence_to_json, from_json, to_json
from ivrbot.rollout.planning.plan import BranchPlan, Guardrail, Primary, Stage, state_at
from tests.unit.rollout_data import LADDER, branch_plan

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PLAN = branch_plan(
    primary=(Primary("true_resolution", 0.05),), guardrails=(Guardrail("abandonment_mid_task", 0.02, None),)
)


def sample(difference: float | None = 0.0, n: int = 20_000, missing: int = 0) -> KpiSample:
    arm = ArmCounts(mature=n // 2, missing=missing)
    estimate = Estimate(n, n // 2, n - n // 2, 0.75, 0.75, 0.19, difference, 0.76)
    return KpiSample(estimate, arm, arm)


def evidence(stage: str = "half", **changes: Any) -> Evidence:
    good = Evidence(
        branch="balance",
        epoch=1,
        stage=stage,
        as_of=NOW,
        stage_since=NOW - timedelta(days=30),
        units=20_000,
        kpis=(
            KpiEvidence("true_resolution", pooled=sample(), stage=sample()),
            KpiEvidence("abandonment_mid_task", pooled=sample(), stage=sample()),
        ),
        srm=SrmEvidence(20_000, 0.7, True),
        bot_flow=ArmFlow(NOW - timedelta(hours=1), -0.3),
        human_flow=ArmFlow(NOW - timedelta(hours=1), 0.0),
    )
    return replace(good, **changes)


def resolution(pooled: KpiSample, stage: KpiSample | None = None) -> tuple[KpiEvidence, ...]:
    return (KpiEvidence("true_resolution", pooled=pooled, stage=stage or pooled), evidence().kpis[1])


def state(stage: str = "half", plan: BranchPlan = PLAN) -> BranchState:
    return state_at(plan, plan.stage(stage), "r")


def outcome(decision: Decision) -> tuple[Verdict, Step, str]:
    return decision.verdict, decision.step, decision.reason


def test_all_in_order_advances_to_the_next_rung() -> None:
    decision = decide(PLAN, state(), evidence(), NOW)
    assert outcome(decision) == (Verdict.PASS, Step.ADVANCE, "passed")
    assert decision.to_stage == "full"
    assert [metric.verdict for metric in decision.metrics] == [Verdict.PASS, Verdict.PASS]


WORSE = resolution(sample(-0.2))
HARM = (evidence().kpis[0], KpiEvidence("abandonment_mid_task", pooled=sample(), stage=sample(0.2)))
FRESH = Freshness(NOW - timedelta(hours=2), NOW - timedelta(hours=2), NOW - timedelta(minutes=1))

HOLDS: dict[str, tuple[dict[str, Any], str]] = {
    "mismatch": ({"srm": SrmEvidence(20_000, 0.001, False)}, "srm"),
    "silent operators": ({"human_flow": ArmFlow(NOW - timedelta(days=1), -7.0)}, "stale_operators"),
    "silent bot": ({"bot_flow": ArmFlow(None, -80.0)}, "stale_bot"),
    "queue_log stands still": (
        {"freshness": replace(FRESH, human_source_at=NOW - timedelta(days=2))},
        "stale_operators",
    ),
    "no operators' outcome": ({"freshness": replace(FRESH, human_at=NOW - timedelta(days=3))}, "stale_operators"),
    "no bot outcome": ({"freshness": replace(FRESH, bot_at=NOW - timedelta(days=3))}, "stale_bot"),
    "no caller for a week": (
        {
            "freshness": replace(FRESH, bot_at=NOW - timedelta(days=9), human_at=NOW - timedelta(days=9)),
            "bot_flow": ArmFlow(NOW - timedelta(days=9)),
            "human_flow": ArmFlow(NOW - timedelta(days=9)),
        },
        "stale_rows",
    ),
    "noted": ({"problems": (EvidenceProblem("arm_changed", "3 callers are in both arms."),)}, "arm_changed"),
    "late rows": ({"late": 3}, "clock"),
    "KPI absent": ({"kpis": evidence().kpis[1:]}, "absent"),
    "guardrail absent": ({"kpis": evidence().kpis[:1]}, "absent"),
    "missing values": ({"kpis": resolution(sample(missing=101))}, "missing_values"),
    "missing in the stage": ({"kpis": resolution(sample(), sample(missing=101))}, "missing_values"),
    "few callers": ({"kpis": resolution(sample(n=598))}, "few_callers"),
    "few callers in the stage": ({"kpis": resolution(sample(), sample(n=598))}, "few_callers"),
    "not yet shown": ({"kpis": resolution(sample(-0.04))}, "not_shown"),
    "worse in this stage": ({"kpis": resolution(sample(), sample(-0.051))}, "worse_in_stage"),
    "one arm only": ({"kpis": resolution(sample(None))}, "no_variance"),
}


@pytest.mark.parametrize(("changes", "reason"), HOLDS.values(), ids=HOLDS)
def test_whatever_is_lacking_holds(changes: dict[str, Any], reason: str) -> None:
    decision = decide(PLAN, state(), evidence(**changes), NOW)
    assert outcome(decision) == (Verdict.INCONCLUSIVE, Step.HOLD, reason)
    assert decision.to_stage == "half"
    assert decision.sentence.endswith(".")


BLIND = {"KPI absent", "missing values", "missing in the stage", "few callers", "not yet shown", "one arm only"}


@pytest.mark.parametrize("name", sorted(HOLDS.keys() - BLIND - {"guardrail absent"}))
def test_a_guardrail_breach_rolls_back_whatever_else_is_wrong(name: str) -> None:
    changes = dict(HOLDS[name][0])
    kpis = changes.get("kpis", evidence().kpis)
    assert isinstance(kpis, tuple)
    changes["kpis"] = (*(kpi for kpi in kpis if kpi.kpi != "abandonment_mid_task"), HARM[1])
    decision = decide(PLAN, state(), evidence(**changes), NOW)
    assert outcome(decision) == (Verdict.FAIL, Step.ROLL_BACK, "guardrail_failed")
    assert decision.to_stage == "shadow"


def test_a_primary_shown_worse_rolls_back_also_with_few_callers_in_the_stage() -> None:
    decision = decide(PLAN, state(), evidence(kpis=resolution(sample(-0.2), sample(n=10))), NOW)
    assert outcome(decision) == (Verdict.FAIL, Step.ROLL_BACK, "primary_failed")
    metric = decision.metrics[0]
    assert metric.bound is not None and metric.bound < -metric.margin


def test_a_guardrail_with_few_callers_does_not_roll_back() -> None:
    kpis = (evidence().kpis[0], KpiEvidence("abandonment_mid_task", stage=sample(0.5, n=500)))
    assert outcome(decide(PLAN, state(), evidence(kpis=kpis), NOW))[1] is Step.HOLD


def test_less_is_better_turns_the_sign() -> None:
    plan = replace(PLAN, primary=(Primary("time_to_solution_s", 0.05),))
    slower = (KpiEvidence("time_to_solution_s", pooled=sample(0.2), stage=sample(0.2)), evidence().kpis[1])
    faster = (KpiEvidence("time_to_solution_s", pooled=sample(-0.2), stage=sample(-0.2)), evidence().kpis[1])
    assert decide(plan, state(), evidence(kpis=slower), NOW).step is Step.ROLL_BACK
    assert decide(plan, state(), evidence(kpis=faster), NOW).step is Step.ADVANCE


def test_each_guardrail_gets_its_part_of_alpha() -> None:
    one = decide(PLAN, state(), evidence(), NOW).metrics[1].bound
    rails = (*PLAN.guardrails, Guardrail("failed_transfer", 0.02, None))
    two = decide(replace(PLAN, guardrails=rails), state(), evidence(), NOW).metrics[1].bound
    assert one is not None and two is not None and two < one < 0


@pytest.mark.parametrize(("kpi", "bot", "fails"), [("engine_failure", 0.75, True), ("engine_failure", 0.2, False)])
def test_level_holds_the_bots_own_mean(kpi: str, bot: float, fails: bool) -> None:
    plan = replace(PLAN, guardrails=(Guardrail(kpi, None, 0.5),))
    alone = KpiSample(Estimate(10_000, 10_000, 0, bot, None, 0.19), ArmCounts(10_000), ArmCounts())
    kpis = (evidence().kpis[0], KpiEvidence(kpi, stage=alone))
    decision = decide(plan, state(), evidence(kpis=kpis), NOW)
    assert decision.step is (Step.ROLL_BACK if fails else Step.ADVANCE)
    assert decision.metrics[1].bound == pytest.approx(bot, abs=0.05)
    assert decision.metrics[1].difference is None


def test_level_of_a_kpi_of_which_more_is_better() -> None:
    plan = replace(PLAN, guardrails=(Guardrail("first_call_resolution", None, 0.9),))
    kpis = (evidence().kpis[0], KpiEvidence("first_call_resolution", stage=sample()))
    assert decide(plan, state(), evidence(kpis=kpis), NOW).step is Step.ROLL_BACK


# --- time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"last_decision_at": NOW + timedelta(seconds=1)},
        {"as_of": NOW + timedelta(seconds=1)},
        {"stage_since": NOW + timedelta(seconds=1)},
        {"late": 300},
    ],
)
def test_a_wrong_clock_stops_even_a_rollback(changes: dict[str, Any]) -> None:
    decision = decide(PLAN, state(), evidence(kpis=WORSE, **changes), NOW)
    assert outcome(decision) == (Verdict.INCONCLUSIVE, Step.HOLD, "clock")


@pytest.mark.parametrize(
    ("since", "step"),
    [
        (NOW - timedelta(days=7), Step.ADVANCE),
        (NOW - timedelta(days=7) + timedelta(seconds=1), Step.HOLD),
        (None, Step.HOLD),
    ],
)
def test_minimum_of_days(since: datetime | None, step: Step) -> None:
    decision = decide(PLAN, state(), evidence(stage_since=since), NOW)
    assert (decision.verdict, decision.step) == (Verdict.PASS, step)
    assert decision.reason == ("passed" if step is Step.ADVANCE else "min_days")


# --- ends of the ladder -------------------------------------------------------------------------------------


def test_last_rung_completes_once_and_keeps_its_guardrails() -> None:
    first = decide(PLAN, state("full"), evidence("full"), NOW)
    assert outcome(first) == (Verdict.PASS, Step.COMPLETE, "complete")
    after = evidence("full", complete=True)
    assert outcome(decide(PLAN, state("full"), after, NOW)) == (Verdict.PASS, Step.HOLD, "already_complete")
    assert decide(PLAN, state("full"), replace(after, kpis=HARM), NOW).step is Step.ROLL_BACK


def test_everybody_with_the_bot_cannot_be_judged() -> None:
    plan = replace(PLAN, stages=(Stage("full", 1.0, 0, 300, 0.0, 0.0),))
    decision = decide(plan, state("full", plan), evidence("full"), NOW)
    assert outcome(decision) == (Verdict.INCONCLUSIVE, Step.HOLD, "no_holdback")


def test_ladder_without_shadow_falls_back_to_not_started() -> None:
    plan = replace(PLAN, stages=LADDER[1:])
    assert ground_stage(plan) == ""
    assert decide(plan, state("half", plan), evidence(kpis=WORSE), NOW).to_stage == ""


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"killed": True}, "killed"),
        ({"stage": "", "share": 0.0}, "not_started"),
        ({"stage": "third"}, "unknown_stage"),
        ({"epoch": 2}, "other_evidence"),
        ({"stage": "full"}, "other_evidence"),
    ],
)
def test_nothing_to_judge(changed: dict[str, Any], reason: str) -> None:
    now_in_force = replace(state(), **changed)
    decision = decide(PLAN, now_in_force, evidence(kpis=WORSE), NOW)
    assert outcome(decision) == (Verdict.INCONCLUSIVE, Step.HOLD, reason)


def test_a_failed_query_never_moves_anything() -> None:
    decision = query_failed(state(), "the database is away")
    assert outcome(decision) == (Verdict.ERROR, Step.HOLD, "query_failed")
    assert (decision.to_stage, decision.metrics) == ("half", ())


# --- shadow -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "correct", "expected"),
    [
        (0, 0, (Verdict.INCONCLUSIVE, Step.HOLD, "few_shadow_calls")),
        (49, 49, (Verdict.INCONCLUSIVE, Step.HOLD, "few_shadow_calls")),
        (50, 50, (Verdict.PASS, Step.ADVANCE, "shadow_passed")),
        (50, 44, (Verdict.INCONCLUSIVE, Step.HOLD, "topic_accuracy")),
        (1000, 880, (Verdict.PASS, Step.ADVANCE, "shadow_passed")),
        (1000, 700, (Verdict.FAIL, Step.HOLD, "topic_accuracy")),
    ],
)
def test_shadow(n: int, correct: int, expected: tuple[Verdict, Step, str]) -> None:
    shadow = ShadowEvidence(n=n, correct=correct, synthetic=10_000)
    seen = evidence("shadow", shadow=shadow, kpis=())
    decision = decide(PLAN, state("shadow"), seen, NOW)
    wanted = (*expected[:2], "passed") if expected[1] is Step.ADVANCE else expected
    assert outcome(decision) == wanted
    assert decision.to_stage == ("tenth" if expected[1] is Step.ADVANCE else "shadow")


def test_shadow_needs_its_days_and_its_evidence() -> None:
    good = ShadowEvidence(n=1000, correct=1000)
    young = evidence("shadow", shadow=good, stage_since=NOW - timedelta(days=2))
    assert outcome(decide(PLAN, state("shadow"), young, NOW)) == (Verdict.PASS, Step.HOLD, "min_days")
    none = evidence("shadow", shadow=None)
    assert decide(PLAN, state("shadow"), none, NOW).reason == "few_shadow_calls"


def test_accuracy_interval_is_wilsons() -> None:
    # Newcombe 1998 (Statistics in Medicine 17), table I: 81 of 263, two-sided 95 %, Wilson: 0.2553 to 0.3662.
    bounds = accuracy_interval(ShadowEvidence(n=263, correct=81), 0.025)
    assert bounds == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert accuracy_interval(ShadowEvidence(), 0.05) is None


# --- snapshots ----------------------------------------------------------------------------------------------


def test_the_snapshot_gives_the_same_decision() -> None:
    seen = evidence(freshness=FRESH, shadow=ShadowEvidence(5, 4), last_decision_at=NOW - timedelta(days=1))
    again = evidence_from_json(json.loads(json.dumps(evidence_to_json(seen), allow_nan=False)))
    assert again == seen
    plan = from_json(BranchPlan, json.loads(json.dumps(to_json(PLAN))))
    decision = decide(PLAN, state(), seen, NOW)
    assert decide(plan, state(), again, NOW) == decision
    assert from_json(Decision, json.loads(json.dumps(to_json(decision)))) == decision


@pytest.mark.parametrize("document", [[], {"branch": 3}, {"branch": "b", "epoch": True, "stage": 1}])
def test_what_is_no_snapshot_is_refused(document: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        evidence_from_json(document)

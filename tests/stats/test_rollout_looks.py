"""The fast evidence of simulations is the controller's: same numbers and decisions, on the same rows."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from ivrbot.model.evidence import Evidence, Step
from ivrbot.rollout.forecasting.simulation import START, Walk
from ivrbot.rollout.forecasting.synthetic import Rate, World
from ivrbot.rollout.judging.decide import decide
from ivrbot.rollout.planning.plan import BranchPlan, build_plan
from ivrbot.rollout.planning.schema import (
    BranchFile,
    DefaultsFile,
    GuardrailFile,
    PlanFile,
    PrimaryFile,
    StageFile,
)

DAYS = 60


def a_branch() -> BranchPlan:
    stages = [
        StageFile(name="shadow", share=0, min_days=2),
        StageFile(name="tenth", share=0.1, min_days=3, min_callers=50),
        StageFile(name="half", share=0.5, min_days=3, min_callers=50),
        StageFile(name="full", share=1, min_days=5, min_callers=20, holdback=0.05),
    ]
    primary = [PrimaryFile(kpi="true_resolution", margin=0.08), PrimaryFile(kpi="time_to_solution_s", margin=60)]
    guardrails = [
        GuardrailFile(kpi="abandonment_mid_task", limit=0.05),
        GuardrailFile(kpi="true_resolution", level=0.6),
        GuardrailFile(kpi="engine_failure", level=0.01),
    ]
    defaults = DefaultsFile(stages=stages, primary=primary, guardrails=guardrails, repeat_window_days=4)
    plan = build_plan(PlanFile(goal="g", salt="s", defaults=defaults, branches={"balance": BranchFile()}))
    return plan.branches["balance"]


def bare(evidence: Evidence) -> dict[str, Any]:
    """Without what the fast path leaves to the controller: sample ratio and silence of arms."""
    document = asdict(evidence)
    for name in ("srm", "bot_flow", "human_flow"):
        del document[name]
    return document


def same(one: object, two: object) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        # Sums in another order: the last digits differ, also around zero.
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(two, tuple | list):
        return len(one) == len(two) and all(same(a, b) for a, b in zip(one, two, strict=True))
    return one == two


WORLDS = [
    World(300, 0.75),
    World(300, 0.75, -0.1, contacts_per_caller=1.6, hard_share=0.2, hard_drop=0.3),
    World(200, 0.75, 0.05, steps=((10, -0.1),), bad_day_share=0.1, bad_day_drop=0.1),
    World(20, 0.75),
    World(300, 0.75, rates={"engine_failure": Rate(None, 0.05)}),
]


@pytest.mark.parametrize("number", range(len(WORLDS)))
def test_every_look_gives_the_same_evidence_and_the_same_decision(number: int) -> None:
    walk = Walk(a_branch(), WORLDS[number], DAYS, np.random.default_rng(number))
    stages = {walk.state.stage}
    for day in range(1, DAYS + 1):
        now = START + timedelta(days=day)
        walk.look_ahead(day)
        slow, fast = walk.evidence(now), walk.quick_evidence(now)
        assert same(bare(slow), bare(fast)), day
        assert slow.units or walk.state.share == 0
        # With a sound sample ratio, nothing that decides is left out.
        sound = replace(slow, srm=fast.srm, bot_flow=fast.bot_flow, human_flow=fast.human_flow)
        exact, quick = (decide(walk.branch, walk.state, item, now) for item in (sound, fast))
        assert (exact.step, exact.reason, exact.to_stage) == (quick.step, quick.reason, quick.to_stage)
        assert [metric.verdict for metric in exact.metrics] == [metric.verdict for metric in quick.metrics]
        if exact.step is not Step.HOLD:
            walk.act(exact, now)
            stages.add(walk.state.stage)
            if exact.step is Step.ROLL_BACK:
                break
    assert "tenth" in stages  # the comparison went beyond shadow


def test_the_worlds_above_lead_to_every_kind_of_decision() -> None:
    steps = set()
    for number, world in enumerate(WORLDS):
        walk = Walk(a_branch(), world, DAYS, np.random.default_rng(number))
        steps |= {event.step for event in walk.events()}
    assert steps == {Step.ADVANCE, Step.COMPLETE, Step.ROLL_BACK}

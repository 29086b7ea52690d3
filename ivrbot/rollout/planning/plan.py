"""The plan as the program uses it: frozen, with every default filled in.

Takes a validated `PlanFile`, gives a `Plan`. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Literal

from ivrbot.model.events import JsonValue
from ivrbot.model.experiment import BranchState, Route
from ivrbot.model.rollout import treatment_bound
from ivrbot.rollout.planning.hours import WorkingHours
from ivrbot.rollout.planning.schema import (
    DAYS,
    BranchFile,
    DefaultsFile,
    PlanFile,
    StaffingFile,
    StageFile,
    WorkingHoursFile,
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A rung of the ladder.

    Attributes:
        share: fraction of callers for the bot, 0 is shadow.
        min_days: days that must pass before the next rung.
        min_callers: callers per arm without which there is no verdict; 0 at shadow.
        min_topic_accuracy: needed to leave shadow, 0..1.
        holdback: fraction of callers kept with operators, 0..1.
    """

    name: str
    share: float
    min_days: int
    min_callers: int
    min_topic_accuracy: float
    holdback: float

    @property
    def bound(self) -> float:
        """Probability of the bot at this rung."""
        return treatment_bound(self.share, self.holdback)


@dataclass(frozen=True, slots=True)
class Primary:
    """A KPI that must be non-inferior; `margin` in the KPI's raw unit."""

    kpi: str
    margin: float


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A KPI that rolls back beyond `limit` (harm, bot - human) or `level` (of the bot arm alone)."""

    kpi: str
    limit: float | None
    level: float | None


@dataclass(frozen=True, slots=True)
class StaffingPlan:
    """Operators of a branch's queue, who owe `share` of the callers an answer within `within_s`."""

    agents: int
    share: float
    within_s: float


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """What may happen to one branch.

    Attributes:
        start: name of the first rung.
        after: branch that must be complete before; "" starts at once.
        stages: rungs, lowest share first.
        t_opt: callers at which the bounds are tightest.
        time_cap_s: what a caller who was not helped counts in time_to_solution_s.
        staffing: of the operators' queue, None when not told.
    """

    name: str
    start: str
    after: str
    stages: tuple[Stage, ...]
    primary: tuple[Primary, ...]
    guardrails: tuple[Guardrail, ...]
    alpha: float
    t_opt: int
    repeat_window_days: int
    approval: Literal["manual", "automatic"]
    max_concurrent_bot_calls: int
    time_cap_s: float = 900.0
    staffing: StaffingPlan | None = None

    def stage(self, name: str) -> Stage | None:
        """The rung of that name."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def index(self, name: str) -> int:
        """Place of a rung in the ladder, -1 for a branch that has not started (or an unknown rung)."""
        return next((at for at, stage in enumerate(self.stages) if stage.name == name), -1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What may happen, in all branches.

    Attributes:
        overrides: route of test numbers, by E.164 number.
        branches: by name, in the order of the file; whoever is not in it stays with operators.
        revision: hash of the content, 16 hex characters; comments and order of keys do not change it.
        working_hours: shares rise within them only; None: at any time. Going down knows no hours.
        two_person: whoever proposes a rise cannot approve it.
    """

    goal: str
    salt: str = field(repr=False)
    timezone: str
    overrides: Mapping[str, Route] = field(repr=False)
    branches: Mapping[str, BranchPlan]
    max_concurrent_bot_calls: int
    revision: str
    working_hours: WorkingHours | None = None
    two_person: bool = False

    @property
    def salt_hash(self) -> str:
        """Tells salts apart in audit rows."""
        return hashlib.sha256(self.salt.encode()).hexdigest()[:16]

    def open_for_rises(self, at: datetime) -> bool:
        """Whether shares may rise at a moment (aware)."""
        return self.working_hours is None or self.working_hours.include(at, self.timezone)


def build_plan(file: PlanFile) -> Plan:
    """Fill in the defaults."""
    canonical = json.dumps(file.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return Plan(
        goal=file.goal,
        salt=file.salt,
        timezone=file.timezone,
        overrides={number: Route(route) for number, route in file.overrides.items()},
        branches={name: _branch(name, branch, file.defaults) for name, branch in file.branches.items()},
        max_concurrent_bot_calls=file.defaults.max_concurrent_bot_calls,
        revision=hashlib.sha256(canonical.encode()).hexdigest()[:16],
        working_hours=_working_hours(file.working_hours),
        two_person=file.two_person,
    )


def _working_hours(file: WorkingHoursFile | None) -> WorkingHours | None:
    if file is None:
        return None
    first, _, last = file.days.partition("-")
    return WorkingHours(
        first_day=DAYS.index(first) + 1,
        last_day=DAYS.index(last or first) + 1,
        opens=time.fromisoformat(file.opens),
        closes=time.fromisoformat(file.closes),
    )


def _branch(name: str, own: BranchFile, defaults: DefaultsFile) -> BranchPlan:
    own_values = {key: value for key in DefaultsFile.model_fields if (value := getattr(own, key)) is not None}
    merged = defaults.model_copy(update=own_values)
    stages = tuple(_stage(stage) for stage in merged.stages)
    return BranchPlan(
        name=name,
        start=own.start or stages[0].name,
        after=own.after or "",
        stages=stages,
        primary=tuple(Primary(item.kpi, item.margin) for item in merged.primary),
        guardrails=tuple(Guardrail(item.kpi, item.limit, item.level) for item in merged.guardrails),
        alpha=merged.alpha,
        t_opt=merged.t_opt,
        repeat_window_days=merged.repeat_window_days,
        approval=merged.approval,
        max_concurrent_bot_calls=merged.max_concurrent_bot_calls,
        time_cap_s=merged.time_cap_s,
        staffing=_staffing(merged.staffing),
    )


def _staffing(file: StaffingFile | None) -> StaffingPlan | None:
    if file is None:
        return None
    return StaffingPlan(file.agents, file.service_level.share, file.service_level.within_s)


def _stage(file: StageFile) -> Stage:
    callers = file.min_callers if file.share > 0 else 0
    return Stage(file.name, file.share, file.min_days, callers, file.min_topic_accuracy, file.holdback)


def state_at(branch: BranchPlan, stage: Stage | None, revision: str, *, epoch: int = 1) -> BranchState:
    """The state of a branch on a rung; None: not started."""
    if stage is None:
        return BranchState(branch.name, "", 0.0, 0.0, epoch, False, revision)
    return BranchState(branch.name, stage.name, stage.share, stage.holdback, epoch, False, revision)


def initial_states(plan: Plan) -> dict[str, BranchState]:
    """States of a first start: branches without `after` on their start rung, the others not started."""
    return {
        name: state_at(branch, None if branch.after else branch.stage(branch.start), plan.revision)
        for name, branch in plan.branches.items()
    }


def frozen_facts(plan: Plan, branch: BranchPlan) -> dict[str, JsonValue]:
    """What may not change within an experiment once callers were exposed: each is kept in the audit.

    Shares, minima, holdbacks and approval are not among them: they say when to look, not what is to be shown.
    """
    return {
        "goal": plan.goal,
        "salt": plan.salt_hash,
        "primary": [[item.kpi, item.margin] for item in branch.primary],
        "guardrails": [[item.kpi, item.limit, item.level] for item in branch.guardrails],
        "alpha": branch.alpha,
        "t_opt": branch.t_opt,
        "repeat_window_days": branch.repeat_window_days,
        "time_cap_s": branch.time_cap_s,
    }


def experiment_hash(facts: Mapping[str, JsonValue]) -> str:
    """Tells experiments apart: 16 hex characters over `frozen_facts`."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

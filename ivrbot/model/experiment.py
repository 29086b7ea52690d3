"""The rollout's vocabulary: arms, assignments, exposures, branch states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ivrbot.model.call import CallId


class Arm(StrEnum):
    """control = operators, treatment = bot."""

    CONTROL = "control"
    TREATMENT = "treatment"


class Route(StrEnum):
    """Where a call goes now."""

    BOT = "bot"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class BranchState:
    """What is happening in a branch now (lives in the store, not in rollout.yaml).

    Attributes:
        stage: name of the rung; "" while the branch has not started.
        share: fraction of callers for the bot at that rung, 0..1.
        holdback: fraction kept with operators whatever the share, 0..1.
        epoch: counts stretches of evidence that may be pooled; grows on rollback or a new salt.
        killed: the kill switch is on (for this branch or globally).
        plan_revision: hash of the plan that the state was last checked against.
    """

    branch: str
    stage: str
    share: float
    holdback: float
    epoch: int = 1
    killed: bool = False
    plan_revision: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The answer to "bot or operator?".

    Attributes:
        arm: None when the caller is not exposed (ineligible, override, killed, shadow).
        propensity: probability with which this caller would be drawn for the bot, 0..1.
        unit: keyed hash of the caller's number (hex), or of the call id when withheld.
        reason: short code ("drawn", "holdback", "killed", "override", "not_started", ...).
    """

    route: Route
    arm: Arm | None
    branch: str
    stage: str
    share: float
    propensity: float
    unit: str
    reason: str
    epoch: int = 1


@dataclass(frozen=True, slots=True)
class Exposure:
    """First affected moment of a unit in a call; stored before the call is routed.

    Attributes:
        trunk: where the call came in: the dialled number or the name of a trunk, "" when unknown.
        prefix: "+" and at most four digits of the caller's number, "" when withheld: names a region, nobody.
    """

    call_id: CallId
    unit: str
    branch: str
    arm: Arm
    propensity: float
    stage: str
    epoch: int
    plan_revision: str
    at: datetime
    trunk: str = ""
    prefix: str = ""

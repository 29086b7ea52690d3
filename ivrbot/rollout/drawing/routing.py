"""One call through the rollout: draw, store the exposure, and only then route.

Takes the plan, a store and a call; gives the Assignment that is in force, and never raises for a store that fails:
the caller then meets an operator and is in neither arm.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ivrbot.errors import StorageError
from ivrbot.model.call import CallId
from ivrbot.model.experiment import Arm, Assignment, BranchState, Exposure, Route
from ivrbot.model.rollout import ALL_BRANCHES, exposure_in_force
from ivrbot.rollout.drawing.assignment import assign, unit_of
from ivrbot.rollout.governing.control import ControlStore
from ivrbot.rollout.planning.plan import Plan

REDRAWS = 3
TRUNK_CHARS = 64
PREFIX_DIGITS = 4


async def route_call(
    plan: Plan,
    store: ControlStore,
    branch: str,
    *,
    caller: str | None,
    call_id: CallId,
    caller_key: bytes,
    at: datetime,
    eligible: bool = True,
    why_not: str = "",
    trunk: str = "",
) -> Assignment:
    """Decide a call and record it. Idempotent: the same call in the same branch keeps its first arm.

    Args:
        plan: the plan in force.
        store: states and exposures.
        branch: where the caller's topic belongs.
        caller: E.164, None when withheld.
        call_id: of the call.
        caller_key: secret key of the units.
        at: aware time.
        eligible: the bot could and may serve this call.
        why_not: short code of an ineligible call.
        trunk: where the call came in, kept with the exposure.

    Returns:
        An assignment whose exposure is stored if it has an arm. Reasons beyond those of `assign`: "repeated",
        "storage_unavailable", "state_changing".
    """

    def drawn(state: BranchState | None) -> Assignment:
        return assign(
            plan,
            state,
            branch,
            caller=caller,
            call_id=call_id,
            caller_key=caller_key,
            eligible=eligible,
            why_not=why_not,
        )

    unit = unit_of(caller, call_id, caller_key)
    try:
        states = await store.states()
        state = states.get(branch, states.get(ALL_BRANCHES))
        earlier = await store.exposure(call_id, branch)
        if earlier is not None:
            return _repeated(drawn(state), earlier)
        for _ in range(REDRAWS):
            assignment = drawn(state)
            if assignment.arm is None:
                return assignment
            exposure = replace(
                _exposure(assignment, plan, call_id, at), trunk=trunk[:TRUNK_CHARS], prefix=number_prefix(caller)
            )
            state = await store.expose(exposure)
            if exposure_in_force(exposure, state):
                return assignment
        reason = "state_changing"
    except StorageError:
        reason = "storage_unavailable"
    return Assignment(Route.OPERATOR, None, branch, "", 0.0, 0.0, unit, reason)


def number_prefix(caller: str | None) -> str:
    """Plus sign and the first four digits of an E.164 number, "" of a withheld one."""
    return caller[: 1 + PREFIX_DIGITS] if caller else ""


def _exposure(assignment: Assignment, plan: Plan, call_id: CallId, at: datetime) -> Exposure:
    if assignment.arm is None:
        raise ValueError("a call without an arm has no exposure")
    return Exposure(
        call_id=call_id,
        unit=assignment.unit,
        branch=assignment.branch,
        arm=assignment.arm,
        propensity=assignment.propensity,
        stage=assignment.stage,
        epoch=assignment.epoch,
        plan_revision=plan.revision,
        at=at,
    )


def _repeated(now: Assignment, earlier: Exposure) -> Assignment:
    """The first answer again, unless the bot may no longer be asked (killed, ineligible, rolled back)."""
    same = replace(
        now,
        arm=earlier.arm,
        propensity=earlier.propensity,
        stage=earlier.stage,
        epoch=earlier.epoch,
        unit=earlier.unit,
    )
    if now.arm is None:
        return same
    route = Route.BOT if earlier.arm is Arm.TREATMENT else Route.OPERATOR
    return replace(same, route=route, reason="repeated")

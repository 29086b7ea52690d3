"""Changes of branch states by a person or by the program's start, each with its audit row.

Takes the plan, a store, who and why; gives the rows written. The kill switch asks for neither plan nor evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from ivrbot.errors import ConfigError, Problem, StorageConflict
from ivrbot.model.call import CallId
from ivrbot.model.events import JsonValue
from ivrbot.model.experiment import BranchState, Exposure
from ivrbot.model.rollout import ALL_BRANCHES, AuditRow, StateChange
from ivrbot.ports import RolloutStore
from ivrbot.rollout.plan import BranchPlan, Plan, Stage, initial_states, state_at

TRIES = 5


class ControlStore(RolloutStore, Protocol):
    """What changing states needs beyond routing calls."""

    async def own_states(self) -> dict[str, BranchState]:
        """States as stored; the kill switch of everything is the row `ALL_BRANCHES`."""
        ...

    async def apply_changes(self, changes: Sequence[StateChange], who: str, why: str, at: datetime) -> None:
        """Write all changes and their audit rows, or none.

        Raises:
            StorageConflict: a branch is no longer in the state that its change starts from.
        """
        ...

    async def history(self, branch: str | None = None) -> tuple[AuditRow, ...]:
        """Audit rows, oldest first."""
        ...

    async def exposure(self, call_id: CallId, branch: str) -> Exposure | None:
        """The stored exposure of a call in a branch."""
        ...


Decider = Callable[[Mapping[str, BranchState]], Sequence[StateChange]]


async def _change(store: ControlStore, decide: Decider, who: str, why: str, at: datetime) -> list[StateChange]:
    """Decide from what is stored and write it; decide again when somebody was faster.

    Raises:
        ConfigError: nobody or no reason is named, or `decide` refuses.
        StorageConflict: others were faster every time.
    """
    _require(who=who, why=why)
    for left in reversed(range(TRIES)):
        changes = list(decide(await store.own_states()))
        try:
            if changes:
                await store.apply_changes(changes, who.strip(), why.strip(), at)
        except StorageConflict:
            if not left:
                raise
        else:
            return changes
    raise AssertionError("unreachable")


def _require(**words: str) -> None:
    missing = [Problem("", None, name, "", "is required") for name, word in words.items() if not word.strip()]
    if missing:
        raise ConfigError(missing)


def _refuse(path: str, message: str, *, value: object = "", allowed: str = "") -> ConfigError:
    return ConfigError([Problem("", None, path, str(value), message, allowed)])


# --- the program's start ------------------------------------------------------------------------------


async def adopt(plan: Plan, store: ControlStore, who: str, at: datetime) -> list[StateChange]:
    """Bring the stored states under a plan: new branches get their first state, known ones keep theirs.

    Args:
        plan: checked plan.
        store: where states live.
        who: the program or person that starts it.
        at: aware time.

    Raises:
        ConfigError: the plan has another salt, or has lost the stage, of a branch that callers are drawn in.
        StorageError: not read or not written.
    """
    salts = _salts(await store.history())

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        problems: list[Problem] = []
        changes = []
        for name, first in initial_states(plan).items():
            held = own.get(name)
            if held is None:
                changes.append(StateChange(None, first, "start", detail=_facts(plan)))
            elif held.plan_revision != plan.revision:
                new_salt = salts.get(name, plan.salt_hash) != plan.salt_hash
                problems += _unfit(plan.branches[name], held, new_salt=new_salt)
                after = replace(held, plan_revision=plan.revision, epoch=held.epoch + new_salt)
                changes.append(StateChange(held, after, "adopt", detail=_facts(plan)))
        if problems:
            raise ConfigError(problems)
        return changes

    return await _change(store, decide, who, f"plan {plan.revision}", at)


def _facts(plan: Plan) -> dict[str, JsonValue]:
    return {"plan": plan.revision, "salt": plan.salt_hash}


def _salts(rows: Sequence[AuditRow]) -> dict[str, str]:
    """Hash of the salt that each branch was last drawn with."""
    return {row.branch: str(row.detail["salt"]) for row in rows if "salt" in row.detail}


def _unfit(branch: BranchPlan, held: BranchState, *, new_salt: bool) -> list[Problem]:
    found = []
    if new_salt and held.share > 0:
        message = f"would reshuffle every caller while branch {branch.name} is in stage {held.stage}"
        found.append(Problem("", None, "salt", "", message, "the salt as it was, or the branch at share 0"))
    if held.stage and branch.stage(held.stage) is None:
        allowed = ", ".join(stage.name for stage in branch.stages)
        message = "the branch is in a stage that the plan no longer has"
        found.append(Problem("", None, f"branches.{branch.name}.stages", held.stage, message, allowed))
    return found


# --- people -------------------------------------------------------------------------------------------


async def set_share(
    plan: Plan,
    store: ControlStore,
    branch: str,
    share: float,
    *,
    who: str,
    why: str,
    at: datetime,
    override: bool = False,
) -> StateChange:
    """Put a branch on the rung with that share.

    Args:
        plan: the plan in force.
        store: where states live.
        branch: name of a branch of the plan.
        share: 0..1, one of the branch's ladder.
        who: person or token.
        why: in words.
        at: aware time.
        override: climb more than one rung, or start before `after` is complete; recorded with the reason.

    Raises:
        ConfigError: unknown branch or share, a rung too far, killed, nothing to change, no reason given.
        StorageError: not read or not written.
    """
    ladder = plan.branches.get(branch)
    if ladder is None:
        raise _refuse("branch", "not in the plan", value=branch, allowed=", ".join(plan.branches))
    stage = next((stage for stage in ladder.stages if abs(stage.share - share) < 1e-9), None)
    if stage is None:
        shares = ", ".join(f"{stage.share:g}" for stage in ladder.stages)
        raise _refuse("share", "not a share of the ladder", value=share, allowed=shares)

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        held = own.get(branch)
        _check_step(ladder, held, stage, override=override)
        before = held or state_at(ladder, None, plan.revision)
        lowered = stage.share < before.share
        after = replace(state_at(ladder, stage, plan.revision, epoch=before.epoch + lowered), killed=before.killed)
        return [StateChange(held, after, "set", override, _facts(plan))]

    return (await _change(store, decide, who, why, at))[0]


def _check_step(ladder: BranchPlan, held: BranchState | None, stage: Stage, *, override: bool) -> None:
    """Whether a person may go from a state to a stage.

    Raises:
        ConfigError: says what would be allowed.
    """
    name = held.stage if held else ""
    if name == stage.name and held and (held.share, held.holdback) == (stage.share, stage.holdback):
        raise _refuse("share", f"branch {ladder.name} is at this share already", value=stage.share)
    rung, goal = ladder.index(name), ladder.index(stage.name)
    if goal > rung and held and held.killed:
        raise _refuse("branch", "is killed", value=ladder.name, allowed="resume it first")
    if override:
        return
    if not name and ladder.after:
        raise _refuse(
            "branch", f"starts after {ladder.after} is complete", value=ladder.name, allowed="a recorded override"
        )
    first = ladder.index(ladder.start)
    if goal > (rung + 1 if name else first):
        reachable = ladder.stages[rung + 1 if name else first].share
        raise _refuse(
            "share",
            "more than one rung up",
            value=stage.share,
            allowed=f"{reachable:g}, or a recorded override",
        )


async def kill(store: ControlStore, branch: str | None, *, who: str, why: str, at: datetime) -> list[StateChange]:
    """Send every later call of a branch (None: of all branches) to operators. In force for the next call.

    Evidence of before and after is never pooled: the epoch of each branch concerned ends.

    Raises:
        ConfigError: no such branch, or no reason given.
        StorageError: not written: the switch is NOT in force.
    """

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        if branch is not None:
            held = _known(own, branch)
            return [] if held.killed else [_killing(held, own_switch=True)]
        switch = own.get(ALL_BRANCHES)
        if switch is not None and switch.killed:
            return []
        started = [state for name, state in own.items() if name != ALL_BRANCHES and state.stage]
        everything = replace(switch or BranchState(ALL_BRANCHES, "", 0.0, 0.0), killed=True)
        return [StateChange(switch, everything, "kill"), *(_killing(state, own_switch=False) for state in started)]

    return await _change(store, decide, who, why, at)


def _killing(held: BranchState, *, own_switch: bool) -> StateChange:
    return StateChange(held, replace(held, killed=held.killed or own_switch, epoch=held.epoch + 1), "kill")


async def resume(
    store: ControlStore, branch: str | None, *, who: str, why: str, at: datetime
) -> list[StateChange]:
    """Take the kill switch of a branch (None: the one of everything) back; stages are as they were.

    A branch that was killed by itself stays killed when everything is resumed.

    Raises:
        ConfigError: no such branch, or no reason given.
        StorageError: not read or not written.
    """

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        held = own.get(ALL_BRANCHES) if branch is None else _known(own, branch)
        if held is None or not held.killed:
            return []
        return [StateChange(held, replace(held, killed=False), "resume")]

    return await _change(store, decide, who, why, at)


def _known(own: Mapping[str, BranchState], branch: str) -> BranchState:
    held = own.get(branch)
    if held is None:
        names = ", ".join(name for name in own if name != ALL_BRANCHES)
        raise _refuse("branch", "has no state", value=branch, allowed=names or "none: serve has not run yet")
    return held

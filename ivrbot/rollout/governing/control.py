"""Changes of branch states by a person or by the program's start, each with its audit row.

Takes the plan, a store, who and why; gives the rows written. The kill switch asks for neither plan nor evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, cast

from ivrbot.errors import ConfigError, Problem, StorageConflict
from ivrbot.model.call import CallId
from ivrbot.model.events import JsonValue
from ivrbot.model.experiment import BranchState, Exposure
from ivrbot.model.rollout import ALL_BRANCHES, AuditRow, StateChange
from ivrbot.ports import RolloutStore
from ivrbot.rollout.governing.standing import standings
from ivrbot.rollout.governing.steps import check_step, ladder_of, on_rung, refusal, rises, stage_of
from ivrbot.rollout.planning.plan import (
    BranchPlan,
    Plan,
    experiment_hash,
    frozen_facts,
    initial_states,
)

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

    async def has_exposures(self, branch: str, epoch: int) -> bool:
        """Whether anybody was drawn in an epoch."""
        ...


Decider = Callable[[Mapping[str, BranchState]], Sequence[StateChange]]


async def change_states(
    store: ControlStore, decide: Decider, who: str, why: str, at: datetime
) -> list[StateChange]:
    """Decide from what is stored and write it; decide again when somebody was faster.

    Raises:
        ConfigError: nobody or no reason is named, or `decide` refuses.
        StorageConflict: others were faster every time.
    """
    require(who=who, why=why)
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


def require(**words: str) -> None:
    """Refuse empty words.

    Raises:
        ConfigError: names every empty one.
    """
    missing = [Problem("", None, name, "", "is required") for name, word in words.items() if not word.strip()]
    if missing:
        raise ConfigError(missing)


# --- the program's start ------------------------------------------------------------------------------


async def adopt(plan: Plan, store: ControlStore, who: str, at: datetime) -> list[StateChange]:
    """Bring the stored states under a plan: new branches get their first state, known ones keep theirs.

    What is to be shown (goal, primaries, margins, limits, alpha, window, ...) is frozen once callers were exposed:
    a plan that changes it opens a new experiment, a new epoch, recorded with what changed.

    Args:
        plan: checked plan.
        store: where states live.
        who: the program or person that starts it.
        at: aware time.

    Raises:
        ConfigError: the plan has another salt, or has lost the stage, of a branch that callers are drawn in.
        StorageError: not read or not written.
    """
    rows = await store.history()
    last = {row.branch: row.detail for row in rows if "salt" in row.detail}
    frozen = {row.branch: row.detail["frozen"] for row in rows if isinstance(row.detail.get("frozen"), Mapping)}
    started = {row.branch for row in rows if row.after.stage}
    states = await store.own_states()
    exposed = {
        name
        for name, state in states.items()
        if name in plan.branches and await store.has_exposures(name, state.epoch)
    }

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        problems: list[Problem] = []
        changes = []
        for name, first in initial_states(plan).items():
            held, facts = own.get(name), plan_facts(plan, name)
            if held is None or (first.stage and not held.stage and name not in started):
                begun = first if held is None else replace(first, killed=held.killed, epoch=held.epoch)
                changes.append(StateChange(held, begun, "start", detail=facts))
            elif held.plan_revision != plan.revision:
                new_salt = last.get(name, facts).get("salt") != plan.salt_hash
                problems += _unfit(plan.branches[name], held, new_salt=new_salt)
                was = cast("Mapping[str, JsonValue]", frozen.get(name, facts["frozen"]))
                changes.append(_adoption(held, was, facts, plan, new_salt=new_salt, exposed=name in exposed))
        if problems:
            raise ConfigError(problems)
        return changes

    return await change_states(store, decide, who, f"plan {plan.revision}", at)


def _adoption(
    held: BranchState,
    was: Mapping[str, JsonValue],
    facts: Mapping[str, JsonValue],
    plan: Plan,
    *,
    new_salt: bool,
    exposed: bool,
) -> StateChange:
    now = cast("Mapping[str, JsonValue]", facts["frozen"])
    changed: dict[str, JsonValue] = {
        key: {"from": was.get(key), "to": value} for key, value in now.items() if was.get(key) != value
    }
    fresh = exposed and bool(changed)
    after = replace(held, plan_revision=plan.revision, epoch=held.epoch + (new_salt or fresh))
    detail = {**facts, "changed": changed} if changed else facts
    return StateChange(held, after, "new_experiment" if fresh else "adopt", detail=detail)


def plan_facts(plan: Plan, branch: str) -> dict[str, JsonValue]:
    """What the audit keeps of the plan with every change of a branch."""
    facts: dict[str, JsonValue] = {"plan": plan.revision, "salt": plan.salt_hash, "goal": plan.goal}
    if (ladder := plan.branches.get(branch)) is not None:
        frozen = frozen_facts(plan, ladder)
        facts |= {"experiment": experiment_hash(frozen), "frozen": frozen, "two_person": plan.two_person}
    return facts


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
    early: bool = False,
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
        override: climb more than one rung, start before `after` is complete, or rise outside working hours;
            recorded with the reason.
        early: the shadow rung has not shown all that the plan asks for (`decide.shadow_lacks`); allowed to a
            person, and kept in the audit's detail.

    Raises:
        ConfigError: unknown branch or share, a rung too far, killed, nothing to change, no reason given, or the
            plan wants two persons for a rise.
        StorageError: not read or not written.
    """
    ladder = ladder_of(plan, branch)
    stage = stage_of(ladder, share)
    standing = standings(await store.history())

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        held = own.get(branch)
        if rises(ladder, held, stage) and plan.two_person:
            allowed = "propose it, and let another person approve"
            raise refusal("share", "a rise needs two persons by the plan", value=stage.share, allowed=allowed)
        check_step(plan, ladder, held, stage, standing, at, override=override)
        detail = plan_facts(plan, branch) | ({"early": True} if early else {})
        return [StateChange(held, on_rung(plan, ladder, held, stage), "set", override, detail)]

    return (await change_states(store, decide, who, why, at))[0]


async def rollback(
    plan: Plan | None, store: ControlStore, branch: str, *, who: str, why: str, at: datetime
) -> StateChange:
    """Take a branch back to share 0: its shadow rung, or not started where it has none. Ends the epoch.

    Args:
        plan: the plan in force; None when it cannot be read: then the branch counts as not started.
        store: where states live.
        branch: name of a branch.
        who: person or token.
        why: in words.
        at: aware time.

    Raises:
        ConfigError: unknown branch, share 0 already, or no reason given.
        StorageError: not read or not written: the share is as it was.
    """

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        held = own.get(branch)
        if held is None or branch == ALL_BRANCHES:
            names = ", ".join(name for name in own if name != ALL_BRANCHES)
            raise refusal("branch", "has no state", value=branch, allowed=names or "none: nothing has started")
        if held.share <= 0:
            raise refusal("branch", "is at share 0 already", value=branch)
        ladder = plan.branches.get(branch) if plan else None
        shadow = next((stage for stage in ladder.stages if stage.share <= 0), None) if ladder else None
        name = shadow.name if shadow else ""
        after = replace(held, stage=name, share=0.0, holdback=0.0, epoch=held.epoch + 1)
        facts = plan_facts(plan, branch) if plan else {}
        return [StateChange(held, after, "roll_back", detail=facts)]

    return (await change_states(store, decide, who, why, at))[0]


async def kill(
    store: ControlStore, branch: str | None, *, who: str, why: str, at: datetime, known: Collection[str] = ()
) -> list[StateChange]:
    """Send every later call of a branch (None: of all branches) to operators. In force for the next call.

    Evidence of before and after is never pooled: the epoch of each branch concerned ends. Needs neither plan nor
    controller, and works before anything has started.

    Args:
        store: where states live.
        branch: name of a branch.
        who: person or token.
        why: in words.
        at: aware time.
        known: branches that may be killed although they have no state yet.

    Raises:
        ConfigError: no such branch, or no reason given.
        StorageError: not written: the switch is NOT in force.
    """

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        if branch is not None:
            if branch not in own and branch in known:
                return [StateChange(None, BranchState(branch, "", 0.0, 0.0, killed=True), "kill")]
            held = _known(own, branch, known)
            return [] if held.killed else [_killing(held, own_switch=True)]
        switch = own.get(ALL_BRANCHES)
        if switch is not None and switch.killed:
            return []
        started = [state for name, state in own.items() if name != ALL_BRANCHES and state.stage]
        # A proposal to take an earlier kill back must not fit this one: its epoch grows as a branch's does.
        before = switch or BranchState(ALL_BRANCHES, "", 0.0, 0.0, epoch=0)
        everything = replace(before, killed=True, epoch=before.epoch + 1)
        return [StateChange(switch, everything, "kill"), *(_killing(state, own_switch=False) for state in started)]

    return await change_states(store, decide, who, why, at)


def _killing(held: BranchState, *, own_switch: bool) -> StateChange:
    return StateChange(held, replace(held, killed=held.killed or own_switch, epoch=held.epoch + 1), "kill")


async def resume(
    store: ControlStore, branch: str | None, *, who: str, why: str, at: datetime
) -> list[StateChange]:
    """Take the kill switch of a branch (None: the one of everything) back; stages are as they were.

    A branch that was killed by itself stays killed when everything is resumed. Where the plan asks for two,
    `proposals.resume` is the way.

    Raises:
        ConfigError: no such branch, or no reason given.
        StorageError: not read or not written.
    """

    def decide(own: Mapping[str, BranchState]) -> list[StateChange]:
        held = killed_by(own, branch)
        return [] if held is None else [resuming(held)]

    return await change_states(store, decide, who, why, at)


def killed_by(own: Mapping[str, BranchState], branch: str | None) -> BranchState | None:
    """The kill switch (None: the one of everything) if it is on.

    Raises:
        ConfigError: no such branch.
    """
    held = own.get(ALL_BRANCHES) if branch is None else _known(own, branch)
    return held if held is not None and held.killed else None


def resuming(held: BranchState, detail: Mapping[str, JsonValue] | None = None) -> StateChange:
    """The change that takes a kill back."""
    return StateChange(held, replace(held, killed=False), "resume", detail=detail or {})


def _known(own: Mapping[str, BranchState], branch: str, known: Collection[str] = ()) -> BranchState:
    held = own.get(branch)
    if held is None or branch == ALL_BRANCHES:
        names = ", ".join(dict.fromkeys(name for name in (*own, *known) if name != ALL_BRANCHES))
        raise refusal("branch", "has no state", value=branch, allowed=names or "none: nothing has started")
    return held

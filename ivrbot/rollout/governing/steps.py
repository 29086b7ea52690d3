"""From rung to rung: what a person may do with a branch, and why not.

Takes the plan, a branch's state and standing, and a moment; gives rungs and refusals. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ivrbot.errors import ConfigError, Problem
from ivrbot.model.experiment import BranchState
from ivrbot.rollout.governing.standing import Standing
from ivrbot.rollout.planning.plan import BranchPlan, Plan, Stage, state_at


def refusal(path: str, message: str, *, value: object = "", allowed: str = "") -> ConfigError:
    """The error of something that may not be done."""
    return ConfigError([Problem("", None, path, str(value), message, allowed)])


def ladder_of(plan: Plan, branch: str) -> BranchPlan:
    """A branch of the plan.

    Raises:
        ConfigError: not in it.
    """
    ladder = plan.branches.get(branch)
    if ladder is None:
        raise refusal("branch", "not in the plan", value=branch, allowed=", ".join(plan.branches))
    return ladder


def stage_of(ladder: BranchPlan, share: float) -> Stage:
    """The rung with a share.

    Raises:
        ConfigError: no such rung.
    """
    stage = next((stage for stage in ladder.stages if abs(stage.share - share) < 1e-9), None)
    if stage is None:
        shares = ", ".join(f"{stage.share:g}" for stage in ladder.stages)
        raise refusal("share", "not a share of the ladder", value=share, allowed=shares)
    return stage


def rises(ladder: BranchPlan, held: BranchState | None, stage: Stage) -> bool:
    """Whether a rung lies above where a branch is, or hands it more callers."""
    rung = ladder.index(held.stage) if held else -1
    return ladder.index(stage.name) > rung or stage.share > (held.share if held else 0.0)


def on_rung(plan: Plan, ladder: BranchPlan, held: BranchState | None, stage: Stage) -> BranchState:
    """The state of a branch that is put on a rung; a lower share ends the epoch."""
    before = held or state_at(ladder, None, plan.revision)
    lowered = stage.share < before.share
    return replace(state_at(ladder, stage, plan.revision, epoch=before.epoch + lowered), killed=before.killed)


def check_step(
    plan: Plan,
    ladder: BranchPlan,
    held: BranchState | None,
    stage: Stage,
    standing: Mapping[str, Standing],
    at: datetime,
    *,
    override: bool,
) -> None:
    """Whether a branch may go from a state to a rung.

    Raises:
        ConfigError: says what would be allowed.
    """
    name = held.stage if held else ""
    if name == stage.name and held and (held.share, held.holdback) == (stage.share, stage.holdback):
        raise refusal("share", f"branch {ladder.name} is at this share already", value=stage.share)
    rung, goal = ladder.index(name), ladder.index(stage.name)
    if goal > rung and held and held.killed:
        raise refusal("branch", "is killed", value=ladder.name, allowed="resume it first")
    if override or not rises(ladder, held, stage):
        return
    before = standing.get(ladder.after) if ladder.after else None
    if not name and ladder.after and (before is None or not before.complete):
        allowed = "a recorded override"
        raise refusal("branch", f"starts after {ladder.after} is complete", value=ladder.name, allowed=allowed)
    first = ladder.index(ladder.start)
    if goal > (rung + 1 if name else first):
        reachable = ladder.stages[rung + 1 if name else first].share
        allowed = f"{reachable:g}, or a recorded override"
        raise refusal("share", "more than one rung up", value=stage.share, allowed=allowed)
    if not plan.open_for_rises(at):
        raise refusal("working_hours", "shares rise within working hours only", allowed="a recorded override")

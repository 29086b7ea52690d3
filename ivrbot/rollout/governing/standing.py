"""How long a branch has stood on its rung and whether it is complete, read from the audit.

Takes audit rows, gives a `Standing` per branch. Branch states carry neither, as the audit hashes them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import ALL_BRANCHES, AuditRow


@dataclass(frozen=True, slots=True)
class Standing:
    """What the audit knows of a branch beyond its state.

    Attributes:
        since: when it entered the present rung or epoch, or callers were let in again after a kill; aware.
        complete: a "complete" was written in the present rung and epoch.
        last_at: time of the newest row of the branch; a clock earlier than that decides nothing.
        override: the way to the present rung, in the present epoch, set a rule of the plan aside.
    """

    since: datetime
    complete: bool
    last_at: datetime
    override: bool = False


def standings(rows: Iterable[AuditRow]) -> dict[str, Standing]:
    """Standing of every branch that has a row.

    Args:
        rows: audit rows of all branches, oldest first.

    Returns:
        By branch; the kill switch of everything is not a branch, but its end starts every rung anew.
    """
    held: dict[str, Standing] = {}
    for row in rows:
        if row.branch == ALL_BRANCHES:
            if row.action == "resume":
                held = {name: replace(standing, since=row.at) for name, standing in held.items()}
            continue
        held[row.branch] = _after(held.get(row.branch), row)
    return held


def _after(standing: Standing | None, row: AuditRow) -> Standing:
    if standing is None or _place(row.before) != _place(row.after):
        same_epoch = standing is not None and row.before is not None and row.before.epoch == row.after.epoch
        carried = standing.override if standing is not None and same_epoch else False
        return Standing(row.at, False, row.at, carried or row.override)
    return Standing(
        since=row.at if row.action == "resume" else standing.since,
        complete=standing.complete or row.action == "complete",
        # A hold written by a clock that was set back does not make it right; whatever a person does since, does.
        last_at=max(standing.last_at, row.at) if row.action == "hold" else row.at,
        override=standing.override,
    )


def _place(state: BranchState | None) -> tuple[str, float, float, int] | None:
    """What callers are drawn by."""
    return (state.stage, state.share, state.holdback, state.epoch) if state else None

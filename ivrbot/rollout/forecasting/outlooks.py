"""What every branch has shown and still lacks, for whoever looks at the state of things.

Takes the plan, states, what the audit says, an evidence source and daily callers; gives a `View` per branch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ivrbot.errors import StorageError
from ivrbot.model.experiment import BranchState
from ivrbot.ports import EvidenceSource
from ivrbot.rollout import rows
from ivrbot.rollout.forecasting.forecast import outlook
from ivrbot.rollout.governing.audit import Snapshot
from ivrbot.rollout.governing.gather import gather
from ivrbot.rollout.governing.standing import Standing
from ivrbot.rollout.judging.decide import decide
from ivrbot.rollout.planning.plan import Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """A branch as it stands at a moment.

    Attributes:
        snapshot: plan, state, evidence, and what would be decided from them now.
        outlook: what it still lacks.
    """

    snapshot: Snapshot
    outlook: rows.Outlook


async def views(
    plan: Plan,
    states: Mapping[str, BranchState],
    told: Mapping[str, Standing],
    source: EvidenceSource,
    callers_per_day: Mapping[str, float],
    now: datetime,
) -> dict[str, View]:
    """View of every branch that is on a rung; those whose evidence cannot be read are left out.

    Args:
        plan: in force.
        states: kill switches folded in.
        told: by branch, from the audit.
        source: of evidence.
        callers_per_day: new callers by branch; without a volume no day can be named.
        now: aware time.
    """
    found = {}
    for name, branch in plan.branches.items():
        state = states.get(name)
        if state is None or not state.stage:
            continue
        try:
            evidence = await gather(source, branch, state, told.get(name), now)
        except (StorageError, ValueError) as error:
            log.warning("no outlook for branch %s: %s", name, error)
            continue
        seen = outlook(branch, state, evidence, callers_per_day.get(name))
        decision = await asyncio.to_thread(decide, branch, state, evidence, now)
        snapshot = Snapshot(branch, state, evidence, now, decision)
        found[name] = View(snapshot, rows.Outlook(seen.callers_needed, seen.earliest_day))
    return found


async def outlooks(
    plan: Plan,
    states: Mapping[str, BranchState],
    told: Mapping[str, Standing],
    source: EvidenceSource,
    callers_per_day: Mapping[str, float],
    now: datetime,
) -> dict[str, rows.Outlook]:
    """Outlook of every branch that is on a rung: `views` without their evidence."""
    found = await views(plan, states, told, source, callers_per_day, now)
    return {name: view.outlook for name, view in found.items()}

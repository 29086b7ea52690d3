"""All evidence on one branch, asked of the source and put together.

Takes the evidence source, a branch's plan, state and standing, and a moment; gives `Evidence`.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from ivrbot.model.evidence import Evidence
from ivrbot.model.experiment import BranchState
from ivrbot.ports import EvidenceSource
from ivrbot.rollout.governing.standing import Standing
from ivrbot.rollout.judging.evidence import build_evidence, kpis_of
from ivrbot.rollout.planning.plan import BranchPlan


async def gather(
    source: EvidenceSource, branch: BranchPlan, state: BranchState, standing: Standing | None, now: datetime
) -> Evidence:
    """Read and reduce; the arithmetic runs in a thread, since calls are answered on the event loop.

    Args:
        source: of rows, freshness and shadow calls.
        branch: its plan.
        state: its state, kill switches folded in.
        standing: what the audit says of it; None when it says nothing.
        now: aware time.

    Raises:
        StorageError: something could not be read.
        ValueError: the source gave rows that cannot be.
    """
    rows = await source.unit_rows(
        branch.name, state.epoch, kpis=kpis_of(branch), window_days=branch.repeat_window_days, now=now
    )
    freshness = await source.freshness(branch.name)
    since = standing.since if standing is not None else None
    shadow = None
    if state.share == 0 and since is not None:
        shadow = await source.shadow(branch.name, since)
    return await asyncio.to_thread(
        build_evidence,
        rows,
        branch,
        state,
        now=now,
        stage_since=since,
        last_decision_at=standing.last_at if standing is not None else None,
        complete=standing.complete if standing is not None else False,
        freshness=freshness,
        shadow=shadow,
    )

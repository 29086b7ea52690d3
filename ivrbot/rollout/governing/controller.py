"""The loop that looks at every branch on a schedule, decides, and acts or asks.

Takes the plan, the audit, an evidence source and a clock; gives audit rows and proposals. Nothing that matters is
in memory: whoever starts anew, or takes over from a dead leader, goes on from the database. Rolling back is always
automatic; climbing is automatic within working hours, or a proposal for a person. The kill switch does not need
it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from ivrbot import metrics
from ivrbot.errors import StorageConflict, StorageError
from ivrbot.model.events import JsonValue
from ivrbot.model.evidence import Decision, Step, Verdict
from ivrbot.model.experiment import BranchState
from ivrbot.model.proposals import Proposal
from ivrbot.model.rollout import AuditRow, StateChange, effective_states
from ivrbot.ports import EvidenceSource
from ivrbot.rollout.governing.acting import (
    can_learn,
    change_for,
    is_news,
    may_climb_alone,
    never_started,
    overtaken,
    proposal_for,
    refused,
    start_of,
    waiting,
    withdrawal,
)
from ivrbot.rollout.governing.audit import WHO, Snapshot, snapshot_detail
from ivrbot.rollout.governing.control import plan_facts
from ivrbot.rollout.governing.gather import gather
from ivrbot.rollout.governing.proposals import new_id
from ivrbot.rollout.governing.standing import Standing, standings
from ivrbot.rollout.judging.decide import decide
from ivrbot.rollout.planning.plan import BranchPlan, Plan

log = logging.getLogger(__name__)

TRIES: Final = 3
"""Looks at one branch before it is left to the next round, when others keep changing it."""
LEASE_S: Final = 60.0
"""A leader silent for so long is replaced; longer than a look at one branch may take."""
STAFFING_S: Final = 5.0
"""What the operators' queue will feel is told if it is known in time; no roll-back waits longer for it."""
TICK_S: Final = 10.0
"""How often the lease is renewed, or looked at by those who wait for it."""


class Audit(Protocol):
    """States and their history."""

    async def own_states(self) -> dict[str, BranchState]:
        """States as stored."""
        ...

    async def history(self, branch: str | None = None) -> tuple[AuditRow, ...]:
        """Audit rows, oldest first."""
        ...


class Leader(Protocol):
    """The right to decide; see `ivrbot.storage.leases`."""

    async def take(self, now: datetime) -> bool:
        """Take or renew it."""
        ...

    async def release(self) -> None:
        """Let another lead."""
        ...

    async def write(
        self,
        changes: Sequence[StateChange],
        who: str,
        why: str,
        at: datetime,
        *,
        seen_seq: int,
        closing: Sequence[str] = (),
    ) -> None:
        """Write and close proposals, if nothing has moved since row `seen_seq`."""
        ...

    async def propose(self, proposal: Proposal, changes: Sequence[StateChange], *, seen_seq: int) -> None:
        """Store a proposal and its audit row, if nothing has moved since row `seen_seq`."""
        ...


class Proposals(Protocol):
    """What waits for a person; see `ivrbot.storage.rollout_book`."""

    async def proposals(self, *, open_only: bool = False) -> tuple[Proposal, ...]:
        """As stored, oldest first."""
        ...


Staffing = Callable[[Plan, str, datetime], Awaitable[Mapping[str, JsonValue]]]
"""What a change does to the operators' queue, of a plan's branch at a moment."""


@dataclass(frozen=True, slots=True)
class ControllerParts:
    """What the loop works with.

    Attributes:
        plan: gives the plan in force.
        audit: states and history.
        leader: fence around everything that is written.
        source: what decisions rest on.
        proposals: for branches that climb by a person's approval.
        now: aware clock.
        interval_s: between two looks.
        query_s: a query that takes longer is given up: no verdict.
        staffing: what the operators' queue will feel, kept with every change; None: nobody knows.
    """

    plan: Callable[[], Plan]
    audit: Audit
    leader: Leader
    source: EvidenceSource
    proposals: Proposals
    now: Callable[[], datetime]
    interval_s: float = 300.0
    query_s: float = 20.0
    staffing: Staffing | None = None


class Controller:
    """Decides for every branch of the plan in force.

    Args:
        parts: what it works with.
        sleep: waits; replaced in tests.
    """

    def __init__(
        self, parts: ControllerParts, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._parts = parts
        self._sleep = sleep

    async def run(self) -> None:
        """Look every `interval_s` for as long as this process leads. Ends only by being cancelled."""
        due: datetime | None = None
        try:
            while True:
                now = self._parts.now()
                # A clock that was set back would otherwise make the next look wait for as long.
                waited = due is None or now >= due or due - now > timedelta(seconds=self._parts.interval_s)
                if await self._leads(now) and waited:
                    await self.look()
                    due = now + timedelta(seconds=self._parts.interval_s)
                await self._sleep(min(TICK_S, self._parts.interval_s))
        finally:
            await self._step_down()

    async def look(self) -> None:
        """One round over all branches. What fails in one does not keep the others from being looked at."""
        plan = self._parts.plan()
        for name in plan.branches:
            if not await self._leads(self._parts.now()):
                return
            await self._settle(plan, name)
            metrics.ROLLOUT_LOOKED_AT.labels(name).set(self._parts.now().timestamp())

    async def _leads(self, now: datetime) -> bool:
        try:
            return await self._parts.leader.take(now)
        except StorageError as error:
            log.warning("rollout: nobody knows who leads: %s", error)
            return False

    async def _step_down(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._parts.leader.release()
        except (StorageError, TimeoutError) as error:
            log.warning("rollout: the lease runs out by itself: %s", error)

    async def _settle(self, plan: Plan, branch: str) -> None:
        """Look at a branch until what was decided could be written, `TRIES` times at most."""
        for _ in range(TRIES):
            try:
                await self._branch(plan, branch)
            except StorageConflict as error:
                log.info("rollout: %s was changed while it was looked at: %s", branch, error)
            except StorageError as error:
                log.warning("rollout: %s is left as it is: %s", branch, error)
                return
            except Exception:  # calls go on in this process, and so must the other branches
                log.exception("rollout: %s could not be looked at", branch)
                return
            else:
                return

    async def _branch(self, plan: Plan, branch: str) -> None:
        """Look once.

        Raises:
            StorageConflict: somebody was faster; nothing was written.
            StorageError: the database; nothing was written.
        """
        rows = await self._parts.audit.history()
        own = await self._parts.audit.own_states()
        known = await self._parts.proposals.proposals()
        look = _Look(plan, plan.branches[branch], rows, own, known, self._parts.now())
        if look.held is None or look.state is None:
            return
        if look.state.killed or look.held.plan_revision != plan.revision:
            # A killed branch is where a person wants it; one that has yet to come under this plan waits for that.
            await self._stay(look, look.held, "The branch is not open to decisions.")
        elif not look.held.stage:
            await self._start(look, look.held)
        else:
            await self._decide(look, look.held, look.state)

    async def _start(self, look: _Look, held: BranchState) -> None:
        """A branch that waited for another, which is complete now."""
        ladder = look.ladder
        before = look.standing(ladder.after) if ladder.after else None
        if before is None or not before.complete or not never_started(look.own_rows):
            await self._stay(look, held, "Its turn has not come.")
            return
        detail: dict[str, JsonValue] = {**plan_facts(look.plan, ladder.name), "after": ladder.after}
        change = start_of(ladder, held, look.plan.revision, detail)
        await self._climb(look, held, change, f"Branch {ladder.after} is complete.")

    async def _decide(self, look: _Look, held: BranchState, state: BranchState) -> None:
        snapshot = await self._judged(look, state)
        decision, ladder = snapshot.decision, look.ladder
        detail = snapshot_detail(snapshot, look.plan)
        if decision.step is not Step.HOLD:
            detail |= await self._staffing(look)
        change = change_for(decision, ladder, held, look.plan.revision, detail)
        if decision.step is Step.ADVANCE:
            await self._climb(look, held, change, decision.sentence)
        elif decision.step is Step.HOLD and not (
            can_learn(ladder, state) and is_news(decision, held, look.own_rows, look.now)
        ):
            await self._stay(look, held, decision.sentence)
        else:
            await self._write(look, [change], decision.sentence)

    async def _staffing(self, look: _Look) -> dict[str, JsonValue]:
        """What the operators' queue will feel, for the detail of a change; nothing when it is not known."""
        if self._parts.staffing is None:
            return {}
        try:
            async with asyncio.timeout(STAFFING_S):
                return {"staffing": dict(await self._parts.staffing(look.plan, look.ladder.name, look.now))}
        except Exception:  # a figure beside the decision; the decision stands without it
            log.exception("rollout: staffing of %s is not known", look.ladder.name)
            return {}

    async def _climb(self, look: _Look, held: BranchState, change: StateChange, why: str) -> None:
        """Go up within working hours, or ask a person, once."""
        if may_climb_alone(look.ladder, look.own_rows):
            if look.plan.open_for_rises(look.now):
                await self._write(look, [change], why)
            return
        if waiting(look.proposals, held, look.now) or refused(look.proposals, change, look.now):
            return
        proposal, row = proposal_for(change, why, look.now, proposal_id=new_id(), seen_seq=look.seen_seq)
        await self._parts.leader.propose(proposal, [row], seen_seq=look.seen_seq)
        log.warning("rollout: %s: proposal %s: %s", proposal.branch, proposal.proposal_id, why)

    async def _stay(self, look: _Look, held: BranchState, why: str) -> None:
        """Nothing is due but to take back what was asked for."""
        gone = overtaken(look.proposals, held.branch)
        if gone:
            await self._write(look, [withdrawal(held, gone)], why)

    async def _write(self, look: _Look, changes: Sequence[StateChange], why: str) -> None:
        """Write what was decided; an open proposal of the controller's is overtaken by it."""
        gone = [item.proposal_id for item in overtaken(look.proposals, look.ladder.name)]
        await self._parts.leader.write(changes, WHO, why, look.now, seen_seq=look.seen_seq, closing=gone)
        for change in changes:
            level = logging.INFO if change.action == "hold" else logging.WARNING
            log.log(level, "rollout: %s: %s: %s", change.after.branch, change.action, why)

    async def _judged(self, look: _Look, state: BranchState) -> Snapshot:
        """Gather evidence and decide. Whatever fails is verdict error, which never widens anything."""
        ladder, now = look.ladder, look.now
        try:
            async with asyncio.timeout(self._parts.query_s):
                evidence = await gather(self._parts.source, ladder, state, look.standing(ladder.name), now)
                # Off the event loop: calls are being answered on it.
                decision = await asyncio.to_thread(decide, ladder, state, evidence, now)
        except TimeoutError:
            why, sentence = "query_slow", f"The evidence was not there within {self._parts.query_s:g} s."
        except StorageError as error:
            why, sentence = "query_failed", f"The evidence could not be read: {error}."
        except Exception:
            log.exception("rollout: the evidence of %s could not be judged", ladder.name)
            why, sentence = "internal", "The evidence could not be judged; the log says more."
        else:
            return Snapshot(ladder, state, evidence, now, decision)
        failed = Decision(ladder.name, Verdict.ERROR, Step.HOLD, why, sentence, state.stage)
        return Snapshot(ladder, state, None, now, failed)


class _Look:
    """What is known of a branch at one moment."""

    def __init__(
        self,
        plan: Plan,
        ladder: BranchPlan,
        rows: Sequence[AuditRow],
        own: Mapping[str, BranchState],
        proposals: Sequence[Proposal],
        now: datetime,
    ) -> None:
        self.plan = plan
        self.ladder = ladder
        self.proposals = proposals
        self.now = now
        self.held = own.get(ladder.name)
        self.state = effective_states(own).get(ladder.name)
        self.own_rows = [row for row in rows if row.branch == ladder.name]
        self.seen_seq = rows[-1].seq if rows else 0
        self._standings = standings(rows)

    def standing(self, branch: str) -> Standing | None:
        """What the audit says of a branch."""
        return self._standings.get(branch)

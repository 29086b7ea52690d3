"""Two months of a bank: callers ring, the real controller looks once a day, people approve and stop things.

Takes an empty store, a plan and shapes, gives a history whose verdicts, roll-backs and certificates are the
product's own. People and mishaps are written here; what follows from them is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ivrbot.analytics.evidence_source import ContactEvidence
from ivrbot.errors import ConfigError
from ivrbot.rollout.governing import control, proposals
from ivrbot.rollout.governing.controller import Controller, ControllerParts
from ivrbot.rollout.planning.plan import Plan
from ivrbot.simulate.history.people import Staff
from ivrbot.simulate.history.shapes import Shape
from ivrbot.simulate.history.town import Town, Weather
from ivrbot.simulate.history.writing import write_calls
from ivrbot.storage.audit_rows import AuditTrail
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.leases import Leadership
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.shadow import ShadowBook
from ivrbot.storage.store import Store

DAYS: Final = 60
OWNER, COLLEAGUE = "user:olga", "user:ivan"
BAD_DAY: Final = 18
"""Days before the end: moved to the Tuesday before, on which the bank's system was slow."""
BAD_RELEASE: Final = (26, 12)
"""From and to, days before the end: blocking a card asked too much, and callers left."""
LAST_APPROVAL: Final = 13
"""Days before the end after which nobody approves, so that something waits."""
OPERATORS: Final[Mapping[str, Staff]] = {
    "disputes": Staff(resolves=0.97, wait_s=30.0),
    "block_card": Staff(resolves=0.93, wait_s=25.0),
    "deposits": Staff(resolves=0.95),
}
WEIGHTS: Final = {"balance": 1.4, "disputes": 0.6}
A_DAY: Final = 400


@dataclass(frozen=True, slots=True)
class Told:
    """What a history came to: how many calls, and what was decided."""

    calls: int
    actions: tuple[str, ...]


class Office:
    """One bank's store, clock, controller and people.

    Args:
        store: open and empty, with a generous deadline.
        plan: to be followed.
        shapes: of calls with the bot.
        end: the history's last moment, aware.
        seed: of the callers.
        a_day: calls on a usual weekday.
        say: progress, one line at a time.
    """

    def __init__(
        self,
        store: Store,
        plan: Plan,
        shapes: Sequence[Shape],
        *,
        end: datetime,
        seed: int,
        a_day: int = A_DAY,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._store = store
        self._plan = plan
        self._end = end
        self._now = end
        self._say = say
        self._town = Town(shapes, salt=plan.salt, a_day=a_day, seed=seed, operators=OPERATORS, weights=WEIGHTS)
        self._book = RolloutBook(store)
        self._desk = proposals.Desk(plan, store, self._book)
        self._controller = Controller(
            ControllerParts(
                plan=lambda: plan,
                audit=AuditTrail(store),
                leader=Leadership(store, "rollout", "simulated", 60.0),
                source=ContactEvidence(ContactBook(store), shadow=ShadowBook(store).evidence),
                proposals=self._book,
                now=lambda: self._now,
                query_s=45.0,
            )
        )

    async def live(self, days: int = DAYS) -> Told:
        """All days, oldest first."""
        self._now = self._end - timedelta(days=days)
        await control.adopt(self._plan, self._store, "start:simulated", self._now)
        calls = 0
        for left in range(days, 0, -1):
            calls += await self._day(left)
            await self._controller.look()
            if left > LAST_APPROVAL:
                await self._approve()
        rows = await self._store.history()
        actions = tuple(
            f"{row.at:%m-%d} {row.branch} {row.action}: {row.why}" for row in rows if row.action != "hold"
        )
        return Told(calls, actions)

    async def _day(self, left: int) -> int:
        since, self._now = self._now, self._now + timedelta(days=1)
        placed = self._town.calls(await self._store.states(), since, self._now, self._weather(left, since))
        await write_calls(self._store, placed, self._now)
        self._say(f"{self._now:%Y-%m-%d}: {len(placed)} calls")
        return len(placed)

    def _weather(self, left: int, since: datetime) -> Weather:
        first, last = BAD_RELEASE
        impatient = {"block_card": 0.50} if last <= left <= first else None
        trend = 0.93 - 0.02 * left / DAYS  # people get a little better over the two months
        if BAD_DAY <= left < BAD_DAY + 7 and since.weekday() == 1:
            staff = Staff(resolves=trend - 0.12, slower=1.5)
            return Weather(bank_silent=0.45, impatient=impatient, staff=staff, busier=3.0)
        return Weather(impatient=impatient, staff=Staff(resolves=trend))

    async def _approve(self) -> None:
        """People say yes to what the controller proposes, within working hours."""
        for proposal in await proposals.current(self._store, self._book, self._now):
            if not proposals.is_open(proposal):
                continue
            try:
                await proposals.approve(
                    self._desk, proposal.proposal_id, who=OWNER, why="the evidence is clear", at=self._now
                )
            except ConfigError:
                self._say(f"{self._now:%Y-%m-%d}: {proposal.branch} has to wait")

"""Bot or operator: eligibility, draw, exposure stored, route. The one place where a call meets the rollout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ivrbot.dialogue.schema import Branches
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.experiment import Arm, Assignment, Route
from ivrbot.rollout.assignment import normalise_caller
from ivrbot.rollout.control import ControlStore
from ivrbot.rollout.plan import Plan
from ivrbot.rollout.routing import route_call

FRONT_BRANCH = "front"


@dataclass(frozen=True, slots=True)
class Routing:
    """Where this caller goes for this topic.

    Attributes:
        to_bot: the bot serves him.
        reason: "not_served", "control", or the assignment's own reason.
        assignment: None when nothing was drawn.
    """

    to_bot: bool
    reason: str
    assignment: Assignment | None = None


class Router:
    """Draws and stores exposures for all calls of a process.

    Args:
        plan: gives the plan in force (it may be reloaded between calls).
        branches: which topics the bot serves.
        store: branch states and exposures.
        caller_key: secret key that turns numbers into units.
        now: aware UTC clock.
    """

    def __init__(
        self,
        plan: Callable[[], Plan],
        branches: Branches,
        store: ControlStore,
        caller_key: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._plan = plan
        self._branches = branches
        self._store = store
        self._caller_key = caller_key
        self._now = now

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan()

    @property
    def menu(self) -> Branches:
        """Branches and their topics."""
        return self._branches

    @property
    def known_branches(self) -> frozenset[str]:
        """Everything that can be handed over: the menu's branches and the front."""
        return frozenset((*self._branches.branches, FRONT_BRANCH))

    async def route(self, call: CallRegistration, topic: str) -> Routing:
        """Decide for a stated topic. Never raises: whatever fails, the caller goes to an operator."""
        branch, entry = self._branches.branch_of(topic), self._branches.topic(topic)
        if branch is None or entry is None or entry.flow is None:
            return Routing(False, "not_served")
        return await self._draw(call, branch)

    async def front(self, call: CallRegistration) -> str:
        """Which front the caller meets: "speech" (treatment) or "keys"."""
        return "speech" if (await self._draw(call, FRONT_BRANCH)).to_bot else "keys"

    async def assign(self, branch: str, *, caller: str, call_id: CallId) -> Assignment:
        """Draw a call in a branch and store the exposure; the same call gets the same answer again.

        Args:
            branch: one of `known_branches`.
            caller: number in any form, "" when withheld.
            call_id: of the call.
        """
        return await route_call(
            self._plan(),
            self._store,
            branch,
            caller=normalise_caller(caller),
            call_id=call_id,
            caller_key=self._caller_key,
            at=self._now(),
        )

    async def _draw(self, call: CallRegistration, branch: str) -> Routing:
        assignment = await self.assign(branch, caller=call.caller, call_id=call.call_id)
        reason = "control" if assignment.arm is Arm.CONTROL else assignment.reason
        return Routing(assignment.route is Route.BOT, reason, assignment)

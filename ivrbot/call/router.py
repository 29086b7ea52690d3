"""Bot or operator: eligibility, draw, exposure stored, route. The one place where a call meets the rollout."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ivrbot import metrics
from ivrbot.dialogue.schema import Branches
from ivrbot.errors import StorageError
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.experiment import Arm, Assignment, Route
from ivrbot.rollout.drawing.assignment import normalise_caller, unit_of
from ivrbot.rollout.drawing.eligibility import Places
from ivrbot.rollout.drawing.routing import route_call
from ivrbot.rollout.governing.control import ControlStore
from ivrbot.rollout.planning.plan import Plan

FRONT_BRANCH = "front"

DRAINING = "draining"
"""Health's code of a process that finishes its calls and takes no new ones."""


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


class Exclusions(Protocol):
    """Callers who always meet an operator."""

    async def excluded(self, unit: str, branch: str) -> str:
        """Kind of the exclusion, "" when there is none.

        Raises:
            StorageError: not known.
        """
        ...


class Router:
    """Draws and stores exposures for all calls of a process.

    Args:
        plan: gives the plan in force (it may be reloaded between calls).
        branches: which topics the bot serves.
        store: branch states and exposures.
        caller_key: secret key that turns numbers into units.
        now: aware UTC clock.
        exclusions: callers kept out; None: nobody is.
        places: room for calls with the bot; None: without end.
        plan_error: what is wrong with the plan's file now, "" when it is the plan in force.
    """

    def __init__(
        self,
        plan: Callable[[], Plan],
        branches: Branches,
        store: ControlStore,
        caller_key: bytes,
        now: Callable[[], datetime],
        *,
        exclusions: Exclusions | None = None,
        places: Places | None = None,
        plan_error: Callable[[], str] = lambda: "",
    ) -> None:
        self._plan = plan
        self._branches = branches
        self._store = store
        self._caller_key = caller_key
        self._now = now
        self._exclusions = exclusions
        self._places = places
        self._plan_error = plan_error
        self._healthy: Callable[[], str] = lambda: ""

    def watch(self, live: Callable[[], Collection[str]], healthy: Callable[[], str]) -> None:
        """Learn of the process's calls and health from now on.

        Args:
            live: ids of calls with an open leg.
            healthy: "" or a short code of what keeps the bot from serving; with `DRAINING` it still serves calls
                that it has.
        """
        if self._places is not None:
            self._places.watch(live)
        self._healthy = healthy

    def share(self, elsewhere: Callable[[], Collection[tuple[str, str]]]) -> None:
        """Count places with the bot, by call and branch, that other workers hold as well."""
        if self._places is not None:
            self._places.share(elsewhere)

    @property
    def held(self) -> Collection[tuple[str, str]]:
        """Places with the bot that this process holds, by call and branch."""
        return self._places.held if self._places is not None else ()

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan()

    @property
    def plan_error(self) -> str:
        """What is wrong with the plan's file, "" when nothing is."""
        return self._plan_error()

    @property
    def menu(self) -> Branches:
        """Branches and their topics."""
        return self._branches

    @property
    def known_branches(self) -> frozenset[str]:
        """Everything that can be handed over: the menu's branches and the front."""
        return frozenset((*self._branches.branches, FRONT_BRANCH))

    def key_topic(self, branch: str) -> str:
        """What a caller wants who chose a branch by its key alone; "" when the bot has to ask him."""
        entry = self._branches.branches.get(branch)
        topic = self._branches.topic(entry.key_topic) if entry is not None else None
        return entry.key_topic if entry is not None and topic is not None and topic.flow is not None else ""

    def unit_of_number(self, caller: str) -> str | None:
        """The unit that a number is drawn by; None when it is no number."""
        number = normalise_caller(caller)
        return None if number is None else unit_of(number, "", self._caller_key)

    async def route(self, call: CallRegistration, topic: str) -> Routing:
        """Decide for a stated topic. Never raises: whatever fails, the caller goes to an operator."""
        branch, entry = self._branches.branch_of(topic), self._branches.topic(topic)
        if branch is None or entry is None or entry.flow is None:
            metrics.ROLLOUT_INELIGIBLE.labels(branch or "", "not_served").inc()
            return Routing(False, "not_served")
        return await self._draw(call, branch)

    async def front(self, call: CallRegistration) -> str:
        """Which front the caller meets: "speech" (treatment) or "keys"."""
        return "speech" if (await self._draw(call, FRONT_BRANCH)).to_bot else "keys"

    async def assign(
        self,
        branch: str,
        *,
        caller: str,
        call_id: CallId,
        trunk: str = "",
        topic: str = "",
        in_call: bool = False,
    ) -> Assignment:
        """Draw a call in a branch and store the exposure; the same call gets the same answer again.

        Args:
            branch: one of `known_branches`.
            caller: number in any form, "" when withheld.
            call_id: of the call.
            trunk: dialled number or name of the trunk, "" when unknown.
            topic: what the caller wants within the branch, "" when not known; one without a flow is not drawn.
            in_call: the bot's leg is open already.
        """
        plan, number, why_not = self._plan(), normalise_caller(caller), self._unserved(topic)
        unit = unit_of(number, call_id, self._caller_key)
        try:
            why_not = why_not or await self._why_not(plan, branch, unit, call_id, in_call=in_call)
        except StorageError:
            return Assignment(Route.OPERATOR, None, branch, "", 0.0, 0.0, unit, "storage_unavailable")
        to_bot = False
        try:
            assignment = await route_call(
                plan,
                self._store,
                branch,
                caller=number,
                call_id=call_id,
                caller_key=self._caller_key,
                at=self._now(),
                eligible=not why_not,
                why_not=why_not,
                trunk=trunk,
            )
            to_bot = assignment.route is Route.BOT
        finally:
            if self._places is not None and not to_bot:
                self._places.give_back(call_id, branch)
        if why_not and assignment.reason == why_not:
            metrics.ROLLOUT_INELIGIBLE.labels(branch, why_not).inc()
        return assignment

    def _unserved(self, topic: str) -> str:
        entry = self._branches.topic(topic) if topic else None
        return "not_served" if topic and (entry is None or entry.flow is None) else ""

    async def _why_not(self, plan: Plan, branch: str, unit: str, call_id: CallId, *, in_call: bool) -> str:
        """Short code of what keeps a call from being drawn; takes a place for it when nothing does.

        Raises:
            StorageError: exclusions could not be read.
        """
        code = self._healthy()
        if code and not (in_call and code == DRAINING):
            return code
        if self._exclusions is not None and (code := await self._exclusions.excluded(unit, branch)):
            return code
        ladder = plan.branches.get(branch)
        if self._places is None or ladder is None:
            return ""
        most = plan.max_concurrent_bot_calls
        most_here = ladder.max_concurrent_bot_calls
        return self._places.take(call_id, branch, most=most, most_in_branch=most_here, in_call=in_call)

    async def _draw(self, call: CallRegistration, branch: str) -> Routing:
        assignment = await self.assign(
            branch, caller=call.caller, call_id=call.call_id, trunk=call.called, in_call=True
        )
        reason = "control" if assignment.arm is Arm.CONTROL else assignment.reason
        return Routing(assignment.route is Route.BOT, reason, assignment)

"""A town of callers: who rings when, again and again, and what each call leaves behind. Seeded.

Takes shapes of calls, the plan's draw and the states in force, gives calls placed in time. The truth is planted
here (how good people are, what goes wrong on which day); everything counted from it is the product's own work.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.contact import CallMaterial
from ivrbot.model.events import CallEvent, JsonValue
from ivrbot.model.experiment import Arm, BranchState, Exposure
from ivrbot.model.queue import EPOCH
from ivrbot.model.rollout import treatment_bound
from ivrbot.model.shadow import CallDisposition
from ivrbot.model.shadow import Outcome as Closed
from ivrbot.rollout.drawing.assignment import draw
from ivrbot.simulate.history.people import Handled, Staff, handle, score
from ivrbot.simulate.history.shapes import (
    EMERGENCIES,
    Shape,
    bank_silent,
    cut_short,
    left_at_greeting,
    scored,
    to_operator,
    with_bot,
    with_gaps,
)
from ivrbot.simulate.history.writing import Placed
from ivrbot.simulate.outcome import Event

GATEWAY: Final = "demo"
ZONE: Final = ZoneInfo("Europe/Moscow")
BY_HOUR: Final = (2, 1, 1, 1, 1, 2, 5, 12, 28, 48, 60, 58, 52, 46, 44, 42, 40, 42, 40, 32, 24, 16, 9, 4)
BY_WEEKDAY: Final = (1.15, 1.05, 1.0, 1.0, 1.05, 0.6, 0.45)
LEAVES_AT_GREETING: Final = 0.035
RINGS_AGAIN: Final = {True: 0.05, False: 0.45}
"""Chance of another call about the same within a week, by whether the first one helped."""
ONCE_MORE_DAYS: Final = 1.5
CODED: Final = 0.65
"""Share of answered calls to which operators give a code."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What is special about a day.

    Attributes:
        bank_silent: share of the bot's calls in which the bank does not answer.
        impatient: by branch, share of the bot's calls that callers leave in the middle.
        staff: of the day.
        busier: factor on waits.
    """

    bank_silent: float = 0.0
    impatient: Mapping[str, float] | None = None
    staff: Staff = field(default_factory=Staff)
    busier: float = 1.0


class Town:
    """Callers of one line.

    Args:
        shapes: of calls with the bot.
        salt: of the plan's draw.
        a_day: calls on a usual weekday.
        seed: of everything.
        operators: staff by branch; others are as the weather says.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        *,
        salt: str,
        a_day: int,
        seed: int,
        operators: Mapping[str, Staff] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self._shapes = tuple(shapes)
        self._weights = [(weights or {}).get(shape.branch, 1.0) for shape in shapes]
        self._of_branch = {
            name: [one for one in shapes if one.branch == name] for name in {one.branch for one in shapes}
        }
        self._salt = salt
        self._a_day = a_day
        self._seed = seed
        self._operators = dict(operators or {})
        self._rng = random.Random(f"{seed}:town")
        self._callers = self._calls = 0
        self._again: list[tuple[datetime, int, str, str]] = []

    def calls(
        self, states: Mapping[str, BranchState], since: datetime, until: datetime, weather: Weather
    ) -> list[Placed]:
        """Everybody who rings in a stretch of at most a day.

        Args:
            states: in force all the time of the stretch.
            since: aware.
            until: aware.
            weather: of the stretch.
        """
        placed = []
        for at, unit, branch in self._ringing(since, until):
            choice = self._of_branch.get(branch) if branch else None
            shape = self._rng.choice(choice) if choice else self._rng.choices(self._shapes, self._weights)[0]
            placed.append(self._call(shape, unit, at, states, weather))
        return placed

    # --- who rings ----------------------------------------------------------------------------------------

    def _ringing(self, since: datetime, until: datetime) -> list[tuple[datetime, str, str]]:
        local = since.astimezone(ZONE)
        number = round(self._a_day * BY_WEEKDAY[local.weekday()] * self._rng.uniform(0.93, 1.07))
        number = round(number * ((until - since) / timedelta(days=1)))
        fresh = [(self._moment(since, until), self._new_unit(), "") for _ in range(number)]
        again = []
        while self._again and self._again[0][0] < until:
            at, _, unit, branch = heapq.heappop(self._again)
            again.append((max(at, since), unit, branch))
        return sorted([*fresh, *again])

    def _moment(self, since: datetime, until: datetime) -> datetime:
        """By the hours at which people ring."""
        while True:
            at = since + (until - since) * self._rng.random()
            if self._rng.random() * max(BY_HOUR) < BY_HOUR[at.astimezone(ZONE).hour]:
                return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def _new_unit(self) -> str:
        self._callers += 1
        return hashlib.sha256(f"{self._seed}:caller:{self._callers}".encode()).hexdigest()

    # --- one call -----------------------------------------------------------------------------------------

    def _call(
        self, shape: Shape, unit: str, at: datetime, states: Mapping[str, BranchState], weather: Weather
    ) -> Placed:
        self._calls += 1
        call_id = CallId(str(UUID(bytes=hashlib.sha256(f"{self._seed}:{self._calls}".encode()).digest()[:16])))
        exposure: Exposure | None = None
        if self._rng.random() < LEAVES_AT_GREETING:
            events: list[Event] = left_at_greeting(self._rng.randint(1500, 6000))
        elif shape.drawable:
            events, exposure = self._drawn(shape, unit, at, call_id, states.get(shape.branch), weather)
        else:
            events = list(shape.events)
        callid = f"{int(at.timestamp())}.{self._calls}"
        handled = self._people(events, shape, unit, callid, at, weather)
        events = with_gaps(self._with_score(events, shape), self._rng)
        disposition = self._coded(shape, call_id, handled)
        material = CallMaterial(
            key=call_id,
            registration=CallRegistration(call_id, uniqueid=callid, linkedid=callid, gateway=GATEWAY),
            unit=unit,
            events=_as_events(call_id, at, events),
            exposures=(exposure,) if exposure else (),
            rows=tuple(handled.rows) if handled else (),
            disposition=disposition,
        )
        self._maybe_again(shape, unit, at, _helped(events, handled))
        return Placed(at, material)

    def _drawn(
        self,
        shape: Shape,
        unit: str,
        at: datetime,
        call_id: CallId,
        state: BranchState | None,
        weather: Weather,
    ) -> tuple[list[Event], Exposure | None]:
        if state is None or not state.stage or state.share <= 0 or state.killed:
            reason = "killed" if state and state.killed else "shadow" if state and state.stage else "not_started"
            return to_operator(shape, _draw_event(shape, "", state, reason), "not_eligible"), None
        bound = treatment_bound(state.share, state.holdback)
        treated = draw(self._salt, shape.branch, unit) < bound
        arm = Arm.TREATMENT if treated else Arm.CONTROL
        told_at = at + timedelta(milliseconds=shape.events[shape.drawn_at][1])
        exposure = Exposure(
            call_id, unit, shape.branch, arm, bound, state.stage, state.epoch, state.plan_revision, told_at
        )
        if not treated:
            return to_operator(shape, _draw_event(shape, "control", state, "control"), "control_arm"), exposure
        events = with_bot(shape, _draw_event(shape, "treatment", state, "drawn"))
        if self._rng.random() < weather.bank_silent:
            events = bank_silent(events, shape.branch)
        elif self._rng.random() < (weather.impatient or {}).get(shape.branch, 0.0):
            events = cut_short(events, self._rng)
        return events, exposure

    def _people(
        self, events: list[Event], shape: Shape, unit: str, callid: str, at: datetime, weather: Weather
    ) -> Handled | None:
        queue = str(events[-1][2].get("escalated_to") or "")
        if not queue:
            return None
        hour = at.astimezone(ZONE).hour
        busy = weather.busier * (1.0 + 2.0 * BY_HOUR[hour] / max(BY_HOUR))
        staff = self._operators.get(shape.branch, weather.staff)
        staff = replace(
            staff,
            wait_s=staff.wait_s * busy,
            resolves=min(staff.resolves, weather.staff.resolves + 0.05),
            slower=staff.slower * weather.staff.slower,
        )
        entered = at + timedelta(milliseconds=events[-1][1])
        given = score(self._rng.random() < staff.resolves, busy > 2.5, self._rng)
        return handle(staff, queue, callid, unit, _us(entered), self._rng, score=given)

    def _with_score(self, events: list[Event], shape: Shape) -> list[Event]:
        ended = events[-1][2]
        if ended.get("disposition") != "resolved" or shape.branch in EMERGENCIES:
            return events
        return scored(events, score(shape.served, False, self._rng))

    def _coded(self, shape: Shape, call_id: CallId, handled: Handled | None) -> CallDisposition | None:
        if handled is None or not handled.answered:
            return None
        if handled.resolved and self._rng.random() > CODED:
            return None
        outcome = Closed.RESOLVED if handled.resolved else Closed.UNRESOLVED
        ended_at = EPOCH + timedelta(microseconds=handled.end_us)
        topic = shape.topic or "operator"
        return CallDisposition(call_id, ended_at, "simulated", topic, shape.branch or "other", outcome, "")

    def _maybe_again(self, shape: Shape, unit: str, at: datetime, helped: bool) -> None:
        if shape.branch and self._rng.random() < RINGS_AGAIN[helped]:
            later = at + timedelta(days=min(6.9, 0.02 + self._rng.expovariate(1 / ONCE_MORE_DAYS)))
            heapq.heappush(self._again, (later, self._calls, unit, shape.branch))


def _draw_event(shape: Shape, arm: str, state: BranchState | None, reason: str) -> dict[str, JsonValue]:
    return {
        "branch": shape.branch,
        "route": "bot" if arm == "treatment" else "operator",
        "arm": arm or None,
        "stage": state.stage if state else "",
        "reason": reason,
    }


def _helped(events: Sequence[Event], handled: Handled | None) -> bool:
    if handled is not None:
        return handled.resolved
    return any(data.get("served") for _, _, data in events)


def _as_events(call_id: CallId, at: datetime, events: Sequence[Event]) -> tuple[CallEvent, ...]:
    return tuple(
        CallEvent(call_id, seq, kind, t_ms, at + timedelta(milliseconds=t_ms), data)
        for seq, (kind, t_ms, data) in enumerate(events)
    )


def _us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)

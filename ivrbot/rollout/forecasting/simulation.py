"""What the plan would do with synthetic callers: chances of promotion and rollback, days to a decision.

Takes a branch's plan, a `World` and a seed; gives runs and their summary. Every step is decided by the
controller's own `build_evidence` and `decide` on the rows known at that moment; quiet days are passed over with
`Looks`, which gives the same evidence faster. Somebody looks at the end of each day; what is decided is in force
at once.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from ivrbot.model.evidence import Decision, Evidence, Freshness, ShadowEvidence, SrmEvidence, Step, UnitRows
from ivrbot.rollout.forecasting.synthetic import Contacts, World, contacts, first_contacts, unit_rows
from ivrbot.rollout.governing.acting import change_for
from ivrbot.rollout.judging.decide import decide
from ivrbot.rollout.judging.evidence import build_evidence, kpis_of, microseconds
from ivrbot.rollout.judging.looks import Looks
from ivrbot.rollout.planning.plan import BranchPlan, state_at

_AHEAD_DAYS = 21
"""Rows are summed up for so many days, then for twice as many: most rungs are left before."""

START = datetime(2026, 9, 7, tzinfo=UTC)
"""Day 0 of every simulation, a Monday."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was decided on the evening of a day.

    Attributes:
        day: 1 is the first.
        units: first exposures of the epoch by then.
    """

    day: int
    step: Step
    from_stage: str
    from_share: float
    reason: str
    units: int


@dataclass(frozen=True, slots=True)
class Run:
    """One simulated rollout.

    Attributes:
        events: decisions that moved the branch, or completed it; a rollback ends the run.
        stage: where the branch was at the end, "" when it was rolled back off its ladder.
    """

    events: tuple[Event, ...]
    stage: str

    @property
    def promoted_day(self) -> int | None:
        """Day of the first step up (or completion) that rested on a comparison; leaving shadow does not."""
        steps = (Step.ADVANCE, Step.COMPLETE)
        return next((event.day for event in self.events if event.step in steps and event.from_share > 0), None)

    @property
    def rolled_back_day(self) -> int | None:
        """Day of the rollback."""
        return next((event.day for event in self.events if event.step is Step.ROLL_BACK), None)

    @property
    def completed_day(self) -> int | None:
        """Day on which the branch was complete."""
        return next((event.day for event in self.events if event.step is Step.COMPLETE), None)


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One rung over all runs.

    Attributes:
        reached: share of runs that came to it.
        passed: share of runs that left it upwards, or completed there.
        rolled_back: share of runs that ended there.
        median_days: from entering to leaving it upwards, over the runs that did.
    """

    stage: str
    share: float
    reached: float
    passed: float
    rolled_back: float
    median_days: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Runs taken together; shares of runs, 0..1.

    Attributes:
        promoted: at least one step up that rested on a comparison.
        median_days: to the first such step, over the runs that had one.
    """

    runs: int
    promoted: float
    rolled_back: float
    completed: float
    median_days: float | None
    stages: tuple[StageSummary, ...]


class Walk:
    """One branch going through its days; a caller may look at every step of it (tests do)."""

    def __init__(self, branch: BranchPlan, world: World, days: int, rng: np.random.Generator) -> None:
        """Draw the callers.

        Args:
            branch: plan of the branch; it starts at its `start` rung.
            world: the truth.
            days: length.
            rng: seeded.

        Raises:
            ConfigError: the world cannot be.
        """
        self.branch, self.world, self.days = branch, world, days
        self.kpis = kpis_of(branch)
        self.state = state_at(branch, branch.stage(branch.start), "simulated")
        self.since = START
        self.complete = False
        self._last_at: datetime | None = None
        self._mismatch: SrmEvidence | None = None
        self._callers = contacts(world, days, self.kpis, rng, microseconds(START))
        self._first: Contacts = self._callers.take(slice(0))
        self._rungs: list[tuple[int, int, float]] = []
        self._enter()

    def _enter(self) -> None:
        """Begin a rung."""
        rung = self.branch.stage(self.state.stage)
        since_us = microseconds(self.since)
        if rung is not None and rung.bound > 0:
            if not self._rungs:
                self._first = first_contacts(self._callers, since_us)
            self._rungs.append((since_us, self.branch.index(rung.name), rung.bound))
        self._sum_up((self.since - START).days + _AHEAD_DAYS)

    def _sum_up(self, until_day: int) -> None:
        """Rows until some evening, as they will be if the ladder does not move before."""
        self._until_day = min(until_day, self.days)
        end = START + timedelta(days=self._until_day)
        first = self._first.take(slice(int(np.searchsorted(self._first.at_us, microseconds(end)))))
        names = tuple(stage.name for stage in self.branch.stages)
        self.rows = unit_rows(self.world, first, names, self._rungs or [(0, 0, 0.0)], self.kpis)
        past = (self.since - START).days
        evenings = [START + timedelta(days=day) for day in range(past, self._until_day + 1)]
        self._looks = Looks(self.rows, self.branch, self.state, evenings)

    def evidence(self, now: datetime) -> Evidence:
        """What the controller's own code makes of the rows known by then."""
        return build_evidence(
            rows_until(self.rows, now),
            self.branch,
            self.state,
            now=now,
            stage_since=self.since,
            last_decision_at=self._last_at,
            complete=self.complete,
            freshness=Freshness(now, now, now),
            shadow=self._shadow(now),
        )

    def quick_evidence(self, now: datetime) -> Evidence:
        """The same from running sums, with a sound sample ratio and both arms alive."""
        rest = Evidence(
            self.branch.name,
            self.state.epoch,
            self.state.stage,
            now,
            self.since,
            last_decision_at=self._last_at,
            complete=self.complete,
            freshness=Freshness(now, now, now),
            shadow=self._shadow(now),
        )
        quick = self._looks.at(rest)
        return replace(quick, srm=self._mismatch) if self._mismatch is not None else quick

    def _shadow(self, now: datetime) -> ShadowEvidence | None:
        if self.state.share > 0:
            return None
        begin, end = np.searchsorted(self._callers.at_us, [microseconds(self.since), microseconds(now)])
        calls = int(end - begin)
        return ShadowEvidence(calls, round(calls * self.world.topic_accuracy))

    def look_ahead(self, day: int) -> None:
        """Have the rows of a day at hand; to be called before it is looked at."""
        if day > self._until_day:
            self._sum_up(day + 2 * _AHEAD_DAYS)

    def look(self, now: datetime) -> Decision:
        """Decide as the controller would."""
        evidence = self.evidence(now)
        if evidence.srm.ok is False:
            # The test keeps the largest e-value of its path: a mismatch once shown stays shown in this epoch.
            self._mismatch = evidence.srm
        return decide(self.branch, self.state, evidence, now)

    def quiet(self, now: datetime) -> bool:
        """Whether nothing would be done now, by the running sums."""
        return decide(self.branch, self.state, self.quick_evidence(now), now).step is Step.HOLD

    def act(self, decision: Decision, now: datetime) -> None:
        """Put a decision in force."""
        self._last_at = now
        if decision.step is Step.COMPLETE:
            self.complete = True
        elif decision.step is not Step.HOLD:
            self.state = change_for(decision, self.branch, self.state, "simulated", {}).after
            self.since = now
            if decision.step is Step.ADVANCE:
                self._enter()

    def events(self) -> Iterator[Event]:
        """What is decided on the evenings of all days; ends at a rollback."""
        for day in range(1, self.days + 1):
            now = START + timedelta(days=day)
            self.look_ahead(day)
            if self.quiet(now):
                continue
            decision = self.look(now)
            if decision.step is Step.HOLD:
                continue
            before, units = self.state, len(rows_until(self.rows, now))
            self.act(decision, now)
            yield Event(day, decision.step, before.stage, before.share, decision.reason, units)
            if decision.step is Step.ROLL_BACK:
                return


def rows_until(rows: UnitRows, now: datetime) -> UnitRows:
    """The rows that are there at a moment."""
    end = int(np.searchsorted(rows.at_us, microseconds(now), side="right"))
    values = {kpi: column[:end] for kpi, column in rows.values.items()}
    return UnitRows(
        rows.at_us[:end], rows.stage[:end], rows.stages, rows.treated[:end], rows.propensity[:end], values
    )


def simulate_run(branch: BranchPlan, world: World, days: int, rng: np.random.Generator) -> Run:
    """One rollout.

    Args:
        branch: plan of the branch.
        world: the truth.
        days: length.
        rng: seeded.

    Raises:
        ConfigError: the world cannot be (see `check_world`).
    """
    walk = Walk(branch, world, days, rng)
    events = tuple(walk.events())
    return Run(events, walk.state.stage)


def simulate(
    branch: BranchPlan,
    world: World,
    *,
    days: int,
    runs: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Run]:
    """Many rollouts; run i of a seed is the same whatever the number of runs.

    Args:
        branch: plan of the branch.
        world: the truth.
        days: length of each.
        runs: how many.
        seed: any whole number from 0 on.
        progress: told how many are done, after each.

    Raises:
        ConfigError: the world cannot be.
    """
    found = []
    for number in range(runs):
        found.append(simulate_run(branch, world, days, np.random.default_rng([seed, number])))
        progress(number + 1)
    return found


def summarise(branch: BranchPlan, runs: Sequence[Run]) -> Summary:
    """Shares and medians over runs (at least one)."""
    promoted = [run.promoted_day for run in runs if run.promoted_day is not None]
    return Summary(
        runs=len(runs),
        promoted=len(promoted) / len(runs),
        rolled_back=sum(run.rolled_back_day is not None for run in runs) / len(runs),
        completed=sum(run.completed_day is not None for run in runs) / len(runs),
        median_days=statistics.median(promoted) if promoted else None,
        stages=_stages(branch, runs),
    )


def _stages(branch: BranchPlan, runs: Sequence[Run]) -> tuple[StageSummary, ...]:
    rungs = branch.stages[max(branch.index(branch.start), 0) :]
    reached = len(runs)
    found = []
    for rung in rungs:
        days, back = [], 0
        for run in runs:
            entered = 0
            for event in run.events:
                if event.from_stage == rung.name:
                    if event.step is Step.ROLL_BACK:
                        back += 1
                    else:
                        days.append(event.day - entered)
                entered = event.day
        found.append(
            StageSummary(
                rung.name,
                rung.share,
                reached / len(runs),
                len(days) / len(runs),
                back / len(runs),
                statistics.median(days) if days else None,
            )
        )
        reached = len(days)
    return tuple(found)

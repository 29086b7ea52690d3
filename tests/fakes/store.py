"""A store in memory: behaves as the databases do (the contract suite runs against it), and can be made to fail."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ivrbot.errors import StorageConflict, StorageUnavailable
from ivrbot.model.attempts import Reserved, Tally
from ivrbot.model.call import CallId, CallOutcome, CallRegistration, Dossier
from ivrbot.model.events import CallEvent
from ivrbot.model.experiment import BranchState, Exposure
from ivrbot.model.rollout import (
    ALL_BRANCHES,
    GENESIS_HASH,
    AuditRow,
    StateChange,
    effective_states,
    exposure_in_force,
    link,
)


class MemoryStore:
    """EventStore, CallStore, RolloutStore (with control) and AttemptStore.

    Attributes:
        down: every method raises StorageUnavailable.
        appends: sizes of the groups of events taken so far.
        before_expose: state to put in force just before the next exposure, as another process might.
    """

    def __init__(self) -> None:
        self.down = False
        self.appends: list[int] = []
        self.before_expose: BranchState | None = None
        self.events: dict[tuple[CallId, int], CallEvent] = {}
        self.exposures: dict[tuple[CallId, str], Exposure] = {}
        self.rows: list[AuditRow] = []
        self._calls: dict[CallId, CallRegistration] = {}
        self._dossiers: dict[str, Dossier] = {}
        self._outcomes: dict[CallId, CallOutcome] = {}
        self._states: dict[str, BranchState] = {}
        self._failures: dict[int, tuple[str, CallId, datetime]] = {}
        self._row = itertools.count(1)

    def _check(self) -> None:
        if self.down:
            raise StorageUnavailable("switched off by the test")

    async def append(self, events: Sequence[CallEvent]) -> None:
        self._check()
        self.appends.append(len(events))
        for event in events:
            self.events.setdefault((event.call_id, event.seq), replace(event, at=event.at.astimezone(UTC)))

    async def of_call(self, call_id: CallId) -> tuple[CallEvent, ...]:
        self._check()
        return tuple(self.events[key] for key in sorted(self.events) if key[0] == call_id)

    async def register(self, registration: CallRegistration, at: datetime) -> None:
        self._check()
        if registration.call_id in self._calls:
            raise StorageConflict("seen before")
        self._calls[registration.call_id] = registration

    async def registration(self, call_id: CallId) -> CallRegistration | None:
        self._check()
        return self._calls.get(call_id)

    async def save_dossier(self, dossier: Dossier) -> None:
        self._check()
        self._dossiers[dossier.dossier_id] = dossier

    async def dossier(self, dossier_id: str) -> Dossier | None:
        self._check()
        return self._dossiers.get(dossier_id)

    async def save_outcome(self, call_id: CallId, outcome: CallOutcome) -> None:
        self._check()
        self._outcomes[call_id] = outcome

    async def outcome(self, call_id: CallId) -> CallOutcome | None:
        self._check()
        return self._outcomes.get(call_id)

    async def erase_caller(self, call_id: CallId) -> None:
        self._check()
        if call_id in self._calls:
            self._calls[call_id] = replace(self._calls[call_id], caller="")
        for key, dossier in self._dossiers.items():
            if dossier.call_id == call_id:
                self._dossiers[key] = replace(dossier, caller="")

    async def states(self) -> dict[str, BranchState]:
        self._check()
        return effective_states(self._states)

    async def own_states(self) -> dict[str, BranchState]:
        self._check()
        return dict(self._states)

    async def change_state(self, state: BranchState, who: str, why: str, at: datetime) -> None:
        self._check()
        self._record(StateChange(None, state, "set"), who, why, at)

    async def apply_changes(self, changes: Sequence[StateChange], who: str, why: str, at: datetime) -> None:
        self._check()
        held = dict(self._states)
        for change in changes:
            if held.get(change.after.branch) != change.before:
                raise StorageConflict("changed meanwhile")
            held[change.after.branch] = change.after
        for change in changes:
            self._record(change, who, why, at)

    def _record(self, change: StateChange, who: str, why: str, at: datetime) -> None:
        name = change.after.branch
        last = (self.rows[-1].seq, self.rows[-1].hash) if self.rows else (0, GENESIS_HASH)
        self.rows.append(link(replace(change, before=self._states.get(name)), who, why, at, last))
        self._states[name] = change.after

    async def history(self, branch: str | None = None) -> tuple[AuditRow, ...]:
        self._check()
        return tuple(row for row in self.rows if branch in (None, row.branch))

    async def expose(self, exposure: Exposure) -> BranchState | None:
        self._check()
        if self.before_expose is not None:
            self._states[self.before_expose.branch] = self.before_expose
            self.before_expose = None
        states = effective_states(self._states)
        state = states.get(exposure.branch, states.get(ALL_BRANCHES))
        if exposure_in_force(exposure, state):
            self.exposures.setdefault((exposure.call_id, exposure.branch), exposure)
        return state

    async def exposure(self, call_id: CallId, branch: str) -> Exposure | None:
        self._check()
        return self.exposures.get((call_id, branch))

    async def has_exposures(self, branch: str, epoch: int) -> bool:
        self._check()
        return any((held.branch, held.epoch) == (branch, epoch) for held in self.exposures.values())

    async def failures_since(self, subject: str, since: datetime) -> int:
        self._check()
        return self._count(subject, since)

    async def add_failure(self, subject: str, call_id: CallId, at: datetime) -> None:
        self._check()
        self._failures[next(self._row)] = (subject, call_id, at)

    async def reserve(self, subjects: Sequence[str], call_id: CallId, at: datetime, since: datetime) -> Reserved:
        self._check()
        before = tuple(self._count(subject, since) for subject in subjects)
        rows = tuple(next(self._row) for _ in subjects)
        self._failures |= {row: (subject, call_id, at) for row, subject in zip(rows, subjects, strict=True)}
        return Reserved(rows, before)

    async def release(self, rows: Sequence[int]) -> None:
        self._check()
        for row in rows:
            del self._failures[row]

    async def tally(self, subject: str, since: datetime, before: datetime) -> Tally:
        self._check()
        calls = [call for name, call, at in self._failures.values() if name == subject and since <= at < before]
        return Tally(len(calls), len(set(calls)))

    async def raise_once(self, subject: str, call_id: CallId, at: datetime, since: datetime) -> bool:
        if await self.failures_since(subject, since):
            return False
        await self.add_failure(subject, call_id, at)
        return True

    def _count(self, subject: str, since: datetime) -> int:
        return sum(1 for name, _, at in self._failures.values() if name == subject and at >= since)

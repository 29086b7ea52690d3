"""The doors of two workers over one store: announced to one, let in by the other, once."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ivrbot import app
from ivrbot.call.headroom import Refusal
from ivrbot.call.running import CallParts
from ivrbot.call.shared_door import SharedDesk
from ivrbot.config import CallSettings, Settings
from ivrbot.errors import LegRefused
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import EventType, JsonValue
from ivrbot.storage.call_places import CallPlaces
from tests.fakes.asr import FakeAsr
from tests.fakes.calls import FakeNlu, product_files
from tests.fakes.line import MarkedVoice, QuietLeg
from tests.fakes.waiting import until

MOST = 3


class Worker:
    """One door; also what its own door knows of the other one."""

    def __init__(self, parts: CallParts, core: app.Core, number: int, *, registered_only: bool) -> None:
        self.others: list[Worker] = []
        self.events: list[tuple[CallId, EventType]] = []
        self.refuses: Refusal | None = None
        self.changes = 0
        self.desk = SharedDesk(
            parts,
            asr=lambda _language: FakeAsr(),
            voice=MarkedVoice(),
            settings=CallSettings(max_calls=MOST),
            record=self._record,
            registered_only=registered_only,
            headroom=lambda: self.refuses,
        )
        places = CallPlaces(core.store, "node", f"node/{number}", time.monotonic)
        self.desk.share(places, self, self._changed)

    def live(self) -> set[str]:
        return {call.registration.call_id for other in self.others for call in other.desk.live}

    def are_able(self) -> bool:
        return any(other.desk.able for other in self.others)

    def room(self, most: int) -> int:
        return most

    def of(self, call_id: CallId) -> list[EventType]:
        return [type_ for one, type_ in self.events if one == call_id]

    async def announced(self) -> CallId:
        call_id = CallId(str(uuid.uuid4()))
        assert await self.desk.register(CallRegistration(call_id, called="100"))
        return call_id

    def _record(self, call_id: CallId, type_: EventType, _t_ms: int, _data: dict[str, JsonValue]) -> None:
        self.events.append((call_id, type_))

    def _changed(self) -> None:
        self.changes += 1


@asynccontextmanager
async def two(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, registered_only: bool = True
) -> AsyncIterator[tuple[Worker, Worker]]:
    monkeypatch.setattr(app, "_load_files", lambda *_: product_files())
    async with app.open_core(Settings(data_dir=folder), plan_file=app.DEMO_PLAN, nlu=FakeNlu()) as core:
        parts = replace(core.parts, calls=core.store)
        one, other = (Worker(parts, core, number, registered_only=registered_only) for number in (1, 2))
        one.others, other.others = [other], [one]
        async with asyncio.TaskGroup() as group:
            one.desk.open(group)
            other.desk.open(group)
            yield one, other


async def test_the_leg_may_come_to_the_other_worker_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with two(tmp_path, monkeypatch) as (one, other):
        call_id = await one.announced()
        assert (one.events, one.desk.expected) == ([], 1)
        leg, late = QuietLeg(call_id), QuietLeg(call_id)
        sink = other.desk.admit(leg)
        await until(lambda: EventType.CALL_STARTED in other.of(call_id))
        assert other.of(call_id)[0] is EventType.CALL_REGISTERED
        assert (one.desk.expected, one.desk.live_anywhere) == (0, {call_id})
        one.desk.admit(late)
        await until(lambda: late.closed)
        with pytest.raises(LegRefused, match="has been used"):
            await one.desk.register(CallRegistration(call_id))
        assert (leg.closed, one.of(call_id), one.desk.live) == (0, [], ())
        sink.on_closed("hangup")
        await until(lambda: not other.desk.live)
        assert EventType.CALL_ENDED in other.of(call_id)
        with pytest.raises(LegRefused, match="had its leg"):
            other.desk.admit(QuietLeg(call_id))
        assert await one.desk.drain(1)


async def test_nobody_comes_in_unregistered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with two(tmp_path, monkeypatch) as (one, _):
        leg = QuietLeg(CallId(str(uuid.uuid4())))
        one.desk.admit(leg)
        await until(lambda: leg.closed)
        assert (one.desk.live, one.events) == ((), [])


async def test_without_the_rule_anybody_comes_in_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with two(tmp_path, monkeypatch, registered_only=False) as (one, other):
        first, second = (QuietLeg(CallId("0f0e6a51-9d0a-4a3e-8f3e-0c4f0f5f0b11")) for _ in range(2))
        sink = one.desk.admit(first)
        await until(lambda: EventType.CALL_STARTED in one.of(first.call_id))
        assert EventType.CALL_REGISTERED not in one.of(first.call_id)
        other.desk.admit(second)
        await until(lambda: second.closed)
        sink.on_closed("hangup")
        await until(lambda: not one.desk.live)


async def test_the_cap_is_of_both_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with two(tmp_path, monkeypatch) as (one, other):
        calls = [await worker.announced() for worker in (one, other, one)]
        assert not await other.desk.register(CallRegistration(CallId(str(uuid.uuid4()))))
        sink = other.desk.admit(QuietLeg(calls[0]))
        await until(lambda: EventType.CALL_STARTED in other.of(calls[0]))
        assert not await one.desk.register(CallRegistration(CallId(str(uuid.uuid4()))))
        sink.on_closed("hangup")
        await until(lambda: not other.desk.live)
        await until(lambda: other.changes >= 2)
        await one.announced()


async def test_nobody_is_taken_only_where_no_worker_has_headroom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(tmp_path, monkeypatch) as (one, other):
        one.refuses = Refusal.RECOGNISER
        await one.announced()
        other.refuses = Refusal.LOOP
        assert not await one.desk.register(CallRegistration(CallId(str(uuid.uuid4()))))


async def test_whom_another_menu_sent_to_an_operator_comes_to_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(tmp_path, monkeypatch) as (one, other):
        call_id = await one.announced()
        await one.desk.learn_decision(call_id, to_bot=False)
        assert one.desk.expected == 0
        leg = QuietLeg(call_id)
        other.desk.admit(leg)
        await until(lambda: leg.closed)

"""Call-backs: kept, claimed once, dialled within hours and limits, and settled by people."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from ivrbot.config import OperatorSettings
from ivrbot.model.call import CallId, CallOutcome, CallRegistration, QueueName
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.operators import Callback, CallbackAsked, CallbackId, CallbackResult, CallbackState, QueueState
from ivrbot.operators.desk import OperatorDesk
from ivrbot.operators.dialler import AT_ONCE, NO_OPERATOR_S, CallbackDialler, DiallerParts
from ivrbot.storage.callbacks import CallbackBook
from ivrbot.storage.store import Store
from ivrbot.telephony.asterisk_callbacks import originate_fields
from tests.unit.web_fixture import Site, a_dossier, open_site

NOON = datetime(2026, 3, 2, 9, tzinfo=UTC)  # Monday noon in Moscow
NUMBER = "+79161234567"
CALL = CallId("6a1fbb7e-0d5c-4f6e-9d3b-0c4f0f5f0b11")


def a_callback(due_at: datetime = NOON, call_id: CallId = CALL, queue: str = "loans") -> Callback:
    return Callback(
        CallbackId(str(uuid.uuid4())), call_id, NOON, due_at, QueueName(queue), "loan_info", "d" * 32, "ru"
    )


@dataclass
class Line:
    """A dialler over a real store and a PBX that remembers; `known` is the state of each queue not in `others`."""

    book: CallbackBook
    store: Store
    now: datetime = NOON
    known: QueueState | None = field(default_factory=lambda: QueueState("loans", 0, 2, 1, None, 0.0, NOON))
    others: dict[str, QueueState | None] = field(default_factory=dict)
    takes: bool = True
    placed: list[tuple[str, str]] = field(default_factory=list)
    events: list[tuple[EventType, dict[str, JsonValue]]] = field(default_factory=list)

    async def place(self, callback: Callback, number: str, *, queue_s: int, ring_s: int) -> bool:
        self.placed.append((callback.callback_id, number))
        return self.takes

    async def state(self, queue: str) -> QueueState | None:
        return self.others.get(queue, self.known)

    async def record(self, call_id: CallId, kind: EventType, data: dict[str, JsonValue]) -> None:
        self.events.append((kind, data))

    def dialler(self, **settings: object) -> CallbackDialler:
        rules = OperatorSettings.model_validate({"callbacks": "dial", **settings})
        return CallbackDialler(DiallerParts(self.book, self, self.state, rules, self.record, lambda: self.now))

    async def one(self, callback_id: str) -> Callback:
        found = await self.book.callback(callback_id)
        assert found is not None
        return found


@pytest_asyncio.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with Store(tmp_path / "callbacks.sqlite") as store:
        yield Line(CallbackBook(store), store)


async def test_what_is_kept_comes_back_with_its_number_apart(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    await line.book.add(callback, "+70000000000")
    assert await line.book.listed(10) == ((callback, NUMBER),)
    assert NUMBER not in repr(callback)


async def test_of_two_processes_one_dials(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    await asyncio.gather(line.dialler().look(), line.dialler().look())
    assert line.placed == [(callback.callback_id, NUMBER)]


async def test_an_answered_one_is_done_and_its_number_forgotten(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    dialler = line.dialler()
    await dialler.look()
    assert (await line.one(callback.callback_id)).state is CallbackState.DIALLING
    assert await dialler.report(callback.callback_id, 1, CallbackResult.ANSWERED)
    done = await line.one(callback.callback_id)
    assert (done.state, done.result, done.attempts) == (CallbackState.DONE, "answered", 1)
    assert await line.book.listed(10) == ((done, ""),)
    assert not await dialler.report(callback.callback_id, 1, CallbackResult.NO_ANSWER)
    assert [kind for kind, _ in line.events] == [EventType.CALLBACK_DIALLED, EventType.CALLBACK_ENDED]
    assert NUMBER not in str(line.events)


async def test_attempts_end_after_the_limit_and_keep_their_pause(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    dialler = line.dialler(callback_attempts=2)
    await dialler.look()
    await dialler.report(callback.callback_id, 1, CallbackResult.BUSY)
    await dialler.look()
    assert len(line.placed) == 1
    line.now += timedelta(seconds=901)
    await dialler.look()
    assert len(line.placed) == 2
    # the first attempt's report comes again, late: the second one goes on
    assert not await dialler.report(callback.callback_id, 1, CallbackResult.ANSWERED)
    await dialler.report(callback.callback_id, 2, CallbackResult.NO_ANSWER)
    ended = await line.one(callback.callback_id)
    assert (ended.state, ended.attempts, ended.result) == (CallbackState.GIVEN_UP, 2, "no_answer")


async def test_without_an_operator_no_attempt_is_used_up(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    dialler = line.dialler(callback_attempts=1)
    await dialler.look()
    await dialler.report(callback.callback_id, 1, CallbackResult.NO_OPERATOR)
    tried = await line.one(callback.callback_id)
    assert (tried.state, tried.attempts, tried.tries) == (CallbackState.OPEN, 0, 1)
    assert tried.due_at == NOON + timedelta(seconds=NO_OPERATOR_S)


@pytest.mark.parametrize("known", [None, QueueState("loans", 0, 0, 0, None, None, NOON)])
async def test_nobody_is_rung_while_nobody_could_talk_to_him(line: Line, known: QueueState | None) -> None:
    line.known = known
    await line.book.add(a_callback(), NUMBER)
    await line.dialler().look()
    assert not line.placed


@pytest.mark.parametrize("unmanned", [None, QueueState("loans", 0, 0, 0, None, None, NOON)])
async def test_a_queue_without_operators_keeps_no_other_from_its_call_backs(
    line: Line, unmanned: QueueState | None
) -> None:
    line.others["loans"] = unmanned
    waiting = [a_callback() for _ in range(AT_ONCE)]
    for callback in waiting:
        await line.book.add(callback, NUMBER)
    manned = a_callback(NOON + timedelta(seconds=1), queue="check_balance")
    await line.book.add(manned, NUMBER)
    line.now += timedelta(seconds=5)
    dialler = line.dialler(callback_attempts=1)
    await dialler.look()
    await dialler.look()
    assert line.placed == [(manned.callback_id, NUMBER)]
    line.others.clear()
    line.now += timedelta(seconds=NO_OPERATOR_S)
    await dialler.look()
    assert {placed for placed, _ in line.placed[1:]} == {callback.callback_id for callback in waiting}


async def test_putting_off_brings_nothing_forward(line: Line) -> None:
    callback = a_callback(NOON + timedelta(minutes=15))
    await line.book.add(callback, NUMBER)
    await line.book.put_off(callback.callback_id, NOON + timedelta(minutes=1))
    assert (await line.one(callback.callback_id)).due_at == callback.due_at


async def test_at_night_it_is_put_off_to_the_morning(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    line.now = NOON + timedelta(hours=10)
    await line.dialler().look()
    assert not line.placed
    assert (await line.one(callback.callback_id)).due_at == datetime(2026, 3, 3, 6, tzinfo=UTC)


async def test_a_process_that_died_has_used_up_its_attempt(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    await line.dialler().look()
    line.now += timedelta(minutes=2)
    again = line.dialler()
    await again.look()
    assert len(line.placed) == 1, "the attempt may still be under way"
    line.now += timedelta(minutes=2)
    await again.look()
    lost = await line.one(callback.callback_id)
    assert (lost.state, lost.result, lost.attempts) == (CallbackState.OPEN, "lost", 1)
    assert len(line.placed) == 1


async def test_a_pbx_that_refuses_is_asked_again_later(line: Line) -> None:
    line.takes = False
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    await line.dialler().look()
    refused = await line.one(callback.callback_id)
    assert (refused.state, refused.result, refused.attempts) == (CallbackState.OPEN, "not_placed", 0)


async def test_a_number_outside_the_allowed_beginnings_is_never_dialled(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, "+18005550100")
    await line.dialler().look()
    assert not line.placed
    assert (await line.one(callback.callback_id)).state is CallbackState.GIVEN_UP


async def test_erasing_the_caller_erases_the_number_and_ends_the_call_back(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    await line.store.erase_caller(CALL)
    await line.dialler().look()
    assert not line.placed
    assert (await line.one(callback.callback_id)).result == "erased"


async def test_people_settle_what_is_not_being_dialled(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    dialler = line.dialler(callback_attempts=1)
    await dialler.look()
    assert await line.book.settle(callback.callback_id, CallbackState.DONE, line.now) is None
    await dialler.report(callback.callback_id, 1, CallbackResult.BUSY)
    again = await line.book.settle(callback.callback_id, CallbackState.OPEN, line.now)
    assert again is not None and (again.state, again.attempts) == (CallbackState.OPEN, 0)
    done = await line.book.settle(callback.callback_id, CallbackState.DONE, line.now)
    assert done is not None and done.result == "by_hand"
    assert await line.book.settle(callback.callback_id, CallbackState.OPEN, line.now) is None


async def test_a_promise_is_kept_once_with_dossier_and_outcome(line: Line) -> None:
    desk = OperatorDesk(line.store, callbacks=line.book, now=lambda: NOON)
    registration = CallRegistration(CALL, caller=NUMBER)
    await line.store.register(registration, NOON)
    dossier = replace(a_dossier(call_id=CALL), queue=QueueName("loans"))
    for _ in range(2):
        await desk.promise_callback(registration, dossier, CallbackAsked(NOON, NUMBER))
    ((kept, number),) = await line.book.listed(10)
    assert (kept.call_id, kept.queue, kept.dossier_id, number) == (CALL, "loans", dossier.dossier_id, NUMBER)
    outcome = await line.store.outcome(CALL)
    assert outcome is not None and outcome.as_text() == f"callback|check_balance|{dossier.dossier_id}|0"


async def test_a_transfer_withdraws_the_call_back_of_its_own_call_only(line: Line) -> None:
    other = a_callback(call_id=CallId(str(uuid.uuid4())))
    for callback in (a_callback(), other):
        await line.book.add(callback, NUMBER)
    await line.store.save_outcome(CALL, CallOutcome("callback"))
    assert len(await line.book.due(NOON, 10)) == 2
    await line.store.save_outcome(CALL, CallOutcome("transfer", "loans"))
    assert await line.book.listed(10) == ((other, NUMBER),)


async def test_what_somebody_has_begun_with_is_not_withdrawn(line: Line) -> None:
    callback = a_callback()
    await line.book.add(callback, NUMBER)
    dialler = line.dialler()
    await dialler.look()
    await line.store.save_outcome(CALL, CallOutcome("transfer", "loans"))
    assert await dialler.report(callback.callback_id, 1, CallbackResult.BUSY)
    await line.store.save_outcome(CALL, CallOutcome("transfer", "loans"))
    assert (await line.one(callback.callback_id)).state is CallbackState.OPEN


async def test_the_desk_without_a_pbx_is_its_own_queue() -> None:
    desk = OperatorDesk(None, now=lambda: NOON)  # type: ignore[arg-type]
    assert await desk.state("loans") is None, "nobody has ever opened the page"
    clock = iter((0.0, 90.0)).__next__
    with desk.at_desk():
        free = await desk.state("loans")
        assert free is not None and free.serves_at_once
        with desk.in_talk(clock):
            busy = await desk.state("loans")
            assert busy is not None and (busy.free, busy.expected_wait_s) == (0, None)
        desk.callers_waiting = lambda: 1
        known = await desk.state("loans")
        assert known is not None and known.expected_wait_s == 90.0
    left = await desk.state("loans")
    assert left is not None and left.operators == 0


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"queue": "loans&Local/1@x"}, NUMBER),
        ({"topic": "a\r\nAction: Command"}, NUMBER),
        ({"dossier_id": "${SHELL(id)}"}, NUMBER),
        ({}, "112"),
        ({}, "+7916;phone-context=x"),
    ],
)
def test_what_is_not_one_word_is_never_an_action(change: dict[str, str], number: str) -> None:
    callback = replace(a_callback(), **change)  # type: ignore[arg-type]
    assert originate_fields(callback, number, queue_s=60, ring_s=30) is None


# --- over HTTP ----------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def test_a_number_is_shown_to_who_asks_for_it_and_that_is_noted(site: Site) -> None:
    callback = a_callback()
    await CallbackBook(site.parts.store).add(callback, NUMBER)
    status, listed = await site.get("/api/v1/callbacks")
    assert status == 200
    assert [(row["callback_id"], row["number"]) for row in listed["callbacks"]] == [
        (callback.callback_id, "***67")
    ]
    status, shown = await site.get("/web/callbacks")
    assert (status, shown["callbacks"][0]["number"], shown["dialled"]) == (200, "***67", False)
    status, asked = await site.post(f"/web/callbacks/{callback.callback_id}/number")
    assert (status, asked["number"]) == (200, NUMBER)
    (noted,) = await site.parts.activity.read(kind="callback_number")
    assert (noted.action, noted.ref) == ("view", callback.callback_id)
    assert NUMBER not in str(noted)
    assert (await site.post(f"/web/callbacks/{uuid.uuid4()}/number"))[0] == 404


async def test_who_does_not_answer_is_called_again_until_he_is_given_up(site: Site) -> None:
    callback = a_callback()
    await CallbackBook(site.parts.store).add(callback, NUMBER)
    path = f"/web/callbacks/{callback.callback_id}"
    rows = [(await site.post(path, json={"action": "no_answer"}))[1] for _ in range(3)]
    assert [(row["state"], row["attempts"], row["result"]) for row in rows] == [
        ("open", 1, "no_answer"),
        ("open", 2, "no_answer"),
        ("given_up", 3, "no_answer"),
    ]
    assert rows[0]["due_at"] > callback.due_at.isoformat()
    assert (await site.post(path, json={"action": "no_answer"}))[0] == 409


async def test_done_and_again_by_hand(site: Site) -> None:
    callback = a_callback()
    await CallbackBook(site.parts.store).add(callback, NUMBER)
    path = f"/web/callbacks/{callback.callback_id}"
    status, row = await site.post(path, json={"action": "again"})
    assert (status, row["state"]) == (200, "open")
    status, row = await site.post(path, json={"action": "done"})
    assert (status, row["state"], row["number"]) == (200, "done", "")
    assert (await site.post(path, json={"action": "again"}))[0] == 409
    assert (await site.post(path, json={"action": "erase"}))[0] == 400


async def test_a_report_where_nobody_dials_is_refused(site: Site) -> None:
    path = f"/api/v1/callbacks/{uuid.uuid4()}/result"
    status, _ = await site.post(path, data={"try_no": "1", "result": "answered"})
    assert status == 404

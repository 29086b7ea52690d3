"""Contacts are written once something is known of their calls, survive a crash, and are folded again on news."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.analytics.evidence_source import ContactEvidence
from ivrbot.analytics.queue_intake import QueueIntake
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.contact import Contact, Origin
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.experiment import Arm, BranchState, Exposure
from ivrbot.model.queue import EPOCH, LogPosition, QueueRow
from ivrbot.model.shadow import CallDisposition, Outcome
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.shadow import DispositionBook
from ivrbot.storage.store import Store

AT = datetime(2026, 9, 1, 12, tzinfo=UTC)
CALL = CallId("0b8f7f3e-1f6e-4d57-9d0e-3f6f0d9ac001")
NUMBER = "+79990000001"


def unit_of(number: str, call_id: str) -> str:
    return f"unit-{len(number)}-{call_id if not number else ''}"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "ivrbot.db") as opened:
        yield opened


def writer_of(book: ContactBook, now: datetime = AT) -> ContactWriter:
    return ContactWriter(book, unit_of=unit_of, now=lambda: now, max_call_s=600)


async def folded(book: ContactBook) -> None:
    writer = writer_of(book)
    while await writer.step():
        pass


def events(*told: tuple[EventType, dict[str, Any]]) -> list[CallEvent]:
    return [
        CallEvent(CALL, seq, kind, seq * 1000, AT + timedelta(seconds=seq), data)
        for seq, (kind, data) in enumerate(told)
    ]


STARTED: tuple[tuple[EventType, dict[str, Any]], ...] = (
    (EventType.CALL_STARTED, {}),
    (EventType.TOPIC_STATED, {"topic": "check_balance", "branch": "balance"}),
)
HANDED: tuple[tuple[EventType, dict[str, Any]], ...] = (
    (EventType.ESCALATED, {"reason": "control_arm", "queue": "balance"}),
    (EventType.CALL_ENDED, {"disposition": "escalated", "reason": "control_arm", "escalated_to": "balance"}),
)


def row(second: float, event: str, *data: str, callid: str = "17.1", queue: str = "balance") -> QueueRow:
    at_us = (AT + timedelta(seconds=second) - EPOCH) // timedelta(microseconds=1)
    return QueueRow(at_us, callid, queue, "NONE", event, data)


SERVED = [
    row(10, "ENTERQUEUE", "", NUMBER, "1"),
    row(20, "CONNECT", "10", "x", "1"),
    row(80, "COMPLETEAGENT", "10", "60", "1"),
]


async def handed_call(store: Store, uniqueid: str = "17.1") -> ContactBook:
    await store.register(CallRegistration(CALL, NUMBER, uniqueid=uniqueid, linkedid=uniqueid), AT)
    await store.append(events(*STARTED, *HANDED))
    return ContactBook(store)


async def the(book: ContactBook, call_id: str = CALL) -> Contact:
    (contact,) = await book.of_call(call_id)
    return contact


def intake(book: ContactBook, **branches: str) -> QueueIntake:
    return QueueIntake(book, "log", unit_of=unit_of, branches=branches)


async def test_the_end_of_a_call_is_the_mark_and_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "ivrbot.db"
    async with Store(path) as first:
        await handed_call(first)
    async with Store(path) as second:
        book = ContactBook(second)
        assert [key for _, key in await book.due(10)] == [CALL]
        await folded(book)
        assert (await the(book)).outcome is Outcome.UNKNOWN
        assert await book.due(10) == ()


async def test_events_that_the_journal_held_up_fold_the_call_again(store: Store) -> None:
    told = events(*STARTED, *HANDED)
    await store.append(told[2:])
    book = ContactBook(store)
    await folded(book)
    assert (await the(book)).topic == ""
    await store.append(told[:2])
    await folded(book)
    assert (await the(book)).topic == "check_balance"


async def test_rows_of_the_queue_are_joined_and_fold_the_call_again(store: Store) -> None:
    book = await handed_call(store)
    await folded(book)
    assert await intake(book).take(SERVED[:2]) == 2
    await folded(book)
    talking = await the(book)
    assert talking.outcome is Outcome.RESOLVED and not talking.closed
    assert await intake(book).take(SERVED) == 1
    await folded(book)
    contact = await the(book)
    assert contact.closed and contact.human is not None and contact.human.talk_s == 60
    assert await intake(book).take(SERVED) == 0
    assert await book.due(10) == ()


async def test_a_queue_that_is_mapped_later_moves_its_rows_and_calls(store: Store) -> None:
    book = ContactBook(store)
    told = [replace(one, queue="q-1") for one in SERVED]
    assert await intake(book).take(told) == 3
    await folded(book)
    assert await intake(book, other="loans").take(told) == 0, "nobody speaks of this queue"
    assert await book.due(10) == ()
    assert await intake(book, **{"q-1": "balance"}).take(told) == 3
    assert [key for _, key in await book.due(10)] == ["17.1"]
    await folded(book)
    assert (await the(book, "queue:17.1")).branch == "balance"
    assert await intake(book, **{"q-1": "balance"}).take(told) == 0


async def test_rows_that_come_before_the_call_are_known_to_be_its_own_later(store: Store) -> None:
    book = ContactBook(store)
    await intake(book).take(SERVED)
    await folded(book)
    assert (await the(book, "queue:17.1")).origin is Origin.QUEUE_LOG
    await handed_call(store)
    await folded(book)
    assert (await the(book)).origin is Origin.PRODUCT
    assert await book.of_call("queue:17.1") == ()


async def test_the_dialplans_own_row_joins_a_channel_of_another_name(store: Store) -> None:
    book = await handed_call(store)
    told = [row(9, "BOTCTX", CALL, "check_balance", "control_arm", callid="99.9")]
    await intake(book).take([*told, *(row(10, one.event, *one.data, callid="99.9") for one in SERVED)])
    await folded(book)
    assert (await the(book)).human is not None
    assert (await the(book)).outcome is Outcome.RESOLVED


async def test_a_channel_that_came_back_to_the_bot_has_two_contacts(store: Store) -> None:
    book = await handed_call(store)
    other = CallId("0b8f7f3e-1f6e-4d57-9d0e-3f6f0d9ac002")
    again = AT + timedelta(minutes=5)
    await store.register(CallRegistration(other, NUMBER, uniqueid="17.1", linkedid="17.1"), again)
    late = [CallEvent(other, e.seq, e.type, e.t_ms, again, e.data) for e in events(*STARTED, *HANDED)]
    await store.append(late)
    await intake(book).take(
        [*SERVED, row(310, "ENTERQUEUE", "", NUMBER, "1"), row(330, "ABANDON", "1", "1", "20")]
    )
    await folded(book)
    assert (await the(book)).outcome is Outcome.RESOLVED
    assert (await the(book, other)).outcome is Outcome.UNRESOLVED


async def test_a_call_that_never_ended_is_found(store: Store) -> None:
    await store.register(CallRegistration(CALL, NUMBER, uniqueid="17.1"), AT)
    await store.append(events(*STARTED))
    book = ContactBook(store)
    assert await writer_of(book, AT + timedelta(seconds=600)).sweep() == 0
    assert await writer_of(book, AT + timedelta(seconds=700)).sweep() == 1
    await folded(book)
    contact = await the(book)
    assert contact.bot is not None and contact.bot.disposition is None and contact.human is not None
    assert await writer_of(book, AT + timedelta(seconds=700)).sweep() == 0


async def test_an_operators_word_folds_the_call_again(store: Store) -> None:
    book = await handed_call(store)
    await intake(book).take(SERVED)
    await folded(book)
    word = CallDisposition(CALL, AT, "desk", "check_balance", "balance", Outcome.UNRESOLVED)
    await DispositionBook(store).add(word)
    await folded(book)
    assert (await the(book)).outcome is Outcome.UNRESOLVED


async def test_a_caller_who_was_forgotten_keeps_his_unit(store: Store) -> None:
    book = await handed_call(store)
    await folded(book)
    before = (await the(book)).unit
    await store.erase_caller(CALL)
    await intake(book).take(SERVED)
    await folded(book)
    assert (await the(book)).unit == before == unit_of(NUMBER, "")


async def test_no_number_reaches_the_store(store: Store) -> None:
    transfer = row(90, "BLINDTRANSFER", "89990000002", "from-operators", "10", "60", "1")
    await intake(ContactBook(store)).take([*SERVED, transfer])
    await folded(ContactBook(store))
    await store.close()
    held = b"".join(path.read_bytes() for path in Path(str(store.where)).parent.iterdir())
    assert NUMBER.encode() not in held and b"9990000001" not in held and b"89990000002" not in held
    assert unit_of(NUMBER, "").encode() in held


async def test_one_damaged_call_holds_nobody_up(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    book = await handed_call(store)
    broken = CallId("0b8f7f3e-1f6e-4d57-9d0e-3f6f0d9ac003")
    await store.append([CallEvent(broken, 0, EventType.CALL_ENDED, 0, AT, {"disposition": "eaten"})])
    await folded(book)
    assert await book.of_call(broken) == () and (await the(book)).branch == "balance"
    assert "could not be folded" in caplog.text


# --- freshness ------------------------------------------------------------------------------------------


async def test_nothing_delivers_the_operators_data(store: Store) -> None:
    assert await ContactBook(store).human_complete_at() is None


async def test_a_quiet_night_is_fresh(store: Store) -> None:
    book = ContactBook(store)
    await intake(book).take(SERVED, LogPosition(1, 100, "", AT))
    later = AT + timedelta(hours=8)
    await intake(book).take([], LogPosition(1, 100, "", later))
    assert await book.human_complete_at() == later
    assert await book.log_position("log") == LogPosition(1, 100, "", later)


async def test_a_call_that_was_handed_over_and_does_not_show_makes_the_log_stale(store: Store) -> None:
    book = await handed_call(store)
    await folded(book)
    asked_at = AT + timedelta(seconds=2)
    await intake(book).take([], LogPosition(1, 100, "", AT + timedelta(seconds=30)))
    assert await book.human_complete_at() == AT + timedelta(seconds=30)
    await intake(book).take([], LogPosition(1, 100, "", AT + timedelta(hours=8)))
    assert await book.human_complete_at() == asked_at
    await intake(book).take(SERVED, LogPosition(1, 200, "", AT + timedelta(hours=8)))
    await folded(book)
    assert await book.human_complete_at() == AT + timedelta(hours=8)


async def drawn(store: Store) -> ContactBook:
    state = BranchState("balance", "half", 0.5, 0.0, 1, False, "r")
    await store.change_state(state, "test", "test", AT)
    await store.expose(Exposure(CALL, "u", "balance", Arm.CONTROL, 0.5, "half", 1, "r", AT))
    return await handed_call(store)


async def values(book: ContactBook, name: str, now: datetime) -> list[float]:
    rows = await ContactEvidence(book).unit_rows("balance", 1, kpis=[name], window_days=7, now=now)
    return [float(value) for value in rows.values[name]]


async def test_handed_over_and_in_no_queue_although_the_log_is_complete(store: Store) -> None:
    book = await drawn(store)
    await folded(book)
    now = AT + timedelta(hours=3)
    assert str(await values(book, "failed_transfer", now)) == "[nan]"
    await intake(book).take([row(7200, "ENTERQUEUE", "", "", "1", callid="18.1")], LogPosition(1, 9, "", now))
    await folded(book)
    assert await values(book, "failed_transfer", now) == [1.0]
    assert await values(book, "first_call_resolution", now) == [0.0]


async def test_stale_operators_data_matures_nothing(store: Store) -> None:
    book = await drawn(store)
    await intake(book).take(SERVED, LogPosition(1, 9, "", AT + timedelta(days=6)))
    await folded(book)
    now = AT + timedelta(days=30)
    assert str(await values(book, "true_resolution", now)) == "[nan]"
    await intake(book).take([], LogPosition(1, 9, "", AT + timedelta(days=8)))
    assert await values(book, "true_resolution", now) == [1.0]

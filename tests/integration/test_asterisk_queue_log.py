"""The queue_log that a real Asterisk writes, followed live, becomes contacts: served, given up, timed out."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.analytics.queue_intake import QueueIntake
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.contact import Contact, EndedBy, Unserved
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.shadow import Outcome
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.store import Store
from ivrbot.telephony.queue_log import QueueLogFollower, QueueLogReader
from tests.integration.asterisk.wait import until
from tests.integration.test_asterisk_dialplan import SetUp, Stage, set_up

pytestmark = pytest.mark.integration

__all__ = ["set_up"]

NUMBER = "+79990000001"


def unit_of(number: str, call_id: str) -> str:
    return hashlib.sha256((number or call_id).encode()).hexdigest()


def now() -> datetime:
    return datetime.now(UTC)


async def register(store: Store, form: dict[str, str]) -> CallId:
    """What the product stores of a call that it hands over."""
    call_id = CallId(form["uuid"])
    registration = CallRegistration(
        call_id, form["caller"], form["called"], form["channel"], form["uniqueid"], form["linkedid"]
    )
    await store.register(registration, now())
    told = [
        (EventType.CALL_STARTED, {}),
        (EventType.TOPIC_STATED, {"topic": "check_balance", "branch": "balance"}),
        (EventType.ESCALATED, {"reason": "control_arm", "queue": "balance"}),
        (EventType.CALL_ENDED, {"disposition": "escalated", "reason": "control_arm", "escalated_to": "balance"}),
    ]
    await store.append([CallEvent(call_id, seq, kind, 0, now(), data) for seq, (kind, data) in enumerate(told)])
    return call_id


async def contact_of(stage: Stage, folder: Path) -> Contact:
    """The contact of the stage's first call, from the log as it stands."""
    path = folder / "ivrbot.db"
    async with Store(path) as store:
        book = ContactBook(store)
        call_id = await register(store, dict(stage.api.registrations[0]))
        intake = QueueIntake(book, "queue_log", unit_of=unit_of)
        reader = QueueLogReader(stage.server.log_dir / "queue_log")
        follower = QueueLogFollower(reader, lambda piece: intake.take(piece.rows, piece.position), now)
        while await follower.step():
            pass
        reader.close()
        assert follower.rejected == 0
        writer = ContactWriter(book, unit_of=unit_of, now=now, max_call_s=600)
        while await writer.step():
            pass
        (contact,) = await book.of_call(call_id)
        assert await book.human_complete_at() is not None
        await store.erase_caller(call_id)
    return contact


def events(stage: Stage) -> list[str]:
    return [row[4] for row in stage.server.queue_log()]


async def test_served(set_up: SetUp, tmp_path: Path) -> None:
    stage = await set_up(outcome="transfer:balance|check_balance|d|0")
    caller = await stage.dial_and_talk_to_the_bot(number=NUMBER)
    (await stage.bot.call()).hang_up()
    await stage.operator.talking()
    await caller.hang_up()
    await until(lambda: "COMPLETECALLER" in events(stage), 10)
    contact = await contact_of(stage, tmp_path)
    assert contact.outcome is Outcome.RESOLVED and contact.closed
    assert contact.human is not None and contact.human.connected_at is not None
    assert contact.human.ended_by is EndedBy.CALLER
    assert contact.human.wait_s is not None and 0 <= contact.human.wait_s < 10


async def test_given_up(set_up: SetUp, tmp_path: Path) -> None:
    stage = await set_up(outcome="transfer:balance|check_balance|d|0", ring_ms=60_000, queue_s=30)
    caller = await stage.dial_and_talk_to_the_bot(number=NUMBER)
    (await stage.bot.call()).hang_up()
    await until(lambda: "ENTERQUEUE" in events(stage), 10)
    await caller.hang_up()
    await until(lambda: "ABANDON" in events(stage), 10)
    contact = await contact_of(stage, tmp_path)
    assert contact.outcome is Outcome.UNRESOLVED and contact.closed
    assert contact.human is not None and contact.human.unserved is Unserved.ABANDONED


async def test_timed_out_and_passed_on_is_one_wait_that_goes_on(set_up: SetUp, tmp_path: Path) -> None:
    stage = await set_up(outcome="transfer:balance|check_balance|d|0", ring_ms=60_000, queue_s=2)
    caller = await stage.dial_and_talk_to_the_bot(number=NUMBER)
    (await stage.bot.call()).hang_up()
    await until(lambda: events(stage).count("EXITWITHTIMEOUT") >= 2, 30)
    await caller.hang_up()
    # He hangs up during the announcement, of which no row tells, or in the next queue, where one does.
    await until(lambda: events(stage).count("ENTERQUEUE") == sum(map(events(stage).count, LEFT)), 15)
    contact = await contact_of(stage, tmp_path)
    assert contact.outcome is Outcome.UNRESOLVED
    assert contact.human is not None and contact.human.connected_at is None
    assert contact.human.unserved in {Unserved.TIMED_OUT, Unserved.ABANDONED}
    assert contact.human.wait_s is not None and contact.human.wait_s >= 3


LEFT = ("EXITWITHTIMEOUT", "ABANDON")

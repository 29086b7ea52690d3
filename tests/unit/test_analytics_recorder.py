"""The recorder: at once for calls, never lost, never twice, masked, live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import pytest

from ivrbot.analytics import recorder as recorder_module
from ivrbot.analytics.journal import EventJournal
from ivrbot.analytics.recorder import Recorder
from ivrbot.errors import StorageUnavailable
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType
from tests.fakes.store import MemoryStore
from tests.fakes.waiting import until

NOW = datetime(2026, 9, 1, 10, 0, 0, 5, UTC)
CALL, OTHER = CallId("c-1"), CallId("c-2")
SAID = EventType.BOT_SAID


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "events.jsonl"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def recorder(store: MemoryStore, journal: Path) -> AsyncIterator[Recorder]:
    async with Recorder(store, journal, lambda: NOW, retry_s=0.005) as started:
        yield started


def stored(store: MemoryStore, call_id: CallId = CALL) -> list[int]:
    return sorted(seq for held, seq in store.events if held == call_id)


async def test_events_are_numbered_per_call_and_stored(recorder: Recorder, store: MemoryStore) -> None:
    recorder.emit(CALL, SAID, 0, {"text": "здравствуйте"})
    recorder.emit(OTHER, SAID, 5)
    last = recorder.emit(CALL, EventType.CALL_ENDED, 900)
    await recorder.flush()
    assert last == CallEvent(CALL, 1, EventType.CALL_ENDED, 900, NOW, {})
    assert [event.data for event in await store.of_call(CALL)] == [{"text": "здравствуйте"}, {}]
    assert stored(store, OTHER) == [0]


async def test_what_waits_is_written_in_groups(recorder: Recorder, store: MemoryStore) -> None:
    for at in range(1_200):
        recorder.emit(CALL, SAID, at)
    await recorder.flush()
    assert store.appends == [500, 500, 200]
    assert stored(store) == list(range(1_200))


async def test_what_a_slow_store_cannot_take_in_time_goes_by_the_journal(journal: Path) -> None:
    slow = SlowStore()
    async with Recorder(slow, journal, lambda: NOW, retry_s=0.005) as recorder:
        recorder.emit(CALL, SAID, 0)
        await slow.asked.wait()
        for at in range(1, recorder_module.QUEUE_EVENTS):
            recorder.emit(CALL, SAID, at)
        slow.answer.set()
        await recorder.flush()
        assert recorder.journalled > recorder_module.QUEUE_EVENTS / 2
        assert recorder.storing
        await until(lambda: len(slow.events) == recorder_module.QUEUE_EVENTS)
    assert recorder.dropped == 0
    assert stored(slow) == list(range(recorder_module.QUEUE_EVENTS))


class SlowStore(MemoryStore):
    """Answers the first group only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def append(self, events: Sequence[CallEvent]) -> None:
        self.asked.set()
        await self.answer.wait()
        await super().append(events)


async def test_without_a_flush_they_are_written_soon(recorder: Recorder, store: MemoryStore) -> None:
    recorder.emit(CALL, SAID, 0)
    await until(lambda: stored(store) == [0])


async def test_closing_writes_what_is_queued(store: MemoryStore, journal: Path) -> None:
    recorder = Recorder(store, journal, lambda: NOW)
    await recorder.start()
    recorder.emit(CALL, SAID, 0)
    await recorder.close()
    await recorder.close()
    assert stored(store) == [0]


# --- the store is away --------------------------------------------------------------------------------


async def test_while_the_store_is_away_events_wait_in_the_journal(
    recorder: Recorder, store: MemoryStore, journal: Path
) -> None:
    store.down = True
    for at in range(60):
        recorder.emit(CALL, SAID, at)
    await recorder.flush()
    assert recorder.journalled == 60
    assert EventJournal(journal).read(0, 100)[0] == [CallEvent(CALL, at, SAID, at, NOW, {}) for at in range(60)]
    store.down = False
    recorder.emit(CALL, SAID, 60)
    await until(lambda: stored(store) == list(range(61)) and not journal.exists())


async def test_it_tells_whether_events_reach_the_store_and_notices_by_itself_that_they_do_again(
    recorder: Recorder, store: MemoryStore
) -> None:
    assert recorder.storing
    store.down = True
    recorder.emit(CALL, SAID, 0)
    await recorder.flush()
    assert not recorder.storing
    store.down = False
    await until(lambda: recorder.storing)
    assert stored(store) == [0]


async def test_a_journal_left_behind_is_written_at_the_next_start(store: MemoryStore, journal: Path) -> None:
    store.down = True
    async with Recorder(store, journal, lambda: NOW) as recorder:
        for at in range(1_200):
            recorder.emit(CALL, SAID, at, {"слово": at})
    store.down = False
    async with Recorder(store, journal, lambda: NOW):
        await until(lambda: not journal.exists())
    assert stored(store) == list(range(1_200))
    assert store.events[CALL, 7] == CallEvent(CALL, 7, SAID, 7, NOW, {"слово": 7})


async def test_a_replay_that_stops_half_way_loses_and_doubles_nothing(journal: Path) -> None:
    class Flickering(MemoryStore):
        asked = 0

        async def append(self, events: Sequence[CallEvent]) -> None:
            self.asked += 1
            if self.asked % 2:
                raise StorageUnavailable("flickers")
            await super().append(events)

    store = Flickering()
    async with Recorder(store, journal, lambda: NOW, retry_s=0.001) as recorder:
        for at in range(1_300):
            recorder.emit(CALL, SAID, at)
        await until(lambda: stored(store) == list(range(1_300)) and not journal.exists())
    assert sum(store.appends) == 1_300


async def test_a_torn_last_line_is_skipped_and_counted(store: MemoryStore, journal: Path) -> None:
    whole = EventJournal(journal)
    whole.append([CallEvent(CALL, seq, SAID, seq, NOW, {}) for seq in range(3)])
    with journal.open("ab") as file:
        file.write(b'{"call_id":"c-1","seq":3,"ty')
    whole.append([CallEvent(CALL, 4, SAID, 4, NOW, {})])
    async with Recorder(store, journal, lambda: NOW) as recorder:
        await until(lambda: not journal.exists())
        assert recorder.skipped == 1
    assert stored(store) == [0, 1, 2, 4]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)


@pytest.mark.parametrize("garbage", [b"\x00" * 64, b"[]", b"{}", b'{"call_id":1}', b"\xff\xfe", b'"text"', b"17"])
async def test_garbage_in_the_journal_stops_nothing(store: MemoryStore, journal: Path, garbage: bytes) -> None:
    _write(journal, garbage + b"\n")
    EventJournal(journal).append([CallEvent(CALL, 0, SAID, 0, NOW, {})])
    async with Recorder(store, journal, lambda: NOW) as recorder:
        await until(lambda: not journal.exists())
        assert recorder.skipped == 1
    assert stored(store) == [0]


async def test_with_neither_store_nor_journal_events_wait_in_memory(
    recorder: Recorder, store: MemoryStore, journal: Path
) -> None:
    journal.parent.write_text("a file where the folder should be")
    store.down = True
    recorder.emit(CALL, SAID, 0)
    await until(lambda: recorder._store_down_until > 0)
    assert recorder.waiting == 1
    store.down = False
    await recorder.flush()
    assert stored(store) == [0]


async def test_a_full_queue_drops_the_newest_and_counts(
    store: MemoryStore, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "QUEUE_EVENTS", 10)
    recorder = Recorder(store, journal, lambda: NOW)  # nothing is written before it is started
    for at in range(12):
        recorder.emit(CALL, SAID, at)
    assert recorder.dropped == 2
    async with recorder:
        await recorder.flush()
        recorder.emit(CALL, SAID, 12)
    assert stored(store) == [*range(10), 12]  # the gap in seq shows the loss


async def test_an_event_that_the_store_refuses_takes_no_other_with_it(journal: Path) -> None:
    class Picky(MemoryStore):
        async def append(self, events: Sequence[CallEvent]) -> None:
            if any(event.seq == 1 for event in events):
                raise ValueError("not this one")
            await super().append(events)

    store = Picky()
    async with Recorder(store, journal, lambda: NOW) as recorder:
        for at in range(3):
            recorder.emit(CALL, SAID, at)
        await recorder.flush()
        assert recorder.rejected == 1
    assert stored(store) == [0, 2]


async def test_a_call_of_an_earlier_process_is_numbered_on(recorder: Recorder, store: MemoryStore) -> None:
    await store.append([CallEvent(CALL, seq, SAID, 0, NOW, {}) for seq in range(4)])
    await recorder.resume(CALL)
    await recorder.resume(OTHER)
    assert (recorder.emit(CALL, SAID, 0).seq, recorder.emit(OTHER, SAID, 0).seq) == (4, 0)
    await recorder.resume(CALL)
    assert recorder.emit(CALL, SAID, 0).seq == 5


async def test_numbering_on_waits_for_the_journal(store: MemoryStore, journal: Path) -> None:
    EventJournal(journal).append([CallEvent(CALL, seq, SAID, 0, NOW, {}) for seq in range(2)])
    async with Recorder(store, journal, lambda: NOW) as recorder:
        await recorder.resume(CALL)
        assert recorder.emit(CALL, SAID, 0).seq == 2


# --- masking ------------------------------------------------------------------------------------------


class _Code(StrEnum):
    A = "a"


async def test_long_digit_runs_are_masked_wherever_they_hide(recorder: Recorder, store: MemoryStore) -> None:
    card, phone = "4000 0012 3456 7899", "+7 999 000-00-01"
    data = {
        "text": f"карта {card}",
        "list": [{"deep": phone}, (card,)],
        card: 1,
        "number": 79990000001,
        "balance_minor": 1_234_567,
        "ok": True,
    }
    recorder.emit(CALL, SAID, 0, data)
    await recorder.flush()
    (event,) = await store.of_call(CALL)
    assert event.data == {
        "text": "карта ***",
        "list": [{"deep": "***"}, ["***"]],
        "***": 1,
        "number": "***",
        "balance_minor": 1_234_567,
        "ok": True,
    }


async def test_whatever_is_given_can_be_written_as_json(recorder: Recorder, store: MemoryStore) -> None:
    data = {"nan": float("nan"), "enum": _Code.A, "path": Path("x"), "half": "\ud800", "none": None, "set": {1}}
    event = recorder.emit(CALL, SAID, 0, data)
    assert json.loads(json.dumps(event.data, allow_nan=False).encode()) == {
        "nan": None,
        "enum": "a",
        "path": "x",
        "half": "?",
        "none": None,
        "set": [1],
    }


# --- live views ---------------------------------------------------------------------------------------


async def test_views_see_their_call_or_all(recorder: Recorder) -> None:
    async with recorder.subscribe(CALL) as one, recorder.subscribe() as everything:
        recorder.emit(CALL, SAID, 0)
        recorder.emit(OTHER, SAID, 0)
        one.close()
        everything.close()
        assert [event.call_id async for event in one] == [CALL]
        assert [event.call_id async for event in everything] == [CALL, OTHER]
    recorder.emit(CALL, SAID, 1)


async def test_a_waiting_view_wakes_up(recorder: Recorder) -> None:
    async with recorder.subscribe(CALL) as view:
        first = asyncio.ensure_future(anext(aiter(view)))
        await asyncio.sleep(0)
        recorder.emit(CALL, SAID, 7)
        assert (await first).t_ms == 7


async def test_a_slow_view_loses_the_oldest_and_slows_nobody(recorder: Recorder, store: MemoryStore) -> None:
    async with recorder.subscribe() as view:
        for at in range(1_005):
            recorder.emit(CALL, SAID, at)
        await recorder.flush()
        assert (view.dropped, (await anext(aiter(view))).seq) == (5, 5)
    assert len(stored(store)) == 1_005


async def test_views_end_with_the_recorder(store: MemoryStore, journal: Path) -> None:
    async with Recorder(store, journal, lambda: NOW) as recorder:
        view = recorder.subscribe()
        recorder.emit(CALL, SAID, 0)
    assert [event.seq async for event in view] == [0]


# --- the journal --------------------------------------------------------------------------------------


def test_a_group_that_does_not_fit_leaves_the_journal_as_it_was(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [CallEvent(CALL, seq, SAID, seq, NOW, {}) for seq in range(3)]
    held = EventJournal(journal)
    held.append(events[:1])
    before = journal.read_bytes()

    first = iter((True, False))

    def half(descriptor: int, block: bytes) -> int:
        if next(first):
            with open(f"/proc/self/fd/{descriptor}", "ab", buffering=0) as file:  # noqa: PTH123
                return int(file.write(bytes(block[: len(block) // 2])))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ivrbot.analytics.journal.os.write", half)
        with pytest.raises(OSError, match="No space"):
            held.append(events[1:])
    assert journal.read_bytes() == before
    held.append(events[1:])
    assert held.read(0, 10) == (events, journal.stat().st_size, 0)

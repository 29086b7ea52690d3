"""Journals of workers that are gone: written to the store once, and never while somebody owns them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from ivrbot.analytics.journal import EventJournal
from ivrbot.analytics.journal_owner import JournalOwner, adopt_journals
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType
from tests.fakes.store import MemoryStore

CALL = CallId("call-1")
AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OWNER = """
import sys
from pathlib import Path
from ivrbot.analytics.journal_owner import JournalOwner
owner = JournalOwner(Path(sys.argv[1]))
assert owner.take()
print("mine", flush=True)
sys.stdin.read()
"""


def left_behind(folder: Path) -> Path:
    """A journal of 1,200 events, its last line torn."""
    path = folder / "ivrbot.sqlite.journal-2.jsonl"
    events = [CallEvent(CALL, seq, EventType.BOT_SAID, seq, AT, {"text": "слово"}) for seq in range(1200)]
    EventJournal(path).append(events)
    with path.open("ab") as file:
        file.write(b'{"call_id": "call-1", "se')
    return path


async def test_what_waits_is_written_once_and_the_file_goes(tmp_path: Path) -> None:
    path, store = left_behind(tmp_path), MemoryStore()
    await store.append([CallEvent(CALL, 3, EventType.BOT_SAID, 3, AT, {"text": "слово"})])
    assert await adopt_journals(store, lambda: [path]) == 1200
    assert [event.seq for event in await store.of_call(CALL)] == list(range(1200))
    assert not path.exists()
    assert await adopt_journals(store, lambda: [path]) == 0


def test_a_journal_is_its_owners_until_his_process_ends(tmp_path: Path) -> None:
    path, store = left_behind(tmp_path), MemoryStore()
    command = [sys.executable, "-c", OWNER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "mine\n"
            assert not JournalOwner(path).take()
            assert asyncio.run(adopt_journals(store, lambda: [path])) == 0
        finally:
            process.kill()
    assert asyncio.run(adopt_journals(store, lambda: [path])) == 1200


async def test_given_back_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    first, second = JournalOwner(path), JournalOwner(path)
    assert first.take()
    assert not second.take()
    first.give_back()
    await second.wait()
    second.give_back()

"""Events flow while the server is killed and started again: the database ends with as many as were emitted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.storage_load import drained, load
from ivrbot.analytics.recorder import Recorder
from ivrbot.model.call import CallId
from ivrbot.model.events import EventType
from ivrbot.storage.engines import PostgresAddress
from ivrbot.storage.store import Store
from tests.integration.postgres.server import PostgresServer

pytestmark = pytest.mark.integration


async def test_killed_in_between_nothing_is_lost_or_doubled(
    postgres: PostgresServer, database: PostgresAddress
) -> None:
    result = await load(postgres, database, seconds=20, rate=300, away_s=2)
    assert (result.stored, result.doubled, result.gaps, result.dropped) == (result.emitted, 0, 0, 0)
    assert result.journalled > 0
    assert set(result.pages["there"]) == {200}
    assert set(result.pages["away"]) <= {200, 503}


async def test_a_torn_journal_is_replayed_by_the_next_process(database: PostgresAddress, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    call = CallId("torn")
    away = Store(PostgresAddress(database.url.replace("127.0.0.1", "127.0.0.2"), database.password))
    async with Recorder(away, journal, lambda: datetime.now(UTC)) as recorder:  # never opened: away
        for seq in range(100):
            recorder.emit(call, EventType.BOT_SAID, seq, {"text": "слово"})
        await recorder.flush()
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 100
    # a process that was killed in the middle of a line, and one that had written some of it to the store already
    journal.write_bytes(b"".join(lines) + json.dumps({"call_id": "torn", "seq": 100}).encode()[:-5])
    async with Store(database, deadline_s=30) as store:
        for _ in range(2):
            async with Recorder(store, journal, lambda: datetime.now(UTC)) as recorder:
                await drained(recorder, journal)
            journal.write_bytes(b"".join(lines[40:]))
        assert [event.seq for event in await store.of_call(call)] == list(range(100))

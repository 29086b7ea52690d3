"""What SQLite's store promises beyond the contract: group commit, crashes, full disks, other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy import event as sa_event

from ivrbot.errors import StorageConflict, StorageUnavailable
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.rollout import ALL_BRANCHES
from ivrbot.rollout.governing.control import kill
from ivrbot.storage.store import Store
from tests.contract.store import CALL, NOW, TENTH, dossier, event, exposure

CRASHER = """
import asyncio, sys
from pathlib import Path
from ivrbot.model.call import CallId
from ivrbot.storage.store import Store
from tests.contract.store import event

async def one(store, number):
    for seq in range(10_000):
        await store.append([event(seq, CallId(f"call-{number}"))])
        print(number, seq, flush=True)

async def main():
    async with Store(Path(sys.argv[1])) as store:
        await asyncio.gather(*(one(store, number) for number in range(20)))

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ivrbot.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with Store(path) as opened:
        yield opened


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def test_the_file_is_durable_and_private(store: Store, path: Path) -> None:
    await store.append([event(0)])
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    writer = store._writer
    assert writer is not None
    synchronous = await asyncio.wrap_future(
        writer.submit(lambda conn: conn.exec_driver_sql("PRAGMA synchronous").scalar_one())
    )
    assert synchronous == 2  # FULL


async def test_what_arrives_during_a_commit_goes_together(store: Store) -> None:
    writer = store._writer
    assert writer is not None
    gate = threading.Event()
    held = writer.submit(lambda _conn: gate.wait(10))
    appends = [asyncio.ensure_future(store.append([event(0, CallId(f"c{at}"))])) for at in range(100)]
    await asyncio.sleep(0)  # lets each of them queue its write
    before = writer.groups
    gate.set()
    await asyncio.gather(asyncio.wrap_future(held), *appends)
    assert writer.groups - before <= 2


async def test_one_refused_write_takes_no_other_with_it(store: Store) -> None:
    await store.register(CallRegistration(CALL), NOW)
    answers = await asyncio.gather(
        store.append([event(0)]),
        store.register(CallRegistration(CALL), NOW),
        store.append([event(1)]),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), StorageConflict, type(None)]
    assert len(await store.of_call(CALL)) == 2


async def test_a_write_that_breaks_leaves_the_writer_alive(store: Store) -> None:
    with pytest.raises(ValueError, match="aware"):
        await store.append([replace(event(0), at=NOW.replace(tzinfo=None))])
    await store.append([event(0)])
    assert len(await store.of_call(CALL)) == 1


async def test_reopened_it_has_everything(path: Path) -> None:
    async with Store(path) as store:
        await store.append([event(0)])
        await store.change_state(TENTH, "a", "b", NOW)
    async with Store(path) as store:
        assert await store.of_call(CALL) == (event(0),)
        assert await store.states() == {"balance": TENTH}


async def test_after_kill_9_every_acknowledged_event_is_there(path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this loop
        [sys.executable, "-c", CRASHER, str(path)], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(100)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    acknowledged = {tuple(map(int, line.split())) for line in told if line.endswith("\n")}
    assert process.returncode == -signal.SIGKILL
    async with Store(path) as store:
        stored = {
            (number, item.seq) for number in range(20) for item in await store.of_call(CallId(f"call-{number}"))
        }
        assert acknowledged <= stored
        await store.append([event(0, CallId("call-0")), event(10_000, CallId("call-0"))])
    assert rows(path, "SELECT call_id, seq FROM events GROUP BY call_id, seq HAVING count(*) > 1") == []
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


async def test_error_texts_hold_no_values(store: Store) -> None:
    number = dossier().caller
    with pytest.raises(StorageUnavailable, match="nowhere") as caught:
        await store.read(lambda conn: conn.exec_driver_sql("SELECT ? FROM nowhere", (number,)))
    assert number not in f"{caught.value}{caught.value.__cause__}"


async def test_a_full_disk_is_an_error_and_then_over(store: Store) -> None:
    writer = store._writer
    assert writer is not None

    def limit(pages: int) -> None:
        @sa_event.listens_for(writer._engine, "begin")
        def _limited(conn: Connection) -> None:
            conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await store.append([event(0)])
    limit(1)  # SQLite keeps it at the present size: the next page is one too many
    large = "большой " * 50_000
    with pytest.raises(StorageUnavailable, match="full"):
        await store.append([event(1, text=large)])
    assert await store.of_call(CALL) == (event(0),)
    limit(1_000_000)
    await store.append([event(1, text=large)])
    assert [item.seq for item in await store.of_call(CALL)] == [0, 1]


async def test_a_kill_from_another_process_meets_the_next_call(store: Store, path: Path) -> None:
    await store.change_state(TENTH, "a", "b", NOW)
    async with Store(path) as command_line:
        await kill(command_line, None, who="owner", why="wrong balances", at=NOW)
    state = await store.expose(exposure())
    assert state is not None
    assert state.killed
    assert await store.exposure(CALL, "balance") is None
    assert set(await store.own_states()) == {"balance", ALL_BRANCHES}


async def test_a_database_locked_by_others_is_unavailable_and_then_works(path: Path) -> None:
    async with Store(path, deadline_s=0.05) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailable, match="did not answer"):
                await store.append([event(0)])
            assert await store.of_call(CALL) == ()  # readers are not held up
            other.execute("ROLLBACK")
    async with Store(path) as store:
        await store.append([event(0)])
        assert len(await store.of_call(CALL)) == 1


async def test_callers_numbers_stand_in_the_calls_table_only(store: Store, path: Path) -> None:
    number = dossier().caller
    await store.register(CallRegistration(CALL, number), NOW)
    await store.save_dossier(dossier())
    tables = [str(name) for (name,) in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    holding = {name for name in tables if number in str(rows(path, f"SELECT * FROM {name}"))}
    assert holding == {"calls"}


# --- what cannot be opened ----------------------------------------------------------------------------


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"not a database, really not one at all" * 50)
    with pytest.raises(StorageUnavailable, match=r"notes\.txt"):
        await Store(path).start()
    assert path.read_bytes().startswith(b"not a database")


async def test_a_newer_schema_is_refused(path: Path) -> None:
    async with Store(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(StorageUnavailable, match="newer"):
        await Store(path).start()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailable, match="file"):
        await Store(tmp_path / "file" / "ivrbot.db").start()


async def test_closed_or_never_opened_it_is_unavailable(path: Path) -> None:
    store = Store(path)
    with pytest.raises(StorageUnavailable, match="not open"):
        await store.append([event(0)])
    await store.start()
    await store.close()
    await store.close()
    with pytest.raises(StorageUnavailable, match="not open"):
        await store.states()

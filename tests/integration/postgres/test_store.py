"""What the store promises over PostgreSQL beyond the contract: one writer at a time, no values in errors."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from ivrbot.errors import ConfigError, StorageConflict, StorageUnavailable
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import ALL_BRANCHES, StateChange
from ivrbot.rollout.governing.control import kill
from ivrbot.storage import migrations, schema
from ivrbot.storage.audit_rows import stored_audit
from ivrbot.storage.engines import PostgresAddress
from ivrbot.storage.store import Store
from tests.contract.store import CALL, NOW, TENTH, StoreContract, dossier, event, exposure
from tests.contract.test_evidence import TestContactEvidence
from tests.integration.postgres.server import PostgresServer
from tools.new_migration import differences

pytestmark = pytest.mark.integration

CRASHER = """
import asyncio, sys
from ivrbot.model.call import CallId
from ivrbot.storage.engines import PostgresAddress
from ivrbot.storage.store import Store
from tests.contract.store import event

async def one(store, number):
    for seq in range(10_000):
        await store.append([event(seq, CallId(f"call-{number}"))])
        print(number, seq, flush=True)

async def main():
    async with Store(PostgresAddress(sys.argv[1], sys.stdin.readline().strip()), deadline_s=30) as store:
        await asyncio.gather(*(one(store, number) for number in range(20)))

asyncio.run(main())
"""


@pytest.fixture
async def store(database: PostgresAddress) -> AsyncIterator[Store]:
    async with Store(database, deadline_s=30) as opened:
        yield opened


class TestStoreContract(StoreContract):
    """The contract, on this server."""

    @pytest.fixture
    def store(self, store: Store) -> Store:
        return store


class TestEvidenceContract(TestContactEvidence):
    """Contacts and columns, on this server."""

    @pytest.fixture(autouse=True)
    def store(self, store: Store) -> Iterator[None]:  # type: ignore[override]
        self.opened = store
        yield


def name_of(address: PostgresAddress) -> str:
    return address.url.rpartition("/")[2]


# --- schema -------------------------------------------------------------------------------------------


async def test_the_steps_make_the_tables_of_the_code(postgres: PostgresServer) -> None:
    with postgres.database(empty=True) as address:
        stores = [Store(address, deadline_s=30) for _ in range(3)]
        await asyncio.gather(*(store.start() for store in stores))  # at once: one of them makes everything
        for store in stores:
            await store.close()
        engine = address.writing()
        with engine.begin() as conn:
            revision, found = migrations.current_revision(conn), differences(conn)
        engine.dispose()
        assert revision == migrations.newest_revision()
        assert found == [], 'run: python -m tools.new_migration "what changes"'


async def test_a_newer_schema_is_refused(postgres: PostgresServer, database: PostgresAddress) -> None:
    postgres.query(name_of(database), "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageUnavailable, match="newer"):
        await Store(database).start()


# --- writing ------------------------------------------------------------------------------------------


async def test_two_processes_count_each_guess_on_top_of_the_others(database: PostgresAddress) -> None:
    async with Store(database, deadline_s=30) as one, Store(database, deadline_s=30) as other:
        both = ("customer:1", "number:1")
        guesses = [store.reserve(both, CALL, NOW, NOW) for _ in range(40) for store in (one, other)]
        reserved = await asyncio.gather(*guesses)
        assert sorted(found.before for found in reserved) == [(count, count) for count in range(80)]
        raised = await asyncio.gather(*(store.raise_once("alarm", CALL, NOW, NOW) for store in (one, other)))
        assert sorted(raised) == [False, True]


async def test_what_arrives_during_a_commit_goes_together(store: Store) -> None:
    writer = store._writer
    assert writer is not None
    gate = threading.Event()
    held = writer.submit(lambda _conn: gate.wait(60))
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
        store.append([replace(event(1), t_ms=2**40)]),  # more than the column holds
        store.append([event(2)]),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), StorageConflict, ValueError, type(None)]
    assert len(await store.of_call(CALL)) == 2


async def test_of_two_processes_one_writes_at_a_time(store: Store, database: PostgresAddress) -> None:
    await store.change_state(TENTH, "a", "b", NOW)
    async with Store(database, deadline_s=30) as other:

        async def change(which: Store, epoch: int) -> None:
            change = StateChange(TENTH, replace(TENTH, epoch=epoch), "set")
            await which.apply_changes([change], "a", "b", NOW)

        for _ in range(5):
            tries = [change(which, epoch) for epoch, which in enumerate((store, other) * 4, start=2)]
            answers = await asyncio.gather(*tries, return_exceptions=True)
            assert [answer for answer in answers if answer is None] == [None]
            assert {type(answer) for answer in answers if answer is not None} == {StorageConflict}
            changed = (await store.states())["balance"]
            await store.apply_changes([StateChange(changed, TENTH, "set")], "a", "b", NOW)
    assert [row.seq for row in await store.history()] == list(range(1, 12))


async def test_a_kill_from_another_process_meets_the_next_call(store: Store, database: PostgresAddress) -> None:
    await store.change_state(TENTH, "a", "b", NOW)
    async with Store(database, deadline_s=30) as command_line:
        await kill(command_line, None, who="owner", why="wrong balances", at=NOW)
    state = await store.expose(exposure())
    assert isinstance(state, BranchState)
    assert state.killed
    assert await store.exposure(CALL, "balance") is None
    assert set(await store.own_states()) == {"balance", ALL_BRANCHES}


async def test_after_kill_9_every_acknowledged_event_is_there(database: PostgresAddress) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this loop
        [sys.executable, "-c", CRASHER, database.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdin.write(database.password + "\n")
        process.stdin.flush()
        told = [process.stdout.readline() for _ in range(100)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    acknowledged = {tuple(map(int, line.split())) for line in told if line.endswith("\n")}
    async with Store(database, deadline_s=30) as store:
        stored = {
            (number, item.seq) for number in range(20) for item in await store.of_call(CallId(f"call-{number}"))
        }
        assert len(acknowledged) >= 100
        assert acknowledged <= stored
        await store.append([event(0, CallId("call-0"))])  # the lock went with its holder


# --- a server that goes away --------------------------------------------------------------------------


async def test_cut_connections_are_made_again(store: Store, postgres: PostgresServer) -> None:
    await store.append([event(0)])
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ivrbot'"
    postgres.query("postgres", cut)
    await store.append([event(1)])
    assert len(await store.of_call(CALL)) == 2


async def test_away_and_back(database: PostgresAddress, postgres: PostgresServer) -> None:
    async with Store(database, deadline_s=60) as store:
        await store.append([event(0)])
        postgres.kill()
        try:
            with pytest.raises(StorageUnavailable):
                await store.append([event(1)])
            with pytest.raises(StorageUnavailable):
                await store.of_call(CALL)
        finally:
            await asyncio.to_thread(postgres.start)
        await store.append([event(1)])
        assert await store.of_call(CALL) == (event(0), event(1))


# --- what is told -------------------------------------------------------------------------------------


async def test_errors_hold_no_values(store: Store) -> None:
    number = dossier().caller
    whole_row = {"call_id": CALL, "registered_at": NOW, "caller": number, "called": None}
    tries = (
        lambda conn: conn.execute(insert(schema.calls).values(whole_row)),  # the server shows the failing row
        lambda conn: conn.exec_driver_sql("SELECT CAST(%s AS boolean)", (number,)),
        lambda conn: conn.exec_driver_sql("SELECT %s FROM nowhere", (number,)),
    )
    for work in tries:
        for way in (store.write, store.read):
            with pytest.raises(Exception) as caught:
                await way(work)
            assert number not in "".join(traceback.format_exception(caught.value))
    assert await store.of_call(CALL) == ()


async def test_the_password_stands_nowhere(
    database: PostgresAddress, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "not-" + database.password
    with pytest.raises(StorageUnavailable, match="password authentication failed") as caught:
        await Store(PostgresAddress(database.url, wrong)).start()
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + postgres.log()
    assert database.password not in told + repr(database) + str(database)
    assert wrong not in told
    with pytest.raises(ConfigError) as refused:
        PostgresAddress(f"postgresql://ivrbot:{wrong}@127.0.0.1/bank")
    assert wrong not in str(refused.value)


async def test_a_database_that_is_not_there_is_named(database: PostgresAddress) -> None:
    address = PostgresAddress(database.url + "x", database.password)
    with pytest.raises(StorageUnavailable, match="does not exist"):
        await Store(address).start()


# --- the audit, byte for byte -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "detail = CAST(replace(CAST(detail AS text), '{', '{ ') AS json)",
        "after = CAST(replace(CAST(after AS text), '\"share\":0.1', '\"share\":1e-1') AS json)",
        "at = at + interval '1 microsecond'",
        "override = NOT override",
        "why = why || ' '",
        "hash = upper(hash)",
    ],
)
async def test_a_changed_row_of_the_audit_is_found(
    store: Store, postgres: PostgresServer, database: PostgresAddress, change: str
) -> None:
    await store.apply_changes([StateChange(None, TENTH, "set", detail={"да": 1})], "a", "b", NOW)
    (whole,), _ = await stored_audit(store)
    assert whole.fault == ""
    assert whole.row == (await store.history())[0]
    postgres.query(name_of(database), f"UPDATE audit SET {change}")
    (damaged,), _ = await stored_audit(store)
    assert damaged.fault or damaged.row != whole.row

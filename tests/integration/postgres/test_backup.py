"""Backups between the two databases, and what the command line makes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ivrbot.cli.main import main
from ivrbot.model.call import CallId
from ivrbot.rollout.governing.control import adopt, kill
from ivrbot.storage.backup import backup, restore
from ivrbot.storage.engines import Opening, PostgresAddress, SqliteFile
from ivrbot.storage.store import Store
from tests.contract.store import CALL, NOW, event
from tests.integration.postgres.server import PostgresServer
from tests.unit.rollout_data import branch_plan, plan_of
from tests.unit.test_backup import everything, filled

pytestmark = pytest.mark.integration


@pytest.fixture
async def busy(database: PostgresAddress) -> AsyncIterator[Store]:
    """A store that is written to all the time."""
    async with Store(database, deadline_s=60) as store, asyncio.TaskGroup() as group:
        await filled(store)

        async def write() -> None:
            for seq in range(2, 100_000):
                await store.append([event(seq), event(seq, CallId("other"))])

        writing = group.create_task(write())
        while len(await store.of_call(CALL)) < 20:
            pass
        yield store
        writing.cancel()


async def same(one: Opening, other: Opening) -> bool:
    async with Store(one, deadline_s=60) as left, Store(other, deadline_s=60) as right:
        return await everything(left) == await everything(right)


async def test_from_postgresql_to_a_file_and_back(busy: Store, postgres: PostgresServer, tmp_path: Path) -> None:
    manifest = await backup(busy, tmp_path / "1.zip")
    file = SqliteFile(tmp_path / "to.db")
    await asyncio.to_thread(restore, file, tmp_path / "1.zip")
    async with Store(file.path) as store:
        assert [item.seq for item in await store.of_call(CALL)] == list(range(len(await store.of_call(CALL))))
        again = await backup(store, tmp_path / "2.zip")
    digests = [{name: note.digest for name, note in made.tables.items()} for made in (manifest, again)]
    assert digests[0] == digests[1]
    with postgres.database(empty=True) as empty:
        done = await asyncio.to_thread(restore, empty, tmp_path / "2.zip")
        assert done.rows == manifest.rows
        assert await same(file, empty)
        async with Store(empty, deadline_s=60) as store:  # counters go on
            await store.add_failure("customer:1", CALL, NOW)
            await filled_again(store)


async def filled_again(store: Store) -> None:
    await store.append([event(0, CallId("new"))])
    await store.change_state((await store.states())["balance"], "кто", "зачем", NOW)


def test_the_rehearsal_on_the_command_line(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(postgres.password)
    monkeypatch.setenv("IVRBOT_DATABASE__PASSWORD_FILE", str(tmp_path / "secret"))
    asyncio.run(two_changes(tmp_path / "var" / "ivrbot.sqlite"))
    assert run("db", "backup", "b.zip")["rows"] > 2
    with postgres.database(empty=True) as address:
        restored = run("db", "restore", "b.zip", "--into", address.url)
        monkeypatch.setenv("IVRBOT_DATABASE__URL", address.url)
        assert run("db", "upgrade")["before"] == restored["schema"]
        verified = CliRunner().invoke(main, ["rollout", "verify"])
        assert verified.exit_code == 0, verified.output
        refused = CliRunner().invoke(main, ["db", "restore", "b.zip"])
        assert refused.exit_code != 0
        assert "not empty" in refused.output
        assert postgres.password not in refused.output


async def two_changes(path: Path) -> None:
    path.parent.mkdir()
    async with Store(path) as store:
        await adopt(plan_of(branch_plan()), store, "start:test", NOW)
        await kill(store, "balance", who="user:owner", why="wrong balances", at=NOW)
        await store.append([event(0), event(1)])


def run(*arguments: str) -> dict[str, object]:
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    told: dict[str, object] = json.loads(done.stdout)
    return told

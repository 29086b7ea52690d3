"""Backups: whole, of one moment, refused when anything about them is wrong."""

from __future__ import annotations

import asyncio
import json
import stat
import zipfile
from pathlib import Path

import pytest

from ivrbot.errors import ConfigError, StorageConflict
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.storage import backup as archives
from ivrbot.storage.audit_rows import stored_audit
from ivrbot.storage.backup import backup, check, restore
from ivrbot.storage.contact_tables import mark_due
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.engines import SqliteFile
from ivrbot.storage.neutral_rows import lines, shapes
from ivrbot.storage.store import Store
from tests.contract.store import CALL, NOW, TENTH, dossier, event, exposure


async def filled(store: Store) -> None:
    await store.append([event(0, text="слово \x00 \n ≠"), event(1), event(0, CallId("other"))])
    await store.register(CallRegistration(CALL, "+79990000001", language="ru"), NOW)
    await store.save_dossier(dossier())
    await store.change_state(TENTH, "кто", "зачем", NOW)
    await store.expose(exposure())
    await store.write(lambda conn: mark_due(conn, ["a", "b"]))


async def everything(store: Store) -> dict[str, list[bytes]]:
    def read(conn):  # type: ignore[no-untyped-def]
        return {name: sorted(lines(conn, shape)) for name, shape in shapes(conn).items()}

    held: dict[str, list[bytes]] = await store.read(read)
    return held


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    async with Store(tmp_path / "from.db") as store:
        await filled(store)
        await backup(store, tmp_path / "backup.zip")
    return tmp_path / "backup.zip"


def changed(file: Path, **members: bytes | None) -> Path:
    """A copy with other members; "events" is tables/events.jsonl; None leaves one out."""
    copy = file.with_name("changed.zip")
    wanted = {
        f"tables/{name}.jsonl" if name != "manifest" else "manifest.json": to for name, to in members.items()
    }
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = wanted.pop(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in wanted.items():
            new.writestr(name, content or b"")
    return copy


async def test_every_row_comes_back(file: Path, tmp_path: Path) -> None:
    done = restore(SqliteFile(tmp_path / "to.db"), file)
    async with Store(tmp_path / "from.db") as before, Store(tmp_path / "to.db") as after:
        assert await everything(after) == await everything(before)
        assert done.rows == sum(len(rows) for rows in (await everything(after)).values())
        rows, _ = await stored_audit(after)
        assert [row.fault for row in rows] == [""]
        await after.write(lambda conn: mark_due(conn, ["c"]))
        marks = await ContactBook(after).due(10)
        assert len({mark for mark, _ in marks}) == len(marks) > 2  # counters go on behind the largest id


def test_only_the_owner_of_the_process_may_read_it(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_backup_is_one_moment_of_a_busy_store(tmp_path: Path) -> None:
    async with Store(tmp_path / "from.db") as store:
        stop = asyncio.Event()

        async def busy() -> None:
            for seq in range(100_000):
                if stop.is_set():
                    return
                await asyncio.gather(store.append([event(seq)]), store.append([event(seq, CallId("other"))]))

        writing = asyncio.create_task(busy())
        while len(await store.of_call(CALL)) < 20:
            pass
        manifest = await backup(store, tmp_path / "backup.zip")
        stop.set()
        await writing
    restore(SqliteFile(tmp_path / "to.db"), tmp_path / "backup.zip")
    async with Store(tmp_path / "to.db") as store:
        kept = [[item.seq for item in await store.of_call(call)] for call in (CALL, CallId("other"))]
        assert [seqs == list(range(len(seqs))) for seqs in kept] == [True, True]
        assert sum(map(len, kept)) == manifest.tables["events"].rows >= 40


async def test_only_an_empty_database_takes_one(file: Path, tmp_path: Path) -> None:
    where = SqliteFile(tmp_path / "to.db")
    async with Store(tmp_path / "to.db") as store:
        await store.append([event(7)])
    with pytest.raises(StorageConflict, match=r"not empty \(events\)"):
        restore(where, file)
    async with Store(tmp_path / "to.db") as store:
        assert await store.of_call(CALL) == (event(7),)
    restore(where, file, replace=True)
    async with Store(tmp_path / "to.db") as store:
        assert [item.seq for item in await store.of_call(CALL)] == [0, 1]


async def test_a_failure_on_the_way_leaves_the_database_as_it_was(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Store(tmp_path / "to.db") as store:
        await store.append([event(7)])

    def fails(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(archives, "_compare", fails)
    with pytest.raises(OSError, match="no"):
        restore(SqliteFile(tmp_path / "to.db"), file, replace=True)
    async with Store(tmp_path / "to.db") as store:
        assert await store.of_call(CALL) == (event(7),)


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        events, audit = archive.read("tables/events.jsonl"), archive.read("tables/audit.jsonl")
    other = changed(
        file,
        events=events.replace("слово 1".encode(), "слово 2".encode()),
        audit=audit + audit,
        calls=None,
        strange=b"[]\n",
    )
    with pytest.raises(ConfigError) as caught:
        check(other)
    told = {problem.path: problem.message for problem in caught.value.problems}
    assert sorted(told) == [f"tables/{name}.jsonl" for name in ("audit", "calls", "events", "strange")]
    assert "changed" in told["tables/events.jsonl"]
    assert "missing" in told["tables/calls.jsonl"]


def test_a_bomb_is_refused_before_it_is_unpacked(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    bomb = b"[" + b" " * (archives.BOMB_BYTES + 1) + b"]\n"
    manifest["tables"]["events"]["bytes"] = len(bomb)
    with pytest.raises(ConfigError, match="times its size"):
        check(changed(file, events=bomb, manifest=json.dumps(manifest).encode()))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format 2"),
        ({"revision": "9999"}, "newer"),
        ({"tables": {"events": {"rows": -1}}}, "greater than or equal"),
        ({"more": 1}, "Extra inputs"),
    ],
)
def test_a_manifest_that_is_not_ours(file: Path, change: dict[str, object], told: str) -> None:
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    with pytest.raises(ConfigError, match=told):
        check(changed(file, manifest=json.dumps(manifest | change).encode()))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.zip"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a backup"):
        check(path)


async def test_a_file_that_is_there_is_left_alone(file: Path, tmp_path: Path) -> None:
    before = await asyncio.to_thread(file.read_bytes)
    async with Store(tmp_path / "from.db") as store:
        with pytest.raises(ConfigError, match="exists already"):
            await backup(store, file)
        with pytest.raises(ConfigError, match="cannot be written"):
            await backup(store, tmp_path / "nowhere" / "backup.zip")
    assert await asyncio.to_thread(file.read_bytes) == before

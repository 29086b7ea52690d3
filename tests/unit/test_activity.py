"""The activity log: nothing is lost, nothing can be changed unseen, nothing personal gets in by accident."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from ivrbot.storage.activity import ActivityLog, activity
from ivrbot.storage.store import Store

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def test_rows_come_back_newest_first(tmp_path: Path) -> None:
    async with Store(tmp_path / "a.sqlite") as store:
        log = ActivityLog(store, lambda: AT)
        await log.note("anna", "view", "dossier", "d1", branch="cards")
        await log.note("ivan", "view", "call", "c1", branch="money", detail={"lines": 3})
        newest, oldest = await log.read()
        assert (newest.who, newest.ref, newest.detail, newest.seq) == ("ivan", "c1", {"lines": 3}, 2)
        assert (oldest.at, oldest.branch, newest.previous_hash) == (AT, "cards", oldest.hash)


async def test_rows_are_found_by_what_they_say(tmp_path: Path) -> None:
    async with Store(tmp_path / "a.sqlite") as store:
        log = ActivityLog(store, lambda: AT)
        for number in range(4):
            await log.note("anna", "view", "call", f"c{number}", branch="cards" if number % 2 else "")
        assert [row.ref for row in await log.read(limit=2)] == ["c3", "c2"]
        assert [row.ref for row in await log.read(before_seq=3)] == ["c1", "c0"]
        assert [row.ref for row in await log.read(branches=frozenset({"cards"}))] == ["c3", "c1"]
        assert [row.seq for row in await log.read(ref="c1", who="anna", kind="call", action="view")] == [2]
        assert await log.read(who="ivan") == ()


async def test_many_at_once_make_one_chain(tmp_path: Path) -> None:
    async with Store(tmp_path / "a.sqlite") as first, Store(tmp_path / "a.sqlite") as second:
        logs = ActivityLog(first, lambda: AT), ActivityLog(second, lambda: AT)
        await asyncio.gather(*(logs[n % 2].note("anna", "view", "call", str(n)) for n in range(20)))
        assert sorted(int(row.ref) for row in await logs[0].read()) == list(range(20))
        assert await logs[1].verify() is None


@pytest.mark.parametrize(("column", "value"), [("who", "boris"), ("ref", "c9"), ("detail", {"x": 1}), ("seq", 9)])
async def test_a_changed_row_is_named(tmp_path: Path, column: str, value: object) -> None:
    async with Store(tmp_path / "a.sqlite") as store:
        log = ActivityLog(store, lambda: AT)
        for number in range(3):
            await log.note("anna", "view", "call", f"c{number}")
        await store.write(
            lambda conn: conn.execute(update(activity).where(activity.c.seq == 2).values({column: value}))
        )
        broken = await log.verify()
        assert broken is not None
        assert broken[0] == 2


async def test_lines_stay_lines_and_numbers_are_masked(tmp_path: Path) -> None:
    async with Store(tmp_path / "a.sqlite") as store:
        log = ActivityLog(store, lambda: AT)
        row = await log.note("an\r\nna", "view", "call", "x" * 1000, detail={"said": ["card 4276380012345678"]})
        assert row.who == "an  na"
        assert len(row.ref) == 256
        assert "4276380012345678" not in str(row.detail)
        assert await log.verify() is None

"""What `serve` runs beside the calls: the queue's log in, contacts out, and no failure of it ends a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ivrbot import upkeep
from ivrbot.config import Settings
from ivrbot.model.contact import Contact
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.store import Store

LOG = """1764000010|17.1|bal|NONE|ENTERQUEUE||+79990000001|1
1764000020|17.1|bal|PJSIP/1|CONNECT|10|17.2|3
1764000080|17.1|bal|PJSIP/1|COMPLETECALLER|10|60|1
"""


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator[ContactBook]:
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "asterisk": {"queue_log": str(folder / "queue_log"), "queue_branches": {"bal": "balance"}},
        }
    )
    async with Store(folder / "ivrbot.sqlite") as store:
        core: Any = SimpleNamespace(settings=settings, store=store)
        task = asyncio.create_task(upkeep.follow_contacts(core))
        yield ContactBook(store)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def seen(book: ContactBook, call_id: str) -> Contact:
    async with asyncio.timeout(20):
        while not (found := await book.of_call(call_id)):  # noqa: ASYNC110 - another thread's work
            await asyncio.sleep(0.02)
    return found[0]


async def test_the_log_becomes_contacts_and_a_restart_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "queue_log"
    log.write_text(LOG)
    async with following(tmp_path) as book:
        contact = await seen(book, "queue:17.1")
        assert (contact.branch, contact.human and contact.human.talk_s) == ("balance", 60)
    with log.open("a") as stream:
        stream.write(LOG.replace("17.1", "18.1"))
    async with following(tmp_path) as book:
        await seen(book, "queue:18.1")
        assert await book.human_complete_at() is not None


async def test_a_failure_is_told_and_the_work_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upkeep, "BEGIN_AGAIN_S", 0)
    (tmp_path / "queue_log").write_text(LOG)
    follow, failures = upkeep._follow_queue_log, iter([RuntimeError("broken"), None])

    async def sometimes(*arguments: Any) -> None:
        if failure := next(failures):
            raise failure
        await follow(*arguments)

    monkeypatch.setattr(upkeep, "_follow_queue_log", sometimes)
    async with following(tmp_path) as book:
        await seen(book, "queue:17.1")
    assert "begun again" in caplog.text

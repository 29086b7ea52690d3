"""A caller's number and words are planted by real calls, erased on his request, and looked for byte by byte."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from ivrbot import app, engines, upkeep
from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.analytics.queue_intake import QueueIntake
from ivrbot.cli.main import main
from ivrbot.config import Settings
from ivrbot.model.call import CallId, QueueName
from ivrbot.model.operators import Callback, CallbackId, CallbackState
from ivrbot.model.queue import EPOCH, QueueRow
from ivrbot.model.voiceprint import VoiceTemplate
from ivrbot.storage import schema
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.callbacks import CallbackBook
from ivrbot.storage.contact_tables import contacts
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.sealing import MasterKey
from ivrbot.storage.voiceprints import VoiceprintBook
from tests.fakes.calls import FakeNlu

PLANTED = "+79005550137"
NAME = "Запланированный"
OTHER = "+79005550999"
ANNA = "+79161234567"
VAR = Path("var")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def trained(_settings: object) -> FakeNlu:
        return FakeNlu({"какой у меня баланс": "check_balance"})

    for name in list(os.environ):
        if name.startswith("IVRBOT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "train_nlu", trained)
    monkeypatch.setattr(app, "TEXT_DATABASE", app.MAIN_DATABASE)  # as calls by telephone do


def call(caller: str, *lines: str) -> None:
    arguments = ["call", "--text", "--caller", caller, "--json"]
    result = CliRunner().invoke(main, arguments, input="\n".join(lines) + "\n", catch_exceptions=False)
    assert result.exit_code == 0, result.stderr


def run(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(main, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def holding(*secrets: str) -> dict[str, set[str]]:
    """Files below the data folder that hold any of some texts, in any of the ways in which they are written."""
    found: dict[str, set[str]] = {}
    for path in VAR.rglob("*"):
        held = path.read_bytes() if path.is_file() else b""
        for secret in secrets:
            forms = (secret.encode(), json.dumps(secret).strip('"').encode(), secret.encode("utf-16-le"))
            if any(form in held for form in forms):
                found.setdefault(path.name, set()).add(secret)
    return found


async def plant(settings: Settings) -> None:
    """What reaches the database from elsewhere: the queue's log, a call-back, the contacts of the calls."""
    async with app.store_of(settings) as store:
        book, now = ContactBook(store), datetime.now(UTC)
        first = await store.read(lambda conn: conn.execute(select(schema.calls.c.call_id)).scalars().first())
        await CallbackBook(store).add(
            Callback(
                callback_id=CallbackId("cb"),
                call_id=CallId(str(first)),
                asked_at=now,
                due_at=now,
                queue=QueueName("balance"),
                topic="check_balance",
                dossier_id="",
                language="ru",
                state=CallbackState.OPEN,
            ),
            "8" + PLANTED[2:],
        )
        at_us = (now - EPOCH) // timedelta(microseconds=1)
        rows = [
            QueueRow(at_us, "17.9", "balance", "NONE", "ENTERQUEUE", ("", PLANTED, "1")),
            QueueRow(at_us + 9_000_000, "17.9", "balance", "NONE", "ABANDON", ("1", "1", "9")),
        ]
        await QueueIntake(book, "log", unit_of=app.unit_of_number(settings)).take(rows)
        writer = ContactWriter(book, unit_of=app.unit_of_number(settings), now=app.utc_now, max_call_s=600)
        while await writer.step():
            pass


async def units(settings: Settings) -> list[str]:
    async with app.store_of(settings) as store:
        return list(await store.read(lambda conn: conn.execute(select(contacts.c.unit)).scalars().all()))


def test_nothing_leads_to_him_any_more() -> None:
    settings = Settings()
    call(PLANTED, f"меня зовут {NAME} позовите оператора")
    call("8" + PLANTED[2:], "какой у меня баланс", f"я {NAME}", "хочу поговорить с человеком")
    call(OTHER, "позовите оператора")
    asyncio.run(plant(settings))
    unit = upkeep.caller_of(settings, PLANTED).unit
    before = asyncio.run(units(settings))
    assert before.count(unit) >= 3
    digits = PLANTED[2:]
    assert holding(digits, NAME, unit)["ivrbot.sqlite"] == {digits, NAME, unit}
    run("db", "backup", "before.zip")

    done = run("db", "erase", "--caller", "8 (900) 555-01-37", "--why", f"his letter, number {PLANTED}")

    assert done["calls"] == 3
    assert done["is_file_clean"]
    assert done["backups"] == ["before.zip"]
    assert done["rows"]["dossiers"] >= 2
    assert done["rows"]["callback_numbers"] == 1
    assert holding(digits, NAME, unit) == {}
    assert OTHER[2:] in holding(OTHER[2:])["ivrbot.sqlite"]
    after = asyncio.run(units(settings))
    # what was counted stays counted, and his calls stay one person's
    assert len(after) == len(before)
    assert sorted(map(after.count, set(after))) == sorted(map(before.count, set(before)))
    assert asyncio.run(noted(settings)) == [("erase", "caller", "")]
    assert run("db", "erase", "--caller", PLANTED, "--why", "again")["calls"] == 0


async def noted(settings: Settings) -> list[tuple[str, str, str]]:
    async with app.store_of(settings) as store:
        rows = await ActivityLog(store).read(action="erase")
        assert PLANTED not in str(rows)
        return [(row.action, row.kind, row.ref) for row in rows]


def test_a_restored_backup_can_be_erased_again() -> None:
    settings = Settings()
    call(PLANTED, "позовите оператора")
    run("db", "backup", "before.zip")
    run("db", "erase", "--caller", PLANTED, "--why", "his letter")
    run("db", "restore", "before.zip", "--replace")
    assert PLANTED[2:] in holding(PLANTED[2:])["ivrbot.sqlite"]
    assert run("db", "erase", "--caller", PLANTED, "--why", "after the restore")["calls"] == 1
    assert holding(PLANTED[2:], upkeep.caller_of(settings, PLANTED).unit) == {}


async def keep_voices(settings: Settings) -> None:
    """Of a customer by letter, and of somebody who agreed in a call of the same telephone."""
    async with app.store_of(settings) as store:
        first = await store.read(lambda conn: conn.execute(select(schema.calls.c.call_id)).scalars().first())
        book = VoiceprintBook(store, MasterKey(bytes(range(32))))
        for customer_id, call_id in (("c-1001", ""), ("guest", str(first)), ("petr", "elsewhere")):
            await book.record_consent(customer_id, True, app.utc_now(), call_id=call_id)
            await book.save(VoiceTemplate(customer_id, (0.5, 0.25), "a" * 64, 3, 27_000, app.utc_now()))


async def voices_left(settings: Settings) -> list[bool]:
    async with app.store_of(settings) as store:
        book = VoiceprintBook(store, MasterKey(bytes(range(32))))
        return [await book.template(customer_id) is not None for customer_id in ("c-1001", "guest", "petr")]


def test_his_voiceprint_goes_with_him() -> None:
    settings = Settings()
    call(ANNA, "позовите оператора")
    asyncio.run(keep_voices(settings))
    assert asyncio.run(voices_left(settings)) == [True, True, True]
    assert run("db", "erase", "--caller", ANNA, "--why", "her letter")["rows"]["voiceprints"] == 6
    assert asyncio.run(voices_left(settings)) == [False, False, True]


def test_events_in_the_journal_come_first() -> None:
    call(PLANTED, "позовите оператора")
    (VAR / "ivrbot.sqlite.journal.jsonl").write_text("{}\n")
    refused = CliRunner().invoke(main, ["db", "erase", "--caller", PLANTED, "--why", "his letter"])
    assert refused.exit_code != 0
    assert "journal" in refused.output


def test_what_is_no_number_is_refused_without_repeating_it() -> None:
    refused = CliRunner().invoke(main, ["db", "erase", "--caller", "5550", "--why", "his letter"])
    assert refused.exit_code != 0
    assert "not a telephone number" in refused.output
    assert "5550" not in refused.output

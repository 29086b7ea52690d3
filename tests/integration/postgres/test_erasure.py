"""A caller is erased from PostgreSQL: no row of any table holds his number, his words or his keyed hash."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ivrbot import app, engines, upkeep
from ivrbot.config import Settings, load_settings
from ivrbot.storage.engines import PostgresAddress
from tests.fakes.calls import FakeNlu
from tests.scenario.test_erasure import NAME, OTHER, PLANTED, call, plant, run
from tests.unit.test_backup import everything

pytestmark = pytest.mark.integration


async def rows_with(settings: Settings, secret: str) -> set[str]:
    async with app.store_of(settings) as store:
        held = await everything(store)
    return {name for name, rows in held.items() if secret.encode() in b"".join(rows)}


def test_no_row_holds_him(database: PostgresAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def trained(_settings: object) -> FakeNlu:
        return FakeNlu()

    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text(database.password)
    monkeypatch.setenv("IVRBOT_DATABASE__URL", database.url)
    monkeypatch.setenv("IVRBOT_DATABASE__PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setattr(engines, "train_nlu", trained)
    monkeypatch.setattr(app, "TEXT_DATABASE", app.MAIN_DATABASE)
    settings = load_settings(tmp_path)
    call(PLANTED, f"меня зовут {NAME} позовите оператора")
    call(OTHER, "позовите оператора")
    asyncio.run(plant(settings))
    unit = upkeep.caller_of(settings, PLANTED).unit
    assert "calls" in asyncio.run(rows_with(settings, PLANTED[2:]))
    assert "contacts" in asyncio.run(rows_with(settings, unit))

    done = run("db", "erase", "--caller", PLANTED, "--why", "his letter")

    assert done["calls"] >= 2
    for secret in (PLANTED[2:], NAME, unit):
        assert asyncio.run(rows_with(settings, secret)) == set()
    assert "calls" in asyncio.run(rows_with(settings, OTHER[2:]))

"""A live call in a shadow rung: people serve the caller, prediction and their word become evidence."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from ivrbot import app, engines
from ivrbot.cli.main import main
from ivrbot.model.call import CallId
from ivrbot.model.events import EventType
from ivrbot.model.evidence import ShadowEvidence
from ivrbot.model.shadow import CallDisposition, Expected, Outcome, ShadowCall
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.storage import schema
from ivrbot.storage.shadow import DispositionBook, ShadowBook
from ivrbot.storage.store import Store
from tests.unit.nlu_engines import classifier

PLAN = "goal: g\nsalt: s\nbranches:\n  balance: {start: shadow}\n"
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async def trained(_settings: object) -> EmbeddedNlu:
        return EmbeddedNlu(classifier(None))

    for name in list(os.environ):
        if name.startswith("IVRBOT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "train_nlu", trained)
    (tmp_path / "shadow.yaml").write_text(PLAN)
    return tmp_path


def call(*lines: str) -> dict[str, Any]:
    arguments = ["call", "--text", "--caller", "+79161234567", "--plan", "shadow.yaml", "--json"]
    result = CliRunner().invoke(main, arguments, input="\n".join(lines) + "\n", catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    ended: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return ended


async def after_disposition(folder: Path, topic: str, branch: str) -> tuple[ShadowCall, ShadowEvidence]:
    async with Store(folder / "var" / app.TEXT_DATABASE) as store:
        stated = select(schema.events.c.call_id).where(schema.events.c.type == EventType.ASSIGNED.value)
        call_id = CallId(await store.read(lambda conn: conn.execute(stated).scalar_one()))
        said = CallDisposition(call_id, datetime.now(UTC), "desk", topic, branch, Outcome.RESOLVED)
        await DispositionBook(store).add(said)
        (found,) = await ShadowBook(store).calls(BEGINNING)
        return found, await ShadowBook(store).evidence("balance", BEGINNING)


@pytest.mark.parametrize(
    ("topic", "branch", "right"), [("check_balance", "balance", True), ("loan_info", "loans", False)]
)
def test_heard_in_shadow(own_folder: Path, topic: str, branch: str, right: bool) -> None:
    ended = call("какой у меня баланс на карте")
    assert (ended["disposition"], ended["reason"], ended["escalated_to"]) == (
        "escalated",
        "not_eligible",
        "balance",
    )
    found, evidence = asyncio.run(after_disposition(own_folder, topic, branch))
    assert (found.prediction.topic, found.prediction.branch) == ("check_balance", "balance")
    assert (found.prediction.expected, found.prediction.by) == (Expected.SERVED, "speech")
    assert found.prediction.confidence > 0.5
    assert found.right is right
    assert found.synthetic
    assert evidence == ShadowEvidence(synthetic=1)


def test_keyed_in_shadow(own_folder: Path) -> None:
    call("2")
    found, _ = asyncio.run(after_disposition(own_folder, "check_balance", "balance"))
    assert (found.prediction.by, found.prediction.confidence, found.right) == ("keys", 1.0, True)

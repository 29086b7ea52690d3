"""What the rollout tells of itself: the same over HTTP and on the command line, and not looked up every time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ivrbot import app
from ivrbot.cli.main import main
from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.loader import load_flows
from ivrbot.rollout.governing.control import adopt, kill, set_share
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.store import Store
from ivrbot.web import rollout_status
from ivrbot.web.rollout_status import KEPT, RolloutStatus

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
TEXT = "goal: g\nsalt: s\nbranches: {balance: {start: tenth}, loans: {start: shadow}, deposits: {after: loans}}\n"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = tmp_path / "rollout.yaml"
    path.write_text(TEXT)
    return app.load_rollout(path, load_flows(PROJECT_ROOT / "flows"))


@pytest.fixture
async def store(tmp_path: Path, plan: Plan) -> AsyncIterator[Store]:
    async with Store(tmp_path / app.MAIN_DATABASE) as opened:
        await adopt(plan, opened, "serve", NOW)
        yield opened


async def test_it_tells_what_every_branch_still_lacks(store: Store, plan: Plan) -> None:
    balance, loans, deposits = await RolloutStatus(store, lambda: NOW).rows(plan)
    needed = balance["callers_needed"]
    assert isinstance(needed, int)
    assert needed >= 300  # the least of each arm
    assert balance["earliest_day"] is None  # no volume is known yet
    assert (loans["callers_needed"], loans["earliest_day"]) == (0, "2026-09-04")
    assert (deposits["callers_needed"], deposits["earliest_day"]) == (None, None)


async def test_of_many_questions_one_looks_until_a_branch_moves_or_a_minute_has_passed(
    store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[datetime] = []
    look, clock = rollout_status._look, [NOW]

    async def counted(*arguments: object) -> object:
        looks.append(clock[0])
        return await look(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rollout_status, "_look", counted)
    status = RolloutStatus(store, lambda: clock[0])
    first, *others = await asyncio.gather(*(status.rows(plan) for _ in range(5)))
    assert all(other == first for other in others)
    assert len(looks) == 1
    await set_share(plan, store, "loans", 0.1, who="a", why="w", at=NOW)
    moved = await status.rows(plan)
    assert len(looks) == 2
    assert moved[1]["callers_needed"] == first[0]["callers_needed"]
    clock[0] += KEPT - timedelta(seconds=1)
    await status.rows(plan)
    assert len(looks) == 2
    clock[0] += timedelta(seconds=1)
    await status.rows(plan)
    assert len(looks) == 3
    await kill(store, "balance", who="a", why="w", at=clock[0])
    assert (await status.rows(plan))[0]["callers_needed"] is None


async def test_the_command_line_tells_the_same(
    store: Store, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("IVRBOT_ROLLOUT__PLAN", str(tmp_path / "rollout.yaml"))
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    answer = await asyncio.to_thread(
        CliRunner().invoke, main, ["rollout", "status", "--json"], catch_exceptions=False
    )
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout) == await RolloutStatus(store, lambda: NOW).rows(plan)

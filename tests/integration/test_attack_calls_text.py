"""Every attack of the table as a call in text: real flows, ladder, counters, understanding, bank and database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ivrbot.app import Core
from ivrbot.bank.logged import LoggedBank
from ivrbot.bank.simulator import BankSimulator
from ivrbot.model.call import Disposition
from ivrbot.model.events import EventType
from ivrbot.nlu.embedded import EmbeddedNlu
from tests.attacks.table import IDS, Attack, Clumsy, attacks, clumsy, told_of
from tests.integration.asterisk.product import TRAINED
from tests.scenario.runner import Played, core, play
from tests.unit.nlu_engines import NLU_DATA, encoder_path

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

RANKS = ("none", "identified", "verified", "strong")
ROWS = attacks()
CLUMSY = clumsy()


async def test_there_are_forty_attacks() -> None:
    assert len(ROWS) >= 40
    assert len({row.attack for row in ROWS}) == len(ROWS)


@dataclass
class Bench:
    """A core that the rows share; each begins with the bank's first day and nothing counted."""

    core: Core
    rows_before: int = 0

    @property
    def bank(self) -> LoggedBank:
        bank = self.core.parts.bank
        assert isinstance(bank, LoggedBank)
        return bank

    async def fresh(self) -> None:
        demo = self.bank.bank
        assert isinstance(demo, BankSimulator)
        await demo.reset()
        await self.core.store.forget_failures()
        self.rows_before = len(await self.bank.operations.entries())

    async def log(self) -> list[dict[str, Any]]:
        """What was asked of the bank since then."""
        return (await self.bank.operations.entries())[self.rows_before :]


def understanding() -> EmbeddedNlu:
    """Trained once per machine; a core closes its own."""
    return EmbeddedNlu.train(NLU_DATA, encoder_path(), cache_dir=TRAINED)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with core(tmp_path_factory.mktemp("attacked"), understanding()) as built:
        built.parts.router.watch(frozenset, str)  # nobody is on the line: ended calls take no places
        yield Bench(built)


async def held(row: Attack, shared: Bench, folder: Path) -> tuple[list[Played], list[dict[str, Any]]]:
    """Hold the row's calls; gives them and what was asked of the bank."""
    if row.restart:
        return await held_over_restarts(row, folder)
    await shared.fresh()
    if row.parallel:
        calls = [play(shared.core, call.number(row.target), call.turns) for call in row.calls]
        return list(await asyncio.gather(*calls)), await shared.log()
    return [await play(shared.core, call.number(row.target), call.turns) for call in row.calls], await shared.log()


async def held_over_restarts(row: Attack, folder: Path) -> tuple[list[Played], list[dict[str, Any]]]:
    played, log = [], []
    for call in row.calls:
        async with core(folder, understanding()) as built:
            played.append(await play(built, call.number(row.target), call.turns))
            log = (await Bench(built).log())[1:]
    return played, log


@pytest.mark.parametrize("row", ROWS, ids=[row.attack for row in ROWS])
async def test_attack(row: Attack, shared: Bench, tmp_path: Path) -> None:
    played, log = await held(row, shared, tmp_path)
    steps = [data for one in played for kind, data in one.events if kind is EventType.AUTHENTICATION]
    print(json.dumps([one.lines for one in played], ensure_ascii=False, indent=1))
    print(steps)
    print([(row["operation"], row["result"]) for row in log])
    assert all(RANKS.index(str(step["level"])) <= RANKS.index(row.level) for step in steps)
    assert {str(step["operation"]) for step in steps if step["status"] == "granted"} <= set(row.granted)
    done = [entry for entry in log if not entry["result"].startswith("refused")]
    assert {entry["operation"] for entry in done} <= set(row.done)
    assert row.own or IDS.get(row.target) not in {entry["customer_id"] for entry in done}
    assert {entry["customer_id"] for entry in done} <= {"", *(IDS.get(call.from_, "") for call in row.calls)}
    found = [one.end.reason if one.end else "" for one in played]
    assert all(row.ends_well(number, reason) for number, reason in enumerate(found)), found
    reasons = {str(step["reason"]) for step in steps if step["status"] == "refused"}
    assert set(row.refused) <= reasons
    if row.wrong_at_most is not None:
        assert sum(step["status"] == "wrong" for step in steps) <= row.wrong_at_most
    for one in played:
        for customer in IDS if row.target == "nobody" else [row.target]:
            assert row.own or not told_of(customer, one.lines), one.lines


async def test_there_are_twenty_clumsy_callers() -> None:
    assert len(CLUMSY) >= 20
    assert len({row.caller for row in CLUMSY}) == len(CLUMSY)


@pytest.mark.parametrize("row", CLUMSY, ids=[row.caller for row in CLUMSY])
async def test_honest_but_clumsy(row: Clumsy, shared: Bench) -> None:
    await shared.fresh()
    played = await play(shared.core, row.call.number(row.target), row.call.turns)
    print(json.dumps(played.lines, ensure_ascii=False, indent=1))
    steps = [data for kind, data in played.events if kind is EventType.AUTHENTICATION]
    print(steps)
    end = played.end
    assert end is not None
    print(end.disposition, end.reason)
    assert row.refused or not [step["reason"] for step in steps if step["status"] == "refused"]
    reached = "served" if end.disposition is Disposition.RESOLVED and end.reason == "served" else "operator"
    assert reached in row.reaches
    assert reached == "served" or (end.disposition is Disposition.ESCALATED and end.dossier is not None)
    writes = {
        entry["operation"] for entry in await shared.log() if entry["result"] == "ok" and entry["idempotency_key"]
    }
    assert (
        set(row.done) <= writes <= {*row.done, "plan_offer"} | ({"block_card"} if "да" in row.call.said else set())
    )

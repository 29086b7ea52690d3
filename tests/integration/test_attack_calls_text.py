"""Every attack of the table as a call in text: real flows, ladder, counters, understanding, bank and database."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import generate_latest

from ivrbot.app import Core
from ivrbot.bank.demo import CUSTOMERS
from ivrbot.bank.logged import LoggedBank
from ivrbot.bank.simulator import BankSimulator
from ivrbot.config import PROJECT_ROOT, SmsSettings
from ivrbot.metrics import REGISTRY
from ivrbot.model.call import Disposition
from ivrbot.model.events import EventType
from ivrbot.nlu.embedded import EmbeddedNlu
from tests.attacks.table import IDS, Attack, Clumsy, OneCall, attacks, clumsy, told_of
from tests.integration.asterisk.product import TRAINED
from tests.planted import DIGITS, Secret, files_of, leaks, plain
from tests.scenario.runner import Played, core, play
from tests.unit.nlu_engines import NLU_DATA, encoder_path

pytestmark = [pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

HARMLESS_WORDS = frozenset(
    word
    for path in [*PROJECT_ROOT.glob("flows/*.yml"), *NLU_DATA.rglob("*.yml")]
    for word in re.findall(r"[а-я]+", plain(path.read_text("utf-8")))
)
"""Words of the product's own: they stand in prompts, and so in transcripts."""
NAMES = plain(" ".join(customer.name for customer in CUSTOMERS))
"""The demo bank's customers, who stand in its own file; what of a word is part of them is not looked for."""
SMS = SmsSettings(via="file")
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
    tried: set[str] = field(default_factory=set)

    @property
    def bank(self) -> LoggedBank:
        bank = self.core.parts.bank
        assert isinstance(bank, LoggedBank)
        return bank

    async def play(self, row: Attack, call: OneCall) -> Played:
        """Hold a call of a row; what stands for a code that was sent becomes that code."""
        core, lifetime_s = self.core, row.code_lifetime_s
        if lifetime_s is not None:
            policy = core.parts.policy
            codes = policy.one_time_code.model_copy(update={"lifetime_s": lifetime_s})
            core = replace(
                core, parts=replace(core.parts, policy=policy.model_copy(update={"one_time_code": codes}))
            )
        return await play(core, call.number(row.target), call.turns, instead=lambda _asked, line: self.coded(line))

    def coded(self, line: str) -> str:
        """A turn with the codes of this row's messages in it."""
        if "code}" not in line:
            return line
        codes = self.codes()
        words = " ".join(DIGITS["ru"][int(digit)] for digit in codes[-1])
        for mark, code in (("{code}", codes[-1]), ("{old code}", codes[0]), ("{spoken code}", words)):
            line = line.replace(mark, code)
        return line

    def codes(self) -> list[str]:
        """Codes of the messages sent, oldest first."""
        texts = [file.read_text("utf-8") for file in sorted(self.messages.glob("*.json"))]
        return [re.findall(r"[0-9]{6}", json.loads(text)["text"])[0] for text in texts]

    @property
    def messages(self) -> Path:
        return self.core.settings.data_dir / "sms"

    async def fresh(self) -> None:
        for message in self.messages.glob("*.json"):
            message.unlink()
        demo = self.bank.bank
        assert isinstance(demo, BankSimulator)
        await demo.reset()
        await self.core.store.forget_failures()
        self.rows_before = len(await self.bank.operations.entries())

    def remember(self, call: OneCall, played: Played) -> None:
        """Keep what was said to a secret question and stands nowhere else: words, and births by keys."""
        for asked, turn in zip(played.responses, call.turns, strict=False):
            if asked and asked[-1].startswith("utter_ask_fact"):
                digits = set(re.findall(r"^[0-9]{8}(?=#)", turn))
                words = set(re.findall(r"[а-я]{5,}", plain(turn)))
                self.tried |= digits | {word for word in words - HARMLESS_WORDS if word not in NAMES}

    async def log(self) -> list[dict[str, Any]]:
        """What was asked of the bank since then."""
        return (await self.bank.operations.entries())[self.rows_before :]


def understanding() -> EmbeddedNlu:
    """Trained once per machine; a core closes its own."""
    return EmbeddedNlu.train(NLU_DATA, encoder_path(), cache_dir=TRAINED)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with core(tmp_path_factory.mktemp("attacked"), understanding(), sms=SMS) as built:
        built.parts.router.watch(frozenset, str)  # nobody is on the line: ended calls take no places
        yield Bench(built)


async def held(row: Attack, shared: Bench, folder: Path) -> tuple[list[Played], list[dict[str, Any]]]:
    """Hold the row's calls; gives them and what was asked of the bank."""
    if row.restart:
        return await held_over_restarts(row, folder)
    await shared.fresh()
    if row.parallel:
        calls = [shared.play(row, call) for call in row.every_call]
        return list(await asyncio.gather(*calls)), await shared.log()
    return [await shared.play(row, call) for call in row.every_call], await shared.log()


async def held_over_restarts(row: Attack, folder: Path) -> tuple[list[Played], list[dict[str, Any]]]:
    played, log = [], []
    for call in row.every_call:
        async with core(folder, understanding(), sms=SMS) as built:
            played.append(await Bench(built).play(row, call))
            log = (await Bench(built).log())[1:]
    return played, log


@pytest.mark.parametrize("row", ROWS, ids=[row.attack for row in ROWS])
async def test_attack(row: Attack, shared: Bench, tmp_path: Path) -> None:
    played, log = await held(row, shared, tmp_path)
    for call, one in zip(row.every_call, played, strict=True):
        shared.remember(call, one)
    shared.tried |= set(shared.codes())
    steps = [data for one in played for kind, data in one.events if kind is EventType.AUTHENTICATION]
    print(json.dumps([one.lines for one in played], ensure_ascii=False, indent=1))
    print(steps)
    print([(row["operation"], row["result"]) for row in log])
    assert all(RANKS.index(str(step["level"])) <= RANKS.index(row.level) for step in steps)
    assert {str(step["operation"]) for step in steps if step["status"] == "granted"} <= set(row.granted)
    assert all(row.may_prove(step["facts"]) for step in steps)
    done = [entry for entry in log if not entry["result"].startswith("refused")]
    assert {entry["operation"] for entry in done} <= set(row.done)
    assert row.own or IDS.get(row.target) not in {entry["customer_id"] for entry in done}
    theirs = {"", *(IDS.get(call.from_, "") for call in row.calls)} | ({IDS[row.target]} if row.own else set())
    assert {entry["customer_id"] for entry in done} <= theirs
    found = [one.end.reason if one.end else "" for one in played]
    assert all(row.ends_well(number, reason) for number, reason in enumerate(found)), found
    reasons = {str(step["reason"]) for step in steps if step["status"] == "refused"}
    assert set(row.refused) <= reasons
    if row.wrong_at_most is not None:
        assert sum(step["status"] == "wrong" for step in steps) <= row.wrong_at_most
    if row.sms_at_most is not None:
        assert len(shared.codes()) <= row.sms_at_most
    for operation, times in row.writes.items():
        assert sum(entry["operation"] == operation and entry["result"] == "ok" for entry in log) == times
    for one in played:
        assert not any(code in line.replace(" ", "") for code in shared.codes() for line in one.lines)
        for customer in IDS if row.target == "nobody" else [row.target]:
            assert row.own or not told_of(customer, one.lines), one.lines


async def test_nothing_that_was_tried_is_found(shared: Bench) -> None:
    """Stands behind the attacks: every word, birth and code that was to prove something, in no file."""
    await shared.core.recorder.flush()
    tried = {Secret("word" if not word.isdigit() else "otp", word) for word in shared.tried}
    assert len(tried) >= 40
    places = [("metrics", generate_latest(REGISTRY).decode())]
    # A code stands in its message and nowhere else.
    places += [one for one in files_of(shared.core.settings.data_dir) if not one[0].startswith("sms/")]
    assert {"ivrbot.sqlite", "bank_operations.sqlite", "demo_bank.sqlite"} <= {place for place, _ in places}
    found = leaks(places, tried)
    print(found)
    assert found == []


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
    log = await shared.log()
    writes = {entry["operation"] for entry in log if entry["result"] == "ok" and entry["idempotency_key"]}
    assert writes <= {*row.done, "plan_offer"}
    assert reached == "operator" or set(row.done) <= writes

"""Simulated calls through the real core, and histories made of their shapes."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ivrbot import app, engines
from ivrbot.cli.main import main
from ivrbot.config import Settings
from ivrbot.errors import ConfigError
from ivrbot.model.events import EventType
from ivrbot.model.experiment import Arm, BranchState
from ivrbot.nlu.embedded import EmbeddedNlu
from ivrbot.rollout.planning.check import load_plan
from ivrbot.simulate.calls import many, open_world
from ivrbot.simulate.history.make import PLAN, make
from ivrbot.simulate.history.people import Staff, handle
from ivrbot.simulate.history.shapes import Shape, bank_silent, cut_short, scored, to_operator
from ivrbot.simulate.history.town import Town, Weather
from ivrbot.simulate.history.weeks import Office
from ivrbot.simulate.history.writing import write_calls
from ivrbot.simulate.outcome import Event
from ivrbot.simulate.persona import draw
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.store import Store
from tests.fakes.calls import product_files
from tests.unit.nlu_engines import classifier

MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows and classifier of the whole test run instead of new ones."""

    async def trained(_settings: object) -> EmbeddedNlu:
        return EmbeddedNlu(classifier(None))

    monkeypatch.setattr(engines, "train_nlu", trained)
    monkeypatch.setattr(app, "_load_files", lambda *_: product_files())


# --- calls ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
async def test_calls_end_are_judged_and_leave_nothing_in_the_data_folder(tmp_path: Path) -> None:
    personas = [draw(4, number, goals=["operator", "block_card"], noise=0.0) for number in range(4)]
    async with open_world(Settings(data_dir=tmp_path)) as world:
        outcomes = [outcome async for outcome in many(world, personas, concurrency=2)]
    assert [one.persona.number for one in outcomes] == [0, 1, 2, 3]
    for outcome in outcomes:
        assert outcome.events[-1][0] is EventType.CALL_ENDED
        assert outcome.lasted_ms == max(t_ms for _, t_ms, _ in outcome.events)
        assert outcome.truth.lie == ""
    assert {path.suffix for path in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))} <= {""}


@pytest.mark.usefixtures("quick")
def test_the_command_prints_one_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["simulate", "--calls", "2", "--text", "--seed", "3", "--goal", "operator", "--json"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert {"calls", "resolved", "escalated", "failed", "response_gap_ms", "cpu_s", "per_goal"} <= told.keys()
    assert (told["calls"], told["seed"], set(told["response_gap_ms"])) == (2, 3, {"p50", "p95"})
    assert told["per_goal"].keys() == {"operator"}


def test_calls_in_sound_need_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["simulate", "--calls", "1"], catch_exceptions=False)
    assert result.exit_code == 3
    assert "--text" in result.stderr


def test_addresses_are_for_calls_in_sound() -> None:
    result = CliRunner().invoke(main, ["simulate", "--calls", "1", "--text", "--api", "http://localhost"])
    assert result.exit_code == 2


# --- histories ------------------------------------------------------------------------------------------


def shape(branch: str = "balance", topic: str = "check_balance") -> Shape:
    said: dict[str, Any] = {"text": "...", "response": "utter_ask_fact_last_four"}
    ended: dict[str, Any] = {"disposition": "resolved", "reason": "served", "topic": topic, "escalated_to": ""}
    events: tuple[Event, ...] = (
        (EventType.CALL_STARTED, 0, {"language": "ru", "gateway": "simulated"}),
        (EventType.BOT_SAID, 0, {"text": "Что у вас случилось?", "response": "utter_ask_topic"}),
        (EventType.CALLER_SAID, 9000, {"text": "баланс", "engine": "simulated"}),
        (EventType.TOPIC_STATED, 9700, {"topic": topic, "branch": branch}),
        (EventType.ASSIGNED, 9700, {"branch": branch, "route": "bot", "arm": "treatment", "reason": "drawn"}),
        (EventType.BOT_SAID, 9700, said),
        (EventType.CALLER_SAID, 20_000, {"text": "[fact]", "engine": "simulated"}),
        (EventType.BOT_SAID, 20_700, said),
        (EventType.BANK_REQUESTED, 20_700, {"action": "bank_get_balance"}),
        (EventType.BANK_REPLIED, 20_700, {"action": "bank_get_balance", "status": "ok", "served": True}),
        (EventType.CALL_ENDED, 30_000, {**ended, "dossier": ""}),
    )
    return Shape(branch, topic, True, events, 4, True)


def test_the_control_arm_hears_nothing_after_its_draw() -> None:
    events = to_operator(shape(), {"branch": "balance", "route": "operator"}, "control_arm")
    assert [kind for kind, _, _ in events[-3:]] == [
        EventType.ASSIGNED,
        EventType.ESCALATED,
        EventType.CALL_ENDED,
    ]
    assert events[-1][2]["escalated_to"] == "balance"
    assert not any(kind is EventType.BANK_REQUESTED for kind, _, _ in events)


def test_mishaps_keep_a_call_whole() -> None:
    whole = list(shape().events)
    for changed in (
        cut_short(whole, random.Random(1)),
        bank_silent(whole, "balance"),
        scored(whole, 5),
        scored(whole, None),
    ):
        times = [t_ms for _, t_ms, _ in changed]
        assert times == sorted(times)
        assert changed[-1][0] is EventType.CALL_ENDED
    assert not any(data.get("served") for _, _, data in cut_short(whole, random.Random(1)))
    assert bank_silent(whole, "balance")[-1][2]["reason"] == "bank_unavailable"


def test_people_answer_or_are_not_reached() -> None:
    rng = random.Random(2)
    visits = [handle(Staff(patience_s=30, unreached=0.1), "loans", f"1.{n}", "u", 0, rng) for n in range(400)]
    ends = {visit.rows[-2 if visit.answered else -1].event for visit in visits}
    assert ends == {"COMPLETECALLER", "COMPLETEAGENT", "ABANDON", "EXITWITHTIMEOUT"}
    assert all(not visit.resolved for visit in visits if not visit.answered)


def town(seed: int = 1) -> Town:
    return Town([shape(), shape("loans", "loan_info")], salt="s", a_day=60, seed=seed)


def test_a_caller_keeps_his_arm_and_one_seed_gives_one_history() -> None:
    states = {"balance": BranchState("balance", "half", 0.5, 0.0)}
    one_day = (states, MONDAY, MONDAY + timedelta(days=1), Weather())
    first, again = town().calls(*one_day), town().calls(*one_day)
    assert [call.material for call in first] == [call.material for call in again]
    arms: dict[str, set[Arm]] = {}
    days = town(2)
    for day in range(10):
        since = MONDAY + timedelta(days=day)
        for call in days.calls(states, since, since + timedelta(days=1), Weather()):
            for exposure in call.material.exposures:
                arms.setdefault(exposure.unit, set()).add(exposure.arm)
                assert exposure.propensity == 0.5
    assert {len(held) for held in arms.values()} == {1}
    assert {arm for held in arms.values() for arm in held} == set(Arm)


def test_callers_without_a_topic_are_as_usual_as_their_shapes() -> None:
    silent = Shape("", "", False, shape().events[:2] + shape().events[-1:], -1, False)
    mixed = Town([shape(), shape(), shape(), silent], salt="s", a_day=200, seed=1)
    calls = mixed.calls({}, MONDAY, MONDAY + timedelta(days=1), Weather())
    stated = [any(event.type is EventType.TOPIC_STATED for event in call.material.events) for call in calls]
    assert 0.6 < sum(stated) / len(stated) < 0.85


def test_nobody_is_drawn_in_a_branch_that_has_not_begun() -> None:
    calls = town().calls({}, MONDAY, MONDAY + timedelta(days=1), Weather())
    assert not any(call.material.exposures for call in calls)
    assert all(not call.material.registration.caller for call in calls if call.material.registration)


async def test_what_is_written_is_what_folding_gives(tmp_path: Path) -> None:
    states = {"balance": BranchState("balance", "half", 0.5, 0.0)}
    calls = town().calls(states, MONDAY, MONDAY + timedelta(days=1), Weather())
    async with Store(tmp_path / "h.sqlite", deadline_s=30) as store:
        await write_calls(store, calls, MONDAY + timedelta(days=1))
        book = ContactBook(store)
        contacts = await book.between(MONDAY, MONDAY + timedelta(days=2))
        (material,) = await book.materials([calls[0].material.key])
        complete = await book.human_complete_at()
    assert len(contacts) == len(calls)
    assert {contact.gateway for contact in contacts} == {"demo"}
    assert material.events == calls[0].material.events
    assert complete == MONDAY + timedelta(days=1)


async def test_the_real_controller_decides_in_a_history(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    defaults = "defaults: {primary: [{kpi: true_resolution, margin: 0.05}]}"
    file.write_text(f"goal: g\nsalt: s\n{defaults}\nbranches: {{balance: {{start: tenth}}}}\n")
    plan = load_plan(file, {"balance"})
    async with Store(tmp_path / "h.sqlite", deadline_s=30) as store:
        told = await Office(store, plan, [shape()], end=MONDAY, seed=1, a_day=30).live(3)
        history = await store.history("balance")
    assert told.calls > 60
    assert [row.action for row in history] == ["start", "hold", "hold", "hold"]
    assert history[-1].at == MONDAY


@pytest.mark.usefixtures("quick")
async def test_a_folder_that_holds_a_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / app.MAIN_DATABASE).write_bytes(b"")
    with pytest.raises(ConfigError, match="is there already"):
        await make(Settings(data_dir=tmp_path), seed=1, end=MONDAY)


def test_the_simulated_plan_is_sound() -> None:
    plan = load_plan(PLAN, {"balance", "loans", "deposits", "disputes", "block_card", "other"})
    assert plan.goal.startswith("Simulated")
    assert plan.two_person

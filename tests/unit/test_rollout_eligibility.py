"""Room for calls with the bot, callers kept out, health; and that each is counted before the draw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ivrbot.call.router import DRAINING, Router
from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.loader import load_flows
from ivrbot.metrics import REGISTRY
from ivrbot.model.call import CallId
from ivrbot.model.experiment import Route
from ivrbot.model.proposals import Exclusion
from ivrbot.model.rollout import ALL_BRANCHES
from ivrbot.rollout.drawing.assignment import unit_of
from ivrbot.rollout.drawing.eligibility import UNOPENED_S, Places
from ivrbot.rollout.governing.control import adopt
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.store import Store
from ivrbot.worker import what_ails

NOW = datetime(2026, 9, 1, tzinfo=UTC)
KEY = b"k" * 32
TEXT = """
goal: g
salt: s
defaults: {stages: [{name: full, share: 1}], max_concurrent_bot_calls: 3}
branches: {balance: {start: full, max_concurrent_bot_calls: 2}, loans: {start: full}}
"""


class Clock:
    """Seconds set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_place_is_taken_once_per_call_and_branch() -> None:
    places = Places(Clock())
    assert [places.take("a", "x", most=2, most_in_branch=1) for _ in range(2)] == ["", ""]
    assert places.take("b", "x", most=2, most_in_branch=1) == "cap"
    assert places.take("b", "y", most=2, most_in_branch=1) == ""
    assert places.take("c", "z", most=2, most_in_branch=1) == "cap"
    assert places.take("a", "z", most=2, most_in_branch=1) == ""  # the call is counted already
    places.give_back("b", "y")
    assert places.take("c", "y", most=2, most_in_branch=1) == ""


def test_a_call_that_never_came_gives_its_place_back_and_one_that_ended_at_once() -> None:
    clock, live = Clock(), {"talking"}
    places = Places(clock, lambda: live)
    for call in ("talking", "lost"):
        places.take(call, "x", most=5, most_in_branch=5)
    clock.now_s = UNOPENED_S
    assert places.counts() == {"x": 2}
    clock.now_s += 1
    assert places.counts() == {"x": 1}
    live.clear()
    assert places.counts() == {}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = tmp_path / "rollout.yaml"
    path.write_text(TEXT)
    return load_plan(path, {"balance", "loans"})


@pytest.fixture
async def store(tmp_path: Path, plan: Plan) -> AsyncIterator[Store]:
    async with Store(tmp_path / "ivrbot.sqlite") as opened:
        await adopt(plan, opened, "serve", NOW)
        yield opened


@pytest.fixture
def router(plan: Plan, store: Store) -> Router:
    return Router(
        lambda: plan,
        load_flows(PROJECT_ROOT / "flows").branches,
        store,
        KEY,
        lambda: NOW,
        exclusions=RolloutBook(store),
        places=Places(Clock()),
    )


async def test_of_many_calls_at_once_no_more_are_taken_than_there_is_room(router: Router, store: Store) -> None:
    calls = [CallId(f"c-{number}") for number in range(12)]
    answers = await asyncio.gather(*(router.assign("balance", caller="", call_id=call) for call in calls))
    assert sorted(answer.reason for answer in answers) == ["cap"] * 10 + ["drawn"] * 2
    kept = [await store.exposure(call, "balance") for call in calls]
    assert sum(1 for exposure in kept if exposure is not None) == 2
    assert {answer.arm for answer in answers if answer.reason == "cap"} == {None}


async def test_whoever_is_kept_out_is_in_neither_arm_and_takes_no_room(router: Router, store: Store) -> None:
    caller = "+79990000007"
    out = Exclusion(unit_of(caller, "", KEY), "vip", ALL_BRANCHES, "a", "w", NOW)
    await RolloutBook(store).exclude(out)
    labels = {"branch": "loans", "reason": "vip"}
    before = REGISTRY.get_sample_value("ivrbot_rollout_ineligible_total", labels) or 0
    for number in range(5):
        answer = await router.assign("loans", caller="8 999 000-00-07", call_id=CallId(f"v-{number}"))
        assert (answer.route, answer.arm, answer.reason) == (Route.OPERATOR, None, "vip")
    after = REGISTRY.get_sample_value("ivrbot_rollout_ineligible_total", labels)
    assert after == before + 5
    assert (await router.assign("loans", caller="", call_id=CallId("d"))).reason == "drawn"


async def test_a_draining_process_takes_no_new_calls_but_finishes_its_own(router: Router) -> None:
    router.watch(lambda: (), lambda: "draining")
    assert (await router.assign("loans", caller="", call_id=CallId("new"))).reason == "draining"
    assert (await router.assign("loans", caller="", call_id=CallId("old"), in_call=True)).reason == "drawn"


@pytest.mark.parametrize("code", ["asr_down", "storage_journal"])
async def test_a_sick_process_draws_nobody_not_even_its_own_callers(
    router: Router, store: Store, code: str
) -> None:
    router.watch(lambda: (), lambda: code)
    labels = {"branch": "loans", "reason": code}
    before = REGISTRY.get_sample_value("ivrbot_rollout_ineligible_total", labels) or 0
    for call, in_call in (("new", False), ("old", True)):
        answer = await router.assign("loans", caller="", call_id=CallId(call), in_call=in_call)
        assert (answer.route, answer.arm, answer.reason) == (Route.OPERATOR, None, code)
        assert await store.exposure(CallId(call), "loans") is None
    assert REGISTRY.get_sample_value("ivrbot_rollout_ineligible_total", labels) == before + 2


def test_what_ails_a_process() -> None:
    well = {"asr_down": False, "storing": True, "ready": True}
    assert what_ails(**well) == ""
    assert what_ails(**well | {"ready": False}) == DRAINING
    assert what_ails(**well | {"ready": False, "storing": False}) == "storage_journal"
    assert what_ails(asr_down=True, storing=False, ready=False) == "asr_down"


async def test_a_store_that_is_away_means_an_operator(router: Router, store: Store) -> None:
    await store.close()
    answer = await router.assign("loans", caller="", call_id=CallId("c"))
    assert (answer.route, answer.arm, answer.reason) == (Route.OPERATOR, None, "storage_unavailable")

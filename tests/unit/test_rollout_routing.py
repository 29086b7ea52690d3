"""One call: the exposure is stored before the route is known, and a store that fails means an operator."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ivrbot.model.call import CallId
from ivrbot.model.experiment import Arm, Assignment, BranchState, Exposure, Route
from ivrbot.rollout.drawing.routing import route_call
from ivrbot.rollout.governing.control import adopt, kill, set_share
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from tests.fakes.store import MemoryStore

NOW = datetime(2026, 9, 1, tzinfo=UTC)
CALL = CallId("c-1")


@pytest.fixture
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("plan") / "rollout.yaml"
    stages = "[{name: shadow, share: 0}, {name: half, share: 0.5}, {name: full, share: 1}]"
    path.write_text(f"goal: g\nsalt: s\ndefaults: {{stages: {stages}}}\nbranches: {{balance: {{start: full}}}}\n")
    return load_plan(path, {"balance"})


@pytest.fixture
async def store(plan: Plan) -> MemoryStore:
    memory = MemoryStore()
    await adopt(plan, memory, "serve", NOW)
    return memory


async def routed(plan: Plan, store: MemoryStore, *, branch: str = "balance", eligible: bool = True) -> Assignment:
    return await route_call(
        plan,
        store,
        branch,
        caller="+79161234567",
        call_id=CALL,
        caller_key=b"k",
        at=NOW,
        eligible=eligible,
        why_not="unhealthy",
    )


async def test_a_drawn_call_is_exposed_as_it_was_drawn(plan: Plan, store: MemoryStore) -> None:
    answer = await routed(plan, store)
    assert (answer.route, answer.arm) == (Route.BOT, Arm.TREATMENT)
    assert await store.exposure(CALL, "balance") == Exposure(
        CALL, answer.unit, "balance", Arm.TREATMENT, 1.0, "full", 1, plan.revision, NOW, prefix="+7916"
    )


async def test_whoever_is_not_drawn_leaves_no_exposure(plan: Plan, store: MemoryStore) -> None:
    assert (await routed(plan, store, eligible=False)).reason == "unhealthy"
    assert (await routed(plan, store, branch="loans")).reason == "not_in_plan"
    assert store.exposures == {}


async def test_a_kill_between_draw_and_exposure_is_in_force(plan: Plan, store: MemoryStore) -> None:
    store.before_expose = replace((await store.states())["balance"], killed=True)
    answer = await routed(plan, store)
    assert (answer.route, answer.arm, answer.reason) == (Route.OPERATOR, None, "killed")
    assert store.exposures == {}


async def test_a_stage_that_changes_meanwhile_is_drawn_again(plan: Plan, store: MemoryStore) -> None:
    store.before_expose = BranchState("balance", "half", 0.5, 0.0, 2)
    answer = await routed(plan, store)
    stored = await store.exposure(CALL, "balance")
    assert stored is not None
    assert (answer.stage, answer.propensity, answer.epoch) == ("half", 0.5, 2)
    assert (stored.stage, stored.propensity, stored.epoch, stored.arm) == ("half", 0.5, 2, answer.arm)


async def test_a_state_that_never_rests_means_an_operator(plan: Plan, store: MemoryStore) -> None:
    class Restless(MemoryStore):
        async def expose(self, exposure: Exposure) -> BranchState | None:
            state = (await self.own_states())["balance"]
            self.before_expose = replace(state, epoch=state.epoch + 1)
            return await super().expose(exposure)

    restless = Restless()
    await adopt(plan, restless, "serve", NOW)
    answer = await routed(plan, restless)
    assert (answer.route, answer.arm, answer.reason) == (Route.OPERATOR, None, "state_changing")
    assert restless.exposures == {}


async def test_a_store_that_fails_means_an_operator_in_no_arm(plan: Plan, store: MemoryStore) -> None:
    store.down = True
    answer = await routed(plan, store)
    assert (answer.route, answer.arm, answer.reason) == (Route.OPERATOR, None, "storage_unavailable")
    assert len(answer.unit) == 64


async def test_a_store_that_fails_at_the_exposure_means_an_operator(plan: Plan, store: MemoryStore) -> None:
    class Failing(MemoryStore):
        async def expose(self, exposure: Exposure) -> BranchState | None:
            self.down = True
            return await super().expose(exposure)

    failing = Failing()
    await adopt(plan, failing, "serve", NOW)
    assert (await routed(plan, failing)).route is Route.OPERATOR


async def test_the_same_call_gets_the_same_answer(plan: Plan, store: MemoryStore) -> None:
    first = await routed(plan, store)
    await set_share(plan, store, "balance", 0.5, who="a", why="b", at=NOW)
    again = await routed(plan, store)
    assert (again.route, again.arm, again.stage, again.propensity) == (first.route, first.arm, "full", 1.0)
    assert again.reason == "repeated"
    assert len(store.exposures) == 1


async def test_a_repeated_call_does_not_pass_the_kill_switch(plan: Plan, store: MemoryStore) -> None:
    await routed(plan, store)
    await kill(store, None, who="a", why="b", at=NOW)
    answer = await routed(plan, store)
    assert (answer.route, answer.arm, answer.reason) == (Route.OPERATOR, Arm.TREATMENT, "killed")

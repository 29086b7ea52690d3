"""Changing states: the ladder, overrides, the kill switch, a new plan; the rows that people see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ivrbot.errors import ConfigError, StorageConflict, StorageUnavailable
from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import ALL_BRANCHES, StateChange, first_broken
from ivrbot.rollout import rows
from ivrbot.rollout.governing.audit import AuditReport, verify
from ivrbot.rollout.governing.control import adopt, kill, resume, set_share
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from tests.fakes.store import MemoryStore

NOW = datetime(2026, 9, 1, tzinfo=UTC)
TEXT = "goal: g\nsalt: s\nbranches: {balance: {start: shadow}, loans: {after: balance}, other: {start: half}}\n"
Planner = Callable[[str], Plan]


@pytest.fixture
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    def make(text: str) -> Plan:
        path = tmp_path_factory.mktemp("plan") / "rollout.yaml"
        path.write_text(text)
        return load_plan(path, {"balance", "loans", "other", "deposits"})

    return make


@pytest.fixture
def plan(planned: Planner) -> Plan:
    return planned(TEXT)


@pytest.fixture
async def store(plan: Plan) -> MemoryStore:
    memory = MemoryStore()
    await adopt(plan, memory, "serve", NOW)
    return memory


async def put(plan: Plan, store: MemoryStore, branch: str, share: float, override: bool = False) -> StateChange:
    return await set_share(plan, store, branch, share, who="owner", why="because", at=NOW, override=override)


# --- a plan comes into force --------------------------------------------------------------------------


async def test_a_first_start_stores_the_plans_first_states(plan: Plan, store: MemoryStore) -> None:
    states = await store.states()
    assert {name: (state.stage, state.share) for name, state in states.items()} == {
        "balance": ("shadow", 0.0),
        "loans": ("", 0.0),
        "other": ("half", 0.5),
    }
    assert {row.action for row in store.rows} == {"start"}


async def test_a_second_start_changes_nothing(plan: Plan, store: MemoryStore) -> None:
    await put(plan, store, "balance", 0.1)
    before = await store.states()
    assert await adopt(plan, store, "serve", NOW) == []
    assert await store.states() == before


async def test_a_new_plan_keeps_stages_and_adds_branches(plan: Plan, store: MemoryStore, planned: Planner) -> None:
    await put(plan, store, "balance", 0.1)
    newer = planned(TEXT.replace("goal: g", "goal: h").replace("{balance", "{deposits: {start: tenth}, balance"))
    await adopt(newer, store, "serve", NOW)
    states = await store.states()
    assert (states["balance"].stage, states["balance"].epoch, states["deposits"].share) == ("tenth", 1, 0.1)
    assert {state.plan_revision for state in states.values()} == {newer.revision}


async def test_a_new_salt_is_refused_while_callers_are_drawn(
    plan: Plan, store: MemoryStore, planned: Planner
) -> None:
    before = await store.states()
    with pytest.raises(ConfigError) as caught:
        await adopt(planned(TEXT.replace("salt: s", "salt: t")), store, "serve", NOW)
    assert [problem.path for problem in caught.value.problems] == ["salt"]
    assert await store.states() == before


async def test_a_new_salt_without_drawn_callers_ends_the_epoch(
    plan: Plan, store: MemoryStore, planned: Planner
) -> None:
    await put(plan, store, "other", 0.0)
    await adopt(planned(TEXT.replace("salt: s", "salt: t")), store, "serve", NOW)
    states = await store.states()
    assert (states["balance"].epoch, states["other"].epoch) == (2, 3)


async def test_a_plan_without_the_stage_in_force_is_refused(
    plan: Plan, store: MemoryStore, planned: Planner
) -> None:
    ladder = "stages: [{name: none, share: 0}, {name: all, share: 1}]"
    with pytest.raises(ConfigError) as caught:
        await adopt(planned(TEXT.replace("start: half", f"start: none, {ladder}")), store, "serve", NOW)
    assert [(problem.path, problem.value) for problem in caught.value.problems] == [
        ("branches.other.stages", "half")
    ]


# --- the ladder ---------------------------------------------------------------------------------------


async def test_shares_climb_a_rung_at_a_time_within_an_epoch(plan: Plan, store: MemoryStore) -> None:
    for share in (0.1, 0.2, 0.5, 1.0):
        change = await put(plan, store, "balance", share)
    assert change.after == BranchState("balance", "full", 1.0, 0.05, 1, False, plan.revision)


async def test_going_down_any_number_of_rungs_ends_the_epoch(plan: Plan, store: MemoryStore) -> None:
    change = await put(plan, store, "other", 0.1)
    assert (change.after.stage, change.after.epoch) == ("tenth", 2)


@pytest.mark.parametrize(
    ("branch", "share", "path", "allowed"),
    [
        ("balance", 0.2, "share", "0.1, or a recorded override"),
        ("balance", 0.15, "share", "0, 0.1, 0.2, 0.5, 1"),
        ("balance", 0.0, "share", ""),
        ("loans", 0.0, "branch", "a recorded override"),
        ("mars", 0.1, "branch", "balance, loans, other"),
    ],
)
async def test_other_steps_are_refused_and_leave_nothing(
    plan: Plan, store: MemoryStore, branch: str, share: float, path: str, allowed: str
) -> None:
    before = len(store.rows)
    with pytest.raises(ConfigError) as caught:
        await put(plan, store, branch, share)
    assert [(problem.path, problem.allowed) for problem in caught.value.problems] == [(path, allowed)]
    assert len(store.rows) == before


async def test_an_override_climbs_further_and_is_recorded(plan: Plan, store: MemoryStore) -> None:
    await put(plan, store, "balance", 0.5, override=True)
    await put(plan, store, "loans", 0.0, override=True)
    assert [row.override for row in store.rows[-2:]] == [True, True]
    assert (await store.states())["loans"].stage == "shadow"


@pytest.mark.parametrize(("who", "why"), [("", "because"), ("owner", "  ")])
async def test_every_change_names_who_and_why(plan: Plan, store: MemoryStore, who: str, why: str) -> None:
    with pytest.raises(ConfigError, match="is required"):
        await set_share(plan, store, "balance", 0.1, who=who, why=why, at=NOW)
    with pytest.raises(ConfigError, match="is required"):
        await kill(store, None, who=who, why=why, at=NOW)


async def test_a_decision_from_an_old_state_is_made_again(plan: Plan, store: MemoryStore) -> None:
    class Raced(MemoryStore):
        async def apply_changes(self, *arguments: object) -> None:
            if self.before_expose is not None:
                self._states["balance"], self.before_expose = self.before_expose, None
            await super().apply_changes(*arguments)  # type: ignore[arg-type]

    raced = Raced()
    await adopt(plan, raced, "serve", NOW)
    raced.before_expose = BranchState("balance", "tenth", 0.1, 0.0, 4, False, plan.revision)
    with pytest.raises(ConfigError, match="at this share already"):
        await put(plan, raced, "balance", 0.1)


async def test_endless_conflicts_end_in_an_error(plan: Plan) -> None:
    class Contested(MemoryStore):
        async def apply_changes(self, *_: object) -> None:
            raise StorageConflict("again")

    with pytest.raises(StorageConflict):
        await kill(Contested(), None, who="a", why="b", at=NOW)


# --- the kill switch ----------------------------------------------------------------------------------


async def test_killing_a_branch_ends_its_epoch_and_keeps_its_stage(plan: Plan, store: MemoryStore) -> None:
    await kill(store, "other", who="owner", why="wrong balances", at=NOW)
    states = await store.states()
    assert (states["other"].killed, states["other"].stage, states["other"].epoch) == (True, "half", 2)
    assert not states["balance"].killed
    await resume(store, "other", who="owner", why="repaired", at=NOW)
    assert (await store.states())["other"] == BranchState("other", "half", 0.5, 0.0, 2, False, plan.revision)


async def test_killing_everything_spares_no_branch_and_remembers_which_were_killed_alone(
    plan: Plan, store: MemoryStore
) -> None:
    await kill(store, "other", who="owner", why="x", at=NOW)
    await kill(store, None, who="owner", why="y", at=NOW)
    assert all(state.killed for state in (await store.states()).values())
    await resume(store, None, who="owner", why="z", at=NOW)
    assert {name for name, state in (await store.states()).items() if state.killed} == {"other"}


async def test_killing_everything_works_before_there_is_anything() -> None:
    empty = MemoryStore()
    await kill(empty, None, who="owner", why="x", at=NOW)
    assert (await empty.states())[ALL_BRANCHES].killed


async def test_killing_twice_writes_once(plan: Plan, store: MemoryStore) -> None:
    assert len(await kill(store, "other", who="a", why="b", at=NOW)) == 1
    assert await kill(store, "other", who="a", why="b", at=NOW) == []
    assert await resume(store, "balance", who="a", why="b", at=NOW) == []


async def test_killing_an_unknown_branch_names_the_known(plan: Plan, store: MemoryStore) -> None:
    with pytest.raises(ConfigError) as caught:
        await kill(store, "mars", who="a", why="b", at=NOW)
    assert caught.value.problems[0].allowed == "balance, loans, other"


async def test_a_killed_branch_does_not_climb_but_falls(plan: Plan, store: MemoryStore) -> None:
    await kill(store, "other", who="a", why="b", at=NOW)
    with pytest.raises(ConfigError, match="killed"):
        await put(plan, store, "other", 1.0, override=True)
    assert (await put(plan, store, "other", 0.0)).after.killed


async def test_a_switch_that_cannot_be_written_says_so(plan: Plan, store: MemoryStore) -> None:
    store.down = True
    with pytest.raises(StorageUnavailable):
        await kill(store, None, who="a", why="b", at=NOW)


# --- rows ---------------------------------------------------------------------------------------------


async def test_status_tells_of_every_branch(plan: Plan, store: MemoryStore, planned: Planner) -> None:
    await kill(store, None, who="a", why="b", at=NOW)
    listed = {str(row["branch"]): row for row in rows.status(plan, await store.own_states())}
    assert list(listed) == ["balance", "loans", "other"]
    assert {row["killed_by"] for row in listed.values()} == {"all"}
    assert (listed["other"]["next_stage"], listed["other"]["next_share"]) == ("full", 1.0)
    assert (listed["loans"]["started"], listed["loans"]["after"]) == (False, "balance")
    smaller = planned(TEXT.replace(", other: {start: half}", ""))
    assert [row["in_plan"] for row in rows.status(smaller, await store.own_states())] == [True, True, False]
    assert [row["stored"] for row in rows.status(plan, {})] == [False] * 3


async def test_history_says_who_when_from_to_why(plan: Plan, store: MemoryStore) -> None:
    await put(plan, store, "balance", 0.1)
    row = rows.history_row((await store.history("balance"))[-1])
    before, after = row["from"], row["to"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (row["who"], row["why"], row["at"]) == ("owner", "because", "2026-09-01T00:00:00+00:00")
    assert (before["share"], after["share"]) == (0.0, 0.1)


async def test_decide_answers_without_storing(plan: Plan, store: MemoryStore) -> None:
    arguments = {"number": "89161234567", "call_id": "c", "caller_key": b"k"}
    row = rows.decide(plan, await store.own_states(), "other", **arguments)  # type: ignore[arg-type]
    assert row.keys() == {"route", "arm", "branch", "stage", "share", "propensity", "unit", "reason"}
    assert (row["stage"], row["share"], row["propensity"]) == ("half", 0.5, 0.5)
    assert rows.decide(plan, {}, "other", **arguments) == row  # type: ignore[arg-type]
    assert store.exposures == {}
    await kill(store, None, who="a", why="b", at=NOW)
    killed = rows.decide(plan, await store.own_states(), "other", **arguments)  # type: ignore[arg-type]
    assert (killed["route"], killed["arm"], killed["reason"]) == ("operator", None, "killed")


async def verified(store: MemoryStore) -> AuditReport:
    return verify([(row, "") for row in await store.history()], await store.own_states())


async def test_a_whole_chain_verifies(plan: Plan, store: MemoryStore) -> None:
    await put(plan, store, "balance", 0.1)
    report = await verified(store)
    assert (report.ok, report.rows, report.broken_at) == (True, 4, None)
    assert report.newest_hash == store.rows[-1].hash


@pytest.mark.parametrize(
    ("edit", "broken_at"),
    [
        (lambda held: held.__setitem__(1, replace(held[1], who="somebody else")), 2),
        (
            lambda held: held.__setitem__(
                1, replace(held[1], why="x", hash=replace(held[1], why="x").computed_hash())
            ),
            3,
        ),
        (lambda held: held.__delitem__(1), 2),
        (lambda held: held.__delitem__(0), 1),
        (lambda held: held.insert(1, held[0]), 2),
    ],
    ids=["changed", "changed and hashed anew", "deleted", "first deleted", "doubled"],
)
async def test_an_edited_chain_is_found_where_it_was_edited(
    plan: Plan, store: MemoryStore, edit: Callable[[list[object]], None], broken_at: int
) -> None:
    edit(store.rows)  # type: ignore[arg-type]
    report = await verified(store)
    assert (report.ok, report.broken_at) == (False, broken_at)
    assert first_broken(store.rows) == (broken_at, report.reason)


async def test_a_state_that_no_row_leads_to_is_found(plan: Plan, store: MemoryStore) -> None:
    store._states["balance"] = replace(store._states["balance"], share=1.0)
    report = await verified(store)
    assert (report.ok, report.reason) == (False, "no audit row leads to the state of balance")


async def test_a_change_shows_from_and_to(plan: Plan, store: MemoryStore) -> None:
    row = rows.change_row(await put(plan, store, "balance", 0.1))
    assert (row["branch"], row["action"], row["override"]) == ("balance", "set", False)

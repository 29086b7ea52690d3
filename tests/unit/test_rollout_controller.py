"""The controller over the real store: what it decides alone, what it asks for, when it keeps its hands off."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from ivrbot.errors import StorageConflict, StorageUnavailable
from ivrbot.model.evidence import ShadowEvidence, UnitRows
from ivrbot.model.experiment import BranchState
from ivrbot.model.proposals import Proposal, ProposalState
from ivrbot.model.rollout import AuditRow, StateChange
from ivrbot.rollout.governing import control
from ivrbot.rollout.governing.acting import reason_of
from ivrbot.rollout.governing.audit import WHO, snapshot_of, verify
from ivrbot.rollout.governing.controller import Controller, ControllerParts
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.hours import WorkingHours
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.audit_rows import AuditTrail, stored_audit
from ivrbot.storage.leases import Leadership
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.store import Store
from tests.fakes.evidence import MemoryEvidence, Truth
from tests.fakes.waiting import until

START = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday, noon in Moscow
WEEKS = timedelta(days=21)
BRANCHES = "branches: {balance: {start: tenth}, loans: {start: tenth, after: balance}}"
HEAD = "goal: g\nsalt: s\ntimezone: Europe/Moscow\nworking_hours: {days: mon-fri, from: '09:00', to: '18:00'}\n"
TEXT = f"{HEAD}defaults: {{approval: automatic}}\n{BRANCHES}\n"
MANUAL = TEXT.replace("automatic", "manual")


class World:
    """A store, a source, a clock and as many controllers as a test wants.

    Attributes:
        now: what the clock says.
    """

    def __init__(self, store: Store, plan: Plan) -> None:
        self.store = store
        self.plan = plan
        self.now = START
        self.source = MemoryEvidence()
        self.book = RolloutBook(store)
        self.slept: list[float] = []

    def controller(self, holder: str = "one", **changes: object) -> Controller:
        parts = ControllerParts(
            plan=lambda: self.plan,
            audit=AuditTrail(self.store),
            leader=Leadership(self.store, "rollout", holder, 60.0),
            source=self.source,
            proposals=self.book,
            now=lambda: self.now,
        )
        return Controller(replace(parts, **changes), sleep=self.sleep)  # type: ignore[arg-type]

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def calls(self, days: int = 21, *, stage: str = "tenth", branch: str = "balance", **truths: Truth) -> None:
        """So many days of calls, ending now; the clock goes on to their end."""
        rung = self.plan.branches[branch].stage(stage)
        assert rung is not None
        until = self.now + timedelta(days=days)
        self.source.add_calls(branch, 1, rung, since=self.now, until=until, callers=1500 * days, **truths)
        self.now = until

    async def rows(self, branch: str = "balance") -> list[AuditRow]:
        return [row for row in await self.store.history(branch) if row.who == WHO]

    async def actions(self, branch: str = "balance") -> list[tuple[str, str]]:
        return [(row.action, reason_of(row)) for row in await self.rows(branch)]

    async def asked_for(self, branch: str = "balance") -> list[tuple[str, str]]:
        return [(item.to_stage, item.state.value) for item in await self.book.proposals() if item.branch == branch]

    async def stage(self, branch: str = "balance") -> tuple[str, float, int]:
        state = (await self.store.states())[branch]
        return state.stage, state.share, state.epoch

    async def verified(self) -> None:
        found, own = await stored_audit(self.store)
        report = verify([(row.row, row.fault) for row in found], own)
        assert report.ok, report.reason
        assert report.rederived == report.decisions


@asynccontextmanager
async def opened(folder: Path, text: str) -> AsyncIterator[World]:
    path = folder / "rollout.yaml"
    path.write_text(text)
    plan = load_plan(path, {"balance", "loans"})
    async with Store(folder / "test.sqlite") as store:
        await control.adopt(plan, store, "serve", START)
        yield World(store, plan)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path, TEXT) as world:
        yield world


@pytest.fixture
async def manual(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path, MANUAL) as world:
        yield world


# --- climbing -----------------------------------------------------------------------------------------


async def test_a_bot_shown_no_worse_climbs_one_rung_within_working_hours(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.76))
    await world.controller().look()
    assert await world.stage() == ("fifth", 0.2, 1)
    assert await world.actions() == [("advance", "passed")]
    (row,) = await world.rows()
    snapshot = snapshot_of(row.detail)
    assert snapshot is not None
    assert snapshot.evidence is not None
    assert snapshot.evidence.units == 1500 * 21
    await world.verified()


async def test_outside_working_hours_nothing_climbs_and_nothing_is_written(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.76))
    world.now += timedelta(hours=12)
    await world.controller().look()
    assert await world.stage() == ("tenth", 0.1, 1)
    assert await world.actions() == []


async def test_by_plan_a_person_is_asked_once(manual: World) -> None:
    manual.calls(bot=Truth(true_resolution=0.76))
    for _ in range(3):
        await manual.controller().look()
        manual.now += timedelta(minutes=5)
    (proposal,) = await manual.book.proposals()
    assert (proposal.branch, proposal.to_share, proposal.proposer) == ("balance", 0.2, WHO)
    assert await manual.stage() == ("tenth", 0.1, 1)
    (row,) = await manual.rows()
    assert (row.seq, row.action, row.before) == (proposal.evidence_seq, "propose", row.after)
    assert snapshot_of(row.detail) is not None
    await manual.verified()


async def test_a_person_who_said_no_is_left_in_peace_for_a_week(manual: World) -> None:
    manual.calls(bot=Truth(true_resolution=0.76))
    await manual.controller().look()
    (proposal,) = await manual.book.proposals()
    no = ProposalState.REJECTED
    await manual.book.close(proposal.proposal_id, no, [], who="user:ivan", why="holidays", at=manual.now)
    for days in (1, 5):
        manual.calls(days=days, bot=Truth(true_resolution=0.76))
        await manual.controller().look()
        assert await manual.asked_for() == [("fifth", "rejected")]
    manual.calls(days=1, bot=Truth(true_resolution=0.76))
    await manual.controller().look()
    assert await manual.asked_for() == [("fifth", "rejected"), ("fifth", "open")]


async def test_a_persons_own_proposal_is_not_pushed_aside(manual: World) -> None:
    manual.calls(bot=Truth(true_resolution=0.76))
    own = Proposal("aaaaaa", "balance", "tenth", 0.1, 1, "half", 0.5, "user:ivan", "hurry", manual.now, True)
    await manual.book.propose(own, [], who="user:ivan", why="hurry", at=manual.now)
    await manual.controller().look()
    assert await manual.asked_for() == [("half", "open")]


async def test_a_proposal_that_the_evidence_no_longer_supports_is_withdrawn(manual: World) -> None:
    manual.calls(bot=Truth(true_resolution=0.76))
    await manual.controller().look()
    manual.source.down = True
    await manual.controller().look()
    assert await manual.asked_for() == [("fifth", "superseded")]
    assert await manual.actions() == [("propose", "passed"), ("hold", "query_failed")]


async def test_shadow_is_left_by_accuracy_on_real_calls(tmp_path: Path) -> None:
    async with opened(tmp_path, TEXT.replace("balance: {start: tenth}", "balance: {start: shadow}")) as world:
        world.now += timedelta(days=4)
        await world.controller().look()
        assert await world.actions() == [("hold", "few_shadow_calls")]
        world.source.shadow_calls = ShadowEvidence(n=400, correct=380)
        await world.controller().look()
        assert await world.stage() == ("tenth", 0.1, 1)


# --- going down ---------------------------------------------------------------------------------------


async def test_a_bot_shown_worse_goes_down_at_once_at_any_hour(manual: World) -> None:
    manual.calls(bot=Truth(true_resolution=0.55))
    manual.now = manual.now.replace(hour=0) + timedelta(days=5, minutes=3)  # 3 a.m. on a Saturday
    manual.source.fresh = manual.now
    await manual.controller().look()
    assert await manual.stage() == ("shadow", 0.0, 2)
    ((action, reason),) = await manual.actions()
    assert (action, reason) == ("roll_back", "primary_failed")
    await manual.verified()


async def test_after_a_rollback_only_a_person_sends_a_branch_up_again(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.55))
    await world.controller().look()
    world.source.shadow_calls = ShadowEvidence(n=400, correct=390)
    world.now += timedelta(days=7)
    await world.controller().look()
    assert await world.stage() == ("shadow", 0.0, 2)
    assert await world.asked_for() == [("tenth", "open")]


async def test_a_killed_branch_is_left_alone(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.76))
    await control.kill(world.store, "balance", who="user:olga", why="complaint", at=world.now)
    await world.controller().look()
    assert await world.actions() == []
    assert "balance" not in world.source.asked


async def test_the_kill_switch_needs_no_controller_and_no_lease(world: World) -> None:
    await world.controller().look()
    await control.kill(world.store, None, who="user:olga", why="fire", at=world.now)
    assert (await world.store.states())["balance"].killed


# --- holding ------------------------------------------------------------------------------------------


async def test_a_hold_is_written_once_a_day_and_when_its_reason_changes(world: World) -> None:
    world.calls(days=1)
    for _ in range(12):
        await world.controller().look()
        world.now += timedelta(hours=1)
    assert await world.actions() == [("hold", "few_callers")]
    world.source.down = True
    await world.controller().look()
    assert await world.actions() == [("hold", "few_callers"), ("hold", "query_failed")]
    world.now += timedelta(hours=25)
    await world.controller().look()
    assert [reason for _, reason in await world.actions()] == ["few_callers", "query_failed", "query_failed"]
    await world.verified()


async def test_a_failed_query_holds_that_branch_and_the_next_is_looked_at(tmp_path: Path) -> None:
    text = TEXT.replace(", after: balance", "")
    async with opened(tmp_path, text) as world:
        world.calls(branch="loans", bot=Truth(true_resolution=0.76))
        world.now -= WEEKS
        world.calls(bot=Truth(true_resolution=0.76))
        whole = world.source.unit_rows

        async def torn(branch: str, epoch: int, **arguments: object) -> UnitRows:
            if branch == "balance":
                raise StorageUnavailable("disk")
            return await whole(branch, epoch, **arguments)  # type: ignore[arg-type]

        world.source.unit_rows = torn  # type: ignore[assignment, method-assign]
        await world.controller().look()
        assert await world.actions("balance") == [("hold", "query_failed")]
        assert await world.stage("loans") == ("fifth", 0.2, 1)


@pytest.mark.parametrize("kind", ["slow", "broken"])
async def test_a_slow_query_or_unusable_rows_never_widen(world: World, kind: str) -> None:
    world.calls(bot=Truth(true_resolution=0.76))

    async def never(*_: object, **__: object) -> UnitRows:
        if kind == "slow":
            await asyncio.Event().wait()
        raise ValueError("a propensity of 7")

    world.source.unit_rows = never  # type: ignore[method-assign]
    await world.controller(query_s=0.01).look()
    assert await world.actions() == [("hold", "query_slow" if kind == "slow" else "internal")]
    assert await world.stage() == ("tenth", 0.1, 1)
    await world.verified()


async def test_a_clock_set_back_holds(world: World) -> None:
    world.calls(days=10)
    await world.controller().look()
    before = len(await world.rows())
    world.now -= timedelta(days=9)
    await world.controller().look()
    await world.controller().look()
    assert (await world.actions())[before:] == [("hold", "clock")]
    assert await world.stage() == ("tenth", 0.1, 1)


async def test_the_demonstrations_plan_is_quiet(tmp_path: Path) -> None:
    ladder = "defaults: {stages: [{name: full, share: 1.0, min_days: 0, holdback: 0}]}"
    async with opened(tmp_path, f"goal: g\nsalt: s\n{ladder}\nbranches: {{balance: {{start: full}}}}\n") as world:
        world.calls(stage="full", bot=Truth(engine_failure=0.5))
        await world.controller().look()
        assert await world.actions() == []
        assert await world.stage() == ("full", 1.0, 1)


# --- one branch after another -------------------------------------------------------------------------


async def completed(world: World) -> None:
    """Balance on its last rung, and enough calls to say so."""
    for share in (0.2, 0.5, 1.0):
        await control.set_share(
            world.plan, world.store, "balance", share, who="user:olga", why="test", at=world.now
        )
    world.calls(days=60, stage="full")


async def test_a_branch_starts_when_the_one_before_is_complete(world: World) -> None:
    await world.controller().look()
    assert await world.stage("loans") == ("", 0.0, 1)
    await completed(world)
    while world.now.weekday() > 4:
        world.now += timedelta(days=1)
    world.source.fresh = world.now
    await world.controller().look()
    assert (await world.actions())[-1] == ("complete", "complete")
    assert await world.stage("loans") == ("tenth", 0.1, 1)
    await world.controller().look()
    assert next(action for action, _ in await world.actions("loans")) == "start"
    await world.verified()


async def test_a_branch_that_was_rolled_back_off_its_ladder_does_not_start_anew(tmp_path: Path) -> None:
    ladder = "stages: [{name: half, share: 0.5}, {name: full, share: 1.0, holdback: 0.05}]"
    text = (
        f"goal: g\nsalt: s\ndefaults: {{approval: automatic, {ladder}}}\nbranches: {{balance: {{start: half}}}}\n"
    )
    async with opened(tmp_path, text) as world:
        world.calls(stage="half", bot=Truth(true_resolution=0.5))
        await world.controller().look()
        assert await world.stage() == ("", 0.0, 2)
        await world.controller().look()
        assert await world.stage() == ("", 0.0, 2)


async def test_with_manual_approval_a_start_is_proposed(manual: World) -> None:
    await manual.controller().look()
    await completed(manual)
    await manual.controller().look()
    await manual.controller().look()
    assert await manual.stage("loans") == ("", 0.0, 1)
    assert await manual.asked_for("loans") == [("tenth", "open")]


# --- restarts, two controllers, conflicts -------------------------------------------------------------


async def test_two_controllers_on_one_file_make_one_decision(tmp_path: Path, world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.55))
    async with Store(Path(str(world.store.where))) as other_store:
        other = World(other_store, world.plan)
        other.now, other.source = world.now, world.source
        await asyncio.gather(*(place.controller(name).look() for place, name in ((world, "a"), (other, "b"))))
    assert await world.actions() == [("roll_back", "primary_failed")]
    await world.verified()


async def test_the_second_controller_waits_and_takes_over_when_the_first_is_silent(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.55))
    first = Leadership(world.store, "rollout", "first", 60.0)
    assert await first.take(world.now)
    second = world.controller("second")
    await second.look()
    assert await world.actions() == []
    world.now += timedelta(seconds=61)
    await second.look()
    assert await world.actions() == [("roll_back", "primary_failed")]
    state = (await world.store.own_states())["balance"]
    with pytest.raises(StorageConflict):
        await first.write([StateChange(state, state, "hold")], WHO, "late", world.now, seen_seq=3)


async def test_a_lease_from_a_clock_far_ahead_does_not_lock_everybody_out(world: World) -> None:
    await Leadership(world.store, "rollout", "dead", 60.0).take(world.now + timedelta(days=365))
    assert await Leadership(world.store, "rollout", "alive", 60.0).take(world.now)


async def test_a_death_between_reading_and_deciding_leaves_nothing(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.55))
    before = await world.store.history()
    reached = asyncio.Event()

    async def hang(*_: object, **__: object) -> UnitRows:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    source, world.source = world.source, MemoryEvidence()
    world.source.unit_rows = hang  # type: ignore[method-assign]
    looking = asyncio.create_task(world.controller("dead").look())
    await reached.wait()
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert await world.store.history() == before
    world.source = source
    world.now += timedelta(seconds=61)
    await world.controller("next").look()
    assert await world.actions() == [("roll_back", "primary_failed")]


async def test_a_decision_is_dropped_when_somebody_was_faster(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.76))
    whole = world.source.unit_rows
    killed: list[BranchState] = []

    async def kill_meanwhile(branch: str, epoch: int, **arguments: object) -> UnitRows:
        if not killed:
            changes = await control.kill(world.store, branch, who="user:olga", why="now", at=world.now)
            killed.append(changes[0].after)
        return await whole(branch, epoch, **arguments)  # type: ignore[arg-type]

    world.source.unit_rows = kill_meanwhile  # type: ignore[assignment, method-assign]
    await world.controller().look()
    assert (await world.store.own_states())["balance"] == killed[0]
    assert await world.actions() == []


async def test_one_that_is_always_beaten_gives_up_for_this_round(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.76))
    whole = world.source.unit_rows
    asked = 0

    async def change_other(branch: str, epoch: int, **arguments: object) -> UnitRows:
        nonlocal asked
        asked += 1
        own = (await world.store.own_states())["loans"]
        await world.store.apply_changes([StateChange(own, own, "note")], "user:olga", "busy", world.now)
        return await whole(branch, epoch, **arguments)  # type: ignore[arg-type]

    world.source.unit_rows = change_other  # type: ignore[assignment, method-assign]
    await world.controller().look()
    assert asked == 3
    assert await world.stage() == ("tenth", 0.1, 1)


async def test_a_row_that_somebody_has_damaged_does_not_end_the_loop(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.55))
    with sqlite3.connect(str(world.store.where)) as raw:
        raw.execute("UPDATE audit SET after = '{}' WHERE seq = 1")
    raw.close()
    await run_for(world, world.controller(), 30)
    assert await world.stage() == ("tenth", 0.1, 1)


async def test_a_store_that_is_away_is_waited_for(world: World) -> None:
    world.calls(bot=Truth(true_resolution=0.55))
    controller = world.controller()
    await world.store.close()
    await controller.look()
    await world.store.start()
    await controller.look()
    assert await world.actions() == [("roll_back", "primary_failed")]


# --- the schedule -------------------------------------------------------------------------------------


async def run_for(world: World, controller: Controller, seconds: float) -> None:
    """Run the loop for some time of its clock."""
    ends = world.now + timedelta(seconds=seconds)

    running = asyncio.create_task(controller.run())
    await until(lambda: world.now >= ends)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_it_looks_every_interval_and_renews_its_lease_in_between(world: World) -> None:
    await run_for(world, world.controller(interval_s=300.0), 1000)
    assert world.source.asked == ["balance"] * 4
    assert set(world.slept) == {10.0}


async def test_a_clock_set_back_does_not_stop_the_schedule(world: World) -> None:
    controller = world.controller(interval_s=300.0)
    await run_for(world, controller, 20)
    world.now -= timedelta(days=30)
    await run_for(world, controller, 20)
    assert len(world.source.asked) == 2


async def test_whoever_stops_lets_another_lead_at_once(world: World) -> None:
    await run_for(world, world.controller("one"), 20)
    assert await Leadership(world.store, "rollout", "one", 60.0).current() is None


@pytest.mark.parametrize(
    ("days", "hours", "at", "within"),
    [
        ((1, 5), (9, 18), "2026-03-02T06:00+00:00", True),  # Monday 9:00 in Moscow
        ((1, 5), (9, 18), "2026-03-02T05:59+00:00", False),
        ((1, 5), (9, 18), "2026-03-06T14:59+00:00", True),
        ((1, 5), (9, 18), "2026-03-06T15:00+00:00", False),
        ((1, 5), (9, 18), "2026-03-07T09:00+00:00", False),  # Saturday
        ((6, 1), (9, 18), "2026-03-08T09:00+00:00", True),  # Saturday to Monday
        ((6, 1), (9, 18), "2026-03-03T09:00+00:00", False),
        ((5, 5), (22, 6), "2026-03-07T02:00+00:00", True),  # the night after Friday
        ((5, 5), (22, 6), "2026-03-06T02:00+00:00", False),
    ],
)
def test_working_hours(days: tuple[int, int], hours: tuple[int, int], at: str, within: bool) -> None:
    week = WorkingHours(*days, time(hours[0]), time(hours[1]))
    assert week.include(datetime.fromisoformat(at), "Europe/Moscow") is within

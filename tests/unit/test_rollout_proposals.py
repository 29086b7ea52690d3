"""Two persons, overtaken proposals, the order of branches, hours, rolling back, frozen experiments, standings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivrbot.errors import ConfigError, StorageConflict
from ivrbot.model.call import CallId
from ivrbot.model.experiment import Arm, Exposure
from ivrbot.model.proposals import PROPOSAL_LIFE, Exclusion, Proposal, ProposalState
from ivrbot.model.rollout import ALL_BRANCHES, StateChange, effective_states, first_broken
from ivrbot.rollout.governing.audit import verify
from ivrbot.rollout.governing.control import adopt, kill, rollback, set_share
from ivrbot.rollout.governing.control import resume as control_resume
from ivrbot.rollout.governing.proposals import Desk, approve, current, propose, reject, resume
from ivrbot.rollout.governing.standing import standings
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan
from ivrbot.storage.audit_rows import stored_audit
from ivrbot.storage.rollout_book import RolloutBook
from ivrbot.storage.store import Store

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)  # a Tuesday
TEXT = "goal: g\nsalt: s\nbranches: {balance: {start: shadow}, loans: {after: balance}}\n"
Planner = Callable[[str], Plan]


@pytest.fixture
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planner:
    def make(text: str) -> Plan:
        path = tmp_path_factory.mktemp("plan") / "rollout.yaml"
        path.write_text(text)
        return load_plan(path, {"balance", "loans"})

    return make


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "ivrbot.sqlite") as opened:
        yield opened


@dataclass
class Room:
    """A plan in force, and people who want something of it."""

    desk: Desk
    store: Store
    book: RolloutBook

    async def propose(self, share: float | None = None, who: str = "anna", branch: str = "balance") -> str:
        made = await propose(self.desk, branch, share, who=who, why="w", at=NOW)
        return made.proposal_id

    async def approve(self, proposal_id: str, who: str = "boris", at: datetime = NOW) -> StateChange:
        return await approve(self.desk, proposal_id, who=who, why="w", at=at)

    async def states(self) -> list[ProposalState]:
        return [item.state for item in await current(self.store, self.book, NOW)]


async def room_of(plan: Plan, store: Store) -> Room:
    await adopt(plan, store, "serve", NOW)
    book = RolloutBook(store)
    return Room(Desk(plan, store, book), store, book)


@pytest.fixture
async def room(planned: Planner, store: Store) -> Room:
    return await room_of(planned("two_person: true\n" + TEXT), store)


# --- two persons ----------------------------------------------------------------------------------------


async def test_a_second_person_puts_the_branch_on_the_next_rung(room: Room) -> None:
    change = await room.approve(await room.propose())
    assert (change.after.stage, change.after.epoch) == ("tenth", 1)
    rows = await room.store.history("balance")
    assert [row.action for row in rows] == ["start", "propose", "approve"]
    assert [row.who for row in rows] == ["serve", "anna", "boris"]
    assert rows[1].before == rows[1].after
    asked = rows[2].detail["proposal"]
    assert isinstance(asked, dict)
    assert (asked["who"], asked["seq"]) == ("anna", rows[1].seq)
    assert first_broken(await room.store.history()) is None
    assert await room.states() == [ProposalState.APPROVED]


async def test_the_proposer_cannot_approve_nor_raise_alone_but_may_go_down(room: Room) -> None:
    asked = await room.propose()
    with pytest.raises(ConfigError, match="cannot approve"):
        await room.approve(asked, who=" anna ")
    plan, held = room.desk.plan, room.store
    for override in (False, True):
        with pytest.raises(ConfigError, match="two persons"):
            await set_share(plan, held, "balance", 0.1, who="anna", why="w", at=NOW, override=override)
    await room.approve(asked)
    await set_share(plan, held, "balance", 0.0, who="anna", why="w", at=NOW)
    await kill(held, "balance", who="anna", why="w", at=NOW)


async def test_without_the_rule_one_person_may_do_both(planned: Planner, store: Store) -> None:
    room = await room_of(planned(TEXT), store)
    assert (await room.approve(await room.propose(), who="anna")).after.share == 0.1


async def test_a_rejected_proposal_moves_nothing_and_stays_rejected(room: Room) -> None:
    asked = await room.propose()
    await reject(room.desk, asked, who="boris", why="not yet", at=NOW)
    with pytest.raises(ConfigError, match="is rejected"):
        await room.approve(asked)
    assert (await room.store.own_states())["balance"].share == 0
    assert [row.action for row in await room.store.history("balance")] == ["start", "propose", "reject"]


async def test_proposals_are_overtaken_by_newer_ones_by_moves_and_by_time(room: Room) -> None:
    first, second = await room.propose(), await room.propose()
    assert await room.states() == [ProposalState.SUPERSEDED, ProposalState.OPEN]
    with pytest.raises(ConfigError, match="no longer holds"):
        await room.approve(first)
    with pytest.raises(ConfigError, match="expired"):
        await room.approve(second, at=NOW + PROPOSAL_LIFE + timedelta(seconds=1))
    await kill(room.store, "balance", who="anna", why="w", at=NOW)
    await control_resume(room.store, "balance", who="anna", why="w", at=NOW)
    with pytest.raises(ConfigError, match="no longer holds"):
        await room.approve(second)


async def test_of_two_approvals_at_once_one_counts(room: Room) -> None:
    asked = await room.propose()
    await room.approve(asked)
    row = (await room.store.history())[-1]
    with pytest.raises(StorageConflict):
        await room.book.close(asked, ProposalState.APPROVED, [], who="c", why="w", at=NOW)
    assert (await room.store.history())[-1] == row


@pytest.mark.parametrize(("share", "message"), [(0.0, "no rise"), (0.5, "one rung up"), (0.3, "not a share")])
async def test_what_could_not_be_set_cannot_be_proposed(room: Room, share: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        await room.propose(share)
    assert await room.states() == []


async def test_an_unknown_id_names_those_that_are_open(room: Room) -> None:
    asked = await room.propose()
    with pytest.raises(ConfigError) as caught:
        await room.approve("zzzzzz")
    assert caught.value.problems[0].allowed == asked


# --- hours and order --------------------------------------------------------------------------------------


async def test_shares_rise_within_hours_and_fall_at_any(planned: Planner, store: Store) -> None:
    hours = 'timezone: Europe/Moscow\nworking_hours: {days: mon-fri, from: "09:00", to: "18:00"}\n'
    room = await room_of(planned(hours + TEXT), store)
    night = NOW.replace(hour=15)  # 18:00 in Moscow
    asked = await room.propose()
    with pytest.raises(ConfigError, match="working hours"):
        await room.approve(asked, at=night)
    with pytest.raises(ConfigError, match="working hours"):
        await set_share(room.desk.plan, store, "balance", 0.1, who="a", why="w", at=night)
    await room.approve(asked, at=night - timedelta(seconds=1))
    await rollback(room.desk.plan, store, "balance", who="a", why="w", at=night)


async def test_a_branch_waits_until_the_one_before_is_complete(planned: Planner, store: Store) -> None:
    room = await room_of(planned(TEXT), store)
    with pytest.raises(ConfigError, match="starts after balance is complete"):
        await room.propose(branch="loans")
    held = (await store.own_states())["balance"]
    await store.apply_changes([StateChange(held, held, "complete")], "controller", "w", NOW)
    assert (await room.approve(await room.propose(branch="loans"))).after.stage == "shadow"


async def test_an_override_stays_stamped_while_its_epoch_lasts(planned: Planner, store: Store) -> None:
    plan = planned(TEXT)
    await adopt(plan, store, "serve", NOW)
    for share, override in ((0.2, True), (0.5, False)):
        await set_share(plan, store, "balance", share, who="a", why="w", at=NOW, override=override)
        assert standings(await store.history())["balance"].override
    await rollback(plan, store, "balance", who="a", why="w", at=NOW)
    assert not standings(await store.history())["balance"].override


# --- rolling back, killing ------------------------------------------------------------------------------------


async def test_rolling_back_goes_to_shadow_and_ends_the_epoch(planned: Planner, store: Store) -> None:
    plan = planned(TEXT)
    await adopt(plan, store, "serve", NOW)
    await set_share(plan, store, "balance", 0.5, who="a", why="w", at=NOW, override=True)
    change = await rollback(plan, store, "balance", who="a", why="w", at=NOW)
    assert (change.after.stage, change.after.share, change.after.epoch) == ("shadow", 0.0, 2)
    with pytest.raises(ConfigError, match="share 0 already"):
        await rollback(plan, store, "balance", who="a", why="w", at=NOW)
    await set_share(plan, store, "balance", 0.5, who="a", why="w", at=NOW, override=True)
    unread = await rollback(None, store, "balance", who="a", why="w", at=NOW)
    assert (unread.after.stage, unread.after.share, unread.after.epoch) == ("", 0.0, 3)


async def test_a_branch_killed_before_anything_started_starts_killed(planned: Planner, store: Store) -> None:
    await kill(store, "balance", who="a", why="w", at=NOW, known=["balance"])
    await adopt(planned(TEXT), store, "serve", NOW)
    held = (await store.own_states())["balance"]
    assert (held.stage, held.killed) == ("shadow", True)


# --- experiments ----------------------------------------------------------------------------------------------


async def exposed(store: Store, plan: Plan) -> None:
    await set_share(plan, store, "balance", 0.1, who="a", why="w", at=NOW)
    await store.expose(
        Exposure(CallId("c"), "u", "balance", Arm.CONTROL, 0.1, "tenth", 1, plan.revision, NOW, "100", "+7916")
    )


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (("goal: g", "goal: h"), ["goal"]),
        (("salt: s", "salt: s\ndefaults: {alpha: 0.01}"), ["alpha"]),
        (("salt: s", "salt: s\ndefaults: {primary: [{kpi: true_resolution, margin: 0.05}]}"), ["primary"]),
        (
            ("salt: s", "salt: s\ndefaults: {time_cap_s: 9, repeat_window_days: 5}"),
            ["repeat_window_days", "time_cap_s"],
        ),
    ],
    ids=["goal", "alpha", "primary", "window"],
)
async def test_what_is_frozen_opens_a_new_experiment(
    planned: Planner, store: Store, edit: tuple[str, str], changed: list[str]
) -> None:
    plan = planned(TEXT)
    await adopt(plan, store, "serve", NOW)
    await exposed(store, plan)
    await adopt(planned(TEXT.replace(*edit)), store, "serve", NOW)
    row = (await store.history("balance"))[-1]
    told = row.detail["changed"]
    assert isinstance(told, dict)
    assert (row.action, row.after.epoch, row.after.stage, sorted(told)) == ("new_experiment", 2, "tenth", changed)
    assert (await store.history("loans"))[-1].action == "adopt"  # nobody was drawn there


async def test_what_is_not_frozen_keeps_the_epoch(planned: Planner, store: Store) -> None:
    plan = planned(TEXT)
    await adopt(plan, store, "serve", NOW)
    await exposed(store, plan)
    await adopt(planned(TEXT + "two_person: true\ndefaults: {approval: automatic}\n"), store, "serve", NOW)
    row = (await store.history("balance"))[-1]
    assert (row.action, row.after.epoch) == ("adopt", 1)


# --- standings ------------------------------------------------------------------------------------------------


async def test_standings_tell_since_when_and_whether_complete(planned: Planner, store: Store) -> None:
    plan = planned(TEXT)
    await adopt(plan, store, "serve", NOW)
    day = [NOW + timedelta(days=number) for number in range(7)]
    await set_share(plan, store, "balance", 0.1, who="a", why="w", at=day[1])
    held = (await store.own_states())["balance"]
    for action, at in (("hold", day[2]), ("complete", day[3]), ("hold", day[4])):
        await store.apply_changes([StateChange(held, held, action)], "controller", "w", at)
    found = standings(await store.history())["balance"]
    assert (found.since, found.complete, found.last_at) == (day[1], True, day[4])
    await kill(store, None, who="a", why="w", at=day[5])
    await control_resume(store, None, who="a", why="w", at=day[6])
    later = standings(await store.history())
    assert (later["balance"].since, later["balance"].complete) == (day[6], False)
    assert ALL_BRANCHES not in later


# --- callers kept out -------------------------------------------------------------------------------------------


async def test_exclusions_hold_everywhere_or_in_a_branch(store: Store) -> None:
    book = RolloutBook(store)
    everywhere = Exclusion("unit-a", "vip", ALL_BRANCHES, "a", "w", NOW)
    await book.exclude(everywhere)
    await book.exclude(Exclusion("unit-b", "vip", "loans", "a", "w", NOW))
    await book.exclude(Exclusion("unit-b", "opt_out", "loans", "a", "w", NOW))
    asked = [("unit-a", "loans"), ("unit-b", "loans"), ("unit-b", "balance"), ("unit-c", "loans")]
    assert [await book.excluded(*who) for who in asked] == ["vip", "opt_out", "", ""]
    assert await book.include("unit-a", ALL_BRANCHES, who="b", why="x", at=NOW)
    assert not await book.include("unit-a", ALL_BRANCHES, who="b", why="x", at=NOW)
    assert [item.unit for item in await book.exclusions()] == ["unit-b"]
    assert replace(everywhere, unit="x") not in await book.exclusions()


@pytest.mark.parametrize("started", [False, True], ids=["first", "after_a_kill"])
async def test_exclusions_stand_in_the_audit_by_their_hash_and_move_nothing(
    planned: Planner, store: Store, started: bool
) -> None:
    await adopt(planned(TEXT), store, "serve", NOW)
    if started:
        await kill(store, None, who="a", why="w", at=NOW)
    before = effective_states(await store.own_states())["balance"]
    book = RolloutBook(store)
    await book.exclude(Exclusion("unit-b", "opt_out", "loans", "anna", "asked", NOW))
    await book.include("unit-x", "loans", who="boris", why="nobody", at=NOW)  # was not out: nothing to tell
    await book.include("unit-b", "loans", who="boris", why="came back", at=NOW)
    rows = (await store.history(ALL_BRANCHES))[-2:]
    assert [(row.action, row.who, row.why) for row in rows] == [
        ("exclude", "anna", "asked"),
        ("include", "boris", "came back"),
    ]
    for row in rows:
        assert row.detail == {"exclusion": {"unit": "unit-b", "kind": "opt_out", "branch": "loans"}}
    assert rows[1].before == rows[1].after == rows[0].after
    assert rows[0].before == (rows[0].after if started else None)
    assert effective_states(await store.own_states())["balance"] == before
    found = [(row.row, row.fault) for row in (await stored_audit(store))[0]]
    assert verify(found, await store.own_states()).ok


# --- taking a kill back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("everything", [False, True])
async def test_a_kill_is_one_persons_taking_it_back_is_two(room: Room, everything: bool) -> None:
    await room.approve(await room.propose())
    branch = None if everything else "balance"
    await kill(room.store, branch, who="anna", why="w", at=NOW)
    asked = await resume(room.desk, branch, who="anna", why="mended", at=NOW)
    assert isinstance(asked, Proposal)
    assert effective_states(await room.store.own_states())["balance"].killed
    with pytest.raises(ConfigError, match="cannot approve"):
        await room.approve(asked.proposal_id, who="anna")
    change = await room.approve(asked.proposal_id)
    assert (change.action, change.after.killed) == ("resume", False)
    held = effective_states(await room.store.own_states())["balance"]
    assert (held.killed, held.stage) == (False, "tenth")
    found = [(row.row, row.fault) for row in (await stored_audit(room.store))[0]]
    assert verify(found, await room.store.own_states()).ok
    alone = replace(change, detail={"two_person": True, "proposal": {"who": "anna"}}, before=change.after)
    await room.store.apply_changes([alone], "anna", "w", NOW)
    found = [(row.row, row.fault) for row in (await stored_audit(room.store))[0]]
    assert "one person alone" in verify(found, await room.store.own_states()).reason


async def test_a_proposal_to_resume_does_not_fit_a_later_kill(room: Room) -> None:
    await room.approve(await room.propose())
    for branch in ("balance", None):
        await kill(room.store, branch, who="anna", why="w", at=NOW)
        asked = await resume(room.desk, branch, who="anna", why="mended", at=NOW)
        assert isinstance(asked, Proposal)
        await control_resume(room.store, branch, who="root", why="w", at=NOW)
        with pytest.raises(ConfigError, match="taken back already"):
            await room.approve(asked.proposal_id)
        await kill(room.store, branch, who="anna", why="again", at=NOW)
        with pytest.raises(ConfigError, match="no longer holds"):
            await room.approve(asked.proposal_id)
        await control_resume(room.store, branch, who="root", why="w", at=NOW)


async def test_where_nobody_would_meet_the_bot_or_one_person_is_enough_a_resume_is_done_at_once(
    room: Room, planned: Planner
) -> None:
    await kill(room.store, "balance", who="anna", why="w", at=NOW)
    done = await resume(room.desk, "balance", who="anna", why="w", at=NOW)
    assert isinstance(done, list)
    assert [change.action for change in done] == ["resume"]
    assert await resume(room.desk, "balance", who="anna", why="w", at=NOW) == []
    await room.approve(await room.propose())
    await kill(room.store, None, who="anna", why="w", at=NOW)
    one_person = replace(room.desk, plan=planned(TEXT))
    assert isinstance(await resume(one_person, None, who="anna", why="w", at=NOW), list)

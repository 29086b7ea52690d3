"""What every store must do, whatever is behind it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

import pytest

from ivrbot.errors import StorageConflict
from ivrbot.model.attempts import Tally
from ivrbot.model.call import (
    AssuranceLevel,
    CallId,
    CallOutcome,
    CallRegistration,
    Dossier,
    EscalationReason,
    QueueName,
    TranscriptLine,
)
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.experiment import Arm, BranchState, Exposure
from ivrbot.model.rollout import ALL_BRANCHES, GENESIS_HASH, StateChange, first_broken
from ivrbot.ports import AttemptStore, CallStore, EventStore
from ivrbot.rollout.governing.control import ControlStore

NOW = datetime(2026, 9, 1, 12, 30, 15, 123456, UTC)
CALLER = "+79990000001"
CALL = CallId("0b8f7f3e-1f6e-4d57-9d0e-3f6f0d9ac001")
OTHER = CallId("0b8f7f3e-1f6e-4d57-9d0e-3f6f0d9ac002")
TENTH = BranchState("balance", "tenth", 0.1, 0.0, 1, False, "r1")


class Store(EventStore, CallStore, ControlStore, AttemptStore, Protocol):
    """All stores in one."""

    async def registration(self, call_id: CallId) -> CallRegistration | None: ...
    async def erase_caller(self, call_id: CallId) -> None: ...


def event(seq: int, call_id: CallId = CALL, text: str = "") -> CallEvent:
    return CallEvent(
        call_id, seq, EventType.BOT_SAID, seq * 20, NOW, {"text": text or f"слово {seq}", "n": [1, None]}
    )


def exposure(call_id: CallId = CALL, **changes: object) -> Exposure:
    drawn = Exposure(call_id, "unit", "balance", Arm.TREATMENT, 0.1, "tenth", 1, "r1", NOW)
    return replace(drawn, **changes)  # type: ignore[arg-type]


def dossier() -> Dossier:
    return Dossier(
        dossier_id="d-1",
        call_id=CALL,
        created_at=NOW,
        queue=QueueName("block_card"),
        reason=EscalationReason.CALLER_ASKED,
        topic="block_card",
        language="ru",
        priority=10,
        caller=CALLER,
        customer_id="c1",
        customer_name="Анна",
        level=AssuranceLevel.VERIFIED,
        facts_used=("last_four",),
        slots={"card": "4271"},
        tried=("bank:block_card:done:R1",),
        transcript=(TranscriptLine("caller", "потеряла карту", 900),),
        suggestion="reissue",
    )


class StoreContract:
    """Subclass it and give a fixture `store`."""

    async def test_events_come_back_in_order_and_whole(self, store: Store) -> None:
        await store.append([event(1), event(0)])
        await store.append([event(0, OTHER)])
        assert await store.of_call(CALL) == (event(0), event(1))

    async def test_a_repeated_event_keeps_the_first(self, store: Store) -> None:
        await store.append([event(0, text="first")])
        await store.append([event(0, text="second"), event(1)])
        assert [item.data["text"] for item in await store.of_call(CALL)] == ["first", "слово 1"]

    async def test_no_events_are_no_error(self, store: Store) -> None:
        await store.append([])
        assert await store.of_call(CALL) == ()

    async def test_times_come_back_in_utc(self, store: Store) -> None:
        moscow = NOW.astimezone(timezone(timedelta(hours=3)))
        await store.append([replace(event(0), at=moscow)])
        (stored,) = await store.of_call(CALL)
        assert stored.at == NOW
        assert stored.at.utcoffset() == timedelta(0)

    async def test_a_call_registers_once(self, store: Store) -> None:
        registration = CallRegistration(CALL, CALLER, "100", "PJSIP/a-1", "1.1", "1.0", "softphone", "en")
        await store.register(registration, NOW)
        with pytest.raises(StorageConflict):
            await store.register(CallRegistration(CALL), NOW)
        assert await store.registration(CALL) == registration
        assert await store.registration(OTHER) is None

    async def test_of_registrations_at_once_one_wins(self, store: Store) -> None:
        tries = [store.register(CallRegistration(CALL, called=str(at)), NOW) for at in range(5)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["NoneType"] + ["StorageConflict"] * 4

    async def test_dossier_comes_back_whole(self, store: Store) -> None:
        await store.register(CallRegistration(CALL, "89990000001"), NOW)
        await store.save_dossier(dossier())
        assert await store.dossier("d-1") == dossier()
        assert await store.dossier("d-2") is None

    async def test_dossier_of_a_call_that_nobody_registered(self, store: Store) -> None:
        await store.save_dossier(dossier())
        assert await store.dossier("d-1") == dossier()

    async def test_a_dossier_may_be_completed(self, store: Store) -> None:
        await store.save_dossier(dossier())
        await store.save_dossier(replace(dossier(), suggestion="callback", caller=""))
        assert (await store.dossier("d-1") or dossier()).suggestion == "callback"

    async def test_erasing_forgets_the_number_everywhere(self, store: Store) -> None:
        await store.register(CallRegistration(CALL, CALLER, called="100"), NOW)
        await store.save_dossier(dossier())
        await store.erase_caller(CALL)
        assert await store.registration(CALL) == CallRegistration(CALL, called="100")
        assert await store.dossier("d-1") == replace(dossier(), caller="")

    async def test_the_last_outcome_counts(self, store: Store) -> None:
        assert await store.outcome(CALL) is None
        await store.save_outcome(CALL, CallOutcome("hangup"))
        last = CallOutcome("transfer", "block_card", "block_card", "d-1", 10)
        await store.save_outcome(CALL, last)
        assert await store.outcome(CALL) == last

    async def test_a_state_change_leaves_an_audit_row(self, store: Store) -> None:
        await store.change_state(TENTH, "owner", "approved", NOW)
        (row,) = await store.history()
        assert await store.states() == {"balance": TENTH}
        assert (row.seq, row.who, row.why, row.at, row.before, row.after, row.previous_hash) == (
            1,
            "owner",
            "approved",
            NOW,
            None,
            TENTH,
            GENESIS_HASH,
        )

    async def test_the_chain_holds_over_many_changes(self, store: Store) -> None:
        for share in (0.2, 0.5, 1.0):
            await store.change_state(replace(TENTH, share=share), "кто", "зачем", NOW)
        await store.change_state(replace(TENTH, branch="loans"), "a", "b", NOW)
        rows = await store.history()
        assert first_broken(rows) is None
        assert [row.before.share if row.before else None for row in rows] == [None, 0.2, 0.5, None]
        assert [row.seq for row in await store.history("loans")] == [4]

    async def test_of_two_deciders_one_wins(self, store: Store) -> None:
        await store.change_state(TENTH, "a", "b", NOW)
        changes = [StateChange(TENTH, replace(TENTH, epoch=number), "set") for number in (2, 3)]
        tries = [store.apply_changes([change], "a", "b", NOW) for change in changes]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(answer) for answer in answers].count(StorageConflict) == 1
        assert len(await store.history()) == 2

    async def test_changes_are_all_or_none(self, store: Store) -> None:
        loans = replace(TENTH, branch="loans")
        fine, stale = StateChange(None, TENTH, "set"), StateChange(loans, loans, "set")
        with pytest.raises(StorageConflict):
            await store.apply_changes([fine, stale], "a", "b", NOW)
        assert await store.states() == {}
        assert await store.history() == ()

    async def test_detail_and_override_are_kept(self, store: Store) -> None:
        change = StateChange(None, TENTH, "set", override=True, detail={"n": 3, "word": "да"})
        await store.apply_changes([change], "a", "b", NOW)
        (row,) = await store.history()
        assert (row.override, row.detail, row.action) == (True, {"n": 3, "word": "да"}, "set")

    async def test_exposure_is_stored_with_the_state_it_was_drawn_from(self, store: Store) -> None:
        await store.change_state(TENTH, "a", "b", NOW)
        assert await store.expose(exposure()) == TENTH
        assert await store.exposure(CALL, "balance") == exposure()
        assert await store.exposure(CALL, "loans") is None

    async def test_a_repeated_exposure_keeps_the_first(self, store: Store) -> None:
        await store.change_state(TENTH, "a", "b", NOW)
        await store.expose(exposure())
        await store.expose(exposure(arm=Arm.CONTROL))
        assert await store.exposure(CALL, "balance") == exposure()

    @pytest.mark.parametrize(
        "changed",
        [
            replace(TENTH, killed=True),
            replace(TENTH, epoch=2),
            replace(TENTH, stage="fifth", share=0.2),
            replace(TENTH, holdback=0.95),
        ],
        ids=["killed", "epoch", "stage", "bound"],
    )
    async def test_exposure_from_an_older_state_is_not_stored(self, store: Store, changed: BranchState) -> None:
        await store.change_state(TENTH, "a", "b", NOW)
        await store.change_state(changed, "a", "b", NOW)
        assert await store.expose(exposure()) == changed
        assert await store.exposure(CALL, "balance") is None

    async def test_the_general_kill_switch_reaches_every_branch(self, store: Store) -> None:
        await store.change_state(TENTH, "a", "b", NOW)
        everything = BranchState(ALL_BRANCHES, "", 0.0, 0.0, killed=True)
        await store.change_state(everything, "a", "b", NOW)
        assert await store.expose(exposure()) == replace(TENTH, killed=True)
        assert await store.expose(exposure(branch="loans")) == everything
        assert await store.exposure(CALL, "balance") is None
        assert await store.states() == {"balance": replace(TENTH, killed=True), ALL_BRANCHES: everything}
        assert await store.own_states() == {"balance": TENTH, ALL_BRANCHES: everything}

    async def test_exposure_in_a_branch_without_state(self, store: Store) -> None:
        assert await store.expose(exposure()) is None
        assert await store.exposure(CALL, "balance") is None

    async def test_failures_count_from_a_moment_on(self, store: Store) -> None:
        for minutes in (0, 10, 20):
            await store.add_failure("customer:1", CALL, NOW + timedelta(minutes=minutes))
        await store.add_failure("customer:2", CALL, NOW)
        assert await store.failures_since("customer:1", NOW + timedelta(minutes=10)) == 2
        assert await store.failures_since("customer:3", NOW) == 0

    async def test_a_failure_is_reserved_before_it_is_one_and_taken_back_where_it_was_none(
        self, store: Store
    ) -> None:
        await store.add_failure("customer:1", CALL, NOW - timedelta(days=2))
        await store.add_failure("customer:1", CALL, NOW)
        both = ("customer:1", "number:1")
        since = NOW - timedelta(days=1)
        first = await store.reserve(both, CALL, NOW, since)
        second = await store.reserve(both, CALL, NOW, since)
        assert (first.before, second.before) == ((1, 0), (2, 1))
        assert len({*first.rows, *second.rows}) == 4
        await store.release(first.rows)
        await store.release(second.rows[1:])
        assert await store.failures_since("customer:1", since) == 2
        assert await store.failures_since("number:1", since) == 0

    async def test_guesses_at_once_are_each_counted_on_top_of_the_others(self, store: Store) -> None:
        reserved = await asyncio.gather(*(store.reserve(("customer:1",), CALL, NOW, NOW) for _ in range(20)))
        assert sorted(one.before[0] for one in reserved) == list(range(20))

    async def test_failures_of_a_window_and_their_calls(self, store: Store) -> None:
        for minutes, call in ((0, "a"), (10, "a"), (11, "b"), (20, "c")):
            await store.add_failure("all", CallId(call), NOW + timedelta(minutes=minutes))
        window = NOW + timedelta(minutes=10), NOW + timedelta(minutes=20)
        assert await store.tally("all", *window) == Tally(2, 2)
        assert await store.tally("other", *window) == Tally(0, 0)

    async def test_an_alarm_is_raised_by_one_of_many(self, store: Store) -> None:
        since = NOW - timedelta(minutes=30)
        raised = await asyncio.gather(*(store.raise_once("alarm:1", CALL, NOW, since) for _ in range(10)))
        assert sum(raised) == 1
        later = NOW + timedelta(hours=1)
        assert await store.raise_once("alarm:1", CALL, later, later - timedelta(minutes=30))

"""The operators' side: what is stored, who is told, and that nothing of it can hold a call up."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from ivrbot.errors import StorageUnavailable
from ivrbot.model.call import CallId, CallOutcome, CallRegistration, Dossier, EscalationReason, QueueName
from ivrbot.operators import desk as desk_module
from ivrbot.operators.desk import KEPT, OperatorDesk
from tests.fakes.calls import Clock
from tests.fakes.store import MemoryStore

CALL = CallRegistration(CallId(str(uuid.uuid4())), channel="PJSIP/trunk-1")
DOSSIER = Dossier(
    "d1",
    CALL.call_id,
    datetime(2026, 3, 5, tzinfo=UTC),
    QueueName("loans"),
    EscalationReason.CALLER_ASKED,
    "loan_info",
    "ru",
    priority=10,
)


class Pbx:
    """Remembers variables; `stuck` never answers."""

    def __init__(self) -> None:
        self.variables: dict[tuple[str, str], str] = {}
        self.stuck = False
        self.clock: Clock | None = None
        self.closed = 0

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        if self.stuck:
            assert self.clock is not None
            self.clock.forward(desk_module.PBX_WAIT_S + 0.1)
            await asyncio.Event().wait()
        self.variables[channel, name] = value

    async def close(self) -> None:
        self.closed += 1


@pytest_asyncio.fixture
async def store() -> AsyncIterator[MemoryStore]:
    made = MemoryStore()
    await made.register(CALL, datetime(2026, 3, 5, tzinfo=UTC))
    yield made


async def test_the_topic_is_left_with_the_pbx(store: MemoryStore) -> None:
    pbx = Pbx()
    await OperatorDesk(store, [pbx]).announce(CALL, "loan_info", "loans")
    assert pbx.variables == {(CALL.channel, "__BOT_TOPIC"): "loan_info", (CALL.channel, "__BOT_QUEUE"): "loans"}


async def test_a_call_without_a_channel_tells_the_pbx_nothing(store: MemoryStore) -> None:
    pbx = Pbx()
    await OperatorDesk(store, [pbx]).announce(replace(CALL, channel=""), "loan_info", "loans")
    assert pbx.variables == {}


async def test_a_transfer_is_stored_shown_and_told(store: MemoryStore) -> None:
    pbx, shown = Pbx(), list[Dossier]()
    desk = OperatorDesk(store, [pbx])
    stop = desk.watch(shown.append)
    outcome = await desk.transfer(CALL, DOSSIER)
    assert outcome == CallOutcome("transfer", "loans", "loan_info", "d1", 10)
    assert outcome.as_text() == "transfer:loans|loan_info|d1|10"
    assert await store.dossier("d1") == DOSSIER
    assert await store.outcome(CALL.call_id) == outcome
    assert shown == [DOSSIER] and desk.recent == (DOSSIER,)
    assert pbx.variables[CALL.channel, "__BOT_DOSSIER"] == "d1"
    assert pbx.variables[CALL.channel, "__BOT_PRIORITY"] == "10"
    stop()
    await desk.transfer(CALL, replace(DOSSIER, dossier_id="d2"))
    assert shown == [DOSSIER]


async def test_a_screen_that_breaks_keeps_nobody_from_his_operator(store: MemoryStore) -> None:
    shown: list[Dossier] = []

    def broken(_dossier: Dossier) -> None:
        raise ValueError("a bug in a page")

    desk = OperatorDesk(store)
    desk.watch(broken)
    desk.watch(shown.append)
    await desk.transfer(CALL, DOSSIER)
    assert shown == [DOSSIER]
    assert await store.outcome(CALL.call_id) is not None


@pytest.mark.parametrize("step", ["announce", "transfer"])
async def test_a_pbx_that_hangs_is_not_waited_for(store: MemoryStore, step: str) -> None:
    pbx = Pbx()
    pbx.stuck, pbx.clock = True, Clock()
    desk = OperatorDesk(store, [pbx])
    if step == "announce":
        await desk.announce(CALL, "loan_info", "loans")
    else:
        assert (await desk.transfer(CALL, DOSSIER)).queue == "loans"


async def test_a_store_that_is_away_is_told_but_the_screens_and_the_pbx_know(store: MemoryStore) -> None:
    pbx, shown = Pbx(), list[Dossier]()
    store.down = True
    desk = OperatorDesk(store, [pbx])
    desk.watch(shown.append)
    with pytest.raises(StorageUnavailable):
        await desk.transfer(CALL, DOSSIER)
    assert shown == [DOSSIER]
    assert pbx.variables[CALL.channel, "__BOT_QUEUE"] == "loans"


async def test_only_the_last_dossiers_are_kept_in_memory(store: MemoryStore) -> None:
    desk = OperatorDesk(store)
    for number in range(KEPT + 5):
        await desk.transfer(CALL, replace(DOSSIER, dossier_id=f"d{number}"))
    assert len(desk.recent) == KEPT
    assert desk.recent[0].dossier_id == f"d{KEPT + 4}"


async def test_closing_disconnects_from_every_pbx(store: MemoryStore) -> None:
    pbxs = [Pbx(), Pbx()]
    await OperatorDesk(store, pbxs).close()
    assert [pbx.closed for pbx in pbxs] == [1, 1]


async def test_an_alarm_is_shown_and_kept_although_nobody_waits(store: MemoryStore) -> None:
    desk = OperatorDesk(store)
    seen: list[Dossier] = []
    desk.watch(seen.append)
    await desk.alarm(DOSSIER)
    assert seen == [DOSSIER]
    assert desk.recent == (DOSSIER,)
    assert await store.dossier("d1") == DOSSIER
    assert await store.outcome(CALL.call_id) is None


async def test_an_alarm_that_cannot_be_kept_is_shown_all_the_same(store: MemoryStore) -> None:
    desk = OperatorDesk(store)
    store.down = True
    await desk.alarm(DOSSIER)
    assert desk.recent == (DOSSIER,)


async def ahead(queue: str, waited_s: float) -> int | None:
    """Two came before, in the loans' queue."""
    assert waited_s >= 0
    return 2 if queue == "loans" else None


async def test_a_place_that_is_kept_goes_to_the_pbx_with_the_caller(store: MemoryStore) -> None:
    pbx = Pbx()
    desk = OperatorDesk(store, [pbx], ahead=ahead)
    assert await desk.hold_place(CALL, "loans")
    pbx.variables.clear()
    await desk.transfer(CALL, DOSSIER)
    assert pbx.variables[CALL.channel, "__BOT_POSITION"] == "3"
    pbx.variables.clear()
    await desk.transfer(CALL, DOSSIER)  # it is taken up once
    assert (CALL.channel, "__BOT_POSITION") not in pbx.variables


async def test_another_queue_or_one_that_is_not_known_has_no_place(store: MemoryStore) -> None:
    for held_in, queue in (("other", "loans"), ("other", "other")):
        pbx = Pbx()
        desk = OperatorDesk(store, [pbx], ahead=ahead)
        assert await desk.hold_place(CALL, held_in)
        await desk.transfer(CALL, replace(DOSSIER, queue=QueueName(queue)))
        assert not pbx.variables.get((CALL.channel, "__BOT_POSITION"))


async def test_a_place_outlives_the_bot(store: MemoryStore) -> None:
    moved = iter((2, 1))
    pbx = Pbx()

    async def fewer(queue: str, waited_s: float) -> int | None:
        return next(moved) if queue == "loans" else None

    desk = OperatorDesk(store, [pbx], ahead=fewer)
    await desk.announce(CALL, "loan_info", "loans")
    assert await desk.hold_place(CALL, "loans")
    assert pbx.variables[CALL.channel, "__BOT_POSITION"] == "3"
    await desk.announce(CALL, "find_office", "other")  # served meanwhile: he still waits for the loans
    assert pbx.variables[CALL.channel, "__BOT_QUEUE"] == "loans"
    assert pbx.variables[CALL.channel, "__BOT_TOPIC"] == "loan_info"
    assert pbx.variables[CALL.channel, "__BOT_POSITION"] == "2"
    await desk.transfer(CALL, replace(DOSSIER, queue=QueueName("block_card")))  # an emergency goes to its own
    assert pbx.variables[CALL.channel, "__BOT_POSITION"] == ""


async def test_an_emergency_while_a_place_is_kept_outlives_the_bot(store: MemoryStore) -> None:
    pbx = Pbx()
    desk = OperatorDesk(store, [pbx], ahead=ahead)
    assert await desk.hold_place(CALL, "loans")
    assert pbx.variables[CALL.channel, "__BOT_POSITION"] == "3"
    await desk.announce(CALL, "report_fraud", "block_card")
    assert pbx.variables == {
        (CALL.channel, "__BOT_TOPIC"): "report_fraud",
        (CALL.channel, "__BOT_QUEUE"): "block_card",
        (CALL.channel, "__BOT_POSITION"): "",
    }
    await desk.announce(CALL, "find_office", "other")  # it is over: he waits for the loans again
    assert pbx.variables[CALL.channel, "__BOT_QUEUE"] == "loans"
    assert pbx.variables[CALL.channel, "__BOT_POSITION"] == "3"


async def test_no_place_is_promised_where_none_can_be_kept(store: MemoryStore) -> None:
    assert not await OperatorDesk(store).hold_place(CALL, "loans")
    assert not await OperatorDesk(store, [Pbx()]).hold_place(CALL, "loans")
    assert not await OperatorDesk(store, [Pbx()], ahead=ahead).hold_place(replace(CALL, channel=""), "loans")


async def test_places_of_callers_who_hung_up_do_not_pile_up(store: MemoryStore) -> None:
    desk = OperatorDesk(store, [Pbx()], ahead=ahead)
    for number in range(KEPT + 5):
        await desk.hold_place(replace(CALL, call_id=CallId(str(number))), "loans")
    assert len(desk._places) == KEPT

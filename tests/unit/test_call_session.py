"""Whatever fails, the caller reaches a person, success is never claimed falsely, nothing secret is kept."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ivrbot import app
from ivrbot.call.banking import BankDeadlines
from ivrbot.call.channel import Unclear
from ivrbot.call.running import CallParts
from ivrbot.call.session import CallSession
from ivrbot.config import Settings
from ivrbot.errors import (
    BankRejected,
    BankUnavailable,
    EngineBadOutput,
    EngineTimeout,
    EngineUnavailable,
    StorageUnavailable,
)
from ivrbot.model.call import (
    CallEnd,
    CallId,
    CallOutcome,
    CallRegistration,
    Disposition,
    Dossier,
    EscalationReason,
)
from ivrbot.model.events import EventType, JsonValue
from tests.fakes.calls import Clock, FakeNlu, HinderedBank, ScriptedCaller, Turn, product_files
from tests.fakes.waiting import until

ANNA = "+79161234567"
LOST, BALANCE = "потеряла карту", "какой баланс"
BLOCK: list[Turn] = [LOST, "4271", "да"]
CHECKING = "Проверяю."


@dataclass
class Line:
    """A core and everything that one call left behind."""

    core: app.Core
    nlu: FakeNlu
    bank: HinderedBank
    parts: CallParts
    events: list[tuple[EventType, dict[str, JsonValue]]] = field(default_factory=list)
    call_id: CallId = field(default_factory=lambda: CallId(str(uuid.uuid4())))

    async def call(self, caller: ScriptedCaller | list[Turn], number: str = ANNA, **changes: Any) -> CallEnd:
        channel = caller if isinstance(caller, ScriptedCaller) else ScriptedCaller(caller)
        registration = CallRegistration(self.call_id, caller=number, gateway="text")
        await self.core.store.register(registration, app.utc_now())

        def emit(type_: EventType, t_ms: int, data: dict[str, JsonValue]) -> None:
            self.core.recorder.emit(self.call_id, type_, t_ms, data)
            self.events.append((type_, data))

        parts = replace(self.parts, **changes)
        end = await CallSession(parts, registration, "ru", channel, emit).run()
        assert channel.closed == 1
        assert [type_ for type_, _ in self.events].count(EventType.CALL_ENDED) == 1
        return end

    def of(self, type_: EventType) -> list[dict[str, JsonValue]]:
        return [data for kind, data in self.events if kind is type_]

    async def cards(self, number: str = ANNA) -> dict[str, str]:
        (customer,) = await self.bank._bank.bank.show(number)  # type: ignore[attr-defined]
        return {card["last4"]: card["status"] for card in customer["cards"]}


@pytest_asyncio.fixture
async def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    monkeypatch.setattr(app, "_load_files", lambda *_: product_files())
    nlu = FakeNlu({LOST: "block_card", BALANCE: "check_balance", "оператора": "operator", "нет": "deny"})
    async with app.open_core(Settings(data_dir=tmp_path), plan_file=app.DEMO_PLAN, nlu=nlu) as core:
        bank = HinderedBank(core.parts.bank)
        yield Line(core, nlu, bank, replace(core.parts, bank=bank))


def escalated(end: CallEnd, reason: EscalationReason) -> Dossier:
    assert (end.disposition, end.reason) == (Disposition.ESCALATED, reason.value)
    assert end.dossier is not None
    return end.dossier


def claimed(caller: ScriptedCaller) -> bool:
    return any("Готово" in text for text in caller.said)


async def test_a_call_that_goes_well(line: Line) -> None:
    end = await line.call([*BLOCK, "нет", "нет"])
    assert (end.disposition, end.reason, end.topic) == (Disposition.RESOLVED, "served", "block_card")
    assert (await line.cards())["4271"] == "blocked"
    outcome = await line.core.store.outcome(line.call_id)
    assert outcome is not None and outcome.action == "hangup"


async def test_the_operations_log_says_what_was_confirmed_and_what_was_refused(line: Line) -> None:
    operations = line.core.parts.bank.operations  # type: ignore[attr-defined]
    await line.call([*BLOCK, "нет", "нет"])
    done = [row for row in await operations.entries() if row["operation"] == "block_card"]
    assert [row["result"] for row in done] == ["asked", "ok"]
    assert {row["confirmation"] for row in done} == {"confirm_block in words"}
    assert {tuple(row["facts_used"]) for row in done} == {("last_four",)}
    line.call_id = CallId(str(uuid.uuid4()))
    line.events.clear()
    await line.call([BALANCE, "1111", "2222", "3333"])
    refused = (await operations.entries())[-1]
    assert (refused["operation"], refused["result"]) == ("get_balance", "refused: failures_in_call")
    assert (refused["call_id"], refused["customer_id"]) == (line.call_id, "c-1001")
    assert await operations.verify() is None


# --- the bank -----------------------------------------------------------------------------------------


async def test_bank_away_when_the_caller_is_looked_up(line: Line) -> None:
    line.bank.lookup_failures = [BankUnavailable("down")] * 2  # for his code word, and for himself
    dossier = escalated(await line.call([LOST]), EscalationReason.BANK_UNAVAILABLE)
    assert (dossier.queue, dossier.priority) == ("block_card", 10)


async def test_bank_away_when_the_card_is_blocked(line: Line) -> None:
    line.bank.failures["block_card"] = [BankUnavailable("down")]
    caller = ScriptedCaller(BLOCK)
    dossier = escalated(await line.call(caller), EscalationReason.BANK_UNAVAILABLE)
    assert dossier.tried == ("bank_block_card:unavailable",)
    assert not claimed(caller)
    assert (await line.cards())["4271"] == "active"


async def test_bank_refuses(line: Line) -> None:
    line.bank.failures["block_card"] = [BankRejected("no")]
    caller = ScriptedCaller(BLOCK)
    dossier = escalated(await line.call(caller), EscalationReason.BANK_REJECTED)
    assert dossier.tried == ("bank_block_card:rejected",)
    assert not claimed(caller)


async def test_slow_bank_is_announced_and_then_waited_for(line: Line) -> None:
    caller = ScriptedCaller([*BLOCK, "нет"])
    never_answers(line, "block_card", caller)
    caller.on_say = lambda text: line.bank.gate.set() if text == CHECKING else None
    end = await line.call(caller)
    assert end.disposition is Disposition.RESOLVED
    assert caller.said.index(CHECKING) < next(i for i, text in enumerate(caller.said) if "Готово" in text)


def never_answers(line: Line, operation: str, caller: ScriptedCaller) -> None:
    """Two seconds pass when the bank is asked, and five more when the caller is told that we are checking."""
    clock = Clock()
    line.bank.gated = operation
    line.bank.gate.clear()
    line.bank.on_gate = lambda: clock.forward(2.1)
    caller.on_say = lambda text: clock.forward(5.0) if text == CHECKING else None


async def test_bank_that_never_answers_a_write(line: Line) -> None:
    caller = ScriptedCaller(BLOCK)
    never_answers(line, "block_card", caller)
    dossier = escalated(await line.call(caller), EscalationReason.BANK_OUTCOME_UNKNOWN)
    assert dossier.tried == ("bank_block_card:unknown",)
    assert caller.said.count(CHECKING) == 1
    assert not claimed(caller)


async def test_bank_that_never_answers_a_read(line: Line) -> None:
    caller = ScriptedCaller([LOST, "4271"])
    never_answers(line, "list_cards", caller)
    escalated(await line.call(caller), EscalationReason.BANK_UNAVAILABLE)


async def test_bank_that_never_answers_who_is_calling(line: Line) -> None:
    caller = ScriptedCaller([LOST])
    never_answers(line, "find_customer", caller)
    escalated(await line.call(caller), EscalationReason.BANK_UNAVAILABLE)
    assert caller.said.count(CHECKING) == 1


async def test_a_mouth_that_hangs_does_not_lengthen_the_wait(line: Line) -> None:
    class Mute(ScriptedCaller):
        async def say(self, utterance: Any, *, interruptible: bool) -> None:
            await super().say(utterance, interruptible=interruptible)
            if utterance.text == CHECKING:
                await asyncio.Event().wait()

    caller = Mute(BLOCK)
    never_answers(line, "block_card", caller)
    escalated(await line.call(caller), EscalationReason.BANK_OUTCOME_UNKNOWN)


async def test_answer_lost_after_the_effect_is_asked_for_with_the_same_key(line: Line) -> None:
    line.bank._bank.bank.faults = replace(line.bank._bank.bank.faults, lost_answers=1)  # type: ignore[attr-defined]
    caller = ScriptedCaller([*BLOCK, "нет"])
    end = await line.call(caller)
    assert end.disposition is Disposition.RESOLVED
    writes = [request for request in line.bank.executed if request.operation.writes]
    assert len(writes) == 2
    assert len({request.idempotency_key for request in writes}) == 1
    assert claimed(caller)


async def test_answer_lost_twice_is_told_to_the_operator_and_not_claimed(line: Line) -> None:
    line.bank._bank.bank.faults = replace(line.bank._bank.bank.faults, lost_answers=2)  # type: ignore[attr-defined]
    caller = ScriptedCaller(BLOCK)
    dossier = escalated(await line.call(caller), EscalationReason.BANK_OUTCOME_UNKNOWN)
    assert dossier.tried == ("bank_block_card:unknown",)
    assert dossier.suggestion == "suggest_check_outcome"
    assert not claimed(caller)
    assert (await line.cards())["4271"] == "blocked"


async def test_a_surprise_from_the_bank(line: Line) -> None:
    line.bank.failures["block_card"] = [ValueError("bad gateway")]
    dossier = escalated(await line.call(BLOCK), EscalationReason.INTERNAL_ERROR)
    assert dossier.tried == ("bank_block_card:unknown",)


async def test_asked_twice_to_block_there_is_one_effect(line: Line) -> None:
    await line.call([*BLOCK, "нет", LOST, "нет", "нет"])
    keys = {request.idempotency_key for request in line.bank.executed if request.operation.writes}
    assert len(keys) == 1
    assert [data["action"] for data in line.of(EventType.BANK_REPLIED)].count("bank_block_card") == 1


async def test_who_hangs_up_at_an_offer_has_got_what_he_rang_for(line: Line) -> None:
    end = await line.call(BLOCK)
    assert (end.disposition, end.reason) == (Disposition.RESOLVED, "served")


async def test_hang_up_while_the_bank_is_asked(line: Line) -> None:
    line.bank.gated = "block_card"
    line.bank.gate.clear()
    caller = ScriptedCaller(BLOCK)
    call = asyncio.create_task(line.call(caller))
    await until(line.bank.began.is_set)
    caller.gone = True
    line.bank.gate.set()
    end = await call
    assert (end.disposition, end.reason) == (Disposition.ABANDONED, "hung_up")
    assert (await line.cards())["4271"] == "blocked"
    last = line.of(EventType.BANK_REPLIED)[-1]
    assert (last["action"], last["status"]) == ("bank_block_card", "ok")


async def test_time_limit_while_the_bank_is_asked_says_that_it_may_have_happened(line: Line) -> None:
    line.bank.gated = "block_card"
    line.bank.gate.clear()
    clock = Clock()
    line.bank.on_gate = lambda: clock.forward(700)
    patient = BankDeadlines(slow_ms=1_000_000, deadline_ms=2_000_000)
    dossier = escalated(await line.call(BLOCK, deadlines=patient), EscalationReason.TIME_LIMIT)
    assert dossier.tried == ("bank_block_card:unknown",)


async def test_an_operation_needs_its_own_leave_and_not_that_of_another(line: Line) -> None:
    """A flow that authenticates for blocking and then reads a balance is stopped, whatever its author meant."""
    flows = dict(line.core.flow_set.flows)
    steps = dict(flows["block_card"].steps)
    steps["1"] = replace(steps["1"], name="bank_get_balance")
    flows["block_card"] = replace(flows["block_card"], steps=steps)
    flow_set = replace(line.core.flow_set, flows=flows)
    changed = type(line.parts.dialogue)(flow_set)
    end = await line.call([LOST, "4271"], dialogue=changed, flow_set=flow_set)
    escalated(end, EscalationReason.AUTHENTICATION_FAILED)
    assert line.bank.executed == []


async def test_a_card_named_for_the_second_topic_is_the_one_that_counts(line: Line) -> None:
    line.nlu._intents["баланс карты 9030"] = "check_balance"
    caller = ScriptedCaller([LOST, "4271", "нет", "нет", "баланс карты 9030", "черёмуха", "нет"])
    await line.call(caller)
    assert any("9030, можно потратить" in text for text in caller.said)


# --- engines ------------------------------------------------------------------------------------------


async def test_understanding_fails_once(line: Line) -> None:
    line.nlu.failures = [EngineTimeout("slow")]
    end = await line.call([LOST, LOST, "4271", "да", "нет"])
    assert end.disposition is Disposition.RESOLVED
    assert [data["code"] for data in line.of(EventType.ENGINE_FAILED)] == ["engine_timeout"]


@pytest.mark.parametrize("failure", [EngineUnavailable("down"), ValueError("a bug")])
async def test_understanding_fails_twice(line: Line, failure: Exception) -> None:
    line.nlu.failures = [failure, failure]
    escalated(await line.call([LOST, LOST, LOST]), EscalationReason.NLU_FAILURE)


async def test_understanding_that_hangs(line: Line) -> None:
    clock = Clock()

    class Hanging(FakeNlu):
        async def parse(self, *_: object) -> Any:
            clock.forward(2.5)
            await asyncio.Event().wait()

    escalated(await line.call([LOST, LOST], nlu=Hanging()), EscalationReason.NLU_FAILURE)
    assert [data["code"] for data in line.of(EventType.ENGINE_FAILED)] == ["engine_timeout"] * 2


async def test_keys_and_digits_work_without_understanding(line: Line) -> None:
    line.nlu.failures = [EngineUnavailable("down")] * 9
    end = await line.call(["1", "4271", "да", "0"])
    assert end.reason == EscalationReason.CALLER_ASKED.value
    assert (await line.cards())["4271"] == "blocked"


async def test_answers_to_secret_questions_are_not_shown_to_understanding(line: Line) -> None:
    caller = ScriptedCaller([LOST, "черёмуха"])
    await line.call(caller)
    assert "черёмуха" not in line.nlu.read
    assert caller.completes is not None
    assert not await caller.completes("черёмуха") or "черёмуха" in line.nlu.read


async def test_no_mouth_at_all(line: Line) -> None:
    caller = ScriptedCaller([LOST])
    caller.say_failure = EngineUnavailable("no voice")
    escalated(await line.call(caller), EscalationReason.TTS_FAILURE)


async def test_no_mouth_for_variable_parts(line: Line) -> None:
    caller = ScriptedCaller(BLOCK)
    caller.say_failure, caller.only_variable = EngineBadOutput("silence"), True
    dossier = escalated(await line.call(caller), EscalationReason.TTS_FAILURE)
    assert dossier.topic == "block_card"
    assert "Извините" in caller.said[-1]


async def test_no_ears_once_then_keys(line: Line) -> None:
    caller = ScriptedCaller([EngineUnavailable("deaf"), "1", "4271", "1", "нет"])
    end = await line.call(caller)
    assert end.disposition is Disposition.RESOLVED
    assert any("нажмите один" in text for text in caller.said)


async def test_no_ears_in_the_middle_of_a_topic_asks_the_same_again(line: Line) -> None:
    caller = ScriptedCaller([LOST, "4271", EngineTimeout("slow"), "да", "нет"])
    end = await line.call(caller)
    assert end.disposition is Disposition.RESOLVED
    assert sum("блокирую, верно" in text for text in caller.said) == 2
    assert not any("нажмите один" in text for text in caller.said)


@pytest.mark.parametrize("between", [[], [""], ["7"]])
async def test_no_ears_twice(line: Line, between: list[Turn]) -> None:
    deaf = EngineUnavailable("deaf")
    escalated(await line.call([deaf, *between, deaf]), EscalationReason.ASR_FAILURE)


async def test_ears_that_come_back_count_anew(line: Line) -> None:
    deaf = EngineUnavailable("deaf")
    end = await line.call([deaf, LOST, deaf, "4271", "да", deaf, "нет"])
    assert end.disposition is Disposition.RESOLVED


async def test_speech_without_words_twice(line: Line) -> None:
    escalated(await line.call([Unclear(), Unclear()]), EscalationReason.NO_MATCH)


async def test_a_bug_in_the_channel(line: Line) -> None:
    escalated(await line.call([ZeroDivisionError()]), EscalationReason.INTERNAL_ERROR)


# --- storage ------------------------------------------------------------------------------------------


class Away:
    """A call store whose saving fails, in front of nothing."""

    async def save_outcome(self, call_id: CallId, outcome: CallOutcome) -> None:
        raise StorageUnavailable("away")


class BrokenDesk:
    def __init__(self, failure: BaseException | None) -> None:
        self._failure = failure

    async def state(self, queue: str) -> None:
        return None

    async def promise_callback(self, registration: CallRegistration, dossier: Dossier, asked: object) -> None:
        raise StorageUnavailable("down")

    async def announce(self, registration: CallRegistration, topic: str, queue: str) -> None:
        pass

    async def transfer(self, registration: CallRegistration, dossier: Dossier) -> CallOutcome:
        if self._failure is None:
            await asyncio.Event().wait()
        assert self._failure is not None
        raise self._failure

    async def close(self) -> None:
        pass


async def test_store_away_at_the_goodbye_is_no_reason_to_apologise(line: Line) -> None:
    caller = ScriptedCaller([*BLOCK, "нет", "нет"])
    end = await line.call(caller, calls=Away())
    assert end.disposition is Disposition.RESOLVED
    assert "До свидания" in caller.said[-1]


async def test_a_dossier_that_cannot_be_stored_is_no_reason_not_to_transfer(line: Line) -> None:
    end = await line.call(["оператора"], operators=BrokenDesk(StorageUnavailable("away")))
    escalated(end, EscalationReason.CALLER_ASKED)


async def test_a_desk_that_hangs_holds_nobody_up(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.call.ending.HAND_OVER_S", 0.02)
    escalated(await line.call(["оператора"], operators=BrokenDesk(None)), EscalationReason.CALLER_ASKED)


async def test_a_desk_with_a_bug_ends_the_call_in_order(line: Line) -> None:
    end = await line.call(["оператора"], operators=BrokenDesk(ValueError("a bug")))
    assert end.disposition is Disposition.FAILED


async def test_counters_away_let_nobody_in(line: Line) -> None:
    class NoCounters:
        async def failures_since(self, *_: object) -> int:
            raise StorageUnavailable("away")

        async def add_failure(self, *_: object) -> None:
            raise StorageUnavailable("away")

    escalated(await line.call(BLOCK, attempts=NoCounters()), EscalationReason.STORAGE_FAILURE)
    assert line.bank.executed == []


async def test_time_limit(line: Line) -> None:
    class Monologue(ScriptedCaller):
        async def listen(self, *_: object) -> Any:
            await asyncio.Event().wait()

    caller, clock = Monologue([]), Clock()
    caller.on_say = lambda _text: clock.forward(250)
    escalated(await line.call(caller), EscalationReason.TIME_LIMIT)


async def test_cancelling_goes_on_and_closes_the_leg(line: Line) -> None:
    class Endless(ScriptedCaller):
        async def listen(self, *_: object) -> Any:
            await asyncio.Event().wait()

    caller = Endless([])
    call = asyncio.create_task(line.call(caller))
    await until(lambda: len(caller.said) >= 2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert caller.closed == 1


# --- endings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turns", "disposition"),
    [
        ([], Disposition.ABANDONED),
        ([LOST], Disposition.ABANDONED),
        (BLOCK[:2], Disposition.ABANDONED),
        (BLOCK, Disposition.RESOLVED),
    ],
)
async def test_hanging_up(line: Line, turns: list[Turn], disposition: Disposition) -> None:
    assert (await line.call(turns)).disposition is disposition


async def test_a_name_is_not_told_before_the_caller_is_known(line: Line) -> None:
    caller: list[Turn] = [LOST, "89031112233#", "оператора"]
    dossier = escalated(await line.call(caller, number="+79990001122"), EscalationReason.CALLER_ASKED)
    assert (dossier.customer_name, dossier.level.value) == ("", "none")


# --- nothing secret is kept ---------------------------------------------------------------------------

SECRETS: list[tuple[list[Turn], list[str]]] = [
    ([LOST, "черёмуха", "0"], ["черёмуха"]),
    ([LOST, "моё слово метрономия", "0"], ["метрономия"]),
    ([LOST, "соколова анна сергеевна пятое марта", "0"], ["соколова", "марта"]),
    ([LOST, "четыре два семь один", "0"], ["два семь", "4271"]),
    ([LOST, "4271", "0"], ["4271"]),
    (["моя карта 4276 1234 5678 4271 пропала", "0"], ["4276", "5678", "1234"]),
    (["звоню с номера восемь девятьсот шестнадцать 123 45 67", "0"], ["девятьсот", "45 67"]),
    (["моё кодовое слово черёмуха помогите", "0"], ["черёмуха"]),
    (["1", "4276123456784271", "0"], ["4276", "1234", "5678"]),
    (["1", "4271", "9030", "0"], ["9030"]),
]


@pytest.mark.parametrize(("turns", "planted"), SECRETS, ids=[str(row[0][:2]) for row in SECRETS])
async def test_planted_secrets_are_found_nowhere(
    line: Line, turns: list[Turn], planted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="ivrbot"):
        end = await line.call(ScriptedCaller(turns))
    assert end.dossier is not None
    kept = json.dumps([data for _, data in line.events], ensure_ascii=False).lower()
    transcript = " ".join(entry.text for entry in end.dossier.transcript if entry.who == "caller").lower()
    for secret in planted:
        assert secret not in kept
        assert secret not in transcript
        assert secret not in caplog.text.lower()
    assert ANNA not in kept


async def test_the_bots_own_words_are_masked_in_events(line: Line) -> None:
    caller = ScriptedCaller([*BLOCK, "нет"])
    await line.call(caller)
    assert any("4271" in text for text in caller.said)
    kept = json.dumps(line.of(EventType.BOT_SAID), ensure_ascii=False)
    assert "4271" not in kept
    assert "***" in kept

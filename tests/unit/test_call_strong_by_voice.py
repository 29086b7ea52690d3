"""Whole calls in which a voice is enrolled, and stands for the code where the bank has put it into the policy."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio

from ivrbot import app
from ivrbot.call.running import CallParts
from ivrbot.call.session import CallSession
from ivrbot.call.voice import Voices
from ivrbot.config import Settings
from ivrbot.errors import EngineTimeout
from ivrbot.identity.policy import Policy, SecondFactor
from ivrbot.identity.voices import enrolled
from ivrbot.model.bank import BankOperation
from ivrbot.model.call import CallEnd, CallId, CallRegistration, EscalationReason
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.voiceprint import VoiceThresholds
from tests.contract.voiceprints import NOW
from tests.fakes.calls import FakeNlu, HinderedBank, ScriptedCaller, Turn, product_files
from tests.fakes.sms import MemorySms
from tests.fakes.voice_engine import A_STRANGERS, ANNAS, HER_SISTERS, FakeVoiceEngine, voice
from tests.fakes.voiceprints import MemoryVoiceprints

ANNA, CUSTOMER = "+79161234567", "c-1001"
LIMIT = "увеличьте лимит на снятие наличных"
RAISE: list[Turn] = [LIMIT, "4271", "черёмуха", "двести тысяч рублей", "да"]
"""Until the second factor is asked for."""


def voiced(policy: Policy) -> Policy:
    """The shipped policy of a bank that takes voices."""
    second = (SecondFactor.VOICE, SecondFactor.ONE_TIME_CODE)
    change = policy.profiles["change"].model_copy(update={"second": second})
    return policy.model_copy(update={"profiles": {**policy.profiles, "change": change}})


@dataclass
class Line:
    """A bank that compares voices, and what its calls left behind."""

    core: app.Core
    parts: CallParts
    bank: HinderedBank
    engine: FakeVoiceEngine = field(default_factory=FakeVoiceEngine)
    store: MemoryVoiceprints = field(default_factory=MemoryVoiceprints)
    sms: MemorySms = field(default_factory=MemorySms)
    events: list[tuple[EventType, dict[str, JsonValue]]] = field(default_factory=list)

    async def call(self, who: int, *turns: Turn | Callable[[ScriptedCaller], Turn]) -> tuple[CallEnd, list[str]]:
        """A call; turns may be made of what the bot has just said."""
        caller = ScriptedCaller([])

        def one_by_one() -> Iterator[Turn]:
            for turn in turns:
                yield turn(caller) if callable(turn) else turn

        caller._turns = one_by_one()
        caller.voice = voice(who, 4.0)
        call_id = CallId(str(uuid.uuid4()))
        registration = CallRegistration(call_id, caller=ANNA, gateway="audiosocket")
        await self.core.store.register(registration, app.utc_now())
        self.events.clear()

        def emit(type_: EventType, _t_ms: int, data: dict[str, JsonValue]) -> None:
            self.events.append((type_, data))

        voices = Voices(self.engine, self.store, VoiceThresholds(accept=0.95, flag=0.45))
        parts = replace(self.parts, voices=voices, sms=self.sms, ask_score=False)
        end = await CallSession(parts, registration, "ru", caller, emit).run()
        return end, caller.said

    async def enrol(self) -> None:
        await self.store.record_consent(CUSTOMER, True, NOW)
        for number in range(3):
            sample = await self.engine.sample(voice(ANNAS, 8))
            await self.store.add_sample(CUSTOMER, f"call-{number}", sample, NOW)
        template = enrolled(CUSTOMER, await self.store.samples(CUSTOMER), VoiceThresholds(0.95, 0.45), NOW)
        assert template is not None
        await self.store.save(template)

    def of(self, type_: EventType) -> list[dict[str, JsonValue]]:
        return [data for kind, data in self.events if kind is type_]

    @property
    def changed(self) -> int:
        return sum(request.operation is BankOperation.CHANGE_LIMITS for request in self.bank.executed)


@pytest_asyncio.fixture
async def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    monkeypatch.setattr(app, "_load_files", lambda *_: product_files())
    nlu = FakeNlu({LIMIT: "card_limits", "потеряла карту": "block_card"})
    async with app.open_core(Settings(data_dir=tmp_path), plan_file=app.DEMO_PLAN, nlu=nlu) as core:
        bank = HinderedBank(core.parts.bank)
        yield Line(core, replace(core.parts, bank=bank, policy=voiced(core.parts.policy)), bank)


def digits(caller: ScriptedCaller) -> str:
    """Repeats what he was given to say."""
    found = re.search(r"цифры: ([\d ]+)", caller.said[-1])
    assert found, caller.said
    return " ".join(found[1].replace(" ", ""))


def code(line: Line) -> Callable[[ScriptedCaller], Turn]:
    return lambda _caller: line.sms.code


async def test_three_calls_with_a_code_enrol_and_the_fourth_needs_none(line: Line) -> None:
    end, said = await line.call(ANNAS, *RAISE, code(line), "нет спасибо", "да")
    assert end.reason == "served"
    assert any("узнавать вас по голосу" in text for text in said)
    assert await line.store.consent(CUSTOMER) is True
    assert line.of(EventType.VOICE_CONSENT) == [{"answer": "yes"}]
    for done in (False, True):
        end, said = await line.call(ANNAS, *RAISE, code(line), "нет спасибо")
        assert not any("узнавать вас по голосу" in text for text in said)  # never twice
        assert line.of(EventType.VOICE_ENROLLED)[0]["done"] is done
    sent = len(line.sms.sent)

    end, said = await line.call(ANNAS, *RAISE, digits, "нет спасибо")

    assert end.reason == "served"
    assert len(line.sms.sent) == sent
    assert line.changed == 4
    assert line.of(EventType.VOICE_COMPARED)[0]["verdict"] == "accept"
    assert line.of(EventType.AUTHENTICATION)[-1]["second"] == ["voice"]
    assert not line.of(EventType.VOICE_ENROLLED)  # what a voice has opened teaches nothing


async def test_a_voice_like_his_leads_to_the_code(line: Line) -> None:
    await line.enrol()
    end, _ = await line.call(HER_SISTERS, *RAISE, digits, code(line), "нет спасибо")
    assert end.reason == "served"
    assert line.of(EventType.VOICE_COMPARED)[0]["verdict"] == "step_up"
    assert len(line.sms.sent) == 1


async def test_anothers_voice_goes_to_the_fraud_desk_in_the_words_of_any_refusal(line: Line) -> None:
    await line.enrol()
    end, said = await line.call(A_STRANGERS, *RAISE, digits)
    assert end.reason == EscalationReason.FRAUD.value
    assert end.dossier is not None
    assert end.dossier.tried[-1] == "authenticate_change_limits:voice_flagged"
    assert "голос" not in " ".join(said).casefold()
    assert line.changed == 0
    assert line.sms.sent == []


async def test_wrong_digits_twice_lead_to_the_code(line: Line) -> None:
    await line.enrol()
    end, said = await line.call(ANNAS, *RAISE, "семь", "раз два три", code(line), "нет спасибо")
    assert end.reason == "served"
    given = [text for text in said if "цифры:" in text]
    assert len(given) == len(set(given)) == 2
    assert [data["doubt"] for data in line.of(EventType.VOICE_COMPARED)] == ["wrong_digits"]


async def test_who_will_not_say_them_gets_a_code(line: Line) -> None:
    await line.enrol()
    end, _ = await line.call(ANNAS, *RAISE, "не могу", code(line), "нет спасибо")
    assert end.reason == "served"
    assert line.of(EventType.VOICE_COMPARED)[0]["doubt"] == "declined"


async def test_keyed_digits_lead_to_the_code(line: Line) -> None:
    await line.enrol()

    def keyed(caller: ScriptedCaller) -> Turn:
        return digits(caller).replace(" ", "")

    end, _ = await line.call(ANNAS, *RAISE, keyed, code(line), "нет спасибо")
    assert end.reason == "served"
    assert line.of(EventType.VOICE_COMPARED)[0]["doubt"] == "keyed"


async def test_an_engine_that_fails_costs_one_message(line: Line) -> None:
    await line.enrol()
    line.engine.failures.append(EngineTimeout("slow"))
    end, _ = await line.call(ANNAS, *RAISE, digits, code(line), "нет спасибо")
    assert end.reason == "served"
    assert line.of(EventType.VOICE_COMPARED)[0]["doubt"] == "engine_failed"


async def test_the_operator_is_always_there(line: Line) -> None:
    await line.enrol()
    end, _ = await line.call(ANNAS, *RAISE, "оператор")
    assert end.reason == EscalationReason.CALLER_ASKED.value
    assert not line.of(EventType.VOICE_COMPARED)


async def test_where_the_policy_does_not_name_it_no_voice_is_asked_for(line: Line) -> None:
    await line.enrol()
    line.parts = replace(line.parts, policy=line.core.parts.policy)
    end, said = await line.call(ANNAS, *RAISE, code(line), "нет спасибо")
    assert end.reason == "served"
    assert not any("цифры:" in text for text in said)
    assert not line.of(EventType.VOICE_COMPARED)


async def test_in_an_emergency_nobody_is_asked_for_his_voice(line: Line) -> None:
    line.store.words.clear()
    _, said = await line.call(ANNAS, "потеряла карту", "4271", "да", "нет", "нет")
    assert not any("голос" in text for text in said)
    assert await line.store.consent(CUSTOMER) is None


async def test_who_says_no_is_not_asked_again_and_nothing_is_kept(line: Line) -> None:
    _, said = await line.call(ANNAS, *RAISE, code(line), "нет спасибо", "нет")
    assert any("не будет" in text for text in said)
    assert await line.store.samples(CUSTOMER) == ()
    _, said = await line.call(ANNAS, *RAISE, code(line), "нет спасибо")
    assert not any("узнавать вас по голосу" in text for text in said)


async def test_neither_digits_nor_anything_of_a_voice_is_written_down(line: Line) -> None:
    await line.enrol()
    given: list[str] = []

    def remembered(caller: ScriptedCaller) -> Turn:
        given.append(digits(caller))
        return given[-1]

    end, _ = await line.call(ANNAS, *RAISE, remembered, "оператор")
    told = str(line.events) + str(end.dossier)
    for spelt in (given[0], given[0].replace(" ", "")):
        assert spelt not in told
    assert "voice_digits" not in told

"""The voice of whole calls with the real network, on synthetic callers by telephone sound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from ivrbot.call.voice import CallVoice, Voices
from ivrbot.model.audio import Pcm
from ivrbot.model.call import CallId
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.voiceprint import VoiceThresholds, VoiceVerdict
from ivrbot.voiceprint.engine import OnnxVoiceprint
from tests.caller_speech import CallerVoice, caller_pcm
from tests.contract.test_voiceprint import models_dir
from tests.contract.voiceprints import ANNA, NOW
from tests.fakes.calls import ScriptedCaller
from tests.fakes.voiceprints import MemoryVoiceprints

pytestmark = pytest.mark.models

CALLS = (
    (
        "здравствуйте я хочу увеличить лимит на снятие наличных",
        "четыре два семь один",
        "двести тысяч рублей пожалуйста",
    ),
    (
        "добрый день мне нужно изменить лимит по карте",
        "моё кодовое слово черёмуха",
        "да всё верно спасибо большое",
    ),
    (
        "алло скажите можно поднять дневной лимит на покупки",
        "пятого марта восемьдесят девятого",
        "триста тысяч в день",
    ),
)
NOW_SHE_SAYS = (
    "хочу поменять лимит по зарплатной карте",
    "кодовое слово черёмуха",
    "сто пятьдесят тысяч рублей да верно",
)
GIVEN, IN_ENGLISH = "417205", "four one seven two zero five"
DIGITS = {"0": "ноль", "1": "один", "2": "два", "4": "четыре", "5": "пять", "7": "семь"}


@dataclass
class Bank:
    """A bank with the real engine."""

    engine: OnnxVoiceprint
    store: MemoryVoiceprints = field(default_factory=MemoryVoiceprints)
    events: list[dict[str, JsonValue]] = field(default_factory=list)

    def call(self, number: int) -> CallVoice:
        def emit(_kind: EventType, data: dict[str, JsonValue]) -> None:
            self.events.append(data)

        voices = Voices(self.engine, self.store, VoiceThresholds(accept=0.84, flag=0.45))
        made = CallVoice(voices, CallId(f"call-{number}"), emit, lambda: NOW)
        caller = ScriptedCaller([])
        caller.voice = Pcm(b"\0\0")
        made.listen_to(caller)
        return made


@pytest_asyncio.fixture
async def bank() -> AsyncIterator[Bank]:
    engine = OnnxVoiceprint(models_dir(), deadline_s=60)
    await engine.start()
    made = Bank(engine)
    await made.store.record_consent(ANNA, True, NOW)
    for number, turns in enumerate(CALLS):
        call = made.call(number)
        for text in turns:
            call.hear(caller_pcm(text, "anna"))
        call.became_strong(ANNA)
        await call.finish()
    yield made
    await engine.close()


async def verdict(bank: Bank, who: CallerVoice, man: CallerVoice | None = None) -> VoiceVerdict | None:
    """What a voice is worth; the digits in a man's, where he is given."""
    call = bank.call(9)
    for text in NOW_SHE_SAYS:
        call.hear(caller_pcm(text, who))
    assert await call.can_compare(ANNA)
    assert len(call.challenge()) == len(GIVEN)
    call._digits = GIVEN  # always the same sound
    said = IN_ENGLISH if man else " ".join(DIGITS[digit] for digit in GIVEN)
    call.hear(caller_pcm(said, man or who))
    return await call.judge(ANNA, [said], keyed=False, language="en" if man else "ru")


async def test_one_voice_is_known_again_and_others_are_not(bank: Bank) -> None:
    assert [event["kept"] for event in bank.events] == [True, True, True], bank.events
    assert bank.events[-1]["done"] is True
    assert await verdict(bank, "anna") is VoiceVerdict.ACCEPT, bank.events
    for other in ("elena", "irina"):
        assert await verdict(bank, other) is not VoiceVerdict.ACCEPT, bank.events


async def test_digits_in_another_voice_are_not_accepted(bank: Bank) -> None:
    assert await verdict(bank, "anna", man="alan") is not VoiceVerdict.ACCEPT, bank.events
    assert bank.events[-1]["verdict"] in {"step_up", "flag"}

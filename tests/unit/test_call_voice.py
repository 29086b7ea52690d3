"""What a call does with a voice: consent once, three calls, digits that no recording knows, nothing kept after."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from ivrbot.call.channel import Completes, Heard, Keyed, Silence, Spoken, Unclear
from ivrbot.call.handover import Talk
from ivrbot.call.voice import ASK, CHALLENGE_DIGITS, KEPT_MS, TEXTS, CallVoice, Voices
from ivrbot.errors import EngineTimeout, LegClosed, StorageUnavailable
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import Collect, Say
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Hypothesis
from ivrbot.model.voiceprint import VoiceTemplate, VoiceThresholds, VoiceVerdict
from tests.contract.voiceprints import ANNA, NOW
from tests.fakes.calls import ScriptedCaller
from tests.fakes.voice_engine import A_STRANGERS, ANNAS, HER_SISTERS, FakeVoiceEngine, voice
from tests.fakes.voiceprints import MemoryVoiceprints

SILENCE = Silence()
THRESHOLDS = VoiceThresholds(accept=0.95, flag=0.45)


@dataclass
class Bank:
    """A bank that compares voices, and its calls."""

    engine: FakeVoiceEngine = field(default_factory=FakeVoiceEngine)
    store: MemoryVoiceprints = field(default_factory=MemoryVoiceprints)
    events: list[tuple[EventType, dict[str, JsonValue]]] = field(default_factory=list)

    def call(self, number: int = 1) -> CallVoice:
        made = CallVoice(
            Voices(self.engine, self.store, THRESHOLDS),
            CallId(f"call-{number}"),
            lambda kind, data: self.events.append((kind, data)),
            lambda: NOW,
        )
        caller = ScriptedCaller([])
        caller.voice = voice(ANNAS)
        made.listen_to(caller)
        return made

    async def enrol(self, who: int = ANNAS) -> None:
        await self.store.record_consent(ANNA, True, NOW)
        for number in range(3):
            await self.strong_call(who, number)
        self.events.clear()

    async def strong_call(self, who: int, number: int, seconds: float = 8.0) -> None:
        call = self.call(number)
        call.hear(voice(who, seconds))
        call.became_strong(ANNA)
        await call.finish()

    def last(self, kind: EventType) -> dict[str, JsonValue]:
        return [data for found, data in self.events if found is kind][-1]


@pytest.fixture
def bank() -> Bank:
    return Bank()


def talk(
    *, heard: Heard | Exception = SILENCE, has: frozenset[str] = TEXTS, said: list[Say] | None = None
) -> Talk:
    async def say(act: Say) -> None:
        if said is not None:
            said.append(act)

    async def listen(collect: Collect, completes: Completes) -> Heard:
        del completes
        assert not collect.secret
        if isinstance(heard, Exception):
            raise heard
        return heard

    return Talk(has=lambda text: text in has, say=say, listen=listen, emit=lambda *_: None)


def words(text: str) -> Spoken:
    return Spoken((Hypothesis(text),), "fake")


# --- enrolment ------------------------------------------------------------------------------------------------


async def test_three_strong_calls_with_consent_make_a_template(bank: Bank) -> None:
    await bank.store.record_consent(ANNA, True, NOW)
    for number, done in enumerate((False, False, True)):
        await bank.strong_call(ANNAS, number)
        assert bank.last(EventType.VOICE_ENROLLED)["done"] is done
    template = await bank.store.template(ANNA)
    assert template is not None
    assert template.calls == 3
    assert await bank.store.samples(ANNA) == ()
    heard = len(bank.engine.heard)
    await bank.strong_call(ANNAS, 4)
    assert len(bank.engine.heard) == heard  # who is enrolled is measured no more


@pytest.mark.parametrize("word", [None, False])
async def test_no_consent_no_measuring(bank: Bank, word: bool | None) -> None:
    if word is not None:
        await bank.store.record_consent(ANNA, word, NOW)
    await bank.strong_call(ANNAS, 1)
    assert bank.engine.heard == []
    assert bank.events == []


async def test_no_code_no_measuring(bank: Bank) -> None:
    await bank.store.record_consent(ANNA, True, NOW)
    call = bank.call()
    call.hear(voice(ANNAS, 9))
    await call.finish()
    assert bank.engine.heard == []


async def test_a_short_or_noisy_call_does_not_count(bank: Bank) -> None:
    await bank.store.record_consent(ANNA, True, NOW)
    await bank.strong_call(ANNAS, 1, seconds=3)
    assert bank.last(EventType.VOICE_ENROLLED)["doubt"] == "too_little_speech"
    bank.engine.snr_db = 3
    await bank.strong_call(ANNAS, 2)
    assert bank.last(EventType.VOICE_ENROLLED)["doubt"] == "too_noisy"
    assert await bank.store.samples(ANNA) == ()


async def test_another_model_begins_anew(bank: Bank) -> None:
    await bank.enrol()
    bank.engine.model = "b" * 64
    assert not await bank.call().can_compare(ANNA)
    for number in range(5, 8):
        await bank.strong_call(ANNAS, number)
    template = await bank.store.template(ANNA)
    assert template is not None
    assert template.model == bank.engine.model
    assert await bank.call().can_compare(ANNA)


async def test_a_withdrawal_during_the_call_is_respected(bank: Bank) -> None:
    await bank.store.record_consent(ANNA, True, NOW)
    call = bank.call()
    call.hear(voice(ANNAS, 9))
    call.became_strong(ANNA)
    really = bank.engine.sample

    async def meanwhile(pcm):  # type: ignore[no-untyped-def]
        await bank.store.record_consent(ANNA, False, NOW)
        return await really(pcm)

    bank.engine.sample = meanwhile  # type: ignore[method-assign]
    await call.finish()
    assert await bank.store.samples(ANNA) == ()


@pytest.mark.parametrize("failure", [EngineTimeout("slow"), StorageUnavailable("away"), RuntimeError("?")])
async def test_a_failure_after_the_call_hurts_nobody(bank: Bank, failure: Exception) -> None:
    await bank.store.record_consent(ANNA, True, NOW)
    bank.engine.failures.append(failure)  # type: ignore[arg-type]
    await bank.strong_call(ANNAS, 1)
    assert await bank.store.samples(ANNA) == ()


# --- sound ----------------------------------------------------------------------------------------------------


async def test_sound_is_bounded_and_gone_after_the_call(bank: Bank) -> None:
    await bank.store.record_consent(ANNA, True, NOW)
    call = bank.call()
    for _ in range(12):
        call.hear(voice(ANNAS, 10))
    call.became_strong(ANNA)
    await call.finish()
    assert bank.engine.heard == [KEPT_MS]
    assert not call._turns


def test_where_voices_are_not_compared_no_channel_is_asked_for_turns() -> None:
    caller = ScriptedCaller([])
    caller.voice = voice(ANNAS)
    CallVoice(None, CallId("call"), lambda *_: None, lambda: NOW).listen_to(caller)
    assert caller._share is None


async def test_nothing_of_all_this_without_voices() -> None:
    call = CallVoice(None, CallId("call"), lambda *_: None, lambda: NOW)
    call.became_strong(ANNA)
    assert not await call.can_compare(ANNA)
    assert not await call.may_ask_consent()
    await call.ask_consent(talk(), "ru")
    await call.finish()


# --- comparing ------------------------------------------------------------------------------------------------


async def answered(
    bank: Bank, call: CallVoice, who: int, *, said: str = "", seconds: float = 6.0
) -> VoiceVerdict | None:
    digits = call.challenge()
    call.hear(voice(who, seconds))
    spoken = said or " ".join(digits)
    return await call.judge(ANNA, [spoken], keyed=False, language="ru")


@pytest.mark.parametrize(
    ("who", "verdict"),
    [
        (ANNAS, VoiceVerdict.ACCEPT),
        (HER_SISTERS, VoiceVerdict.STEP_UP),
        (A_STRANGERS, VoiceVerdict.FLAG),
    ],
)
async def test_who_repeats_the_digits_is_compared(bank: Bank, who: int, verdict: VoiceVerdict) -> None:
    await bank.enrol()
    call = bank.call(9)
    assert await call.can_compare(ANNA)
    assert await answered(bank, call, who) is verdict
    told = bank.last(EventType.VOICE_COMPARED)
    assert told["verdict"] == verdict.value
    assert told["model"] == "a" * 12
    assert told["score"] == pytest.approx({ANNAS: 1.0, HER_SISTERS: 0.92, A_STRANGERS: 0.07}[who])


async def test_wrong_digits_are_asked_again_and_then_the_code(bank: Bank) -> None:
    await bank.enrol()
    call = bank.call(9)
    first = call.challenge()
    call.hear(voice(ANNAS, 6))
    assert await call.judge(ANNA, ["раз два"], keyed=False, language="ru") is None
    second = call.challenge()
    assert second != first
    call.hear(voice(ANNAS, 6))
    assert await call.judge(ANNA, [" ".join(first)], keyed=False, language="ru") is VoiceVerdict.INDETERMINATE
    assert bank.last(EventType.VOICE_COMPARED)["doubt"] == "wrong_digits"
    assert len(bank.engine.heard) == 3  # of the enrolment


async def test_right_digits_at_the_second_try(bank: Bank) -> None:
    await bank.enrol()
    call = bank.call(9)
    call.challenge()
    assert await call.judge(ANNA, ["не расслышала"], keyed=False, language="ru") is None
    assert await answered(bank, call, ANNAS) is VoiceVerdict.ACCEPT


async def test_any_reading_of_the_answer_will_do(bank: Bank) -> None:
    await bank.enrol()
    call = bank.call(9)
    digits = call.challenge()
    call.hear(voice(ANNAS, 6))
    readings = ["что-то", " ".join(digits)]
    assert await call.judge(ANNA, readings, keyed=False, language="ru") is VoiceVerdict.ACCEPT


async def test_keys_have_no_voice(bank: Bank) -> None:
    await bank.enrol()
    call = bank.call(9)
    digits = call.challenge()
    assert await call.judge(ANNA, [digits], keyed=True, language="ru") is VoiceVerdict.INDETERMINATE
    assert bank.last(EventType.VOICE_COMPARED)["doubt"] == "keyed"


async def test_an_answer_without_its_sound_is_asked_again(bank: Bank) -> None:
    """He spoke into the prompt: what was heard may be the bot."""
    await bank.enrol()
    call = bank.call(9)
    call.hear(voice(ANNAS, 20))
    digits = call.challenge()
    assert await call.judge(ANNA, [" ".join(digits)], keyed=False, language="ru") is None


async def test_earlier_turns_of_another_do_not_carry_the_answer(bank: Bank) -> None:
    await bank.enrol()
    call = bank.call(9)
    call.hear(voice(ANNAS, 40))  # played
    assert await answered(bank, call, A_STRANGERS, seconds=2.0) is VoiceVerdict.STEP_UP
    assert bank.last(EventType.VOICE_COMPARED)["doubt"] == "answer_differs"


async def test_too_little_speech_accuses_nobody(bank: Bank) -> None:
    await bank.enrol()
    assert await answered(bank, bank.call(9), A_STRANGERS, seconds=2.0) is VoiceVerdict.INDETERMINATE
    assert bank.last(EventType.VOICE_COMPARED)["doubt"] == "too_little_speech"


async def test_noise_accuses_nobody(bank: Bank) -> None:
    await bank.enrol()
    bank.engine.snr_db = 2
    assert await answered(bank, bank.call(9), A_STRANGERS) is VoiceVerdict.INDETERMINATE


async def test_an_engine_that_fails_costs_only_the_convenience(bank: Bank) -> None:
    await bank.enrol()
    bank.engine.failures.append(EngineTimeout("slow"))
    assert await answered(bank, bank.call(9), ANNAS) is VoiceVerdict.INDETERMINATE
    assert bank.last(EventType.VOICE_COMPARED)["doubt"] == "engine_failed"


class Away(MemoryVoiceprints):
    """A store that is out of reach."""

    async def template(self, customer_id: str) -> VoiceTemplate | None:
        raise StorageUnavailable("away")


async def test_a_store_that_fails_costs_only_the_convenience(bank: Bank) -> None:
    bank.store = Away()
    assert not await bank.call().can_compare(ANNA)
    assert await answered(bank, bank.call(), ANNAS) is VoiceVerdict.INDETERMINATE
    assert bank.last(EventType.VOICE_COMPARED)["doubt"] == "store_failed"


async def test_only_the_enrolled_who_agreed_are_asked_for_their_voice(bank: Bank) -> None:
    assert not await bank.call().can_compare(ANNA)
    await bank.store.record_consent(ANNA, True, NOW)
    await bank.strong_call(ANNAS, 1)
    assert not await bank.call().can_compare(ANNA)
    await bank.enrol()
    assert await bank.call().can_compare(ANNA)
    await bank.store.record_consent(ANNA, False, NOW)
    assert not await bank.call().can_compare(ANNA)


async def test_who_types_has_no_voice(bank: Bank) -> None:
    await bank.enrol()
    call = CallVoice(Voices(bank.engine, bank.store, THRESHOLDS), CallId("text"), lambda *_: None, lambda: NOW)
    call.listen_to(ScriptedCaller([]))
    assert not await call.can_compare(ANNA)


def test_digits_are_new_each_time_and_different_from_each_other(bank: Bank) -> None:
    call = bank.call()
    given = [call.challenge() for _ in range(60)]
    assert all(len(set(digits)) == len(digits) == CHALLENGE_DIGITS for digits in given)
    assert all(one != other for one, other in pairwise(given))
    assert len(set(given)) > 50


async def test_no_event_holds_what_is_biometric(bank: Bank) -> None:
    await bank.enrol()
    call = bank.call(9)
    digits = call.challenge()
    call.hear(voice(ANNAS, 6))
    await call.judge(ANNA, [" ".join(digits)], keyed=False, language="ru")
    allowed = (str, int, float, bool, type(None))
    for _, data in bank.events:
        assert all(isinstance(value, allowed) for value in data.values())
        assert digits not in str(data)
        assert len(str(data.get("model", ""))) <= 12


# --- consent --------------------------------------------------------------------------------------------------


def strong(bank: Bank) -> CallVoice:
    call = bank.call()
    call.hear(voice(ANNAS, 9))
    call.became_strong(ANNA)
    return call


@pytest.mark.parametrize(
    ("heard", "answer", "kept"),
    [
        (words("да"), "yes", True),
        (Keyed("1"), "yes", True),
        (words("нет спасибо"), "no", False),
        (Keyed("2"), "no", False),
        (Keyed("7"), "none", None),
        (Silence(), "none", None),
        (Unclear(), "none", None),
        (words("не знаю"), "none", None),
        (words("какой баланс"), "none", None),
    ],
)
async def test_only_a_plain_yes_is_consent(bank: Bank, heard: Heard, answer: str, kept: bool | None) -> None:
    said: list[Say] = []
    call = strong(bank)
    assert await call.may_ask_consent()
    await call.ask_consent(talk(heard=heard, said=said), "ru")
    assert await bank.store.consent(ANNA) is kept
    assert bank.events == [(EventType.VOICE_CONSENT, {"answer": answer})]
    assert said[0] == Say(ASK, interruptible=False)
    if kept is not None:
        assert bank.store.said == [(ANNA, kept, "call-1", "")]
        assert not await strong(bank).may_ask_consent()  # never again


async def test_nobody_is_asked_who_has_not_keyed_a_code_or_has_no_voice(bank: Bank) -> None:
    call = bank.call()
    call.hear(voice(ANNAS, 9))
    assert not await call.may_ask_consent()
    silent = bank.call()
    silent.became_strong(ANNA)
    assert not await silent.may_ask_consent()


async def test_flows_without_the_texts_do_not_ask(bank: Bank) -> None:
    await strong(bank).ask_consent(talk(heard=words("да"), has=frozenset({ASK})), "ru")
    assert await bank.store.consent(ANNA) is None


async def test_who_hangs_up_has_not_agreed(bank: Bank) -> None:
    await strong(bank).ask_consent(talk(heard=LegClosed("hangup")), "ru")
    assert await bank.store.consent(ANNA) is None


async def test_a_yes_in_this_call_lets_this_call_count(bank: Bank) -> None:
    call = strong(bank)
    await call.ask_consent(talk(heard=words("да")), "ru")
    await call.finish()
    assert len(await bank.store.samples(ANNA)) == 1
    assert bank.last(EventType.VOICE_ENROLLED)["kept"] is True

"""Code words of a call's customers: known in time, forgotten at the end, and no harm when the bank is away."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ivrbot.call.banking import BankDeadlines
from ivrbot.call.channel import Spoken
from ivrbot.call.code_words import KnownCodeWords
from ivrbot.call.transcript import Transcriber
from ivrbot.errors import BankUnavailable
from ivrbot.identity.state import LadderState
from ivrbot.model.bank import Customer
from ivrbot.model.dialogue import Collect, UserTurn
from ivrbot.model.events import EventType, JsonValue
from ivrbot.model.speech import Expect, Hypothesis, NluResult
from ivrbot.simulate.world import OwnBank
from tests.fakes.calls import Clock, HinderedBank, ScriptedCaller

KEY = b"key of these tests, long enough"
ANNA, PYOTR, STRANGER = "+79161234567", "+79031112233", "+79990000000"
SAID = ["черёмуха и метроном"]
HERS, HIS = (0, 1), (2, 3)
"""Whose words these are, in tokens."""
TOPIC = Collect("topic", max_digits=1)


@pytest.fixture
def bank() -> HinderedBank:
    return HinderedBank(OwnBank(KEY))


@pytest_asyncio.fixture
async def known(bank: HinderedBank) -> AsyncIterator[KnownCodeWords]:
    words = KnownCodeWords(bank, KEY, BankDeadlines(2_000, 6_000))
    yield words
    await words.close()


async def account(bank: HinderedBank, number: str) -> LadderState:
    customer = await bank.find_customer(number)
    assert customer is not None
    return LadderState(customer_id=customer.customer_id, how="named")


async def test_the_calling_number_and_the_account_named(bank: HinderedBank, known: KnownCodeWords) -> None:
    assert known.spans(SAID, "ru") == []
    known.watch_number(ANNA)
    await known.settled()
    assert known.spans(SAID, "ru") == [HERS]
    known.watch_account(await account(bank, PYOTR))
    await known.settled()
    assert sorted(set(known.spans(SAID, "ru"))) == [HERS, HIS]
    assert known.spans(["вишня"], "ru") == []
    await known.close()
    assert known.spans(SAID, "ru") == []


async def test_nobody_is_asked_for_twice(bank: HinderedBank, known: KnownCodeWords) -> None:
    asked: list[str] = []
    real = bank.fact_hashes

    async def counting(customer_id: str) -> Any:
        asked.append(customer_id)
        return await real(customer_id)

    bank.fact_hashes = counting  # type: ignore[method-assign]
    known.watch_number(ANNA)
    await known.settled()
    for _ in range(3):
        known.watch_account(await account(bank, ANNA))
    await known.settled()
    assert len(asked) == 1


@pytest.mark.parametrize("number", [STRANGER, "", "anonymous"])
async def test_an_unknown_caller_has_nothing_to_compare(number: str, known: KnownCodeWords) -> None:
    known.watch_number(number)
    known.watch_account(LadderState())
    await known.settled()
    assert known.spans(SAID, "ru") == []


async def test_an_account_that_does_not_exist_takes_the_same_work(
    bank: HinderedBank, known: KnownCodeWords, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[int] = []
    monkeypatch.setattr(
        "ivrbot.call.code_words.code_words_in", lambda _texts, whose, *_: work.append(len(whose)) or []
    )
    known.watch_account(LadderState(how="named"))
    known.spans(SAID, "ru")
    other = KnownCodeWords(bank, KEY, BankDeadlines(2_000, 6_000))
    other.watch_account(await account(bank, PYOTR))
    await other.settled()
    other.spans(SAID, "ru")
    await other.close()
    assert work == [1, 1]


@pytest.mark.parametrize("failure", [BankUnavailable("down"), RuntimeError("+79161234567 is broken")])
async def test_a_bank_that_fails_harms_nothing_and_is_asked_again_for_the_account(
    bank: HinderedBank, known: KnownCodeWords, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    bank.lookup_failures = [failure]
    with caplog.at_level(logging.DEBUG):
        known.watch_number(ANNA)
        await known.settled()
        assert known.spans(SAID, "ru") == []
    assert "code words cannot be known" in caplog.text and ANNA not in caplog.text
    known.watch_account(await account(bank, ANNA))
    await known.settled()
    assert known.spans(SAID, "ru") == [HERS]


async def test_a_bank_that_hangs_is_waited_for_once_and_not_for_ever(
    bank: HinderedBank, known: KnownCodeWords
) -> None:
    clock = Clock()
    loop = asyncio.get_running_loop()
    bank.gated = "find_customer"
    bank.gate.clear()
    known.watch_number(ANNA)
    began_s = loop.time()
    waiting = loop.create_task(known.settled())
    await bank.began.wait()
    clock.forward(2.1)
    await waiting
    assert loop.time() - began_s < 6.0
    waited_s = loop.time()
    await known.settled()
    assert loop.time() - waited_s < 1.0
    late = asyncio.Event()
    known.on_news = late.set
    bank.gate.set()  # late, but not too late
    await late.wait()
    assert known.spans(SAID, "ru") == [HERS]


class Tape:
    """Remembers what it was told to take out."""

    ready = True

    def __init__(self) -> None:
        self.hidden: list[tuple[int, int]] = []

    def hide(self, began_ms: int, ended_ms: int) -> None:
        self.hidden.append((began_ms, ended_ms))


class Screen(ScriptedCaller):
    """A caller who sees what is shown."""

    def __init__(self) -> None:
        super().__init__([])
        self.tape = Tape()
        self.seen: list[str] = []

    def show(self, who: str, text: str) -> None:
        self.seen.append(text)


@pytest.fixture
def kept() -> list[dict[str, JsonValue]]:
    return []


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def transcriber(known: KnownCodeWords, screen: Screen, kept: list[dict[str, JsonValue]]) -> Transcriber:
    def emit(kind: EventType, _at_ms: int, data: dict[str, JsonValue]) -> None:
        assert kind is EventType.CALLER_SAID
        kept.append(data)

    return Transcriber(screen, emit, known)


def say(transcriber: Transcriber, *readings: str, began_ms: int = 0, collect: Collect = TOPIC) -> None:
    hypotheses = tuple(Hypothesis(text) for text in readings)
    turn = UserTurn(hypotheses, NluResult(readings[0], "greet", 0.9))
    heard = Spoken(hypotheses, "fake", began_ms=began_ms, ended_ms=began_ms + 900)
    transcriber.caller(turn, heard, collect, "ru")


async def test_masked_in_all_that_is_kept_and_as_said_on_his_own_screen(
    known: KnownCodeWords, transcriber: Transcriber, screen: Screen, kept: list[dict[str, JsonValue]]
) -> None:
    known.watch_number(ANNA)
    await known.settled()
    say(transcriber, "у меня черёмуха дома", began_ms=1000)
    say(transcriber, "какой баланс", began_ms=5000)
    say(transcriber, "снова черемша", "снова черёмуха", began_ms=9000)
    say(transcriber, "Говорю карта", "говорю черёмуха карта", began_ms=12_000)
    lines = ["у меня *** дома", "какой баланс", "снова ***", "Говорю карта"]
    assert [line.text for line in transcriber.lines()] == [data["text"] for data in kept] == lines
    # A mask there would tell him which of his guesses was right.
    assert screen.seen == ["у меня черёмуха дома", "какой баланс", "снова черемша", "Говорю карта"]
    assert screen.tape.hidden == [(1000, 1900), (9000, 9900), (12_000, 12_900)]
    assert transcriber.masked("запишите: черёмуха, черемша", "ru") == "запишите: ***, ***"


async def test_known_too_late_the_lines_and_the_recording_are_masked_once_more(
    bank: HinderedBank, known: KnownCodeWords, transcriber: Transcriber, screen: Screen
) -> None:
    say(transcriber, "карта 4271 и метроном", began_ms=1000)
    say(transcriber, "что-то другое", began_ms=4000)
    assert transcriber.lines()[0].text == "карта *** и метроном"
    known.watch_account(await account(bank, PYOTR))
    await known.settled()
    assert [line.text for line in transcriber.lines()] == ["карта *** и ***", "что-то другое"]
    assert screen.tape.hidden == [(1000, 1900), (1000, 1900)]  # for the card, and for the word


async def test_an_answer_to_a_secret_question_is_kept_as_ever(
    known: KnownCodeWords, transcriber: Transcriber, kept: list[dict[str, JsonValue]]
) -> None:
    known.watch_number(ANNA)
    await known.settled()
    say(transcriber, "черёмуха", collect=Collect("fact", Expect.SECRET, secret=True))
    say(transcriber, "вишня", collect=Collect("fact", Expect.SECRET, secret=True))
    assert [data["text"] for data in kept] == ["[fact]", "[fact]"]


async def test_a_customer_without_a_code_word(bank: HinderedBank, known: KnownCodeWords) -> None:
    async def nobody(_phone: str) -> Customer:
        return Customer("c-none", "Nobody")

    bank.find_customer = nobody  # type: ignore[method-assign]
    known.watch_number(ANNA)
    await known.settled()
    assert known.spans(SAID, "ru") == []


async def test_a_call_that_ends_before_the_bank_was_asked_leaves_nothing_behind(known: KnownCodeWords) -> None:
    known.watch_number(ANNA)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        await known.close()
        gc.collect()
    assert not told

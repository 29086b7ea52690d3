"""Every topic that the bot serves, as a real call in sound: opened in the caller's own words, closed by the bank.

Three customers ring at the same time, each one topic after another. Facts are keyed, as the bot offers; everything
else that is asked is answered by voice or by a key. A caller who is not understood says his sentence once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from tests.caller_speech import CallerVoice
from tests.integration.asterisk.stage import KIM, ORLOV, SOKOLOVA, Call, Event, Stage

pytestmark = [
    pytest.mark.integration,
    pytest.mark.models,
    pytest.mark.bench,
    pytest.mark.asyncio(loop_scope="session"),
]

CALL_S = 150.0
TURNS = 14

FACTS: Mapping[str, tuple[str, str]] = {
    SOKOLOVA: ("4271", "05031989#"),
    ORLOV: ("1188", "21111975#"),
    KIM: ("7719", "30072001#"),
}
YES = frozenset({"utter_ask_confirm_dispute", "utter_ask_confirm_fraud"})


@dataclass(frozen=True, slots=True)
class Errand:
    """What somebody rings for.

    Attributes:
        says: his first sentence.
        does: the bank's operation that serves it, "" where nothing is asked of the bank.
        tells: what the bot says when it is served.
        answers: what he says to questions of this topic.
    """

    topic: str
    says: str
    does: str
    tells: str
    answers: Mapping[str, str] = field(default_factory=dict)


LANES: Mapping[str, tuple[CallerVoice, tuple[Errand, ...]]] = {
    SOKOLOVA: (
        "anna",
        (
            Errand(
                "salary_status",
                "скажите пожалуйста мою зарплату уже перечислили",
                "bank_get_salary",
                "utter_salary",
            ),
            Errand(
                "dispute_transaction",
                "с карты списали пять тысяч я этого не покупала хочу оспорить",
                "bank_register_claim",
                "utter_claim_registered",
                {"utter_ask_dispute": "пять тысяч рублей"},
            ),
            Errand(
                "thanks",
                "хочу сказать спасибо вашей сотруднице она мне очень помогла",
                "bank_record_thanks",
                "utter_thanks_recorded",
                {"utter_ask_thanks": "сотрудница в отделении решила мой вопрос за пять минут"},
            ),
            Errand(
                "report_fraud",
                "мне звонили мошенники и я сказала им код из сообщения",
                "bank_block_all_cards",
                "utter_fraud_secured",
            ),
        ),
    ),
    ORLOV: (
        "elena",
        (
            Errand("loan_info", "когда мне платить по кредиту", "bank_get_loan", "utter_loan"),
            Errand("card_limits", "какой у меня лимит на снятие наличных", "bank_get_limits", "utter_limits"),
            Errand(
                "online_bank_access",
                "не могу войти в приложение банка забыл пароль",
                "",
                "utter_online_bank_login",
            ),
            Errand(
                "complaint",
                "хочу пожаловаться на ваше отделение",
                "bank_record_complaint",
                "utter_complaint_recorded",
                {"utter_ask_complaint": "кассир накричал на меня и отказался менять деньги"},
            ),
        ),
    ),
    KIM: (
        "irina",
        (
            Errand("deposit_info", "когда заканчивается мой вклад", "bank_get_deposit", "utter_deposit"),
            Errand(
                "recent_transactions",
                "какие последние операции были по моей карте",
                "bank_list_operations",
                "utter_no_operations",
            ),
            Errand(
                "find_office",
                "подскажите где находится ваше отделение",
                "bank_find_office",
                "utter_office_first",
                {"utter_ask_city": "в москве"},
            ),
            Errand("check_balance", "скажите какой у меня баланс", "bank_get_balance", "utter_balance"),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """How a call went."""

    events: tuple[Event, ...]
    error: str = ""

    def said(self) -> list[str]:
        return [event["response"] for event in self.events if event["type"] == "bot_said"]

    def bank(self) -> dict[str, str]:
        return {event["action"]: event["status"] for event in self.events if event["type"] == "bank_replied"}


async def answer(call: Call, question: str, errand: Errand, number: str, voice: CallerVoice) -> None:
    last_four, born = FACTS[number]
    if question in errand.answers:
        await call.say(errand.answers[question], voice)
    elif question in {"utter_ask_topic", "utter_ask_topic_keys"}:
        await call.say(errand.says, voice)
    elif question == "utter_ask_fact_last_four":
        await call.press(last_four)
    elif question in {"utter_ask_fact_code_word", "utter_ask_fact_date_of_birth"}:
        await call.press(born)
    else:
        await call.press("1" if question in YES else "2")


async def ring(line: Stage, number: str, voice: CallerVoice, errand: Errand) -> Told:
    """One call, until the bot asks whether there is more, or hands over, or the errand's patience is over."""
    async with line.call(number) as call:
        seen = -1
        try:
            async with asyncio.timeout(CALL_S):
                for _ in range(TURNS):
                    event = await call.story.until(
                        lambda e: (
                            e["type"] == "call_ended"
                            or (e["type"] == "bot_said" and e["response"].startswith("utter_ask_"))
                        ),
                        after_seq=seen,
                    )
                    seen = event["seq"]
                    if event["type"] == "call_ended" or event["response"] == "utter_ask_more":
                        break
                    await call.asked(event["response"])
                    await answer(call, event["response"], errand, number, voice)
        except TimeoutError as error:
            return Told(tuple(call.story.events), f"no answer in time: {error}")
        return Told(tuple(call.story.events))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(line: Stage) -> AsyncIterator[dict[str, Told]]:
    """All calls, by topic."""
    await line.reset()

    async def lane(number: str) -> dict[str, Told]:
        voice, errands = LANES[number]
        return {errand.topic: await ring(line, number, voice, errand) for errand in errands}

    calls = await asyncio.gather(*(lane(number) for number in LANES))
    yield {topic: how for one in calls for topic, how in one.items()}
    await line.reset()


@pytest.mark.parametrize(
    "errand", [errand for _, errands in LANES.values() for errand in errands], ids=lambda errand: errand.topic
)
async def test_the_topic_is_served_by_telephone(told: dict[str, Told], errand: Errand) -> None:
    call = told[errand.topic]
    story = "\n".join(str(event) for event in call.events)
    assert not call.error, f"{call.error}\n{story}"
    stated = [event["topic"] for event in call.events if event["type"] == "topic_stated"]
    assert stated[:1] == [errand.topic], story
    if errand.does:
        assert call.bank().get(errand.does) == "ok", story
    assert errand.tells in call.said(), story
    for _, born in FACTS.values():
        assert born.rstrip("#") not in story

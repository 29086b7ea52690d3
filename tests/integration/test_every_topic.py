"""Every topic that the bot serves, as a real call in sound: opened in the caller's own words, closed by the bank.

Three customers ring at the same time, each one topic after another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.caller_speech import CallerVoice
from tests.integration.asterisk.stage import KIM, ORLOV, SOKOLOVA, Stage
from tests.integration.errands import Errand, Told, ring, shortcomings, story

pytestmark = [
    pytest.mark.integration,
    pytest.mark.models,
    pytest.mark.bench,
    pytest.mark.asyncio(loop_scope="session"),
]

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
    assert not shortcomings(call, errand), story(call)

"""Every topic that the bot serves, as a real call in sound: opened in the caller's own words, closed by the bank.

Three customers ring at the same time, each one topic after another. A blocked card stands in `test_calls_served`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.caller_speech import CallerVoice
from tests.integration.asterisk.stage import KIM, ORLOV, SOKOLOVA, Stage
from tests.integration.errands import Errand, Told, ring_until_served, shortcomings, story

pytestmark = [
    pytest.mark.integration,
    pytest.mark.models,
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
                again="зарплата мне пришла или нет",
            ),
            Errand(
                "dispute_transaction",
                "с карты списали пять тысяч я этого не покупала хочу оспорить",
                "bank_register_claim",
                "utter_claim_registered",
                {"utter_ask_dispute": "пять тысяч рублей"},
                again="хочу оспорить списание с карты я ничего не покупала",
            ),
            Errand(
                "thanks",
                "хочу сказать спасибо вашей сотруднице она мне очень помогла",
                "bank_record_thanks",
                "utter_thanks_recorded",
                {"utter_ask_thanks": "сотрудница в отделении решила мой вопрос за пять минут"},
                again="хочу поблагодарить сотрудницу вашего банка",
            ),
            Errand(
                "dispute_transaction",
                "I want to dispute a payment that I did not make",
                "bank_register_claim",
                "utter_claim_registered",
                {"utter_ask_dispute": "twelve hundred rubles"},
                again="I do not recognise a payment, I dispute it",
                voice="alan",
            ),
            Errand(
                "report_fraud",
                "мне звонили мошенники и я сказала им код из сообщения",
                "bank_block_all_cards",
                "utter_fraud_secured",
                again="меня обманули мошенники я продиктовала им код",
            ),
        ),
    ),
    ORLOV: (
        "elena",
        (
            Errand(
                "loan_info",
                "когда мне платить по кредиту",
                "bank_get_loan",
                "utter_loan",
                again="какого числа у меня платёж по кредиту",
            ),
            Errand(
                "card_limits",
                "какой у меня лимит на снятие наличных",
                "bank_get_limits",
                "utter_limits",
                again="сколько я могу снять наличных за день",
            ),
            Errand(
                "online_bank_access",
                "не могу войти в приложение банка забыл пароль",
                "",
                "utter_online_bank_login",
                again="забыл пароль от интернет банка",
            ),
            Errand(
                "complaint",
                "хочу пожаловаться на ваше отделение",
                "bank_record_complaint",
                "utter_complaint_recorded",
                {"utter_ask_complaint": "кассир накричал на меня и отказался менять деньги"},
                again="у меня жалоба на работу вашего отделения",
            ),
        ),
    ),
    KIM: (
        "irina",
        (
            Errand(
                "deposit_info",
                "когда заканчивается мой вклад",
                "bank_get_deposit",
                "utter_deposit",
                again="какая ставка у моего вклада",
            ),
            Errand(
                "recent_transactions",
                "какие последние операции были по моей карте",
                "bank_list_operations",
                "utter_no_operations",
                again="прочитайте последние операции по карте",
            ),
            Errand(
                "find_office",
                "подскажите где находится ваше отделение",
                "bank_find_office",
                "utter_office_first",
                {"utter_ask_city": "в москве"},
                again="где ближайшее отделение банка",
            ),
            Errand(
                "check_balance",
                "скажите какой у меня баланс",
                "bank_get_balance",
                "utter_balance",
                again="сколько денег на моей карте",
            ),
        ),
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(line: Stage) -> AsyncIterator[dict[str, Told]]:
    """All calls, by what was said first."""
    await line.reset()

    async def lane(number: str) -> dict[str, Told]:
        voice, errands = LANES[number]
        return {
            errand.says: await ring_until_served(line, number, errand.voice or voice, errand) for errand in errands
        }

    calls = await asyncio.gather(*(lane(number) for number in LANES))
    yield {says: how for one in calls for says, how in one.items()}
    await line.reset()


@pytest.mark.parametrize(
    "errand",
    [errand for _, errands in LANES.values() for errand in errands],
    ids=lambda errand: f"{errand.topic}-en" if errand.voice else errand.topic,
)
async def test_the_topic_is_served_by_telephone(told: dict[str, Told], errand: Errand) -> None:
    call = told[errand.says]
    assert not shortcomings(call, errand), story(call)

"""A card is unblocked at the desk: taken in hand, reason given, question read, confirmed."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import expect

from ivrbot.model.bank import BankOperation, BankRequest
from ivrbot.model.call import AssuranceLevel, CallId, CallRegistration
from tests.browser.conftest import Visit
from tests.unit.web_fixture import AT, Site, a_dossier, open_site

pytestmark = pytest.mark.integration

ANNA = "+79161234567"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def test_a_card_is_unblocked(site: Site, visit: Visit) -> None:
    customer = await site.bank.find_customer(ANNA)
    assert customer is not None
    await site.bank.execute(
        BankRequest(BankOperation.BLOCK_CARD, customer.customer_id, {"card": "4271"}, "by the bot")
    )
    operator = await visit()
    desk = await operator.open(f"{site.url}/desk")
    await expect(desk.locator("#calls-none")).to_be_visible()
    call = CallRegistration(CallId(str(uuid.uuid4())), caller=ANNA)
    await site.parts.store.register(call, AT)
    dossier = replace(
        a_dossier(uuid.uuid4().hex, call.call_id),
        customer_id=customer.customer_id,
        customer_name=customer.name,
        level=AssuranceLevel.IDENTIFIED,
    )
    await site.parts.operators.transfer(call, dossier)

    await desk.get_by_role("button", name="Обслуживаю этого клиента").click()
    bank = desk.locator("#hand-place")
    await expect(bank).to_contain_text("зарплатная карта 4271: заблокирована")
    await expect(bank).to_contain_text("Можно предложить: бесплатные СМС о зарплате")
    await bank.get_by_role("button", name="Разблокировать").click()
    await bank.get_by_label("Причина, для журнала").fill("нашла карту в пальто")
    await bank.get_by_role("button", name="Дальше").click()
    await expect(bank.get_by_role("button", name="Подтвердить")).to_be_hidden()  # nobody has checked her yet
    await bank.get_by_label("Я проверил, кто звонит").check()
    await bank.get_by_role("button", name="Дальше").click()
    await expect(bank).to_contain_text(customer.name)
    await bank.get_by_role("button", name="Подтвердить").click()
    await expect(bank).to_contain_text("Готово.")
    await expect(bank).to_contain_text("зарплатная карта 4271: действует")
    (row,) = [row for row in await site.bank.log() if row["operation"] == "unblock_card"]
    assert (row["result"], row["why"], row["by"]) == ("ok", "нашла карту в пальто", "local")
    assert operator.complaints == []

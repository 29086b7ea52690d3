"""The operator's list of call-backs and what a dossier tells beside the call: real page, real Chromium."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import expect

from ivrbot.model.call import CallId, CallRegistration, OpenClaim, PastContact
from ivrbot.model.operators import CallbackAsked, CallbackState
from ivrbot.operators.desk import OperatorDesk
from ivrbot.storage.callbacks import CallbackBook
from tests.browser.conftest import Visit
from tests.unit.web_fixture import AT, Site, a_dossier, open_site

pytestmark = pytest.mark.integration

NUMBER = "+79161234567"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def test_a_promise_is_listed_read_and_done(site: Site, visit: Visit) -> None:
    book = CallbackBook(site.parts.store)
    call = CallRegistration(CallId(str(uuid.uuid4())), caller=NUMBER)
    await site.parts.store.register(call, AT)
    dossier = replace(
        a_dossier(call_id=call.call_id),
        slots={"city": "moscow", "offer_made": "True"},
        confidence={"city": 0.62},
        contacts=(PastContact(datetime(2026, 2, 1, 9, tzinfo=UTC), "loan_info", "unresolved", "bot"),),
        claims=(OpenClaim("123456", 150_000, "RUB", "2026-02-20", "Магазин <b>"),),
    )
    await OperatorDesk(site.parts.store, callbacks=book, now=lambda: AT).promise_callback(
        call, dossier, CallbackAsked(AT, NUMBER)
    )
    operator = await visit()
    desk = await operator.open(f"{site.url}/desk")
    row = desk.locator("#callbacks li")
    await expect(row).to_contain_text("***")
    await expect(row).not_to_contain_text(NUMBER)
    await row.get_by_role("button", name="Показать номер").click()
    await expect(row).to_contain_text(NUMBER)
    await expect(desk.locator("#callbacks-none")).to_be_hidden()
    await row.get_by_role("button").first.click()
    shown = desk.locator("#dossier")
    await expect(shown).to_contain_text("город Москва (расслышано на 62 %)")
    await expect(shown).not_to_contain_text("offer_made")
    await expect(shown).to_contain_text("123456")
    await expect(shown).to_contain_text("Магазин <b>")
    await expect(shown).to_contain_text("Кредит")
    await row.get_by_role("button", name="Готово").click()
    await expect(row).to_contain_text("сделано")
    ((kept, number),) = await book.listed(5)
    assert (kept.state, kept.result, number) == (CallbackState.DONE, "by_hand", "")

"""The operator says by keyboard alone what a call was about: real page, real Chromium, real server."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.shadow import Outcome
from ivrbot.storage.shadow import DispositionBook
from tests.browser.conftest import Visit
from tests.unit.web_fixture import AT, Site, a_dossier, open_site

pytestmark = pytest.mark.integration


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def escalated(site: Site) -> CallId:
    call = CallRegistration(CallId(str(uuid.uuid4())), caller="+79161234567")
    await site.parts.store.register(call, AT)
    await site.parts.operators.transfer(call, a_dossier(call_id=call.call_id, text="оператора, пожалуйста"))
    return call.call_id


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def test_a_disposition_by_keyboard(site: Site, visit: Visit) -> None:
    operator = await visit()
    desk = await operator.open(f"{site.url}/desk")
    call_id = await escalated(site)
    await desk.locator("#calls button").first.click()
    form = desk.locator("form.disposition")
    await expect(form).to_be_visible()
    await expect(form.get_by_label("Тема звонка")).to_have_value("check_balance")

    await form.get_by_label("Тема звонка").focus()
    await press(desk, "ArrowDown", "ArrowDown")
    await press(desk, "Tab", "Space", "ArrowDown", "Tab")
    await desk.keyboard.type("Z-1")
    await press(desk, "Tab", "Enter")
    await expect(form.get_by_role("status")).to_have_text("Сохранено.")
    book = DispositionBook(site.parts.store)
    latest = await book.latest(call_id)
    assert latest
    assert (latest.topic, latest.branch, latest.outcome) == ("salary_status", "balance", Outcome.UNRESOLVED)
    assert (latest.note_code, latest.who) == ("Z-1", "local")

    await press(desk, "Enter")
    await expect(form.get_by_role("status")).to_have_text("Уже сохранено.")
    assert len(await book.history(call_id)) == 1
    if folder := os.environ.get("IVRBOT_SCREENSHOTS"):
        await desk.screenshot(path=str(Path(folder) / "desk-disposition.png"), full_page=True)

    await desk.reload()
    await desk.locator("#calls button").first.click()
    await expect(form.get_by_label("Тема звонка")).to_have_value("salary_status")
    await expect(form.get_by_label("не решён")).to_be_checked()
    assert operator.complaints == []


async def test_nothing_is_sent_without_an_outcome(site: Site, visit: Visit) -> None:
    desk = await (await visit()).open(f"{site.url}/desk?lang=en")
    call_id = await escalated(site)
    await desk.locator("#calls button").first.click()
    form = desk.locator("form.disposition")
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_role("status")).to_be_empty()
    assert await DispositionBook(site.parts.store).latest(call_id) is None

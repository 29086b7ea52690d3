"""What callers say and people type never runs in a colleague's browser: real pages, real Chromium."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import Page, expect

from ivrbot.model.call import CallId, CallRegistration, OpenClaim, TranscriptLine
from ivrbot.model.events import EventType
from ivrbot.model.people import Role
from tests.browser.conftest import Visit
from tests.unit.web_fixture import AT, PASSWORD, Site, a_dossier, open_site

pytestmark = pytest.mark.integration

ATTACK = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>'\"{{7*7}}"
INJECTED = "[...document.querySelectorAll('main img, main script, main [onerror]')].length"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, login="always") as site:
        yield site


async def attacked_call(site: Site) -> CallId:
    """A call whose every text is an attack, on the desk and in the list of calls."""
    call = CallRegistration(CallId(str(uuid.uuid4())), caller="+79161234567", called=ATTACK[:60])
    await site.parts.store.register(call, AT)
    record = site.parts.recorder
    record.emit(call.call_id, EventType.CALL_STARTED, 0, {"gateway": "softphone", "language": "ru"})
    record.emit(call.call_id, EventType.BOT_SAID, 10, {"text": ATTACK})
    record.emit(call.call_id, EventType.CALLER_SAID, 20, {"text": ATTACK})
    told = {"topic": ATTACK, "branch": "balance"}
    record.emit(call.call_id, EventType.TOPIC_STATED, 30, cast(Any, told))
    await record.flush()
    dossier = replace(
        a_dossier(call_id=call.call_id, text=ATTACK),
        customer_name=ATTACK,
        slots={ATTACK: ATTACK},
        tried=(ATTACK,),
        transcript=(TranscriptLine("caller", ATTACK, 0), TranscriptLine("bot", ATTACK, 5)),
        claims=(OpenClaim(ATTACK, 100, "RUB", "2026-02-20", ATTACK),),
        suggestion=ATTACK,
    )
    await site.parts.operators.transfer(call, dossier)
    return call.call_id


async def harmless(page: Page) -> None:
    assert await page.evaluate(INJECTED) == 0
    assert await page.title() != "taken"
    assert "49" not in await page.title()


async def test_nothing_that_was_said_runs(site: Site, visit: Visit) -> None:
    await site.add_person("anna", Role.ADMIN)
    visitor = await visit()
    await visitor.log_in(site.url, "anna", PASSWORD)
    desk = await visitor.open(f"{site.url}/desk")
    live = await visitor.open(f"{site.url}/")
    call_id = await attacked_call(site)
    await desk.locator("#calls button").first.click()
    await expect(desk.locator("#dossier")).to_contain_text("<script>document.title='taken'</script>")
    await harmless(desk)
    await expect(live.locator("#now-cards article").first).to_contain_text("<img src=x")
    await harmless(live)
    for path in ("/calls", f"/calls/{call_id}", "/audit", f"/calls?topic={ATTACK}", f"/reports?branch={ATTACK}"):
        await harmless(await visitor.open(f"{site.url}{path}"))


async def test_nothing_that_was_typed_runs(site: Site, visit: Visit) -> None:
    await site.add_person("anna", Role.ADMIN)
    visitor = await visit()
    login = await visitor.open(f"{site.url}/login?next={ATTACK}")
    await login.locator("#name").fill(ATTACK)
    await login.locator("#password").fill(ATTACK)
    await login.keyboard.press("Enter")
    await expect(login.get_by_role("alert").first).to_be_visible()
    await harmless(login)
    await visitor.log_in(site.url, "anna", PASSWORD)
    for path in ("/people", "/tokens"):
        page = await visitor.open(f"{site.url}{path}")
        await page.locator("#name").evaluate("(field) => field.removeAttribute('pattern')")
        await page.locator("#name").evaluate("(field, text) => { field.value = text }", ATTACK)
        await page.locator("input[type=checkbox]").first.check()
        await page.locator("form.wide button").click()
        await expect(page.locator("main [role=alert]").first).to_be_visible()
        await harmless(page)


async def test_log_in_and_out_by_keyboard(site: Site, visit: Visit) -> None:
    await site.add_person("anna", Role.OPERATOR)
    visitor = await visit()
    page = await visitor.open(f"{site.url}/desk")
    await expect(page).to_have_url(f"{site.url}/login?next=/desk")
    await page.keyboard.type("anna")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{site.url}/desk")
    await expect(page.get_by_role("link", name="Сотрудники")).to_have_count(0)
    await page.get_by_role("button", name="Выйти").press("Enter")
    await expect(page).to_have_url(f"{site.url}/login")
    assert visitor.complaints == []

"""A page that stays open while its log-in ends or its server goes away: it says so, and what to do."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import EventType
from ivrbot.model.people import Role
from tests.browser.conftest import Visit
from tests.unit.web_fixture import AT, PASSWORD, Site, a_dossier, open_site

pytestmark = pytest.mark.integration

RUNNING = re.compile(r"0:0[2-9]|0:[1-5]\d")
"""A clock that has begun to run; a slow machine may skip any one of its seconds."""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, login="always") as site:
        yield site


async def test_a_desk_whose_log_in_has_ended_leads_to_the_log_in(site: Site, visit: Visit) -> None:
    await site.add_person("olga", *Role)
    operator = await visit()
    await operator.log_in(site.url, "olga", PASSWORD)
    desk = await operator.open(f"{site.url}/desk")
    call = CallRegistration(CallId(str(uuid.uuid4())), caller="+79161234567")
    await site.parts.store.register(call, AT)
    await site.parts.operators.transfer(call, a_dossier(call_id=call.call_id))
    listed = desk.locator("#calls button").first
    await expect(listed).to_contain_text("2 мар. 2026 г., 12:00")

    other = await operator.open(f"{site.url}/docs")
    await other.get_by_role("button", name="Выйти").click()
    await listed.click()
    await expect(desk.locator("#dossier")).to_contain_text("Досье не открылось")
    over = desk.locator("#session-over")
    await expect(over).to_be_visible()
    await over.get_by_role("link").click()
    await expect(desk).to_have_url(f"{site.url}/login?next=/desk")


async def test_a_live_page_without_its_server_says_so_and_stops_its_clocks(site: Site, visit: Visit) -> None:
    await site.add_person("olga", *Role)
    owner = await visit()
    await owner.log_in(site.url, "olga", PASSWORD)
    live = await owner.open(f"{site.url}/")
    site.parts.recorder.emit(CallId("a"), EventType.CALL_STARTED, 0, {"gateway": "audiosocket", "language": "ru"})
    clock = live.locator("#now-cards .card-top .small")
    await expect(clock).to_have_text(RUNNING, timeout=20_000)
    await site.server.stop()
    await expect(live.locator("#lost")).to_be_visible()
    stood = await clock.text_content()
    await live.wait_for_timeout(2_500)
    assert await clock.text_content() == stood

"""A call that is really running, seen live, then found in the list and opened: real server, real Chromium."""

from __future__ import annotations

import os
import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Served, Visit, chromium, visit
from tests.integration.asterisk.product import Product

pytestmark = [pytest.mark.integration, pytest.mark.models]

__all__ = ["chromium", "visit"]

PATIENCE_MS = 60_000
SILENCE_S = 60


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    """The product, taking one call at a time."""
    async with Product(tmp_path / "data", CALL__MAX_CALLS="1") as product:
        served = Served(product.api)
        printed = re.search(r"as admin with (\S+) ", product.log_path.read_text("utf-8"))
        assert printed is not None
        served.password = printed[1]
        yield served


def _silence(folder: Path) -> Path:
    """What the fake microphone hears: nothing; the caller presses keys."""
    file = folder / "silence.wav"
    with wave.open(str(file), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(bytes(2 * 8000 * SILENCE_S))
    return file


async def _photo(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=str(Path(folder) / name), full_page=True)


async def test_a_running_call_is_seen_and_opened(server: Served, visit: Visit, tmp_path: Path) -> None:
    visitor = await visit(microphone=_silence(tmp_path))
    await visitor.log_in(server, "admin", server.password)
    live = await visitor.open(f"{server}/?lang=ru")
    phone = await visitor.open(f"{server}/phone?lang=ru")
    await phone.get_by_role("button", name="Позвонить").click()

    card = live.locator("#now-cards article")
    await expect(card).to_contain_text("Робот:", timeout=PATIENCE_MS)
    await expect(phone.locator("#lines .bot").nth(1)).to_be_visible(timeout=PATIENCE_MS)
    await phone.locator("body").press("2")
    await expect(card).to_contain_text("Баланс", timeout=PATIENCE_MS)
    await expect(card).to_contain_text("Счета", timeout=PATIENCE_MS)
    await _photo(live, "live.png")

    opened = card.get_by_role("link", name="Открыть звонок")
    address = await opened.get_attribute("href")
    page = await visitor.open(f"{server}{address}?lang=ru")
    await expect(page.locator("main")).to_contain_text("Звонок ещё идёт")

    await phone.get_by_role("button", name="Положить трубку").click()
    await expect(live.locator("#ended-cards article").first).to_contain_text("Прервано", timeout=PATIENCE_MS)

    listed = await visitor.open(f"{server}/calls?lang=en&branch=balance")
    row = listed.locator(f'a[href="{address}"]')
    for _ in range(30):  # the call is folded into its contact by the server, in its own time
        if await row.count():
            break
        await listed.wait_for_timeout(1000)
        await listed.reload()
    await row.click()
    await expect(listed.locator("h1")).to_contain_text("Call of")
    story = listed.locator(".story")
    await expect(story.locator("li.bot").first).to_be_visible()
    await expect(story).to_contain_text("The bot's part ends: Abandoned")
    await listed.locator("svg.axis a").first.focus()
    await listed.keyboard.press("Enter")
    await expect(listed.locator(".story li:target")).to_be_visible()
    await listed.get_by_role("button", name="Tell it again").click()
    await expect(story.locator("li:visible")).not_to_have_count(0)
    await listed.get_by_role("button", name="Show everything").click()
    await _photo(listed, "call.png")
    assert visitor.complaints == []

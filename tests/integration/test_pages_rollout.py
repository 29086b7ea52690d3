"""The rollout's pages in a real Chromium: two persons raise a share, one stops it, all of it by keyboard alone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from ivrbot.model.people import Role
from ivrbot.rollout.governing import control
from ivrbot.rollout.planning.check import load_plan
from tests.browser.conftest import Visit, chromium, visit
from tests.unit.web_fixture import PASSWORD, Site, open_site

pytestmark = pytest.mark.integration

__all__ = ["chromium", "visit"]

PLAN = """
goal: "Звонки о балансе не хуже, чем с операторами"
salt: spring
timezone: Europe/Moscow
two_person: true
defaults:
  primary:
    - {kpi: true_resolution, margin: 0.05}
branches:
  balance: {start: tenth}
  loans: {after: balance}
"""
PATIENCE_MS = 30_000
MOST_TABS = 60


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "rollout.yaml").write_text(PLAN)
    plan = load_plan(tmp_path / "rollout.yaml", {"balance", "loans"})
    async with open_site(tmp_path, login="always", plan=plan) as site:
        await control.adopt(plan, site.parts.store, "start:test", datetime.now(UTC))
        yield site


async def tab_to(page: Page, text: str) -> None:
    """Press Tab until what bears a text has the focus, as somebody without a mouse does."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        at = await page.evaluate("(document.activeElement.innerText || document.activeElement.name || '').trim()")
        if at == text:
            outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"nobody sees that {text} has the focus"
            return
    raise AssertionError(f"Tab does not lead to {text}")


async def do(page: Page, link: str, why: str, button: str) -> None:
    """Open a form, say why, send it: by keys."""
    await tab_to(page, link)
    await page.keyboard.press("Enter")
    await expect(page.locator("form.act")).to_be_visible(timeout=PATIENCE_MS)
    await tab_to(page, "why")
    await page.keyboard.type(why)
    await tab_to(page, button)
    await page.keyboard.press("Enter")
    await expect(page.locator(".notice:not(#lost):not(#session-over)").first).to_be_visible(timeout=PATIENCE_MS)


async def test_two_persons_raise_a_share_and_one_stops_it(site: Site, visit: Visit) -> None:
    for name in ("olga", "ivan"):
        await site.add_person(name, Role.OWNER)
    olga, ivan = await visit(), await visit()
    await olga.log_in(site.url, "olga", PASSWORD)
    await ivan.log_in(site.url, "ivan", PASSWORD)

    page = await olga.open(f"{site.url}/rollout?lang=ru")
    await do(page, "Предложить 20\u00a0%", "Неделя прошла хорошо", "Предложить")
    await expect(page.get_by_role("status").first).to_contain_text("Одобрить должен другой")
    await expect(page.get_by_role("link", name="Одобрить")).to_have_count(0)
    await expect(page.locator("main")).to_contain_text("Это ваше предложение")

    other = await ivan.open(f"{site.url}/rollout?lang=en")
    await expect(other.locator(".notice.info")).to_contain_text("Неделя прошла хорошо")
    await do(other, "Approve", "agreed", "Approve")
    await expect(other.get_by_role("status").first).to_contain_text("the new share is in force")
    await expect(other.locator('[aria-current="step"]').first).to_contain_text("20 %")
    assert (await site.parts.store.own_states())["balance"].share == 0.2

    help_mark = other.locator("dl .help summary").first
    await help_mark.focus()
    await other.keyboard.press("Enter")
    await expect(other.locator(".help[open] > div")).to_contain_text("Share")
    await other.keyboard.press("Escape")
    await expect(other.locator(".help[open]")).to_have_count(0)

    await page.goto(f"{site.url}/rollout?lang=ru")
    await do(page, "Остановить всё", "Проверка остановки", "Остановить всё")
    await expect(page.get_by_role("alert")).to_contain_text("каждый звонок идёт к операторам")
    await page.set_viewport_size({"width": 400, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 400
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=str(Path(folder) / "rollout-stopped.png"), full_page=True)
    await page.goto(f"{site.url}/rollout/balance?lang=ru")
    await expect(page.locator("table.stack").first).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.locator("table.stack thead summary:visible")).to_have_count(0)
    assert olga.complaints == []
    assert ivan.complaints == []

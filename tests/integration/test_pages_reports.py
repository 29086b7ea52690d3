"""The page of reports in a real Chromium: an analyst reads figures, narrows them, opens the calls behind one."""

from __future__ import annotations

import csv
import os
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import insert

from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.analytics.export import Export
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.people import Role
from ivrbot.rollout.planning.check import load_plan
from ivrbot.storage import schema
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.report_facts import ReportFacts
from ivrbot.storage.store import Store
from ivrbot.upkeep import report_habits
from tests.browser.conftest import Visit, Visitor, chromium, visit
from tests.unit.test_web_calls import NUMBER, STORY
from tests.unit.web_fixture import AT, PASSWORD, Site, open_site

pytestmark = pytest.mark.integration

__all__ = ["chromium", "visit"]

PLAN = """
goal: "Balance calls no worse than with operators"
salt: spring
timezone: Europe/Moscow
defaults:
  primary:
    - {kpi: true_resolution, margin: 0.05}
branches:
  balance: {start: half}
  loans: {after: balance}
"""
PATIENCE_MS = 30_000
CALLS = 120
EVERY = timedelta(hours=2)
STORED_AT = AT + timedelta(hours=2)
LAST_DAY: date = AT.date()
FIRST_DAY = LAST_DAY - timedelta(days=6)
ASKED = f"from={FIRST_DAY}&to={LAST_DAY}&branch=balance"
TO_OPERATOR = (
    *STORY[:7],
    (EventType.ESCALATED, 5000, {"queue": "balance", "reason": "caller_asked", "topic": "check_balance"}),
    (EventType.CALL_ENDED, 9000, {"disposition": "escalated", "reason": "caller_asked", "topic": "check_balance"}),
)


async def ring(store: Store, number: int) -> None:
    """One caller, served by the bot or, every other time, handed over as drawn."""
    call_id, at = CallId(str(UUID(int=number + 1))), AT - number * EVERY
    story, arm = (TO_OPERATOR, "control") if number % 2 else (STORY, "treatment")
    await store.register(CallRegistration(call_id, caller=NUMBER), at)
    told = (
        CallEvent(call_id, seq, kind, t_ms, at + timedelta(milliseconds=t_ms), data)
        for seq, (kind, t_ms, data) in enumerate(story)
    )
    await store.append(tuple(told))
    drawn = {"call_id": call_id, "unit": f"{number:064x}", "branch": "balance", "arm": arm, "propensity": 0.5}
    place = {"stage": "half", "epoch": 0, "plan_revision": 1, "at": at + timedelta(seconds=4)}
    await store.write(lambda conn: conn.execute(insert(schema.exposures), [drawn | place]))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Ten days of one branch, folded and exported as a server does it."""
    (tmp_path / "plan.yaml").write_text(PLAN)
    plan = load_plan(tmp_path / "plan.yaml", {"balance", "loans"})
    async with open_site(tmp_path, login="always", plan=plan) as site:
        store = site.parts.store
        for number in range(CALLS):
            await ring(store, number)
        writer = ContactWriter(
            ContactBook(store), unit_of=lambda *_: "f" * 64, now=lambda: STORED_AT, max_call_s=600
        )
        while await writer.step():
            pass
        habits = report_habits(plan)
        await Export(tmp_path / "export", ReportFacts(store), lambda: habits, lambda: STORED_AT).refresh()
        yield site


async def photo(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=str(Path(folder) / name), full_page=True)


SMALLEST_PX = """Math.min(...[...document.querySelectorAll("#days svg text")]
  .filter((text) => text.checkVisibility())
  .map((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""
"""Size on the screen of the smallest writing in a chart."""


async def read_on_a_telephone(visitor: Visitor, url: str) -> None:
    """Charts are drawn large enough on a narrow screen, by Plotly and, where it does not come, by the server."""
    page = await visitor.open("about:blank")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(url)
    await drawn(page)
    await large_enough(page)
    await page.close()

    page = await visitor.context.new_page()
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.route("**/plotly.min.js", lambda route: route.abort())
    await page.goto(url)
    await expect(page.locator("#days .plot > svg").first).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.locator("#days .live-plot")).to_have_count(0)
    await large_enough(page)
    await page.close()


async def large_enough(page: Page) -> None:
    assert await page.evaluate(SMALLEST_PX) >= 12
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def drawn(page: Page) -> None:
    """Plotly has drawn a chart, whatever the content security policy forbids it."""
    await page.locator("#days").scroll_into_view_if_needed()
    plot = page.locator("#days .live-plot").first
    await expect(plot.locator("svg.main-svg").first).to_be_visible(timeout=PATIENCE_MS)
    await expect(plot.locator(".scatterlayer path.js-line").first).to_be_attached(timeout=PATIENCE_MS)


async def narrowed(page: Page) -> None:
    """Fill in the filters as an analyst does."""
    await page.locator('input[name="from"]').fill(str(FIRST_DAY))
    await page.locator('input[name="to"]').fill(str(LAST_DAY))
    await page.locator('select[name="branch"]').select_option("balance")
    await page.locator("form.panel button.main").click()
    await page.wait_for_url(lambda now: "branch=balance" in now, timeout=PATIENCE_MS)


async def test_an_analyst_goes_from_a_figure_to_a_call(site: Site, visit: Visit, tmp_path: Path) -> None:
    await site.add_person("anna", Role.ANALYST, branches=frozenset({"balance"}))
    anna = await visit()
    await anna.log_in(site.url, "anna", PASSWORD)

    page = await anna.open(f"{site.url}/reports?lang=ru")
    await expect(page.locator("h1")).to_have_text("Робот и операторы")
    await narrowed(page)
    failures = page.locator("table.figures tr", has_text="Отказы движков")
    await expect(failures.first.locator("td").nth(1)).to_contain_text("91,2")
    await drawn(page)
    await photo(page, "reports-ru.png")
    await read_on_a_telephone(anna, f"{site.url}/reports?{ASKED}&lang=ru")

    await page.goto(f"{site.url}/reports?{ASKED}&lang=en")
    line = page.locator("table.figures tr", has_text="Engine failures").first
    for at, told in ((0, ("0.00 %", "0.00 % … 8.97 %", "n = 39")), (1, ("100.0 %", "91.2 % … 100.0 %", "n = 40"))):
        for part in told:
            await expect(line.locator("td").nth(at)).to_contain_text(part)
    await drawn(page)

    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="CSV").click()
    await (await downloading.value).save_as(tmp_path / "report.csv")
    rows = list(csv.DictReader((tmp_path / "report.csv").read_text("utf-8").splitlines()))
    assert {row["branch"] for row in rows} == {"balance"}
    assert {row["arm"] for row in rows if row["kind"] == "figure"} == {"control", "treatment"}

    await line.locator("td").nth(1).get_by_role("link").click()
    await page.wait_for_url(f"{site.url}/calls?{ASKED}&arm=treatment", timeout=PATIENCE_MS)
    await expect(page.locator("main")).to_contain_text("Found: 40")
    opened = page.locator("main table a[href^='/calls/']").first
    address = await opened.get_attribute("href")
    await opened.click()
    await expect(page.locator("h1")).to_contain_text("Call of")
    await expect(page.locator(".story")).to_contain_text("The last four digits, please.")
    assert anna.complaints == [], "Plotly keeps within the content security policy"

    await site.add_person("boris", Role.ANALYST, branches=frozenset({"loans"}))
    boris = await visit()
    await boris.log_in(site.url, "boris", PASSWORD)
    other = await boris.open(f"{site.url}/reports?lang=en")
    await expect(other.locator("h1")).to_have_text("Bot and operators")
    await expect(other.locator("table.figures")).to_have_count(0)
    await expect(other.locator('select[name="branch"] option[value="balance"]')).to_have_count(0)
    for closed in (f"/reports?{ASKED}", f"/reports?{ASKED}&format=csv", address):
        answer = await other.request.get(f"{site.url}{closed}")
        assert answer.status == 404, closed

"""The desk in a real Chromium, a real call waiting in a real Asterisk: it pops up, its topic is corrected."""

from __future__ import annotations

import os
import re
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit, chromium, visit
from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.server import AsteriskServer
from tests.integration.asterisk.sip import OperatorPhone
from tests.integration.asterisk.stage import API_WAIT_S, Stage

pytestmark = [pytest.mark.integration, pytest.mark.models]

__all__ = ["chromium", "visit"]

PATIENCE_MS = 30_000
RING_MS = 120_000


async def test_a_topic_is_corrected_while_the_call_waits(
    asterisk_installation: Installation, visit: Visit, tmp_path: Path
) -> None:
    async with (
        Product(tmp_path / "data") as product,
        OperatorPhone(asterisk_installation, RING_MS) as telephone,
        AsteriskServer(
            asterisk_installation, product.site(api_wait_s=API_WAIT_S, operator1=telephone.port)
        ) as server,
        aiohttp.ClientSession(product.api, headers={"Authorization": f"Bearer {product.token}"}) as web,
    ):
        stage = Stage(asterisk_installation, product, telephone, server, web)
        colleague = await visit()
        printed = re.search(r"as admin with (\S+) ", product.log_path.read_text("utf-8"))
        assert printed is not None
        await colleague.log_in(product.api, "admin", printed[1])
        desk = await colleague.open(f"{product.api}/desk?lang=ru")
        await desk.locator("#mine summary").click()
        await desk.get_by_label("Имя моего телефона в очередях").fill("operator1")
        await desk.keyboard.press("Tab")

        async with stage.call() as call:
            await call.asked("utter_ask_topic")
            await call.press("2")
            await call.asked("utter_ask_fact_last_four")
            await call.press("0")
            await stage.ring_for(call)

            # his telephone rings: the dossier has come up by itself
            await expect(desk.locator("#popup")).to_contain_text("Звонит ваш телефон", timeout=PATIENCE_MS)
            await expect(desk.locator("#dossier h2")).to_contain_text("Баланс", timeout=PATIENCE_MS)
            form = desk.locator("form.disposition")
            await form.get_by_label("Тема звонка").select_option("salary_status")
            await form.get_by_label("не решён").check()
            await form.get_by_role("button", name="Сохранить").click()
            await expect(form.get_by_role("status")).to_have_text("Сохранено.", timeout=PATIENCE_MS)
            if folder := os.environ.get("SCREENSHOTS"):
                await desk.screenshot(path=str(Path(folder) / "desk-call-waiting.png"), full_page=True)
            assert not call.caller.was_hung_up_on()
            async with web.get(f"/web/calls/{call.call_id}/disposition") as response:
                latest = (await response.json())["latest"]
            assert (latest["topic"], latest["outcome"]) == ("salary_status", "unresolved")
        assert colleague.complaints == []

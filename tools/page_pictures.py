"""The pictures of the documentation, taken in a real Chromium over a running `make demo`.

Takes the server's address and a person who sees every page; gives PNG files in docs/images: rollout and
reports in English, calls in Russian. The caller is silent and presses keys; costs are shown where the server has
prices (costs.bot_minute_minor, costs.operator_minute_minor).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import wave
from pathlib import Path
from typing import Final

from playwright.async_api import BrowserContext, FloatRect, Page, async_playwright

IMAGES: Final = Path(__file__).parent.parent / "docs" / "images"
WIDTH: Final = 1200
PAPER: Final = 900
MARGIN_PX: Final = 12
RATE_HZ: Final = 8000
SILENCE_S: Final = 120
PATIENCE_MS: Final = 60_000
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


async def log_in(context: BrowserContext, name: str, password: str) -> None:
    """All pages of the context are logged in then."""
    page = await context.new_page()
    await page.goto("/login")
    await page.locator("#name").fill(name)
    await page.locator("#password").fill(password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda now: not now.endswith("/login"))
    await page.close()


async def photo(page: Page, name: str, height: int, top: str = "body", width: int = WIDTH) -> None:
    """A page from the upper edge of an element on, nothing pointed at."""
    await page.mouse.move(0, 0)
    await page.evaluate("scrollTo(0, 0)")
    box = await page.locator(top).bounding_box()
    assert box is not None
    clip = FloatRect(x=0, y=max(0.0, box["y"] - MARGIN_PX * (top != "body")), width=width, height=height)
    await page.screenshot(path=IMAGES / f"{name}.png", clip=clip, full_page=True)
    print(IMAGES / f"{name}.png", file=sys.stderr)


async def of_history(context: BrowserContext) -> None:
    """Rollout, certificate, reports, audit, one call."""
    page = await context.new_page()
    await page.goto("/rollout?lang=en")
    await photo(page, "rollout", 1000)
    await page.goto("/rollout/balance?lang=en")
    certificate = page.locator("a[href^='/api/v1/rollout/certificates/']").first
    address = str(await certificate.get_attribute("href"))
    await page.set_viewport_size({"width": PAPER, "height": 900})
    await page.goto(address)
    await photo(page, "certificate", 1200, width=PAPER)
    await page.set_viewport_size({"width": WIDTH, "height": 900})
    await page.goto("/reports?lang=en")
    for plot in await page.locator("#days .plot").all():
        await plot.scroll_into_view_if_needed()
        await plot.locator(".scatterlayer path.js-line").first.wait_for(state="attached", timeout=PATIENCE_MS)
    await photo(page, "reports", 1440, "#ready")
    await page.goto("/audit?log=rollout&lang=en")
    await photo(page, "audit", 900)
    await page.goto("/calls?branch=balance&arm=treatment&topic=check_balance&lang=ru")
    links = page.locator("main table a[href^='/calls/']")
    for href in [await link.get_attribute("href") for link in await links.all()]:
        await page.goto(str(href))
        if await page.locator(".story", has_text="Русский").count():
            break
    await photo(page, "call", 1500)
    await page.close()


async def of_a_call(context: BrowserContext) -> None:
    """The softphone and the live board while somebody asks for his balance by keys."""
    phone, live = await context.new_page(), await context.new_page()
    await phone.goto("/phone?lang=ru")
    await live.goto("/?lang=ru")
    await phone.bring_to_front()
    await phone.locator("#call").click()
    await phone.locator("#lines .bot").nth(1).wait_for(timeout=PATIENCE_MS)
    await phone.keyboard.press("2")
    await phone.locator("#lines .bot").nth(3).wait_for(timeout=PATIENCE_MS)
    await photo(phone, "phone", 900)
    await live.bring_to_front()
    await live.locator("#now-cards article").first.wait_for(timeout=PATIENCE_MS)
    await photo(live, "live", 640)
    await phone.locator("#call").click()


async def take(url: str, name: str, password: str) -> None:
    """All pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder:
        silence = Path(folder) / "silence.wav"
        with wave.open(str(silence), "wb") as wav:
            wav.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
            wav.writeframes(bytes(2 * RATE_HZ * SILENCE_S))
        heard = f"--use-file-for-fake-audio-capture={silence}%noloop"
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, heard])
            context = await browser.new_context(
                base_url=url, viewport={"width": WIDTH, "height": 900}, color_scheme="light"
            )
            await log_in(context, name, password)
            await of_history(context)
            await of_a_call(context)
            await browser.close()


def main() -> None:
    """Take the pictures of a server that runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument(
        "--name",
        default="admin",
        help="has the roles owner, analyst, operator; the password comes from standard input",
    )
    options = parser.parse_args()
    asyncio.run(take(options.url, options.name, sys.stdin.readline().rstrip("\n")))


if __name__ == "__main__":
    main()

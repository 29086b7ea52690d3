"""A real server process and a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from ivrbot.config import PROJECT_ROOT
from tests.integration.asterisk.product import TRAINED
from tests.ports import free_port

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STOP_S = 60
PATIENCE_MS = 30_000
"""For what a page is to show, where a test says nothing else: browsers yield to telephones."""
FAKE_MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on the path; Debian: apt-get install chromium")
    return path


class Served(str):
    """URL of a running server.

    Attributes:
        password: of its first administrator, as printed at the first start.
    """

    password = ""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running `ivrbot serve --demo` that takes one call at a time."""
    models = Path(os.environ.get("IVRBOT_MODELS__DIR") or PROJECT_ROOT / "var" / "models")
    if not any(models.glob("whisper-*")) and not any(models.glob("vosk-*")):
        pytest.skip(f"no recognition model in {models}; fetch one: ivrbot models pull")
    folder = tmp_path_factory.mktemp("served")
    TRAINED.mkdir(parents=True, exist_ok=True)
    (folder / "nlu").symlink_to(TRAINED, target_is_directory=True)
    port = free_port()
    environment = {
        **os.environ,
        "IVRBOT_DATA_DIR": str(folder),
        "IVRBOT_MODELS__DIR": str(models),
        "IVRBOT_WEB__PORT": str(port),
        "IVRBOT_MEDIA__PORT": str(free_port()),
        "IVRBOT_CALL__MAX_CALLS": "1",
    }
    command = [sys.executable, "-m", "ivrbot", "serve", "--demo"]
    with (
        (folder / "serve.log").open("w") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True, process_group=0
        ) as process,
    ):
        assert process.stdout
        if not any(line.strip() == "ready" for line in process.stdout):
            pytest.fail((folder / "serve.log").read_text("utf-8")[-3000:])
        served = Served(f"http://127.0.0.1:{port}")
        printed = re.search(r"as admin with (\S+) ", (folder / "serve.log").read_text("utf-8"))
        served.password = printed[1] if printed else ""
        yield served
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its worker too


class Visitor:
    """A browser of its own; whatever its pages complain about is an error."""

    def __init__(self, browser: Browser, context: BrowserContext) -> None:
        self.browser = browser
        self.context = context
        self.complaints: list[str] = []

    async def open(self, url: str) -> Page:
        page = await self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._said)
        await page.goto(url)
        return page

    async def log_in(self, url: str, name: str, password: str) -> None:
        """Fill in the log-in form; all pages of this browser are logged in then."""
        page = await self.context.new_page()
        await page.goto(f"{url}/login")
        await page.locator("#name").fill(name)
        await page.locator("#password").fill(password)
        await page.keyboard.press("Enter")
        await page.wait_for_url(lambda now: not now.endswith("/login"))
        await page.close()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture
async def visit(chromium: str) -> AsyncIterator[Visit]:
    """Starts browsers: `await visit(speech)` with a WAV file for the microphone, `await visit()` without any."""
    async with async_playwright() as driver:
        visitors: list[Visitor] = []

        async def start(*arguments: str, microphone: Path | None = None) -> Visitor:
            if microphone:
                arguments += (*FAKE_MICROPHONE, f"--use-file-for-fake-audio-capture={microphone}%noloop")
            browser = await driver.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, *arguments])
            visitors.append(Visitor(browser, await browser.new_context(locale="ru-RU")))
            return visitors[-1]

        try:
            yield start
        finally:
            for visitor in visitors:
                await visitor.browser.close()

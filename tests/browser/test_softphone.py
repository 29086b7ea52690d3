"""A call from the browser: real page, real microphone path, real server, real recognition."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import soxr
from playwright.async_api import Page, expect

from ivrbot.media.wav import read_wav
from tests.browser.conftest import Served, Visit
from tests.caller_speech import caller_wav

pytestmark = [pytest.mark.integration, pytest.mark.models]

GREETING_S = 9.0
BROWSER_HZ = 48_000
ANSWER_MS = 45_000


def microphone_file(folder: Path, *sentences: str) -> Path:
    """What the fake microphone hears: silence while the bot greets, then the sentences."""
    sound = [np.zeros(int(GREETING_S * 8000), "<i2")]
    for sentence in sentences:
        sound += [np.frombuffer(read_wav(caller_wav(sentence)), "<i2"), np.zeros(8000, "<i2")]
    file = folder / "microphone.wav"
    with wave.open(str(file), "wb") as wav:
        wav.setparams((1, 2, BROWSER_HZ, 0, "NONE", ""))
        wav.writeframes(soxr.resample(np.concatenate(sound), 8000, BROWSER_HZ).astype("<i2").tobytes())
    return file


async def test_a_call_with_an_operator_at_its_end(server: Served, visit: Visit, tmp_path: Path) -> None:
    caller = await visit(microphone=microphone_file(tmp_path, "Какой у меня баланс?"))
    await (colleague := await visit()).log_in(server, "admin", server.password)
    desk = await colleague.open(f"{server}/desk")
    live = await colleague.open(f"{server}/")
    await expect(desk.locator("#calls-none")).to_be_visible()

    phone = await caller.open(f"{server}/phone")
    await phone.get_by_role("button", name="Позвонить").click()
    await expect(phone.locator("#lines .bot").first).to_contain_text("робот", timeout=ANSWER_MS)
    await expect(phone.locator("#state")).to_have_attribute("data-state", "speaking", timeout=ANSWER_MS)
    await expect(phone.locator("#lines .caller").first).to_contain_text("баланс", timeout=ANSWER_MS)
    await expect(live.locator("#now-cards article")).to_contain_text("Баланс", timeout=ANSWER_MS)
    await _busy_for_another(server, visit, tmp_path)

    await phone.locator("body").press("0")
    await expect(phone.locator("#lines .system")).to_contain_text("оператор", timeout=ANSWER_MS)
    await expect(phone.locator("#state")).to_have_attribute("data-state", "waiting")
    await _operator_takes(desk, phone)

    await phone.get_by_role("button", name="Положить трубку").click()
    await expect(desk.locator("#talk-place")).to_contain_text("Клиент отключился")
    await expect(phone.locator("#state")).to_have_attribute("data-state", "ended")
    await expect(live.locator("#ended-cards article").first).to_contain_text("Оператору")
    assert caller.complaints == []
    assert colleague.complaints == []


async def _busy_for_another(server: Served, visit: Visit, folder: Path) -> None:
    second = await visit(microphone=folder / "microphone.wav")
    page = await second.open(f"{server}/phone")
    await page.get_by_role("button", name="Позвонить").click()
    await expect(page.get_by_role("alert")).to_contain_text("линии заняты")
    await second.browser.close()


async def _operator_takes(desk: Page, phone: Page) -> None:
    dossier = desk.locator("#dossier")
    await expect(dossier).to_contain_text("Анна")
    heard = (await phone.locator("#lines .caller").first.inner_text()).removeprefix("Вы").strip()
    await expect(dossier.locator(".lines .caller").first).to_contain_text(heard)
    await desk.get_by_role("button", name="Принять звонок").click()
    await expect(phone.locator("#state")).to_have_attribute("data-state", "operator")
    await desk.get_by_label("Написать клиенту").fill("Здравствуйте <img src=x onerror=alert(1)>")
    await desk.keyboard.press("Enter")
    await expect(phone.locator("#lines .operator")).to_contain_text("Здравствуйте <img src=x")
    await phone.get_by_label("Написать оператору").fill("Номер карты 4271 0000 1111 2222")
    await phone.keyboard.press("Enter")
    await expect(desk.locator("#talk-place .caller")).to_have_text("КлиентНомер карты ***")


async def test_hanging_up_while_the_bot_speaks(server: Served, visit: Visit, tmp_path: Path) -> None:
    caller = await visit(microphone=microphone_file(tmp_path))
    phone = await caller.open(f"{server}/phone?lang=en")
    await phone.get_by_role("button", name="Call", exact=True).click()
    await expect(phone.locator("#lines .bot").first).to_be_visible(timeout=ANSWER_MS)
    await phone.get_by_role("button", name="Hang up").click()
    await expect(phone.get_by_role("button", name="Call", exact=True)).to_be_visible()
    await caller.log_in(server, "admin", server.password)
    live = await caller.open(f"{server}/")
    await expect(live.locator("#ended-cards article").first).to_contain_text("hung up")
    assert caller.complaints == []


async def test_a_refused_microphone_is_explained(server: Served, visit: Visit) -> None:
    visitor = await visit("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    page = await visitor.open(f"{server}/phone")
    await page.get_by_role("button", name="Позвонить").click()
    await expect(page.get_by_role("alert")).to_contain_text("Доступ к микрофону запрещён")
    await expect(page.get_by_role("button", name="Позвонить")).to_be_enabled()


async def test_a_missing_microphone_is_explained(server: Served, visit: Visit) -> None:
    visitor = await visit("--use-fake-ui-for-media-stream")
    page = await visitor.open(f"{server}/phone")
    await page.evaluate("navigator.mediaDevices.enumerateDevices().then(all => all.length)")
    await page.get_by_role("button", name="Позвонить").click()
    await expect(page.get_by_role("alert")).to_contain_text("Микрофон не найден")


async def test_everything_is_reached_by_keyboard(server: Served, visit: Visit) -> None:
    page = await (await visit()).open(f"{server}/phone")
    reached = []
    for _ in range(14):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert reached[0] == "skip"
    assert {"brand", "who", "call"} <= set(reached)


TONE = """
async ([rate, tone]) => {
  const context = new OfflineAudioContext(1, rate, rate);
  await context.audioWorklet.addModule("/static/audio-worklet.js");
  const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
  const levels = [];
  node.port.onmessage = (event) => levels.push(event.data.level);
  const source = new OscillatorNode(context, { frequency: tone });
  source.connect(new GainNode(context, { gain: 0.5 })).connect(node);
  source.connect(new GainNode(context, { gain: 0 })).connect(context.destination);
  source.start();
  await context.startRendering();
  await new Promise((done) => setTimeout(done, 300));
  return levels.slice(5, -5);
}
"""


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000, 96_000])
async def test_the_microphone_is_resampled_without_folding(server: Served, visit: Visit, rate_hz: int) -> None:
    page = await (await visit()).open(f"{server}/phone")
    for tone_hz, lowest, highest in ((1000, 0.345, 0.362), (3000, 0.32, 0.362), (5000, 0.0, 0.002)):
        levels = await page.evaluate(TONE, [rate_hz, tone_hz])
        assert 38 <= len(levels) <= 40, "fifty frames a second"
        assert lowest <= min(levels), (rate_hz, tone_hz)
        assert max(levels) <= highest, (rate_hz, tone_hz)

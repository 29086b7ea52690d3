"""Whole calls through Asterisk's Dial(WebSocket) on the line's own product: a prompt cut short, keys, an operator.

A second Asterisk, which sends the sound of calls to the product's web server instead of its AudioSocket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.integration.asterisk.rtp import VOICE_LEVEL
from tests.integration.asterisk.server import AsteriskServer, free_port
from tests.integration.asterisk.stage import API_WAIT_S, ORLOV, Stage

pytestmark = [pytest.mark.integration, pytest.mark.models, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def by_websocket(line: Stage, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The line, its sound by chan_websocket; without AMI, which one Asterisk has with the product already."""
    site = replace(
        line.product.site(api_wait_s=API_WAIT_S, operator1=line.operator.port),
        ami_port=free_port(),
        websocket=line.product.api.removeprefix("http://"),
    )
    folder = tmp_path_factory.mktemp("websocket")
    async with AsteriskServer(line.installation, site, keep_in=folder) as server:
        yield replace(line, server=server)


async def test_keys_cut_a_prompt_short_and_lead_through_the_call(by_websocket: Stage) -> None:
    async with by_websocket.call(ORLOV) as call:
        await call.phone.listen(call.answered_s, quiet_ms=0)
        pressed_s = asyncio.get_running_loop().time()
        await call.press("1")
        stated = await call.story.until(lambda e: e["type"] == "topic_stated")
        assert stated["topic"] == "block_card"
        await call.asked("utter_ask_fact_last_four")
        # Nothing of the greeting is left in Asterisk: it holds no more than a moment of what the bot has sent.
        loud = [packet.at_s for packet in call.phone.heard.packets if packet.level > VOICE_LEVEL]
        assert any(at_s > pressed_s for at_s in loud)
        numbers = [packet.sequence for packet in call.phone.heard.packets]
        assert (numbers[-1] - numbers[0]) & 0xFFFF == len(numbers) - 1
        await call.press("0")
        ring = await by_websocket.ring_for(call)
        assert ring.headers["x-bot-topic"] == "block_card"


async def test_words_spoken_over_the_greeting_stop_it(by_websocket: Stage) -> None:
    async with by_websocket.call() as call:
        await call.phone.listen(call.answered_s, quiet_ms=0)
        await asyncio.sleep(0.5)
        began_s = asyncio.get_running_loop().time()
        await call.say("у меня украли карту срочно заблокируйте", "elena")
        await call.story.until(lambda e: e["type"] == "barge_in")
        loud = [packet.at_s for packet in call.phone.heard.packets if packet.level > VOICE_LEVEL]
        while_spoken = [at_s for at_s in loud if began_s < at_s < call.spoke_s]
        print(f"\nstopped {(max(while_spoken, default=began_s) - began_s) * 1000:.0f} ms after he began to speak")
        assert max(while_spoken, default=began_s) < call.spoke_s - 0.5, "the greeting went on out of a queue"

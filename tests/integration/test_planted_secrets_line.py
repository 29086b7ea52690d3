"""Secrets planted by telephone: spoken to the real recogniser and keyed through a real Asterisk, then sought.

Searched are the data folder with everything in it, the product's log, metrics and API, reports, audit and backup,
Asterisk's logs and queue_log, the variables of its channels, the SIP of both sides, and the recorded sound.
"""

from __future__ import annotations

import asyncio
import json
import re
from functools import partial
from pathlib import Path

import pytest

from ivrbot.media.level import SPEECH_DBFS, rms_dbfs
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import FRAME_BYTES
from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.stage import ORLOV, Call, Event, Stage, running
from tests.integration.asterisk.wait import until
from tests.integration.attack_line import exported
from tests.planted import Secret, files_of, leaks

pytestmark = [pytest.mark.integration, pytest.mark.models]

PIN, WORD = Secret("pin", "4829"), Secret("word", "глициния")
KEYED, OTP = Secret("card", "4539871236548719"), Secret("otp", "736918")
BIRTH = Secret("word", "тринадцатое июля")
GREETING = "алло добрый день девушка"
CODE_QUESTION = "utter_ask_fact_one_time_code"
ANSWERS = {
    "utter_ask_fact_last_four": "1188",
    "utter_ask_fact_code_word": "21111975#",
    "utter_ask_change_limits": "1",
    "utter_ask_limit_kind": "1",
    "utter_ask_new_limit_minor": "50000#",
    "utter_ask_confirm_limit": "1",
}
"""Keys for what is asked on the way to the code; the question whether to change depends on how he was heard."""
HEARD = {"caller_said", "no_match", "engine_failed"}
"""Whatever a busy machine's recogniser made of it, the turn is over."""


async def a_call_with_an_operator(line: Stage, shown: list[tuple[str, str]]) -> None:
    """Unasked: spoken at the open question, keyed at the menu; then the operator sees what is left of it."""
    async with line.call() as call:
        await call.asked("utter_ask_topic")
        await call.say(f"мой пин код {PIN.said('ru', 2)} а кодовое слово {WORD.value}")
        await call.story.until(lambda event: event["type"] in HEARD, 60)
        await asyncio.sleep(0.5)
        await call.press("0")
        ring = await line.ring_for(call, 25)
        shown.append(("SIP to the operator", f"{ring.first_line}\n{ring.headers}\n{ring.body}"))
        for row in (await line.server.cli("core show channels concise")).splitlines():
            name = row.partition("!")[0]
            shown.append(("variables of a channel", await line.server.cli(f"core show channel {name}")))
        shown.append(("outcome", await line.outcome(call.call_id)))
        ended = await call.story.ended()
        shown.append(("dossier", str(await line.dossier(ended["dossier"]))))
        shown.append(("events", str(call.story)))


async def a_call_of_keys(line: Stage, shown: list[tuple[str, str]]) -> None:
    """A card's number at the menu, a one-time code after it."""
    async with line.call() as call:
        await call.asked("utter_ask_topic")
        await call.press(f"{KEYED.value}#{OTP.value}#")
        await call.story.until(lambda event: event["type"] == "keys_pressed")
        await asyncio.sleep(2.0)
        shown.append(("events", str(call.story)))


async def a_call_with_a_secret_answer(line: Stage, shown: list[tuple[str, str]]) -> Call:
    """Asked: the answer is spoken, and none of it may be on the recording; what he said before is."""
    async with line.call() as call:
        await call.asked("utter_ask_topic")
        await call.say(GREETING)
        await call.story.until(lambda event: event["type"] in HEARD, 60)
        await call.press("2")
        asked = await call.story.until(lambda event: str(event.get("response", "")).startswith("utter_ask_fact"))
        await call.asked(str(asked["response"]))
        await call.say(f"{BIRTH.value} тысяча девятьсот шестьдесят восьмого")
        await call.story.until(lambda event: event["type"] in HEARD, 60, int(asked["seq"]))
        await call.story.until(lambda event: event["type"] == "recording_started")
        shown.append(("events", str(call.story)))
    return call


def asks(responses: set[str], event: Event) -> bool:
    return event["type"] == "bot_said" and str(event["response"]) in responses


async def a_call_with_a_one_time_code(line: Stage, shown: list[tuple[str, str]]) -> list[Secret]:
    """A limit is changed with a code that was sent, after one that was not; gives both.

    Whom a busy machine's recogniser takes for somebody with another wish rings again.
    """
    for _ in range(3):
        if codes := await a_try_with_a_one_time_code(line, shown):
            return codes
    raise AssertionError("three times another topic was heard")


async def a_try_with_a_one_time_code(line: Stage, shown: list[tuple[str, str]]) -> list[Secret]:
    async with line.call(ORLOV) as call:
        for _ in range(3):
            await call.asked("utter_ask_topic")
            await call.say("хочу изменить лимит по карте", "anna")
            heard = await call.story.until(lambda event: event["type"] in HEARD, 60)
            stated = [event for event in call.story.of("topic_stated") if event["topic"] == "card_limits"]
            if stated or heard["type"] == "caller_said":
                break
        await asyncio.sleep(1.0)  # the topic follows upon the words
        stated_topics = [event["topic"] for event in call.story.of("topic_stated")]
        if stated_topics and stated_topics[-1] != "card_limits":
            return []
        seq = -1
        while True:
            asked = await call.story.until(partial(asks, {*ANSWERS, CODE_QUESTION}), 60, seq)
            seq = int(asked["seq"])
            if asked["response"] == CODE_QUESTION:
                break
            await call.press(ANSWERS[asked["response"]])
        (message,) = (line.product.data_dir / "sms").glob("*.json")
        code = re.findall(r"[0-9]{6}", json.loads(message.read_text("utf-8"))["text"])[0]
        wrong = "".join(str((int(digit) + 3) % 10) for digit in code)
        await call.press(wrong)
        await call.story.until(partial(asks, {CODE_QUESTION}), 60, seq)
        await call.press(code)
        done = await call.story.until(lambda event: event.get("action") == "bank_change_limits", 60)
        assert done
        shown += [("events", str(call.story)), ("SIP of the caller", str(call.caller.messages()))]
    return [Secret("otp", code), Secret("otp", wrong)]


def voiced_ms(file: Path, channel: int) -> int:
    pcm = read_wav(file, channel=channel)
    frames = (pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES))
    return 20 * sum(rms_dbfs(frame) >= SPEECH_DBFS for frame in frames)


async def test_nothing_planted_by_telephone_is_found_anywhere(
    asterisk_installation: Installation, tmp_path: Path
) -> None:
    shown: list[tuple[str, str]] = []
    product = Product(
        tmp_path / "data",
        RECORDING__ENABLED="true",
        RECORDING__MIN_FREE_MB="10",
        ASR__DEADLINE_MS="30000",
        SMS__VIA="file",
    )
    async with running(asterisk_installation, tmp_path, product) as line:
        await a_call_with_an_operator(line, shown)
        await a_call_of_keys(line, shown)
        call = await a_call_with_a_secret_answer(line, shown)
        codes = await a_call_with_a_one_time_code(line, shown)
        folder = tmp_path / "data" / "recordings"
        await until(lambda: len([*folder.glob("*/*.wav")]) >= 4, 20)
        shown += await exported(line, call.call_id)
        async with line.web.get(f"/calls/{call.call_id}/audio", headers={"Range": "bytes=0-43"}) as response:
            assert response.status == 206 and (await response.read())[:4] == b"RIFF"
        (recording,) = folder.glob(f"*/{call.call_id}.wav")
        # The greeting can be heard, the answer of some four seconds cannot; the bot is heard throughout.
        assert 200 <= voiced_ms(recording, 0) <= 2200
        assert voiced_ms(recording, 1) > 3000
    planted = [PIN, WORD, KEYED, OTP, BIRTH, *codes]
    # The code that was sent stands in its message: that is what a message is for.
    messages = [text for place, text in files_of(tmp_path) if place.startswith("data/sms/")]
    assert len(messages) == 1 and codes[0].is_in(messages[0])
    places = [(place, text) for place, text in files_of(tmp_path) if not place.startswith("data/sms/")]
    places = [(place, text) for place, text in places if not place.endswith(".wav")]
    names = {place for place, _ in places}
    assert any("serve.log" in name for name in names) and any("queue_log" in name for name in names)
    assert any("ivrbot.sqlite" in name for name in names) and len(shown) >= 9
    assert leaks([*places, *shown], planted) == []

"""After an operator's talk the shipped dialplan asks for a score, in a real Asterisk; a stand-in plays the API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ivrbot.media.level import rms_dbfs
from ivrbot.media.wav import read_wav
from tests.integration.asterisk.sip import Caller
from tests.integration.asterisk.wait import until
from tests.integration.test_asterisk_dialplan import AUDIBLE, TONE, SetUp, Stage, set_up

pytestmark = pytest.mark.integration

__all__ = ["set_up"]


async def talk_ended_by_the_operator(stage: Stage) -> tuple[Caller, float]:
    """A caller whom an operator has served; the operator hangs up first."""
    caller = await stage.dial_and_talk_to_the_bot()
    (await stage.bot.call()).hang_up()
    await stage.operator.talking()
    begun = asyncio.get_running_loop().time()
    channels = await stage.server.cli("core show channels concise")
    (operators,) = [line.split("!")[0] for line in channels.splitlines() if line.startswith("PJSIP/operator1")]
    await stage.server.cli(f"channel request hangup {operators}")
    return caller, begun


def scores(stage: Stage) -> list[list[str]]:
    return [row[2:] for row in stage.server.queue_log() if row[4] == "BOTSCORE"]


async def test_a_key_after_the_operator_has_hung_up_is_a_score(set_up: SetUp) -> None:
    stage = await set_up(outcome="transfer:balance|check_balance|d|0")
    caller, begun = await talk_ended_by_the_operator(stage)
    await until(lambda: len(scores(stage)) == 1, 10)
    await until(lambda: caller.phone.heard.loudness(begun) > AUDIBLE, 10)  # the question
    caller.phone.press("4")
    await caller.hung_up_on()
    assert scores(stage) == [["balance", "NONE", "BOTSCORE", "0"], ["balance", "NONE", "BOTSCORE", "4"]]
    uuid = stage.api.registrations[0]["uuid"]
    assert stage.api.scores == [(uuid, "0"), (uuid, "4")]


async def test_who_presses_nothing_is_let_go(set_up: SetUp) -> None:
    stage = await set_up(outcome="transfer:balance|check_balance|d|0")
    caller, _ = await talk_ended_by_the_operator(stage)
    await caller.hung_up_on(30)
    assert [score for _, score in stage.api.scores] == ["0"]


@pytest.mark.parametrize("outcome", ["transfer:block_card|block_card|d|0", "transfer:balance|report_fraud|d|10"])
async def test_nobody_is_asked_in_an_emergency(set_up: SetUp, outcome: str) -> None:
    stage = await set_up(outcome=outcome)
    caller, _ = await talk_ended_by_the_operator(stage)
    await caller.hung_up_on()
    assert scores(stage) == []
    assert stage.api.scores == []


@pytest.mark.parametrize("told", [True, False])
async def test_a_talk_is_recorded_only_where_the_caller_was_told(
    set_up: SetUp, tmp_path: Path, told: bool
) -> None:
    folder = tmp_path / "talks"
    folder.mkdir()
    stage = await set_up(outcome="transfer:balance|check_balance|d|0", recordings=str(folder))
    caller = await stage.dial_and_talk_to_the_bot()
    if told:
        await stage.ami.set_variable(stage.api.registrations[0]["channel"], "__BOT_RECORDED", "yes")
    (await stage.bot.call()).hang_up()
    await stage.operator.talking()
    caller.phone.say(TONE)
    await caller.phone.said()
    await caller.hang_up()
    await until(lambda: "COMPLETECALLER" in [row[4] for row in stage.server.queue_log()], 10)
    uuid = stage.api.registrations[0]["uuid"]
    names = sorted(path.name for path in folder.iterdir())
    assert names == ([f"{uuid}-caller.wav", f"{uuid}-operator.wav"] if told else [])
    if told:
        # the file is whole once its writer has ended with the channel
        await until(lambda: rms_dbfs(read_wav(folder / f"{uuid}-caller.wav")) > -40, 10)

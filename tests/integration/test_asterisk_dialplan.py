"""The shipped dialplan in a real Asterisk, with real SIP callers; stand-ins play the bot and its API.

Whatever happens to the bot, the caller must reach a person: each test breaks something else.
"""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ivrbot.telephony.asterisk import AmiAccount, AmiControl
from ivrbot.telephony.wire.ami import AmiParser, encode_action
from tests.integration.asterisk import g711
from tests.integration.asterisk.bot import BotPeer, Registrar
from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.server import AsteriskServer, Site
from tests.integration.asterisk.sip import PATIENCE_S, Caller, OperatorPhone, SipMessage, place_crowd
from tests.integration.asterisk.stage import API_WAIT_S, HELD_UP_S
from tests.integration.asterisk.wait import again_if_late, in_time, until

pytestmark = pytest.mark.integration

PERSON_WITHIN_S = 3.0
"""The product's promise for a bot that dies."""
DIALLED_WITHIN_S = 6.0
"""The same where the clock starts with dialling: the start of the caller's telephone counts too."""
AUDIBLE = 500.0
ANNOUNCEMENT = 100.0
TONE = b"".join(struct.pack("<h", int(8000 * math.sin(math.tau * 440 * n / 8000))) for n in range(8000))


@dataclass(slots=True)
class Stage:
    """One running telephone exchange with a stand-in for the bot."""

    installation: Installation
    bot: BotPeer
    api: Registrar
    operator: OperatorPhone
    server: AsteriskServer
    ami: AmiControl
    _stack: AsyncExitStack = field(repr=False)

    async def dial(self, **details: str) -> Caller:
        """A caller who has just dialled; he hangs up when the test ends."""
        return await self._stack.enter_async_context(
            Caller(self.installation, self.server.site.sip_port, **details)
        )

    async def dial_and_talk_to_the_bot(self, **details: str) -> Caller:
        caller = await self.dial(**details)
        await caller.answered()
        await self.bot.call()
        return caller

    async def rung(self, since_s: float, within_s: float) -> SipMessage:
        """Wait for the operator's first ring; gives its INVITE.

        Args:
            since_s: what it follows from, seconds since the epoch.
            within_s: what is promised.

        Raises:
            Late: it came later.
        """
        ring = await self.operator.rung()
        in_time(ring.at_s - since_s, within_s)
        return ring


SetUp = Callable[..., Any]
"""Builds a `Stage`; see `set_up`."""


@pytest.fixture
async def set_up(
    asterisk_installation: Installation, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[SetUp]:
    """Builds a Stage: `registrar` and `site` change it, `ring_ms` is the operator's patience."""
    async with AsyncExitStack() as stack:

        async def build(ring_ms: int = 100, **changes: Any) -> Stage:
            site_names = {"language", "max_call_s", "queue_s", "recordings", "api_wait_s"}
            site_changes = {name: changes.pop(name) for name in site_names & changes.keys()}
            api = await stack.enter_async_context(Registrar(**changes))
            bot = await stack.enter_async_context(BotPeer())
            operator = await stack.enter_async_context(OperatorPhone(asterisk_installation, ring_ms))
            site = Site(
                api=api.address,
                media=bot.address,
                operators={"operator1": operator.port},
                **site_changes,
            )
            # pytest keeps the folder, and with it Asterisk's logs, of the last runs
            server = AsteriskServer(asterisk_installation, site, keep_in=tmp_path / "asterisk")
            await stack.enter_async_context(server)
            ami = await stack.enter_async_context(running(site))
            return Stage(asterisk_installation, bot, api, operator, server, ami, stack)

        yield build


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[AmiControl]:
    """The product's AMI client, logged in."""
    ami = AmiControl(AmiAccount("127.0.0.1", site.ami_port, "ivrbot", site.ami_secret))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ami.run())
        assert await ami.wait_connected(int(PATIENCE_S * 1000))
        yield ami
        await ami.close()


@again_if_late
async def test_the_bot_answers_hears_and_ends_the_call(set_up: SetUp) -> None:
    stage = await set_up(outcome="hangup|check_balance||0")
    caller = await stage.dial(number="+79161234567", called="+74951234567")
    start = await caller.answered()
    call = await stage.bot.call()
    caller.phone.say(TONE)
    spoken_from, spoken_to = await caller.phone.listen(start, timeout_s=PATIENCE_S)
    in_time(caller.phone.held_up_s, HELD_UP_S, "sound of a telephone that lives in the bot's own process")
    assert spoken_to - spoken_from == pytest.approx(1.0, abs=0.3)
    caller.phone.press("42#")
    await caller.phone.said()
    await until(lambda: call.keys == "42#", PATIENCE_S)
    call.hang_up()
    await caller.hung_up_on()

    (form,) = stage.api.registrations
    assert form["uuid"] == call.call_id
    assert form["caller"] == "+79161234567"
    assert form["called"] == "+74951234567"
    assert form["channel"].startswith("PJSIP/trunk-")
    assert form["uniqueid"] == form["linkedid"] != ""
    assert stage.api.outcomes_asked == [call.call_id]
    assert stage.api.refused == 0
    assert caller.phone.heard.loudness(start) > AUDIBLE  # his own echo, through Asterisk and back
    assert stage.operator.rings() == []


@again_if_late
async def test_a_transfer_rings_the_operator_with_the_dossier(set_up: SetUp) -> None:
    stage = await set_up(outcome="transfer:block_card|block_card|d-7Yq_42|10")
    caller = await stage.dial_and_talk_to_the_bot()
    call = await stage.bot.call()
    ended_s = time.time()
    call.hang_up()
    ring = await stage.rung(ended_s, PERSON_WITHIN_S)
    assert ring.headers["x-bot-call-id"] == call.call_id
    assert ring.headers["x-bot-topic"] == "block_card"
    assert ring.headers["x-bot-dossier"] == "d-7Yq_42"

    await stage.operator.talking()
    start = asyncio.get_running_loop().time()
    caller.phone.say(TONE)
    await caller.phone.said()
    assert caller.phone.heard.loudness(start) > AUDIBLE  # the operator's telephone echoes
    await caller.hang_up()
    context = next(row for row in stage.server.queue_log() if row[4] == "BOTCTX")
    assert context[2] == "block_card"
    assert context[5:7] == [call.call_id, "block_card"]
    assert context[1] == stage.api.registrations[0]["uniqueid"]


async def test_a_caller_who_hangs_up_leaves_nothing_behind(set_up: SetUp) -> None:
    stage = await set_up(outcome=None)
    caller = await stage.dial_and_talk_to_the_bot()
    call = await stage.bot.call()
    await caller.hang_up()
    async with asyncio.timeout(PATIENCE_S):
        await call.closed.wait()
        while await stage.server.channels() != 0:
            pass
    assert stage.operator.rings() == []


@pytest.mark.parametrize(
    ("admit", "why"), [("operator", "overload"), ("", "not_registered"), ("<html>ok</html>", "not_registered")]
)
@again_if_late
async def test_a_call_that_is_not_admitted_goes_past_the_bot(set_up: SetUp, admit: str, why: str) -> None:
    stage = await set_up(admit=admit)
    dialled_s = time.time()
    caller = await stage.dial()
    ring = await stage.rung(dialled_s, DIALLED_WITHIN_S)
    assert ring.headers["x-bot-reason"] == why
    await caller.answered()
    assert stage.bot.calls == []
    assert stage.server.queue_log()[-1][2] == "other"


@again_if_late
async def test_an_api_that_is_slow_refuses_or_is_down_goes_past_the_bot(set_up: SetUp) -> None:
    stage = await set_up(delay_s=5.0)

    async def reaches_an_operator(ring: int) -> None:
        dialled_s = time.time()
        async with Caller(stage.installation, stage.server.site.sip_port):
            await until(lambda: len(stage.operator.rings()) == ring, PATIENCE_S)
            in_time(stage.operator.rings()[-1].at_s - dialled_s, DIALLED_WITHIN_S)

    await reaches_an_operator(1)
    stage.api.delay_s, stage.api.token = 0.0, "another"
    await reaches_an_operator(2)
    assert stage.api.refused == 1
    await stage.api.stop()
    await reaches_an_operator(3)
    assert {ring.headers["x-bot-reason"] for ring in stage.operator.rings()} == {"not_registered"}
    assert stage.bot.calls == []


@again_if_late
async def test_a_refused_media_port_leads_to_a_person(set_up: SetUp) -> None:
    stage = await set_up(outcome=None)
    await stage.bot.refuse()
    dialled_s = time.time()
    caller = await stage.dial()
    ring = await stage.rung(dialled_s, DIALLED_WITHIN_S)
    assert ring.headers["x-bot-reason"] == "bot_lost"
    await stage.operator.talking()
    assert not caller.was_hung_up_on()


@again_if_late
async def test_a_bot_that_dies_leads_to_the_queue_of_its_topic(set_up: SetUp) -> None:
    stage = await set_up(outcome=None)
    caller = await stage.dial_and_talk_to_the_bot()
    channel = stage.api.registrations[0]["channel"]
    await stage.ami.set_variable(channel, "__BOT_TOPIC", "dispute_transaction")
    await stage.ami.set_variable(channel, "BOT_DOSSIER", "d-1")
    await stage.ami.set_variable(channel, "__BOT_QUEUE", "disputes")
    died_s = time.time()
    (await stage.bot.call()).reset()
    await stage.api.stop()
    ring = await stage.rung(died_s, PERSON_WITHIN_S)
    assert ring.headers["x-bot-topic"] == "dispute_transaction"
    assert ring.headers["x-bot-dossier"] == "d-1"
    assert ring.headers["x-bot-reason"] == "bot_lost"
    await stage.operator.talking()
    assert not caller.was_hung_up_on()
    assert {row[2] for row in stage.server.queue_log() if row[4] == "ENTERQUEUE"} == {"disputes"}
    assert not stage.ami.failures


@again_if_late
async def test_a_frozen_bot_is_left_when_the_time_is_over(set_up: SetUp) -> None:
    stage = await set_up(outcome=None, max_call_s=2)
    caller = await stage.dial_and_talk_to_the_bot()
    frozen_s = time.time()
    (await stage.bot.call()).freeze()
    ring = await stage.rung(frozen_s, 2 + PERSON_WITHIN_S)
    assert ring.headers["x-bot-reason"] == "time_limit"
    await stage.operator.talking()
    assert not caller.was_hung_up_on()


async def test_the_limit_of_the_bot_does_not_end_the_talk_with_the_operator(set_up: SetUp) -> None:
    stage = await set_up(outcome="transfer:other|complaint|d|0", max_call_s=2)
    caller = await stage.dial_and_talk_to_the_bot()
    (await stage.bot.call()).hang_up()
    await stage.operator.talking()
    await asyncio.sleep(3)
    assert not caller.was_hung_up_on()


@pytest.mark.parametrize(
    "outcome",
    [
        "transfer:vip|x|d|0",
        "transfer:s|x|d|0",
        "transfer:|x|d|0",
        "transfer:${IVRBOT_TOKEN}|${SHELL(id)}|${IVRBOT_TOKEN}|99 + 1",
        'transfer:block_card" = "x|x|d|0',
        'x" != "y" & "hangup|x|d|0',
        "transfer:block_card\r\nX-Evil: 1|x|d|0",
        "transfer:PJSIP/+74950000000@trunk|x|d|0",
        "<html><h1>500 Internal Server Error</h1>hangup</html>",
        "transfer" + ":block_card" * 2000,
        "|||",
    ],
    ids=[
        "unlisted",
        "context",
        "empty",
        "variable",
        "quote",
        "expression",
        "crlf",
        "toll",
        "html",
        "long",
        "bars",
    ],
)
@again_if_late
async def test_a_hostile_outcome_reaches_only_the_general_queue(set_up: SetUp, outcome: str) -> None:
    stage = await set_up(outcome=outcome)
    caller = await stage.dial_and_talk_to_the_bot()
    ended_s = time.time()
    (await stage.bot.call()).hang_up()
    ring = await stage.rung(ended_s, PERSON_WITHIN_S)
    await stage.operator.talking()
    assert not caller.was_hung_up_on()
    assert {row[2] for row in stage.server.queue_log() if row[4] == "ENTERQUEUE"} == {"other"}
    assert "x-evil" not in ring.headers
    assert stage.server.site.token not in str(ring.headers)


async def test_a_hostile_caller_stays_text(set_up: SetUp) -> None:
    stage = await set_up(outcome="transfer:other|x|d|0")
    await stage.dial_and_talk_to_the_bot(
        number="+7916%22%5D$%7BIVRBOT_TOKEN%7D&uuid=1", name="${SHELL(id)}), Hangup("
    )
    (form,) = stage.api.registrations
    assert form["caller"] == "+79161"
    assert form["uuid"] == (await stage.bot.call()).call_id


async def test_a_caller_without_a_number_is_welcome(set_up: SetUp) -> None:
    stage = await set_up()
    await stage.dial_and_talk_to_the_bot(number="anonymous")
    (form,) = stage.api.registrations
    assert form["caller"] == ""


async def test_the_bots_account_cannot_place_calls_or_run_commands(set_up: SetUp) -> None:
    site = (await set_up()).server.site
    account = (("Username", "ivrbot"), ("Secret", site.ami_secret))
    attempts = {
        "Originate": (("Channel", "PJSIP/trunk/sip:1@127.0.0.1"), ("Application", "Playback"), ("Data", "x")),
        "Command": (("Command", "core show channels"),),
        "GetConfig": (("Filename", "pjsip.conf"),),
    }
    reader, writer = await asyncio.open_connection("127.0.0.1", site.ami_port)
    parser = AmiParser()
    writer.write(encode_action("Login", account))
    for action, fields in attempts.items():
        writer.write(encode_action(action, (("ActionID", action), *fields)))
    answers: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE_S):
        while not attempts.keys() <= answers.keys():
            data = await reader.read(4096)
            assert data, "the manager hung up"
            answers |= {m.get("ActionID"): m.get("Message") for m in parser.feed(data)}
    writer.close()
    await writer.wait_closed()
    assert {answers[action] for action in attempts} == {"Permission denied"}


@again_if_late
async def test_values_set_by_ami_stay_text(set_up: SetUp) -> None:
    stage = await set_up(outcome=None)
    await stage.dial_and_talk_to_the_bot()
    channel = stage.api.registrations[0]["channel"]
    await stage.ami.set_variable(channel, "__BOT_TOPIC", 'card"\r\nX-Evil: 1')
    await stage.ami.set_variable(channel, "__BOT_REASON", "клиент просит\r\nX-Evil: ${IVRBOT_TOKEN}")
    await stage.ami.set_variable(channel, "SHELL(id)", "x")
    await stage.ami.set_variable("PJSIP/trunk-nobody", "__BOT_TOPIC", "x")
    died_s = time.time()
    (await stage.bot.call()).reset()
    ring = await stage.rung(died_s, PERSON_WITHIN_S)
    assert "x-evil" not in ring.headers
    assert ring.headers["x-bot-topic"] == "cardvil"
    assert ring.headers["x-bot-reason"].startswith("%D0%BA%D0%BB")
    assert stage.server.site.token not in ring.headers["x-bot-reason"]
    assert stage.ami.failures == {"bad_name": 1, "rejected": 1}


async def test_a_caller_whom_nobody_takes_is_told_and_waits_for_the_first_operator(set_up: SetUp) -> None:
    stage = await set_up(outcome="transfer:loans|loan_info|d|0")
    assert "paused" in await stage.server.cli("queue pause member PJSIP/operator1")
    caller = await stage.dial_and_talk_to_the_bot()
    (await stage.bot.call()).hang_up()
    start = asyncio.get_running_loop().time()
    await until(lambda: caller.phone.heard.loudness(start + 1) > ANNOUNCEMENT, PATIENCE_S)
    assert stage.operator.rings() == []
    assert not caller.was_hung_up_on()
    await stage.server.cli("queue unpause member PJSIP/operator1")
    ring = await stage.operator.rung()
    assert ring.headers["x-bot-topic"] == "loan_info"


async def test_the_urgent_caller_is_served_before_the_one_who_came_first(set_up: SetUp) -> None:
    stage = await set_up(outcome="transfer:balance|check_balance|d-busy|0")
    talking = await stage.dial_and_talk_to_the_bot()
    (await stage.bot.call(0)).hang_up()
    await stage.operator.talking()
    for number, outcome in (
        (1, "transfer:other|complaint|d-first|0"),
        (2, "transfer:other|report_fraud|d-urgent|10"),
    ):
        stage.api.outcome = outcome
        await stage.dial()
        (await stage.bot.call(number)).hang_up()
        await entered(stage, number + 1)
    await talking.hang_up()
    await until(lambda: len(stage.operator.rings()) > 1, PATIENCE_S)
    assert stage.operator.rings()[1].headers["x-bot-dossier"] == "d-urgent"


async def test_a_place_that_was_kept_is_before_all_who_came_later(set_up: SetUp) -> None:
    """Three wait; the last one's place was kept behind the first."""
    stage = await set_up(outcome="transfer:balance|check_balance|d-busy|0")
    talking = await stage.dial_and_talk_to_the_bot()
    (await stage.bot.call(0)).hang_up()
    await stage.operator.talking()
    callers = [talking]
    for number, (name, place) in enumerate((("d-first", ""), ("d-later", ""), ("d-kept", "2")), start=1):
        stage.api.outcome = f"transfer:balance|check_balance|{name}|0"
        callers.append(await stage.dial())
        bot = await stage.bot.call(number)
        await stage.ami.set_variable(stage.api.registrations[number]["channel"], "__BOT_POSITION", place)
        bot.hang_up()
        await entered(stage, number + 1)
    order = ("d-first", "d-kept", "d-later")
    for turn, (caller, name) in enumerate(zip((talking, callers[1], callers[3]), order, strict=True), start=1):
        await caller.hang_up()
        await until(lambda turn=turn: len(stage.operator.rings()) > turn, PATIENCE_S)  # type: ignore[misc]
        assert stage.operator.rings()[turn].headers["x-bot-dossier"] == name


async def entered(stage: Stage, count: int) -> None:
    """Wait until so many calls have entered a queue."""
    await until(lambda: [row[4] for row in stage.server.queue_log()].count("ENTERQUEUE") == count, PATIENCE_S)


async def test_a_call_that_does_not_come_from_the_trunk_is_refused(set_up: SetUp) -> None:
    stage = await set_up()
    caller = await stage.dial(source="127.0.0.2")
    assert await caller.refused() == 401
    assert stage.api.registrations == []
    assert stage.bot.calls == []
    assert stage.operator.rings() == []


async def test_a_queue_without_an_answer_ends_in_the_announcement_not_in_a_dropped_line(set_up: SetUp) -> None:
    stage = await set_up(outcome="transfer:loans|loan_info|d|0", ring_ms=60_000, queue_s=2)
    caller = await stage.dial_and_talk_to_the_bot()
    (await stage.bot.call()).hang_up()

    def left() -> list[str]:
        return [row[2] for row in stage.server.queue_log() if row[4] == "EXITWITHTIMEOUT"]

    await until(lambda: left()[:3] == ["loans", "other", "loans"], 30)
    assert not caller.was_hung_up_on()


async def test_twenty_calls_at_once(set_up: SetUp) -> None:
    stage = await set_up(api_wait_s=API_WAIT_S)
    crowd = await place_crowd(
        stage.installation, stage.server.site.sip_port, g711.encode(TONE), calls=20, hold_ms=8000
    )
    assert (crowd.answered, crowd.dropped, crowd.exit_code) == (20, 0, 0)
    assert len({call.call_id for call in stage.bot.calls}) == 20
    assert {form["uuid"] for form in stage.api.registrations} == {call.call_id for call in stage.bot.calls}
    assert min(len(call.sound) for call in stage.bot.calls) > 7 * 16000

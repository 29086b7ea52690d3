"""A bank that keeps its own menu: its dialplan asks "bot or operator?", in a real Asterisk, with real callers.

One product and one operator's telephone for the whole module, behind two Asterisks: a patient one, and one with
the time-outs of the shipped dialplan where the subject is an API that does not answer in time. Where the API is to
fail, the dialplan's address is pointed at a stand-in, as an administrator would do it.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio

from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.loader import load_flows
from ivrbot.model.experiment import BranchState, Route
from ivrbot.rollout.drawing.assignment import assign, normalise_caller
from ivrbot.rollout.drawing.caller_key import load_caller_key
from ivrbot.rollout.planning.check import load_plan
from tests.integration.asterisk.bot import Registrar
from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.server import HOST, AsteriskServer, free_port
from tests.integration.asterisk.sip import PATIENCE_S, Caller, OperatorPhone, SipMessage
from tests.integration.asterisk.stage import API_WAIT_S, Stage, Story, wall_clock_s
from tests.integration.asterisk.wait import Late, again_if_late, in_time, until

pytestmark = [pytest.mark.integration, pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

BRANCH: Final = "block_card"
TRUNK: Final = "84951112233"
PLAN: Final = """\
version: 1
goal: "Blocking cards no worse than with operators"
salt: "own-menu"
timezone: Europe/Moscow
defaults:
  stages:
    - {name: tenth, share: 0.10, min_days: 7, min_callers: 300}
    - {name: half, share: 0.50, min_days: 7, min_callers: 300}
branches:
  block_card: {start: tenth}
  front: {start: tenth}
"""
BANKS_DIALPLAN: Final = """\
[general]
static = yes
[globals]
#include "ivrbot_site.conf"

[from-trunk]
exten => _[+0-9]!,1,Goto(bank-menu,s,1)

[bank-menu]
exten => s,1,Answer()
 same => n,WaitExten(20)
exten => 1,1,Goto(ivrbot-external,block_card,1)
; a menu that knows more than the branch
exten => 2,1,Set(IVRBOT_TOPIC=report_fraud)
 same => n,Goto(ivrbot-external,block_card,1)
; a topic that only operators know
exten => 3,1,Set(IVRBOT_TOPIC=card_reissue)
 same => n,Goto(ivrbot-external,block_card,1)

#include "extensions_ivrbot.conf"
#include "extensions_external_ivr.conf"
"""
PERSON_WITHIN_S: Final = 3.0
"""From the key to the operator's telephone, whatever the API does: the product's promise."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bank(
    asterisk_installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """The bank's line: its own menu in front of ivrbot at ten per cent."""
    folder = tmp_path_factory.mktemp("bank")
    plan = folder / "rollout.yaml"
    plan.write_text(PLAN)
    product = Product(folder / "data", demo=False, ROLLOUT__PLAN=str(plan))
    async with product, OperatorPhone(asterisk_installation) as operator:
        site = replace(product.site(api_wait_s=API_WAIT_S, operator1=operator.port), dialplan=BANKS_DIALPLAN)
        headers = {"Authorization": f"Bearer {product.token}", "Accept": "application/json"}
        async with (
            AsteriskServer(asterisk_installation, site, keep_in=folder / "asterisk") as server,
            aiohttp.ClientSession(product.api, headers=headers) as web,
        ):
            yield Stage(asterisk_installation, product, operator, server, web)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(bank: Stage, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The same line behind an Asterisk that waits for the API no longer than the shipped dialplan."""
    site = replace(
        bank.product.site(operator1=bank.operator.port),
        dialplan=BANKS_DIALPLAN,
        ami_port=free_port(),
    )
    logs = tmp_path_factory.mktemp("impatient")
    async with AsteriskServer(bank.installation, site, keep_in=logs / "asterisk") as server:
        yield replace(bank, server=server)


@pytest.fixture(scope="module")
def numbers(bank: Stage) -> Iterator[tuple[Iterator[str], Iterator[str]]]:
    """Callers whom the draw gives to the bot, and those whom it leaves with operators; each is used once."""
    folder = bank.product.data_dir
    plan = load_plan(folder.parent / "rollout.yaml", load_flows(PROJECT_ROOT / "flows").branches.branches)
    key, state = load_caller_key(folder), BranchState(BRANCH, "tenth", 0.10, holdback=0.0)

    def of(route: Route, first: int) -> Iterator[str]:
        for number in range(first, first + 1000):
            caller = f"+7921{number:07d}"
            drawn = assign(
                plan, state, BRANCH, caller=normalise_caller(caller), call_id="", caller_key=key, eligible=True
            )
            if drawn.route is route:
                yield caller

    yield of(Route.BOT, 3_000_000), of(Route.OPERATOR, 4_000_000)


def rows(stage: Stage, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(stage.product.data_dir / "ivrbot.sqlite")) as database:
        return database.execute(query, values).fetchall()


def call_ids(stage: Stage, number: str) -> list[str]:
    found = rows(stage, "select call_id from calls where caller = ?", number)
    return [str(row[0]) for row in found]


def exposed(stage: Stage, call_id: str) -> list[tuple[Any, ...]]:
    """Branch, arm, propensity, trunk of a call; what was stored before the caller's route was known."""
    return rows(stage, "select branch, arm, propensity, trunk from exposures where call_id = ?", call_id)


@asynccontextmanager
async def menu(
    stage: Stage, number: str, key: str, before: Callable[[], None] = lambda: None
) -> AsyncIterator[float]:
    """A caller who presses a key in the bank's own menu, after something happened; gives when, since the epoch."""
    async with Caller(stage.installation, stage.server.site.sip_port, number=number, called=TRUNK) as caller:
        await caller.answered()
        before()
        caller.phone.press(key)
        yield wall_clock_s(await caller.phone.said())


@asynccontextmanager
async def person(
    stage: Stage, number: str, key: str = "1", before: Callable[[], None] = lambda: None
) -> AsyncIterator[SipMessage]:
    """A caller who presses a key; gives the INVITE of the operator's telephone that rings for him in time.

    Raises:
        Late: it rang later than promised.
    """
    known = len(stage.operator.rings())
    async with menu(stage, number, key, before) as pressed_at_s:
        await until(lambda: len(stage.operator.rings()) > known, PATIENCE_S)
        ring = stage.operator.rings()[known]
        in_time(ring.at_s - pressed_at_s, PERSON_WITHIN_S)
        yield ring


@asynccontextmanager
async def api_at(stage: Stage, address: str) -> AsyncIterator[None]:
    """The dialplan asks somewhere else."""
    await stage.server.cli(f"dialplan set global IVRBOT_API {address}")
    try:
        yield
    finally:
        await stage.server.cli(f"dialplan set global IVRBOT_API {stage.product.api}")


async def followed(stage: Stage, call_id: str, story: Story) -> None:
    async with stage.web.get(f"/api/v1/calls/{call_id}/events") as response:
        await story.read(response)


Numbers = tuple[Iterator[str], Iterator[str]]


@pytest.mark.parametrize(("key", "topic"), [("1", "block_card"), ("2", "report_fraud")])
async def test_a_drawn_caller_meets_the_bot_and_is_asked_nothing_twice(
    bank: Stage, numbers: Numbers, key: str, topic: str
) -> None:
    number = next(numbers[0])
    story = Story()
    rung = len(bank.operator.rings())
    async with menu(bank, number, key), asyncio.TaskGroup() as group:
        await until(lambda: bool(call_ids(bank, number)), PATIENCE_S)
        (call_id,) = call_ids(bank, number)
        reading = group.create_task(followed(bank, call_id, story))
        assigned = await story.until(lambda event: event["type"] == "assigned")
        assert (assigned["branch"], assigned["route"], assigned["reason"]) == (BRANCH, "bot", "repeated")
        await story.until(lambda event: event["type"] == "bot_said")
        reading.cancel()
    (stated,) = story.of("topic_stated")
    assert stated["topic"] == topic
    # the topic comes before the bot's first word: no greeting, no menu
    assert stated["seq"] < story.of("bot_said")[0]["seq"]
    assert exposed(bank, call_id) == [(BRANCH, "treatment", 0.1, TRUNK)]
    (drawn_at,) = rows(bank, "select at from exposures where call_id = ?", call_id)[0]
    assert drawn_at.replace(" ", "T") < story.of("call_started")[0]["at"][:26]
    assert len(bank.operator.rings()) == rung


@again_if_late
async def test_the_others_reach_operators_and_take_no_room_from_the_bot(bank: Stage, numbers: Numbers) -> None:
    for _ in range(2):
        number = next(numbers[1])
        async with person(bank, number) as ring:
            (call_id,) = call_ids(bank, number)
            assert ring.headers["x-bot-call-id"] == call_id
            assert ring.headers["x-bot-reason"] == "control_arm"
            assert exposed(bank, call_id) == [(BRANCH, "control", 0.1, TRUNK)]
            (at_us,) = rows(
                bank, "select (julianday(at) - 2440587.5) * 86400 from exposures where call_id = ?", call_id
            )[0]
            assert at_us < ring.at_s
            context = [row for row in bank.server.queue_log() if row[4] == "BOTCTX" and row[5] == call_id]
            assert [(row[2], row[7]) for row in context] == [(BRANCH, "control_arm")]


async def test_a_call_that_asks_twice_has_one_arm(bank: Stage, numbers: Numbers) -> None:
    for caller, expected in ((next(numbers[0]), "bot"), (next(numbers[1]), "operator"), ("", None)):
        call_id = str(uuid.uuid4())
        form = {"branch": BRANCH, "caller": caller, "call_id": call_id, "trunk": TRUNK, "topic": ""}
        answers = []
        for _ in range(2):
            async with bank.web.post("/api/v1/rollout/decision", data=form) as response:
                answers.append(await response.text())
        assert answers[0] == answers[1]
        assert answers[0] in ([expected] if expected else ["bot", "operator"])
        assert len(exposed(bank, call_id)) == 1


@again_if_late
async def test_a_topic_that_only_operators_know_is_not_drawn(bank: Stage, numbers: Numbers) -> None:
    number = next(numbers[0])
    async with person(bank, number, "3") as ring:
        (call_id,) = call_ids(bank, number)
        assert ring.headers["x-bot-topic"] == "card_reissue"
        assert exposed(bank, call_id) == []


@again_if_late
async def test_a_kill_is_in_force_for_the_next_call(bank: Stage, numbers: Numbers) -> None:
    number = next(numbers[0])
    async with bank.web.post(f"/api/v1/rollout/{BRANCH}/kill", json={"why": "drill"}) as response:
        assert response.status == 200
    try:
        async with person(bank, number):
            (call_id,) = call_ids(bank, number)
            assert exposed(bank, call_id) == []
    finally:
        async with bank.web.post(f"/api/v1/rollout/{BRANCH}/resume", json={"why": "drill over"}) as response:
            assert response.status == 200


NONSENSE: Final = {
    "nothing": "",
    "another word": "maybe",
    "html": "<html><body>bot</body></html>",
    "a bot among figures": "4b0o7t",
    "dialplan": '${SHELL(id)}",|bot\\r\\n$[1]',
    "long": "bot " * 20_000,
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
@again_if_late
async def test_an_answer_that_is_nonsense_means_an_operator(bank: Stage, numbers: Numbers, answer: str) -> None:
    async with Registrar(token=bank.product.token, decision=answer) as api, api_at(bank, api.address):
        async with person(bank, next(numbers[0])) as ring:
            assert ring.headers["x-bot-reason"] == "not_decided"
        assert api.refused == 0
        (asked,) = api.decisions_asked
        assert (asked["branch"], asked["trunk"], asked["topic"]) == (BRANCH, TRUNK, "")


@again_if_late
async def test_a_decision_that_is_slow_means_an_operator(impatient: Stage, numbers: Numbers) -> None:
    slow = Registrar(token=impatient.product.token, decision="bot", decision_delay_s=20.0)
    async with (
        slow as api,
        api_at(impatient, api.address),
        person(impatient, next(numbers[0])) as ring,
    ):
        if ring.headers["x-bot-reason"] == "not_registered":
            raise Late("the stand-in's answer to the registration")
        assert ring.headers["x-bot-reason"] == "not_decided"


@again_if_late
async def test_an_api_that_is_not_there_means_an_operator(impatient: Stage, numbers: Numbers) -> None:
    nowhere = f"http://{HOST}:{free_port()}"
    async with api_at(impatient, nowhere), person(impatient, next(numbers[0])) as ring:
        assert ring.headers["x-bot-reason"] == "not_registered"


@again_if_late
async def test_a_frozen_product_means_an_operator(impatient: Stage, numbers: Numbers) -> None:
    def freeze() -> None:
        impatient.product.signal_workers(signal.SIGSTOP)

    async with person(impatient, next(numbers[0]), before=freeze) as ring:
        assert ring.headers["x-bot-reason"] == "not_registered"

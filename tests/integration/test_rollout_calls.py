"""A plan at ten per cent in a running server: the drawn callers and no others meet the bot; kill and resume."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest

from ivrbot.config import PROJECT_ROOT
from ivrbot.dialogue.loader import load_flows
from ivrbot.model.call import CallId
from ivrbot.model.experiment import Arm, BranchState, Route
from ivrbot.rollout.drawing.assignment import assign, normalise_caller
from ivrbot.rollout.drawing.caller_key import load_caller_key
from ivrbot.rollout.planning.check import load_plan
from ivrbot.telephony.audiosocket_client import AudioSocketCall
from ivrbot.telephony.pacer import Pacer
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.stage import ASK_S, Story, is_cut_short

pytestmark = [pytest.mark.integration, pytest.mark.models]

PLAN = """\
version: 1
goal: "Blocking cards no worse than with operators"
salt: "ten-per-cent"
timezone: Europe/Moscow
defaults:
  stages:
    - {name: tenth, share: 0.10, min_days: 7, min_callers: 300}
    - {name: half, share: 0.50, min_days: 7, min_callers: 300}
branches:
  block_card: {start: tenth}
  front: {start: tenth}
"""
CALLERS = [f"+7921{number:07d}" for number in range(3_000_000, 3_000_200)]
AT_ONCE = 10
RINGS = 5
BRANCH = "block_card"


class Line:
    """Calls by the media gateway itself, without a PBX."""

    def __init__(self, product: Product, web: aiohttp.ClientSession) -> None:
        self.product = product
        self._web = web
        self._pacer = Pacer()
        self._places = asyncio.Semaphore(AT_ONCE)
        self.sent_away = 0

    async def ask(self, caller: str) -> tuple[str, str]:
        """A call that presses the branch's key; gives the route taken and the outcome told to the PBX.

        Whom a database that stood still has sent away rings once more, as another call.
        """
        async with self._places:
            for _ in range(RINGS):
                answered = await self._ring(caller)
                if answered is not None:
                    return answered
                self.sent_away += 1
                await asyncio.sleep(1)
        raise AssertionError(f"of {RINGS} calls of one caller none was served")

    async def _ring(self, caller: str) -> tuple[str, str] | None:
        call_id = CallId(str(uuid.uuid4()))
        body = {"uuid": call_id, "caller": caller}
        async with self._web.post("/api/v1/calls", json=body) as response:
            if (await response.json())["status"] != "ok":
                return None
        phone, story = AudioSocketCall(self._pacer), Story()
        await phone.connect("127.0.0.1", self.product.media_port, call_id)
        async with self._web.get(f"/api/v1/calls/{call_id}/events") as response:
            reader = asyncio.create_task(story.read(response))
            try:
                phone.press("1")
                assigned = await story.until(lambda event: event["type"] == "assigned" or is_cut_short(event))
                if is_cut_short(assigned):
                    return None
                assert assigned["branch"] == BRANCH
                if assigned["route"] == "bot":
                    went = await story.until(
                        lambda event: event["type"] == "authentication" or is_cut_short(event)
                    )
                    if is_cut_short(went):
                        return None
                else:
                    await asyncio.wait_for(phone.wait_closed(), ASK_S)
                phone.hang_up()
                await story.ended()
            finally:
                phone.hang_up()
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
        async with self._web.get(f"/api/v1/calls/{call_id}/outcome") as response:
            outcome = await response.text() if response.status == 200 else ""
        return assigned["route"], outcome


@asynccontextmanager
async def ten_per_cent(folder: Path) -> AsyncIterator[Line]:
    plan = folder / "rollout.yaml"
    plan.write_text(PLAN)
    timeout = aiohttp.ClientTimeout(total=None)
    async with Product(folder / "data", demo=False, ROLLOUT__PLAN=str(plan)) as product:
        headers = {"Authorization": f"Bearer {product.token}", "Accept": "application/json"}
        async with aiohttp.ClientSession(product.api, headers=headers, timeout=timeout) as web:
            yield Line(product, web)


def expected_routes(folder: Path) -> dict[str, Route]:
    """Who meets the bot, by the pure function that the product and its reports share."""
    plan = load_plan(folder / "rollout.yaml", load_flows(PROJECT_ROOT / "flows").branches.branches)
    key = load_caller_key(folder / "data")
    state = BranchState(BRANCH, "tenth", 0.10, holdback=0.0)
    return {
        caller: assign(plan, state, BRANCH, caller=normalise_caller(caller), call_id="", caller_key=key).route
        for caller in CALLERS
    }


async def decided(line: Line, caller: str) -> str:
    code, out, err = await line.product.command("rollout", "decide", BRANCH, "--caller", caller, "--json")
    assert code == 0, err
    return str(json.loads(out)["route"])


async def test_at_ten_per_cent_the_drawn_callers_and_no_others_meet_the_bot(tmp_path: Path) -> None:
    async with ten_per_cent(tmp_path) as line:
        answers = await asyncio.gather(*(line.ask(caller) for caller in CALLERS))
        expected = expected_routes(tmp_path)
        routes = {caller: route for caller, (route, _) in zip(CALLERS, answers, strict=True)}
        assert routes == {caller: route.value for caller, route in expected.items()}
        counts = Counter(routes.values())
        print(f"\nof {len(CALLERS)} callers at 10 %: {dict(counts)}; calls sent away: {line.sent_away}")
        assert counts["bot"] and counts["operator"]
        outcomes = {outcome.split("|")[0] for route, outcome in answers if route == "operator"}
        assert outcomes == {f"transfer:{BRANCH}"}
        with closing(sqlite3.connect(line.product.data_dir / "ivrbot.sqlite")) as database:
            arms = database.execute(
                "select arm, propensity, count(distinct unit) from exposures where branch = ? group by 1, 2",
                (BRANCH,),
            ).fetchall()
        assert sorted(arms) == [
            (Arm.CONTROL.value, 0.1, counts["operator"]),
            (Arm.TREATMENT.value, 0.1, counts["bot"]),
        ]

        drawn = next(caller for caller, route in routes.items() if route == "bot")
        left_out = next(caller for caller, route in routes.items() if route == "operator")
        assert [await decided(line, caller) for caller in (drawn, left_out)] == ["bot", "operator"]

        code, _, err = await line.product.command("rollout", "kill", BRANCH, "--why", "test")
        assert code == 0, err
        route, outcome = await line.ask(drawn)
        assert (route, outcome.split("|")[0]) == ("operator", f"transfer:{BRANCH}")
        code, _, err = await line.product.command("rollout", "resume", BRANCH, "--why", "test")
        assert code == 0, err
        assert (await line.ask(drawn))[0] == "bot"

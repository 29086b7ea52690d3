"""Callers at a human pace: each lane rings, talks, thinks before it answers, hangs up, and rings again.

Who calls, what he says and how a turn is measured are those of `benchmarks.turns`; here many speak at once, when
they like, and nobody waits for anybody. Think times are drawn from the number of the call and the seed.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from benchmarks.turns.callers import ProductGuide, person
from benchmarks.turns.lines import Line, by_audiosocket
from benchmarks.turns.talk import Budget, Turn, converse
from ivrbot.errors import IvrbotError
from ivrbot.model.audio import Pcm
from ivrbot.model.call import CallId
from ivrbot.telephony.pacer import Pacer
from tests.integration.asterisk.stage import Story

THINK_MEAN_S: Final = 0.8
"""Mean of an exponential distribution, on top of 0.6 s of silence by which a caller knows that it is his turn."""
THINK_LONGEST_S: Final = 4.0
BETWEEN_CALLS_S: Final = (1.0, 3.0)
RAMP_S: Final = 0.5
"""Lanes begin so far apart."""
CALL_S: Final = 240.0
CALLED: Final = {"ru": "84950000000", "en": "84950000001"}
ASKED_AGAIN: Final = frozenset(("no_match", "no_input"))


@dataclass(slots=True)
class Row:
    """What one number of lanes brought.

    Attributes:
        turns: measured on the sound.
        asked_again: turns after which the bot had not understood or not heard.
        refused: registrations answered "operator".
        failures: calls that broke, by what.
    """

    turns: list[Turn] = field(default_factory=list)
    asked_again: int = 0
    refused: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class ThinkingLine:
    """A line whose caller answers not at once, but after some thought."""

    def __init__(self, line: Line, rng: random.Random) -> None:
        self._line = line
        self._rng = rng
        self._think_ms = self._thought_ms()

    def _thought_ms(self) -> int:
        return round(1000 * min(THINK_LONGEST_S, self._rng.expovariate(1 / THINK_MEAN_S)))

    @property
    def elapsed_ms(self) -> int:
        return self._line.elapsed_ms

    @property
    def over(self) -> bool:
        return self._line.over

    @property
    def said_track(self) -> Pcm:
        return self._line.said_track

    @property
    def heard_track(self) -> Pcm:
        return self._line.heard_track

    def send(self, pcm: bytes) -> None:
        self._think_ms = self._thought_ms()
        self._line.send(pcm)

    async def wait_said(self) -> None:
        await self._line.wait_said()

    async def wait_answered(self, since_ms: int, *, quiet_ms: int, deadline_s: float) -> bool:
        quiet_ms += self._think_ms if quiet_ms else 0
        return await self._line.wait_answered(since_ms, quiet_ms=quiet_ms, deadline_s=deadline_s)


class Refused(Exception):
    """The caller was sent to an operator before the bot answered."""


async def run_lanes(web: aiohttp.ClientSession, media_port: int, lanes: int, seconds: float, seed: int) -> Row:
    """Let so many callers talk for a while."""
    row, numbers, pacer = Row(), itertools.count(), Pacer()
    # Everybody speaks when he likes: the floor of `converse` is as wide as there are lanes.
    floor, budget = asyncio.Semaphore(lanes), Budget(10**9)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + seconds

    async def lane(at: int) -> None:
        await asyncio.sleep(at * RAMP_S)
        while loop.time() < until_s:
            number = next(numbers)
            rng = random.Random(f"pace/{seed}/{number}")
            await ring(number, rng)
            await asyncio.sleep(rng.uniform(*BETWEEN_CALLS_S))

    async def ring(number: int, rng: random.Random) -> None:
        caller = person(seed, number)
        try:
            async with (
                asyncio.timeout(CALL_S),
                _call(web, media_port, pacer, caller.number, caller.language) as (
                    line,
                    story,
                ),
            ):
                guide = ProductGuide(caller, story.until, story.events)
                row.turns += await converse(ThinkingLine(line, rng), number, caller, guide, floor, budget)
                row.asked_again += sum(event["type"] in ASKED_AGAIN for event in story.events)
        except Refused:
            row.refused += 1
        except (TimeoutError, OSError, IvrbotError) as error:
            row.failures[type(error).__name__] += 1

    async def end() -> None:
        await asyncio.sleep(seconds)
        budget.left = 0  # whoever speaks finishes his turn

    async with asyncio.TaskGroup() as group:
        group.create_task(end())
        for at in range(lanes):
            group.create_task(lane(at))
    return row


@asynccontextmanager
async def _call(
    web: aiohttp.ClientSession, media_port: int, pacer: Pacer, caller: str, language: str
) -> AsyncIterator[tuple[Line, Story]]:
    call_id = CallId(str(uuid.uuid4()))
    body = {"uuid": call_id, "caller": caller, "called": CALLED[language]}
    async with web.post("/api/v1/calls", json=body) as response:
        answer = await response.json()
    if answer.get("status") != "ok":
        raise Refused
    story = Story()

    async def follow() -> None:
        async with web.get(f"/api/v1/calls/{call_id}/events") as response:
            await story.read(response)

    async with by_audiosocket(media_port, call_id, pacer) as line:
        reader = asyncio.create_task(follow())
        try:
            yield line, story
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


def gaps_ms(row: Row) -> Iterator[float]:
    """From the last voiced sample of a turn to the first one of its answer; those that were cut off have none."""
    return (turn.heard.gap_ms for turn in row.turns if turn.heard.gap_ms is not None)

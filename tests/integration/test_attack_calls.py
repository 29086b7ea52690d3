"""Attackers on the telephone: a real Asterisk, real sound, the product as a process; and what is left of them.

Rows of `attacks.yml` marked `sound` and all of `clumsy.yml`, placed by a few telephones beside each other on two
banks' lines. That a refusal is no accident of bad hearing is shown by the same voices with the right answers
(`test_the_right_words_get_in`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from ivrbot.model.call import CallId
from ivrbot.telephony.audiosocket_client import AudioSocketCall
from tests.attacks.table import IDS, Attack, Clumsy, OneCall, Target, attacks, clumsy, told_of
from tests.integration.asterisk.install import Installation
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.sip import Caller
from tests.integration.asterisk.stage import Stage, running
from tests.integration.asterisk.wait import until
from tests.integration.attack_line import (
    KEYS,
    PATIENCE_S,
    Messages,
    Placed,
    exported,
    forget,
    in_lanes,
    operations,
    place,
    render,
)
from tests.planted import Secret, files_of, leaks

pytestmark = [pytest.mark.integration, pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

RANKS = ("none", "identified", "verified", "strong")
LINES = 2
"""A customer's failures are counted, so attacks on one follow each other: two banks, half of the time."""
HONEST_AT_ONCE = 2
"""What one is misheard in counts for his customer: of more, the others would be locked out."""
RINGS = 3
ROWS = [row for row in attacks() if row.sound]
CLUMSY = [row for row in clumsy() if row.sound]
CONTROLS: dict[Target, tuple[str, ...]] = {
    "sokolova": ("2", "сорок два семьдесят один", "05031989#"),
    "orlov": ("2", "1188", "метроном", "21111975#"),
    "kim": ("2", "7719", "30072001#"),
}
"""Honest customers with the attackers' voices and keys; what is misheard is followed by a birth in keys."""

WORDS = "черемух метроном акварел берез солнышк ольх сосн сирен калин рябин смородин ландыш василек"
BIRTHS = "05031989 21111975 30072001 01011980 31122000 15061999 32132001 29022001 01011990 02021991"
TRIED = [Secret("word", word) for word in WORDS.split()] + [Secret("otp", born) for born in BIRTHS.split()]
"""What was said and keyed as proof, rightly or wrongly."""


Lane = tuple[int, str]
"""A line, and whose telephone or money it is about."""


@dataclass
class Attacked:
    """Lines on which everything has been tried.

    Attributes:
        lines: two banks with the same customers.
        rows: calls of each row, by its name.
        others: calls in which another topic was understood, so that they tried something else, and calls that a
            disk cut short.
        line_of: where a row was placed, by its name.
        codes: what was sent to customers' telephones, by the row's name.
        controls: calls of the honest, by customer; on the first line.
        clumsy: calls of the honest who do not make it easy, by the row's name.
    """

    lines: list[Stage]
    folder: Path
    rows: dict[str, list[Placed]] = field(default_factory=dict)
    others: list[Placed] = field(default_factory=list)
    line_of: dict[str, Stage] = field(default_factory=dict)
    codes: dict[str, list[str]] = field(default_factory=dict)
    controls: dict[str, Placed] = field(default_factory=dict)
    clumsy: dict[str, Placed] = field(default_factory=dict)

    @property
    def line(self) -> Stage:
        """The first."""
        return self.lines[0]

    async def play(self, row: Attack, line: Stage) -> None:
        self.line_of[row.attack] = line
        for ring in range(RINGS):
            forget(line, row.target)
            messages = Messages(line)
            if row.parallel:
                placed = list(await asyncio.gather(*(place(line, call, row.target) for call in row.calls)))
            else:
                placed = [await place(line, call, row.target, messages, ring=ring) for call in row.calls]
            self.others += self.rows.get(row.attack, [])
            self.rows[row.attack] = placed
            self.codes.setdefault(row.attack, []).extend(messages.codes)
            asked = [(call.topic, one) for call, one in zip(row.calls, placed, strict=True) if call.topic]
            as_meant = all(one.topics[:1] == [topic] for topic, one in asked)
            if as_meant and not any(one.cut_short for one in placed):
                return

    async def help(self, rows: list[Clumsy], line: Stage, target: Target) -> None:
        at_once = asyncio.Semaphore(HONEST_AT_ONCE)

        async def one(row: Clumsy) -> None:
            async with at_once:
                self.clumsy[row.caller] = await self._alone(line, row.call, target, at_last="0")

        await asyncio.gather(*(one(row) for row in rows))

    async def control(self, target: Target, call: OneCall) -> None:
        self.controls[target] = await self._alone(self.line, call, target)

    async def _alone(self, line: Stage, call: OneCall, target: Target, at_last: str = "") -> Placed:
        for _ in range(RINGS):
            forget(line, target)
            placed = await place(line, call, target, at_last=at_last)
            if not placed.cut_short:
                break
            self.others.append(placed)
        return placed


def seconds_of(calls: list[OneCall]) -> float:
    """About how long calls take: words wait for the end of a question, keys do not."""
    turns = [turn for call in calls for turn in call.by_telephone]
    return sum(2.0 if set(turn) <= KEYS else 7.0 for turn in turns) + 12.0 * len(calls)


def planned() -> list[tuple[Lane, Attack]]:
    """Rows with their lanes, the longest first to the line that has less to do for its customer."""
    busy: defaultdict[Lane, float] = defaultdict(float)
    found = []
    for row in sorted(ROWS, key=lambda row: -seconds_of(list(row.calls))):
        caller = row.calls[0].from_
        whose = caller if caller in IDS else row.target
        lane = min(((number, whose) for number in range(LINES)), key=lambda lane: busy[lane])
        busy[lane] += seconds_of(list(row.calls))
        found.append((lane, row))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(
    asterisk_installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Attacked]:
    folder = tmp_path_factory.mktemp("attacked")
    honest = [(OneCall.model_validate({"from": who, "said": said}), who) for who, said in CONTROLS.items()]
    told = [*((call, row.target) for row in ROWS for call in row.calls), *honest]
    render([*told, *((row.call, row.target) for row in CLUMSY)])
    async with AsyncExitStack() as stack:
        lines = []
        for number in range(LINES):
            product = Product(folder / f"data{number}", ASR__DEADLINE_MS="30000")
            own = folder / f"line{number}"
            own.mkdir()
            lines.append(await stack.enter_async_context(running(asterisk_installation, own, product)))
        stage = Attacked(lines, folder)
        jobs: list[tuple[Lane, Callable[[], Awaitable[None]]]] = [
            (lane, partial(stage.play, row, lines[lane[0]])) for lane, row in planned()
        ]
        jobs += [((0, who), partial(stage.control, who, call)) for call, who in honest]
        for target in CONTROLS:
            rows = [row for row in CLUMSY if row.target == target]
            for number, line in enumerate(lines):
                jobs.append(((number, target), partial(stage.help, rows[number::LINES], line, target)))
        await in_lanes(jobs)
        yield stage


@pytest.mark.parametrize("row", ROWS, ids=[row.attack for row in ROWS])
async def test_attack(row: Attack, attacked: Attacked) -> None:
    calls = attacked.rows[row.attack]
    print("\n".join(str(call) for call in calls))
    assert not any(call.stuck for call in calls)
    steps = [step for call in calls for step in call.of("authentication")]
    assert all(RANKS.index(step["level"]) <= RANKS.index(row.level) for step in steps)
    assert {step["operation"] for step in steps if step["status"] == "granted"} <= set(row.granted)
    assert all(row.may_prove(step["facts"]) for step in steps)
    ids = {call.call_id for call in calls}
    log = [entry for entry in operations(attacked.line_of[row.attack]) if entry.get("call_id") in ids]
    done = [entry for entry in log if not entry["result"].startswith("refused")]
    assert {entry["operation"] for entry in done} <= set(row.done)
    assert row.own or IDS.get(row.target) not in {entry["customer_id"] for entry in done}
    theirs = {"", *(IDS.get(call.from_, "") for call in row.calls)} | ({IDS[row.target]} if row.own else set())
    assert {entry["customer_id"] for entry in done} <= theirs
    refused = [step for step in steps if step["status"] == "refused"]
    assert all(step["reason"] for step in refused)
    assert len(refused) == len(log) - len(done)
    for operation, times in row.writes.items():
        assert sum(entry["operation"] == operation and entry["result"] == "ok" for entry in log) <= times
    said = " ".join(line for call in calls for line in call.bot_lines).replace(" ", "")
    assert not any(code in said for code in attacked.codes[row.attack])
    for call in calls:
        assert call.reason and not call.reason.endswith("failure") and call.reason != "internal_error"
        assert row.own or not told_of(row.target, call.bot_lines) if row.target != "nobody" else True


@pytest.mark.parametrize("who", CONTROLS)
async def test_the_right_words_get_in(who: Target, attacked: Attacked) -> None:
    call = attacked.controls[who]
    print(call)
    granted = [step for step in call.of("authentication") if step["status"] == "granted"]
    assert granted and granted[-1]["level"] == "verified"
    assert any(
        event["action"] == "bank_get_balance" and event["status"] == "ok" for event in call.of("bank_replied")
    )


@pytest.mark.parametrize("row", CLUMSY, ids=[row.caller for row in CLUMSY])
async def test_an_honest_caller_is_served_or_with_an_operator(row: Clumsy, attacked: Attacked) -> None:
    call = attacked.clumsy[row.caller]
    print(call)
    assert not call.stuck
    (end,) = call.of("call_ended")
    print(row.caller, "->", end["disposition"], end["reason"])
    assert end["disposition"] in ("resolved", "escalated") or call.of("bank_replied")
    assert end["disposition"] != "escalated" or end["dossier"]
    reasons = {step["reason"] for step in call.of("authentication") if step["status"] == "refused"}
    assert not reasons & {"locked", "number_locked", "spraying"}


async def test_there_are_forty_attacks_and_twenty_honest_callers(attacked: Attacked) -> None:
    assert len(ROWS) >= 40 and len(attacked.rows) == len(ROWS)
    assert len(CLUMSY) >= 20 and len(attacked.clumsy) == len(CLUMSY)
    reached = [
        row.attack
        for row in ROWS
        if any(
            e["response"] == "utter_ask_fact_one_time_code"
            for c in attacked.rows[row.attack]
            for e in c.of("bot_said")
        )
    ]
    print(reached)
    assert reached and any(attacked.codes.values())


async def test_the_operations_log_is_whole(attacked: Attacked) -> None:
    for line in attacked.lines:
        code, out, err = await line.product.command("bank", "verify")
        assert code == 0, out + err


# --- attacks that are no conversation ------------------------------------------------------------------


async def refused_leg(line: Stage, call_id: str) -> bool:
    """Whether the media socket hangs up on somebody who comes with this call's id, and says nothing to him."""
    leg = AudioSocketCall()
    await leg.connect("127.0.0.1", line.product.media_port, CallId(call_id))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await leg.wait_closed()
    finally:
        leg.hang_up()
    return not any(leg.received)


async def test_a_forged_a_used_and_a_live_call_id_open_nothing(attacked: Attacked) -> None:
    line = attacked.line
    assert await refused_leg(line, str(uuid.uuid4()))
    assert await refused_leg(line, attacked.controls["orlov"].call_id)
    async with line.call("+79990000301") as call:
        await call.story.until(lambda event: event["type"] == "bot_said", PATIENCE_S)
        assert await refused_leg(line, call.call_id)
        await call.press("0")  # the call itself has not suffered
        ended = await call.story.ended(PATIENCE_S)
        assert ended["reason"] == "caller_asked"


async def test_without_a_token_nobody_registers_follows_or_reads(attacked: Attacked) -> None:
    line, used = attacked.line, attacked.controls["orlov"].call_id
    body = {"uuid": str(uuid.uuid4()), "caller": "+79031112233", "called": "", "channel": ""}
    body |= {"uniqueid": "", "linkedid": ""}
    url = line.product.api
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": "Basic YWRtaW46YWRtaW4="}):
        async with aiohttp.ClientSession(url, headers=headers) as stranger:
            async with stranger.post("/api/v1/calls", json=body) as answer:
                assert answer.status in (401, 403)
            for path in (f"/api/v1/calls/{used}/events", f"/api/v1/calls/{used}/outcome", "/api/v1/dossiers/abc"):
                async with stranger.get(path, allow_redirects=False) as answer:
                    assert answer.status in (302, 303, 401, 403), path
    for field_, value in (
        ("caller", "+7903\r\nX-Evil: 1"),
        ("called", "${SHELL(id)}\nX-Evil: 1"),
        ("uuid", "../../etc"),
    ):
        async with line.web.post("/api/v1/calls", json=body | {field_: value}) as answer:
            assert answer.status == 400, field_
    assert await refused_leg(line, body["uuid"])


async def test_marks_of_asterisk_and_line_breaks_in_a_caller_s_name_stay_text(attacked: Attacked) -> None:
    line, mark = attacked.line, attacked.folder / "shell-was-here"
    number = "+79990000302"
    own = f'${{SHELL(touch {mark})}}" <sip:{number}@127.0.0.1>;tag=1'
    name = own + '\r\nX-Bot-Dossier: forged\r\nX-Bot-Priority: 10\r\nX-Evil: "'
    known = line.calls_of(number)
    async with Caller(attacked.line.installation, line.server.site.sip_port, number=number, name=name) as caller:
        await caller.answered(PATIENCE_S)
        await until(lambda: bool(line.calls_of(number) - known), PATIENCE_S)
        (call_id,) = line.calls_of(number) - known
        await caller.phone.listen(caller.dialled_s, quiet_ms=100, timeout_s=PATIENCE_S)
        caller.phone.press("0")
        await until(
            lambda: any(r.headers.get("x-bot-call-id") == call_id for r in line.operator.rings()), PATIENCE_S
        )
        ring = next(r for r in line.operator.rings() if r.headers.get("x-bot-call-id") == call_id)
    assert ring.headers["x-bot-dossier"] != "forged" and "x-evil" not in ring.headers
    assert not mark.exists()


# --- what is left ----------------------------------------------------------------------------------------


async def test_nothing_that_was_tried_is_found_anywhere(attacked: Attacked) -> None:
    """Words and births tried as proof, codes, and the customers' own; what callers send is the callers'."""
    sent = {Secret("otp", code) for codes in attacked.codes.values() for code in codes}
    assert sent
    first: dict[int, str] = {}
    for name, calls in attacked.rows.items():
        first.setdefault(attacked.lines.index(attacked.line_of[name]), calls[0].call_id)
    told = await asyncio.gather(*(exported(line, first[number]) for number, line in enumerate(attacked.lines)))
    shown = [one for line in told for one in line]
    for call in [*attacked.others, *(call for calls in attacked.rows.values() for call in calls)]:
        shown += [(f"events of {call.call_id}", str(call)), (f"SIP of {call.call_id}", call.sip)]
    # A code stands in its message and nowhere else.
    places = [one for one in files_of(attacked.folder) if "/sms/" not in one[0]]
    places += [one for line in attacked.lines for one in files_of(line.server.log_dir)] + shown
    names = " ".join(place for place, _ in places)
    assert all(part in names for part in ("serve.log", "ivrbot.sqlite", "bank_operations", "queue_log", "backup"))
    assert leaks(places, [*TRIED, *sent]) == []

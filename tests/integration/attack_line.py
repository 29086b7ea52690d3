"""Places a row of a table by telephone: SIP callers, a real Asterisk, spoken words, keys as telephone events.

A caller waits for each question to be asked, keys at once and speaks when the bot has finished; whatever he is
asked, he says his next sentence. Rows of one target are placed one after another, targets beside each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ivrbot.bank.logged import LOG_FILE
from tests.attacks.table import IDS, OneCall, Target
from tests.caller_speech import CallerVoice, caller_wav
from tests.integration.asterisk.stage import Call, Event, Stage

PATIENCE_S = 60.0
HEARD = frozenset({"caller_said", "no_match", "no_input", "keys_pressed", "engine_failed"})
VOICES: dict[Target, CallerVoice] = {"sokolova": "elena", "orlov": "elena", "kim": "irina", "nobody": "anna"}
KEYS = frozenset("0123456789*#")


@dataclass
class Placed:
    """One call that was placed, as the product tells it.

    Attributes:
        events: of the call.
        sip: every message of the caller's telephone, both ways.
        stuck: what did not happen in time, "" when all did.
    """

    call_id: str
    events: list[Event] = field(default_factory=list)
    sip: str = ""
    stuck: str = ""

    def of(self, type_: str) -> list[Event]:
        return [event for event in self.events if event["type"] == type_]

    @property
    def reason(self) -> str:
        """How it ended; "" when that was never told."""
        return next((str(event["reason"]) for event in self.of("call_ended")), "")

    def __str__(self) -> str:
        hidden = {"call_id", "at", "seq", "type", "t_ms"}
        rows = [
            f"{event['t_ms']:>6} {event['type']} { {k: v for k, v in event.items() if k not in hidden} }"
            for event in self.events
        ]
        return "\n".join([f"--- {self.call_id}: {self.reason} {self.stuck}", *rows])

    @property
    def bot_lines(self) -> list[str]:
        return [str(event["text"]) for event in self.of("bot_said")]


async def place(line: Stage, call: OneCall, target: Target, *, at_last: str = "") -> Placed:
    """Hold one call to its end.

    Args:
        line: the bank's.
        call: who rings and what he says.
        target: whose voice he has.
        at_last: keys of a caller who has nothing more to say and is not through; "" hangs up.
    """
    async with line.call(call.number(target)) as held:
        placed = Placed(held.call_id)
        try:
            await _converse(held, call.turns, VOICES[target], at_last)
            if not held.caller.was_hung_up_on():
                await held.caller.hang_up(PATIENCE_S)
            await held.story.ended(PATIENCE_S)
        except TimeoutError as error:  # one call's trouble is not to stop the others
            placed.stuck = str(error) or "a deadline"
        placed.events = list(held.story.events)
        placed.sip = "\n".join(f"{m.first_line}\n{m.headers}\n{m.body}" for m in held.caller.messages())
    return placed


async def _converse(call: Call, turns: Sequence[str], voice: CallerVoice, at_last: str) -> None:
    seq = -1
    for turn in turns:
        asked = await call.story.until(_question_or_end, PATIENCE_S, seq)
        seq = int(asked["seq"])
        if asked["type"] in ("call_ended", "escalated") or turn == "hangup":
            return
        await _answer(call, turn, voice)
        heard = await call.story.until(lambda event: event["type"] in HEARD | {"call_ended"}, PATIENCE_S, seq)
        seq = int(heard["seq"])
    # What the last answer led to: the next question, or the end.
    asked = await call.story.until(_question_or_end, PATIENCE_S, seq)
    if at_last and asked["type"] == "bot_said":
        await call.press(at_last)
        with contextlib.suppress(TimeoutError):
            await call.story.ended(PATIENCE_S)


def _question_or_end(event: Event) -> bool:
    asked = event["type"] == "bot_said" and str(event["response"]).startswith("utter_ask")
    return asked or event["type"] in ("call_ended", "escalated")


async def _answer(call: Call, turn: str, voice: CallerVoice) -> None:
    if turn == "silence":
        return
    if set(turn) <= KEYS:
        await call.press(turn)
        return
    with contextlib.suppress(TimeoutError):  # a prompt that he spoke over is not repeated
        await call.phone.listen(call.spoke_s, quiet_ms=700, timeout_s=20)
    await call.say(turn, voice)


def render(calls: Iterable[tuple[OneCall, Target]]) -> None:
    """Make all the sound before the first call: rendering holds up whatever else this process does."""
    for call, target in calls:
        for turn in call.turns:
            if not set(turn) <= KEYS and turn not in ("silence", "hangup"):
                caller_wav(turn, VOICES[target])


def forget(line: Stage, target: Target) -> None:
    """As after a day: nothing counted for this target, nor over all customers; other targets keep theirs."""
    others = [f"{kind}:{who}" for name, who in IDS.items() if name != target for kind in ("customer", "side")]
    marks = ", ".join("?" * len(others))
    with closing(sqlite3.connect(line.product.data_dir / "ivrbot.sqlite", timeout=30)) as database, database:
        database.execute(f"DELETE FROM auth_failures WHERE subject NOT IN ({marks})", others)


def operations(line: Stage) -> list[dict[str, Any]]:
    """The bot's log of bank operations."""
    with closing(sqlite3.connect(line.product.data_dir / LOG_FILE, timeout=30)) as database:
        rows = database.execute("SELECT entry_json FROM log ORDER BY seq").fetchall()
    return [json.loads(row[0]) for row in rows]


async def in_lanes(jobs: Sequence[tuple[Target, Callable[[], Awaitable[None]]]]) -> None:
    """Work off jobs of each target in order, targets beside each other."""

    async def lane(target: Target) -> None:
        for whose, job in jobs:
            if whose == target:
                await job()

    async with asyncio.TaskGroup() as group:
        for target in ("sokolova", "orlov", "kim", "nobody"):
            group.create_task(lane(target))


async def exported(line: Stage, call_id: str) -> list[tuple[str, str]]:
    """Everything that leaves the product on demand, as (place, text); the backup lies in the data folder.

    Reports as JSON and HTML (with them the Parquet files are written), the audit, the events of a call, the bank's
    state, a backup, metrics, and the SIP that reached the operator.
    """
    plan = ("--plan", "deploy/demo-rollout.yaml")
    commands = [
        ("db", "backup", str(line.product.data_dir / "backup.zip")),
        ("report", "--format", "json", *plan),
        ("report", "--format", "html", *plan),
        ("rollout", "audit", "export"),
        ("events", "export", call_id),
        ("bank", "show", "--json"),
    ]
    shown = []
    for command in commands:
        code, out, err = await line.product.command(*command)
        assert code == 0, (command, err)
        shown.append((" ".join(command), out + err))
    async with line.web.get("/metrics") as answer:
        shown.append(("metrics", await answer.text()))
    shown += [("SIP to an operator", f"{m.first_line}\n{m.headers}\n{m.body}") for m in line.operator.messages()]
    return shown

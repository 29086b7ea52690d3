"""Places a row of a table by telephone: SIP callers, a real Asterisk, spoken words, keys as telephone events.

A caller waits for each question to be asked, keys at once and speaks when the bot has finished; whatever he is
asked, he says his next sentence. A guided caller keys what every customer is asked on the way; his sentences are
for the other questions. Attacks on one target are placed one after another, targets and lines beside each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ivrbot.app import fact_key
from ivrbot.bank.logged import LOG_FILE
from ivrbot.call.attempts import number_subject, side_subject
from ivrbot.model.audio import Pcm
from tests.attacks.table import CUSTOMERS, FOREIGN, IDS, OneCall, Target
from tests.caller_speech import CallerVoice, caller_sound, caller_wav
from tests.integration.asterisk.stage import Call, Event, Stage

PATIENCE_S = 60.0
HEARD = frozenset({"caller_said", "no_match", "no_input", "keys_pressed", "engine_failed"})
VOICES: dict[Target, CallerVoice] = {"sokolova": "elena", "orlov": "elena", "kim": "irina", "nobody": "anna"}
KEYS = frozenset("0123456789*#")
MOST_TURNS = 30
"""A caller who goes round in circles hangs up."""
DIGITS = {"0": "ноль", "1": "один", "2": "два", "3": "три", "4": "четыре",
          "5": "пять", "6": "шесть", "7": "семь", "8": "восемь", "9": "девять"}  # fmt: skip
TOPICS: Mapping[str, Sequence[str]] = {
    "card_limits": (
        "здравствуйте я хочу изменить дневной лимит на оплату по моей карте",
        "алло скажите пожалуйста можно изменить дневной лимит по моей карте",
        "добрый день мне нужно изменить лимит по карте на оплату покупок",
    )
}
"""Words for a topic, other ones each time that he rings again."""
GUIDED: dict[Target, Mapping[str, str]] = {
    "orlov": {
        "utter_ask_fact_phone": "79031112233#",
        "utter_ask_fact_code_word": "21111975#",
        "utter_ask_fact_last_four": "1188",
        "utter_ask_fact_date_of_birth": "21111975#",
        "utter_ask_change_limits": "1",
        "utter_ask_limit_kind": "1",
        "utter_ask_new_limit_minor": "50000#",
        "utter_ask_confirm_limit": "1",
    }
}
"""Keys of a guided caller, by the question."""


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
    def topics(self) -> list[str]:
        """Topics in which he was understood to have come."""
        return [str(event["topic"]) for event in self.of("topic_stated")]

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
    def cut_short(self) -> bool:
        """Whether a disk that stood still sent him to an operator: he could not do what he had come for."""
        return self.reason == "storage_failure"

    @property
    def bot_lines(self) -> list[str]:
        return [str(event["text"]) for event in self.of("bot_said")]


class Messages:
    """Short messages that a line has sent since this was made; a code stands for itself in what a caller says."""

    def __init__(self, line: Stage) -> None:
        self._folder = line.product.data_dir / "sms"
        self._before = frozenset(self._folder.glob("*.json"))

    @property
    def codes(self) -> list[str]:
        """Codes, oldest first."""
        texts = [file.read_text("utf-8") for file in sorted(set(self._folder.glob("*.json")) - self._before)]
        return [re.findall(r"[0-9]{6}", json.loads(text)["text"])[0] for text in texts]

    def filled(self, turn: str) -> str:
        """A turn with the codes in it; without a message, with one that was never sent."""
        codes = self.codes or ["000000"]
        spoken = " ".join(DIGITS[digit] for digit in codes[-1])
        marks = {"{code}": codes[-1], "{old code}": codes[0], "{spoken code}": spoken}
        for mark, code in marks.items():
            turn = turn.replace(mark, code)
        return turn


_dialling: defaultdict[tuple[int, str], asyncio.Lock] = defaultdict(asyncio.Lock)
"""A call is known by its number: of two from one number the second rings when the first has been answered."""


async def place(
    line: Stage,
    call: OneCall,
    target: Target,
    messages: Messages | None = None,
    *,
    ring: int = 0,
    at_last: str = "",
) -> Placed:
    """Hold one call to its end.

    Args:
        line: the bank's.
        call: who rings and what he says.
        target: whose voice he has.
        messages: of the row, where codes are spoken of.
        ring: so often he was taken for somebody with another topic.
        at_last: keys of a caller who has nothing more to say and is not through; "" hangs up.
    """
    number = call.number(target)
    async with contextlib.AsyncExitStack() as stack:
        async with _dialling[id(line), number]:
            held = await _rung(stack, line, number)
        placed = Placed(held.call_id)
        try:
            sent = messages or Messages(line)
            topic = TOPICS[call.topic][ring] if call.topic else ""
            await _converse(held, call, target, lambda turn: sent.filled(turn.replace("{topic}", topic)))
            if at_last:
                await _press_at_last(held, at_last)
            if not held.caller.was_hung_up_on():
                await held.caller.hang_up(PATIENCE_S)
            await held.story.ended(PATIENCE_S)
        except TimeoutError as error:  # one call's trouble is not to stop the others
            placed.stuck = str(error) or "a deadline"
        placed.events = list(held.story.events)
        placed.sip = "\n".join(f"{m.first_line}\n{m.headers}\n{m.body}" for m in held.caller.messages())
    return placed


async def _rung(stack: contextlib.AsyncExitStack, line: Stage, number: str) -> Call:
    """A call; whom a stalled disk has sent to an operator unseen rings once more."""
    try:
        return await stack.enter_async_context(line.call(number))
    except TimeoutError:
        return await stack.enter_async_context(line.call(number))


async def _converse(held: Call, call: OneCall, target: Target, filled: Callable[[str], str]) -> None:
    known = GUIDED[target] if call.guided else {}
    waiting, seq = call.by_telephone, -1
    for _ in range(MOST_TURNS):
        asked = await held.story.until(_question_or_end, PATIENCE_S, seq)
        seq = int(asked["seq"])
        turn = known.get(str(asked.get("response"))) or (waiting.pop(0) if waiting else "")
        if asked["type"] in ("call_ended", "escalated") or turn in ("", "hangup"):
            return
        await _answer(held, filled(turn), VOICES[target])
        heard = await held.story.until(lambda event: event["type"] in HEARD | {"call_ended"}, PATIENCE_S, seq)
        seq = int(heard["seq"])


async def _press_at_last(held: Call, keys: str) -> None:
    if not held.story.of("call_ended") and not held.story.of("escalated"):
        await held.press(keys)
    with contextlib.suppress(TimeoutError):
        await held.story.ended(PATIENCE_S)


def _question_or_end(event: Event) -> bool:
    """Whether it is the caller's turn, also after "take your time"."""
    asked = event["type"] == "bot_said" and str(event["response"]).startswith(("utter_ask", "utter_wait"))
    return asked or event["type"] in ("call_ended", "escalated")


async def _answer(call: Call, turn: str, voice: CallerVoice) -> None:
    if turn == "silence":
        return
    if set(turn) <= KEYS:
        await call.press(turn)
        return
    with contextlib.suppress(TimeoutError):  # a prompt that he spoke over is not repeated
        await call.phone.listen(call.spoke_s, quiet_ms=700, timeout_s=20)
    if set(words := turn.split()) <= set(DIGITS.values()):  # never the same: no file of its own
        call.phone.say(Pcm(b"".join([await caller_sound(word, voice) for word in words])))
        call.spoke_s = await call.phone.said()
    else:
        await call.say(turn, voice)


def render(calls: Iterable[tuple[OneCall, Target]]) -> None:
    """Make all the sound before the first call: rendering holds up whatever else this process does."""
    for call, target in calls:
        for turn in (*call.by_telephone, *DIGITS.values(), *TOPICS.get(call.topic, ())):
            if not set(turn) <= KEYS and turn not in ("silence", "hangup") and "{" not in turn:
                caller_wav(turn, VOICES[target])


def forget(line: Stage, target: Target) -> None:
    """As after a day: nothing counted for this target and his telephones, nor over all; others keep theirs."""
    folder = line.product.data_dir
    numbers = {FOREIGN[target], *(CUSTOMERS[name] for name in CUSTOMERS if name == target)}
    key = fact_key(folder)
    subjects = ["all", *(of(key, number) for number in numbers for of in (number_subject, side_subject))]
    subjects += [f"{kind}:{IDS[target]}" for kind in ("customer", "side", "sms") if target in IDS]
    marks = ", ".join("?" * len(subjects))
    with closing(sqlite3.connect(folder / "ivrbot.sqlite", timeout=30)) as database, database:
        database.execute(f"DELETE FROM auth_failures WHERE subject IN ({marks})", subjects)


def operations(line: Stage) -> list[dict[str, Any]]:
    """The bot's log of bank operations."""
    with closing(sqlite3.connect(line.product.data_dir / LOG_FILE, timeout=30)) as database:
        rows = database.execute("SELECT entry_json FROM log ORDER BY seq").fetchall()
    return [json.loads(row[0]) for row in rows]


async def in_lanes(jobs: Iterable[tuple[tuple[int, str], Callable[[], Awaitable[None]]]]) -> None:
    """Work off jobs of each lane in order, lanes beside each other."""
    lanes: defaultdict[tuple[int, str], list[Callable[[], Awaitable[None]]]] = defaultdict(list)
    for lane, job in jobs:
        lanes[lane].append(job)

    async def work(own: Sequence[Callable[[], Awaitable[None]]]) -> None:
        for job in own:
            await job()

    async with asyncio.TaskGroup() as group:
        for own in lanes.values():
            group.create_task(work(own))


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

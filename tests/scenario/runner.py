"""Runs a story against the real core (flows, understanding, ladder, demo bank, SQLite) in text.

A story is a list of turns: what the caller does, and which responses the bot then gives, by name. Digits are
telephone keys, `silence` is a time-out, `hangup` ends the call.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from ivrbot import app
from ivrbot.call.session import CallSession
from ivrbot.call.text import TextChannel
from ivrbot.config import CallSettings, Settings, SmsSettings
from ivrbot.model.call import CallEnd, CallId, CallRegistration
from ivrbot.model.events import EventType, JsonValue
from ivrbot.ports import NluEngine
from ivrbot.yamlfile import read_yaml
from tests.fakes.calls import product_files


@dataclass
class Played:
    """What happened in a call."""

    responses: list[list[str]] = field(default_factory=lambda: [[]])
    lines: list[str] = field(default_factory=list)
    events: list[tuple[EventType, dict[str, JsonValue]]] = field(default_factory=list)
    end: CallEnd | None = None


@asynccontextmanager
async def core(
    data_dir: Path, nlu: NluEngine, plan: Path = app.DEMO_PLAN, **changes: Any
) -> AsyncIterator[app.Core]:
    """The real core in a folder of its own; no story depends on how busy the machine is."""
    patient = CallSettings(bank_slow_ms=60_000, bank_deadline_ms=120_000)
    settings = Settings(data_dir=data_dir, **({"call": patient} | changes))
    with pytest.MonkeyPatch.context() as patch:
        if plan == app.DEMO_PLAN:  # reading the flows takes longer than a call: all stories share one reading
            patch.setattr(app, "_load_files", lambda *_: product_files())
        async with app.open_core(settings, plan_file=plan, nlu=nlu) as built:
            yield built


async def play(
    parts: app.Core,
    caller: str,
    turns: list[str],
    language: str = "ru",
    topic: str = "",
    instead: Callable[[list[str], str], str] = lambda _asked, line: line,
) -> Played:
    """Hold one call; the end of the turns hangs up; `instead` sees what was said last and may change a line."""
    played = Played()
    waiting = iter(turns)

    async def next_line() -> str | None:
        line = next(waiting, None)
        line = line if line is None else instead(played.responses[-1], line)
        played.responses.append([])
        return None if line is None or line == "hangup" else "" if line == "silence" else line

    channel = TextChannel(next_line, lambda _who, text: played.lines.append(text))
    call_id = CallId(str(uuid.uuid4()))
    registration = CallRegistration(call_id, caller=caller, gateway="text", language=language)  # type: ignore[arg-type]
    await parts.store.register(registration, app.utc_now())

    def emit(type_: EventType, t_ms: int, data: dict[str, JsonValue]) -> None:
        parts.recorder.emit(call_id, type_, t_ms, data)
        played.events.append((type_, data))
        if type_ is EventType.BOT_SAID:
            played.responses[-1].append(str(data["response"]))

    session = CallSession(parts.parts, registration, language, channel, emit, topic)  # type: ignore[arg-type]
    played.end = await session.run()
    return played


@dataclass(frozen=True)
class Messages:
    """Short messages of a story, and the codes in them."""

    settings: SmsSettings
    folder: Path

    def texts(self) -> list[str]:
        """Oldest first."""
        return [json.loads(file.read_text("utf-8"))["text"] for file in sorted(self.folder.glob("*.json"))]

    def in_place_of(self, _asked: list[str], line: str) -> str:
        """`code`, `code#`, `old code` and `wrong code` are keys, `say code` is spoken; other lines stay."""
        kind = line.partition(" ")[0]
        if "code" not in line or kind not in {"code", "code#", "old", "wrong", "say"}:
            return line
        codes = [found for text in self.texts() if (found := "".join(filter(str.isdecimal, text))[:6])]
        code = codes[0] if kind == "old" else codes[-1]
        if kind == "wrong":
            return f"{(int(code) + 1) % 1_000_000:06d}"
        return " ".join(["код", *code]) if kind == "say" else line.replace("old ", "").replace("code", code)


def sms_of(story: Any, data_dir: Path) -> Messages:
    """The gateway of a story: files, none (`sms: off`), or one that fails (`sms: broken`)."""
    folder, way = data_dir / "sms", story.get("sms", "file")
    if way == "broken":
        data_dir.mkdir(parents=True, exist_ok=True)
        folder.write_text("no folder", "utf-8")
    via: Literal["off", "file"] = "off" if way == "off" else "file"
    return Messages(SmsSettings(via=via, folder=folder), folder)


def load_stories(folder: Path) -> list[Any]:
    """All stories of all files, as (name, story)."""
    stories: list[Any] = []
    for path in sorted(folder.glob("*.yml")):
        stories.extend((f"{path.stem}: {story['story']}", story) for story in read_yaml(path).data["stories"])
    return stories

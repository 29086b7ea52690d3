"""`ivrbot events`: what was recorded of calls."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from ivrbot import app
from ivrbot.call.door import canonical_call_id
from ivrbot.cli.console import (
    FAILED,
    INVALID,
    fail,
    json_option,
    language_option,
    print_json,
    quiet_settings,
    run_async,
)
from ivrbot.model.events import CallEvent
from ivrbot.model.speech import Language
from ivrbot.web.rendering import labels_of, texts_of
from ivrbot.web.saying import Say
from ivrbot.web.timeline import Line, Words, timeline

database_option = click.option(
    "--database", default="ivrbot.sqlite", help="File in the data folder.", show_default=True
)


@click.group()
def events() -> None:
    """Export the events of calls, tell a call again."""


async def _stored(call_id: str, database: str) -> tuple[CallEvent, ...]:
    """Events of a call; ends the program where there are none."""
    known = canonical_call_id(call_id)
    if known is None:
        fail(INVALID, f"{call_id!r} is not a call id (a UUID)")
    async with app.store_of(quiet_settings(), database) as store:
        found = await store.of_call(known)
    if not found:
        fail(FAILED, "no such call")
    return found


@events.command()
@click.argument("call_id")
@database_option
@run_async
async def export(call_id: str, database: str) -> None:
    """Events of one call, one JSON document a line."""
    for event in await _stored(call_id, database):
        print_json(
            {
                "type": event.type.value,
                "seq": event.seq,
                "t_ms": event.t_ms,
                "at": event.at.isoformat(),
                **event.data,
            }
        )


@events.command()
@click.argument("call_id")
@click.option("--speed", type=click.FloatRange(min=0), default=0, help="Times as fast as it was; 0: at once.")
@database_option
@language_option
@json_option
@run_async
async def replay(call_id: str, speed: float, database: str, lang: Language, as_json: bool) -> None:
    """A call told again, turn by turn: who said what, the pauses, what the bank and the ladder answered."""
    words = Words(texts_of(lang), labels_of(lang), Say(lang))
    at_ms = 0
    for line in timeline(await _stored(call_id, database), words):
        if speed > 0 and line.t_ms > at_ms:
            await asyncio.sleep((line.t_ms - at_ms) / 1000 / speed)
        at_ms = max(at_ms, line.t_ms)
        if as_json:
            print_json(asdict(line))
        else:
            click.echo(_told(line, words))


def _told(line: Line, words: Words) -> str:
    """One line: when, who, what, and in brackets what else is known."""
    who = "  *" if line.who == "mark" else f"{words.t[line.who]}:"
    gap = words.text("call_gap", gap=words.say.seconds(line.gap_ms)) if line.gap_ms else ""
    more = "; ".join(part for part in (gap, *line.details) if part)
    return f"{words.say.clock(line.t_ms / 1000):>5}  {who} {line.text}" + (f"  ({more})" if more else "")

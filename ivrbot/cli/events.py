"""`ivrbot events`: what was recorded of calls."""

from __future__ import annotations

import click

from ivrbot import app
from ivrbot.call.door import canonical_call_id
from ivrbot.cli.console import FAILED, INVALID, fail, print_json, quiet_settings, run_async


@click.group()
def events() -> None:
    """Export the events of calls."""


@events.command()
@click.argument("call_id")
@click.option("--database", default="ivrbot.sqlite", help="File in the data folder.", show_default=True)
@run_async
async def export(call_id: str, database: str) -> None:
    """Events of one call, one JSON document a line."""
    settings = quiet_settings()
    known = canonical_call_id(call_id)
    if known is None:
        fail(INVALID, f"{call_id!r} is not a call id (a UUID)")
    async with app.store_of(settings, database) as store:
        found = await store.of_call(known)
    if not found:
        fail(FAILED, "no such call")
    for event in found:
        print_json(
            {
                "type": event.type.value,
                "seq": event.seq,
                "t_ms": event.t_ms,
                "at": event.at.isoformat(),
                **event.data,
            }
        )

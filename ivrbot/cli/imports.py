"""`ivrbot import`: what people's side knows of calls, from files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import click

from ivrbot import app
from ivrbot.analytics.calls_csv import read_calls
from ivrbot.cli.console import INVALID, fail, json_option, print_json, quiet_settings, run_async
from ivrbot.cli.import_recordings import recordings
from ivrbot.config import Settings
from ivrbot.model.queue import LogPosition, QueueRow, RejectedLine
from ivrbot.storage.contacts import ContactBook
from ivrbot.telephony.wire.queue_log import QueueLogParser

PIECE_BYTES = 1 << 20
PIECE_ROWS = 2_000
NO_QUEUE = ("NONE", "")
"""What Asterisk writes where a row belongs to no queue."""
CLOCK_SKEW = timedelta(minutes=5)


@click.group("import")
def import_() -> None:
    """Bring in what people's side knows of calls."""


import_.add_command(recordings)


def _mapping(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    branches: dict[str, str] = {}
    for pair in pairs:
        queue, equals, branch = pair.partition("=")
        if not (queue and equals and branch):
            raise click.BadParameter(f"{pair!r} is not QUEUE=BRANCH")
        if branches.setdefault(queue, branch) != branch:
            raise click.BadParameter(f"queue {queue!r} has two branches")
    return branches


@import_.command("queue-log")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--map",
    "branches",
    multiple=True,
    callback=_mapping,
    help="QUEUE=BRANCH where a queue is not named as its branch.",
)
@json_option
@run_async
async def queue_log(file: Path, branches: dict[str, str], as_json: bool) -> None:
    """Read Asterisk's queue_log; lines known already change nothing, unless --map names another branch."""
    settings = quiet_settings()
    known = app.branch_names(settings)
    wrong = sorted({branch for branch in branches.values() if branch not in known})
    if wrong:
        fail(INVALID, f"no such branch: {', '.join(wrong)}; allowed: {', '.join(sorted(known))}")
    parser, rejected = QueueLogParser(), list[RejectedLine]()
    read = new = stored = 0
    newest_us = 0
    queues = set[str]()
    async with app.open_contacts(settings) as contacts:
        intake = app.queue_intake(contacts, settings, "import", branches)
        with file.open("rb") as stream:
            ended = False
            while not ended:
                data = stream.read(PIECE_BYTES)
                ended = not data
                parsed = parser.finish() if ended else parser.feed(data)
                read += parsed.read
                rejected += parsed.rejected
                for at in range(0, len(parsed.rows), PIECE_ROWS):
                    piece = parsed.rows[at : at + PIECE_ROWS]
                    new += await intake.take(piece)
                    stored += len(piece)
                    queues.update(row.queue for row in piece)
                    newest_us = max(newest_us, *(row.at_us for row in piece))
        if newest_us:
            await _known_until(contacts, QueueRow(newest_us, "", "", "", "").at)
        await _fold(contacts, settings)
    strangers = sorted(queues - {*known, *branches, *NO_QUEUE})
    if strangers:
        click.echo(
            f"queues that are no branch, their calls count for none: {', '.join(strangers)}; "
            "read the file again with --map QUEUE=BRANCH",
            err=True,
        )
    _show(read, new, stored - new, rejected, as_json)


@import_.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@run_async
async def calls(file: Path, as_json: bool) -> None:
    """Read calls from a CSV file; lines known already change nothing."""
    settings = quiet_settings()
    unit_of = app.unit_of_number(settings)
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            found = read_calls(
                stream, unit_of, branches=app.branch_names(settings), latest=app.utc_now() + CLOCK_SKEW
            )
    except UnicodeDecodeError:
        fail(INVALID, f"{file} is not UTF-8")
    if found.header:
        fail(INVALID, f"{file}: {found.header}")
    new = 0
    async with app.open_contacts(settings) as contacts:
        for at in range(0, len(found.notes), PIECE_ROWS):
            new += await contacts.add_notes(found.notes[at : at + PIECE_ROWS])
        if found.notes:
            await _known_until(contacts, max(note.started_at for note in found.notes))
        await _fold(contacts, settings)
    _show(found.read, new, found.duplicate + len(found.notes) - new, found.rejected, as_json)


async def _known_until(contacts: ContactBook, newest: datetime) -> None:
    """The operators' data is complete up to the newest call that a file has brought."""
    # Never beyond now: one row of a clock that stood wrong would make the data look fresh for years.
    newest = min(newest, app.utc_now())
    held = await contacts.log_position("import")
    if held is None or held.read_at is None or held.read_at < newest:
        await contacts.add_queue_rows((), "import", LogPosition(read_at=newest))


async def _fold(contacts: ContactBook, settings: Settings) -> None:
    writer = app.contact_writer(contacts, settings)
    while await writer.step():
        pass


def _show(read: int, new: int, duplicate: int, rejected: Sequence[RejectedLine], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "read": read,
                "new": new,
                "duplicate": duplicate,
                "rejected": [{"line": line.line, "why": line.why} for line in rejected],
            }
        )
        return
    for line in rejected:
        click.echo(f"line {line.line}: {line.why}", err=True)
    click.echo(f"{read} lines: {new} new, {duplicate} known already, {len(rejected)} rejected")

"""Events flow at a steady rate into PostgreSQL, which is killed (-9) and started again, while pages are asked.

The product's own recorder, journal, store, contact folding and web server in one process, a real server beside
it; the callers are left out: their events are emitted by a clock. Nothing may be lost or doubled.

    python -m benchmarks.storage_load                       # 1,000 events/s for 5 minutes, killed after 2
    python -m benchmarks.storage_load --seconds 20 --rate 300
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.analytics.recorder import Recorder
from ivrbot.model.call import CallId
from ivrbot.model.events import EventType
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.engines import PostgresAddress
from tests.integration.postgres.install import install
from tests.integration.postgres.server import PostgresServer, running
from tests.unit.web_fixture import Site, open_site

EVENTS_A_CALL = 40
TICK_S = 0.01
PAUSE_S = 0.2
PAGES = ("/", "/calls", "/rollout", "/desk", "/api/v1/rollout", "/api/v1/callbacks", "/readyz")
DRAINED_S = 300.0
SAID = {"text": "На карте достаточно средств. Чем ещё помочь?", "response": "utter_balance"}
END = {"disposition": "resolved", "reason": "served", "topic": "check_balance", "escalated_to": "", "dossier": ""}


@dataclass
class Result:
    """What was seen.

    Attributes:
        emitted: events given to the recorder.
        stored: rows in the database when everything had been written.
        doubled: rows beyond the first of a (call_id, seq); gaps: calls whose numbering has holes.
        journalled: events that went through the journal.
        away_s: from the kill until the server took connections again.
        drained_s: from the last event until every event was in the database.
        longest_queue: events that were on no disk yet.
        pages: answers by status, while the database was there and while it was away.
        page_ms: p50, p95 and the longest answer, likewise.
        cpu_s: of this process.
    """

    seconds: float
    rate: int
    emitted: int = 0
    stored: int = 0
    doubled: int = 0
    gaps: int = 0
    dropped: int = 0
    journalled: int = 0
    away_s: float = 0.0
    drained_s: float = 0.0
    longest_queue: int = 0
    cpu_s: float = 0.0
    pages: dict[str, dict[int, int]] = field(default_factory=dict)
    page_ms: dict[str, list[float]] = field(default_factory=dict)


async def emit(recorder: Recorder, seconds: float, rate: int, result: Result) -> None:
    """Calls of forty events, evenly in time; every event holds a text as a turn does."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        while result.emitted < passed * rate:
            call, seq = divmod(result.emitted, EVENTS_A_CALL)
            kind, data = (EventType.CALL_ENDED, END) if seq == EVENTS_A_CALL - 1 else (EventType.BOT_SAID, SAID)
            recorder.emit(CallId(f"load-{call}"), kind, seq * 500, data)
            result.emitted += 1
        result.longest_queue = max(result.longest_queue, recorder.waiting)
        await asyncio.sleep(TICK_S)


async def kill_and_start(server: PostgresServer, after_s: float, away_s: float, result: Result) -> None:
    """Kill the server in the middle, leave it down for a while, start it again."""
    await asyncio.sleep(after_s)
    began = time.monotonic()
    result.away_s = -1.0  # before its death can be noticed
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(away_s)
    await asyncio.to_thread(server.start)
    result.away_s = time.monotonic() - began


async def ask_pages(site: Site, result: Result, stop: asyncio.Event) -> None:
    """Ask one page after the other, as a person with the pages open does."""
    statuses = {True: Counter[int](), False: Counter[int]()}
    took: dict[bool, list[float]] = {True: [], False: []}
    at = 0
    while not stop.is_set():
        path, there, began = PAGES[at % len(PAGES)], result.away_s >= 0, time.monotonic()
        try:
            async with site.api.get(site.url + path, allow_redirects=False) as answer:
                await answer.read()
                status = answer.status
        except aiohttp.ClientError:
            status = 0
        same = there == (result.away_s >= 0)
        if same:  # what began before the kill and ended after it belongs to neither
            statuses[there][status] += 1
            took[there].append((time.monotonic() - began) * 1000)
        at += 1
        await asyncio.sleep(PAUSE_S)
    for there, name in ((True, "there"), (False, "away")):
        result.pages[name] = dict(statuses[there])
        times = sorted(took[there]) or [0.0]
        result.page_ms[name] = [round(times[min(len(times) - 1, int(len(times) * q))], 1) for q in (0.5, 0.95, 1)]


async def drained(recorder: Recorder, journal: Path) -> float:
    """Seconds until queue and journal are empty."""
    began = time.monotonic()
    await recorder.flush()
    while journal.exists():  # noqa: ASYNC240 - asks the file's name only, twenty times a second
        if time.monotonic() - began > DRAINED_S:
            raise TimeoutError("the journal was not replayed")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def load(
    server: PostgresServer, address: PostgresAddress, *, seconds: float, rate: int, away_s: float
) -> Result:
    """Run it all; `address` is an empty database of `server`."""
    result, stop = Result(seconds, rate), asyncio.Event()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with open_site(folder, where=address) as site:
            recorder = site.parts.recorder
            assert isinstance(recorder, Recorder)
            folding = ContactWriter(
                ContactBook(site.parts.store),
                unit_of=lambda number, call_id: call_id,
                now=lambda: datetime.now(UTC),
                max_call_s=600,
            )
            async with asyncio.TaskGroup() as group:
                contacts = group.create_task(folding.run())
                pages = group.create_task(ask_pages(site, result, stop))
                killing = group.create_task(kill_and_start(server, seconds * 0.4, away_s, result))
                await emit(recorder, seconds, rate, result)
                await killing
                result.drained_s = await drained(recorder, folder / "journal.jsonl")
                stop.set()
                await pages
                contacts.cancel()
            result.journalled, result.dropped = recorder.journalled, recorder.dropped
    database = address.url.rpartition("/")[2]
    query = "SELECT count(*), count(DISTINCT (call_id, seq)) FROM events WHERE call_id LIKE 'load-%'"
    ((result.stored, distinct),) = server.query(database, query)
    holes = (
        "SELECT call_id FROM events WHERE call_id LIKE 'load-%' GROUP BY call_id HAVING max(seq) + 1 <> count(*)"
    )
    result.doubled, result.gaps = result.stored - distinct, len(server.query(database, holes))
    result.cpu_s = round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 1)
    return result


def main() -> int:
    """Command line; exit code 1 when anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--rate", type=int, default=1000, help="events a second")
    parser.add_argument("--away", type=float, default=10.0, help="seconds that the database stays down")
    options = parser.parse_args()
    with running(install()) as server, server.database() as address:
        result = asyncio.run(
            load(server, address, seconds=options.seconds, rate=options.rate, away_s=options.away)
        )
    print(json.dumps(asdict(result), indent=1))
    whole = result.stored == result.emitted and not (result.doubled or result.gaps or result.dropped)
    print("nothing lost, nothing doubled" if whole else "LOST OR DOUBLED", file=sys.stderr)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())

"""Two workers of one `serve`, real processes over SQLite and over PostgreSQL: calls in both, one of them dies."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from ivrbot.media.level import SPEECH_DBFS, rms_dbfs
from ivrbot.model.call import CallId
from ivrbot.storage.call_places import LIVE, places
from ivrbot.storage.contact_tables import contacts
from ivrbot.storage.engines import PostgresAddress
from ivrbot.storage.store import Store
from ivrbot.telephony.audiosocket_client import AudioSocketCall
from tests.integration.asterisk.product import Product
from tests.integration.asterisk.server import HOST
from tests.integration.asterisk.stage import SOKOLOVA
from tests.integration.asterisk.wait import until

pytestmark = [pytest.mark.integration, pytest.mark.models, pytest.mark.asyncio(loop_scope="module")]

MOST = 6
"""Calls at once, in both workers together."""
PATIENCE_S = 60.0
LOADED_S = 240.0


@dataclass(slots=True)
class Line:
    """Two workers, and telephones that call them."""

    product: Product
    store: Store
    web: aiohttp.ClientSession
    phones: dict[str, AudioSocketCall] = field(default_factory=dict)

    async def register(self, call_id: str) -> str:
        """Announce a call; what the PBX is told."""
        body = {"uuid": call_id, "caller": SOKOLOVA, "called": "100"}
        async with self.web.post("/api/v1/calls", json=body) as answer:
            return str((await answer.json()).get("status", answer.status))

    async def admitted(self) -> str:
        """Announce a call; when a place has yet to become free, or the disk stands still, as another one again."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.register(call_id := str(uuid.uuid4())) != "ok":  # noqa: ASYNC110 - others say so
                await asyncio.sleep(0.1)
        return call_id

    async def connect(self, call_id: str) -> AudioSocketCall:
        """Bring a leg to whichever worker takes it."""
        phone = AudioSocketCall()
        await phone.connect(HOST, self.product.media_port, CallId(call_id))
        self.phones[call_id] = phone
        return phone

    async def call(self) -> str:
        """A call that the bot has begun to greet."""
        call_id = await self.admitted()
        await self.connect(call_id)
        await until(lambda: self.is_spoken_to(call_id), PATIENCE_S)
        return call_id

    async def stream(self) -> tuple[str, aiohttp.ClientWebSocketResponse]:
        """A call over a media WebSocket, which comes to the worker with the web; sound comes back."""
        call_id = await self.admitted()
        socket = await self.web.ws_connect("/ws/media-streams")
        sound = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"callSid": "a call", "customParameters": {"call_id": call_id}, "mediaFormat": sound}
        await socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await socket.send_json({"event": "start", "start": start, "streamSid": "a stream"})
        async with asyncio.timeout(PATIENCE_S):
            while (await socket.receive_json())["event"] != "media":
                pass
        return call_id, socket

    def is_spoken_to(self, call_id: str) -> bool:
        """The bot says something just now."""
        heard = self.phones[call_id].received[-16_000:]
        return bool(heard) and rms_dbfs(heard) >= SPEECH_DBFS

    async def where(self) -> dict[str, str]:
        """Which worker has which call."""
        query = select(places.c.call_id, places.c.worker).where(places.c.state == LIVE)
        rows = await self.store.read(lambda conn: conn.execute(query).all())
        return {row.call_id: row.worker.rpartition("/")[2] for row in rows}

    async def figure(self, name: str) -> float:
        """One of the metrics, summed over its labels."""
        async with self.web.get("/metrics") as answer:
            text = await answer.text()
        return sum(float(one) for one in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    async def until_figure(self, name: str, wanted: float) -> None:
        """Wait until a metric has a value."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.figure(name) != wanted:  # noqa: ASYNC110 - another process says so
                await asyncio.sleep(0.2)

    async def fill(self) -> dict[str, str]:
        """As many calls as there is room for, in both workers; which worker has which.

        A worker that a crowded machine has stopped for a second is passed over, as it should be: then one hangs up
        and calls again, for as long as patience lasts.
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while len(self.phones) < MOST:
                    await self.call()
                where = await self.where()
                if len(set(where.values())) > 1:
                    return where
                await self.hang_up(next(iter(where)))

    async def hang_up(self, *call_ids: str) -> None:
        """End calls, all by default."""
        for call_id in call_ids or tuple(self.phones):
            phone = self.phones.pop(call_id)
            phone.hang_up()
            await phone.wait_closed()

    async def events(self, call_id: str, wanted: str) -> dict[str, Any]:
        """The first event of a kind, over the API, which one worker serves for the calls of all."""
        async with asyncio.timeout(PATIENCE_S), self.web.get(f"/api/v1/calls/{call_id}/events") as stream:
            async for line in stream.content:
                if line.startswith(b"data:") and (event := json.loads(line[5:]))["type"] == wanted:
                    return dict(event)
        raise AssertionError(f"the story ended without {wanted}")


@asynccontextmanager
async def two_workers(
    folder: Path, database: PostgresAddress | None = None, **settings: str
) -> AsyncIterator[Line]:
    wanted = {
        "WORKERS": "2",
        "CALL__MAX_CALLS": str(MOST),
        "CAPACITY__ADMIT": "cap",
        "ASTERISK__AMI_HOST": "",
        "WEB__LOGIN": "always",
        **settings,
    }
    async with Product(folder, None, demo=True, **wanted) as product:
        await until(lambda: product.log_path.read_text().count("AudioSocket listens") == 2, LOADED_S)
        headers = {"Authorization": f"Bearer {product.token}"}
        async with (
            Store(database or folder / "ivrbot.sqlite", deadline_s=PATIENCE_S) as store,
            aiohttp.ClientSession(product.api, headers=headers) as web,
        ):
            line = Line(product, store, web)
            yield line
            await line.hang_up()


async def test_two_workers_over_sqlite(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as line:
        await media_sockets_go_on_in_both(line)
        await both_take_calls_and_the_cap_is_one(line)
        await a_kill_is_in_force_in_both(line)
        await a_killed_worker_takes_only_its_own_calls_with_it(line)
        await its_place_is_taken(line)
        await a_stop_lets_calls_in_both_finish(line)


async def test_two_workers_over_postgresql(tmp_path: Path, database: PostgresAddress) -> None:
    password = tmp_path / "password"
    password.write_text(database.password)
    settings = {"DATABASE__URL": database.url, "DATABASE__PASSWORD_FILE": str(password)}
    async with two_workers(tmp_path / "data", database, **settings) as line:
        await both_take_calls_and_the_cap_is_one(line)
        await a_killed_worker_takes_only_its_own_calls_with_it(line)


async def media_sockets_go_on_in_both(line: Line) -> None:
    """As soon as the workers know of each other, the second of two goes on in the other one."""
    async with asyncio.timeout(PATIENCE_S):
        spread = False
        while not spread:
            streams = dict([await line.stream() for _ in range(2)])
            while set(where := await line.where()) != set(streams):  # noqa: ASYNC110 - other processes say so
                await asyncio.sleep(0.05)
            spread = set(where.values()) == {"1", "2"}
            for socket in streams.values():
                await socket.close()
            await line.until_figure("ivrbot_calls_active", 0)


async def both_take_calls_and_the_cap_is_one(line: Line) -> None:
    where = await line.fill()
    assert set(where) == set(line.phones)
    assert set(where.values()) == {"1", "2"}
    assert await line.register(str(uuid.uuid4())) == "operator"
    assert await line.figure("ivrbot_calls_active") == MOST
    used = next(iter(where))
    assert await line.register(used) == "409"
    for intruder in (used, str(uuid.uuid4())):
        phone = AudioSocketCall()
        await phone.connect(HOST, line.product.media_port, CallId(intruder))
        assert await asyncio.wait_for(phone.wait_closed(), PATIENCE_S) == "hangup"
        assert not any(phone.received)
    in_the_other = next(call for call, worker in where.items() if worker == "2")
    assert (await line.events(in_the_other, "call_started"))["call_id"] == in_the_other


async def a_kill_is_in_force_in_both(line: Line) -> None:
    """Every call that asks for the branch from then on meets operators, whichever worker has it."""
    async with line.web.post("/api/v1/rollout/balance/kill", json={"why": "a test"}) as answer:
        assert answer.status == 200, await answer.text()
    where = await line.where()
    asking = {worker: call for call, worker in where.items()}
    assert set(asking) == {"1", "2"}
    for call_id in asking.values():
        line.phones[call_id].press("2")
    for call_id in asking.values():
        ended = await line.events(call_id, "call_ended")
        assert ended["disposition"] == "escalated"
        async with line.web.get(f"/api/v1/calls/{call_id}/outcome") as answer:
            assert (await answer.text()).startswith("transfer:balance|check_balance|")
        await line.phones.pop(call_id).wait_closed()
    assert set((await line.fill()).values()) == {"1", "2"}


async def a_killed_worker_takes_only_its_own_calls_with_it(line: Line) -> None:
    """The one that leads: its web comes back with another, which is told of calls and forgets its places."""
    where = await line.where()
    pids = workers_by_number(line.product)
    os.kill(pids["1"], signal.SIGKILL)
    lost = [call for call, worker in where.items() if worker == "1"]
    kept = [call for call, worker in where.items() if worker == "2"]
    for call_id in lost:
        await asyncio.wait_for(line.phones.pop(call_id).wait_closed(), PATIENCE_S)
    heard = {call_id: len(line.phones[call_id].received) for call_id in kept}
    await until(lambda: all(len(line.phones[one].received) > heard[one] + 16_000 for one in kept), PATIENCE_S)
    while len(kept) >= MOST // 2:  # the other half of the room is gone
        await line.hang_up(kept.pop())
    again = await line.admitted()  # a call has to end first
    await line.connect(again)
    await until(lambda: line.is_spoken_to(again), PATIENCE_S)
    assert (await line.where())[again] == "2"


async def its_place_is_taken(line: Line) -> None:
    """By a worker that starts anew; calls come to both again. Who leads now has counted what ended meanwhile."""
    await until(lambda: line.product.log_path.read_text().count("AudioSocket listens") == 3, LOADED_S)
    ended = tuple(line.phones)
    await line.hang_up()
    await line.until_figure("ivrbot_calls_active", 0)
    assert set((await line.fill()).values()) == {"1", "2"}
    query = select(contacts.c.call_id).where(contacts.c.call_id.in_(ended))
    async with asyncio.timeout(PATIENCE_S):
        while len(await line.store.read(lambda conn: conn.execute(query).all())) < len(ended):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def a_stop_lets_calls_in_both_finish(line: Line) -> None:
    process = line.product.process
    process.terminate()
    await until(
        lambda: line.product.log_path.read_text().count("stopping: new calls go elsewhere") == 2, PATIENCE_S
    )
    assert await line.register(str(uuid.uuid4())) == "operator"
    heard = {call_id: len(phone.received) for call_id, phone in line.phones.items()}
    await until(lambda: all(len(line.phones[one].received) > heard[one] + 16_000 for one in heard), PATIENCE_S)
    assert not any(phone.cause for phone in line.phones.values())
    await line.hang_up()
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0


def workers_by_number(product: Product) -> dict[str, int]:
    """Process ids of workers by their numbers: the first was started first."""
    return {str(number): pid for number, pid in enumerate(sorted(product.workers), 1)}

"""The operator's desk: escalated calls as they come, their dossiers, and the line to a softphone caller.

Takes dossiers and lines, gives a live stream and one WebSocket per call taken. Without a PBX this stands in for
the operator's telephone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import WSMsgType, web

from ivrbot.model.audio import SAMPLE_BYTES
from ivrbot.model.call import Dossier
from ivrbot.model.people import Person, Right
from ivrbot.telephony.operator_line import OperatorLine, Side
from ivrbot.telephony.outbox import Outbox
from ivrbot.web.access_scope import dossier_branches
from ivrbot.web.answers import Rejected, json_answer
from ivrbot.web.caller import needs, person_of
from ivrbot.web.calls_api import find_dossier
from ivrbot.web.events import Streams
from ivrbot.web.parts import WebParts

LOOK_S: Final = 0.5
"""How often the desk looks who is still waiting."""
MAX_MESSAGE_BYTES: Final = 16 * 1024
CLOSE_S: Final = 2.0


def desk_row(dossier: Dossier) -> dict[str, Any]:
    """A line of the desk's list."""
    return {
        "dossier_id": dossier.dossier_id,
        "created_at": dossier.created_at.isoformat(timespec="seconds"),
        "queue": dossier.queue,
        "priority": dossier.priority,
        "reason": dossier.reason.value,
        "topic": dossier.topic,
        "language": dossier.language,
        "customer_name": dossier.customer_name,
        "level": dossier.level.value,
    }


class Desk:
    """Handlers of the desk page."""

    def __init__(self, parts: WebParts, streams: Streams) -> None:
        self._parts = parts
        self._streams = streams
        parts.operators.callers_waiting = lambda: len(parts.softphone.lines.waiting)

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/web/desk", self.follow, allow_head=False),
            web.get("/web/dossiers/{dossier_id}", self.dossier),
            web.get("/ws/desk/{dossier_id}", self.take, allow_head=False),
        ]

    @needs(Right.DESK_USE)
    async def follow(self, request: web.Request) -> web.StreamResponse:
        """The list, whenever it changes."""
        with self._parts.operators.at_desk():
            return await self._streams.send(request, self._lists(person_of(request)))

    async def _lists(self, person: Person) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        news = asyncio.Event()
        stop = self._parts.operators.watch(lambda dossier: news.set())
        shown: object = None
        try:
            while True:
                seen = [one for one in self._parts.operators.recent if person.sees(self._branches(one))]
                calls = [desk_row(dossier) for dossier in seen]
                phones = {one.dossier_id: dict(self._parts.operators.phones(one.dossier_id)) for one in seen}
                waiting = sorted(self._parts.softphone.lines.waiting & {row["dossier_id"] for row in calls})
                if (now := (waiting, phones)) != shown:
                    shown = now
                    told = {name: states for name, states in phones.items() if states}
                    yield "", {"calls": calls, "waiting": waiting, "phones": told}
                news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await news.wait()
        finally:
            stop()

    @needs(Right.DOSSIERS_SEE)
    async def dossier(self, request: web.Request) -> web.Response:
        """Everything about one call, the caller's number as well."""
        return json_answer(
            await find_dossier(self._parts, request, request.match_info["dossier_id"], with_caller=True)
        )

    @needs(Right.DESK_USE)
    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take a waiting caller and talk to him until one of both leaves.

        Raises:
            Rejected: 404 when he is gone or came by a PBX, 409 when a colleague was faster.
        """
        line = self._parts.softphone.lines.find(request.match_info["dossier_id"])
        if line is None or not self._is_his(request, request.match_info["dossier_id"]):
            raise Rejected(404, "caller_gone")
        if line.taken.is_set():
            raise Rejected(409, "taken")
        ws = web.WebSocketResponse(heartbeat=5.0, max_msg_size=MAX_MESSAGE_BYTES, compress=False, timeout=CLOSE_S)
        await ws.prepare(request)
        outbox = Outbox(ws, request.transport)
        if not line.take(outbox.put):
            await ws.close(code=4409)
            return ws
        # he who talks with a caller has him in hand
        self._parts.operators.hands.take(line.dossier_id, person_of(request).name)
        with self._parts.operators.in_talk(time.monotonic):
            await _talk(line, ws, outbox)
        return ws

    def _branches(self, dossier: Dossier) -> frozenset[str]:
        return dossier_branches(self._parts.router.menu, dossier)

    def _is_his(self, request: web.Request, dossier_id: str) -> bool:
        """Whether the caller of a dossier is of a branch of whoever asks."""
        found = next((one for one in self._parts.operators.recent if one.dossier_id == dossier_id), None)
        return person_of(request).sees(self._branches(found) if found else frozenset())


async def _talk(line: OperatorLine, ws: web.WebSocketResponse, outbox: Outbox) -> None:
    tasks = [
        asyncio.create_task(_listen(line, ws), name="desk-read"),
        asyncio.create_task(outbox.run(), name="desk-write"),
        asyncio.create_task(line.over.wait(), name="desk-over"),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        line.hang_up(Side.OPERATOR)
        outbox.finish()
        await asyncio.wait(tasks[1:2], timeout=CLOSE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await ws.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(line: OperatorLine, ws: web.WebSocketResponse) -> None:
    """Until the operator hangs up or sends nonsense."""
    async for message in ws:
        if message.type is WSMsgType.BINARY:
            if len(message.data) % SAMPLE_BYTES:
                return
            line.sound(Side.OPERATOR, message.data)
        elif message.type is WSMsgType.TEXT:
            try:
                content = json.loads(message.data)
            except ValueError:
                return
            if not isinstance(content, dict) or content.get("type") != "say":
                return
            line.say(Side.OPERATOR, str(content.get("text", "")))

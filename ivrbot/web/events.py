"""Server-sent events: a call's story from its beginning on, and what goes on in the whole process.

Takes subscriptions and the store, gives `text/event-stream`. Past and live events meet by `seq`: nothing twice,
nothing left out as long as the store can be read.

Source: WHATWG HTML, section 9.2 (server-sent events; `Last-Event-ID`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from aiohttp import web

from ivrbot.errors import StorageError
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType
from ivrbot.ports import EventStore
from ivrbot.web.answers import Rejected

MAX_STREAMS: Final = 100
KEEP_ALIVE_S: Final = 15.0
STORED_S: Final = 2.0
"""Longest wait for what was just recorded to reach the store."""

_log = logging.getLogger(__name__)


class LiveEvents(Protocol):
    """What a stream needs of the recorder."""

    def subscribe(self, call_id: CallId | None = None) -> AbstractAsyncContextManager[AsyncIterator[CallEvent]]:
        """Events from now on."""
        ...

    async def flush(self) -> None:
        """Wait until everything so far is on a disk."""
        ...


def event_row(event: CallEvent) -> dict[str, Any]:
    """The flat form of an event; its own data never overwrites type, time or number."""
    row: dict[str, Any] = {
        "type": event.type.value,
        "t_ms": event.t_ms,
        "seq": event.seq,
        "call_id": event.call_id,
        "at": event.at.isoformat(timespec="milliseconds"),
    }
    return {**row, **event.data, **row}


async def story(
    call_id: CallId, store: EventStore, live: LiveEvents, after_seq: int = -1
) -> AsyncIterator[CallEvent]:
    """A call's events, past and live, in order, until it has ended.

    Args:
        call_id: of a call of any process.
        store: past events.
        live: of this process.
        after_seq: the last one that the reader has.
    """
    async with live.subscribe(call_id) as news:
        last = after_seq
        for event in await _stored(call_id, store, live, last):
            last = event.seq
            yield event
            if event.type is EventType.CALL_ENDED:
                return
        async for event in news:
            if event.seq <= last:
                continue
            missed = [] if event.seq == last + 1 else await _stored(call_id, store, live, last)
            for earlier in (*(one for one in missed if one.seq < event.seq), event):
                last = earlier.seq
                yield earlier
            if event.type is EventType.CALL_ENDED:
                return


async def _stored(call_id: CallId, store: EventStore, live: LiveEvents, after_seq: int) -> list[CallEvent]:
    """Events of a call beyond a number; [] while the store is away (live ones go on)."""
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORED_S):
                await live.flush()
        return [event for event in await store.of_call(call_id) if event.seq > after_seq]
    except StorageError as error:
        _log.warning("past events cannot be read: %s", error.code)
        return []


class Streams:
    """All open streams of the process; a bounded number."""

    def __init__(self, limit: int = MAX_STREAMS, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self._limit = limit
        self._keep_alive_s = keep_alive_s
        self._open: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def count(self) -> int:
        """Streams open now."""
        return len(self._open)

    async def send(
        self, request: web.Request, rows: AsyncIterator[tuple[str, dict[str, Any]]]
    ) -> web.StreamResponse:
        """Send rows (id, JSON) as they come, until they end or the reader is gone.

        Raises:
            Rejected: 503 when there are too many readers, or while stopping.
        """
        if self._stopping or len(self._open) >= self._limit:
            raise Rejected(503, "too_many_streams")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        task = asyncio.create_task(self._pump(request, response, rows), name="event-stream")
        self._open.add(task)
        try:
            await _finished(task)
        finally:
            self._open.discard(task)
        return response

    async def stop(self) -> None:
        """End every stream."""
        self._stopping = True
        for task in self._open:
            task.cancel()

    async def _pump(
        self,
        request: web.Request,
        response: web.StreamResponse,
        rows: AsyncIterator[tuple[str, dict[str, Any]]],
    ) -> None:
        await response.prepare(request)
        beat = asyncio.create_task(self._keep_alive(response, asyncio.current_task()), name="keep-alive")
        try:
            async for name, row in rows:
                identity = f"id: {name}\n" if name else ""
                text = json.dumps(row, ensure_ascii=False)
                await response.write(f"{identity}data: {text}\n\n".encode())
            await response.write_eof()
        except ConnectionError:
            pass  # the reader is gone
        finally:
            beat.cancel()
            closing: Callable[[], Any] | None = getattr(rows, "aclose", None)
            if closing:
                await closing()

    async def _keep_alive(self, response: web.StreamResponse, stream: asyncio.Task[Any] | None) -> None:
        """Comments keep proxies awake and show when the reader is gone, which ends a stream without news."""
        try:
            while True:
                await asyncio.sleep(self._keep_alive_s)
                await response.write(b":\n\n")
        except ConnectionError:
            if stream:
                stream.cancel()


async def _finished(task: asyncio.Task[None]) -> None:
    """Wait for a stream; cancelled with the request's handler."""
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
    if not task.cancelled():
        task.result()

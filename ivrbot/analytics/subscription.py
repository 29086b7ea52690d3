"""A live view of events for one page or stream, which never slows the recorder down.

Takes events as they are recorded, gives an async iterator; a reader that is too slow loses the oldest, counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent

LIMIT = 1_000


class Subscription:
    """Events of one call, or of all; use as `async with` or call `close`.

    Attributes:
        call_id: the call, None for all.
        dropped: events that this reader was too slow for.
    """

    def __init__(self, call_id: CallId | None, on_close: Callable[[Subscription], None]) -> None:
        self.call_id = call_id
        self.dropped = 0
        self._events: deque[CallEvent] = deque()
        self._news = asyncio.Event()
        self._closed = False
        self._on_close = on_close

    def put(self, event: CallEvent) -> None:
        """Hand an event over; returns at once."""
        if self.call_id is not None and event.call_id != self.call_id:
            return
        if len(self._events) >= LIMIT:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self._news.set()

    def close(self) -> None:
        """No more events; the iterator ends after those already here. Idempotent."""
        if not self._closed:
            self._closed = True
            self._news.set()
            self._on_close(self)

    def __aiter__(self) -> AsyncIterator[CallEvent]:
        return self

    async def __anext__(self) -> CallEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

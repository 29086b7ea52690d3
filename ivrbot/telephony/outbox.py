"""What waits to be written to one socket: messages that must arrive, sound that may be lost when nobody reads.

Takes JSON messages and 8 kHz PCM16, writes them to a WebSocket; every method but `run` returns at once.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from typing import Any, Final

from aiohttp import web

from ivrbot.metrics import FRAMES_DROPPED
from ivrbot.model.audio import FRAME_BYTES

OUTBOX_FRAMES: Final = 10
"""200 ms between the clock and the socket; of more, the newest is dropped."""
OUTBOX_MESSAGES: Final = 200
WRITE_BUFFER_BYTES: Final = OUTBOX_FRAMES * FRAME_BYTES
KERNEL_BUFFER_BYTES: Final = 32 * 1024
"""Small, so that a slow reader costs frames now instead of hearing old sound later."""


class Outbox:
    """The writing side of one WebSocket.

    Args:
        ws: prepared.
        transport: of its connection, None when that is gone already.
    """

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._ws = ws
        self._transport = transport
        self._items: deque[str | bytes] = deque()
        self._news = asyncio.Event()
        self._closing = False
        self.dropped = 0
        connection: Any = transport.get_extra_info("socket") if transport else None
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)

    def put(self, item: dict[str, object] | bytes) -> None:
        """A message or a piece of sound."""
        if isinstance(item, bytes):
            self.play(item)
        else:
            self.tell(item)

    def tell(self, message: dict[str, object] | str) -> None:
        """Queue a message, as an object or as the text it is; who reads nothing at all is given up."""
        if len(self._items) >= OUTBOX_MESSAGES + OUTBOX_FRAMES:
            self._closing = True
        else:
            self._items.append(message if isinstance(message, str) else json.dumps(message, ensure_ascii=False))
        self._news.set()

    def play(self, sound: str | bytes) -> bool:
        """Queue 20 ms of sound, encoded or not; who does not read loses it (False)."""
        waiting_bytes = self._transport.get_write_buffer_size() if self._transport else 0
        if waiting_bytes > WRITE_BUFFER_BYTES or len(self._items) >= OUTBOX_FRAMES:
            FRAMES_DROPPED.labels("outbound").inc()
            self.dropped += 1
            return False
        self._items.append(sound)
        self._news.set()
        return True

    def finish(self) -> None:
        """`run` ends after what is queued now."""
        self._closing = True
        self._news.set()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport:
            self._transport.abort()

    async def run(self) -> None:
        """Write until `finish`, or until the connection is gone."""
        while True:
            while self._items:
                item = self._items.popleft()
                try:
                    if isinstance(item, str):
                        await self._ws.send_str(item)
                    else:
                        await self._ws.send_bytes(item)
                except ConnectionError:
                    return
            if self._closing:
                return
            self._news.clear()
            await self._news.wait()

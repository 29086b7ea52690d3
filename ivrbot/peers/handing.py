"""A connection that came to the worker with the web goes on in another: media WebSockets spread like all calls.

Takes a request that nothing has been answered to, gives its socket and its first lines to another worker, over a
Unix socket that carries file descriptors. The other end notices nothing.

Sources: unix(7) (SCM_RIGHTS), RFC 6455 (a client sends nothing more before it is answered).
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import web

from ivrbot.seat import Seat

log = logging.getLogger(__name__)

HEAD_BYTES: Final = 32 * 1024

TakeOver = Callable[[socket.socket, bytes], Awaitable[None]]
"""Serves a connection whose first bytes another worker has read."""


class Handing:
    """This worker's place where connections are handed to it, and the way to the others'.

    Args:
        seat: of this process.
        take_over: serves what comes.
    """

    def __init__(self, seat: Seat, take_over: TakeOver) -> None:
        self._seat = seat
        self._take_over = take_over
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._taking: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Take connections from now on. The name of a worker that died is taken over."""
        path = self._path(self._seat.number)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._socket.bind(str(path))
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def close(self) -> None:
        """Take none any more. Idempotent."""
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def give(self, request: web.Request, number: int) -> bool:
        """Give the connection of a request to another worker; False when it stays here.

        Args:
            request: a WebSocket's, not answered yet.
            number: of the other worker.
        """
        connection = request.transport.get_extra_info("socket") if request.transport else None
        head = head_of(request)
        if connection is None or len(head) > HEAD_BYTES:
            return False
        try:
            # not `socket.send_fds`, which leaves the address out
            fds = array.array("i", [connection.fileno()])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
            self._socket.sendmsg([head], rights, 0, str(self._path(number)))
        except OSError as error:
            log.warning("a connection stays here, worker %d does not take it: %s", number, error.strerror)
            return False
        if request.transport:
            request.transport.abort()  # closes our end of what the other worker has now
        return True

    def _receive(self) -> None:
        try:
            head, fds, _, _ = socket.recv_fds(self._socket, HEAD_BYTES, 1)
        except BlockingIOError:
            return
        for fd in fds[1:]:
            os.close(fd)
        if fds:
            task = asyncio.get_running_loop().create_task(self._serve(fds[0], head), name="handed")
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)

    async def _serve(self, fd: int, head: bytes) -> None:
        connection = socket.socket(fileno=fd)
        try:
            await self._take_over(connection, head)
        except OSError as error:
            log.warning("a connection that was handed over is lost: %s", error)
            connection.close()

    def _path(self, number: int) -> Path:
        return Path(self._seat.folder) / f"{number}.legs"


def head_of(request: web.Request) -> bytes:
    """The first lines of a request without a body, as they came."""
    version = f"HTTP/{request.version.major}.{request.version.minor}"
    lines = [f"{request.method} {request.raw_path} {version}".encode()]
    lines += [name + b": " + value for name, value in request.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"

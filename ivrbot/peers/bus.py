"""News between the workers of one machine: what happens in calls, which there are, who has gone to an operator.

Takes lines, gives them to every other worker over Unix sockets in the seat's folder, which only their owner may
enter. For what people look at: nothing that a call, a figure or a decision rests on goes this way, so that a line
which is lost costs a row on a page. A reader that is too slow loses lines, not the writer its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ivrbot.seat import Seat

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5
"""How often a worker that has come is looked for."""
MOST_WAITING_BYTES: Final = 1_000_000
LINE_BYTES: Final = 1_000_000
WAIT_S: Final = 2.0


class Bus:
    """This worker's end of all connections: one to each other worker, to speak; one from each, to hear.

    Args:
        seat: of this process.
        hear: takes a line of another worker and its number; returns at once.
        greet: what a worker that has just come is told first, a line each.
    """

    def __init__(self, seat: Seat, hear: Callable[[int, bytes], None], greet: Callable[[], list[bytes]]) -> None:
        self._seat = seat
        self._hear = hear
        self._greet = greet
        self._server: asyncio.Server | None = None
        self._to: dict[int, asyncio.StreamWriter] = {}
        self._readers: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Hear others from now on. The name of a worker that died is taken over."""
        path = self._path(self._seat.number)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._server = await asyncio.start_unix_server(self._serve, str(path), limit=LINE_BYTES)

    async def run(self) -> None:
        """Keep connections to all others; ends by being cancelled."""
        try:
            while True:
                for number in range(1, self._seat.of + 1):
                    if number != self._seat.number and number not in self._to:
                        await self._connect(number)
                await asyncio.sleep(LOOK_S)
        finally:
            self._close()

    def tell(self, line: bytes) -> None:
        """Say a line to everybody; without a line break in it. Returns at once."""
        for number, writer in list(self._to.items()):
            if writer.is_closing():
                del self._to[number]
            elif writer.transport.get_write_buffer_size() < MOST_WAITING_BYTES:
                writer.write(line + b"\n")

    def _close(self) -> None:
        for writer in self._to.values():
            writer.close()
        self._to.clear()
        if self._server is not None:
            self._server.close()
        for reader in self._readers:
            reader.cancel()

    async def _connect(self, number: int) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                _, writer = await asyncio.open_unix_connection(str(self._path(number)))
        except (OSError, TimeoutError):
            return  # not there, or not yet
        writer.write(b"%d\n" % self._seat.number)
        for line in self._greet():
            writer.write(line + b"\n")
        self._to[number] = writer

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._listen(reader, writer), name="bus")
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            number = int(await reader.readline() or b"0")
            while line := await reader.readline():
                try:
                    self._hear(number, line.rstrip(b"\n"))
                except Exception:  # news for pages: one line that is not understood must not end the others
                    log.exception("a line of worker %d was not understood", number)
        except (OSError, ValueError) as error:
            log.warning("news of another worker broke off: %s", type(error).__name__)
        finally:
            writer.close()

    def _path(self, number: int) -> Path:
        return Path(self._seat.folder) / f"{number}.sock"

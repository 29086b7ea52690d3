"""Lines typed by a person, without holding the event loop up."""

from __future__ import annotations

import asyncio
import sys
import threading


class StandardInput:
    """Lines of standard input, read in a thread so that the event loop goes on."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="standard-input", daemon=True).start()

    async def next_line(self) -> str | None:
        """Next line without its line end, None at the end of input."""
        return await self._lines.get()

    def _read(self) -> None:
        try:
            for line in sys.stdin:
                self._loop.call_soon_threadsafe(self._lines.put_nowait, line.rstrip("\n"))
            self._loop.call_soon_threadsafe(self._lines.put_nowait, None)
        except RuntimeError:
            return  # the call is over and its loop closed

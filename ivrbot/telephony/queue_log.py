"""Follows Asterisk's queue_log while it is written, through rotation, truncation and restarts.

Takes a path, gives rows in pieces, each with the position after it. Rows may come twice (after a restart, from a
file that was moved away), never one less than was written; whoever stores them knows them by their key.

Rotation as `logger rotate` and logrotate do it: the old file keeps its inode under another name and may still be
written to for a while; one that is copied and truncated keeps its inode and shrinks.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from ivrbot.errors import StorageError
from ivrbot.model.queue import LogPosition, QueueRow
from ivrbot.telephony.wire.queue_log import QueueLogParser

log = logging.getLogger(__name__)

PIECE_BYTES: Final = 256 * 1024
TAIL_BYTES: Final = 64
POLL_S: Final = 1.0
RETRY_S: Final = 5.0
LINGER_S: Final = 60.0
"""A file that was moved away is still read for so long."""
NOTED_EVERY_S: Final = 15.0
"""The position of a quiet log is handed over so often: that it was read and held nothing is news too."""
PACKED: Final = frozenset({".gz", ".xz", ".bz2", ".zst"})


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Rows of a stretch of the log.

    Attributes:
        rejected: how many lines were no rows.
        position: of the current file; None with rows of one that was moved away.
        more: the file holds more.
    """

    rows: tuple[QueueRow, ...]
    rejected: int
    position: LogPosition | None
    more: bool


@dataclass(slots=True)
class _Held:
    """An open file and how far it was read (always the end of a line)."""

    descriptor: int
    inode: int
    offset: int = 0
    tail: bytes = b""
    moved_s: float = 0.0


class QueueLogReader:
    """Reads the log piece by piece. Blocks: for a thread.

    Args:
        path: of the log; it need not exist yet.
        position: where an earlier reader stopped; None reads from the beginning.
    """

    def __init__(self, path: Path, position: LogPosition | None = None) -> None:
        self._path = path
        self._start = position
        self._read_at = position.read_at if position else None
        self._current: _Held | None = None
        self._moved: list[_Held] = []

    def poll(self, now_s: float, now: datetime) -> list[LogPiece]:
        """What is new, at most one piece of each file; without a position when the log is not there.

        Args:
            now_s: a clock that only goes forward.
            now: aware wall time; a position says that everything was read until then.

        Raises:
            OSError: the log cannot be read.
        """
        self._find_current(now_s)
        pieces = [piece for held in tuple(self._moved) if (piece := self._drain(held, now_s))]
        held = self._current
        if held is None:
            return pieces
        rows, rejected, more = _read(held)
        if not more and not any(piece.more for piece in pieces):
            self._read_at = now
        position = LogPosition(held.inode, held.offset, held.tail.hex(), self._read_at)
        return [*pieces, LogPiece(rows, rejected, position, more)]

    def close(self) -> None:
        """Close all files. Idempotent."""
        for held in (*self._moved, *([self._current] if self._current else [])):
            os.close(held.descriptor)
        self._moved, self._current = [], None

    def _find_current(self, now_s: float) -> None:
        """Have the file open that bears the log's name now."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._move_away(now_s)
            return
        if self._current is not None and status.st_ino != self._current.inode:
            self._move_away(now_s)
        if self._current is None:
            self._current = _open(self._path)
            self._resume(self._current, now_s)
        if status.st_size < self._current.offset or not _is_tail(self._current):
            log.warning("queue_log was truncated: reading it from its beginning")
            self._current.offset, self._current.tail = 0, b""
            self._find_moved(now_s)

    def _move_away(self, now_s: float) -> None:
        if self._current is not None:
            log.info("queue_log was rotated")
            self._current.moved_s = now_s
            self._moved.append(self._current)
            self._current = None

    def _resume(self, held: _Held, now_s: float) -> None:
        start, self._start = self._start, None
        if start is None:
            return
        if start.inode == held.inode:
            held.offset, held.tail = start.offset, bytes.fromhex(start.tail)
        self._find_moved(now_s)

    def _find_moved(self, now_s: float) -> None:
        """Read what was moved away since the log was last read: all of it, known rows are known by their key."""
        since = (self._read_at or datetime.now(UTC)) - timedelta(seconds=2 * LINGER_S)
        open_inodes = {held.inode for held in (*self._moved, *([self._current] if self._current else []))}
        for path in sorted(self._path.parent.glob(f"{self._path.name}?*")):
            try:
                status = path.stat()
                if path.suffix in PACKED or status.st_ino in open_inodes or status.st_mtime < since.timestamp():
                    continue
                held = _open(path)
            except OSError as error:
                log.warning("a rotated queue_log cannot be read: %s", error.strerror)
                continue
            held.moved_s = now_s
            self._moved.append(held)

    def _drain(self, held: _Held, now_s: float) -> LogPiece | None:
        rows, rejected, more = _read(held)
        if not more and now_s - held.moved_s >= LINGER_S:
            os.close(held.descriptor)
            self._moved.remove(held)
        return LogPiece(rows, rejected, None, more) if rows or rejected or more else None


def _open(path: Path) -> _Held:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return _Held(descriptor, os.fstat(descriptor).st_ino)


def _is_tail(held: _Held) -> bool:
    """Whether what stands before the offset is still what was read there."""
    size = len(held.tail)
    return os.pread(held.descriptor, size, held.offset - size) == held.tail


def _read(held: _Held) -> tuple[tuple[QueueRow, ...], int, bool]:
    """The next whole lines: rows, how many were none, and whether there is more.

    What has no line end yet stays for the next time, unless no line could be that long.
    """
    data = os.pread(held.descriptor, PIECE_BYTES, held.offset)
    more = len(data) == PIECE_BYTES
    lines = data[: data.rfind(b"\n") + 1] or (data if more else b"")
    parser = QueueLogParser()
    parsed, torn = parser.feed(lines), parser.finish()
    held.offset += len(lines)
    held.tail = (held.tail + lines)[-TAIL_BYTES:]
    return parsed.rows, len(parsed.rejected) + len(torn.rejected), more


class QueueLogFollower:
    """Hands rows over as they are written, until cancelled.

    Args:
        reader: of the log.
        deliver: stores a piece; a StorageError means that it was not stored, and it is handed over again.
        now: aware UTC clock.
        poll_s: pause between looks at the file.

    Attributes:
        rejected: lines that were no rows.
    """

    def __init__(
        self,
        reader: QueueLogReader,
        deliver: Callable[[LogPiece], Awaitable[object]],
        now: Callable[[], datetime],
        *,
        poll_s: float = POLL_S,
    ) -> None:
        self._reader = reader
        self._deliver = deliver
        self._now = now
        self._poll_s = poll_s
        self._noted_s: float | None = None
        self._absent = False
        self.rejected = 0

    async def run(self) -> None:
        """Follow the log."""
        try:
            while True:
                more = await self.step()
                await asyncio.sleep(0 if more else self._poll_s)
        finally:
            await asyncio.shield(asyncio.to_thread(self._reader.close))

    async def step(self) -> bool:
        """Look at the log once; True when it holds more."""
        loop = asyncio.get_running_loop()
        try:
            pieces = await asyncio.to_thread(self._reader.poll, loop.time(), self._now())
        except OSError as error:
            self._complain(f"cannot be read: {error.strerror}")
            return False
        if any(piece.position for piece in pieces):
            self._absent = False
        else:
            self._complain("does not exist")
        for piece in pieces:
            await self._hand_over(piece)
        return any(piece.more for piece in pieces)

    async def _hand_over(self, piece: LogPiece) -> None:
        now_s = asyncio.get_running_loop().time()
        quiet = not piece.rows and self._noted_s is not None and now_s - self._noted_s < NOTED_EVERY_S
        if piece.rejected:
            self.rejected += piece.rejected
            log.warning("queue_log: %d lines are no rows", piece.rejected)
        if quiet:
            return
        while True:
            try:
                await self._deliver(piece)
            except StorageError as error:
                log.warning("rows of queue_log wait: %s", error.code)
                await asyncio.sleep(RETRY_S)
            else:
                break
        if piece.position is not None:
            self._noted_s = now_s

    def _complain(self, what: str) -> None:
        if not self._absent:
            log.warning("queue_log %s: the operators' figures are not complete from now on", what)
            self._absent = True

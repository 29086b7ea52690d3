"""Where events wait while the store is away: a local file of JSON lines, each group on disk before it counts.

Takes events, gives them back in groups. Synchronous: run it in a thread. A line that was torn by a crash is
skipped and counted; the next group starts on a line of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType


class EventJournal:
    """One file, appended to and read from its start."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pending(self) -> bool:
        """Whether anything waits."""
        return self.size_bytes() > 0

    def size_bytes(self) -> int:
        """How much waits, 0 without a file."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, events: Sequence[CallEvent]) -> None:
        """Write a group and wait for the disk.

        Raises:
            OSError: nothing of the group is kept.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            block = (b"\n" if torn else b"") + b"".join(line_of(event) for event in events)
            try:
                _write_all(descriptor, block)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self.path.parent)

    def read(self, offset: int, limit: int) -> tuple[list[CallEvent], int, int]:
        """Up to `limit` events from a byte offset.

        Returns:
            The events, the offset behind them (the same offset at the end), and the number of unreadable lines.
        """
        events: list[CallEvent] = []
        torn = 0
        with self.path.open("rb") as file:
            file.seek(offset)
            while len(events) < limit and (line := file.readline()):
                offset += len(line)
                event = event_of(line)
                if event is not None:
                    events.append(event)
                elif line.strip():
                    torn += 1
        return events, offset, torn

    def clear(self) -> None:
        """Remove the file: everything in it is in the store."""
        self.path.unlink(missing_ok=True)


def line_of(event: CallEvent) -> bytes:
    """An event as a line of JSON, with its line break."""
    row = {
        "call_id": event.call_id,
        "seq": event.seq,
        "type": event.type.value,
        "t_ms": event.t_ms,
        "at": event.at.isoformat(),
        "data": dict(event.data),
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def event_of(line: bytes) -> CallEvent | None:
    """An event from a line, None when it is torn."""
    try:
        row: dict[str, Any] = json.loads(line)
        return CallEvent(
            call_id=CallId(row["call_id"]),
            seq=int(row["seq"]),
            type=EventType(row["type"]),
            t_ms=int(row["t_ms"]),
            at=datetime.fromisoformat(row["at"]),
            data=dict(row["data"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """Make the file's name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

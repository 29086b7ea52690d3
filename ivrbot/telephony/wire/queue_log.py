"""Asterisk's queue_log: bytes to rows, no I/O.

Takes what the file gave, in pieces of any size; gives rows and rejected lines. A line is
`time|callid|queue|agent|event|data...`; the time is seconds since 1970 UTC, whole or with a fraction.

Source: "Queue Logs" in the Asterisk documentation, and main/logger.c (`ast_queue_log`): five fields, then up to
five of data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ivrbot.model.queue import QueueRow, RejectedLine

MAX_LINE_BYTES: Final = 8192
FIXED_FIELDS: Final = 5

# 1973 to 2286: whole seconds of nine or ten digits; anything else is no time of a call.
_TIME = re.compile(r"(\d{9,10})(?:\.(\d{1,9}))?")
_EVENT = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one piece of the file gave.

    Attributes:
        read: lines that were complete, blank ones not counted.
    """

    rows: tuple[QueueRow, ...] = ()
    rejected: tuple[RejectedLine, ...] = ()
    read: int = 0


def parse_line(line: bytes) -> QueueRow | str:
    """One line without its end; a text says why it is no row."""
    if len(line) > MAX_LINE_BYTES:
        return "longer than 8192 bytes"
    text = line.decode("utf-8", errors="replace").removesuffix("\r")
    fields = [_CONTROL.sub(" ", field).strip() for field in text.split("|")]
    if len(fields) < FIXED_FIELDS:
        return "fewer than five fields"
    time, callid, queue, agent, event, *data = fields
    found = _TIME.fullmatch(time)
    if found is None:
        return "the first field is no time"
    if not callid or not event:
        return "no call id or no event"
    if not _EVENT.fullmatch(event):
        return "the fifth field is no event"
    at_us = int(found[1]) * 1_000_000 + int((found[2] or "").ljust(6, "0")[:6])
    while data and not data[-1]:
        data.pop()
    return QueueRow(at_us, callid, queue, agent, event, tuple(data))


class QueueLogParser:
    """Puts the file's bytes together; what has no line end yet waits for it.

    Attributes:
        lines: lines seen so far, blank ones too.
        pending_bytes: of the line that has not ended.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._overlong = False
        self.lines = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes of the last line while it has no end (an overlong one is not kept)."""
        return len(self._rest)

    def feed(self, data: bytes) -> Parsed:
        """Add the next piece, of any size."""
        *lines, rest = (self._rest + data).split(b"\n")
        parsed = [self._line(line) for line in lines]
        self._rest = rest
        if len(rest) > MAX_LINE_BYTES:  # nothing more of it is needed to refuse it
            self._rest, self._overlong = rest[: MAX_LINE_BYTES + 1], True
        return _together(parsed)

    def finish(self) -> Parsed:
        """The file has ended: a last line without an end was cut off while it was written, and is refused."""
        blank = not self._rest.strip() and not self._overlong
        self._rest, self._overlong = b"", False
        if blank:
            return Parsed()
        self.lines += 1
        return Parsed(rejected=(RejectedLine(self.lines, "the last line has no end"),), read=1)

    def _line(self, line: bytes) -> Parsed:
        self.lines += 1
        overlong, self._overlong = self._overlong, False
        if not line.strip() and not overlong:
            return Parsed()
        row = parse_line(line)
        if isinstance(row, QueueRow):
            return Parsed(rows=(row,), read=1)
        return Parsed(rejected=(RejectedLine(self.lines, row),), read=1)


def _together(parts: list[Parsed]) -> Parsed:
    return Parsed(
        rows=tuple(row for part in parts for row in part.rows),
        rejected=tuple(line for part in parts for line in part.rejected),
        read=sum(part.read for part in parts),
    )

"""A row of the PBX's queue log, as facts.

Takes nothing, gives the types that the parser makes, the store keeps and `analytics.contacts` folds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

NO_CALL: Final = "NONE"
"""What stands in the call's place in rows that belong to no call."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One fact of one caller in one queue.

    Attributes:
        at_us: microseconds since 1970-01-01 UTC, by the PBX's wall clock.
        callid: the PBX's id of the caller's channel ("NONE" for rows that belong to no call).
        agent: who answered, "NONE" where nobody did.
        event: "ENTERQUEUE", "CONNECT", ...
        data: fields after the event. The caller's number (second field of ENTERQUEUE) is a keyed hash in every row
            that is stored.
    """

    at_us: int
    callid: str
    queue: str
    agent: str
    event: str
    data: tuple[str, ...] = ()

    @property
    def at(self) -> datetime:
        """The time, aware UTC."""
        return EPOCH + timedelta(microseconds=self.at_us)

    @property
    def key(self) -> str:
        """Hex SHA-256 of all fields: two rows with one key are one row, read twice."""
        text = "\x1f".join((str(self.at_us), self.callid, self.queue, self.agent, self.event, *self.data))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that is no row.

    Attributes:
        line: counts from 1 within the file.
        why: short, without anything of the line's content.
    """

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far a queue log has been read.

    Attributes:
        inode: of the file that `offset` belongs to; 0 when nothing was read yet.
        offset: bytes read, always the end of a line.
        tail: hex of the last bytes before `offset`, to notice a file that was emptied and has grown again.
        read_at: when the end of the existing file was last seen, None when never.
    """

    inode: int = 0
    offset: int = 0
    tail: str = ""
    read_at: datetime | None = None

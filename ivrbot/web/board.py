"""The board of live calls: what each call is about just now, built from events as they are recorded.

Takes the recorder's events of all calls, gives JSON rows. Transcripts in events are masked already.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.people import Person

LAST_LINES: Final = 6
KEPT_ENDED: Final = 8
MAX_CALLS: Final = 500
REFRESH_S: Final = 0.25
_COPIED: Final = (
    "gateway",
    "language",
    "topic",
    "branch",
    "arm",
    "stage",
    "level",
    "disposition",
    "reason",
    "escalated_to",
    "dossier",
)
"""What a row takes over from any event that has it."""

_SAID: Final = {
    EventType.BOT_SAID: "bot",
    EventType.CALLER_SAID: "caller",
    EventType.KEYS_PRESSED: "caller",
}


@dataclass(slots=True)
class _Row:
    call_id: str
    gateway: str = ""
    language: str = ""
    topic: str = ""
    branch: str = ""
    arm: str = ""
    stage: str = ""
    level: str = ""
    started_s: float = 0.0
    ended_s: float = 0.0
    disposition: str = ""
    reason: str = ""
    escalated_to: str = ""
    dossier: str = ""
    branches: set[str] = field(default_factory=set)
    lines: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def as_json(self, now_s: float) -> dict[str, Any]:
        """What the page shows; "duration_s" stands still after the end."""
        end_s = self.ended_s or now_s
        return {
            "call_id": self.call_id,
            "gateway": self.gateway,
            "language": self.language,
            "topic": self.topic,
            "branch": self.branch,
            "arm": self.arm,
            "stage": self.stage,
            "level": self.level,
            "duration_s": int(end_s - self.started_s),
            "live": not self.ended_s,
            "disposition": self.disposition,
            "reason": self.reason,
            "escalated_to": self.escalated_to,
            "dossier": self.dossier,
            "lines": list(self.lines),
        }


class LiveBoard:
    """Rows of running calls and of the last ones that ended.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: OrderedDict[str, _Row] = OrderedDict()
        self._changed = asyncio.Event()

    def rows(self, person: Person | None = None) -> list[dict[str, Any]]:
        """Running calls first, newest first; those that a person may see."""
        now_s = self._clock()
        found = [row for row in self._rows.values() if person is None or person.sees(frozenset(row.branches))]
        newest = sorted(found, key=lambda row: (bool(row.ended_s), -row.started_s))
        return [row.as_json(now_s) for row in newest]

    def take(self, event: CallEvent) -> None:
        """Follow one event."""
        if event.type is EventType.CALL_STARTED:
            self._rows[event.call_id] = _Row(event.call_id, started_s=self._clock())
        row = self._rows.get(event.call_id)
        if row is None:
            return
        if who := _SAID.get(event.type):
            row.lines.append({"who": who, "text": str(event.data.get("text", ""))})
        self._copy(row, event)
        if isinstance(branch := event.data.get("branch"), str) and branch:
            row.branches.add(branch)
        if event.type is EventType.CALL_ENDED:
            row.ended_s = self._clock()
            self._forget()
        self._changed.set()

    async def watch(self, person: Person | None = None) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The board now and after every change, several at a time in busy times; what a person may see of it."""
        while True:
            yield "", {"calls": self.rows(person)}
            self._changed.clear()
            await self._changed.wait()
            await asyncio.sleep(REFRESH_S)

    @staticmethod
    def _copy(row: _Row, event: CallEvent) -> None:
        for name in _COPIED:
            value = event.data.get(name)
            if isinstance(value, str) and value and (name != "reason" or event.type is EventType.CALL_ENDED):
                setattr(row, name, value)

    def _forget(self) -> None:
        ended = [name for name, row in self._rows.items() if row.ended_s]
        too_many = ended[: max(len(ended) - KEPT_ENDED, len(self._rows) - MAX_CALLS, 0)]
        for name in too_many:
            del self._rows[name]

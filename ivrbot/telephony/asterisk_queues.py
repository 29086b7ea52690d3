"""How Asterisk's queues stand: members, callers and what a new caller has to expect.

Takes an AMI connection, gives `QueueState`s; one answer serves everybody for some seconds. The arithmetic is pure
(`queue_states`), so that it can be read and tested without a PBX.

Source: events QueueParams, QueueMember and QueueEntry of action QueueStatus in the Asterisk documentation; device
states: include/asterisk/devicestate.h.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ivrbot.model.operators import QueueState, expected_wait_s
from ivrbot.telephony.asterisk import AmiControl
from ivrbot.telephony.wire.ami import AmiMessage

log = logging.getLogger(__name__)

KEPT_S: Final = 3.0
"""An answer is asked for again when it is older."""
DEADLINE_S: Final = 0.8

_ABSENT: Final = frozenset(
    {0, 4, 5}
)  # unknown, invalid, unavailable: the shipped queues.conf counts them as nobody
_FREE: Final = 1
"""Not in use."""


@dataclass(slots=True)
class _Queue:
    """What the events say of one queue."""

    weight: int = 0
    hold_s: int = 0
    talk_s: int = 0
    waiting: int = 0
    present: dict[str, bool] = field(default_factory=dict)  # operator's interface: is he free


def queue_states(events: Iterable[AmiMessage], as_of: datetime) -> dict[str, QueueState]:
    """States of all queues.

    Callers of other queues with the same operators, and of no less weight, stand in front as well: operators who
    serve every queue (as shipped) would else look as if they were there for one.

    Args:
        events: of one QueueStatus, in any order.
        as_of: when it was answered.
    """
    queues: dict[str, _Queue] = defaultdict(_Queue)
    for event in events:
        queue = queues[event.get("Queue")]
        match event.get("Event"):
            case "QueueParams":
                queue.weight, queue.hold_s, queue.talk_s = (
                    _number(event.get(name)) for name in ("Weight", "Holdtime", "TalkTime")
                )
            case "QueueMember":
                status = _number(event.get("Status"))
                if status not in _ABSENT and event.get("Paused") != "1":
                    interface = event.get("StateInterface") or event.get("Location")
                    queue.present[interface] = status == _FREE and event.get("InCall") != "1"
            case "QueueEntry":
                queue.waiting += 1
            case _:
                pass
    return {name: _state(name, queues, as_of) for name in queues if name}


def callers_ahead(events: Iterable[AmiMessage], queue: str, waited_s: float) -> int:
    """Callers who stand before one who has waited so long: the place of the last who came before him.

    Urgent callers stand in front without having waited; whoever stands behind them does so for all.
    """
    places = [0]
    for event in events:
        stands_there = event.get("Event") == "QueueEntry" and event.get("Queue") == queue
        if stands_there and _number(event.get("Wait")) > waited_s:
            places.append(_number(event.get("Position")))
    return max(places)


def _state(name: str, queues: Mapping[str, _Queue], as_of: datetime) -> QueueState:
    own = queues[name]
    rivals = [one for one in queues.values() if one is not own and one.present.keys() & own.present.keys()]
    ahead = own.waiting + sum(one.waiting for one in rivals if one.weight >= own.weight)
    talks = [one.talk_s for one in (own, *rivals) if one.talk_s > 0]
    free = sum(own.present.values())
    return QueueState(
        queue=name,
        waiting=own.waiting,
        operators=len(own.present),
        free=free,
        hold_s=float(own.hold_s) if own.hold_s > 0 else None,
        expected_wait_s=expected_wait_s(
            operators=len(own.present),
            free=free,
            ahead=ahead,
            talk_s=own.talk_s or (sum(talks) / len(talks) if talks else 0.0),
            hold_s=own.hold_s,
        ),
        as_of=as_of,
    )


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


class AsteriskQueues:
    """States of an Asterisk's queues, asked for when somebody wants them.

    Args:
        ami: the connection; its `run` is somebody else's task.
        now: aware UTC clock.
        monotonic: seconds of a clock that never jumps.
    """

    def __init__(self, ami: AmiControl, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._ami = ami
        self._now = now
        self._monotonic = monotonic
        self._known: dict[str, QueueState] = {}
        self._asked_s = -KEPT_S
        self._lock = asyncio.Lock()

    async def state(self, queue: str) -> QueueState | None:
        """State of a queue; None when it is not known now (no connection, no answer in time, no such queue)."""
        try:
            async with asyncio.timeout(DEADLINE_S), self._lock:
                if self._monotonic() - self._asked_s >= KEPT_S:
                    await self._refresh()
                return self._known.get(queue)
        except TimeoutError:
            log.warning("the PBX did not tell its queues in time")
            return None

    async def ahead(self, queue: str, waited_s: float) -> int | None:
        """How many callers of a queue wait longer than so many seconds, those of higher priority included.

        Returns:
            None when it is not known now.
        """
        try:
            async with asyncio.timeout(DEADLINE_S):
                events = await self._ami.ask_list("QueueStatus")
        except TimeoutError:
            return None
        return None if events is None else callers_ahead(events, queue, waited_s)

    async def _refresh(self) -> None:
        self._known = {}  # what is old is not told when the PBX is away
        events: Sequence[AmiMessage] | None = await self._ami.ask_list("QueueStatus")
        if events is not None:
            self._known = queue_states(events, self._now())
            self._asked_s = self._monotonic()

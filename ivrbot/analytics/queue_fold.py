"""What people did with one caller, folded from the rows of his queues.

Takes rows in any order, also repeated, gives a `HumanPart`. Durations come from the rows' own fields; differences
of wall times count only where they agree with them, so that a step of the PBX's clock hurts nothing. Pure.

Source: the fields of each event as Asterisk's app_queue writes them ("Queue Logs" in its documentation).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from ivrbot.model.contact import EndedBy, HumanPart, Unserved
from ivrbot.model.queue import QueueRow

_LEAVES: Final = {
    "ABANDON": Unserved.ABANDONED,
    "EXITWITHTIMEOUT": Unserved.TIMED_OUT,
    "EXITEMPTY": Unserved.QUEUE_EMPTY,
    "EXITWITHKEY": Unserved.LEFT_BY_KEY,
}
_WAITED_AT: Final = {"ABANDON": 2, "EXITWITHTIMEOUT": 2, "EXITEMPTY": 2, "EXITWITHKEY": 3}
_TRANSFERS: Final = frozenset({"TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER"})
_COMPLETES: Final = {"COMPLETECALLER": EndedBy.CALLER, "COMPLETEAGENT": EndedBy.AGENT}

# Within one second: whoever leaves a queue does so before he enters the next, answers come after entering.
_RANK: Final = {**dict.fromkeys(_LEAVES, 0), "ENTERQUEUE": 1, "CONNECT": 2}

ROUNDING_S: Final = 2.0
BETWEEN_QUEUES_S: Final = 60.0
"""Announcements between two queues take no longer; a longer gap is a clock that was set."""

SCORE_EVENT: Final = "BOTSCORE"
"""Row of the dialplan with the caller's score after the call: `QueueLog(queue,uniqueid,NONE,BOTSCORE,4)`; 0: none
was given."""


def in_order(rows: Iterable[QueueRow]) -> tuple[QueueRow, ...]:
    """Each row once, by time, and within one second in the order in which they must have happened."""
    return tuple(sorted(set(rows), key=lambda row: (row.at_us, _RANK.get(row.event, 3), row.key)))


def fold_queue(rows: Iterable[QueueRow], asked_at: datetime | None = None) -> HumanPart | None:
    """One caller's way through the queues.

    Args:
        rows: of one caller; other events than those of `app_queue` are ignored.
        asked_at: when a person was asked for; None: when the first queue was entered.

    Returns:
        None when there is neither a row of a queue nor a moment of asking.
    """
    ordered = in_order(rows)
    enters = [row for row in ordered if row.event == "ENTERQUEUE"]
    connects = [row for row in ordered if row.event == "CONNECT"]
    talks = [row for row in ordered if row.event in _COMPLETES or row.event in _TRANSFERS]
    leaves = [row for row in ordered if row.event in _LEAVES]
    told = [*enters, *connects, *talks, *leaves]
    if not told:
        return None if asked_at is None else HumanPart(asked_at)
    entered_at = min(row.at for row in told)
    return HumanPart(
        asked_at=asked_at or entered_at,
        entered_at=entered_at,
        connected_at=connects[0].at if connects else None,
        wait_s=_wait_s(enters, connects, leaves),
        talk_s=sum(_talk_s(row) for row in talks),
        ended_by=_ended_by(enters, connects, talks, leaves),
        unserved=_unserved(enters, connects, leaves),
        transfers=sum(row.event in _TRANSFERS for row in talks),
    )


def score_of(rows: Iterable[QueueRow]) -> int | None:
    """The caller's last score, 1 to 5."""
    scores = [row.data[0] for row in in_order(rows) if row.event == SCORE_EVENT and row.data]
    valid = [int(text) for text in scores if text in {"1", "2", "3", "4", "5"}]
    return valid[-1] if valid else None


def score_asked(rows: Iterable[QueueRow]) -> bool:
    """Whether the caller was asked for a score, whatever he answered."""
    return any(row.event == SCORE_EVENT for row in rows)


def closed(part: HumanPart) -> bool:
    """Nothing more is to come, unless the caller is passed on."""
    return part.ended_by is not None


def last_at(rows: Iterable[QueueRow]) -> datetime | None:
    """Time of the newest row of the call itself."""
    return max((row.at for row in rows if row.event not in {"BOTCTX", SCORE_EVENT}), default=None)


def _field(row: QueueRow, at: int) -> float:
    """A field in seconds; 0 where it is missing or no number."""
    try:
        value = float(row.data[at])
    except (IndexError, ValueError):
        return 0.0
    return value if 0 <= value < 86_400 * 7 else 0.0


def _talk_s(row: QueueRow) -> float:
    # COMPLETE*: wait|talk|position; transfers: ...|wait|talk|position
    return _field(row, 1) if row.event in _COMPLETES else _field(row, -2)


def _wait_s(enters: list[QueueRow], connects: list[QueueRow], leaves: list[QueueRow]) -> float | None:
    """From the first queue to the first person, or to the last giving up; None while he waits."""
    if connects:
        first = connects[0]
        before = [row for row in leaves if row.at_us <= first.at_us]
        recorded_s, until = _field(first, 0), first.at
    elif leaves and len(leaves) >= len(enters):
        before, recorded_s, until = leaves, 0.0, leaves[-1].at
    else:
        return None
    recorded_s += sum(_field(row, _WAITED_AT[row.event]) for row in before)
    if not enters:
        return recorded_s
    wall_s = (until - enters[0].at) / timedelta(seconds=1)
    plausible = recorded_s - ROUNDING_S <= wall_s <= recorded_s + ROUNDING_S + BETWEEN_QUEUES_S * len(before)
    return max(0.0, wall_s) if plausible else recorded_s


def _ended_by(
    enters: list[QueueRow], connects: list[QueueRow], talks: list[QueueRow], leaves: list[QueueRow]
) -> EndedBy | None:
    """Who ended it; None while there is a visit without an end."""
    if len(enters) > len(leaves) + max(len(connects), len(talks)) or len(connects) > len(talks):
        return None
    last = max([*talks, *leaves], key=lambda row: (row.at_us, _RANK.get(row.event, 3)), default=None)
    if last is None:
        return None
    if last.event in _COMPLETES:
        return _COMPLETES[last.event]
    if last.event in _TRANSFERS:
        return EndedBy.TRANSFER
    return EndedBy.CALLER if last.event in {"ABANDON", "EXITWITHKEY"} else EndedBy.SYSTEM


def _unserved(enters: list[QueueRow], connects: list[QueueRow], leaves: list[QueueRow]) -> Unserved | None:
    """Why the last attempt reached nobody; None when it did, or still waits."""
    since_us = connects[-1].at_us if connects else -1
    later = [row for row in leaves if row.at_us > since_us]
    waiting = len(enters) > len(leaves) + len(connects)
    return _LEAVES[later[-1].event] if later and not waiting else None

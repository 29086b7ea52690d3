"""Which worker takes the next connection: the one with the fewest calls that has the room and strength for more.

Takes what workers say of themselves, gives yes or no. Pure: the clock is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

FRESH_S: Final = 1.5
"""What a worker has not said again for so long is not counted on: it may be stuck."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker says of its calls.

    Attributes:
        live: ids of calls that it has.
        held: places with the bot, by call and branch (see `rollout.drawing.eligibility`).
        able: it takes new calls, and has the strength for one more.
        at_s: when this was said, monotonic.
    """

    live: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    able: bool = True
    at_s: float = 0.0


def fresh(loads: Iterable[Load], now_s: float) -> list[Load]:
    """Loads that can be counted on."""
    return [load for load in loads if now_s - load.at_s <= FRESH_S]


def takes_next(own: Load, others: Iterable[Load], most: int, now_s: float) -> bool:
    """Whether this worker takes the next connection that comes.

    Somebody always does: a connection that nobody takes is a caller who hears nothing, and is refused too late.

    Args:
        own: of this worker.
        others: of the others, as last heard.
        most: calls that are one worker's part.
        now_s: monotonic.
    """
    ready = [load for load in fresh(others, now_s) if load.able and len(load.live) < most]
    if not ready:
        return True
    if not own.able or len(own.live) >= most:
        return False
    return len(own.live) <= min(len(load.live) for load in ready)


def least_busy(own: Load, others: Mapping[int, Load], most: int, now_s: float) -> int | None:
    """Number of the worker to whom a connection that came here is given; None: it stays here."""
    if takes_next(own, others.values(), most, now_s):
        return None
    able = [number for number, load in others.items() if load.able and fresh([load], now_s)]
    return min(able, key=lambda number: len(others[number].live), default=None)

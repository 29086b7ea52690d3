"""Who serves which caller now: what an operator may change at the bank is the affair of the caller in his hand.

Takes names and a clock, gives yes or no. Kept in the process only: after a restart callers are taken in
hand again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

HAND_S: Final = 3600.0
"""A caller stays in hand no longer; a talk and the work after it end before."""
MAX_HELD: Final = 2000


@dataclass(frozen=True, slots=True)
class _Held:
    who: str
    since_s: float


class Hands:
    """Dossiers in operators' hands.

    Args:
        monotonic: seconds of a clock that never jumps.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._held: dict[str, _Held] = {}

    def take(self, dossier_id: str, who: str) -> bool:
        """Take a caller in hand; False while a colleague has him."""
        self._forget()
        held = self._held.get(dossier_id)
        if held is not None and held.who != who:
            return False
        self._held[dossier_id] = held or _Held(who, self._monotonic())
        return True

    def holds(self, dossier_id: str, who: str) -> bool:
        """Whether this operator has the caller in hand."""
        self._forget()
        held = self._held.get(dossier_id)
        return held is not None and held.who == who

    def give_back(self, dossier_id: str, who: str) -> None:
        """The caller's affair is closed; a colleague's is left alone."""
        if self.holds(dossier_id, who):
            del self._held[dossier_id]

    def _forget(self) -> None:
        oldest_s = self._monotonic() - HAND_S
        for name, held in list(self._held.items()):
            if held.since_s <= oldest_s or len(self._held) > MAX_HELD:
                del self._held[name]

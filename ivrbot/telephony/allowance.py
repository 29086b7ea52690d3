"""How much a peer may send: bounded buckets against floods.

Takes amounts and moments, gives yes or no; pure.
"""

from __future__ import annotations


class Allowance:
    """Bounded bucket: whether a peer may send so much of something now.

    Starts full with `most`, fills up by `per_s` every second, never above `most`.
    """

    __slots__ = ("_left", "_most", "_per_s", "_then_s")

    def __init__(self, most: int, per_s: float, now_s: float) -> None:
        self._most = most
        self._left = float(most)
        self._per_s = per_s
        self._then_s = now_s

    def take(self, wanted: int, now_s: float) -> bool:
        """Take `wanted`, or nothing when it is not there."""
        left = self._left + (now_s - self._then_s) * self._per_s
        self._left = left if left < self._most else self._most
        self._then_s = now_s
        if self._left < wanted:
            return False
        self._left -= wanted
        return True

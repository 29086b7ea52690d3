"""Error rates of a test that accepts above a threshold: voices of owners against voices of others.

Takes scores of genuine and impostor trials, gives rates, the point where both are equal, the curve between them
and thresholds for a wanted rate. Pure.

Sources: A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997; for how
little a finite set can show, J. A. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all right?"
(1983), the rule of three.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RULE_OF_THREE: Final = 3.0


@dataclass(frozen=True, slots=True)
class Rates:
    """At one threshold: trials at or above it are accepted.

    Attributes:
        false_accepts: impostor trials that were accepted, of `impostors`.
        false_rejects: genuine trials that were not, of `genuines`.
    """

    threshold: float
    false_accepts: int
    impostors: int
    false_rejects: int
    genuines: int

    @property
    def far(self) -> float:
        """Share of impostor trials accepted."""
        return self.false_accepts / self.impostors

    @property
    def frr(self) -> float:
        """Share of genuine trials rejected."""
        return self.false_rejects / self.genuines


class Scores:
    """Trials, sorted once."""

    def __init__(self, genuine: Sequence[float], impostor: Sequence[float]) -> None:
        """Take the scores of all trials.

        Raises:
            ValueError: a side without trials, or a score that is not a number.
        """
        if not genuine or not impostor or not all(map(math.isfinite, (*genuine, *impostor))):
            raise ValueError("error rates need finite scores of genuine and of impostor trials")
        self._genuine = sorted(genuine)
        self._impostor = sorted(impostor)

    def at(self, threshold: float) -> Rates:
        """Both rates at a threshold."""
        accepted = len(self._impostor) - bisect_left(self._impostor, threshold)
        rejected = bisect_left(self._genuine, threshold)
        return Rates(threshold, accepted, len(self._impostor), rejected, len(self._genuine))

    def equal_error(self) -> tuple[float, float]:
        """The rate at which both kinds of error are equally frequent, and the threshold next to it.

        Where both rates jump past each other between two thresholds, the straight line between them is followed.
        """
        candidates = sorted({*self._genuine, *self._impostor})
        candidates.append(math.nextafter(candidates[-1], math.inf))
        # far - frr falls from 1 to -1 as the threshold rises, so its change of sign is found by halving.
        low, high = 0, len(candidates) - 1
        while low < high:
            middle = (low + high) // 2
            rates = self.at(candidates[middle])
            if rates.far > rates.frr:
                low = middle + 1
            else:
                high = middle
        before, after = self.at(candidates[low - 1]), self.at(candidates[low])
        past, still = before.far - before.frr, after.frr - after.far
        part = past / (past + still)
        return before.far + part * (after.far - before.far), after.threshold

    def curve(self, points: int) -> tuple[Rates, ...]:
        """The trade-off at evenly spaced thresholds from the lowest score to the highest."""
        lowest = min(self._genuine[0], self._impostor[0])
        highest = max(self._genuine[-1], self._impostor[-1])
        step = (highest - lowest) / max(points - 1, 1)
        return tuple(self.at(lowest + step * place) for place in range(points))

    def for_far(self, wanted: float) -> Rates | None:
        """The lowest threshold that keeps false accepts at or below a share.

        Args:
            wanted: share, between 0 and 1.

        Returns:
            The rates there; None when the trials are too few to show such a share (fewer than 3 / wanted).
        """
        if wanted <= 0 or len(self._impostor) * wanted < RULE_OF_THREE:
            return None
        allowed = math.floor(len(self._impostor) * wanted)
        # Just above the highest score that has to stay out; equal scores stay out together.
        edge = self._impostor[len(self._impostor) - allowed - 1]
        return self.at(math.nextafter(edge, math.inf))

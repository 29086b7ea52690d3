"""How much optional work is left out, by measured load: up a step at once, down a step when it has long been calm.

Takes one look at the process after the other, gives the step in force. What is left out saves work, and the load
falls: were it taken up again at once, it would come back at once. So a step is taken back only after a time of
calm, and that time doubles whenever the load returns soon. Pure: the clock is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ivrbot.model.capacity import Ease

RISE_LOOKS: Final = 2
"""Looks in a row over a bar before a step: one may be a hiccup."""
CALM: Final = 0.6
"""Share of a bar below which a look is calm."""
HOLD_S: Final = 10.0
"""Calm before a step is taken back."""
LONGEST_HOLD_S: Final = 300.0
SOON_S: Final = 60.0
"""Load that returns within this time after a step was taken back has been kept down by the step."""


@dataclass(frozen=True, slots=True)
class StrainBars:
    """From where on a measure is too much.

    Attributes:
        wait_s: wait of a reading for a recogniser, seconds.
        processor: share of the processors that this process uses, 0..1.
        lag_s: how late the event loop comes back, seconds.
    """

    wait_s: float
    processor: float
    lag_s: float


@dataclass(frozen=True, slots=True)
class StrainLook:
    """The same measures of the last moment."""

    wait_s: float
    processor: float
    lag_s: float


def pressure(look: StrainLook, bars: StrainBars) -> tuple[float, str]:
    """The measure that is nearest to its bar, or farthest beyond: as a share of it, and its name."""
    shares = {
        "wait": look.wait_s / bars.wait_s,
        "processor": look.processor / bars.processor,
        "lag": look.lag_s / bars.lag_s,
    }
    name = max(shares, key=lambda one: shares[one])
    return shares[name], name


class Easing:
    """The step in force.

    Args:
        bars: from where on a measure is too much.
    """

    def __init__(self, bars: StrainBars) -> None:
        self._bars = bars
        self._over = 0
        self._calm_since_s: float | None = None
        self._hold_s = HOLD_S
        self._eased_s = float("-inf")
        self.step = Ease.ALL
        self.why = ""
        """The measure that led to the step in force, "" when nothing is left out."""

    def look(self, look: StrainLook, now_s: float) -> Ease:
        """The step from now on.

        Args:
            look: measures of the last moment.
            now_s: of a clock that does not go back.
        """
        share, name = pressure(look, self._bars)
        self._over = self._over + 1 if share >= 1.0 else 0
        if share >= CALM:
            self._calm_since_s = None
        elif self._calm_since_s is None:
            self._calm_since_s = now_s
        if self._over >= RISE_LOOKS and self.step < Ease.NO_DIPS:
            self._rise(name, now_s)
        elif self._calm_since_s is not None and now_s - self._calm_since_s >= self._hold_s:
            self._fall(now_s)
        return self.step

    def _rise(self, name: str, now_s: float) -> None:
        if now_s - self._eased_s < SOON_S + self._hold_s:
            self._hold_s = min(2 * self._hold_s, LONGEST_HOLD_S)
        # Doubled once for a return, not for each step that it takes.
        self._eased_s = float("-inf")
        self.step, self.why, self._over = Ease(self.step + 1), name, 0

    def _fall(self, now_s: float) -> None:
        self._calm_since_s = now_s
        if self.step is Ease.ALL:
            # Calm for a whole hold with everything done: the load has really gone.
            if now_s - self._eased_s >= SOON_S + self._hold_s:
                self._hold_s = HOLD_S
            return
        self.step, self._eased_s = Ease(self.step - 1), now_s
        self.why = self.why if self.step is not Ease.ALL else ""

"""One guess at many customers: wrong answers over all of them, against what is usual. Pure.

Takes two tallies and the thresholds of assurance.yml, gives whether it is an attack. The limits of a customer and
of a calling number see nothing of it when customers and numbers change with every call.
"""

from __future__ import annotations

from typing import Final

from ivrbot.identity.policy import Spraying
from ivrbot.model.attempts import Tally

USUAL_OVER_S: Final = 24 * 3600
"""What is usual is learnt from so long a time before the window."""


def usual_failures(day: Tally, rules: Spraying) -> float:
    """Wrong answers of a usual window: the mean over the day before."""
    return day.failures * rules.window_s / USUAL_OVER_S


def is_sprayed(window: Tally, day: Tally, rules: Spraying) -> bool:
    """Whether the wrong answers of a window are an attack on all customers.

    Args:
        window: failures of the last `rules.window_s`.
        day: failures of `USUAL_OVER_S` before it.
        rules: in force.
    """
    return (
        window.failures >= rules.failures
        and window.calls >= rules.calls
        and window.failures >= rules.times_usual * usual_failures(day, rules)
    )

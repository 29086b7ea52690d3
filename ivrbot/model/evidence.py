"""What decisions of the rollout rest on: rows of units, verdicts, decisions.

Takes nothing, gives types that analytics fill, `rollout` judges and the audit keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Verdict(StrEnum):
    """What the evidence says. Missing, immature or stale data is inconclusive, a failed query an error."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class Step(StrEnum):
    """What follows from a verdict and the plan."""

    ADVANCE = "advance"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, eq=False)
class UnitRows:
    """First exposures of one branch in one epoch, one row per unit, oldest first; columns of equal length n.

    Attributes:
        at_us: int64[n], time of the first exposure, microseconds since 1970-01-01 UTC.
        stage: int64[n], index into `stages`: the rung at that exposure.
        stages: names of rungs.
        treated: bool[n], True for the bot's arm.
        propensity: float64[n], probability of the bot that was logged with the exposure.
        values: float64[n] per KPI in its raw unit; NaN where there is no value (not mature yet, or missing).
        trunk: str[n] per row, "" where unknown; None when nothing is known of it.
        prefix: str[n], first digits of the caller's number; None when nothing is known of it.
    """

    at_us: NDArray[np.int64]
    stage: NDArray[np.int64]
    stages: tuple[str, ...]
    treated: NDArray[np.bool_]
    propensity: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    trunk: NDArray[np.str_] | None = None
    prefix: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How new the newest data of a branch is.

    Attributes:
        bot_at: newest closed contact of the bot's arm, None when there is none.
        human_at: newest closed contact of the operators' arm, None when there is none.
        human_source_at: until when the operators' data is known to be complete (queue_log read so far); None when
            nothing delivers it.
    """

    bot_at: datetime | None = None
    human_at: datetime | None = None
    human_source_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShadowEvidence:
    """What shadow calls of a branch showed; synthetic calls are not in it.

    Attributes:
        n: real calls with both a prediction and an operator's disposition.
        correct: of these, how many had the same topic.
        synthetic: labelled calls left out.
        would_resolve: of n, calls that the bot would have served to the end.
        would_escalate: of n, calls that it would have handed over.
    """

    n: int = 0
    correct: int = 0
    synthetic: int = 0
    would_resolve: int = 0
    would_escalate: int = 0

    @property
    def accuracy(self) -> float | None:
        """Share of right topics, None without calls."""
        return self.correct / self.n if self.n else None

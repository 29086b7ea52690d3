"""What reports are made of: a contact's facts on their way out of the store, and figures on their way to a page.

Takes nothing, gives frozen types that the store fills, `analytics` folds and `reports` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FactRow:
    """One contact as stored, with its exposure if it was drawn.

    Attributes:
        started_us, ended_us, asked_us, exposed_us: microseconds since 1970 UTC; 0: never.
        entered: a queue's row is known.
        numbers: float32 little-endian, one per name of `contact_columns.OWN_FIELDS`, in their order.
        disposition, reason: of the bot's part, "" without one.
        nobody: why nobody was reached, "" when somebody was.
        gaps_ms: response gaps.
        queue: where the bot sent the caller, "" when it did not.
        arm: "treatment", "control", or "" when not drawn.
        first: the first exposure of its unit in branch and epoch.
        qa_score: 0..100, None where nobody has scored the call.
    """

    call_id: str
    branch: str
    unit: str
    origin: str
    started_us: int
    ended_us: int
    asked_us: int
    entered: bool
    numbers: bytes
    topic: str
    disposition: str
    reason: str
    nobody: str
    gaps_ms: Sequence[int]
    queue: str
    arm: str
    propensity: float
    stage: str
    epoch: int
    exposed_us: int
    prefix: str
    trunk: str
    first: bool
    qa_score: float | None = None

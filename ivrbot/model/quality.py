"""Calls drawn for scoring, and the scores that people give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Why(StrEnum):
    """Why a call is in the sample."""

    DRAWN = "drawn"
    COMPLAINT = "complaint"
    THANKS = "thanks"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A call that may be drawn.

    Attributes:
        branch: of its first contact.
        arm: "treatment" (the bot was to serve it) or "control" (operators).
        remark: the caller complained or thanked; such calls are always taken.
    """

    call_id: str
    branch: str
    arm: str
    remark: Why | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """A call that is to be scored.

    Attributes:
        month: "2026-03".
        drawn: by lot; only these are evidence of quality in general.
        twice: two people score it, each without seeing the other's marks.
    """

    month: str
    call_id: str
    branch: str
    arm: str
    why: Why
    drawn: bool
    twice: bool


@dataclass(frozen=True, slots=True)
class QualityScore:
    """What one person says of one call.

    Attributes:
        marks: mark by criterion.
        points: 0..100, by the rubric of `version`.
        note: masked, one line.
    """

    month: str
    call_id: str
    scorer: str
    at: datetime
    marks: Mapping[str, str]
    points: float
    version: int
    note: str = ""

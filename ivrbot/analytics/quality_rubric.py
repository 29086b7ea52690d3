"""The quality rubric: what a call is scored by, in 100 points, the same for the bot and for operators.

Takes nothing, gives `RUBRIC` and `points_of`. Pure. Reasons for criteria, weights and the cap:
docs/reference/quality.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Mark(StrEnum):
    """A scorer's answer to one criterion."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    NOT_APPLICABLE = "na"


SHARE: Final[Mapping[Mark, float]] = {Mark.YES: 1.0, Mark.PARTLY: 0.5, Mark.NO: 0.0}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is looked at.

    Attributes:
        name: key of its texts.
        weight: points of 100.
        critical: with the mark "no" the whole call has at most `CRITICAL_CAP` points.
        optional: may be marked as not applicable; the others share its points.
    """

    name: str
    weight: int
    critical: bool = False
    optional: bool = False


RUBRIC: Final = (
    Criterion("greeting", 5),
    Criterion("identification", 15, critical=True, optional=True),
    Criterion("understanding", 20),
    Criterion("correctness", 25, optional=True),
    Criterion("effort", 10),
    Criterion("tone", 10),
    Criterion("closing", 5, optional=True),
    Criterion("compliance", 10, critical=True),
)
RUBRIC_VERSION: Final = 1
"""Kept with every score; scores of different versions are not put into one figure."""
CRITICAL_CAP: Final = 40.0
BY_NAME: Final[Mapping[str, Criterion]] = {criterion.name: criterion for criterion in RUBRIC}

Marks = Mapping[str, Mark]
"""Marks by criterion."""


def problems_of(marks: Marks) -> tuple[tuple[str, str], ...]:
    """What is wrong with a scorer's answers: (criterion, code); empty when they can be counted."""
    found = [(name, "unknown") for name in marks if name not in BY_NAME]
    for criterion in RUBRIC:
        mark = marks.get(criterion.name)
        if mark is None:
            found.append((criterion.name, "missing"))
        elif mark is Mark.NOT_APPLICABLE and not criterion.optional:
            found.append((criterion.name, "always_applies"))
    return tuple(found)


def points_of(marks: Marks) -> float:
    """0 to 100: the weighted share of what applies, capped when something critical is wrong.

    Args:
        marks: of every criterion, without `problems_of`.

    Raises:
        ValueError: they have problems.
    """
    if problems := problems_of(marks):
        raise ValueError(f"cannot be counted: {problems}")
    counted = [(criterion, marks[criterion.name]) for criterion in RUBRIC]
    counted = [(criterion, mark) for criterion, mark in counted if mark is not Mark.NOT_APPLICABLE]
    most = sum(criterion.weight for criterion, _ in counted)
    points = 100.0 * sum(criterion.weight * SHARE[mark] for criterion, mark in counted) / most
    failed = any(criterion.critical and mark is Mark.NO for criterion, mark in counted)
    return min(points, CRITICAL_CAP) if failed else points

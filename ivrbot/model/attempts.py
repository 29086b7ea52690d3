"""Counts of failed authentications, as a store keeps them for all processes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reserved:
    """A failure of several subjects that was counted before the answer was judged.

    Attributes:
        rows: what to take back where it was no failure, one for each subject, in their order.
        before: failures of each subject without this one.
    """

    rows: tuple[int, ...]
    before: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """Failures of a subject in a stretch of time.

    Attributes:
        failures: how many.
        calls: in how many calls.
    """

    failures: int
    calls: int

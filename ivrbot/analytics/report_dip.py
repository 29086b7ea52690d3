"""Why a day differs from its neighbours: what each topic, hour, queue or branch contributes.

Takes sums of groups on the day and around it, gives contributions that add up to the whole change. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Sums = tuple[float, float]
"""Values that count, and their sum."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a group contributes to the change of a mean.

    Attributes:
        name: of the group.
        value: its mean on the day; None without contacts.
        usual: its mean around it; None without contacts.
        share: of the day's contacts.
        usual_share: of those around it.
        change: its part of the whole change, in the KPI's unit; all parts add up to it.
    """

    name: str
    value: float | None
    usual: float | None
    share: float
    usual_share: float
    change: float


def parts(day: Mapping[str, Sums], around: Mapping[str, Sums]) -> list[Part]:
    """Contributions, the largest first.

    A group gives share x (mean - M) on the day minus the same around it, M being the mean of everything
    around: what its own mean did and what its size did, together. Summed over all groups this is the day's mean
    minus M.

    Args:
        day: by group.
        around: by group.

    Returns:
        Empty where one of the two sides has no contacts.
    """
    n_day, n_around = (sum(n for n, _ in side.values()) for side in (day, around))
    if not n_day or not n_around:
        return []
    usual = sum(total for _, total in around.values()) / n_around
    found = []
    for name in {*day, *around}:
        n, total = day.get(name, (0.0, 0.0))
        m, before = around.get(name, (0.0, 0.0))
        found.append(
            Part(
                name=name,
                value=total / n if n else None,
                usual=before / m if m else None,
                share=n / n_day,
                usual_share=m / n_around,
                change=(total - n * usual) / n_day - (before - m * usual) / n_around,
            )
        )
    return sorted(found, key=lambda part: (-abs(part.change), part.name))


def odd_days(values: Sequence[tuple[str, float, float]], least: float = 3.0) -> list[str]:
    """Days whose value lies far from the others': by the median and the median absolute deviation.

    Args:
        values: day, value, contacts; days with few contacts are left out by the caller.
        least: deviations in units of 1.4826 MAD from which a day is odd (Iglewicz and Hoaglin 1993 take 3.5).

    Returns:
        The oddest first.
    """
    if len(values) < 5:
        return []
    middle = _median([value for _, value, _ in values])
    spread = 1.4826 * _median([abs(value - middle) for _, value, _ in values])
    if spread <= 0:
        return []
    scored = [(abs(value - middle) / spread, day) for day, value, _ in values]
    return [day for score, day in sorted(scored, reverse=True) if score >= least]


def _median(numbers: Sequence[float]) -> float:
    ordered = sorted(numbers)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

"""What many simulated calls were worth: the document of `ivrbot simulate --json`.

Takes finished calls one by one, gives counts and percentiles. Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from ivrbot.model.call import Disposition
from ivrbot.simulate.outcome import Outcome


@dataclass(slots=True)
class _Tally:
    """Of one goal, or of all."""

    ends: Counter[str] = field(default_factory=Counter)
    served: int = 0
    false_success: int = 0
    unnoticed_success: int = 0
    turns: list[int] = field(default_factory=list)
    solved_s: list[float] = field(default_factory=list)

    def add(self, call: Outcome) -> None:
        self.ends[call.disposition.value] += 1
        self.served += call.truth.served
        claimed = call.disposition is Disposition.RESOLVED
        self.false_success += claimed and not call.truth.served
        lost = call.disposition in (Disposition.ABANDONED, Disposition.FAILED)
        self.unnoticed_success += lost and call.truth.served
        self.turns.append(call.turns)
        if call.solved_ms is not None:
            self.solved_s.append(call.solved_ms / 1000)

    def row(self) -> dict[str, object]:
        return {
            "calls": self.ends.total(),
            **{kind.value: self.ends[kind.value] for kind in Disposition},
            "served": self.served,
            "false_success": self.false_success,
            "unnoticed_success": self.unnoticed_success,
            "turns_p50": median(self.turns) if self.turns else None,
            "solved_s_p50": round(median(self.solved_s), 1) if self.solved_s else None,
        }


class Summary:
    """Counts of a simulation."""

    def __init__(self) -> None:
        self._all = _Tally()
        self._goals: dict[str, _Tally] = {}
        self._gaps_ms: list[float] = []
        self._harms: Counter[str] = Counter()
        self._lies: Counter[str] = Counter()

    def add(self, call: Outcome) -> None:
        """Count a finished call."""
        self._all.add(call)
        self._goals.setdefault(call.persona.goal.name, _Tally()).add(call)
        self._gaps_ms.extend(call.gaps_ms)
        self._harms.update([call.truth.harm] if call.truth.harm else [])
        self._lies.update([call.truth.lie] if call.truth.lie else [])

    def document(self, *, cpu_s: float, through: str) -> dict[str, object]:
        """The whole as one JSON-able document.

        Args:
            cpu_s: processor time of this process.
            through: "text" or "audiosocket".
        """
        return {
            **self._all.row(),
            "through": through,
            "response_gap_ms": {"p50": _percentile(self._gaps_ms, 50), "p95": _percentile(self._gaps_ms, 95)},
            "cpu_s": round(cpu_s, 2),
            "harm": dict(self._harms),
            "lies": dict(self._lies),
            "per_goal": {name: tally.row() for name, tally in sorted(self._goals.items())},
        }


def _percentile(values: list[float], percent: int) -> int | None:
    """Nearest rank."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)])

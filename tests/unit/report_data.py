"""Calls of both arms for reports: facts as the store gives them, from a seed."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ivrbot.analytics.export import Export
from ivrbot.analytics.export_columns import DAY_US, Habits
from ivrbot.model.contact_columns import OWN_FIELDS
from ivrbot.model.report import FactRow

DAY = 20_500
"""Days since 1970: the first day of the data."""
TOPICS = {
    "balance": ("check_balance", "salary_status"),
    "loans": ("loan_info",),
    "other": ("pin_change", "operator"),
}
HABITS = Habits("Europe/Moscow", {"balance": timedelta(days=7), "loans": timedelta(days=3)}, {"balance": 600.0})


def at(day: float) -> datetime:
    """A moment, days after the first one."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=DAY + day)


@dataclass
class FactsInMemory:
    """Facts as a store would give them.

    Attributes:
        asked: days that were read.
    """

    rows: list[FactRow]
    complete_at: datetime | None = None
    marks: dict[int, int] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mark(self.rows)

    def mark(self, rows: Sequence[FactRow]) -> None:
        for day in {row.started_us // DAY_US for row in rows}:
            self.marks[day] = self.marks.get(day, 0) + 1

    async def versions(self) -> dict[int, int]:
        return dict(self.marks)

    async def unmarked_days(self) -> frozenset[int]:
        return frozenset()

    async def of_day(self, day: int) -> list[FactRow]:
        self.asked.append(day)
        first, last = day * DAY_US - 7_200_000_000, (day + 1) * DAY_US + 7_200_000_000
        return [row for row in self.rows if first <= row.started_us < last]

    async def human_complete_at(self) -> datetime | None:
        return self.complete_at


def export_of(folder: Path, source: FactsInMemory, now: datetime, habits: Habits = HABITS) -> Export:
    return Export(folder, source, lambda: habits, lambda: now)


def packed(**values: float) -> bytes:
    unknown = {"wait_s", "solved_s", "score", "misroute", "gap_p50_ms"}
    filled = {name: values.get(name, math.nan if name in unknown else 0.0) for name in OWN_FIELDS}
    return struct.pack(f"<{len(filled)}f", *filled.values())


def fact(call_id: str, day: float, **changes: object) -> FactRow:
    """A bot call of branch balance that was served."""
    started = int((DAY + day) * DAY_US)
    numbers = packed(outcome=1, closed=1, with_bot=1, bot_done=1, duration_s=60, solved_s=40, bot_s=60)
    values: dict[str, object] = {
        "call_id": call_id,
        "branch": "balance",
        "unit": f"unit-{call_id}",
        "origin": "product",
        "started_us": started,
        "ended_us": started + 60_000_000,
        "asked_us": 0,
        "entered": False,
        "numbers": numbers,
        "topic": "check_balance",
        "disposition": "resolved",
        "reason": "served",
        "nobody": "",
        "gaps_ms": (300, 500),
        "queue": "",
        "arm": "treatment",
        "propensity": 0.5,
        "stage": "half",
        "epoch": 1,
        "exposed_us": started,
        "prefix": "+7916",
        "trunk": "",
        "first": True,
    }
    return FactRow(**(values | changes))  # type: ignore[arg-type]


def random_facts(seed: int, days: int, per_day: int, callers: int) -> list[FactRow]:
    """Everything that can happen to a call, more often than it does."""
    rng = random.Random(seed)
    rows = []
    exposed: set[tuple[str, str]] = set()
    starts = sorted(rng.uniform(0, days) for _ in range(days * per_day))
    for number, day in enumerate(starts):
        branch = rng.choice(("balance", "balance", "loans", "other", ""))
        topic = rng.choice(TOPICS[branch]) if branch else ""
        unit = f"unit-{rng.randrange(callers)}"
        arm = rng.choice(("treatment", "control", "")) if branch in {"balance", "loans"} else ""
        first = bool(arm) and (branch, unit) not in exposed
        if arm:
            exposed.add((branch, unit))
        rows.append(_random_fact(rng, f"call-{number}", day, branch, topic, unit, arm, first))
    return rows


def _random_fact(
    rng: random.Random, call_id: str, day: float, branch: str, topic: str, unit: str, arm: str, first: bool
) -> FactRow:
    asked, reached = rng.random() < 0.5, rng.random() < 0.8
    is_open = rng.random() < 0.03
    nobody = "" if not asked or reached else rng.choice(("abandoned", "timed_out", "queue_empty"))
    outcome = math.nan if is_open else float(rng.random() < 0.6 and not nobody)
    duration = rng.uniform(2, 900)
    numbers = packed(
        outcome=outcome,
        closed=float(not is_open),
        with_bot=1,
        asked=asked,
        connected=asked and reached,
        escalated=asked and arm == "treatment",
        unserved=0 if not nobody else 1 if nobody == "abandoned" else 2,
        transfers=rng.random() < 0.1,
        left_by_caller=rng.random() < 0.4,
        wait_s=rng.uniform(0, 60) if asked and reached else math.nan,
        unserved_wait_s=rng.uniform(0, 20) if nobody else 0,
        duration_s=duration,
        solved_s=duration * 0.7 if outcome == 1 else math.nan,
        bot_s=rng.uniform(5, 60),
        talk_s=rng.uniform(0, 300) if asked else 0,
        after_work_s=rng.uniform(0, 30) if asked else 0,
        score=rng.choice((1, 3, 5, math.nan, math.nan)),
        no_match=rng.random() < 0.2,
        no_input=rng.random() < 0.2,
        false_barge_in=rng.random() < 0.1,
        engine_failures=rng.random() < 0.05,
        misroute=rng.choice((0, 1, math.nan)),
    )
    started = int((DAY + day) * DAY_US)
    return fact(
        call_id,
        day,
        branch=branch,
        topic=topic,
        unit=unit,
        arm=arm,
        first=first,
        numbers=numbers,
        asked_us=started + 1_000_000 if asked else 0,
        entered=asked and rng.random() < 0.9,
        nobody=nobody,
        propensity=rng.choice((0.1, 0.5)) if arm else 0.0,
        stage=rng.choice(("tenth", "half")) if arm else "",
        epoch=1 if arm else 0,
        exposed_us=started + 2_000_000 if arm else 0,
        disposition="escalated" if asked else rng.choice(("resolved", "abandoned")),
        reason=rng.choice(("caller_asked", "no_match", "topic_not_served", "not_eligible")),
        gaps_ms=tuple(rng.randrange(80, 2_000) for _ in range(rng.randrange(4))),
        qa_score=rng.choice((None, None, 70.0, 95.0)),
        origin=rng.choice(("product",) * 9 + ("queue_log",)) if not arm else "product",
    )

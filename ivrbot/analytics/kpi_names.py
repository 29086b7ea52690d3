"""Names of the KPIs, which way is better, and which may carry a decision.

Takes nothing, gives a table. A KPI may be primary (or a guardrail by difference) only if it is measured alike in
both arms and divides by all exposed units; a rate of the bot alone may be a guardrail by its level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class KpiName:
    """One KPI.

    Attributes:
        better: "up", "down", or "" for figures that are shown and never judged.
        comparable: measured alike in both arms and divided by all exposed units.
        bot_rate: a share of the bot's calls that may be held under a level.
        windowed: counts only once the repeat window of its caller has passed.
    """

    name: str
    better: Literal["up", "down", ""]
    comparable: bool = False
    bot_rate: bool = False
    windowed: bool = False


_ALL = (
    KpiName("true_resolution", "up", comparable=True, windowed=True),
    KpiName("time_to_solution_s", "down", comparable=True, windowed=True),
    KpiName("first_call_resolution", "up", comparable=True),
    KpiName("containment", ""),
    KpiName("handle_time_s", "down", comparable=True),
    KpiName("wait_s", "down"),
    KpiName("service_level", "up"),
    KpiName("abandonment_before_service", "down", comparable=True),
    KpiName("abandonment_mid_task", "down", comparable=True),
    KpiName("transfer_rate", "down", comparable=True),
    KpiName("failed_transfer", "down", comparable=True),
    KpiName("repeat_7d", "down", comparable=True, windowed=True),
    KpiName("csat", "up"),
    KpiName("qa_score", "up"),
    KpiName("no_match", "down", bot_rate=True),
    KpiName("no_input", "down", bot_rate=True),
    KpiName("misroute", "down", bot_rate=True),
    KpiName("false_barge_in", "down", bot_rate=True),
    KpiName("response_gap_ms", "down"),
    KpiName("engine_failure", "down", bot_rate=True),
    KpiName("cost_per_resolution", "down"),
    KpiName("availability", "up"),
)

KPIS: dict[str, KpiName] = {kpi.name: kpi for kpi in _ALL}
COMPARABLE: tuple[str, ...] = tuple(kpi.name for kpi in _ALL if kpi.comparable)
LEVELLED: tuple[str, ...] = tuple(kpi.name for kpi in _ALL if kpi.comparable or kpi.bot_rate)

"""Names of the KPIs; the registry itself, with the formulas, is `ivrbot.analytics.kpis`."""

from __future__ import annotations

from ivrbot.analytics.kpis import COMPARABLE, KPIS, LEVELLED, KpiName

__all__ = ["COMPARABLE", "KPIS", "LEVELLED", "KpiName"]

"""Reasons of decisions in plain English, with their numbers.

Takes metrics and evidence, gives sentences for the audit, the certificate and the command line. Pure.
"""

from __future__ import annotations

from ivrbot.analytics.kpi_names import KPIS
from ivrbot.model.evidence import Evidence, Metric, Role, Verdict
from ivrbot.rollout.planning.plan import Stage


def is_rate(kpi: str) -> bool:
    """Whether a KPI is a share between 0 and 1."""
    return KPIS[kpi].unit == "share"


def shown(kpi: str, value: float | None, *, difference: bool = False) -> str:
    """A value in the unit in which people read it: per cent (points for differences), seconds, plain numbers."""
    if value is None:
        return "-"
    plus = "+" if difference else ""
    if is_rate(kpi):
        return f"{value * 100:{plus}.2f} {'points' if difference else '%'}"
    unit = " s" if kpi.endswith("_s") else " ms" if kpi.endswith("_ms") else ""
    return f"{value:{plus}.2f}{unit}"


def metric_sentence(metric: Metric, stage: Stage) -> str:
    """What became of one KPI."""
    if metric.why in _UNMEASURED:
        return _UNMEASURED[metric.why].format(
            kpi=metric.kpi, bot=metric.stage_n_bot, human=metric.stage_n_human, needed=stage.min_callers
        )
    if metric.role is Role.PRIMARY:
        return _primary_sentence(metric)
    return _guardrail_sentence(metric)


_UNMEASURED = {
    "absent": "{kpi} is not in the data.",
    "missing_values": "{kpi}: more than 1 % of an arm's values are missing although they should be there by now.",
    "few_callers": "{kpi}: too few callers with a mature value in this stage (bot {bot}, operators {human}; at "
    "least {needed} are needed in each arm).",
    "no_variance": "{kpi}: the values do not spread enough to judge.",
}


def _primary_sentence(metric: Metric) -> str:
    kpi, margin = metric.kpi, shown(metric.kpi, metric.margin, difference=True).lstrip("+")
    difference = f"bot - operators is {shown(kpi, metric.difference, difference=True)}"
    bound = f"{shown(kpi, metric.bound, difference=True)}"
    better = "more" if KPIS[kpi].better == "up" else "less"
    if metric.verdict is Verdict.FAIL:
        return (
            f"{kpi}: {difference}; the benefit ({better} is better) is at most {bound}, worse than the margin of "
            f"{margin}."
        )
    if metric.why == "worse_in_stage":
        return (
            f"{kpi}: no worse over all stages, but in this stage alone bot - operators is "
            f"{shown(kpi, metric.stage_difference, difference=True)}, beyond the margin of {margin}."
        )
    words = "shown no worse" if metric.verdict is Verdict.PASS else "not yet shown no worse"
    return (
        f"{kpi}: {difference}; the benefit ({better} is better) is at least {bound}: {words} than operators by "
        f"the margin of {margin}."
    )


def _guardrail_sentence(metric: Metric) -> str:
    kpi = metric.kpi
    if metric.difference is None:  # held under a level
        limit, value = shown(kpi, metric.margin), f"the bot's own mean is {shown(kpi, metric.bot)}"
    else:
        limit = shown(kpi, metric.margin, difference=True).lstrip("+")
        value = f"bot - operators is {shown(kpi, metric.difference, difference=True)}"
    words = "shown beyond" if metric.verdict is Verdict.FAIL else "not shown beyond"
    return f"Guardrail {kpi}: {value}, bound {shown(kpi, metric.bound)}: {words} {limit}."


def srm_sentence(evidence: Evidence) -> str:
    """Which arm callers did not reach as often as drawn, and where it shows most."""
    found = evidence.srm
    p_value = "" if found.p_value is None else f" (p = {found.p_value:.2g})"
    text = f"The arms are not filled as the logged chances say{p_value}: routing or logging is at fault"
    if found.groups:
        worst = found.groups[0]
        text += (
            f"; most at {worst.kind} {worst.name}, {worst.observed_bot} bot calls where "
            f"{worst.expected_bot:.0f} were due"
        )
    return text + "."

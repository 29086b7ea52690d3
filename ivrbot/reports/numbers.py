"""Numbers as people of a language write them.

Takes values in raw units, gives text: shares in per cent, differences of shares in percentage points, seconds.
"""

from __future__ import annotations

from ivrbot.model.speech import Language
from ivrbot.reports.texts import TEXTS
from ivrbot.rollout.judging.sentences import is_rate

NONE = "—"
MINUS = "−"


def per_cent(value: float, language: Language) -> str:
    """A share of callers, without needless digits: "10 %", "2.5 %"; no line breaks before the sign."""
    return _local(f"{value * 100:.4g}", language) + "\u00a0%"


def whole(value: int, language: Language) -> str:
    """A count with thin gaps: "12 345" in Russian, "12,345" in English."""
    text = f"{value:,}"
    return text.replace(",", "\u202f") if language == "ru" else text


def amount(
    kpi: str, value: float | None, language: Language, *, difference: bool = False, signed: bool = True
) -> str:
    """A value of a KPI with its unit.

    Args:
        kpi: its name, which says the unit.
        value: raw; None is shown as a dash.
        language: of unit and decimal sign.
        difference: in percentage points instead of per cent, and with a sign.
        signed: differences show a plus, too.
    """
    if value is None:
        return NONE
    sign = "+" if difference and signed else ""
    if is_rate(kpi):
        unit = TEXTS["percentage_points"][language] if difference else "%"
        number = f"{value * 100:{sign}.2f}" if difference or value < 0.1 else f"{value * 100:.1f}"
        return f"{_local(number, language)}\u00a0{unit}"
    name = "seconds" if kpi.endswith("_s") else "milliseconds" if kpi.endswith("_ms") else ""
    number = f"{value:{sign}.1f}" if name else f"{value:{sign}.2f}"
    unit = f"\u00a0{TEXTS[name][language]}" if name else ""
    return _local(number, language) + unit


def _local(number: str, language: Language) -> str:
    number = number.replace("-", MINUS)
    return number.replace(".", ",") if language == "ru" else number

"""Sentences of reports in English and Russian.

Takes comparisons and codes, gives text. What a figure means is said here once, for the page, the file, the command
line and the mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ivrbot.analytics.kpis import KPIS
from ivrbot.model.evidence import Verdict
from ivrbot.model.speech import Language
from ivrbot.reports.comparison import Comparison
from ivrbot.reports.numbers import amount, per_cent
from ivrbot.reports.texts import KPI_NAMES, Text


def _both(en: str, ru: str) -> Text:
    return {"en": en, "ru": ru}


LACKS: Final[Mapping[str, Text]] = {
    "maturing": _both(
        "every call is younger than the repeat window", "все звонки моложе окна повторов, показатель ещё не созрел"
    ),
    "no_scores": _both("no caller has given a score", "никто из клиентов не поставил оценку"),
    "no_reviews": _both("no call has been reviewed", "ни один звонок ещё не оценён по качеству"),
    "no_dispositions": _both("no operator has named a topic", "операторы ещё не отметили тему ни одного звонка"),
    "no_prices": _both(
        "the settings name no prices (costs.bot_minute_minor, costs.operator_minute_minor)",
        "в настройках нет тарифов (costs.bot_minute_minor, costs.operator_minute_minor)",
    ),
    "no_resolution": _both("no call was resolved", "ни один звонок не закончился решением"),
    "no_calls": _both("no call can have it", "нет звонков, у которых он бывает"),
}

WHY: Final[Mapping[str, Text]] = {
    "no_worse": _both("shown no worse than operators", "доказанно не хуже операторов"),
    "worse": _both("shown worse than operators", "доказанно хуже операторов"),
    "not_shown": _both("not decided yet: more callers are needed", "пока не ясно: нужно больше звонящих"),
    "worse_in_stage": _both(
        "no worse overall, but beyond the margin on the present rung",
        "в целом не хуже, но на текущей ступени выходит за допуск",
    ),
    "not_breached": _both("no harm beyond the limit is shown", "вреда сверх предела не видно"),
    "breached": _both("shown beyond the limit", "доказанно за пределом"),
    "few_callers": _both("too few callers yet", "звонящих пока слишком мало"),
    "missing_values": _both("too many values are missing", "слишком много пропусков в данных"),
    "absent": _both("the data has no such measure", "в данных нет такого показателя"),
    "no_variance": _both("too few values to judge", "значений слишком мало для вывода"),
    "shown_only": _both("for information", "для сведения"),
}

CHART: Final[Mapping[str, Text]] = {
    "control": _both("Operators", "Операторы"),
    "treatment": _both("Bot", "Робот"),
    "maturing": _both("still maturing", "ещё созревает"),
    "s": _both("s", "с"),
    "ms": _both("ms", "мс"),
}

_MIXED: Final = _both(
    "{kpi}: the plain means differ by {raw}, weighted by the chance of the draw the difference is {weighted}. "
    "{bot} of the bot's callers but {human} of the operators' rang on the rung “{stage}”, where the level of both "
    "was {level}{before}; that mixing alone makes {part}.",
    "{kpi}: простые средние отличаются на {raw}, а с учётом вероятности жребия — на {weighted}. На ступени "
    "«{stage}» позвонили {bot} клиентов робота и {human} клиентов операторов, а уровень там у обоих "
    "{level}{before}; уже одно это смешение даёт {part}.",
)
_BEFORE: Final = _both(" (elsewhere {level})", " (на других ступенях {level})")
_CHANCE: Final = _both(
    "{kpi}: the plain means differ by {raw}, weighted by the chance of the draw the difference is {weighted}. "
    "Chance did not fill the arms quite as drawn; the weighting undoes that.",
    "{kpi}: простые средние отличаются на {raw}, а с учётом вероятности жребия — на {weighted}. Случай заполнил "
    "группы не точно по жребию; взвешивание это исправляет.",
)


def kpi_name(name: str, language: Language) -> str:
    """A KPI in a few words, with a capital."""
    text = KPI_NAMES[name][language] if name in KPI_NAMES else name
    return text[:1].upper() + text[1:]


SIGNS: Final[Mapping[str, Text]] = {"RUB": _both("RUB", "₽")}
"""Of currencies that a language writes with a sign instead of the ISO 4217 code."""


def money(currency: str, language: Language) -> str:
    """A currency as a language writes it behind an amount."""
    return SIGNS[currency][language] if currency in SIGNS else currency


def shown(
    kpi: str, value: float | None, language: Language, *, difference: bool = False, currency: str = ""
) -> str:
    """A value with its unit.

    Args:
        kpi: its name, which says the unit.
        value: raw; money in minor units, which is shown in major ones.
        language: of unit and decimal sign.
        difference: with a sign.
        currency: ISO 4217 code of money, "" for a number alone.
    """
    if value is not None and KPIS[kpi].unit == "minor":
        sign = money(currency, language)
        return f"{amount(kpi, value / 100, language, difference=difference)}\u00a0{sign}".rstrip("\u00a0")
    return amount(kpi, value, language, difference=difference)


def mixing_sentence(item: Comparison, language: Language) -> str:
    """Why the plain means differ from the weighted difference; "" where they do not."""
    found = item.mixing
    if found is None:
        return ""

    def say(value: float | None, *, difference: bool = False) -> str:
        return shown(item.kpi, value, language, difference=difference)

    told = {
        "kpi": kpi_name(item.kpi, language),
        "raw": say(item.raw, difference=True),
        "weighted": say(item.difference, difference=True),
    }
    explains = item.raw is not None and item.difference is not None and found.level_before is not None
    gap = (item.raw or 0.0) - (item.difference or 0.0)
    if not explains or gap * found.part <= 0 or abs(found.part) < abs(gap) / 4:
        return _CHANCE[language].format(**told)
    before = _BEFORE[language].format(level=say(found.level_before))
    return _MIXED[language].format(
        **told,
        bot=per_cent(round(found.bot_share, 2), language),
        human=per_cent(round(found.human_share, 2), language),
        stage=found.stage,
        level=say(found.level),
        before=before,
        part=say(found.part, difference=True),
    )


def why_text(item: Comparison, language: Language) -> str:
    """What the verdict says, or why there is none, in a few words."""
    return WHY.get(item.why, WHY["no_variance"])[language]


_READY: Final[Mapping[Verdict, Text]] = {
    Verdict.PASS: _both(
        "{branch}: every main measure is shown no worse and no guardrail is breached.",
        "{branch}: все главные показатели доказанно не хуже, предохранители целы.",
    ),
    Verdict.FAIL: _both("{branch}: {kpi}: {why}.", "{branch}: {kpi} — {why}."),
    Verdict.INCONCLUSIVE: _both("{branch}: {kpi}: {why}.", "{branch}: {kpi} — {why}."),
    Verdict.ERROR: _both("{branch}: the evidence cannot be read.", "{branch}: данные не читаются."),
}


def standing_of(items: list[Comparison]) -> tuple[Verdict, Comparison | None]:
    """A branch's standing from its comparisons, and the KPI that it hangs on."""
    for verdict in (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE):
        worst = next((item for item in items if item.verdict is verdict), None)
        if worst is not None:
            return verdict, worst
    return (Verdict.PASS, None) if items else (Verdict.INCONCLUSIVE, None)


def ready_sentence(branch: str, items: list[Comparison], language: Language) -> str:
    """Whether a branch is ready for the next rung, as far as its KPIs go."""
    verdict, worst = standing_of(items)
    kpi = kpi_name(worst.kpi, language) if worst else ""
    why = why_text(worst, language) if worst else ""
    return _READY[verdict][language].format(branch=branch, kpi=kpi, why=why)

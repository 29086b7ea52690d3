"""KPIs of many contacts by DuckDB: counts and sums only; what a contact's value is, was computed at export.

Takes Parquet files of contacts, gives SQL that adds them up by any keys, and daily roll-ups that the same sums are
read from.

Whether a contact counts for a KPI stands packed in one number per contact, two bits for each KPI that a contact
has: 0 no value, 1 a value (for a share: 0), 2 a value (for a share: 1), 3 not known yet; and a last bit for a
resolved outcome, which the cost of a resolution divides by. Most contacts share one
of a few hundred such numbers, so that ten million contacts are counted in all KPIs by one grouping.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics.kpis import GAP_STEP_MS, KPIS

KPI_COLUMNS: Final = {name: f"k_{name}" for name, kpi in KPIS.items() if not kpi.whole}
"""Column of each KPI that a contact has."""
RATES: Final = tuple(name for name in KPI_COLUMNS if KPIS[name].unit == "share")
MEANS: Final = tuple(name for name in KPI_COLUMNS if KPIS[name].unit not in {"share", "ms"})
"""Gaps are pooled instead: see `GAPS`."""
KEYS: Final = ("day", "hour", "branch", "topic", "queue", "stage", "arm")
"""What roll-ups are kept by: local day and hour, and what a page filters by."""

_PLACES: Final = {name: 2 * at for at, name in enumerate(KPI_COLUMNS)}
_SOLVED_PLACE: Final = 2 * len(KPI_COLUMNS)
_NONE, _VALUE, _ONE, _LATER = 0, 1, 2, 3


def packed(
    kpis: Mapping[str, NDArray[Any]],
    *,
    solved: NDArray[np.bool_],
    mature: NDArray[np.bool_],
    follow_up: NDArray[np.bool_],
    is_open: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """What counts of each contact.

    Args:
        kpis: float64[n] by column name, NaN: none.
        solved: the outcome is resolved, whatever else counts.
        mature: the window has passed.
        follow_up: belongs to an earlier contact of the caller, and so does not count where `first_only`.
        is_open: not over yet.
    """
    found = solved.astype(np.int64) << _SOLVED_PLACE
    for name, column in KPI_COLUMNS.items():
        kpi, value = KPIS[name], kpis[column]
        later = is_open | ~mature if kpi.windowed else is_open
        present = np.where(value == 1, _ONE, _VALUE) if kpi.unit == "share" else _VALUE
        state = np.where(np.isnan(value), np.where(later, _LATER, _NONE), present)
        if kpi.first_only:
            state = np.where(follow_up, _NONE, state)
        found |= state.astype(np.int64) << _PLACES[name]
    return found


def totals(source: str, keys: Sequence[str], where: str = "true") -> str:
    """SQL of one row per group: `calls`, `n_KPI`, `later_KPI`, `s_KPI` (sum), of means `q_KPI` (sum of squares).

    Beside them `bot_s`, `human_s`, `solved`, for the cost of a resolution.

    Args:
        source: a table or relation of contacts with the columns that the export writes.
        keys: columns to group by; none: everything together.
        where: a condition.
    """
    listed = "".join(f"{key}, " for key in keys)
    sums = [text for name in MEANS for text in (_sum(name), _sum(name, squared=True))]
    inner = ", ".join(
        (
            f"{listed}counts, count(*) AS calls, sum(bot_s) AS bot_s, sum(human_s) AS human_s",
            *sums,
        )
    )
    outer = [f"sum(calls)::BIGINT AS calls, {_summed('bot_s', 'human_s')}", _SOLVED]
    for name in KPI_COLUMNS:
        outer += [
            f"{_counted(name, _VALUE, _ONE)} AS n_{name}",
            f"{_counted(name, _LATER)} AS later_{name}",
            f"{_counted(name, _ONE)} AS s_{name}" if name in RATES else "",
        ]
    outer.append(_summed(*(f"{kind}_{name}" for name in MEANS for kind in "sq")))
    return (
        f"SELECT {listed}{', '.join(text for text in outer if text)} FROM ("
        f"SELECT {inner} FROM {source} WHERE {where} GROUP BY ALL) GROUP BY ALL"
    )


def _sum(name: str, *, squared: bool = False) -> str:
    value = f"{KPI_COLUMNS[name]}::DOUBLE"
    only = " FILTER (NOT follow_up)" if KPIS[name].first_only else ""
    return f"sum({value} * {value}){only} AS q_{name}" if squared else f"sum({value}){only} AS s_{name}"


_SOLVED: Final = f"coalesce(sum(calls) FILTER ((counts >> {_SOLVED_PLACE}) & 1 = 1), 0)::BIGINT AS solved"


def _counted(name: str, *states: int) -> str:
    place = _PLACES[name]
    wanted = ", ".join(str(state) for state in states)
    return f"coalesce(sum(calls) FILTER ((counts >> {place}) & 3 IN ({wanted})), 0)::BIGINT"


def _summed(*names: str) -> str:
    return ", ".join(f"coalesce(sum({name}), 0)::DOUBLE AS {name}" for name in names)


def sums(kpis: Collection[str] = tuple(KPI_COLUMNS)) -> tuple[str, ...]:
    """Columns of `totals` that some KPIs are told from; all of them add up."""
    return (
        "calls",
        "bot_s",
        "human_s",
        "solved",
        *(f"{kind}_{name}" for name in KPI_COLUMNS if name in kpis for kind in ("n", "later")),
        *(f"s_{name}" for name in (*RATES, *MEANS) if name in kpis),
        *(f"q_{name}" for name in MEANS if name in kpis),
    )


def added(
    source: str, keys: Sequence[str], where: str = "true", kpis: Collection[str] = tuple(KPI_COLUMNS)
) -> str:
    """SQL that adds roll-ups up, with those columns of `totals` that some KPIs are told from."""
    listed = "".join(f"{key}, " for key in keys)
    summed = ", ".join(f"sum({name}) AS {name}" for name in sums(kpis))
    return f"SELECT {listed}{summed} FROM {source} WHERE {where} {'GROUP BY ALL' if keys else ''}"


ENDINGS: Final = (*KEYS, "way", "disposition", "reason", "nobody")


def endings(source: str) -> str:
    """SQL that counts how contacts ended: `contacts`, `handed` (asked for a person), `reached` (one answered)."""
    return (
        f"SELECT {', '.join(ENDINGS)}, escalated = 1 AS escalated, count(*)::BIGINT AS contacts, "
        "coalesce(sum(asked), 0)::BIGINT AS handed, coalesce(sum(connected), 0)::BIGINT AS reached "
        f"FROM {source} GROUP BY ALL"
    )


MINUTES: Final = ("day", "hour", "branch", "stage", "arm")


def minutes(source: str) -> str:
    """SQL of `availability`'s two numbers: `minutes` with contacts, and `failed` ones among them."""
    listed = ", ".join(MINUTES)
    return (
        f"SELECT {listed}, count(*)::BIGINT AS minutes, sum(failed::INT)::BIGINT AS failed FROM ("
        f"SELECT {listed}, started_us // 60000000 AS minute, bool_or(troubled) AS failed FROM {source} "
        "GROUP BY ALL) GROUP BY ALL"
    )


GAPS: Final = ("day", "branch", "stage", "arm")


def gap_steps(source: str) -> str:
    """SQL that counts response gaps in steps of `GAP_STEP_MS`: `step_ms`, `gaps`."""
    return (
        f"SELECT {', '.join(GAPS)}, step_ms // {GAP_STEP_MS} * {GAP_STEP_MS} AS step_ms, count(*)::BIGINT AS gaps "
        f"FROM {source} GROUP BY ALL"
    )

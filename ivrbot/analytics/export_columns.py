"""A day's contacts as columns, and every KPI of each contact: what the Parquet files hold.

Takes `FactRow`s, gives numpy columns by name. The formulas are those of `ivrbot.analytics.kpis`; nothing that
reads the files computes a KPI of a contact again. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ivrbot.analytics import rollup
from ivrbot.analytics.evidence_source import with_the_lost
from ivrbot.analytics.funnel import step_of_call
from ivrbot.analytics.kpis import GAP_STEP_MS, KPIS, Measure, human_s_of, troubled, values
from ivrbot.analytics.rollup import KPI_COLUMNS
from ivrbot.model.contact_columns import OWN_FIELDS, ContactColumns, Floats
from ivrbot.model.queue import EPOCH
from ivrbot.model.report import FactRow

DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000
DEFAULT_WINDOW: Final = timedelta(days=7)

TEXTS: Final = (
    "call_id",
    "branch",
    "unit",
    "origin",
    "topic",
    "trunk",
    "prefix",
    "disposition",
    "reason",
    "nobody",
    "queue",
    "arm",
    "stage",
)
NUMBERS: Final = ("started_us", "ended_us", "asked_us", "exposed_us", "epoch", "propensity", "entered", "first")
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Habits:
    """What of the plan the columns depend on.

    Attributes:
        timezone: IANA name, for days and hours.
        windows: by branch; others have `DEFAULT_WINDOW`.
        time_caps_s: by branch; others have the formulas' own.
    """

    timezone: str
    windows: Mapping[str, timedelta]
    time_caps_s: Mapping[str, float]

    def window(self, branch: str) -> timedelta:
        """How long after a contact another one is a repeat of it."""
        return self.windows.get(branch, DEFAULT_WINDOW)

    def time_cap_s(self, branch: str) -> float:
        """Time to solution of a caller who was not helped."""
        return self.time_caps_s.get(branch, Measure().time_cap_s)

    @property
    def told(self) -> list[str]:
        """Everything that the columns depend on, as text."""
        names = sorted({*self.windows, *self.time_caps_s})
        return [f"{name} {self.window(name).total_seconds():g} {self.time_cap_s(name):g}" for name in names]

    @property
    def longest_us(self) -> int:
        """The longest window of any branch, microseconds."""
        return max((DEFAULT_WINDOW, *self.windows.values())) // timedelta(microseconds=1)

    @property
    def shortest_us(self) -> int:
        """The shortest one."""
        return min((DEFAULT_WINDOW, *self.windows.values())) // timedelta(microseconds=1)

    @property
    def reach_days(self) -> int:
        """Days before and after a day whose contacts may belong to its contacts."""
        return self.longest_us // DAY_US + 1


def facts(rows: Sequence[FactRow], day: int) -> Columns:
    """Columns of the contacts that began on a UTC day.

    Args:
        rows: of the day and its edges.
        day: days since 1970-01-01.

    Returns:
        TEXTS as object, NUMBERS, OWN_FIELDS as float64 (NaN: not known), `way`: the call's step of the funnel on
        the first of its contacts, "" on the others.
    """
    ways = _ways(rows)
    own = [row for row in rows if day * DAY_US <= row.started_us < (day + 1) * DAY_US]
    found: Columns = {name: np.array([getattr(row, name) for row in own], dtype=object) for name in TEXTS}
    for name in NUMBERS:
        kind = np.float64 if name == "propensity" else np.bool_ if name in {"entered", "first"} else np.int64
        found[name] = np.array([getattr(row, name) for row in own], dtype=kind)
    found["way"] = np.array([ways.get((row.call_id, row.branch), "") for row in own], dtype=object)
    scores = [math.nan if row.qa_score is None else row.qa_score for row in own]
    found["qa_score"] = np.array(scores, dtype=np.float64)
    packed = [row.numbers if len(row.numbers) == _PACKED_BYTES else _UNKNOWN for row in own]
    numbers = np.frombuffer(b"".join(packed), dtype="<f4").reshape(len(own), len(OWN_FIELDS))
    return found | {name: numbers[:, at].astype(np.float64) for at, name in enumerate(OWN_FIELDS)}


_PACKED_BYTES: Final = 4 * len(OWN_FIELDS)
_UNKNOWN: Final = np.full(len(OWN_FIELDS), np.nan, dtype="<f4").tobytes()


def _ways(rows: Sequence[FactRow]) -> dict[tuple[str, str], str]:
    """Step of each call, by its first contact (call and branch)."""
    order = sorted(rows, key=lambda row: (row.call_id, row.started_us, row.branch))
    found = {}
    for _, group in groupby(order, key=lambda row: row.call_id):
        contacts = list(group)
        found[contacts[0].call_id, contacts[0].branch] = step_of_call(contacts).value
    return found


def gaps(rows: Sequence[FactRow], day: int, timezone: str) -> Columns:
    """Every response gap of the day's contacts, one a row, with what the contact is grouped by.

    Returns:
        `day`, `hour` (local), `branch`, `topic`, `queue`, `stage`, `arm`, `step_ms`: the gap rounded down to
        `GAP_STEP_MS`.
    """
    own = [row for row in rows if row.gaps_ms and day * DAY_US <= row.started_us < (day + 1) * DAY_US]
    times = [len(row.gaps_ms) for row in own]
    found: Columns = {
        name: np.repeat(np.array([getattr(row, name) for row in own], dtype=object), times)
        for name in ("branch", "topic", "queue", "stage", "arm")
    }
    at_us = np.repeat(np.array([row.started_us for row in own], dtype=np.int64), times)
    steps = np.fromiter(chain.from_iterable(row.gaps_ms for row in own), dtype=np.int64, count=sum(times))
    return found | local_times(at_us, timezone) | {"step_ms": steps // GAP_STEP_MS * GAP_STEP_MS}


def local_times(at_us: NDArray[np.int64], timezone: str) -> Columns:
    """Local `day` (days since 1970-01-01) and `hour` (0..23) of moments; offsets change at full hours of UTC."""
    zone = ZoneInfo(timezone)
    hours, place = np.unique(at_us // HOUR_US, return_inverse=True)
    offsets = [(EPOCH + timedelta(hours=int(hour))).astimezone(zone).utcoffset() for hour in hours]
    shift = np.array([(offset or timedelta()) // timedelta(microseconds=1) for offset in offsets], dtype=np.int64)
    local_us = at_us + (shift[place] if len(hours) else 0)
    return {"day": local_us // DAY_US, "hour": local_us // HOUR_US % 24}


# --- KPIs -----------------------------------------------------------------------------------------------


def kpi_columns(
    own: Mapping[str, NDArray[Any]],
    around: Mapping[str, NDArray[Any]],
    habits: Habits,
    *,
    known_until: datetime,
    complete: datetime | None,
) -> Columns:
    """Every KPI of some contacts, and what decides whether it counts.

    Args:
        own: columns of `facts` of the contacts asked for.
        around: `branch`, `unit`, `started_us`, `duration_s`, `outcome`, `solved_s` of all contacts from one window
            before the first of `own` to one window after the last; `own` is among them.
        habits: of the plan.
        known_until: no contact that began later is known for certain.
        complete: until when the operators' data is complete, None: nothing delivers it.

    Returns:
        `KPI_COLUMNS` (NaN: no value, or not yet), `counts` (see `ivrbot.analytics.rollup`), `mature` (the window
        has passed), `follow_up` (another contact of the caller came before it within the window), `open` (not over
        yet), `human_s`, `troubled`.
    """
    window_us = _by_branch(own["branch"], lambda branch: habits.window(branch) // timedelta(microseconds=1))
    caps = _by_branch(own["branch"], habits.time_cap_s)
    repeated, follow_up = _repeats(own, around, window_us.astype(np.int64))
    contacts = ContactColumns(**{name: own[name] for name in OWN_FIELDS}, **repeated, qa_score=own["qa_score"])
    contacts = with_the_lost(contacts, own["asked_us"], own["entered"], complete)
    mature = since_us(own) + window_us <= (known_until - EPOCH) // timedelta(microseconds=1)
    found: Columns = {}
    for name, column in KPI_COLUMNS.items():
        value = _capped(name, contacts, caps)
        found[column] = np.where(mature, value, np.nan) if KPIS[name].windowed else value
    is_open = (contacts.closed != 1) | np.isnan(contacts.outcome)
    return found | {
        "counts": rollup.packed(
            found, solved=contacts.outcome == 1, mature=mature, follow_up=follow_up, is_open=is_open
        ),
        "mature": mature,
        "follow_up": follow_up,
        "open": is_open,
        "human_s": human_s_of(contacts),
        "troubled": troubled(contacts),
    }


def since_us(own: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """When a contact's window begins: at its exposure if it was drawn, else when it began."""
    found: NDArray[np.int64] = np.where(own["exposed_us"] > 0, own["exposed_us"], own["started_us"])
    return found


def _capped(name: str, contacts: ContactColumns, caps: Floats) -> Floats:
    """One KPI, with each branch's own cap."""
    kinds = np.unique(caps)
    if len(kinds) <= 1:
        return values(name, contacts, Measure(float(kinds[0])) if len(kinds) else Measure())
    return np.select(
        [caps == cap for cap in kinds], [values(name, contacts, Measure(float(cap))) for cap in kinds]
    )


def _by_branch(branches: NDArray[Any], of: Callable[[str], float]) -> Floats:
    """A number of each row's branch."""
    known = {name: float(of(name)) for name in set(branches.tolist())}
    return np.array([known[name] for name in branches.tolist()], dtype=np.float64)


def _repeats(
    own: Mapping[str, NDArray[Any]], around: Mapping[str, NDArray[Any]], window_us: NDArray[np.int64]
) -> tuple[dict[str, Floats], NDArray[np.bool_]]:
    """What followed each contact within its window (as decisions read it), and whether one came before it."""
    codes = _Callers()
    who, mine = codes.of(around["branch"], around["unit"]), codes.of(own["branch"], own["unit"])
    began, start, since = around["started_us"], own["started_us"], since_us(own)
    base = min(int(part.min()) for part in (began, start) if len(part)) if len(began) or len(start) else 0
    widest = int(window_us.max()) if len(window_us) else 0
    latest = max(int(part.max()) for part in (began, since) if len(part)) if len(began) or len(since) else 0
    stride = latest - base + 2 * widest + 2  # one caller's contacts lie farther from another's than any window
    keys = who * stride + (began - base) + widest
    order = np.argsort(keys, kind="stable")
    keys = keys[order]

    def place(at_us: NDArray[np.int64], side: Any) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.searchsorted(keys, mine * stride + (at_us - base) + widest, side=side)
        return found

    # A contact of a second topic may be stamped some ms after its own exposure: it is no repeat of itself.
    lower, upper = place(np.maximum(since, start), "right"), place(since + window_us, "right")
    count = np.maximum(upper - lower, 0)
    before = place(start, "left") - place(start - window_us, "left")
    duration = np.append(0.0, np.cumsum(np.nan_to_num(around["duration_s"][order])))
    last = np.maximum(upper - 1, 0)
    some = count > 0

    def of_last(name: str) -> Floats:
        column = around[name][order]
        return np.where(some, column[last], np.nan) if len(column) else np.full(len(start), math.nan)

    last_s = np.where(some, of_last("duration_s"), 0.0)
    return {
        "repeats": count.astype(np.float64),
        "repeats_s": np.where(some, duration[np.maximum(upper, 0)] - duration[lower] - last_s, 0.0),
        "last_outcome": of_last("outcome"),
        "last_duration_s": last_s,
        "last_solved_s": of_last("solved_s"),
    }, before > 0


class _Callers(dict[tuple[str, str], int]):
    """Numbers callers in branches as they come."""

    def __missing__(self, key: tuple[str, str]) -> int:
        self[key] = len(self)
        return self[key]

    def of(self, branches: NDArray[Any], units: NDArray[Any]) -> NDArray[np.int64]:
        """The number of each pair."""
        pairs = zip(branches.tolist(), units.tolist(), strict=True)
        return np.fromiter(map(self.__getitem__, pairs), dtype=np.int64, count=len(branches))

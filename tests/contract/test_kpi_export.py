"""Every KPI by Python's formulas and by DuckDB over the export: the same contacts, the same numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from ivrbot.analytics import kpis
from ivrbot.analytics.evidence_source import with_the_lost
from ivrbot.analytics.figures import Rates
from ivrbot.analytics.kpis import KPIS, Measure, values
from ivrbot.analytics.report_queries import Filters, Group, ReportReader
from ivrbot.model.contact_columns import OWN_FIELDS, ContactColumns
from ivrbot.model.queue import EPOCH
from ivrbot.model.report import FactRow
from ivrbot.stats.intervals import mean_interval, share_interval
from tests.unit.report_data import HABITS, FactsInMemory, at, export_of, random_facts

NOW, COMPLETE = at(14.0), at(13.5)
RATES = Rates(150.0, 2_400.0)
ROWS = random_facts(seed=5, days=14, per_day=200, callers=500)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ReportReader:
    import asyncio

    folder = tmp_path_factory.mktemp("export")
    asyncio.run(export_of(folder, FactsInMemory(ROWS, COMPLETE), NOW).refresh())
    return ReportReader(folder, RATES)


def us(seconds: timedelta) -> int:
    return seconds // timedelta(microseconds=1)


class Reference:
    """What a group's KPIs are by the definitions, contact by contact, without any of the export's code."""

    def __init__(self, rows: Sequence[FactRow]) -> None:
        self.rows = rows
        self.by_caller: dict[tuple[str, str], list[FactRow]] = defaultdict(list)
        for row in ROWS:
            self.by_caller[row.branch, row.unit].append(row)

    def since(self, row: FactRow) -> int:
        return row.exposed_us or row.started_us

    def columns(self) -> ContactColumns:
        own = np.array([np.frombuffer(row.numbers, "<f4") for row in self.rows], dtype=np.float64)
        found = {name: own[:, place] for place, name in enumerate(OWN_FIELDS)}
        names = ("repeats", "repeats_s", "last_outcome", "last_duration_s", "last_solved_s")
        sums = np.array([self._repeats(row) for row in self.rows], dtype=np.float64)
        scores = np.array([math.nan if row.qa_score is None else row.qa_score for row in self.rows])
        columns = ContactColumns(**found, **{name: sums[:, n] for n, name in enumerate(names)}, qa_score=scores)
        asked = np.array([row.asked_us for row in self.rows])
        entered = np.array([row.entered for row in self.rows])
        return with_the_lost(columns, asked, entered, COMPLETE)

    def _repeats(self, row: FactRow) -> tuple[float, ...]:
        until = self.since(row) + us(HABITS.window(row.branch))
        later = [
            np.frombuffer(other.numbers, "<f4")
            for other in sorted(self.by_caller[row.branch, row.unit], key=lambda one: one.started_us)
            if other.call_id != row.call_id and self.since(row) < other.started_us <= until
        ]
        if not later:
            return 0.0, 0.0, math.nan, 0.0, math.nan
        outcome, duration, solved = (OWN_FIELDS.index(n) for n in ("outcome", "duration_s", "solved_s"))
        last = later[-1]
        return (
            len(later),
            sum(float(one[duration]) for one in later[:-1]),
            last[outcome],
            last[duration],
            last[solved],
        )

    def follow_up(self, row: FactRow) -> bool:
        window = us(HABITS.window(row.branch))
        others = self.by_caller[row.branch, row.unit]
        return any(0 < row.started_us - other.started_us <= window for other in others)

    def mature(self, row: FactRow) -> bool:
        return self.since(row) + us(HABITS.window(row.branch)) <= us(COMPLETE - EPOCH)

    def of(self, name: str) -> tuple[list[float], int]:
        """Values that count, and how many contacts will count later."""
        contacts = self.columns()
        each = np.array([HABITS.time_cap_s(row.branch) for row in self.rows])
        found = np.full(len(self.rows), math.nan)
        for cap in set(each):
            found = np.where(each == cap, values(name, contacts, Measure(cap)), found)
        counted, later = [], 0
        is_open = (contacts.closed != 1) | np.isnan(contacts.outcome)
        for row, value, unfinished in zip(self.rows, found, is_open, strict=True):
            kpi = KPIS[name]
            if kpi.first_only and self.follow_up(row):
                continue
            if kpi.windowed and not self.mature(row):
                later += 1
            elif math.isnan(value):
                later += bool(unfinished)
            else:
                counted.append(float(value))
        return counted, later


def members(group: Group) -> list[FactRow]:
    keys = group.keys
    return [row for row in ROWS if all(getattr(row, name) == keys[name] for name in ("branch", "stage", "arm"))]


def test_every_kpi_is_the_same_by_both(reader: ReportReader) -> None:
    groups = reader.groups(Filters(), ("branch", "stage", "arm"))
    assert len(groups) == 8
    for group in groups:
        reference = Reference(members(group))
        assert group.calls == len(reference.rows)
        for name, kpi in KPIS.items():
            if kpi.whole or name == "response_gap_ms":
                continue
            counted, later = reference.of(name)
            figure = group.figure(name)
            assert (figure.n, figure.maturing) == (len(counted), later), (name, group.keys)
            if not counted:
                assert figure.value is None
                continue
            assert figure.value == pytest.approx(np.mean(counted), rel=1e-5), name
            ends = (
                share_interval(sum(counted), len(counted))
                if kpi.unit == "share"
                else mean_interval(sum(counted), sum(x * x for x in counted), len(counted))
            )
            assert (figure.lower, figure.upper) == pytest.approx(ends or (None, None), rel=1e-4), name


def test_figures_of_whole_groups_are_the_same_by_both(reader: ReportReader) -> None:
    for group in reader.groups(Filters(), ("branch", "stage", "arm")):
        rows = members(group)
        contacts = Reference(rows).columns()
        cost = kpis.cost_per_resolution(contacts, bot_minute_minor=150.0, operator_minute_minor=2_400.0)
        assert group.figure("cost_per_resolution").value == pytest.approx(cost, rel=1e-5)
        started = np.array([row.started_us for row in rows], dtype=np.int64)
        assert group.figure("availability").value == pytest.approx(kpis.availability(contacts, started))
        gaps = sorted(gap // 10 * 10 for row in rows for gap in row.gaps_ms)
        assert group.figure("response_gap_ms").value == gaps[math.ceil(0.5 * len(gaps)) - 1]
        assert group.figure("response_gap_p95_ms").value == gaps[math.ceil(0.95 * len(gaps)) - 1]
        assert group.figure("response_gap_ms").n == len(gaps)


def test_filters_count_what_they_name(reader: ReportReader) -> None:
    everybody = ("control", "treatment", "")
    found = reader.groups(Filters(topic="salary_status", arms=everybody), ())
    assert found[0].calls == sum(row.topic == "salary_status" for row in ROWS)
    days = reader.groups(Filters(arms=everybody), ("day",))
    assert sum(group.calls for group in days) == len(ROWS)
    one = days[3].keys["day"]
    assert reader.groups(Filters(first=one, last=one, arms=everybody), ())[0].calls == days[3].calls
    local_hours = {(row.started_us // 3_600_000_000 + 3) % 24 for row in ROWS}
    hours = reader.groups(Filters(arms=everybody), ("hour",))
    assert {group.keys["hour"] for group in hours} == local_hours

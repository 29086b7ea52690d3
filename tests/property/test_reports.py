"""Reports: what must hold whatever calls there were."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.analytics.export_columns import facts, local_times
from ivrbot.analytics.funnel import FunnelStep, step_of_call
from ivrbot.analytics.report_dip import odd_days, parts
from ivrbot.stats.intervals import mean_interval, share_interval, student_quantile
from tests.unit.report_data import DAY, fact

BRANCHES = ("", "front", "balance", "other")


@st.composite
def calls(draw: st.DrawFn) -> list:
    rows = []
    for number in range(draw(st.integers(0, 12))):
        branches = draw(st.lists(st.sampled_from(BRANCHES), min_size=1, max_size=3, unique=True))
        for place, branch in enumerate(branches):
            rows.append(
                fact(
                    f"call-{number}",
                    0.2 + number / 100 + place / 10_000,
                    branch=branch,
                    arm=draw(st.sampled_from(("", "control", "treatment"))) if branch else "",
                    reason=draw(st.sampled_from(("topic_not_served", "not_eligible", "hung_up"))),
                    topic=draw(st.sampled_from(("operator", "check_balance"))) if branch else "",
                    asked_us=draw(st.sampled_from((0, 1))),
                    origin=draw(st.sampled_from(("product", "queue_log", "csv"))),
                )
            )
    return rows


@given(calls())
def test_the_funnel_sums_to_all_calls(rows: list) -> None:
    ways = Counter(facts(rows, DAY)["way"].tolist())
    ways.pop("", None)
    assert sum(ways.values()) == len({row.call_id for row in rows})
    assert set(ways) <= {step.value for step in FunnelStep}


@given(calls().filter(bool))
def test_a_drawn_call_is_drawn_whatever_else_happened(rows: list) -> None:
    call = [row for row in rows if row.call_id == rows[0].call_id]
    drawn = any(row.arm and row.branch not in {"", "front"} and row.origin == "product" for row in call)
    assert (step_of_call(call) in {FunnelStep.DRAWN_BOT, FunnelStep.DRAWN_OPERATOR}) == drawn


sums = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.integers(1, 500), st.floats(0, 1)).map(lambda pair: (float(pair[0]), pair[0] * pair[1])),
    min_size=1,
)


@given(sums, sums)
def test_contributions_add_up_to_the_change(day: dict, around: dict) -> None:
    def mean(side: dict) -> float:
        return sum(total for _, total in side.values()) / sum(n for n, _ in side.values())

    found = parts(day, around)
    assert sum(part.change for part in found) == pytest.approx(mean(day) - mean(around), abs=1e-9)
    assert sum(part.share for part in found) == pytest.approx(1)
    assert [abs(part.change) for part in found] == sorted((abs(p.change) for p in found), reverse=True)


def test_an_odd_day_is_named_and_an_ordinary_one_is_not() -> None:
    usual = [(f"2026-03-{day:02d}", 0.70 + 0.01 * (day % 3), 100.0) for day in range(1, 20)]
    assert odd_days(usual) == []
    assert odd_days([*usual, ("2026-03-20", 0.40, 100.0)]) == ["2026-03-20"]
    assert odd_days(usual[:3]) == []


@given(st.integers(0, 1_000), st.integers(1, 1_000))
def test_a_share_lies_within_its_interval(successes: int, more: int) -> None:
    lower, upper = share_interval(successes, successes + more) or (1.0, 0.0)
    assert 0 <= lower <= successes / (successes + more) <= upper <= 1


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.7764), (9, 2.2622), (29, 2.0452), (1_000, 1.9623)])
def test_students_quantile_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(quantile, rel=0.005)


def test_few_values_have_no_interval() -> None:
    assert mean_interval(8.0, 20.0, 4) is None
    assert share_interval(0, 0) is None


def test_days_and_hours_follow_the_clocks_of_the_bank() -> None:
    import numpy as np

    # 2026-03-29 01:00 UTC: Berlin goes from 1 to 2 hours ahead.
    before, after = 1_774_745_999_000_000, 1_774_746_000_000_000
    found = local_times(np.array([before, after], dtype=np.int64), "Europe/Berlin")
    assert found["hour"].tolist() == [1, 3]

"""The calendar: callers per rung, what waits for what, what is not decidable; and the outlook of one branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from ivrbot.errors import ConfigError, StorageUnavailable
from ivrbot.model.evidence import (
    ArmCounts,
    Estimate,
    Evidence,
    Freshness,
    KpiEvidence,
    KpiSample,
    ShadowEvidence,
    UnitRows,
)
from ivrbot.rollout.forecasting.forecast import Assumptions, Outlook, forecast, outlook
from ivrbot.rollout.forecasting.outlooks import outlooks
from ivrbot.rollout.forecasting.simulation import START, Walk, rows_until
from ivrbot.rollout.forecasting.synthetic import World
from ivrbot.rollout.governing.standing import Standing
from ivrbot.rollout.planning.plan import BranchPlan, Plan, build_plan, state_at
from ivrbot.rollout.planning.schema import BranchFile, DefaultsFile, PlanFile, PrimaryFile, StageFile
from ivrbot.stats.planning import callers_needed

NOW = datetime(2026, 9, 21, 18, tzinfo=UTC)
SIGMA2 = 0.72 * 0.28


def a_plan(*primary: PrimaryFile, stages: list[StageFile] | None = None, **branches: BranchFile) -> Plan:
    defaults = DefaultsFile(primary=list(primary) or [PrimaryFile(kpi="true_resolution", margin=0.03)])
    if stages:
        defaults = defaults.model_copy(update={"stages": stages})
    return build_plan(
        PlanFile(goal="g", salt="s", defaults=defaults, branches=branches or {"balance": BranchFile()})
    )


def a_branch(plan: Plan | None = None) -> BranchPlan:
    return (plan or a_plan()).branches["balance"]


@pytest.mark.parametrize(("share", "margin"), [(0.1, 0.03), (0.2, 0.03), (0.5, 0.03), (0.1, 0.05), (0.5, 0.05)])
def test_a_first_rung_needs_what_the_statistics_say(share: float, margin: float) -> None:
    plan = a_plan(PrimaryFile(kpi="true_resolution", margin=margin), stages=[StageFile(name="one", share=share)])
    (row,) = forecast(plan, {"balance": 1_000})
    assert row.stages[0].callers_needed == callers_needed(margin, SIGMA2, share)
    assert row.stages[0].because == "true_resolution"


def test_days_are_callers_by_volume_and_the_window_after_them() -> None:
    (row,) = forecast(a_plan(), {"balance": 1_500})
    tenth = row.stages[1]
    assert tenth.callers_needed is not None
    assert tenth.days == -(-tenth.callers_needed // 1_500) + 7
    (unwindowed,) = forecast(a_plan(PrimaryFile(kpi="abandonment_mid_task", margin=0.03)), {"balance": 1_000_000})
    assert unwindowed.stages[1].days == 7  # min_days
    assert unwindowed.stages[1].because == "min_days"


def test_what_a_rung_has_shown_is_not_asked_for_again() -> None:
    (row,) = forecast(a_plan(), {"balance": 1_500})
    tenth, fifth = row.stages[1], row.stages[2]
    assert tenth.callers_needed is not None and fifth.callers_needed is not None
    assert fifth.callers_needed < tenth.callers_needed / 10
    assert row.done_day == sum(stage.days or 0 for stage in row.stages)


def test_the_kpi_that_spreads_most_decides() -> None:
    slow = PrimaryFile(kpi="time_to_solution_s", margin=20)
    plan = a_plan(PrimaryFile(kpi="true_resolution", margin=0.03), slow)
    (wide,) = forecast(plan, {"balance": 3_000}, Assumptions(spreads={"time_to_solution_s": 700}))
    (narrow,) = forecast(plan, {"balance": 3_000}, Assumptions(spreads={"time_to_solution_s": 100}))
    assert wide.stages[1].because == "time_to_solution_s"
    assert narrow.stages[1].because == "true_resolution"
    assert wide.stages[1].callers_needed == pytest.approx(callers_needed(20, 700**2, 0.1) or 0)


def test_a_branch_begins_when_the_one_before_is_done_whatever_the_order_of_the_file() -> None:
    plan = a_plan(loans=BranchFile(after="balance"), balance=BranchFile(), other=BranchFile(after="loans"))
    loans, balance, other = forecast(plan, {"loans": 2_000, "balance": 2_000, "other": 2_000})
    assert (balance.starts_day, loans.starts_day, other.starts_day) == (0, balance.done_day, loans.done_day)


def test_a_volume_that_never_suffices_is_named_and_what_waits_for_it_too() -> None:
    plan = a_plan(balance=BranchFile(), loans=BranchFile(after="balance"))
    balance, loans = forecast(plan, {"balance": 30, "loans": 5_000})
    assert not balance.decidable
    assert "tenth" in balance.reason and "true_resolution" in balance.reason
    assert [stage.stage for stage in balance.stages] == ["shadow", "tenth"]
    assert loans.starts_day is None and not loans.decidable
    assert "balance" in loans.reason
    assert forecast(a_plan(), {})[0].reason == "its volume is not known"


def test_a_rung_without_holdback_decides_nothing() -> None:
    plan = a_plan(stages=[StageFile(name="half", share=0.5), StageFile(name="all", share=1.0)])
    (row,) = forecast(plan, {"balance": 5_000})
    assert row.stages[1].because == "no_holdback" and not row.decidable
    assert "nothing to compare with" in row.reason
    branch = plan.branches["balance"]
    state = state_at(branch, branch.stage("all"), "r")
    assert outlook(branch, state, Evidence("balance", 1, "all", NOW, NOW), 5_000) == Outlook(None, None)


def test_a_calendar_beyond_26_weeks_is_warned_of() -> None:
    (short,), (long,) = (forecast(a_plan(), {"balance": volume}) for volume in (2_000, 200))
    assert short.done_day and short.done_day <= 26 * 7 and not short.warnings
    assert long.done_day and long.done_day > 26 * 7
    assert "26 weeks" in long.warnings[0]


def test_approvals_take_their_days() -> None:
    (at_once,), (later,) = (
        forecast(a_plan(), {"balance": 2_000}, Assumptions(approval_days=days)) for days in (0, 3)
    )
    assert later.done_day == (at_once.done_day or 0) + 3 * 4


def test_a_kpi_of_unknown_spread_asks_for_it() -> None:
    plan = a_plan(PrimaryFile(kpi="csat", margin=0.2))
    with pytest.raises(ConfigError, match="standard deviation"):
        forecast(plan, {"balance": 1_000})
    (row,) = forecast(plan, {"balance": 1_000}, Assumptions(spreads={"csat": 1.1}))
    assert row.stages[1].callers_needed == callers_needed(0.2, 1.21, 0.1)


# --- outlook ------------------------------------------------------------------------------------------


def evidence(n: int, *, difference: float = 0.0, waiting: int = 0, days_on_rung: int = 10) -> Evidence:
    """A branch at a tenth, everything in this rung."""
    pooled = Estimate(n, n // 10, n - n // 10, 0.72 + difference, 0.72, 0.2, difference, SIGMA2 / 0.09)
    sample = KpiSample(pooled, ArmCounts(immature=waiting // 10), ArmCounts(immature=waiting - waiting // 10))
    return Evidence(
        "balance",
        1,
        "tenth",
        NOW,
        NOW - timedelta(days=days_on_rung),
        kpis=(KpiEvidence("true_resolution", pooled=sample, stage=sample),),
    )


def seen(evidence_now: Evidence, daily: float | None = 1_500) -> Outlook:
    branch = a_branch()
    return outlook(branch, state_at(branch, branch.stage("tenth"), "r"), evidence_now, daily)


def test_at_the_beginning_the_outlook_is_the_forecast() -> None:
    needed = callers_needed(0.03, SIGMA2, 0.1)
    assert needed is not None
    begun = Evidence("balance", 1, "tenth", NOW, NOW)
    assert seen(begun).callers_needed == needed
    assert seen(begun).earliest_day == NOW.date() + timedelta(days=-(-needed // 1_500) + 7)


def test_callers_needed_fall_as_evidence_comes_in_and_a_better_bot_needs_fewer() -> None:
    needed = [seen(evidence(n)).callers_needed or 0 for n in (2_000, 10_000, 20_000, 30_000)]
    assert needed == sorted(needed, reverse=True)
    assert (seen(evidence(10_000, difference=0.02)).callers_needed or 0) < needed[1]
    assert (seen(evidence(10_000, difference=-0.02)).callers_needed or 0) > needed[1]
    assert seen(evidence(60_000)).callers_needed == 0


def test_callers_who_wait_for_their_window_need_not_ring_again() -> None:
    without, waiting = seen(evidence(8_000)), seen(evidence(8_000, waiting=10_500))
    assert waiting.callers_needed == without.callers_needed != 0
    assert without.earliest_day and waiting.earliest_day
    assert without.earliest_day - waiting.earliest_day == timedelta(days=7)


def test_no_rung_is_left_before_its_days() -> None:
    assert seen(evidence(60_000, days_on_rung=2)).earliest_day == NOW.date() + timedelta(days=5)
    assert seen(evidence(60_000, days_on_rung=30)).earliest_day == NOW.date()


def test_no_day_is_promised_without_a_volume_or_within_a_year() -> None:
    assert seen(evidence(2_000), daily=None).earliest_day is None
    assert seen(evidence(2_000), daily=10).earliest_day is None
    assert seen(evidence(2_000), daily=10).callers_needed


def test_where_callers_decide_nothing_only_the_days_count() -> None:
    branch = a_branch()
    shadow = Evidence("balance", 1, "shadow", NOW, NOW)
    state = state_at(branch, branch.stage("shadow"), "r")
    assert outlook(branch, state, shadow, 100) == Outlook(0, date(2026, 9, 24))
    killed = replace(state_at(branch, branch.stage("tenth"), "r"), killed=True)
    assert outlook(branch, killed, evidence(10_000), 100) == Outlook(None, None)
    not_started = state_at(branch, None, "r")
    assert outlook(branch, not_started, Evidence("balance", 1, "", NOW), 100) == Outlook(None, None)


def test_a_kpi_that_is_better_low_counts_its_difference_the_other_way() -> None:
    branch = a_branch(a_plan(PrimaryFile(kpi="abandonment_mid_task", margin=0.03)))
    state = state_at(branch, branch.stage("tenth"), "r")

    def needed(difference: float) -> int:
        sample = KpiSample(Estimate(3_000, 300, 2_700, 0.06, 0.06, 0.05, difference, 0.0564 / 0.09))
        kpis = (KpiEvidence("abandonment_mid_task", pooled=sample, stage=sample),)
        found = outlook(branch, state, Evidence("balance", 1, "tenth", NOW, NOW, kpis=kpis), 1_000)
        assert found.callers_needed is not None
        return found.callers_needed

    assert needed(-0.01) < needed(0.0) < needed(0.01)


# --- outlooks of all branches -------------------------------------------------------------------------


class Source:
    """A branch at a tenth for some days, with callers from a seed; "loans" cannot be read."""

    def __init__(self, days: int) -> None:
        self._walk = Walk(replace(a_branch(), start="tenth"), World(1_500, 0.72), days, np.random.default_rng(1))

    async def unit_rows(
        self, branch: str, epoch: int, *, kpis: Sequence[str], window_days: int, now: datetime
    ) -> UnitRows:
        if branch == "loans":
            raise StorageUnavailable("away")
        return rows_until(self._walk.rows, now)

    async def freshness(self, branch: str) -> Freshness:
        return Freshness()

    async def shadow(self, branch: str, since: datetime) -> ShadowEvidence:
        return ShadowEvidence()


async def test_every_branch_on_a_rung_gets_its_outlook_and_one_that_cannot_be_read_none() -> None:
    plan = a_plan(balance=BranchFile(), loans=BranchFile(), deposits=BranchFile(after="loans"))
    branch = plan.branches["balance"]
    states = {
        "balance": state_at(branch, branch.stage("tenth"), "r"),
        "loans": state_at(plan.branches["loans"], branch.stage("tenth"), "r"),
        "deposits": state_at(plan.branches["deposits"], None, "r"),
    }
    now = START + timedelta(days=10)
    told = {"balance": Standing(START, False, START)}
    found = await outlooks(plan, states, told, Source(12), {"balance": 1_500}, now)
    assert set(found) == {"balance"}
    needed, day = found["balance"].callers_needed, found["balance"].earliest_day
    assert needed and 0 < needed < (callers_needed(0.03, SIGMA2, 0.1) or 0)
    assert day and now.date() < day < now.date() + timedelta(days=40)
    assert (await outlooks(plan, states, told, Source(12), {}, now))["balance"].earliest_day is None

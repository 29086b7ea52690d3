"""KPIs against contacts that are counted by hand, and the reference against the code."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.analytics import kpis
from ivrbot.analytics.kpi_reference import markdown
from ivrbot.analytics.kpis import COMPARABLE, KPIS, Measure, values
from ivrbot.config import PROJECT_ROOT
from ivrbot.model.call import CallId, Disposition
from ivrbot.model.contact import BotPart, Contact, Diagnostics, EndedBy, HumanPart, Origin, Unserved
from ivrbot.model.contact_columns import CONTACT_FIELDS, OWN_FIELDS, ContactColumns, own_values
from ivrbot.model.shadow import Outcome

AT = datetime(2026, 9, 1, 12, tzinfo=UTC)


def contact(**changes: object) -> Contact:
    """A bot call that was served: 60 s, the balance after 40 s."""
    served = Contact(
        call_id=CallId("c"),
        branch="balance",
        unit="u",
        topic="check_balance",
        trunk="",
        gateway="audiosocket",
        started_at=AT,
        ended_at=AT + timedelta(seconds=60),
        bot=BotPart(Disposition.RESOLVED, "served", True, 60.0, 40.0),
        human=None,
        outcome=Outcome.RESOLVED,
        score=None,
        diagnostics=Diagnostics(),
        origin=Origin.PRODUCT,
        closed=True,
    )
    return replace(served, **changes)  # type: ignore[arg-type]


def columns(*contacts: Contact, repeats: float = 0, **later: float) -> ContactColumns:
    own = [own_values(one) for one in contacts]
    found = {
        name: np.array([math.nan if (v := row[name]) is None else v for row in own], dtype=np.float64)
        for name in OWN_FIELDS
    }
    n = len(contacts)
    sums = {"repeats": repeats, "repeats_s": 0.0, "last_outcome": math.nan, "last_duration_s": 0.0}
    rest = {name: np.full(n, (sums | later).get(name, math.nan)) for name in CONTACT_FIELDS if name not in found}
    return ContactColumns(**found, **rest)


def one(name: str, given_: Contact, repeats: float = 0, **later: float) -> float:
    return float(values(name, columns(given_, repeats=repeats, **later), Measure(time_cap_s=900))[0])


SERVED_BY_BOT = contact()
MENU = BotPart(Disposition.ESCALATED, "control_arm", False, 20.0)
WAITED = HumanPart(AT + timedelta(seconds=20), AT, AT, wait_s=30, talk_s=100, ended_by=EndedBy.CALLER)
SERVED_BY_PERSON = contact(bot=MENU, human=WAITED, ended_at=AT + timedelta(seconds=150))
GAVE_UP_HUMAN = HumanPart(AT, AT, None, wait_s=40, ended_by=EndedBy.CALLER, unserved=Unserved.ABANDONED)
GAVE_UP = contact(bot=MENU, human=GAVE_UP_HUMAN, outcome=Outcome.UNRESOLVED)
ESCALATED = contact(bot=replace(MENU, routed=True), human=WAITED, ended_at=AT + timedelta(seconds=150))
ESCALATED_IN_VAIN = contact(
    bot=replace(MENU, routed=True),
    human=replace(GAVE_UP_HUMAN, unserved=Unserved.TIMED_OUT, ended_by=EndedBy.SYSTEM),
    outcome=Outcome.UNRESOLVED,
)
LEFT_THE_BOT = contact(bot=BotPart(Disposition.ABANDONED, "hung_up", True, 60.0), outcome=Outcome.UNRESOLVED)
STILL_WAITING = contact(bot=MENU, human=HumanPart(AT, AT), outcome=Outcome.UNKNOWN, closed=False)


@pytest.mark.parametrize(
    ("name", "bot", "person", "gave_up", "escalated", "in_vain", "left"),
    [
        ("first_call_resolution", 1, 1, 0, 1, 0, 0),
        ("true_resolution", 1, 1, 0, 1, 0, 0),
        ("time_to_solution_s", 40, 150, 900, 150, 900, 900),
        ("handle_time_s", 60, 120, 20, 120, 20, 60),
        ("abandonment_before_service", 0, 0, 1, 0, 0, 0),
        ("abandonment_mid_task", 0, 0, 1, 0, 0, 1),
        ("transfer_rate", 0, 0, 0, 1, 1, 0),
        ("failed_transfer", 0, 0, 0, 0, 1, 0),
        ("containment", 1, 0, 0, 0, 0, 1),
        ("service_level", 1, 0, 0, 0, 0, 1),
    ],
)
def test_by_hand(
    name: str, bot: float, person: float, gave_up: float, escalated: float, in_vain: float, left: float
) -> None:
    cases = (SERVED_BY_BOT, SERVED_BY_PERSON, GAVE_UP, ESCALATED, ESCALATED_IN_VAIN, LEFT_THE_BOT)
    assert [one(name, case) for case in cases] == [bot, person, gave_up, escalated, in_vain, left]


def test_waiting_is_over_those_served() -> None:
    assert [one("wait_s", case) for case in (SERVED_BY_BOT, SERVED_BY_PERSON, ESCALATED)] == [0, 30, 30]
    assert math.isnan(one("wait_s", GAVE_UP))


def test_who_hangs_up_within_five_seconds_has_abandoned_nothing() -> None:
    short = replace(GAVE_UP_HUMAN, wait_s=4.0)
    quick = contact(bot=MENU, human=short, outcome=Outcome.UNRESOLVED, ended_at=AT + timedelta(seconds=4))
    assert one("abandonment_before_service", quick) == 0
    assert one("abandonment_mid_task", quick) == 0
    assert math.isnan(one("service_level", quick))


def test_repeats_count_against_the_solution_and_into_its_time() -> None:
    assert one("true_resolution", SERVED_BY_BOT, repeats=1, last_outcome=1, last_solved_s=25) == 0
    assert one("repeat_7d", SERVED_BY_BOT, repeats=2) == 1
    assert one("repeat_7d", SERVED_BY_BOT) == 0
    assert one("time_to_solution_s", SERVED_BY_BOT, repeats=1, last_outcome=1, last_solved_s=25) == 60 + 25
    assert (
        one("time_to_solution_s", SERVED_BY_BOT, repeats=2, repeats_s=70, last_outcome=1, last_solved_s=25) == 155
    )
    assert one("time_to_solution_s", SERVED_BY_BOT, repeats=1, last_outcome=0) == 900
    assert one("time_to_solution_s", SERVED_BY_BOT, repeats=1, last_outcome=1, last_solved_s=5000) == 900


@pytest.mark.parametrize("name", COMPARABLE)
def test_what_is_not_known_is_no_number_in_either_arm(name: str) -> None:
    nothing = ContactColumns(**dict.fromkeys(CONTACT_FIELDS, np.full(1, math.nan)))
    assert math.isnan(values(name, nothing, Measure())[0])
    if name != "repeat_7d":
        assert math.isnan(one(name, STILL_WAITING))


def test_diagnostics_of_the_bot_are_shares_of_its_calls() -> None:
    troubled = contact(diagnostics=Diagnostics(2, 1, 3, 1, (100, 900, 300)), score=4, misrouted=True)
    for name in ("no_match", "no_input", "false_barge_in", "engine_failure", "misroute"):
        assert one(name, troubled) == 1
        if name != "misroute":
            assert one(name, SERVED_BY_BOT) == 0
            assert math.isnan(one(name, contact(bot=None)))
    assert one("response_gap_ms", troubled) == 300
    assert one("csat", troubled) == 4


def test_figures_of_groups() -> None:
    group = columns(SERVED_BY_BOT, SERVED_BY_PERSON, GAVE_UP, contact(score=5))
    cost = kpis.cost_per_resolution(group, bot_minute_minor=60, operator_minute_minor=600)
    assert cost == pytest.approx((60 + 20 + 20 + 60 + 100 * 10) / 3)
    assert kpis.gap_percentile_ms([100, 200, 300], [1, 2, 1], 0.5) == 200
    assert kpis.response_gap_p95_ms([100, 200, 300], [90, 5, 5]) == 200
    assert kpis.response_gap_p95_ms([100, 200, 300], [90, 4, 6]) == 300
    started = np.array([0, 1, 2, 61], dtype=np.int64) * 1_000_000
    assert kpis.availability(columns(SERVED_BY_BOT, ESCALATED_IN_VAIN, GAVE_UP, SERVED_BY_BOT), started) == 0.5


def test_nothing_gives_no_group_figure() -> None:
    nothing = columns()
    assert math.isnan(kpis.cost_per_resolution(nothing, bot_minute_minor=1, operator_minute_minor=1))
    assert math.isnan(kpis.availability(nothing, np.empty(0, dtype=np.int64)))
    assert math.isnan(kpis.response_gap_p95_ms([], []))


@given(
    st.lists(
        st.sampled_from([SERVED_BY_BOT, SERVED_BY_PERSON, GAVE_UP, ESCALATED, LEFT_THE_BOT, STILL_WAITING]),
        max_size=8,
    )
)
def test_a_contact_counts_the_same_alone_and_among_others(group: list[Contact]) -> None:
    for name in KPIS:
        together = values(name, columns(*group), Measure(900))
        alone = [one(name, case) if KPIS[name].formula else math.nan for case in group]
        np.testing.assert_array_equal(together, np.array(alone))


def test_roles_follow_from_the_formulas() -> None:
    for kpi in KPIS.values():
        assert not (kpi.comparable and kpi.bot_rate), kpi.name
        assert (kpi.formula is None) == kpi.whole, kpi.name
    assert {name for name, kpi in KPIS.items() if kpi.windowed} == {
        "true_resolution",
        "time_to_solution_s",
        "repeat_7d",
    }


def test_the_reference_is_what_the_code_says() -> None:
    page = (PROJECT_ROOT / "docs" / "reference" / "kpis.md").read_text("utf-8")
    assert markdown() in page, "run python -m tools.kpi_reference"


def test_a_score_counts_as_given() -> None:
    scored = replace(columns(SERVED_BY_BOT, SERVED_BY_PERSON), qa_score=np.array([88.0, math.nan]))
    np.testing.assert_array_equal(values("qa_score", scored, Measure()), [88.0, math.nan])
    np.testing.assert_array_equal(
        values("csat_response", columns(contact(score=5), SERVED_BY_BOT), Measure()), [1, 0]
    )

"""The operators' queue with the bot and without it, against values worked out by hand.

Two operators, 12 calls an hour of 300 s: one Erlang. Erlang B: 1/2 with one operator, (1/2)/(2 + 1/2) = 1/5 with
two; Erlang C: 2/5 / (2 - 4/5) = 1/3; mean wait 1/3 x 300 / (2 - 1) = 100 s. With half of the calls: half an
Erlang, B = 1/3, then 1/13; C = 2/13 / (2 - 6/13) = 1/10; mean wait 1/10 x 300 / 1.5 = 20 s.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivrbot.rollout.forecasting.staffing import (
    HOURS,
    Outlook,
    Target,
    Workload,
    outlook,
    sentence,
    spillover,
    weekly_profile,
)

FLAT = (12.0,) * HOURS
HALVED = Workload(FLAT, 300.0, bot_share=0.5, agents=2)


def test_now_and_rolled_back() -> None:
    found = outlook(HALVED)
    assert found.now
    assert found.rolled_back
    assert found.now.wait_s == pytest.approx(20.0)
    assert found.now.service_level == pytest.approx(1 - 0.1 * math.exp(-1.5 * 20 / 300))
    assert found.now.calls_per_hour == 6.0
    assert found.rolled_back.wait_s == pytest.approx(100.0)
    assert found.rolled_back.service_level == pytest.approx(1 - math.exp(-20 / 300) / 3)
    assert found.spillover_s == pytest.approx(80.0)


def test_operators_needed() -> None:
    """Three operators and one Erlang: B = (1/5)/(3 + 1/5) = 1/16, C = 3/16 / (3 - 15/16) = 1/11: 92 % in 20 s."""
    found = outlook(HALVED)
    assert found.now
    assert found.rolled_back
    assert (found.now.agents_needed, found.rolled_back.agents_needed) == (2, 3)
    strict = outlook(replace(HALVED, target=Target(0.95, 20.0)))
    assert strict.rolled_back
    assert strict.rolled_back.agents_needed == 4


def test_calls_that_come_back_from_the_bot_are_still_the_operators() -> None:
    """Half to the bot, half of these back with 600 s each: 9 calls an hour of 400 s are one Erlang again."""
    found = outlook(replace(HALVED, returned=0.5, handle_returned_s=600.0))
    assert found.now
    assert found.now.calls_per_hour == 9.0
    assert found.now.wait_s == pytest.approx(400.0 / 3)
    assert found.spillover_s == pytest.approx(100.0 - 400.0 / 3)
    assert "does not relieve" in spillover(found, "en")
    assert "не разгружает" in spillover(found, "ru")


def test_hours_weigh_by_their_calls_and_operators_may_change_by_the_hour() -> None:
    calls = (12.0, 6.0) + (0.0,) * (HOURS - 2)
    found = outlook(Workload(calls, 300.0, agents=(2,) * HOURS))
    assert found.now
    assert found.now.wait_s == pytest.approx((12 * 100 + 6 * 20) / 18)
    nobody_at_night = (2, 0) + (2,) * (HOURS - 2)
    found = outlook(Workload(calls, 300.0, agents=nobody_at_night))
    assert found.now
    assert found.now.wait_s == math.inf
    assert found.now.overloaded_hours == 1
    assert found.as_json()["spillover_s"] is None


def test_a_queue_that_grows_without_end_is_said_so() -> None:
    found = outlook(replace(HALVED, agents=1))
    assert found.now
    assert found.rolled_back
    assert (found.now.overloaded_hours, found.rolled_back.overloaded_hours) == (0, HOURS)
    assert found.rolled_back.service_level == 0.0
    assert found.spillover_s is None
    assert "grows without end in 168 hours" in sentence(found, "en")
    assert "168" in spillover(found, "ru")
    assert "Infinity" not in json.dumps(found.as_json())


def test_unknown_operators_are_not_invented() -> None:
    found = outlook(replace(HALVED, agents=None))
    assert found.now
    assert (found.now.agents, found.now.service_level, found.now.wait_s) == (None, None, None)
    assert found.now.agents_needed == 2
    assert found.spillover_s is None
    assert "not known" in sentence(found, "en")
    assert "неизвестно" in sentence(found, "ru")
    assert spillover(found, "en") == "How much the bot shortens the operators' queue is not known."


@pytest.mark.parametrize(
    "workload", [Workload(None, 300.0, agents=2), Workload(FLAT, None, agents=2), Workload((0.0,) * HOURS, 300.0)]
)
def test_without_volumes_or_times_nothing_is_computed(workload: Workload) -> None:
    found = outlook(workload)
    assert found == Outlook(Target())
    assert "not known" in sentence(found, "en")
    assert found.as_json()["now"] is None


def test_the_sentences() -> None:
    found = outlook(HALVED)
    assert sentence(found, "en") == (
        "If the branch is rolled back, operators take 12 calls in the busiest hour instead of 6; over the week "
        "68% of callers are served within 20 s (now 90%); the mean wait is 100 s (now 20 s); 3 operators are "
        "needed then to serve 80% of callers within 20 s (now 2)."
    )
    assert sentence(found, "ru") == (
        "После отката операторы в час пик примут звонков: 12 вместо 6; за неделю обслужено за 20 с: 68 % (сейчас "
        "90 %); среднее ожидание 100 с (сейчас 20 с); чтобы обслужить 80 % за 20 с, нужно операторов: 3 "
        "(сейчас 2)."
    )
    assert spillover(found, "en").endswith("looks better by about 80 s of wait.")
    as_json = found.as_json()
    assert as_json["sentence_en"] == sentence(found, "en")
    assert as_json["spillover_s"] == 80.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(1, 20))
def test_who_takes_calls_away_never_makes_the_others_wait(bot_share: float, returned: float, agents: int) -> None:
    found = outlook(replace(HALVED, bot_share=bot_share, returned=returned, agents=agents))
    assert found.now
    assert found.rolled_back
    assert found.now.wait_s is not None
    assert found.rolled_back.wait_s is not None
    assert found.now.wait_s <= found.rolled_back.wait_s * (1 + 1e-9)
    assert found.now.agents_needed <= found.rolled_back.agents_needed


def test_arrivals_become_a_profile_on_the_local_clock() -> None:
    monday = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
    arrivals = [monday, monday + timedelta(days=7), monday + timedelta(hours=1)]
    profile = weekly_profile(arrivals, "Europe/Moscow", weeks=2)
    assert profile[9] == 1.0
    assert profile[10] == 0.5
    assert sum(profile) == 1.5
    assert len(profile) == HOURS


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="bot_share"):
        Workload(FLAT, 300.0, bot_share=1.2)
    with pytest.raises(ValueError, match="calls"):
        Workload((1.0,), 300.0)
    with pytest.raises(ValueError, match="agents"):
        Workload(FLAT, 300.0, agents=(1, 2))
    with pytest.raises(ValueError, match="weeks"):
        weekly_profile([], "UTC", 0)

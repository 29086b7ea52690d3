"""Assignment and ladders over everything that Hypothesis can think of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.model.experiment import Arm, BranchState
from ivrbot.rollout.drawing.assignment import assign, draw, normalise_caller, unit_of
from ivrbot.rollout.planning.check import check_plan, load_plan
from ivrbot.rollout.planning.plan import Plan

KEY = b"property"
CALLERS = st.integers(9_000_000_000, 9_999_999_999).map(lambda number: f"+7{number}")
SHARES = st.floats(0.001, 1.0)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("plan") / "rollout.yaml"
    path.write_text("goal: g\nsalt: s\nbranches: {balance: {start: shadow}, loans: {start: shadow}}\n")
    return load_plan(path, {"balance", "loans"})


def arm(plan: Plan, caller: str | None, share: float, holdback: float, call_id: str = "c") -> Arm | None:
    state = BranchState("balance", "x", share, holdback)
    return assign(plan, state, "balance", caller=caller, call_id=call_id, caller_key=KEY).arm


@given(caller=CALLERS, share=SHARES, holdback=st.floats(0, 0.5), call_ids=st.lists(st.text(), min_size=2))
def test_the_same_caller_keeps_his_arm(
    plan: Plan, caller: str, share: float, holdback: float, call_ids: list[str]
) -> None:
    assert len({arm(plan, caller, share, holdback, call_id) for call_id in call_ids}) == 1


@given(caller=CALLERS, shares=st.lists(SHARES, min_size=2, max_size=6), holdback=st.floats(0, 0.5))
def test_who_is_with_the_bot_stays_there_as_the_share_rises(
    plan: Plan, caller: str, shares: list[float], holdback: float
) -> None:
    with_bot = [arm(plan, caller, share, holdback) is Arm.TREATMENT for share in sorted(shares)]
    assert with_bot == sorted(with_bot)


@given(caller=CALLERS, share=SHARES, smaller=st.floats(0, 0.4), larger=st.floats(0.4, 0.9))
def test_a_larger_holdback_only_takes_from_the_bot(
    plan: Plan, caller: str, share: float, smaller: float, larger: float
) -> None:
    if arm(plan, caller, share, larger) is Arm.TREATMENT:
        assert arm(plan, caller, share, smaller) is Arm.TREATMENT


@given(salt=st.text(min_size=1), branch=st.text(), unit=st.text())
def test_numbers_lie_between_nought_and_one(salt: str, branch: str, unit: str) -> None:
    assert 0.0 <= draw(salt, branch, unit) <= 1.0


@given(number=st.text())
def test_any_caller_number_is_either_e164_or_withheld(number: str) -> None:
    caller = normalise_caller(number)
    assert caller is None or (caller[0] == "+" and caller[1:].isdigit() and normalise_caller(caller) == caller)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_share_is_met_and_branches_are_independent(share: float) -> None:
    units = [unit_of(f"+7916{count:07d}", "", KEY) for count in range(10_000)]
    balance = [draw("s", "balance", unit) < share for unit in units]
    loans = [draw("s", "loans", unit) < share for unit in units]
    both = sum(1 for one, other in zip(balance, loans, strict=True) if one and other)
    for hits, expected in ((sum(balance), share), (sum(loans), share), (both, share**2)):
        # Fixed units: not a matter of luck; five standard errors.
        assert abs(hits / len(units) - expected) < 5 * math.sqrt(expected * (1 - expected) / len(units))


def test_a_million_units_spread_evenly_and_alike_in_every_branch() -> None:
    """Chi-square over 100 cells, and over the 10 x 10 table of two branches; the units are fixed, not lucky."""
    table = [[0] * 10 for _ in range(10)]
    cells = [0] * 100
    for number in range(1_000_000):
        unit = f"{number:064x}"
        one = draw("s", "balance", unit)
        cells[int(one * 100)] += 1
        if number % 10 == 0:
            table[int(one * 10)][int(draw("s", "loans", unit) * 10)] += 1
    spread = sum((count - 10_000) ** 2 / 10_000 for count in cells)
    together = sum((count - 1_000) ** 2 / 1_000 for row in table for count in row)
    # 99 degrees of freedom: the 0.1 % quantile is 148.2.
    assert spread < 148.2
    assert together < 148.2


@settings(max_examples=40, deadline=None)
@given(text=st.text() | st.from_regex(r"(goal|salt|branches|defaults): [\[\]{},:a-z0-9\"'&*!|>-]{0,20}\n?"))
def test_no_text_makes_the_check_fall_over(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found, _ = check_plan(path, {"balance"})
    assert found

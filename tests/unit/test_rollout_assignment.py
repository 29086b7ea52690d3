"""The draw: keyed, sticky, and who is never drawn."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest

from ivrbot.model.experiment import Arm, Assignment, BranchState, Route
from ivrbot.rollout.drawing.assignment import assign, draw, normalise_caller, unit_of
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan

KEY = b"k" * 32
CALLER = "+79161234567"
TESTER = "+79990000001"
TENTH = BranchState("balance", "tenth", 0.1, 0.0, 3)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("plan") / "rollout.yaml"
    path.write_text(
        f'goal: g\nsalt: s\noverrides: {{"{TESTER}": bot, "+79990000002": operator}}\n'
        "branches: {balance: {start: shadow}}\n"
    )
    return load_plan(path, {"balance"})


def decided(plan: Plan, state: BranchState | None, caller: str | None = CALLER, **changes: object) -> Assignment:
    arguments: dict[str, object] = {"caller": caller, "call_id": "c-1", "caller_key": KEY} | changes
    return assign(plan, state, str(arguments.pop("branch", "balance")), **arguments)  # type: ignore[arg-type]


def caller_with(plan: Plan, below: float, at_least: float = 0.0) -> str:
    """A caller whose number in branch balance lies in [at_least, below)."""
    numbers = (f"+7916{count:07d}" for count in range(10_000))
    return next(
        number for number in numbers if at_least <= draw(plan.salt, "balance", unit_of(number, "", KEY)) < below
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("89161234567", CALLER),
        ("+7 (916) 123-45-67", CALLER),
        ("9161234567", CALLER),
        ("+442079460000", "+442079460000"),
        ("", None),
        ("anonymous", None),
        ("100", None),
        ("+7", None),
        ("${SHELL}", None),
    ],
)
def test_numbers_are_normalised(number: str, expected: str | None) -> None:
    assert normalise_caller(number) == expected


def test_the_draw_is_the_documented_one() -> None:
    digest = hmac.new(b"salt", b"balance" + b"\x1f" + b"unit", hashlib.sha256).digest()
    assert draw("salt", "balance", "unit") == int.from_bytes(digest[:8], "big") / 2**64


def test_units_hide_numbers_and_keep_callers_apart() -> None:
    unit = unit_of(CALLER, "c-1", KEY)
    assert unit == unit_of(CALLER, "c-2", KEY)
    assert unit != unit_of(CALLER, "c-1", b"other")
    assert unit not in {unit_of(None, CALLER, KEY), unit_of("+79161234568", "c-1", KEY)}
    assert unit_of(None, "c-1", KEY) != unit_of(None, "c-2", KEY)
    assert len(unit) == 64


def test_drawn_callers_are_in_an_arm_with_their_propensity(plan: Plan) -> None:
    bot = decided(plan, TENTH, caller_with(plan, 0.1))
    human = decided(plan, TENTH, caller_with(plan, 1.0, 0.1))
    assert (bot.route, bot.arm, bot.reason) == (Route.BOT, Arm.TREATMENT, "drawn")
    assert (human.route, human.arm, human.reason) == (Route.OPERATOR, Arm.CONTROL, "drawn")
    assert {(x.propensity, x.share, x.stage, x.epoch) for x in (bot, human)} == {(0.1, 0.1, "tenth", 3)}


def test_holdback_keeps_some_with_operators(plan: Plan) -> None:
    full = replace(TENTH, stage="full", share=1.0, holdback=0.05)
    held = decided(plan, full, caller_with(plan, 1.0, 0.95))
    assert (held.route, held.arm, held.reason) == (Route.OPERATOR, Arm.CONTROL, "holdback")
    assert held.propensity == 0.95


def test_share_one_takes_even_the_number_that_rounds_to_one(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.rollout.drawing.assignment.draw", lambda *_: 1.0)
    assert decided(plan, replace(TENTH, share=1.0)).arm is Arm.TREATMENT
    assert decided(plan, replace(TENTH, share=0.99)).arm is Arm.CONTROL


@pytest.mark.parametrize(
    ("state", "changes", "reason"),
    [
        (None, {}, "not_started"),
        (BranchState("balance", "", 0.0, 0.0), {}, "not_started"),
        (BranchState("balance", "shadow", 0.0, 0.0), {}, "shadow"),
        (replace(TENTH, share=1.0, killed=True), {}, "killed"),
        (replace(TENTH, share=1.0), {"eligible": False, "why_not": "bot_full"}, "bot_full"),
        (replace(TENTH, share=1.0), {"eligible": False}, "not_eligible"),
        (replace(TENTH, share=1.0), {"branch": "loans"}, "not_in_plan"),
        (replace(TENTH, share=1.0), {"caller": "+79990000002"}, "override"),
        (replace(TENTH, killed=True), {"caller": TESTER}, "killed"),
        (TENTH, {"caller": TESTER, "eligible": False, "why_not": "unhealthy"}, "unhealthy"),
        (TENTH, {"caller": TESTER, "branch": "loans"}, "not_in_plan"),
    ],
)
def test_who_is_not_drawn_meets_an_operator_and_is_in_no_arm(
    plan: Plan, state: BranchState | None, changes: dict[str, object], reason: str
) -> None:
    answer = decided(plan, state, **changes)  # type: ignore[arg-type]
    assert (answer.route, answer.arm, answer.propensity, answer.reason) == (Route.OPERATOR, None, 0.0, reason)


@pytest.mark.parametrize("state", [None, BranchState("balance", "shadow", 0.0, 0.0), TENTH])
def test_test_numbers_meet_the_bot_without_being_evidence(plan: Plan, state: BranchState | None) -> None:
    answer = decided(plan, state, TESTER)
    assert (answer.route, answer.arm, answer.reason) == (Route.BOT, None, "override")


def test_withheld_numbers_are_drawn_by_call(plan: Plan) -> None:
    half = replace(TENTH, share=0.5)
    arms = {decided(plan, half, None, call_id=f"c-{count}").arm for count in range(50)}
    assert arms == {Arm.CONTROL, Arm.TREATMENT}

"""rollout.yaml: what is accepted, and that every problem is named at once with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivrbot.errors import ConfigError, Problem
from ivrbot.model.experiment import BranchState, Route
from ivrbot.rollout.planning.check import check_plan, load_plan
from ivrbot.rollout.planning.plan import Guardrail, Plan, Primary, Stage, initial_states

ROOT = Path(__file__).parents[2]
BRANCHES = frozenset({"block_card", "balance", "disputes", "loans", "deposits", "other"})

SMALL = """\
goal: no worse
salt: s1
branches:
  balance: {start: shadow}
"""


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    return tmp_path / "rollout.yaml"


def problems(path: Path, text: str | bytes) -> list[Problem]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found, _ = check_plan(path, BRANCHES)
    return found


def places(found: list[Problem]) -> set[tuple[str, int | None]]:
    return {(problem.path, problem.line) for problem in found}


def load(path: Path, text: str) -> Plan:
    path.write_text(text, "utf-8")
    return load_plan(path, BRANCHES)


# --- what is accepted ---------------------------------------------------------------------------------


def test_the_example_plan_is_valid_and_says_what_it_says() -> None:
    found, warnings = check_plan(ROOT / "rollout.yaml", BRANCHES)
    assert (found, warnings) == ([], [])
    plan = load_plan(ROOT / "rollout.yaml", BRANCHES)
    balance = plan.branches["balance"]
    assert balance.stages[1] == Stage("tenth", 0.1, 7, 300, 0.0, 0.0)
    assert balance.stages[-1].bound == 0.95
    assert balance.primary[0] == Primary("true_resolution", 0.03)
    assert balance.guardrails[-1] == Guardrail("engine_failure", None, 0.005)
    assert plan.overrides == {"+79990000001": Route.BOT}
    assert list(plan.branches)[-2:] == ["block_card", "front"]


def test_the_demo_plan_gives_every_branch_to_the_bot() -> None:
    plan = load_plan(ROOT / "deploy" / "demo-rollout.yaml", BRANCHES)
    states = initial_states(plan)
    assert states.keys() == BRANCHES | {"front"}
    assert {(state.share, state.holdback, state.stage) for state in states.values()} == {(1.0, 0.0, "full")}


def test_defaults_are_the_documented_ladder(plan_file: Path) -> None:
    written = load_plan(ROOT / "rollout.yaml", BRANCHES).branches["balance"]
    short = load(plan_file, SMALL).branches["balance"]
    assert (short.stages, short.primary, short.guardrails) == (written.stages, written.primary, written.guardrails)
    assert (short.alpha, short.t_opt, short.approval) == (written.alpha, written.t_opt, written.approval)


def test_a_branch_may_differ_from_the_defaults(plan_file: Path) -> None:
    plan = load(
        plan_file,
        SMALL + "  loans: {after: balance, alpha: 0.01, approval: automatic, stages: [{name: all, share: 1}]}\n",
    )
    loans = plan.branches["loans"]
    assert (loans.alpha, loans.approval, loans.start, loans.after) == (0.01, "automatic", "all", "balance")
    assert plan.branches["balance"].alpha == 0.05


def test_any_stage_may_be_the_first(plan_file: Path) -> None:
    plan = load(plan_file, SMALL.replace("start: shadow", "start: half"))
    assert initial_states(plan)["balance"] == BranchState("balance", "half", 0.5, 0.0, 1, False, plan.revision)


def test_branches_that_wait_have_not_started(plan_file: Path) -> None:
    plan = load(plan_file, SMALL + "  loans: {after: balance}\n")
    assert initial_states(plan)["loans"] == BranchState("loans", "", 0.0, 0.0, 1, False, plan.revision)


def test_revision_follows_content_and_nothing_else(plan_file: Path) -> None:
    first = load(plan_file, SMALL).revision
    lines = SMALL.splitlines()
    assert load(plan_file, "# a comment\n" + "\n".join([lines[1], lines[0], *lines[2:]])).revision == first
    assert load(plan_file, SMALL.replace("s1", "s2")).revision != first


def test_repr_shows_neither_salt_nor_numbers() -> None:
    text = repr(load_plan(ROOT / "rollout.yaml", BRANCHES))
    assert "autumn-2026" not in text
    assert "+7999" not in text


# --- every problem at once ----------------------------------------------------------------------------

BROKEN = """\
version: 2
gaol: x
salt: 5
timezone: Mars/Olympus
defaults:
  stages:
    - {name: a, share: "10%"}
    - {name: b, share: 0.5, holdback: 0.1}
    - {name: b, share: 0.4, bogus: 1}
    - {name: c, share: 1.5}
  primary: [{kpi: containment, margin: 0.1}, {kpi: nonsense, margin: 0}]
  guardrails:
    - {kpi: engine_failure, limit: 0.1}
    - {kpi: failed_transfer}
    - {kpi: csat, level: 3}
overrides:
  "12": bot
  "+79990000001": robot
branches:
  balance: {start: nope}
  loans: {after: deposits}
  deposits: {after: loans, aplha: 3}
  other: {after: disputes}
  mars: {}
"""


def test_all_problems_are_named_with_their_lines(plan_file: Path) -> None:
    found = problems(plan_file, BROKEN)
    assert places(found) == {
        ("goal", 1),
        ("version", 1),
        ("gaol", 2),
        ("salt", 3),
        ("timezone", 4),
        ("defaults.stages.0.share", 7),
        ("defaults.stages.2.name", 9),
        ("defaults.stages.2.share", 9),
        ("defaults.stages.2.bogus", 9),
        ("defaults.stages.3.share", 10),
        ("defaults.primary.0.kpi", 11),
        ("defaults.primary.1.kpi", 11),
        ("defaults.primary.1.margin", 11),
        ("defaults.guardrails.0.limit", 13),
        ("defaults.guardrails.1", 14),
        ("defaults.guardrails.2.kpi", 15),
        ("overrides.12", 17),
        ("overrides.+79990000001", 18),
        ("branches.balance.start", 20),
        ("branches.loans.after", 21),
        ("branches.deposits.after", 22),
        ("branches.deposits.aplha", 22),
        ("branches.other.after", 23),
        ("branches.mars", 24),
    }
    assert {problem.file for problem in found} == {str(plan_file)}


@pytest.mark.parametrize(
    ("defaults", "place"),
    [
        ("stages: [{name: a, share: 0.1, min_callers: 99999999999999999999999999999}]", "stages.0.min_callers"),
        ("stages: [{name: a, share: 0.1, min_days: 3651}]", "stages.0.min_days"),
        ("t_opt: 100000001", "t_opt"),
        ("max_concurrent_bot_calls: 100001", "max_concurrent_bot_calls"),
    ],
)
def test_whole_numbers_have_bounds(plan_file: Path, defaults: str, place: str) -> None:
    text = f"goal: g\nsalt: s\ndefaults: {{{defaults}}}\nbranches: {{balance: {{start: a}}}}\n"
    (found,) = [problem for problem in problems(plan_file, text) if problem.path == f"defaults.{place}"]
    assert "<= " in found.allowed


def test_load_raises_what_check_lists(plan_file: Path) -> None:
    found = problems(plan_file, BROKEN)
    with pytest.raises(ConfigError) as caught:
        load_plan(plan_file, BRANCHES)
    assert list(caught.value.problems) == found


@pytest.mark.parametrize(
    ("old", "new", "path", "allowed"),
    [
        ("balance:", "salary:", "branches.salary", "balance, block_card, deposits, disputes, front, loans, other"),
        ("start: shadow", "start: tent", "branches.balance.start", "shadow, tenth, fifth, half, full"),
        ("goal: no worse\n", "goal: ' '\n", "goal", ""),
        ("salt: s1\n", "", "salt", ""),
        ("start: shadow", "after: balance", "branches.balance.after", ""),
        (
            "start: shadow",
            "start: shadow, approval: maybe",
            "branches.balance.approval",
            "'manual' or 'automatic'",
        ),
        ("start: shadow", "start: shadow, alpha: 0.6", "branches.balance.alpha", "< 0.5"),
        ("start: shadow", "start: shadow, alpha: .nan", "branches.balance.alpha", ""),
        ("start: shadow", "start: shadow, t_opt: true", "branches.balance.t_opt", ""),
    ],
)
def test_each_single_mistake(plan_file: Path, old: str, new: str, path: str, allowed: str) -> None:
    (problem,) = problems(plan_file, SMALL.replace(old, new))
    assert problem.path == path
    assert allowed in problem.allowed


def test_a_holdback_must_not_take_callers_back(plan_file: Path) -> None:
    ladder = "defaults: {stages: [{name: half, share: 0.5}, {name: full, share: 1, holdback: 0.6}]}\n"
    (problem,) = problems(plan_file, SMALL.replace("shadow", "half") + ladder)
    assert (problem.path, problem.allowed) == ("defaults.stages.1.holdback", "<= 0.5")


def test_longer_circles_are_found_in_every_member(plan_file: Path) -> None:
    text = (
        "goal: g\nsalt: s\nbranches: {loans: {after: other}, other: {after: disputes}, disputes: {after: loans}}\n"
    )
    found = problems(plan_file, text)
    assert {problem.path for problem in found} == {f"branches.{x}.after" for x in ("loans", "other", "disputes")}


def test_only_emergency_branches_that_skip_shadow_are_warned_of(plan_file: Path) -> None:
    plan_file.write_text(SMALL.replace("shadow", "half") + "  block_card: {start: tenth}\n", "utf-8")
    found, warnings = check_plan(plan_file, BRANCHES)
    assert found == []
    assert [(warning.path, warning.value) for warning in warnings] == [
        ("branches.block_card", "tenth"),
        ("branches.block_card", ""),
    ]


# --- hostile and broken files -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "just text",
        "[1, 2]",
        "goal: g\nsalt: s\nbranches: {balance: {start: sha",
        "goal: g\n\tsalt: s\n",
        "goal: g\ngoal: h\nsalt: s\nbranches: {}\n",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "goal: !!python/object/apply:os.system [id]\nsalt: s\nbranches: {}\n",
        "goal: g\nsalt: s\nbranches: {}\n---\ngoal: h\n",
        "goal: 2020-01-01\nsalt: s\nbranches: {}\n",
        "goal: g\nsalt: s\nbranches: [balance]\n",
        "goal: \x00\n",
        b"goal: \xff\xfe\n",
        "goal: " + "g" * 1_000_001,
        "goal: " + "[" * 200,
    ],
    ids=[
        "empty",
        "comment",
        "text",
        "list",
        "half-written",
        "tab",
        "duplicate key",
        "bomb",
        "python tag",
        "two documents",
        "date",
        "branches as list",
        "control character",
        "not utf-8",
        "over 1 MB",
        "deep",
    ],
)
def test_files_that_are_no_plan_are_refused_by_name(plan_file: Path, text: str | bytes) -> None:
    found = problems(plan_file, text)
    assert found
    assert all(problem.file == str(plan_file) and problem.message for problem in found)


def test_a_crowded_file_is_refused_before_it_is_read(plan_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.yamlfile.MAX_NODES", 100)
    (problem,) = problems(plan_file, "goal: [" + "a," * 200 + "]")
    assert "more than 100 values" in problem.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (problem,), _ = check_plan(tmp_path / "none.yaml", BRANCHES)
    assert "none.yaml" in problem.file

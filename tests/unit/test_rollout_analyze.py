"""Files with a planted truth get the right verdict; broken files are told line by line."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ivrbot.cli.main import main
from ivrbot.errors import Problem
from ivrbot.model.evidence import Step, Verdict
from ivrbot.rollout.offline.analyze import Analysis, analysis_row, analyze, analyze_file
from ivrbot.rollout.offline.exposure_scan import scan_exposures
from tests.unit.rollout_data import HEADER, KPIS, START, Row, World, branch_plan, lines_of, plan_of, rows_of

PLAN = plan_of(branch_plan())


def judge(
    rows: list[Row], now: datetime, columns: tuple[str, ...] = (*HEADER, *KPIS)
) -> tuple[Analysis, tuple[Problem, ...]]:
    found, problems = analyze(lines_of(rows, columns), "f.csv", PLAN, now)
    assert len(found) == 1
    return found[0], problems


def outcome(found: Analysis) -> tuple[Verdict, Step, str]:
    return found.decision.verdict, found.decision.step, found.decision.reason


LATER = timedelta(days=8)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equal_bot_with_enough_data_advances(seed: int) -> None:
    world = World(seed=seed, steps=(("tenth", 20),))
    found, problems = judge(rows_of(world), world.end + LATER)
    assert outcome(found) == (Verdict.PASS, Step.ADVANCE, "passed")
    assert found.decision.to_stage == "fifth"
    assert not problems
    assert all(metric.verdict is Verdict.PASS for metric in found.decision.metrics)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equal_bot_under_drift_is_not_taken_for_a_worse_one(seed: int) -> None:
    world = World(
        seed=seed,
        steps=(("tenth", 10), ("fifth", 10), ("half", 10)),
        base=lambda day: 0.80 if day < 10 else 0.74 if day < 20 else 0.68,
    )
    found, _ = judge(rows_of(world), world.end + LATER)
    assert outcome(found) == (Verdict.PASS, Step.ADVANCE, "passed")
    resolution = found.decision.metrics[0]
    assert resolution.lower is not None and resolution.upper is not None
    assert resolution.lower < 0 < resolution.upper


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_worse_bot_under_drift_rolls_back(seed: int) -> None:
    world = World(
        seed=seed,
        steps=(("tenth", 10), ("fifth", 10), ("half", 10)),
        base=lambda day: 0.66 + 0.006 * day,  # rising: averages of the arms hide the harm
        effect=-0.10,
    )
    found, _ = judge(rows_of(world), world.end + LATER)
    assert outcome(found) == (Verdict.FAIL, Step.ROLL_BACK, "primary_failed")
    assert found.decision.to_stage == "shadow"
    resolution = found.decision.metrics[0]
    assert resolution.upper is not None and resolution.upper < -0.05
    assert resolution.bound is not None and resolution.bound < -0.05


def test_bot_at_the_margin_is_neither_promoted_nor_rolled_back() -> None:
    world = World(steps=(("tenth", 20),), effect=-0.05)
    found, _ = judge(rows_of(world), world.end + LATER)
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "not_shown")


@pytest.mark.parametrize("effect", [0.0, -0.2])
def test_lost_callers_stop_widening_but_not_rolling_back(effect: float) -> None:
    world = World(steps=(("half", 14),), wrong_arm=0.06, effect=effect)
    found, _ = judge(rows_of(world), world.end + LATER)
    assert found.evidence is not None and found.evidence.srm.ok is False
    assert found.evidence.srm.groups
    expected = (
        (Verdict.FAIL, Step.ROLL_BACK, "primary_failed") if effect else (Verdict.INCONCLUSIVE, Step.HOLD, "srm")
    )
    assert outcome(found) == expected


def test_lost_callers_are_found_on_their_trunk() -> None:
    rows = rows_of(World(steps=(("half", 14),)))
    for at, row in enumerate(rows):
        row["trunk"] = f"t{at % 4}"
        if row["trunk"] == "t2" and at % 3 == 0:
            row["arm"] = "control"
    found, _ = judge(rows, World(steps=(("half", 14),)).end + LATER, (*HEADER, "trunk", *KPIS))
    assert found.evidence is not None
    worst = found.evidence.srm.groups[0]
    assert (worst.kind, worst.name) == ("trunk", "t2")
    assert worst.observed_bot < worst.expected_bot
    assert "trunk t2" in found.decision.sentence


def test_values_inside_the_window_are_ignored_even_when_filled() -> None:
    world = World(steps=(("half", 10),), effect=-0.3)
    rows = rows_of(world)
    within = START + timedelta(days=7)
    found, _ = judge([row for row in rows if row["started_at"] < within.isoformat()], within)
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "few_callers")
    resolution = found.decision.metrics[0]
    assert (resolution.n_bot, resolution.n_human) == (0, 0)
    assert resolution.difference is None and resolution.bound is None
    abandonment = found.decision.metrics[2]
    assert abandonment.n_bot > 3000  # has no window
    ripe, _ = judge(rows, world.end + LATER)
    assert outcome(ripe) == (Verdict.FAIL, Step.ROLL_BACK, "primary_failed")


def test_empty_values_inside_the_window_are_not_missing() -> None:
    world = World(steps=(("half", 24),))
    rows = rows_of(world)
    border = (world.end - timedelta(days=7)).isoformat()
    for row in rows:
        if row["started_at"] > border:
            row["true_resolution"] = row["time_to_solution_s"] = ""
    found, _ = judge(rows, world.end)
    assert outcome(found) == (Verdict.PASS, Step.ADVANCE, "passed")
    late, _ = judge(rows, world.end + LATER)
    assert outcome(late) == (Verdict.INCONCLUSIVE, Step.HOLD, "missing_values")


@pytest.mark.parametrize(("share", "verdict"), [(50, Verdict.INCONCLUSIVE), (200, Verdict.PASS)])
def test_more_than_one_per_cent_missing_in_one_arm_gives_no_verdict(share: int, verdict: Verdict) -> None:
    world = World(steps=(("half", 14),))
    rows = rows_of(world)
    for row in [row for row in rows if row["arm"] == "control"][::share]:
        row["true_resolution"] = ""
    found, _ = judge(rows, world.end + LATER)
    assert found.decision.verdict is verdict


def test_missing_values_stop_a_rollback_that_rests_on_them() -> None:
    world = World(steps=(("half", 14),), effect=-0.2)
    rows = rows_of(world)
    for row in [row for row in rows if row["arm"] == "treatment"][::20]:
        row["true_resolution"] = ""
    found, _ = judge(rows, world.end + LATER)
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "missing_values")


def test_repeat_callers_count_once() -> None:
    world = World(steps=(("tenth", 12), ("fifth", 12)), repeats=0.5)
    rows = rows_of(world)
    found, _ = judge(rows, world.end + LATER)
    assert found.evidence is not None
    assert found.evidence.units == len({row["unit"] for row in rows})
    assert found.rows == len(rows)
    assert not found.evidence.problems  # who rose into the bot's arm is no contradiction
    assert found.decision.verdict is not Verdict.FAIL
    first = {row["unit"]: row for row in reversed(rows)}
    bots = [row for row in first.values() if row["arm"] == "treatment"]
    assert found.decision.metrics[0].n_bot == len(bots)


@pytest.mark.parametrize("arm", ["control", "treatment"])
def test_an_arm_that_is_missing_is_inconclusive(arm: str) -> None:
    world = World(steps=(("half", 14),), effect=-0.3)
    found, _ = judge([row for row in rows_of(world) if row["arm"] != arm], world.end + LATER)
    assert outcome(found)[:2] == (Verdict.INCONCLUSIVE, Step.HOLD)
    assert found.evidence is not None and found.evidence.srm.ok is False
    assert all(metric.difference is None for metric in found.decision.metrics)


@pytest.mark.parametrize(("arm", "code"), [("control", "stale_operators"), ("treatment", "stale_bot")])
def test_an_arm_that_stops_is_stale(arm: str, code: str) -> None:
    world = World(steps=(("tenth", 20),))
    rows = rows_of(world)
    quiet = (world.end - timedelta(hours=15)).isoformat()  # most of the last day: too little for a mismatch
    kept = [row for row in rows if row["arm"] != arm or row["started_at"] < quiet]
    found, _ = judge(kept, world.end + LATER)
    assert found.decision.verdict is Verdict.INCONCLUSIVE
    evidence = found.evidence
    assert evidence is not None
    flow = evidence.human_flow if arm == "control" else evidence.bot_flow
    assert flow.silence_log10_p < -6
    if evidence.srm.ok:
        assert found.decision.reason == code


def test_doubled_rows_change_nothing_but_the_count() -> None:
    world = World(steps=(("tenth", 20),))
    rows = rows_of(world)
    once, _ = judge(rows, world.end + LATER)
    twice, problems = judge([*rows, *rows[::3]], world.end + LATER)
    assert not problems
    assert twice.duplicates == len(rows[::3])
    assert twice.decision == once.decision
    assert twice.evidence == once.evidence


def test_a_call_that_contradicts_itself_is_an_error_of_its_branch_alone() -> None:
    world = World(steps=(("tenth", 20),))
    rows, others = rows_of(world), rows_of(World(branch="loans", seed=4, steps=(("tenth", 20),)))
    odd = rows[10] | {"arm": "treatment" if rows[10]["arm"] == "control" else "control"}
    plan = plan_of(branch_plan(), branch_plan("loans"))
    found, problems = analyze(lines_of([*rows, *others, odd]), "f.csv", plan, world.end + LATER)
    assert [outcome(item) for item in found] == [
        (Verdict.ERROR, Step.HOLD, "query_failed"),
        (Verdict.PASS, Step.ADVANCE, "passed"),
    ]
    assert [(problem.line, problem.path) for problem in problems] == [(len(rows) + len(others) + 2, "call_id")]
    assert "line 12" in problems[0].message


def test_the_same_call_may_be_exposed_in_two_branches() -> None:
    rows = rows_of(World(steps=(("tenth", 10),)))
    others = [row | {"branch": "front"} for row in rows]
    plan = plan_of(branch_plan(), branch_plan("front"))
    found, problems = analyze(lines_of([*rows, *others]), "f.csv", plan, START + timedelta(days=20))
    assert not problems
    assert [item.duplicates for item in found] == [0, 0]


# --- clocks -----------------------------------------------------------------------------------------------


def test_a_clock_before_the_rows_holds() -> None:
    world = World(steps=(("half", 20),), effect=-0.2)
    found, _ = judge(rows_of(world), world.end - timedelta(days=5))
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "clock")


@pytest.mark.parametrize("effect", [0.0, -0.2])
def test_single_rows_of_the_future_stop_widening_only(effect: float) -> None:
    world = World(steps=(("half", 14),), effect=effect)
    rows = rows_of(world)
    for row in rows[5000:5010]:
        row["started_at"] = "2099-01-01T00:00:00Z"
    found, _ = judge(rows, world.end + LATER)
    assert found.evidence is not None and found.evidence.late == 10
    expected = (
        (Verdict.FAIL, Step.ROLL_BACK, "primary_failed") if effect else (Verdict.INCONCLUSIVE, Step.HOLD, "clock")
    )
    assert outcome(found) == expected


def test_rows_that_fell_back_in_time_hold() -> None:
    world = World(steps=(("half", 20),))
    rows = rows_of(world)
    for row in rows[5000:5010]:
        row["started_at"] = "1970-01-01T00:00:10Z"
    found, _ = judge(rows, world.end + LATER)
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "clock")


@pytest.mark.parametrize("moved", [slice(None, 3000), slice(None, None, 2)])
def test_many_rows_of_a_clock_that_stood_wrong_hold(moved: slice) -> None:
    """They would all be mature, and the stage years old on its third day."""
    world = World(steps=(("half", 3),), per_day=2000, effect=0.15)
    rows = rows_of(world)
    for row in rows[moved]:
        row["started_at"] = "1970-01-01T00:00:10Z"
    found, _ = judge(rows, world.end)
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "clock")


def test_a_pause_of_some_days_holds_nothing() -> None:
    world = World(steps=(("half", 40),), effect=0.05)
    rows = rows_of(world)
    kept = [row for row in rows if not 15 <= (datetime.fromisoformat(row["started_at"]) - START).days < 25]
    found, _ = judge(kept, world.end + LATER)
    assert outcome(found)[0] is Verdict.PASS


def test_stages_out_of_order_hold() -> None:
    world = World(steps=(("tenth", 10), ("fifth", 10), ("tenth", 10)))
    found, _ = judge(rows_of(world), world.end + LATER)
    assert outcome(found)[:2] == (Verdict.INCONCLUSIVE, Step.HOLD)
    assert found.evidence is not None
    assert "stage_order" in {problem.code for problem in found.evidence.problems}


# --- epochs, stickiness, draws ----------------------------------------------------------------------------


def test_only_the_latest_epoch_is_evidence() -> None:
    bad = rows_of(World(steps=(("half", 10),), effect=-0.3))
    good = rows_of(World(seed=2, steps=(("tenth", 20),)))
    for row in bad:
        row |= {"epoch": "1", "call_id": "old" + row["call_id"]}
    for row in good:
        row["epoch"] = "2"
        row["started_at"] = (datetime.fromisoformat(row["started_at"]) + timedelta(days=10)).isoformat()
    found, problems = judge([*bad, *good], START + timedelta(days=38), (*HEADER, "epoch", *KPIS))
    assert not problems
    assert found.state.epoch == 2
    assert outcome(found) == (Verdict.PASS, Step.ADVANCE, "passed")


def test_a_caller_who_changes_arms_without_reason_is_told() -> None:
    world = World(steps=(("half", 14),), repeats=0.3)
    rows = rows_of(world)
    seen: set[str] = set()
    for row in rows:
        if row["unit"] in seen and row["arm"] == "treatment":
            row["arm"] = "control"
            break
        seen.add(row["unit"])
    found, _ = judge(rows, world.end + LATER)
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "arm_changed")
    assert found.decision.sentence.startswith("1 callers")


def test_rows_without_a_draw_give_no_evidence() -> None:
    world = World(steps=(("tenth", 14),))
    rows = rows_of(world)
    for row in rows:
        row |= {"propensity": "1", "arm": "treatment", "stage": "full"}
    found, _ = judge(rows, world.end + LATER)
    assert found.evidence is not None and found.evidence.units == 0
    assert found.evidence.srm.p_value is None and found.evidence.srm.ok is None
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "few_callers")


def test_a_caller_of_the_shadow_stage_starts_with_his_first_draw() -> None:
    world = World(steps=(("shadow", 4), ("half", 14)), repeats=0.6)
    rows = rows_of(world)
    found, _ = judge(rows, world.end + LATER)
    drawn = {row["unit"] for row in rows if row["stage"] == "half"}
    assert found.evidence is not None and found.evidence.units == len(drawn)


def test_arm_that_the_chance_rules_out() -> None:
    world = World(steps=(("half", 14),))
    rows = rows_of(world)
    rows[0] |= {"propensity": "0", "arm": "treatment"}
    found, _ = judge(rows, world.end + LATER)
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "impossible_arm")


def test_minimum_days_and_callers() -> None:
    short = World(steps=(("half", 6),), per_day=3000)
    found, _ = judge(rows_of(short), START + timedelta(days=7, hours=7))
    assert outcome(found)[:2] == (Verdict.INCONCLUSIVE, Step.HOLD)  # no mature value
    few = World(steps=(("half", 20),), per_day=20)
    found, _ = judge(rows_of(few), few.end + LATER)
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "few_callers")


def test_guardrail_breach_in_the_current_stage_rolls_back_before_values_mature() -> None:
    world = World(steps=(("half", 3),), abandoned=(0.04, 0.15))
    found, _ = judge(rows_of(world), world.end)
    assert outcome(found) == (Verdict.FAIL, Step.ROLL_BACK, "guardrail_failed")
    assert "abandonment_mid_task" in found.decision.sentence


def test_guardrail_by_level_looks_at_the_bot_alone() -> None:
    world = World(steps=(("half", 3),), engine_failures=0.03)
    found, _ = judge(rows_of(world), world.end)
    assert outcome(found) == (Verdict.FAIL, Step.ROLL_BACK, "guardrail_failed")
    failures = found.decision.metrics[-1]
    assert (failures.kpi, failures.verdict) == ("engine_failure", Verdict.FAIL)
    assert failures.difference is None and failures.human is None
    assert failures.bot is not None and failures.bound is not None
    assert failures.bot > failures.bound > failures.margin == 0.005


def test_a_kpi_of_the_plan_that_the_file_lacks_is_inconclusive() -> None:
    world = World(steps=(("half", 14),))
    columns = (*HEADER, *(kpi for kpi in KPIS if kpi != "failed_transfer"))
    found, problems = judge(rows_of(world), world.end + LATER, columns)
    assert not problems
    assert outcome(found) == (Verdict.INCONCLUSIVE, Step.HOLD, "absent")


# --- broken files -----------------------------------------------------------------------------------------


def told(problems: tuple[Problem, ...]) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.path) for problem in problems]


def test_every_bad_value_is_told_with_its_line() -> None:
    rows = rows_of(World(steps=(("tenth", 1),), per_day=12))
    rows[0]["arm"] = "bot"
    rows[1]["propensity"] = "1.2"
    rows[2]["started_at"] = "yesterday"
    rows[3]["true_resolution"] = "2"
    rows[4]["time_to_solution_s"] = "fast"
    rows[5]["stage"] = "third"
    rows[6]["branch"] = "nowhere"
    rows[7]["unit"] = " "
    rows[8]["time_to_solution_s"] = "nan"
    rows[9]["propensity"] = "nan"
    found, problems = analyze(lines_of(rows), "f.csv", PLAN, START)
    assert told(problems) == [
        (2, "arm"),
        (3, "propensity"),
        (4, "started_at"),
        (5, "true_resolution"),
        (6, "time_to_solution_s"),
        (7, "stage"),
        (8, "branch"),
        (9, "unit"),
        (10, "time_to_solution_s"),
        (11, "propensity"),
    ]
    assert all(problem.file == "f.csv" for problem in problems)
    assert [(item.state.branch, item.decision.verdict) for item in found] == [
        ("balance", Verdict.ERROR),
        ("nowhere", Verdict.ERROR),
    ]


def test_header_problems_all_at_once() -> None:
    found, problems = analyze(["call_id,started_at,branch,stage,unit,arm,mood,arm\n"], "f.csv", PLAN, START)
    assert found == ()
    assert {(problem.path, problem.message) for problem in problems} == {
        ("propensity", "column is missing"),
        ("mood", "unknown column"),
        ("arm", "column stands more than once"),
    }


@pytest.mark.parametrize("text", ["", "\n", "a;b\n"])
def test_files_that_are_no_table(text: str) -> None:
    found, problems = analyze(text.splitlines(keepends=True), "f.csv", PLAN, START)
    assert found == () and problems


def test_lines_are_right_after_quoted_and_empty_lines_and_short_rows_spoil_every_branch() -> None:
    rows = rows_of(World(steps=(("tenth", 1),), per_day=5))
    rows[0]["trunk"] = "two\nlines"
    rows[2]["arm"] = "?"
    lines = lines_of(rows, (*HEADER, "trunk", *KPIS))
    lines.insert(4, "\n")
    lines.append("just,three,fields\n")
    found, problems = analyze(lines, "f.csv", PLAN, START)
    assert told(problems) == [(6, "arm"), (9, "")]
    assert found[0].decision.verdict is Verdict.ERROR


def test_semicolons_are_read_as_well(tmp_path: Path) -> None:
    world = World(steps=(("half", 2),), per_day=50)
    rows = rows_of(world)
    path = tmp_path / "f.csv"
    path.write_text("\ufeff" + "".join(line.replace(",", ";") for line in lines_of(rows)), "utf-8")
    commas, _ = judge(rows, world.end)
    ([found], problems) = analyze_file(path, PLAN, world.end)
    assert not problems
    assert found == commas


def test_long_lists_are_cut_and_counted() -> None:
    rows = rows_of(World(steps=(("tenth", 1),), per_day=300))
    for row in rows:
        row["arm"] = "x"
    _, problems = analyze(lines_of(rows), "f.csv", PLAN, START)
    assert len(problems) == 51
    assert problems[-1].message == "250 more problems"


def test_file_without_rows_has_nothing_to_judge() -> None:
    assert analyze(lines_of([]), "f.csv", PLAN, START) == ((), ())


# --- the command ------------------------------------------------------------------------------------------

PLAN_FILE = """
version: 1
goal: "no worse"
salt: "s"
defaults:
  primary: [{kpi: true_resolution, margin: 0.05}]
  guardrails: []
branches:
  balance: {start: shadow}
"""


def run(folder: Path, rows: list[Row], *options: str) -> Result:
    (folder / "plan.yaml").write_text(PLAN_FILE, "utf-8")
    (folder / "f.csv").write_text("".join(lines_of(rows)), "utf-8-sig")
    arguments = ["rollout", "analyze", str(folder / "f.csv"), "--plan", str(folder / "plan.yaml"), *options]
    return CliRunner().invoke(main, arguments)


def test_command_prints_json_and_nothing_else(tmp_path: Path) -> None:
    world = World(steps=(("half", 14),))
    result = run(tmp_path, rows_of(world), "--now", (world.end + LATER).isoformat(), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    [row] = json.loads(result.stdout)
    assert (row["branch"], row["verdict"], row["decision"]) == ("balance", "pass", "advance")
    assert row["reason"].startswith("true_resolution")
    assert row["srm"]["ok"] is True and 0.01 < row["srm"]["p_value"] <= 1
    [metric] = row["metrics"]
    assert {"kpi", "role", "bot", "human", "difference", "lower", "upper", "margin", "n_bot", "n_human"} <= set(
        metric
    )
    assert (metric["kpi"], metric["role"], metric["margin"], metric["verdict"]) == (
        "true_resolution",
        "primary",
        0.05,
        "pass",
    )
    assert metric["lower"] < metric["difference"] < metric["upper"]


def test_command_judges_although_the_flow_files_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "branches.yml").write_text("branches: [")
    monkeypatch.setenv("IVRBOT_FLOWS_DIR", str(tmp_path / "flows"))
    result = run(tmp_path, rows_of(World(steps=(("half", 2),), per_day=10)), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [row["branch"] for row in json.loads(result.stdout)] == ["balance"]


def test_command_tells_problems_and_prints_the_json_all_the_same(tmp_path: Path) -> None:
    rows = rows_of(World(steps=(("half", 2),), per_day=10))
    result = run(tmp_path, [*rows, rows[0] | {"propensity": "0.4"}], "--json")
    assert result.exit_code == 2
    [row] = json.loads(result.stdout)
    assert (row["verdict"], row["decision"], row["metrics"]) == ("error", "hold", [])
    assert f"f.csv:{len(rows) + 2}: call_id" in result.stderr


def test_command_for_people(tmp_path: Path) -> None:
    world = World(steps=(("half", 14),), effect=-0.2)
    result = run(tmp_path, rows_of(world), "--now", (world.end + LATER).isoformat())
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "balance: fail, roll_back to shadow (stage half, epoch 1)\ntrue_resolution: bot"
    )
    assert "fail (worse)" in result.stdout


def test_command_says_so_when_arms_are_not_as_drawn_and_when_there_is_nothing(tmp_path: Path) -> None:
    world = World(steps=(("half", 4),), wrong_arm=0.2)
    assert "arms NOT filled as drawn" in run(tmp_path, rows_of(world), "--now", world.end.isoformat()).stdout
    assert run(tmp_path, []).stdout == "no rows to judge\n"


@pytest.mark.parametrize("options", [("--now", "soon"), ("--plan", "/nowhere.yaml")])
def test_command_refuses_wrong_usage(tmp_path: Path, options: tuple[str, str]) -> None:
    assert run(tmp_path, rows_of(World(steps=(("half", 1),), per_day=2)), *options).exit_code == 2


def test_command_without_a_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["rollout", "analyze", str(tmp_path / "none.csv"), "--json"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.csv" in result.stderr


def test_every_row_of_the_json_can_be_written() -> None:
    world = World(steps=(("half", 14),), wrong_arm=0.1)
    found, _ = judge(rows_of(world), world.end + LATER)
    assert json.loads(json.dumps(analysis_row(found), allow_nan=False))["srm"]["ok"] is False


# --- the fast way through files in order ------------------------------------------------------------------


def write_file(folder: Path, rows: list[Row], columns: tuple[str, ...] = (*HEADER, *KPIS)) -> Path:
    path = folder / "f.csv"
    path.write_text("".join(lines_of(rows, columns)), "utf-8")
    return path


def both_ways(path: Path, now: datetime) -> tuple[tuple[Analysis, ...], tuple[Problem, ...]]:
    """What `analyze_file` says, after checking that the reader of lines says the same."""
    slowly = analyze(path.read_text("utf-8").splitlines(keepends=True), str(path), PLAN, now)
    assert analyze_file(path, PLAN, now) == slowly
    return slowly


def test_files_in_order_are_scanned_with_the_same_result(tmp_path: Path) -> None:
    world = World(steps=(("tenth", 10), ("fifth", 10)), repeats=0.4, wrong_arm=0.2)
    rows = rows_of(world)
    times = ("Z", "+03:00", "-11:30", "", ".5Z", ".123456+00:00")
    for at, row in enumerate(rows):
        row |= {"trunk": f"t{at % 5}", "prefix": "" if at % 7 else f"+7{900 + at % 9}", "epoch": "3"}
        row["started_at"] = row["started_at"].removesuffix("+00:00").replace("T", "T" if at % 2 else " ")
        row["started_at"] += times[at % len(times)]
    path = write_file(tmp_path, [*rows, *rows[:100]], (*HEADER, "epoch", "trunk", "prefix", *KPIS))
    assert scan_exposures(path) is not None
    [found], problems = both_ways(path, world.end + LATER)
    assert not problems
    assert found.duplicates == 100 and found.state.epoch == 3
    assert found.evidence is not None and found.evidence.srm.groups


@pytest.mark.parametrize(
    "change",
    [
        {"started_at": "2026-03-02"},
        {"started_at": "2026-13-02T10:00:00Z"},
        {"arm": "Treatment"},
        {"propensity": "-0.1"},
        {"propensity": "nan"},
        {"propensity": ""},
        {"true_resolution": "1.5"},
        {"true_resolution": "yes"},
        {"time_to_solution_s": "inf"},
        {"unit": ""},
        {"call_id": " "},
        {"stage": "third"},
        {"branch": ""},
        {"branch": "elsewhere"},
        {"unit": "two\nlines"},
        {"unit": 'a "quoted" one, with a comma'},
        {"unit": "имя"},
        {"call_id": "balance-3"},
    ],
)
def test_unusual_files_are_read_line_by_line(tmp_path: Path, change: dict[str, str]) -> None:
    rows = rows_of(World(steps=(("half", 2),), per_day=10))
    rows[5] |= change
    both_ways(write_file(tmp_path, rows), START + timedelta(days=9))


@pytest.mark.parametrize("text", ["", "a,b\n", "short\n1,2\n"])
def test_files_that_cannot_be_scanned(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.csv"
    path.write_text(text, "utf-8")
    assert scan_exposures(path) is None
    both_ways(path, START)


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes("".join(lines_of(rows_of(World(steps=(("half", 1),), per_day=3)))).encode() + b"\xff\xfe,\n")
    found, problems = analyze_file(path, PLAN, START)
    assert found == () and "UTF-8" in str(problems[0])

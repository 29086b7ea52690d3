"""The audit: rows that a decision leaves, and what verification finds when somebody edits the file."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ivrbot.model.events import JsonValue
from ivrbot.model.evidence import Step, UnitRows
from ivrbot.model.experiment import BranchState
from ivrbot.model.rollout import AuditRow, StateChange, link
from ivrbot.rollout.governing.acting import change_for
from ivrbot.rollout.governing.audit import (
    DECISION_VERSION,
    SNAPSHOT,
    WHO,
    AuditReport,
    Snapshot,
    difference,
    snapshot_detail,
    snapshot_of,
    verify,
)
from ivrbot.rollout.judging.decide import decide
from ivrbot.rollout.judging.evidence import build_evidence
from ivrbot.rollout.planning.check import load_plan
from ivrbot.rollout.planning.plan import Plan, state_at
from ivrbot.storage.audit_rows import COLUMNS, stored_audit
from ivrbot.storage.store import Store
from tests.fakes.evidence import MemoryEvidence, Truth

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = START + timedelta(days=21)
TEXT = """
goal: "Balance calls no worse than with operators"
salt: autumn
branches: {balance: {start: tenth}, loans: {after: balance}}
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("plan") / "rollout.yaml"
    path.write_text(TEXT)
    return load_plan(path, {"balance", "loans"})


async def rows_of(plan: Plan, bot: Truth) -> UnitRows:
    source = MemoryEvidence()
    stage = plan.branches["balance"].stages[1]
    until = NOW - timedelta(hours=2)
    source.add_calls("balance", 1, stage, since=START, until=until, callers=40_000, bot=bot)
    kpis = tuple(vars(bot))
    return await source.unit_rows("balance", 1, kpis=kpis, window_days=7, now=NOW)


def decided(plan: Plan, rows: UnitRows, held: BranchState) -> Snapshot:
    ladder = plan.branches["balance"]
    evidence = build_evidence(rows, ladder, held, now=NOW, stage_since=START, last_decision_at=START)
    return Snapshot(ladder, held, evidence, NOW, decide(ladder, held, evidence, NOW))


@pytest.fixture(scope="module")
def held(plan: Plan) -> BranchState:
    ladder = plan.branches["balance"]
    return state_at(ladder, ladder.stages[1], plan.revision)


@pytest.fixture(scope="module")
def passed(plan: Plan, held: BranchState) -> Snapshot:
    rows = asyncio.run(rows_of(plan, Truth(true_resolution=0.76)))
    return decided(plan, rows, held)


def change(plan: Plan, snapshot: Snapshot, held: BranchState) -> StateChange:
    detail = snapshot_detail(snapshot, plan)
    return change_for(snapshot.decision, snapshot.plan, held, plan.revision, detail)


async def written(store: Store, plan: Plan, snapshot: Snapshot, held: BranchState) -> None:
    """A start, a kill and its end, and a decision of the controller."""
    killed = replace(held, killed=True)
    await store.apply_changes([StateChange(None, held, "start")], "serve", "plan", START)
    await store.apply_changes([StateChange(held, killed, "kill")], "user:olga", "жалоба \u2028 1", START)
    await store.apply_changes([StateChange(killed, held, "resume", True)], "user:olga", "разобрались", START)
    await store.apply_changes([change(plan, snapshot, held)], WHO, snapshot.decision.sentence, NOW)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, plan: Plan, passed: Snapshot, held: BranchState) -> Path:
    path = tmp_path_factory.mktemp("original") / "audit.sqlite"

    async def write() -> None:
        async with Store(path) as store:
            await written(store, plan, passed, held)

    asyncio.run(write())
    return path


@pytest.fixture
def file(tmp_path: Path, original: Path) -> Path:
    return Path(shutil.copy(original, tmp_path / "audit.sqlite"))


async def report_of(file: Path, expect_hash: str = "") -> AuditReport:
    async with Store(file) as store:
        found, own = await stored_audit(store)
    return verify([(row.row, row.fault) for row in found], own, expect_hash=expect_hash)


# --- snapshots ----------------------------------------------------------------------------------------


async def test_the_evidence_of_this_test_leads_to_an_advance(passed: Snapshot) -> None:
    assert (passed.decision.step, passed.decision.to_stage) == (Step.ADVANCE, "fifth")


async def test_a_snapshot_survives_json_exactly(plan: Plan, passed: Snapshot) -> None:
    detail = json.loads(json.dumps(snapshot_detail(passed, plan)))
    assert snapshot_of(detail) == passed
    assert (detail["goal"], detail["plan"]) == (plan.goal, plan.revision)


async def test_a_row_without_a_decision_has_no_snapshot() -> None:
    assert snapshot_of({"plan": "r1"}) is None


async def test_a_decision_is_derived_again_from_its_snapshot(passed: Snapshot) -> None:
    assert difference(passed) == ""


async def test_another_decision_than_the_snapshot_gives_is_found(passed: Snapshot) -> None:
    forged = replace(passed, decision=replace(passed.decision, step=Step.ROLL_BACK, to_stage="shadow"))
    assert "leads to advance" in difference(forged)


async def test_a_number_changed_in_the_evidence_is_found(passed: Snapshot) -> None:
    assert passed.evidence is not None
    first = passed.evidence.kpis[0]
    better = replace(first, pooled=replace(first.pooled, estimate=replace(first.pooled.estimate, difference=0.5)))
    forged = replace(passed, evidence=replace(passed.evidence, kpis=(better, *passed.evidence.kpis[1:])))
    assert "not to what is written (sentence)" in difference(forged)


async def test_numbers_of_another_machine_may_differ_in_the_last_digits(passed: Snapshot) -> None:
    metric = passed.decision.metrics[0]
    assert metric.lower is not None
    near = replace(metric, lower=metric.lower * (1 + 1e-12))
    kept = replace(passed, decision=replace(passed.decision, metrics=(near, *passed.decision.metrics[1:])))
    assert difference(kept) == ""


# --- verification -------------------------------------------------------------------------------------


async def test_an_untouched_audit_is_whole_and_its_decision_derived_again(file: Path) -> None:
    report = await report_of(file)
    assert (report.ok, report.rows, report.decisions, report.rederived) == (True, 4, 1, 1)
    assert len(report.newest_hash) == 64


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("seq", [1, 2, 3, 4])
async def test_one_changed_byte_in_any_column_of_any_row_is_found_and_named(
    file: Path, column: str, seq: int
) -> None:
    with sqlite3.connect(file) as raw:
        (value,) = raw.execute(f"SELECT {column} FROM audit WHERE seq = ?", [seq]).fetchone()
        raw.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", [another(value), seq])
    raw.close()
    report = await report_of(file)
    assert not report.ok
    assert report.broken_at == seq
    assert str(seq) in report.reason or column in report.reason


def another(value: object) -> object:
    """A value that differs in one byte, or bit."""
    if value is None:
        return "null"
    if isinstance(value, int):
        return value ^ 8
    assert isinstance(value, str)
    middle = len(value) // 2
    letter = "0" if value[middle] != "0" else "1"
    return value[:middle] + letter + value[middle + 1 :]


@pytest.mark.parametrize(
    ("seq", "statement"),
    [
        (1, "UPDATE audit SET at = replace(at, ' ', 'T') WHERE seq = 1"),
        (1, "UPDATE audit SET detail = '{ }' WHERE seq = 1"),
        (3, "UPDATE audit SET override = 2 WHERE seq = 3"),
        (3, "UPDATE audit SET override = '1.0' WHERE seq = 3"),
        (4, """UPDATE audit SET detail = replace(detail, '"goal":', '"goal": ') WHERE seq = 4"""),
        (4, """UPDATE audit SET detail = replace(detail, '{"plan"', '{"plan":"x","plan"') WHERE seq = 4"""),
        (2, """UPDATE audit SET after = replace(after, '0.1,', '1e-1,') WHERE seq = 2"""),
        (4, "UPDATE audit SET hash = upper(hash) WHERE seq = 4"),
        (2, "UPDATE audit SET why = CAST(why AS BLOB) WHERE seq = 2"),
        (2, "UPDATE audit SET before = '{}' WHERE seq = 2"),
        (2, "UPDATE audit SET detail = 'not json' WHERE seq = 2"),
        (2, "DELETE FROM audit WHERE seq = 2"),
    ],
)
async def test_what_a_tolerant_reader_would_forgive_is_found(file: Path, seq: int, statement: str) -> None:
    with sqlite3.connect(file) as raw:
        assert raw.execute(statement).rowcount == 1
    raw.close()
    report = await report_of(file)
    if statement.endswith("override = '1.0' WHERE seq = 3"):
        assert report.ok  # the column's affinity makes it the integer 1 again: nothing has changed
        return
    assert report.broken_at == seq


async def test_rows_cut_off_at_the_end_are_found_by_a_kept_hash(file: Path) -> None:
    kept = (await report_of(file)).newest_hash
    assert (await report_of(file, kept)).ok
    with sqlite3.connect(file) as raw:
        raw.execute("DELETE FROM audit WHERE seq = 4")
        raw.execute("UPDATE branch_state SET stage = 'tenth', share = 0.1")
    raw.close()
    assert (await report_of(file)).ok
    report = await report_of(file, kept)
    assert (report.ok, report.broken_at) == (False, None)
    assert "expected hash" in report.reason


async def test_a_state_that_no_row_led_to_is_found(file: Path) -> None:
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE branch_state SET share = 1.0 WHERE branch = 'balance'")
    raw.close()
    assert (await report_of(file)).reason == "no audit row leads to the state of balance"


def chain(*rows: AuditRow | StateChange, who: str = WHO) -> list[tuple[AuditRow | None, str]]:
    """Rows whose hashes are right whatever they say: what somebody who knows the format would write."""
    made: list[AuditRow] = []
    for item in rows:
        last = (made[-1].seq, made[-1].hash) if made else (0, "0" * 64)
        assert isinstance(item, StateChange)
        made.append(link(item, who, "because", NOW, last))
    return [(row, "") for row in made]


async def verdict_on(plan: Plan, held: BranchState, forged: StateChange, who: str = WHO) -> str:
    del plan
    start = StateChange(None, held, "start")
    return verify(chain(start, forged, who=who), {held.branch: forged.after}).reason


async def test_an_action_that_was_not_decided_is_found(plan: Plan, passed: Snapshot, held: BranchState) -> None:
    true = change(plan, passed, held)
    assert await verdict_on(plan, held, true) == ""
    full = replace(true.after, stage="full", share=1.0)
    assert "does not go to fifth" in await verdict_on(plan, held, replace(true, after=full))
    assert "was decided" in await verdict_on(plan, held, replace(true, action="roll_back"))
    bare = replace(true, detail={})
    assert "names no decision" in await verdict_on(plan, held, bare)
    other = replace(held, stage="shadow", share=0.0)
    moved = replace(true, before=other)
    start = StateChange(None, other, "start")
    assert "another state" in verify(chain(start, moved), {"balance": moved.after}).reason


async def test_a_persons_action_needs_no_decision_behind_it(plan: Plan, held: BranchState) -> None:
    raised = StateChange(held, replace(held, stage="fifth", share=0.2), "set", True)
    assert await verdict_on(plan, held, raised, who="user:olga") == ""


async def test_a_row_that_starts_elsewhere_than_the_last_one_ended_is_found(held: BranchState) -> None:
    start = StateChange(None, held, "start")
    jump = StateChange(replace(held, share=0.5), replace(held, share=1.0), "set")
    report = verify(chain(start, jump), {"balance": jump.after})
    assert (report.broken_at, report.reason) == (2, "row 2 starts from a state that no row led to")


async def test_decisions_of_another_version_are_counted_and_not_judged(
    plan: Plan, passed: Snapshot, held: BranchState
) -> None:
    newer = replace(passed, version=DECISION_VERSION + 1, decision=replace(passed.decision, reason="other"))
    row = change(plan, newer, held)
    report = verify(chain(StateChange(None, held, "start"), row), {"balance": row.after})
    assert report.ok
    assert (report.decisions, report.rederived) == (1, 0)
    assert report.other_versions == ((2, DECISION_VERSION + 1),)


async def test_a_snapshot_of_this_version_that_cannot_be_read_is_found(
    plan: Plan, passed: Snapshot, held: BranchState
) -> None:
    detail: dict[str, JsonValue] = json.loads(json.dumps(snapshot_detail(passed, plan)))
    snapshot = detail[SNAPSHOT]
    assert isinstance(snapshot, dict)
    snapshot["state"] = "balance"
    row = replace(change(plan, passed, held), detail=detail)
    assert "cannot be read" in await verdict_on(plan, held, row)


async def test_one_person_alone_where_the_plan_asks_for_two_is_found(held: BranchState) -> None:
    higher = replace(held, stage="fifth", share=0.2)

    def report(action: str, detail: dict[str, JsonValue], who: str = "user:olga") -> str:
        start = StateChange(None, held, "start")
        rise = StateChange(held, higher, action, detail={"two_person": True, **detail})
        return verify(chain(start, rise, who=who), {"balance": higher}).reason

    alone = "row 2 raises the share by one person alone, where the plan asks for two"
    assert report("set", {}) == alone
    assert report("approve", {}) == alone
    assert report("approve", {"proposal": {"who": "user:olga"}}) == alone
    assert report("approve", {"proposal": {"who": "user:ivan"}}) == ""
    assert report("approve", {"proposal": {"who": WHO}}) == ""
    assert report("set", {"two_person": False}) == ""


def test_the_code_that_decides_is_the_version_that_it_says() -> None:
    """A snapshot written by this version. When this fails, decisions have changed: raise DECISION_VERSION."""
    document = json.loads((Path(__file__).parent.parent / "data" / "decision_snapshots.json").read_text("utf-8"))
    assert document["version"] == DECISION_VERSION
    steps = set()
    for kept in document["snapshots"]:
        snapshot = snapshot_of({SNAPSHOT: kept})
        assert snapshot is not None
        assert difference(snapshot) == ""
        steps.add(snapshot.decision.step)
    assert steps == {Step.ADVANCE, Step.HOLD, Step.ROLL_BACK, Step.COMPLETE}

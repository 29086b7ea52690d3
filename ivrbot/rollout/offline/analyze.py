"""Evidence and verdict of each branch from a file of exposures: `ivrbot rollout analyze`.

Takes the lines of a CSV file (see `offline.exposure_csv`), a plan and a moment; gives one `Analysis` per
branch, and every problem of the file. The same `build_evidence` and `decide` as the controller's. No clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ivrbot.errors import Problem
from ivrbot.model.events import JsonValue
from ivrbot.model.evidence import Decision, Evidence, EvidenceProblem, UnitRows
from ivrbot.model.experiment import BranchState
from ivrbot.rollout.judging.decide import decide, query_failed
from ivrbot.rollout.judging.evidence import CLOCK_SKEW, build_evidence, microseconds, moment
from ivrbot.rollout.judging.snapshot import to_json
from ivrbot.rollout.offline.exposure_csv import LISTED, ExposureTable, Problems, read_exposures
from ivrbot.rollout.offline.exposure_scan import scan_exposures
from ivrbot.rollout.planning.plan import BranchPlan, Plan, state_at

STRAY_SHARE = 0.01
STRAY_GAP = timedelta(days=7)
"""A few rows more than a week before all others of a stage come from a clock that stood wrong."""
LONG_GAP = timedelta(days=28)
"""Without a caller for so long, a clock stood wrong, too, however many rows lie before the gap."""

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Analysis:
    """One branch of a file.

    Attributes:
        state: what the file says is in force: stage and epoch of its latest row.
        evidence: None where the rows contradict each other.
        decision: verdict, step, reason, metrics.
        rows: sound rows of the branch, without duplicates.
        duplicates: rows dropped because the same call stood there already.
    """

    state: BranchState
    evidence: Evidence | None
    decision: Decision
    rows: int
    duplicates: int


def analyze(
    lines: Iterable[str], file: str, plan: Plan, now: datetime
) -> tuple[tuple[Analysis, ...], tuple[Problem, ...]]:
    """Judge every branch of a file.

    Args:
        lines: the file's text, line by line.
        file: its name, for problems.
        plan: stages, margins and limits.
        now: aware time.

    Returns:
        One analysis per branch in the order of the plan, then branches that it does not have; and all problems. A
        branch that has a problem gets the verdict error.
    """
    table, problems = read_exposures(lines, file)
    if table is None:
        return (), problems.ordered()
    return _judge_all(table, plan, now, problems), problems.ordered()


def analyze_file(path: Path, plan: Plan, now: datetime) -> tuple[tuple[Analysis, ...], tuple[Problem, ...]]:
    """The same for a file on disk, faster where it is in order.

    Raises:
        OSError: cannot be read.
    """
    try:
        table = scan_exposures(path)
    except UnicodeDecodeError:
        table = None
    if table is not None:
        problems = Problems(str(path))
        found = _judge_all(table, plan, now, problems)
        if not problems.count:
            return found, ()
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return analyze(lines, str(path), plan, now)


def _judge_all(table: ExposureTable, plan: Plan, now: datetime, problems: Problems) -> tuple[Analysis, ...]:
    order = list(plan.branches)
    names = sorted(
        (name for name in {*(table.branches[code] for code in np.unique(table.branch)), *problems.branches}),
        key=lambda name: (order.index(name) if name in plan.branches else len(order), name),
    )
    return tuple(_branch(table, name, plan, now, problems) for name in names)


def analysis_row(found: Analysis) -> dict[str, JsonValue]:
    """One element of the command's JSON."""
    decision, evidence = found.decision, found.evidence
    return {
        "branch": found.state.branch,
        "verdict": decision.verdict.value,
        "decision": decision.step.value,
        "reason": decision.sentence,
        "code": decision.reason,
        "stage": found.state.stage,
        "to_stage": decision.to_stage,
        "epoch": found.state.epoch,
        "stage_since": to_json(evidence.stage_since) if evidence else None,
        "as_of": to_json(evidence.as_of) if evidence else None,
        "rows": found.rows,
        "duplicates": found.duplicates,
        "units": evidence.units if evidence else None,
        "metrics": [to_json(metric) for metric in decision.metrics],
        "srm": to_json(evidence.srm) if evidence else {"n": 0, "p_value": None, "ok": None, "groups": []},
        "problems": [problem.text for problem in evidence.problems] if evidence else [],
    }


def _branch(table: ExposureTable, name: str, plan: Plan, now: datetime, problems: Problems) -> Analysis:
    branch = plan.branches.get(name)
    code = table.branches.index(name)
    rows = np.flatnonzero(table.branch == code)
    rows = rows[np.argsort(table.at_us[rows], kind="stable")]
    before = problems.count
    unread = problems.anywhere or name in problems.branches
    if branch is None:
        problems.add(
            int(table.line[rows].min()) if rows.size else None,
            "branch",
            "a branch that is not in the plan",
            name,
            ", ".join(plan.branches),
        )
    else:
        _check_stages(table, rows, branch, problems)
    rows, duplicates = _without_duplicates(table, rows, problems)
    if branch is None or unread or problems.count > before or not rows.size:
        state = BranchState(name, "", 0.0, 0.0)
        why = "the file has problems with this branch, listed beside"
        return Analysis(state, None, query_failed(state, why), int(rows.size), duplicates)
    return _judged(table, rows, branch, plan.revision, now, duplicates)


def _check_stages(table: ExposureTable, rows: Ints, branch: BranchPlan, problems: Problems) -> None:
    allowed = ", ".join(stage.name for stage in branch.stages)
    stages = table.stage[rows]
    for code in np.unique(stages):
        text = table.stages[code]
        if branch.index(text) < 0:
            lines = np.sort(table.line[rows[stages == code]])
            problems.add_all(lines[:LISTED].tolist(), "stage", "not a stage of this branch", text, allowed)
            problems.count += max(0, len(lines) - LISTED)


def _without_duplicates(table: ExposureTable, rows: Ints, problems: Problems) -> tuple[Ints, int]:
    """Rows with each call once; a second row of a call that says something else is a problem."""
    calls, first, inverse = np.unique(table.call[rows], return_index=True, return_inverse=True)
    if len(calls) == len(rows):
        return rows, 0
    twin = rows[first[inverse]]
    again = np.flatnonzero(twin != rows)
    kept = np.ones(len(rows), dtype=np.bool_)
    kept[again] = False
    unlike = again[~_alike(table, rows[again], twin[again])]
    for one, other in zip(rows[unlike[:LISTED]], twin[unlike[:LISTED]], strict=True):
        lines = sorted((int(table.line[one]), int(table.line[other])))
        problems.add(lines[1], "call_id", f"says something else of the same call than line {lines[0]}")
    problems.count += max(0, len(unlike) - LISTED)
    return rows[kept], len(again)


def _alike(table: ExposureTable, one: Ints, other: Ints) -> Mask:
    """Where two rows say the same."""
    columns = [table.at_us, table.stage, table.unit, table.treated, table.propensity, table.epoch]
    columns += [column for column in (table.trunk, table.prefix) if column is not None]
    same = np.ones(len(one), dtype=np.bool_)
    for column in columns:
        same &= column[one] == column[other]
    for values in table.values.values():
        left, right = values[one], values[other]
        same &= (left == right) | (np.isnan(left) & np.isnan(right))
    return same


def _judged(
    table: ExposureTable, rows: Ints, branch: BranchPlan, revision: str, now: datetime, duplicates: int
) -> Analysis:
    """Evidence and decision from sound rows in order of time."""
    limit = microseconds(now + CLOCK_SKEW)
    known = int(np.searchsorted(table.at_us[rows], limit, side="right"))
    latest = rows[max(known, 1) - 1]
    epoch = rows[table.epoch[rows] == table.epoch[latest]]
    stage = branch.stage(table.stages[table.stage[latest]])
    state = state_at(branch, stage, revision, epoch=int(table.epoch[latest]))
    in_time = epoch[table.at_us[epoch] <= limit]
    evidence = build_evidence(
        _units(table, epoch),
        branch,
        state,
        now=now,
        stage_since=_stage_since(table, in_time, table.stage[latest]),
        problems=tuple(_contradictions(table, in_time, branch, state)),
    )
    return Analysis(state, evidence, decide(branch, state, evidence, now), int(rows.size), duplicates)


def _units(table: ExposureTable, rows: Ints) -> UnitRows:
    """The first drawn exposure of each unit; `rows` in order of time."""
    chance = table.propensity[rows]
    drawn = rows[(chance > 0.0) & (chance < 1.0)]  # without a draw nothing was learnt of the unit: it starts later
    _, first = np.unique(table.unit[drawn], return_index=True)
    kept = drawn[np.sort(first)]
    return UnitRows(
        at_us=table.at_us[kept],
        stage=table.stage[kept],
        stages=table.stages,
        treated=table.treated[kept],
        propensity=table.propensity[kept],
        values={kpi: values[kept] for kpi, values in table.values.items()},
        trunk=None if table.trunk is None else np.array(table.trunks, dtype=np.str_)[table.trunk[kept]],
        prefix=None if table.prefix is None else np.array(table.prefixes, dtype=np.str_)[table.prefix[kept]],
    )


def _stage_since(table: ExposureTable, rows: Ints, stage: np.int64) -> datetime | None:
    here = rows[table.stage[rows] == stage]
    return moment(int(table.at_us[here[0]])) if here.size else None


# --- contradictions among rows --------------------------------------------------------------------------


def _contradictions(
    table: ExposureTable, rows: Ints, branch: BranchPlan, state: BranchState
) -> Iterator[EvidenceProblem]:
    """What the rows of an epoch cannot all be true of; `rows` in order of time."""
    broken = _unsticky_units(table, rows)
    if broken:
        text = f"{broken} callers are in both arms although their chance of the bot did not rise between."
        yield EvidenceProblem("arm_changed", text)
    chance, treated = table.propensity[rows], table.treated[rows]
    impossible = int(np.count_nonzero((treated & (chance <= 0.0)) | (~treated & (chance >= 1.0))))
    if impossible:
        yield EvidenceProblem("impossible_arm", f"{impossible} rows are in an arm that their chance rules out.")
    rungs = np.array([branch.index(name) for name in table.stages], dtype=np.int64)[table.stage[rows]]
    backwards = _stages_backwards(table.at_us[rows], rungs)
    if backwards:
        text = (
            f"{backwards} rows of a lower stage are later than rows of a higher one: the clock jumped, or another "
            f"epoch began that is not marked."
        )
        yield EvidenceProblem("stage_order", text)
    stray, days = _stray_rows(table.at_us[rows[rungs == branch.index(state.stage)]])
    if stray:
        yield EvidenceProblem(
            "clock", f"{stray} rows are more than {days} days older than all others of the stage."
        )


def _unsticky_units(table: ExposureTable, rows: Ints) -> int:
    """Units for which no draw exists that fits all their rows.

    A unit's draw u is fixed: it meets the bot where u < propensity. So the largest propensity with which it went
    to operators must lie below the smallest with which it met the bot.
    """
    units, index = np.unique(table.unit[rows], return_inverse=True)
    if len(units) == len(rows):
        return 0
    treated, chance = table.treated[rows], table.propensity[rows]
    least_u = np.full(len(units), -1.0)
    most_u = np.full(len(units), 2.0)
    np.maximum.at(least_u, index[~treated], chance[~treated])
    np.minimum.at(most_u, index[treated], chance[treated])
    return int(np.count_nonzero(least_u >= most_u))


def _stages_backwards(at_us: Ints, rungs: Ints) -> int:
    """Rows later than a row of a higher rung by more than clocks may differ."""
    if not rungs.size or rungs.min() == rungs.max():
        return 0
    skew_us = CLOCK_SKEW // timedelta(microseconds=1)
    count = 0
    for rung in np.unique(rungs)[:-1]:
        higher_since = at_us[rungs > rung].min()
        count += int(np.count_nonzero(at_us[rungs == rung] > higher_since + skew_us))
    return count


def _stray_rows(at_us: Ints) -> tuple[int, int]:
    """Rows at the start of a stage that a gap parts from all later ones, and that gap's least days.

    A week's gap tells of a clock that jumped where at most 1 % of the rows lie before it; one of `LONG_GAP` does,
    however many do, since no stage in service goes so long without a caller. Such rows would all count as
    mature, and the stage as old.
    """
    gaps = np.diff(at_us)
    few = int(len(at_us) * STRAY_SHARE)
    for gap, among in ((LONG_GAP, gaps), (STRAY_GAP, gaps[:few])):
        wide = np.flatnonzero(among > gap // timedelta(microseconds=1))
        if wide.size:
            return int(wide[-1]) + 1, gap.days
    return 0, 0

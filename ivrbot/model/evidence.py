"""What decisions of the rollout rest on: rows of units, verdicts, decisions.

Takes nothing, gives types that analytics fill, `rollout` judges and the audit keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Verdict(StrEnum):
    """What the evidence says. Missing, immature or stale data is inconclusive, a failed query an error."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class Step(StrEnum):
    """What follows from a verdict and the plan."""

    ADVANCE = "advance"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, eq=False)
class UnitRows:
    """First exposures of one branch in one epoch, one row per unit, oldest first; columns of equal length n.

    Attributes:
        at_us: int64[n], time of the first exposure, microseconds since 1970-01-01 UTC.
        stage: int64[n], index into `stages`: the rung at that exposure.
        stages: names of rungs.
        treated: bool[n], True for the bot's arm.
        propensity: float64[n], probability of the bot that was logged with the exposure.
        values: float64[n] per KPI in its raw unit; NaN where there is no value (not mature yet, or missing).
        trunk: str[n] per row, "" where unknown; None when nothing is known of it.
        prefix: str[n], first digits of the caller's number; None when nothing is known of it.
    """

    at_us: NDArray[np.int64]
    stage: NDArray[np.int64]
    stages: tuple[str, ...]
    treated: NDArray[np.bool_]
    propensity: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    trunk: NDArray[np.str_] | None = None
    prefix: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How new the newest data of a branch is.

    Attributes:
        bot_at: newest closed contact of the bot's arm, None when there is none.
        human_at: newest closed contact of the operators' arm, None when there is none.
        human_source_at: until when the operators' data is known to be complete (queue_log read so far); None when
            nothing delivers it.
    """

    bot_at: datetime | None = None
    human_at: datetime | None = None
    human_source_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShadowEvidence:
    """What shadow calls of a branch showed; synthetic calls are not in it.

    Attributes:
        n: real calls with both a prediction and an operator's disposition.
        correct: of these, how many had the same topic.
        synthetic: labelled calls left out.
        would_resolve: of n, calls that the bot would have served to the end.
        would_escalate: of n, calls that it would have handed over.
    """

    n: int = 0
    correct: int = 0
    synthetic: int = 0
    would_resolve: int = 0
    would_escalate: int = 0

    @property
    def accuracy(self) -> float | None:
        """Share of right topics, None without calls."""
        return self.correct / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bot against operators in one KPI, in its raw unit; None wherever the rows cannot tell.

    Attributes:
        n: units that it rests on (mature, with a value and a propensity between 0 and 1).
        n_bot: of these, in the bot's arm.
        n_human: of these, in the operators' arm.
        bot: mean of the bot's arm, weighted by the probability of the draw.
        human: mean of the operators' arm, weighted likewise.
        bot_variance: variance of one value in the bot's arm.
        difference: bot - human.
        variance: variance of one unit's contribution to the difference.
        raw_bot: plain mean of the bot's arm; shown beside the difference, never decided on.
        raw_human: plain mean of the operators' arm.
    """

    n: int = 0
    n_bot: int = 0
    n_human: int = 0
    bot: float | None = None
    human: float | None = None
    bot_variance: float | None = None
    difference: float | None = None
    variance: float | None = None
    raw_bot: float | None = None
    raw_human: float | None = None


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What became of an arm's units in one KPI: mature = with a value + missing.

    Attributes:
        mature: units whose value must be there by now.
        missing: of these, without a value.
        immature: units whose value does not count yet, filled or not.
    """

    mature: int = 0
    missing: int = 0
    immature: int = 0

    @property
    def missing_share(self) -> float:
        """Share of missing values among mature units; 0 without any."""
        return self.missing / self.mature if self.mature else 0.0


@dataclass(frozen=True, slots=True)
class KpiSample:
    """One KPI over some set of units."""

    estimate: Estimate = Estimate()
    bot: ArmCounts = ArmCounts()
    human: ArmCounts = ArmCounts()


@dataclass(frozen=True, slots=True)
class KpiEvidence:
    """One KPI of the plan.

    Attributes:
        present: whether the data has this KPI at all.
        pooled: all first exposures of the epoch.
        stage: first exposures of the current stage alone.
    """

    kpi: str
    present: bool = True
    pooled: KpiSample = KpiSample()
    stage: KpiSample = KpiSample()


@dataclass(frozen=True, slots=True)
class SrmGroup:
    """Where a sample-ratio mismatch shows; descriptive only.

    Attributes:
        kind: "trunk", "hour" or "prefix".
        name: which of them.
        n: first exposures in it.
        expected_bot: sum of their logged propensities.
        observed_bot: of them in the bot's arm.
        z: (observed - expected) in standard deviations.
    """

    kind: str
    name: str
    n: int
    expected_bot: float
    observed_bot: int
    z: float


@dataclass(frozen=True, slots=True)
class SrmEvidence:
    """Do the arms fill as the logged propensities say? None: nothing to test yet.

    Attributes:
        n: first exposures tested.
        p_value: anytime-valid; None without exposures.
        ok: False when a mismatch is shown; None without exposures.
        groups: worst groups first, empty while ok.
    """

    n: int = 0
    p_value: float | None = None
    ok: bool | None = None
    groups: tuple[SrmGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class ArmFlow:
    """When an arm's newest first exposure was, and whether its silence since can be chance.

    Attributes:
        newest_at: None when the arm has none in the epoch.
        silence_log10_p: log10 of the probability, by the logged propensities, that none of the units exposed since
            fell into this arm; 0 when none was exposed since.
    """

    newest_at: datetime | None = None
    silence_log10_p: float = 0.0


@dataclass(frozen=True, slots=True)
class EvidenceProblem:
    """Something about the data that forbids to widen.

    Attributes:
        code: "kpi_absent", "arm_changed", "clock", "stage_order", ...
        text: one sentence.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a decision about one branch rests on; the audit keeps it.

    Attributes:
        stage: name of the rung that the branch is on, "" when not started.
        as_of: the clock when it was gathered.
        stage_since: when the branch entered the rung, None when not known.
        last_decision_at: newest decision so far, None when there was none.
        complete: the last rung was declared complete before.
        units: first exposures that count (propensity between 0 and 1) in the epoch.
        without_chance: units left out because their propensity was 0 or 1.
        late: rows left out because their time lies after `as_of`.
        kpis: in the order of the plan, primaries first, each KPI once.
        freshness: None when nothing delivers it.
        shadow: None when there is none.
    """

    branch: str
    epoch: int
    stage: str
    as_of: datetime
    stage_since: datetime | None = None
    last_decision_at: datetime | None = None
    complete: bool = False
    units: int = 0
    without_chance: int = 0
    late: int = 0
    kpis: tuple[KpiEvidence, ...] = ()
    srm: SrmEvidence = SrmEvidence()
    bot_flow: ArmFlow = ArmFlow()
    human_flow: ArmFlow = ArmFlow()
    freshness: Freshness | None = None
    shadow: ShadowEvidence | None = None
    problems: tuple[EvidenceProblem, ...] = ()

    def kpi(self, name: str) -> KpiEvidence:
        """Evidence on one KPI; an absent one when there is none."""
        return next((item for item in self.kpis if item.kpi == name), KpiEvidence(name, present=False))


class Role(StrEnum):
    """What a KPI decides."""

    PRIMARY = "primary"
    GUARDRAIL = "guardrail"


@dataclass(frozen=True, slots=True)
class Metric:
    """The judgement of one KPI, in its raw unit; None wherever the data cannot tell.

    Attributes:
        bot: mean of the bot's arm.
        human: mean of the operators' arm.
        difference: bot - human; None for a guardrail by level, which looks at the bot alone.
        lower: lower end of the two-sided confidence sequence of the difference.
        upper: upper end.
        bound: one-sided bound that the verdict rests on. Primary: of the benefit (its upper bound when it fails,
            else its lower one). Guardrail by limit: lower bound of the harm. By level: the bound of the bot's own
            mean on the good side.
        margin: what the bound is held against: margin, limit or level.
        n_bot: callers of the bot's arm behind it: of the epoch for a primary, of the stage for a guardrail.
        n_human: the same for operators.
        stage_difference: bot - human of the current stage alone.
        stage_n_bot: callers of the bot's arm with a mature value in the current stage.
        stage_n_human: the same for operators.
        why: short code of what the verdict comes from.
    """

    kpi: str
    role: Role
    bot: float | None
    human: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    bound: float | None
    margin: float
    n_bot: int
    n_human: int
    stage_difference: float | None
    stage_n_bot: int
    stage_n_human: int
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows for a branch, and why.

    Attributes:
        reason: short code.
        sentence: the reason in one plain sentence with its numbers.
        to_stage: rung to go to ("" is not started); the present one when nothing moves.
    """

    branch: str
    verdict: Verdict
    step: Step
    reason: str
    sentence: str
    to_stage: str
    metrics: tuple[Metric, ...] = ()

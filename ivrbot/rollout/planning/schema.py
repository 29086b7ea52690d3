"""What rollout.yaml may contain, field by field (pydantic, unknown keys refused).

Takes plain YAML data, gives `PlanFile`; what fields mean together is checked in `ivrbot.rollout.planning.check`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
MOST_DAYS: Final = 3_650
MOST_CALLERS: Final = 100_000_000
MOST_CALLS: Final = 100_000
"""Beyond what any bank has; a number that is longer is a slip of the hand."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StageFile(_Strict):
    """A rung of the ladder."""

    name: Text
    share: Share
    min_days: int = Field(0, ge=0, le=MOST_DAYS)
    min_callers: int = Field(300, ge=1, le=MOST_CALLERS)
    min_topic_accuracy: Share = 0.0
    holdback: float = Field(0.0, ge=0, lt=1, allow_inf_nan=False)


class PrimaryFile(_Strict):
    """A KPI that must be shown no worse than operators by more than `margin`, in its raw unit."""

    kpi: Text
    margin: float = Field(gt=0, allow_inf_nan=False)


class GuardrailFile(_Strict):
    """A KPI that rolls back: `limit` on the harm bot - human, or `level` of the bot arm alone."""

    kpi: Text
    limit: float | None = Field(None, gt=0, allow_inf_nan=False)
    level: float | None = Field(None, gt=0, allow_inf_nan=False)


def _ladder() -> list[StageFile]:
    return [
        StageFile(name="shadow", share=0.0, min_days=3, min_topic_accuracy=0.85),
        StageFile(name="tenth", share=0.1, min_days=7),
        StageFile(name="fifth", share=0.2, min_days=7),
        StageFile(name="half", share=0.5, min_days=7),
        StageFile(name="full", share=1.0, min_days=14, holdback=0.05),
    ]


class ServiceLevelFile(_Strict):
    """Share of callers to be answered within so many seconds."""

    share: float = Field(gt=0, lt=1, allow_inf_nan=False)
    within_s: float = Field(gt=0, allow_inf_nan=False)


class StaffingFile(_Strict):
    """Operators of a branch's queue, and the service that they owe."""

    agents: int = Field(ge=1, le=10_000)
    service_level: ServiceLevelFile = ServiceLevelFile(share=0.8, within_s=20.0)


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(DAYS)


class WorkingHoursFile(_Strict):
    """When shares may rise: days such as "mon-fri" (or "sat" alone), hours in the plan's time zone."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    days: Annotated[str, StringConstraints(pattern=rf"^({_DAY})(-({_DAY}))?$")] = "mon-fri"
    opens: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = Field("09:00", alias="from")
    closes: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = Field("18:00", alias="to")


class DefaultsFile(_Strict):
    """What holds for every branch that does not say otherwise; its own defaults are the documented ladder."""

    unit: Literal["caller"] = "caller"
    stages: list[StageFile] = Field(default_factory=_ladder, min_length=1, max_length=50)
    primary: list[PrimaryFile] = Field(
        default_factory=lambda: [
            PrimaryFile(kpi="true_resolution", margin=0.03),
            PrimaryFile(kpi="time_to_solution_s", margin=20.0),
        ],
        min_length=1,
    )
    guardrails: list[GuardrailFile] = Field(
        default_factory=lambda: [
            GuardrailFile(kpi="abandonment_mid_task", limit=0.02),
            GuardrailFile(kpi="failed_transfer", limit=0.005),
            GuardrailFile(kpi="engine_failure", level=0.005),
        ]
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, allow_inf_nan=False)
    t_opt: int = Field(10_000, ge=1, le=MOST_CALLERS)
    repeat_window_days: int = Field(7, ge=1, le=90)
    approval: Literal["manual", "automatic"] = "manual"
    max_concurrent_bot_calls: int = Field(50, ge=1, le=MOST_CALLS)
    time_cap_s: float = Field(900.0, gt=0, le=7 * 86_400, allow_inf_nan=False)
    staffing: StaffingFile | None = None


class BranchFile(_Strict):
    """A branch: when it starts, and what it sets apart from `defaults` (None: as there)."""

    start: Text | None = None
    after: Text | None = None
    unit: Literal["caller"] | None = None
    stages: list[StageFile] | None = Field(None, min_length=1, max_length=50)
    primary: list[PrimaryFile] | None = Field(None, min_length=1)
    guardrails: list[GuardrailFile] | None = None
    alpha: float | None = Field(None, gt=0, lt=0.5, allow_inf_nan=False)
    t_opt: int | None = Field(None, ge=1, le=MOST_CALLERS)
    repeat_window_days: int | None = Field(None, ge=1, le=90)
    approval: Literal["manual", "automatic"] | None = None
    max_concurrent_bot_calls: int | None = Field(None, ge=1, le=MOST_CALLS)
    time_cap_s: float | None = Field(None, gt=0, le=7 * 86_400, allow_inf_nan=False)
    staffing: StaffingFile | None = None


class PlanFile(_Strict):
    """The whole file."""

    version: Literal[1] = 1
    goal: Text
    salt: Text
    timezone: Text = "UTC"
    working_hours: WorkingHoursFile | None = None
    two_person: bool = False
    defaults: DefaultsFile = DefaultsFile()
    overrides: dict[str, Literal["bot", "operator"]] = Field(default_factory=dict)
    branches: dict[str, BranchFile]

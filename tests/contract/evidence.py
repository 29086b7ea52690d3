"""What every evidence source must do, whatever is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from ivrbot.model.experiment import Arm
from ivrbot.ports import EvidenceSource

DAY = timedelta(days=1)
START = datetime(2026, 9, 1, 9, 0, 0, 250_000, UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KPIS = ("true_resolution", "first_call_resolution")


@dataclass(frozen=True)
class Call:
    """One call of one caller.

    Attributes:
        resolved: None while nobody knows.
        drawn: an exposure is stored with it.
    """

    caller: str
    at: datetime
    arm: Arm = Arm.TREATMENT
    propensity: float = 0.1
    stage: str = "tenth"
    epoch: int = 1
    branch: str = "balance"
    resolved: bool | None = True
    drawn: bool = True


class EvidenceContract:
    """Subclasses give `told`: an evidence source that knows these calls."""

    async def told(self, *calls: Call) -> EvidenceSource:
        raise NotImplementedError

    async def test_nothing_is_known_of_an_epoch_without_exposures(self) -> None:
        source = await self.told(Call("anna", START, epoch=2), Call("boris", START, branch="loans"))
        rows = await source.unit_rows("balance", 1, kpis=KPIS, window_days=7, now=START + 30 * DAY)
        assert len(rows) == 0
        assert set(rows.values) == set(KPIS)
        assert all(len(column) == 0 for column in rows.values.values())

    async def test_one_row_per_unit_the_first_oldest_first(self) -> None:
        source = await self.told(
            Call("boris", START + 2 * DAY, Arm.CONTROL),
            Call("anna", START + 3 * DAY, stage="fifth", propensity=0.2),
            Call("anna", START + DAY),
            Call("clara", START + 4 * DAY, stage="fifth", propensity=0.2),
        )
        rows = await source.unit_rows("balance", 1, kpis=KPIS, window_days=7, now=START + 30 * DAY)
        at = [(START + days * DAY - EPOCH) // timedelta(microseconds=1) for days in (1, 2, 4)]
        assert rows.at_us.tolist() == at
        assert [rows.stages[place] for place in rows.stage] == ["tenth", "tenth", "fifth"]
        assert rows.treated.tolist() == [True, False, True]
        assert rows.propensity.tolist() == [0.1, 0.1, 0.2]
        assert rows.at_us.dtype == np.int64 and rows.treated.dtype == np.bool_
        assert all(len(column) == 3 and column.dtype == np.float64 for column in rows.values.values())

    async def test_a_windowed_value_counts_only_once_its_window_has_passed(self) -> None:
        source = await self.told(Call("anna", START), Call("boris", START + DAY))
        early = await source.unit_rows("balance", 1, kpis=KPIS, window_days=7, now=START + 7 * DAY)
        assert early.values["true_resolution"].tolist()[0] == 1.0
        assert np.isnan(early.values["true_resolution"][1])
        assert early.values["first_call_resolution"].tolist() == [1.0, 1.0]
        late = await source.unit_rows("balance", 1, kpis=KPIS, window_days=7, now=START + 8 * DAY)
        assert late.values["true_resolution"].tolist() == [1.0, 1.0]

    async def test_who_comes_back_within_the_window_was_not_truly_helped(self) -> None:
        source = await self.told(
            Call("anna", START),
            Call("anna", START + 7 * DAY),
            Call("boris", START),
            Call("boris", START + 8 * DAY),
            Call("clara", START),
            Call("clara", START + DAY, branch="loans"),
            Call("dora", START),
            Call("dora", START + DAY, drawn=False),
        )
        rows = await source.unit_rows("balance", 1, kpis=KPIS, window_days=7, now=START + 30 * DAY)
        assert sorted(rows.values["true_resolution"].tolist()) == [0.0, 0.0, 1.0, 1.0]
        assert rows.values["first_call_resolution"].tolist() == [1.0] * 4

    async def test_what_is_not_known_is_no_number(self) -> None:
        source = await self.told(Call("anna", START, resolved=None), Call("boris", START + DAY, resolved=False))
        rows = await source.unit_rows("balance", 1, kpis=KPIS, window_days=7, now=START + 30 * DAY)
        for name in KPIS:
            assert np.isnan(rows.values[name][0])
            assert rows.values[name][1] == 0.0

    async def test_freshness_is_the_newest_contact_of_each_arm(self) -> None:
        source = await self.told(
            Call("anna", START, Arm.CONTROL),
            Call("boris", START + DAY, Arm.TREATMENT),
            Call("clara", START + 2 * DAY, Arm.TREATMENT, branch="loans"),
        )
        fresh = await source.freshness("balance")
        assert fresh.human_at is not None and fresh.bot_at is not None
        assert timedelta(0) <= fresh.human_at - START < timedelta(hours=1)
        assert timedelta(0) <= fresh.bot_at - (START + DAY) < timedelta(hours=1)
        nothing = await source.freshness("deposits")
        assert nothing.human_at is None and nothing.bot_at is None

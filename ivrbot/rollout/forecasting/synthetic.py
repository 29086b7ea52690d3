"""Synthetic callers of one branch: what a rollout would see if the truth were known.

Takes a `World` (volumes, base rate, drift, repeat callers, faults) and a seeded numpy generator; gives contacts,
and the same `UnitRows` that the database gives. Nothing here depends on the arm of earlier contacts: who calls and
when is drawn once, and the ladder only decides what each contact becomes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ivrbot.errors import ConfigError, Problem
from ivrbot.model.evidence import UnitRows

DAY_US = 86_400_000_000
_WARM_UP_DAYS = 40
_OPEN, _CLOSED = 8.0, 22.0
"""Hours between which people call."""

MOST_CONTACTS = 20_000_000
"""Of one simulated rollout: their columns are held in memory, about two gigabytes of them."""

RESOLUTION = "true_resolution"
TIME = "time_to_solution_s"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of callers, 0..1: `human` with operators (None where they cannot have it), `bot` with the bot."""

    human: float | None
    bot: float


RATES: Mapping[str, Rate] = {
    "first_call_resolution": Rate(0.78, 0.78),
    "repeat_7d": Rate(0.20, 0.20),
    "abandonment_before_service": Rate(0.05, 0.05),
    "abandonment_mid_task": Rate(0.06, 0.06),
    "transfer_rate": Rate(0.12, 0.12),
    "failed_transfer": Rate(0.004, 0.004),
    "no_match": Rate(None, 0.05),
    "no_input": Rate(None, 0.03),
    "misroute": Rate(None, 0.04),
    "false_barge_in": Rate(None, 0.02),
    "engine_failure": Rate(None, 0.001),
}
"""What is assumed of KPIs that nothing is said about: bot and operators alike."""


@dataclass(frozen=True, slots=True)
class World:
    """The truth about one branch. All rates are of the first contact in an epoch.

    Attributes:
        calls_per_day: mean over a week, repeat calls included.
        base: share truly resolved by operators on day 0, 0..1.
        effect: bot - operators, on the same scale; the same for every caller, whatever his history.
        steps: (day, change of the base from that day on), in both arms alike.
        drift_per_day: linear change of the base, in both arms alike.
        contacts_per_caller: mean number of contacts of one caller, geometric; 1: nobody rings twice.
        gap_days: mean days between two contacts of a caller, exponential.
        hard_share: share of callers whose task is hard in each of their contacts.
        hard_drop: how much lower their base is than that of the others; the mean over callers stays `base`.
        weekdays: volume on Monday to Sunday, relative.
        bad_day_share: share of days on which everything goes worse for both arms.
        bad_day_drop: by how much the base is lower on such a day.
        routing_fault: added to the probability of the bot without being logged (-0.02: two points are lost).
        solved_s: median seconds to a solution, menu and wait included.
        solved_sigma: its sigma on the logarithmic scale.
        cap_s: seconds counted for a caller who was not resolved; also the most that anybody is counted with.
        time_effect_s: bot - operators for resolved callers, seconds.
        rates: other KPIs; `RATES` holds for those not named.
        topic_accuracy: share of right topics in shadow.
    """

    calls_per_day: float
    base: float = 0.72
    effect: float = 0.0
    steps: tuple[tuple[float, float], ...] = ()
    drift_per_day: float = 0.0
    contacts_per_caller: float = 1.0
    gap_days: float = 4.0
    hard_share: float = 0.0
    hard_drop: float = 0.0
    weekdays: tuple[float, ...] = (1.2, 1.1, 1.05, 1.05, 1.1, 0.8, 0.7)
    bad_day_share: float = 0.0
    bad_day_drop: float = 0.0
    routing_fault: float = 0.0
    solved_s: float = 180.0
    solved_sigma: float = 0.5
    cap_s: float = 900.0
    time_effect_s: float = 0.0
    rates: Mapping[str, Rate] = field(default_factory=dict)
    topic_accuracy: float = 0.92

    def rate(self, kpi: str) -> Rate | None:
        """What holds for a KPI that is a share; None for one that is not known."""
        return self.rates.get(kpi, RATES.get(kpi))

    def base_at(self, day: Floats) -> Floats:
        """The operators' rate by day (0.0: midnight at which the simulation begins), bad days aside."""
        level = self.base + self.drift_per_day * day
        for start, change in self.steps:
            level = level + change * (day >= start)
        return level


def solution_variance(resolved: float, cap_s: float, solved_s: float = 180.0, sigma: float = 0.5) -> float:
    """Variance of time_to_solution_s, seconds squared, in a `World` like this.

    Args:
        resolved: share of callers who are resolved, 0..1; the others count with the cap.
        cap_s: seconds.
        solved_s: median of the resolved, log-normal; beyond the cap it is not cut off here.
        sigma: on the logarithmic scale.
    """
    mean = solved_s * math.exp(sigma * sigma / 2)
    square = solved_s * solved_s * math.exp(2 * sigma * sigma)
    whole = resolved * mean + (1 - resolved) * cap_s
    return resolved * square + (1 - resolved) * cap_s * cap_s - whole * whole


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Everybody who called, oldest first; columns of equal length n.

    Attributes:
        at_us: int64[n], microseconds since 1970-01-01 UTC.
        unit: int64[n], number of the caller.
        draw: float64[n], the caller's number in the draw, 0..1, the same in all of his contacts.
        chance: float64[n], probability that operators resolve this contact.
        luck: float64[n] per KPI, uniform: decides what the contact becomes in either arm.
    """

    at_us: Ints
    unit: Ints
    draw: Floats
    chance: Floats
    luck: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.at_us)

    def take(self, index: NDArray[np.intp] | slice) -> Contacts:
        """Some of the contacts."""
        luck = {kpi: column[index] for kpi, column in self.luck.items()}
        return replace(
            self,
            at_us=self.at_us[index],
            unit=self.unit[index],
            draw=self.draw[index],
            chance=self.chance[index],
            luck=luck,
        )


def check_world(world: World, days: int, kpis: Sequence[str]) -> list[Problem]:
    """What cannot be simulated: an unknown KPI, a number that is none, a rate that leaves 0..1 on some day.

    A rate is never cut off at 0 or 1: the effect would then no longer be what was asked for.
    """
    found = []
    for kpi in kpis:
        if kpi not in (RESOLUTION, TIME) and world.rate(kpi) is None:
            allowed = ", ".join((RESOLUTION, TIME, *RATES))
            found.append(Problem("", None, kpi, "", "is not simulated", allowed))
    found += _unfit_numbers(world, days)
    if found:
        return found
    easy = world.hard_drop * world.hard_share
    level = world.base_at(np.arange(days, dtype=np.float64))
    low = float(level.min()) - (world.hard_drop - easy) * (world.hard_share > 0) - world.bad_day_drop
    high = float(level.max()) + easy
    if low + min(world.effect, 0.0) < 0 or high + max(world.effect, 0.0) > 1:
        text = f"{low:.3f} to {high:.3f} with effect {world.effect:+g}"
        found.append(Problem("", None, "base", text, "leaves 0..1 within the days simulated"))
    return found


def _unfit_numbers(world: World, days: int) -> Iterator[Problem]:
    """Numbers that no world can have."""
    told = {name: value for name, value in asdict(world).items() if isinstance(value, int | float)}
    changes = {f"step of day {day:g}": change for day, change in world.steps}
    for name, value in {**told, **changes}.items():
        if not math.isfinite(value):
            yield Problem("", None, name, f"{value}", "is not a number", "a finite one")
    for name in ("base", "hard_share", "bad_day_share"):
        if not 0 <= told[name] <= 1:
            yield Problem("", None, name, f"{told[name]:g}", "is not a share", "0 to 1")
    if world.contacts_per_caller < 1:
        yield Problem("", None, "contacts_per_caller", f"{world.contacts_per_caller:g}", "is too low", ">= 1")
    if not 0 < world.calls_per_day <= MOST_CONTACTS / days:
        message = f"is not possible over {days} days"
        allowed = f"> 0, <= {MOST_CONTACTS / days:,.0f}"
        yield Problem("", None, "calls_per_day", f"{world.calls_per_day:,.0f}", message, allowed)


def contacts(
    world: World, days: int, kpis: Sequence[str], rng: np.random.Generator, start_us: int = 0
) -> Contacts:
    """Draw everybody who calls within some days.

    Args:
        world: the truth.
        days: length of the simulation.
        kpis: which values will be asked for.
        rng: seeded.
        start_us: midnight of day 0, microseconds since 1970 UTC.

    Raises:
        ConfigError: the world cannot be (see `check_world`).
    """
    problems = check_world(world, days, kpis)
    if problems:
        raise ConfigError(problems)
    at_us, unit = _times(world, days, rng, start_us)
    callers = int(unit.max()) + 1 if len(unit) else 0
    day = (at_us - start_us) / DAY_US
    chance = world.base_at(day)
    if world.hard_share > 0:
        hard = (rng.random(callers) < world.hard_share)[unit]
        chance = chance + world.hard_drop * world.hard_share - world.hard_drop * hard
    if world.bad_day_share > 0:
        chance = chance - world.bad_day_drop * (rng.random(days) < world.bad_day_share)[day.astype(np.intp)]
    luck = {kpi: rng.random(len(unit)) for kpi in sorted({RESOLUTION, *kpis})}
    return Contacts(at_us, unit, rng.random(callers)[unit], chance, luck)


def _times(world: World, days: int, rng: np.random.Generator, start_us: int) -> tuple[Ints, Ints]:
    """Times and callers of all contacts within the days, oldest first."""
    # Callers of the weeks before still ring: without them the first days would be short of repeat calls.
    warm_up = _WARM_UP_DAYS if world.contacts_per_caller > 1 else 0
    day = np.arange(-warm_up, days)
    weekday = (day + start_us // DAY_US + 3) % 7  # 1970-01-01 was a Thursday
    shape = np.asarray(world.weekdays, dtype=np.float64)
    mean = world.calls_per_day / world.contacts_per_caller * (shape / shape.mean())[weekday]
    first = np.repeat(day, rng.poisson(mean))
    callers = len(first)
    hour = _OPEN + (_CLOSED - _OPEN) * rng.beta(1.5, 1.5, callers)
    count = rng.geometric(1 / world.contacts_per_caller, callers)
    unit = np.repeat(np.arange(callers), count)
    time = np.repeat(first + hour / 24, count)
    if len(unit) > callers:
        # A caller's gaps add up; the running sum over all is reset at his first contact.
        gap = rng.exponential(world.gap_days, len(unit))
        begins = np.cumsum(count) - count
        gap[begins] = 0
        total = np.cumsum(gap)
        time = time + total - np.repeat(total[begins], count)
    inside = (time >= 0) & (time < days)
    at_us = start_us + (time[inside] * DAY_US).astype(np.int64)
    order = np.argsort(at_us, kind="stable")
    return at_us[order], unit[inside][order]


def first_contacts(all_contacts: Contacts, since_us: int) -> Contacts:
    """The first contact of each caller since a moment: the rows of an epoch that begins then."""
    begin = int(np.searchsorted(all_contacts.at_us, since_us))
    _, first = np.unique(all_contacts.unit[begin:], return_index=True)
    first.sort()
    return all_contacts.take(first + begin)


def unit_rows(
    world: World,
    rows: Contacts,
    stages: Sequence[str],
    rungs: Sequence[tuple[int, int, float]],
    kpis: Sequence[str],
) -> UnitRows:
    """What contacts become on a ladder; every value is filled in, mature or not.

    Args:
        world: the truth.
        rows: first contacts (or all of them, for methods that count calls), oldest first.
        stages: names of rungs.
        rungs: (since_us, index into stages, probability of the bot), oldest first; the first is not after any row.
        kpis: values wanted.
    """
    since = np.array([rung[0] for rung in rungs], dtype=np.int64)
    place = np.searchsorted(since, rows.at_us, side="right") - 1
    stage = np.array([rung[1] for rung in rungs], dtype=np.int64)[place]
    bound = np.array([rung[2] for rung in rungs], dtype=np.float64)[place]
    treated = rows.draw < bound + world.routing_fault
    values = {kpi: _value(world, rows, treated, kpi) for kpi in kpis}
    return UnitRows(rows.at_us, stage, tuple(stages), treated, bound, values)


def _value(world: World, rows: Contacts, treated: NDArray[np.bool_], kpi: str) -> Floats:
    """A KPI of each contact in its raw unit; NaN where its arm cannot have one."""
    resolved = rows.luck[RESOLUTION] < rows.chance + world.effect * treated
    if kpi == RESOLUTION:
        return resolved.astype(np.float64)
    if kpi == TIME:
        seconds = world.solved_s * np.exp(world.solved_sigma * _normal(rows.luck[TIME]))
        return np.where(resolved, np.minimum(seconds + world.time_effect_s * treated, world.cap_s), world.cap_s)
    rate = world.rate(kpi)
    assert rate is not None  # contacts() has refused unknown KPIs
    chance = np.where(treated, rate.bot, math.nan if rate.human is None else rate.human)
    return np.where(np.isnan(chance), math.nan, (rows.luck[kpi] < chance).astype(np.float64))


def _normal(uniform: Floats) -> Floats:
    """Standard normal numbers from uniform ones.

    Source: Abramowitz and Stegun 26.2.23 (error below 4.5e-4).
    """
    tail = np.maximum(np.minimum(uniform, 1 - uniform), 1e-300)
    t = np.sqrt(-2 * np.log(tail))
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    bottom = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    normal: Floats = np.where(uniform < 0.5, -1.0, 1.0) * (t - top / bottom)
    return normal

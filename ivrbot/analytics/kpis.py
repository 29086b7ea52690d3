"""Every KPI: its formula, which way is better, and which may carry a decision.

Takes first contacts as columns (`ContactColumns`), gives one number per unit, NaN where there is none yet. Both
arms are measured by the same formula and by intention to treat: a bot call that ends with an operator stays with
the bot.
A KPI may be primary (or a guardrail by difference) only if it is comparable: measured alike in both arms, over all
exposed units; a rate of the bot alone may be a guardrail by its level. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.contact_columns import UNSERVED_ABANDONED, UNSERVED_NOBODY, ContactColumns, Floats

SHORT_S: Final = 5.0
"""Whoever hangs up sooner than this has not abandoned anything (a wrong number, a second thought)."""

SERVICE_LEVEL_S: Final = 20.0

GAP_STEP_MS: Final = 10
"""Response gaps of groups are counted in steps of so many ms: ten thousand calls then need a hundred numbers."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a formula may need beside the contacts.

    Attributes:
        time_cap_s: time to solution of a unit that was not helped.
    """

    time_cap_s: float = 900.0


Unit = Literal["share", "s", "ms", "score", "points", "minor"]
Formula = Callable[[ContactColumns, Measure], Floats]


@dataclass(frozen=True, slots=True)
class KpiName:
    """One KPI.

    Attributes:
        better: "up", "down", or "" for figures that are shown and never judged.
        comparable: measured alike in both arms and divided by all exposed units.
        bot_rate: a share of the bot's calls that may be held under a level.
        windowed: counts only once the repeat window of its caller has passed.
        first_only: reports leave out contacts that follow another of the same caller within the window: they
            belong to that one.
        whole: computed of a group, not of a contact: its `formula` is None.
        unit: of the value; "share" is 0 or 1 per contact, a fraction of a group.
        formula: one number per unit; None for figures of whole groups.
    """

    name: str
    better: Literal["up", "down", ""]
    comparable: bool = False
    bot_rate: bool = False
    windowed: bool = False
    first_only: bool = False
    whole: bool = False
    unit: Unit = "share"
    formula: Formula | None = None


# --- resolution -----------------------------------------------------------------------------------------


def first_call_resolution(c: ContactColumns, _: Measure) -> Floats:
    """1 if the outcome of the first contact is resolved, else 0; NaN while the outcome is unknown.

    The bot resolves by an effect that the bank confirmed or an answer that was delivered; a person by having
    answered, unless a code says otherwise.
    """
    return c.outcome


def true_resolution(c: ContactColumns, _: Measure) -> Floats:
    """1 if the first contact is resolved and the caller did not come back to the branch within the window."""
    return np.where(np.isnan(c.outcome) | np.isnan(c.repeats), np.nan, (c.outcome == 1) & (c.repeats == 0))


def repeat_7d(c: ContactColumns, _: Measure) -> Floats:
    """1 if the caller came back to the branch within the window, however the first contact went."""
    return np.where(np.isnan(c.repeats), np.nan, c.repeats > 0)


def time_to_solution_s(c: ContactColumns, measure: Measure) -> Floats:
    """Seconds on the telephone, ring to confirmed task, over the first contact and all repeats in the window.

    Menu, waiting, the bot's and the person's part all count. The last contact counts up to its solution, those
    before it in full. Capped at `time_cap_s`, which is also the value of a caller whose last contact did not help.
    """
    alone = c.repeats == 0
    solved_s = np.where(alone, c.solved_s, c.duration_s + c.repeats_s + c.last_solved_s)
    outcome = np.where(alone, c.outcome, c.last_outcome)
    value = np.where(outcome == 1, np.fmin(solved_s, measure.time_cap_s), measure.time_cap_s)
    return np.where(np.isnan(c.repeats) | np.isnan(outcome) | np.isnan(c.outcome), np.nan, value)


def containment(c: ContactColumns, _: Measure) -> Floats:
    """1 if the bot's call ended without a person having been asked for; NaN without a bot.

    Shown, never decided on: whoever hangs up looks contained.
    """
    return np.where((c.with_bot == 1) & (c.closed == 1), c.asked == 0, np.nan)


def csat_response(c: ContactColumns, _: Measure) -> Floats:
    """1 if the caller gave a score, else 0: how much `csat` stands on."""
    return _closed(c, ~np.isnan(c.score))


def csat(c: ContactColumns, _: Measure) -> Floats:
    """The caller's own score, 1 to 5; NaN where he gave none. Read it beside the response rate."""
    return c.score


def qa_score(c: ContactColumns, _: Measure) -> Floats:
    """0 to 100 by the quality rubric, the same for bot and people; NaN for calls that nobody has scored."""
    return np.full(len(c), np.nan) if c.qa_score is None else c.qa_score


# --- time -----------------------------------------------------------------------------------------------


def handle_time_s(c: ContactColumns, _: Measure) -> Floats:
    """The bot's seconds + talk + hold + after-work of persons."""
    return _closed(c, c.bot_s + human_s_of(c))


def wait_s(c: ContactColumns, _: Measure) -> Floats:
    """Seconds in queues until a person answered; 0 where the bot served at once; NaN where nobody served.

    Its mean is the average speed of answer (ASA). Over those served only, so it may not carry a decision.
    """
    return _closed(c, np.where(c.asked == 1, c.wait_s, 0.0))


def service_level(c: ContactColumns, _: Measure) -> Floats:
    """1 if served within 20 s, else 0; those who hung up within 5 s do not count."""
    short = (c.asked == 1) & (c.unserved == UNSERVED_ABANDONED) & (c.unserved_wait_s <= SHORT_S)
    quick = (c.asked == 0) | (c.wait_s <= SERVICE_LEVEL_S)
    return np.where(short, np.nan, _closed(c, quick))


# --- leaving --------------------------------------------------------------------------------------------


def abandonment_before_service(c: ContactColumns, _: Measure) -> Floats:
    """1 if the caller left without having been served by anyone, after more than 5 s of waiting.

    The bot serves from the first moment, so that its callers can only leave in the middle of a task.
    """
    waited = (c.asked == 1) & (c.escalated == 0) & (c.connected == 0) & (c.unserved > 0)
    return _closed(c, waited & (c.unserved_wait_s > SHORT_S))


def abandonment_mid_task(c: ContactColumns, _: Measure) -> Floats:
    """1 if the caller hung up before his task was done, wherever he was then, later than 5 s into the contact.

    With the bot, in a queue (after the bot or without it), or in a talk that a code calls unresolved.
    """
    return _closed(c, (c.left_by_caller == 1) & (c.outcome == 0) & (c.duration_s > SHORT_S))


# --- transfers ------------------------------------------------------------------------------------------


def transfer_rate(c: ContactColumns, _: Measure) -> Floats:
    """1 if whoever served the caller first passed him on: the bot to a person, or a person to another place."""
    return _closed(c, (c.escalated == 1) | (c.transfers > 0))


def failed_transfer(c: ContactColumns, _: Measure) -> Floats:
    """1 if the caller was handed to people and nobody came: time-out, empty queue, left by key, never queued.

    The draw's own hand-over to the queue counts alike. A caller who gives up while he waits is not counted here
    but as abandoned. The type stands in the contact.
    """
    return _closed(c, c.unserved == UNSERVED_NOBODY)


# --- the bot's diagnostics ------------------------------------------------------------------------------


def no_match(c: ContactColumns, _: Measure) -> Floats:
    """1 if the bot once could not make out what was said; NaN without a bot."""
    return _with_bot(c, c.no_match > 0)


def no_input(c: ContactColumns, _: Measure) -> Floats:
    """1 if the caller once said nothing in time; NaN without a bot."""
    return _with_bot(c, c.no_input > 0)


def false_barge_in(c: ContactColumns, _: Measure) -> Floats:
    """1 if a noise once stopped the bot; NaN without a bot."""
    return _with_bot(c, c.false_barge_in > 0)


def engine_failure(c: ContactColumns, _: Measure) -> Floats:
    """1 if an engine failed in the call, or the bot died in it; NaN without a bot."""
    return _with_bot(c, c.engine_failures > 0)


def response_gap_ms(c: ContactColumns, _: Measure) -> Floats:
    """Median response gap of the contact, in ms; reports pool all gaps of a group: this is their median."""
    return c.gap_p50_ms


def misroute(c: ContactColumns, _: Measure) -> Floats:
    """1 if the operator names a topic of another branch; NaN while nobody has said."""
    return c.misroute


# --- figures of whole groups, for reports ---------------------------------------------------------------


def human_s_of(c: ContactColumns) -> Floats:
    """Seconds of persons: talk, hold, after-work."""
    return c.talk_s + c.hold_s + c.after_work_s


def troubled(c: ContactColumns) -> NDArray[np.bool_]:
    """Not served as planned: an engine failed, the bot died, or a caller was handed to people and nobody came."""
    found: NDArray[np.bool_] = (c.engine_failures > 0) | (c.unserved == UNSERVED_NOBODY)
    return found


def cost_per_resolution(c: ContactColumns, *, bot_minute_minor: float, operator_minute_minor: float) -> float:
    """Cost of all contacts / resolved contacts, in minor units; NaN without a resolved one.

    The bot's minutes and the persons' (talk, hold, after-work) at their rates; unresolved contacts cost too.

    Args:
        c: contacts of one group.
        bot_minute_minor: price of a minute with the bot.
        operator_minute_minor: price of a minute of a person.
    """
    bot_s, human_s = (float(np.nansum(part)) for part in (c.bot_s, human_s_of(c)))
    resolved = float(np.nansum(c.outcome))
    cost_minor = (bot_s * bot_minute_minor + human_s * operator_minute_minor) / 60
    return cost_minor / resolved if resolved else float("nan")


def availability(c: ContactColumns, started_us: NDArray[np.int64]) -> float:
    """Share of the minutes with calls in which every caller was served as planned; NaN without calls.

    Not as planned: an engine failed, the bot died, or a caller was handed to people and nobody came.
    """
    failed = troubled(c)
    minutes = started_us // 60_000_000
    total = len(np.unique(minutes))
    return 1.0 - len(np.unique(minutes[failed])) / total if total else float("nan")


def response_gap_p95_ms(steps_ms: Sequence[int], counts: Sequence[int]) -> float:
    """95th percentile of all response gaps of a group, in ms to `GAP_STEP_MS`; NaN without any."""
    return gap_percentile_ms(steps_ms, counts, 0.95)


def gap_percentile_ms(steps_ms: Sequence[int], counts: Sequence[int], q: float) -> float:
    """The smallest gap that at least a share q of all gaps do not exceed (inverse of the distribution function).

    Args:
        steps_ms: gaps, each rounded down to a multiple of `GAP_STEP_MS`, ascending.
        counts: how often each occurred.
        q: 0 < q <= 1.

    Returns:
        In ms; NaN without any.
    """
    reached = np.cumsum(np.asarray(counts, dtype=np.float64))
    if not len(reached) or not reached[-1]:
        return float("nan")
    return float(steps_ms[int(np.searchsorted(reached, q * reached[-1] - 1e-9))])


def _closed(c: ContactColumns, value: Floats | NDArray[np.bool_]) -> Floats:
    """The value of contacts that are over and whose outcome is known, NaN for the rest."""
    return np.where((c.closed == 1) & ~np.isnan(c.outcome), value, np.nan)


def _with_bot(c: ContactColumns, value: NDArray[np.bool_]) -> Floats:
    return np.where(c.with_bot == 1, value, np.nan)


_ALL = (
    KpiName("true_resolution", "up", comparable=True, windowed=True, first_only=True, formula=true_resolution),
    KpiName(
        "time_to_solution_s",
        "down",
        comparable=True,
        windowed=True,
        first_only=True,
        unit="s",
        formula=time_to_solution_s,
    ),
    KpiName("first_call_resolution", "up", comparable=True, first_only=True, formula=first_call_resolution),
    KpiName("containment", "", formula=containment),
    KpiName("handle_time_s", "down", comparable=True, unit="s", formula=handle_time_s),
    KpiName("wait_s", "down", unit="s", formula=wait_s),
    KpiName("service_level", "up", formula=service_level),
    KpiName("abandonment_before_service", "down", comparable=True, formula=abandonment_before_service),
    KpiName("abandonment_mid_task", "down", comparable=True, formula=abandonment_mid_task),
    KpiName("transfer_rate", "down", comparable=True, formula=transfer_rate),
    KpiName("failed_transfer", "down", comparable=True, formula=failed_transfer),
    KpiName("repeat_7d", "down", comparable=True, windowed=True, first_only=True, formula=repeat_7d),
    KpiName("csat", "up", unit="score", formula=csat),
    KpiName("csat_response", "up", formula=csat_response),
    KpiName("qa_score", "up", unit="points", formula=qa_score),
    KpiName("no_match", "down", bot_rate=True, formula=no_match),
    KpiName("no_input", "down", bot_rate=True, formula=no_input),
    KpiName("misroute", "down", bot_rate=True, formula=misroute),
    KpiName("false_barge_in", "down", bot_rate=True, formula=false_barge_in),
    KpiName("response_gap_ms", "down", unit="ms", formula=response_gap_ms),
    KpiName("response_gap_p95_ms", "down", whole=True, unit="ms"),
    KpiName("engine_failure", "down", bot_rate=True, formula=engine_failure),
    KpiName("cost_per_resolution", "down", whole=True, unit="minor"),
    KpiName("availability", "up", whole=True),
)

KPIS: Final[Mapping[str, KpiName]] = {kpi.name: kpi for kpi in _ALL}
COMPARABLE: Final[tuple[str, ...]] = tuple(kpi.name for kpi in _ALL if kpi.comparable)
LEVELLED: Final[tuple[str, ...]] = tuple(kpi.name for kpi in _ALL if kpi.comparable or kpi.bot_rate)


def values(name: str, contacts: ContactColumns, measure: Measure) -> Floats:
    """One KPI of every unit; all NaN for one that no contact can give.

    Raises:
        KeyError: no such KPI.
    """
    formula = KPIS[name].formula
    if formula is None:
        return np.full(len(contacts), np.nan)
    return formula(contacts, measure).astype(np.float64)

"""First contacts of many units side by side, as numpy columns: what KPIs are computed from.

Takes nothing, gives a type. One row per unit; a missing number is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ivrbot.model.call import Disposition
from ivrbot.model.contact import Contact, EndedBy, HumanPart, Unserved
from ivrbot.model.shadow import Outcome

Floats = NDArray[np.float64]

UNSERVED_ABANDONED: Final = 1.0
"""Codes of `unserved`: 0 somebody was reached (or nobody asked for), 1 the caller gave up, 2 nobody came."""
UNSERVED_NOBODY: Final = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class ContactColumns:
    """One row per contact; every column float64[n], NaN where nothing is known.

    Attributes:
        outcome: 1 resolved, 0 unresolved, NaN unknown.
        closed: 1 when the contact is over.
        with_bot: 1 when the bot took part.
        bot_done: 1 when the bank confirmed to the bot, or the bot's answer was delivered.
        asked: 1 when a person was asked for.
        connected: 1 when a person answered.
        escalated: 1 when the bot, having been asked to serve, handed over (0 for the control arm's hand-over).
        unserved: see UNSERVED_ABANDONED.
        transfers: from one person to another place.
        left_by_caller: 1 when the caller ended it.
        wait_s: for a person, NaN when none was reached.
        unserved_wait_s: seconds of waiting by one who reached nobody.
        duration_s: start to end.
        solved_s: start to the confirmed task, NaN unless resolved.
        bot_s, talk_s, hold_s, after_work_s: parts of the time.
        score: 1..5.
        no_match, no_input, false_barge_in, engine_failures: counts.
        misroute: 1 when the operator names a topic of another branch, NaN while nobody has said.
        gap_p50_ms: median response gap of the contact.
        repeats: other contacts of the unit in the branch within the window.
        repeats_s: seconds of all of them but the last.
        last_outcome: of the last of them.
        last_duration_s, last_solved_s: of the last of them.
        qa_score: 0..100 by the quality rubric; None where it is not read (it is not packed with the others).
    """

    outcome: Floats
    closed: Floats
    with_bot: Floats
    bot_done: Floats
    asked: Floats
    connected: Floats
    escalated: Floats
    unserved: Floats
    transfers: Floats
    left_by_caller: Floats
    wait_s: Floats
    unserved_wait_s: Floats
    duration_s: Floats
    solved_s: Floats
    bot_s: Floats
    talk_s: Floats
    hold_s: Floats
    after_work_s: Floats
    score: Floats
    no_match: Floats
    no_input: Floats
    false_barge_in: Floats
    engine_failures: Floats
    misroute: Floats
    gap_p50_ms: Floats
    repeats: Floats
    repeats_s: Floats
    last_outcome: Floats
    last_duration_s: Floats
    last_solved_s: Floats
    qa_score: Floats | None = None

    def __len__(self) -> int:
        return len(self.outcome)


CONTACT_FIELDS: Final = tuple(item.name for item in fields(ContactColumns))
OWN_FIELDS: Final = CONTACT_FIELDS[: CONTACT_FIELDS.index("repeats")]
"""Columns of the contact itself, in their order; the rest sums up its repeats."""


def own_values(contact: Contact) -> dict[str, float | None]:
    """One contact as numbers, by the names of OWN_FIELDS."""
    bot, human, faults = contact.bot, contact.human, contact.diagnostics
    return {
        "outcome": _OUTCOMES[contact.outcome],
        "closed": float(contact.closed),
        "with_bot": float(bot is not None),
        "bot_done": float(bot is not None and bot.done_after_s is not None),
        "asked": float(human is not None),
        "escalated": float(bot is not None and bot.routed and human is not None),
        "left_by_caller": float(_left_by_caller(contact)),
        "duration_s": contact.duration_s,
        "solved_s": contact.solved_s,
        "bot_s": bot.served_s if bot else 0.0,
        "score": contact.score,
        "no_match": faults.no_match,
        "no_input": faults.no_input,
        "false_barge_in": faults.false_barge_in,
        "engine_failures": faults.engine_failures,
        "misroute": None if contact.misrouted is None else float(contact.misrouted),
        "gap_p50_ms": median(faults.gaps_ms) if faults.gaps_ms else None,
        **_human_values(human),
    }


_OUTCOMES: Final[Mapping[Outcome, float | None]] = {
    Outcome.RESOLVED: 1.0,
    Outcome.UNRESOLVED: 0.0,
    Outcome.UNKNOWN: None,
}


def _left_by_caller(contact: Contact) -> bool:
    if contact.human is not None:
        return contact.human.ended_by is EndedBy.CALLER
    return contact.bot is not None and contact.bot.disposition is Disposition.ABANDONED


def _human_values(human: HumanPart | None) -> dict[str, float | None]:
    if human is None:
        zeros = ("connected", "unserved", "transfers", "talk_s", "hold_s", "after_work_s", "unserved_wait_s")
        return dict.fromkeys(zeros, 0.0) | {"wait_s": None}
    reached = human.connected_at is not None
    nobody = UNSERVED_ABANDONED if human.unserved is Unserved.ABANDONED else UNSERVED_NOBODY
    return {
        "connected": float(reached),
        "unserved": 0.0 if human.unserved is None else nobody,
        "transfers": human.transfers,
        "talk_s": human.talk_s,
        "hold_s": human.hold_s,
        "after_work_s": human.after_work_s,
        "wait_s": human.wait_s if reached else None,
        "unserved_wait_s": 0.0 if reached else human.wait_s or 0.0,
    }


@dataclass(frozen=True, slots=True, eq=False)
class FirstExposures:
    """First exposures of one branch in one epoch, oldest first, with the contact that each began.

    Attributes:
        at_us: int64[n].
        stage: int64[n], index into `stages`.
        treated: bool[n].
        propensity: float64[n].
        asked_us: int64[n], when a person was asked for; 0: never.
        entered: bool[n], a queue's row is known.
        trunk, prefix: str[n], None where the store keeps neither.
    """

    at_us: NDArray[np.int64]
    stage: NDArray[np.int64]
    stages: tuple[str, ...]
    treated: NDArray[np.bool_]
    propensity: Floats
    contacts: ContactColumns
    asked_us: NDArray[np.int64]
    entered: NDArray[np.bool_]
    trunk: NDArray[np.str_] | None = None
    prefix: NDArray[np.str_] | None = None

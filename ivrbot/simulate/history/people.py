"""Operators as queues and talks: how long callers wait, talk, and whether they are helped. Invented, seeded, pure.

Gives rows of a queue's log as Asterisk writes them, so that everything after them is the product's own work.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Final

from ivrbot.model.queue import QueueRow

AGENTS: Final = tuple(f"Agent/{number:02d}" for number in range(1, 15))
TALK_S: Final = {"block_card": 190, "balance": 150, "disputes": 320, "loans": 240, "deposits": 260}
USUAL_TALK_S: Final = 210
SERVED_AT_ONCE: Final = 0.55
SPREAD: Final = 0.5


@dataclass(frozen=True, slots=True)
class Staff:
    """What people are like in a stretch of time.

    Attributes:
        resolves: share of answered callers who are helped.
        wait_s: mean wait of those who wait.
        patience_s: mean time after which a waiting caller gives up.
        unreached: share of calls that reach nobody, whatever they wait.
        slower: factor on talks.
    """

    resolves: float = 0.93
    wait_s: float = 35.0
    patience_s: float = 400.0
    unreached: float = 0.001
    slower: float = 1.0


@dataclass(slots=True)
class Handled:
    """One visit to a queue: its rows, whether anybody answered, and whether the caller was helped."""

    rows: list[QueueRow] = field(default_factory=list)
    answered: bool = False
    resolved: bool = False
    end_us: int = 0


def handle(
    staff: Staff, queue: str, callid: str, unit: str, at_us: int, rng: random.Random, *, score: int | None = None
) -> Handled:
    """One caller in a queue.

    Args:
        staff: of that hour.
        queue: name of the branch.
        callid: the PBX's id of his channel.
        unit: his keyed hash.
        at_us: when he enters.
        rng: source of chance.
        score: that he gives afterwards if he is asked; None: he presses no key.
    """
    wait_s = 1 + (0 if rng.random() < SERVED_AT_ONCE else round(rng.expovariate(1 / staff.wait_s)))
    patience_s = round(rng.expovariate(1 / staff.patience_s))
    done = Handled([QueueRow(at_us, callid, queue, "NONE", "ENTERQUEUE", ("", unit))])
    if wait_s > patience_s + 5:
        gone_s = patience_s + 5
        done.rows.append(_row(at_us, gone_s, callid, queue, "NONE", "ABANDON", "1", "1", str(gone_s)))
        done.end_us = at_us + gone_s * 1_000_000
        return done
    if rng.random() < staff.unreached:
        done.rows.append(_row(at_us, 120, callid, queue, "NONE", "EXITWITHTIMEOUT", "1", "1", "120"))
        done.end_us = at_us + 120_000_000
        return done
    agent = rng.choice(AGENTS)
    mean_s = TALK_S.get(queue, USUAL_TALK_S) * staff.slower
    talk_s = max(15, round(rng.lognormvariate(math.log(mean_s) - SPREAD**2 / 2, SPREAD)))
    end_s = wait_s + talk_s
    ended = "COMPLETECALLER" if rng.random() < 0.7 else "COMPLETEAGENT"
    done.rows.append(_row(at_us, wait_s, callid, queue, agent, "CONNECT", str(wait_s), f"{callid}.a", "4"))
    done.rows.append(_row(at_us, end_s, callid, queue, agent, ended, str(wait_s), str(talk_s), "1"))
    done.rows.append(_row(at_us, end_s + 6, callid, queue, "NONE", "BOTSCORE", str(score or 0)))
    done.answered, done.resolved = True, rng.random() < staff.resolves
    done.end_us = at_us + end_s * 1_000_000
    return done


def _row(at_us: int, after_s: int, callid: str, queue: str, agent: str, event: str, *data: str) -> QueueRow:
    return QueueRow(at_us + after_s * 1_000_000, callid, queue, agent, event, data)


def score(resolved: bool, waited_long: bool, rng: random.Random) -> int | None:
    """A caller's score, None from most."""
    if rng.random() > 0.35:
        return None
    weights = (3, 4, 10, 25, 58) if resolved else (35, 25, 20, 12, 8)
    given = rng.choices((1, 2, 3, 4, 5), weights)[0]
    return max(1, given - 1) if waited_long else given

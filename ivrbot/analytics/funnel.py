"""Where each call went: one step of the funnel per call, so that the steps sum to all calls.

Takes what is known of a call's contacts, gives a step. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from ivrbot.model.call import EscalationReason
from ivrbot.model.contact import Origin
from ivrbot.model.experiment import Arm
from ivrbot.model.report import FactRow
from ivrbot.model.shadow import FRONT


class FunnelStep(StrEnum):
    """Where a call went, in the order in which a call passes them."""

    OUTSIDE = "outside"
    HUNG_UP = "hung_up_at_greeting"
    OPERATOR_WITHOUT_TOPIC = "operator_without_topic"
    UNSERVED_TOPIC = "unserved_topic"
    INELIGIBLE = "ineligible"
    DRAWN_OPERATOR = "drawn_operator"
    DRAWN_BOT = "drawn_bot"


ONLY_A_PERSON: Final = "operator"
"""The menu's topic of those who ask for a person and for nothing else."""

MEANINGS: Final = {
    FunnelStep.OUTSIDE: "seen in an operators' queue or an imported file only; never met the product",
    FunnelStep.HUNG_UP: "ended without a topic and without a person having been asked for",
    FunnelStep.OPERATOR_WITHOUT_TOPIC: "handed to a person before any topic was stated",
    FunnelStep.UNSERVED_TOPIC: "the topic has no flow, so it was not drawn",
    FunnelStep.INELIGIBLE: "a served topic, not drawn: shadow, killed, not started, excluded, override, no room",
    FunnelStep.DRAWN_OPERATOR: "drawn for operators",
    FunnelStep.DRAWN_BOT: "drawn for the bot",
}


def step_of_call(contacts: Iterable[FactRow]) -> FunnelStep:
    """The step of a call.

    The first contact in a branch of the menu decides, a drawn one before others; the open question (branch
    "front") and contacts without a branch speak only where there is none.

    Args:
        contacts: all of the call, at least one.
    """
    rows = sorted(contacts, key=lambda row: (row.started_us, row.branch))
    menu = [row for row in rows if row.branch not in {"", FRONT}]
    steps = [_step(row) for row in menu or rows]
    drawn = [step for step in steps if step in {FunnelStep.DRAWN_BOT, FunnelStep.DRAWN_OPERATOR}]
    return (drawn or steps)[0]


def _step(row: FactRow) -> FunnelStep:
    if row.origin != Origin.PRODUCT:
        return FunnelStep.OUTSIDE
    if row.branch in {"", FRONT}:
        return FunnelStep.OPERATOR_WITHOUT_TOPIC if row.asked_us else FunnelStep.HUNG_UP
    if row.arm:
        return FunnelStep.DRAWN_BOT if row.arm == Arm.TREATMENT else FunnelStep.DRAWN_OPERATOR
    if row.topic == ONLY_A_PERSON and not row.arm:
        return FunnelStep.OPERATOR_WITHOUT_TOPIC
    unserved = row.reason == EscalationReason.TOPIC_NOT_SERVED
    return FunnelStep.UNSERVED_TOPIC if unserved else FunnelStep.INELIGIBLE

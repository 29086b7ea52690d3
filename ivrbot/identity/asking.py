"""What is enough for an operation, what is in its way, what to ask for next: the rules under the ladder. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from ivrbot.identity.policy import ForeignTelephone, Policy, Requirement, SecondFactor
from ivrbot.identity.state import FINDING, NAME_AND_BIRTH, PHONE, LadderState, Refusal
from ivrbot.model.bank import Fact
from ivrbot.model.call import AssuranceLevel
from ivrbot.model.dialogue import AuthReply

_REASONS: Mapping[Refusal, Literal["fraud", "sms_failure", "by_operator"]] = MappingProxyType(
    {
        Refusal.VOICE_FLAGGED: "fraud",
        Refusal.CODE_NOT_SENT: "sms_failure",
        Refusal.STRONG_UNAVAILABLE: "by_operator",
        Refusal.NOT_SERVED_HERE: "by_operator",
    }
)
"""What a refusal means beyond "could not be verified"; no reply says which item was wrong."""


def is_enough(state: LadderState, need: Requirement) -> bool:
    """Whether everything that an operation needs has been proven."""
    return _facts_enough(state, need) and (
        need.level is not AssuranceLevel.STRONG
        or (state.level is AssuranceLevel.STRONG and not state.second.isdisjoint(need.second))
    )


def _facts_enough(state: LadderState, need: Requirement) -> bool:
    """Whether all is proven but for the second factor."""
    rank = min(need.level.rank, AssuranceLevel.VERIFIED.rank)
    if state.how == "number":
        return state.level.rank >= rank and len(state.facts) >= need.facts
    foreign = need.foreign_telephone
    if foreign is None or state.level.rank < rank:
        return False
    return len(state.facts) >= _facts_wanted(state, foreign)


def _facts_wanted(state: LadderState, foreign: ForeignTelephone) -> int:
    """Facts that found the account prove nothing more, but for what a stolen bag cannot wait for."""
    return foreign.facts + (len(FINDING) if state.how == "found" and not foreign.by_name else 0)


def with_level(state: LadderState, policy: Policy) -> LadderState:
    """A named number proves nothing by itself; facts about an unknown customer cannot exist."""
    finding = len(FINDING) if state.how == "found" else 0
    if state.customer_id is not None and len(state.facts) >= policy.verified_facts + finding:
        level = AssuranceLevel.STRONG if state.second else AssuranceLevel.VERIFIED
    elif state.how in {"number", "found"}:
        level = AssuranceLevel.IDENTIFIED
    else:
        level = AssuranceLevel.NONE
    return replace(state, level=level)


def given_away(state: LadderState) -> tuple[Fact, ...]:
    """Facts that prove nothing from this caller: the bot has told them."""
    return (Fact.LAST_FOUR,) if state.told and Fact.LAST_FOUR not in state.facts else ()


def with_second(state: LadderState, policy: Policy, factor: SecondFactor) -> LadderState:
    """The state with one more second factor proven, and the level that follows."""
    return with_level(replace(state, second=state.second | {factor}), policy)


def why_blocked(state: LadderState, policy: Policy) -> Refusal | None:
    """What keeps this caller from proving anything more, None while he may go on."""
    limits = policy.limits
    if state.flagged:
        return Refusal.VOICE_FLAGGED
    if state.failures >= limits.failures_per_call:
        return Refusal.FAILURES_IN_CALL
    if state.counts.customer >= limits.failures_per_day:
        return Refusal.LOCKED
    if state.counts.number >= limits.failures_per_number:
        return Refusal.NUMBER_LOCKED
    if state.unreadable >= limits.unreadable_per_call:
        return Refusal.UNREADABLE
    return None


def replied(
    state: LadderState, policy: Policy, need: Requirement, status: Literal["ask", "wrong"]
) -> tuple[LadderState, AuthReply]:
    """Granted, refused, or the next question."""
    if need.level is AssuranceLevel.NONE:
        return replace(state, refusal=None), AuthReply("granted")
    if reason := why_blocked(state, policy) or _unservable(state, need):
        return refused(state, reason)
    if state.how and state.customer_id is not None and is_enough(state, need):
        return replace(state, refusal=None), AuthReply("granted", slots={"card": state.card} if state.card else {})
    facts_enough = bool(state.how) and state.customer_id is not None and _facts_enough(state, need)
    fact = _next_second(state, need) if facts_enough else _next_fact(state, policy, need)
    if fact is None:
        return refused(state, Refusal.NOT_FOUND if state.missed and not state.how else Refusal.NOTHING_LEFT)
    return replace(state, asked=(*state.asked, fact), refusal=None), AuthReply(status, fact)


def refused(state: LadderState, reason: Refusal) -> tuple[LadderState, AuthReply]:
    """The end of the ladder, with its reason."""
    return replace(state, refusal=reason), AuthReply("refused", reason=_REASONS.get(reason, ""))


def _unservable(state: LadderState, need: Requirement) -> Refusal | None:
    if state.how != "number" and need.foreign_telephone is None:
        return Refusal.NOT_SERVED_HERE
    # Nobody is asked for his code word who is sent to an operator afterwards all the same.
    if need.level is AssuranceLevel.STRONG and _next_second(state, need) is None and not is_enough(state, need):
        return Refusal.STRONG_UNAVAILABLE
    return None


def _next_second(state: LadderState, need: Requirement) -> str | None:
    """The first second factor that can be asked for and has not failed; None when none is left."""
    for factor in need.second:
        if factor in state.available and factor.value not in state.declined:
            return factor.value
    return None


def _next_fact(state: LadderState, policy: Policy, need: Requirement) -> str | None:
    """The last fact once more while it has tries left, else the first one that has; None when none can suffice."""
    tries = policy.limits.tries_per_fact

    def open_to(fact: str) -> bool:
        usable = fact not in state.declined and fact not in given_away(state)
        return usable and state.asked.count(fact) < tries

    if not state.how:
        by_name = need.foreign_telephone is not None and need.foreign_telephone.by_name
        question = _who(state, open_to) if by_name and not state.missed else ""
        return question or (PHONE if open_to(PHONE) else None)
    if state.how == "number":
        ask, missing = need.ask, need.facts - len(state.facts)
    elif need.foreign_telephone is not None:
        ask = need.foreign_telephone.ask
        missing = _facts_wanted(state, need.foreign_telephone) - len(state.facts)
    else:
        return None
    left = [fact for fact in ask if fact not in state.facts and open_to(fact)]
    if len(left) < missing or not left:
        return None
    last = state.asked[-1] if state.asked else ""
    return last if last in left else left[0]


def _who(state: LadderState, open_to: Callable[[str], bool]) -> str:
    """Both in one question; after half an answer, or none that could be read, each alone; "" when he cannot."""
    wanted = [fact for fact in FINDING if fact not in state.held]
    if not wanted or NAME_AND_BIRTH in state.declined or not all(open_to(fact) for fact in wanted):
        return ""
    return NAME_AND_BIRTH if len(wanted) > 1 and NAME_AND_BIRTH not in state.asked else wanted[0]

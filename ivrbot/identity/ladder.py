"""The authentication ladder: which fact to ask for next, and when it is enough or over.

Takes a frozen `LadderState` and what one answer was worth (`Attempt`), gives the next state and an `AuthReply`.
Wrong answers are counted per call, per customer and per calling number; a reply never says which item was wrong,
and a named telephone number that the bank does not know is asked the same questions as one it knows.

The counts of the last 24 hours come from the `AttemptStore`. Two calls for one customer at the same moment must
not both be judged on the same old count: whoever drives the ladder reads the counts, judges and stores the failure
for one customer at a time.

Level strong takes a second factor on top of level verified: a one-time code, good for the one purpose that it was
sent for, or a voice. Neither is ever asked for below level verified, and neither opens anything there.
"""

from __future__ import annotations

from dataclasses import replace

from ivrbot.identity.asking import (
    _unservable,
    given_away,
    is_enough,
    refused,
    replied,
    why_blocked,
    with_level,
    with_second,
)
from ivrbot.identity.policy import Policy, SecondFactor
from ivrbot.identity.state import (
    FINDING,
    NAME_AND_BIRTH,
    PHONE,
    Attempt,
    CodeOutcome,
    Failures,
    LadderState,
    Refusal,
)
from ivrbot.model.bank import Fact
from ivrbot.model.call import AssuranceLevel
from ivrbot.model.dialogue import AuthReply
from ivrbot.model.voiceprint import VoiceVerdict


def start(
    state: LadderState,
    policy: Policy,
    operation: str,
    customer_id: str | None,
    failures: Failures,
    *,
    purpose: str = "",
) -> tuple[LadderState, AuthReply]:
    """Begin to authenticate for an operation; what was proven earlier in the call counts.

    Args:
        state: `LadderState()` at the call's first operation.
        policy: in force.
        operation: key of assurance.yml.
        customer_id: customer of the calling number, None when there is none; ignored once an account was found.
        failures: counts of the last 24 hours for this customer and this calling number.
        purpose: what a one-time code is to confirm, "" for just the operation; a code that was right for another
            purpose counts no more.

    Raises:
        ConfigError: the policy does not know the operation.
    """
    if not state.how and customer_id is not None:
        state = replace(state, customer_id=customer_id, how="number")
    if (purpose := purpose or operation) != state.purpose:
        state = replace(spent(state), purpose=purpose)
    state = replace(state, counts=failures)
    return replied(with_level(state, policy), policy, policy.requirement(operation), "ask")


def named(
    state: LadderState, policy: Policy, operation: str, customer_id: str | None, failures: Failures
) -> tuple[LadderState, AuthReply]:
    """Go on after the caller named the telephone number of his account.

    Args:
        state: as left by the reply that asked for "phone".
        policy: in force.
        operation: key of assurance.yml.
        customer_id: customer of the named number; None asks on all the same, and nothing will match.
        failures: counts of the last 24 hours for that customer and the calling number.

    Raises:
        ConfigError: the policy does not know the operation.
    """
    if not state.how:
        state = replace(state, customer_id=customer_id, how="named")
    state = replace(state, counts=failures)
    return replied(with_level(state, policy), policy, policy.requirement(operation), "ask")


def hold(
    state: LadderState, policy: Policy, operation: str, facts: frozenset[Fact], *, declined: str = ""
) -> tuple[LadderState, AuthReply]:
    """Take what a caller without his telephone says of himself; give what to ask next.

    Args:
        state: as left by the last reply.
        policy: in force.
        operation: key of assurance.yml.
        facts: of `FINDING`, what was said now.
        declined: what was asked for and is not known, "" when that is not what was said.

    Raises:
        ConfigError: the policy does not know the operation.
    """
    unusable = not facts and not declined
    state = replace(state, held=state.held | facts, unreadable=state.unreadable + unusable)
    if declined:
        state = replace(state, declined=state.declined | {declined})
    return replied(state, policy, policy.requirement(operation), "ask")


def found(
    state: LadderState, policy: Policy, operation: str, customer_id: str | None, failures: Failures
) -> tuple[LadderState, AuthReply]:
    """Go on after the bank was asked for a customer of that name and birth.

    Args:
        state: with both facts held.
        policy: in force.
        operation: key of assurance.yml.
        customer_id: the only customer they fit; None when there is none or more than one: then the number of the
            account is asked for, and whoever cannot name it goes to an operator.
        failures: counts of the last 24 hours for that customer and the calling number.

    Raises:
        ConfigError: the policy does not know the operation.
    """
    state = replace(state, counts=failures, held=frozenset())
    if customer_id is None:
        counts = replace(failures, number=failures.number + 1)
        state = replace(state, failures=state.failures + 1, counts=counts, missed=True)
        return replied(state, policy, policy.requirement(operation), "wrong")
    state = replace(state, customer_id=customer_id, how="found", facts=FINDING)
    return replied(with_level(state, policy), policy, policy.requirement(operation), "ask")


def may_find_by_name(state: LadderState, policy: Policy, operation: str) -> bool:
    """Whether full name and birth may stand for the telephone number in this operation."""
    foreign = policy.requirement(operation).foreign_telephone
    return not state.how and foreign is not None and foreign.by_name


def answer(
    state: LadderState,
    policy: Policy,
    operation: str,
    fact: str,
    attempt: Attempt,
    failures: Failures | None = None,
) -> tuple[LadderState, AuthReply]:
    """Take one answer.

    Whoever calls this stores a failure (for the customer and the calling number) when the new state has more
    `failures` than before, and a side guess when it has more `counts.side`; before the reply is spoken.

    Args:
        state: as left by the last reply.
        policy: in force.
        operation: key of assurance.yml.
        fact: what was asked for, a `Fact` value or "phone" (then only an unusable or declined answer comes here).
        attempt: what the answer was worth.
        failures: fresh counts of the last 24 hours without this answer; None keeps those of the state.

    Raises:
        ConfigError: the policy does not know the operation.
    """
    need = policy.requirement(operation)
    if failures is not None:
        state = replace(state, counts=failures)
    if reason := why_blocked(state, policy):
        return refused(state, reason)
    proven: tuple[Fact, ...] = ()
    if state.customer_id is not None:
        known = {*state.facts, *given_away(state)}
        proven = tuple(item for item in Fact if item in attempt.matched and item not in known)
    if proven:
        state = replace(state, facts=state.facts + proven, card=attempt.card or state.card)
    if attempt.wrong:
        counts = replace(state.counts, customer=state.counts.customer + 1, number=state.counts.number + 1)
        state = replace(state, failures=state.failures + 1, counts=counts)
    elif attempt.side_guess:
        state = guessed_beside(state)
    if attempt.declined:
        state = replace(state, declined=state.declined | {fact})
    elif not proven and not attempt.wrong:
        state = replace(state, unreadable=state.unreadable + 1)
    return replied(with_level(state, policy), policy, need, "wrong" if attempt.wrong and not proven else "ask")


def code_keyed(
    state: LadderState, policy: Policy, operation: str, outcome: CodeOutcome, failures: Failures | None = None
) -> tuple[LadderState, AuthReply]:
    """Go on after keys were taken as the one-time code.

    A wrong code is a wrong answer like any other: it counts for the call, the customer and the calling number, and
    whoever calls this stores it when the new state has more `failures` than before. "Over" is a code that has
    expired or was tried too often: the reply asks for another one, which is to be sent before it is spoken.

    Args:
        state: as left by the reply that asked for "one_time_code".
        policy: in force.
        operation: key of assurance.yml.
        outcome: of the comparison.
        failures: fresh counts of the last 24 hours without this answer; None keeps those of the state.

    Raises:
        ConfigError: the policy does not know the operation.
    """
    need = policy.requirement(operation)
    if failures is not None:
        state = replace(state, counts=failures)
    if reason := why_blocked(state, policy):
        return refused(state, reason)
    match outcome:
        case CodeOutcome.RIGHT:
            return replied(with_second(state, policy, SecondFactor.ONE_TIME_CODE), policy, need, "ask")
        case CodeOutcome.WRONG:
            counts = replace(state.counts, customer=state.counts.customer + 1, number=state.counts.number + 1)
            wrong = replace(state, failures=state.failures + 1, counts=counts)
            return replied(wrong, policy, need, "wrong")
        case CodeOutcome.UNREADABLE:
            unreadable = replace(state, unreadable=state.unreadable + 1)
            state, reply = replied(unreadable, policy, need, "ask")
            return state, replace(reply, status="unclear") if reply.status == "ask" else reply
        case CodeOutcome.OVER:
            return replied(state, policy, need, "ask")


def voice_compared(
    state: LadderState, policy: Policy, operation: str, verdict: VoiceVerdict
) -> tuple[LadderState, AuthReply]:
    """Go on after the caller's voice was compared.

    A voice opens nothing by itself: accepted, it makes level strong of level verified, and below that it is not
    even taken. Neither surely his nor surely another's, or not comparable: the next second factor. Another's: no
    more questions, an operator at the fraud desk.

    Args:
        state: as left by the last reply; at level verified or above.
        policy: in force.
        operation: key of assurance.yml.
        verdict: of the comparison.

    Raises:
        ConfigError: the policy does not know the operation.
    """
    need = policy.requirement(operation)
    if verdict is VoiceVerdict.FLAG:
        return refused(replace(state, flagged=True), Refusal.VOICE_FLAGGED)
    if verdict is VoiceVerdict.ACCEPT and state.level.rank >= AssuranceLevel.VERIFIED.rank:
        return replied(with_second(state, policy, SecondFactor.VOICE), policy, need, "ask")
    return replied(replace(state, declined=state.declined | {SecondFactor.VOICE.value}), policy, need, "ask")


def refuse(state: LadderState, reason: Refusal) -> tuple[LadderState, AuthReply]:
    """End the asking for what the ladder itself cannot know: a code that could not be sent, an attack on all."""
    return refused(state, reason)


def spent(state: LadderState) -> LadderState:
    """After the operation was asked of the bank: its code is worth nothing any more. Level falls with it."""
    if SecondFactor.ONE_TIME_CODE not in state.second:
        return state
    second = state.second - {SecondFactor.ONE_TIME_CODE}
    strong = state.level is AssuranceLevel.STRONG and not second
    return replace(state, second=second, level=AssuranceLevel.VERIFIED if strong else state.level)


def prefer(
    state: LadderState, policy: Policy, operation: str, asked: str, wish: str
) -> tuple[LadderState, AuthReply]:
    """Ask for what the caller would rather name, where it serves the operation; else for the same once more.

    Args:
        state: as left by the last reply.
        policy: in force.
        operation: key of assurance.yml.
        asked: what he was asked for.
        wish: what he would rather name: a `Fact` value or "phone".

    Raises:
        ConfigError: the policy does not know the operation.
    """
    need = policy.requirement(operation)
    if reason := why_blocked(state, policy) or _unservable(state, need):
        return refused(state, reason)
    if not state.how:
        by_name = may_find_by_name(state, policy, operation) and not state.missed
        wanted = {PHONE: PHONE} | (dict.fromkeys(FINDING, NAME_AND_BIRTH) if by_name else {})
    else:
        foreign = need.foreign_telephone
        ask = need.ask if state.how == "number" or foreign is None else foreign.ask
        wanted = {fact: fact for fact in ask if fact not in state.facts}
    fact = wanted.get(wish, asked)
    if fact == asked or state.asked.count(fact) >= policy.limits.tries_per_fact:
        return state, AuthReply("ask", asked)
    return replace(state, asked=(*state.asked, fact)), AuthReply("ask", fact)


def allows(state: LadderState, policy: Policy, operation: str, purpose: str = "") -> bool:
    """Whether the operation may be done now; to be asked again right before the bank is.

    Args:
        state: as left by the last reply.
        policy: in force.
        operation: key of assurance.yml.
        purpose: what is about to be done; where a code was needed, it must be what the code was sent for. "" for
            an operation that is its own purpose.

    Raises:
        ConfigError: the policy does not know the operation.
    """
    need = policy.requirement(operation)
    if need.level is AssuranceLevel.NONE:
        return True
    if why_blocked(state, policy) is not None or state.customer_id is None:
        return False
    if need.level is AssuranceLevel.STRONG and (purpose or operation) != state.purpose:
        state = spent(state)
    return is_enough(state, need)


def is_blocked(state: LadderState, policy: Policy) -> bool:
    """Whether nothing is judged any more; give the state fresh counts before."""
    return why_blocked(state, policy) is not None


def may_compare_unasked_words(state: LadderState, policy: Policy) -> bool:
    """Whether what was not asked for may still be tried as an answer; give the state fresh counts before."""
    return state.counts.side < policy.limits.side_guesses_per_day and not number_is_spent(state, policy)


def number_is_spent(state: LadderState, policy: Policy) -> bool:
    """Whether so much was tried beside questions from this calling number that remarks are compared no more."""
    return state.counts.number_side >= policy.limits.side_guesses_per_number


def tells_cards(state: LadderState) -> bool:
    """Whether the bot, going on from here, may tell a caller last digits that he has not proven himself."""
    return bool(state.customer_id and state.facts) and Fact.LAST_FOUR not in state.facts and not state.told


def cards_told(state: LadderState) -> LadderState:
    """With the last digits of his cards told, in this call or within a day; proven before, they count."""
    return state if Fact.LAST_FOUR in state.facts else replace(state, told=True)


def guessed_beside(state: LadderState) -> LadderState:
    """With one more guess beside the question; whoever drives the ladder stores it."""
    counts = replace(state.counts, side=state.counts.side + 1, number_side=state.counts.number_side + 1)
    return replace(state, counts=counts)

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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from ivrbot.identity.policy import ForeignTelephone, Policy, Requirement, SecondFactor
from ivrbot.model.bank import Fact
from ivrbot.model.call import AssuranceLevel
from ivrbot.model.dialogue import AuthReply
from ivrbot.model.voiceprint import VoiceVerdict

PHONE = "phone"
"""What `AuthReply.fact` says when the caller is to name the number of his account."""

NAME_AND_BIRTH = "name_and_birth"
"""What it says when he is to say who he is in one breath, because his telephone is gone as well."""


FINDING = (Fact.FULL_NAME, Fact.DATE_OF_BIRTH)
"""By these a caller without his telephone is found, in the order of asking."""


class Refusal(StrEnum):
    """Why the ladder refused; for the dossier and events, never spoken."""

    FAILURES_IN_CALL = "failures_in_call"
    LOCKED = "locked"
    NUMBER_LOCKED = "number_locked"
    UNREADABLE = "unreadable"
    NOTHING_LEFT = "nothing_left_to_ask"
    NOT_SERVED_HERE = "not_served_from_foreign_telephone"
    STRONG_UNAVAILABLE = "strong_unavailable"
    NOT_FOUND = "not_found_by_name"
    CODE_NOT_SENT = "code_not_sent"
    CODES_USED_UP = "code_sends_used_up"
    VOICE_FLAGGED = "voice_flagged"
    SPRAYING = "spraying"


_REASONS: Mapping[Refusal, Literal["fraud", "sms_failure", "by_operator"]] = MappingProxyType(
    {
        Refusal.VOICE_FLAGGED: "fraud",
        Refusal.CODE_NOT_SENT: "sms_failure",
        Refusal.STRONG_UNAVAILABLE: "by_operator",
        Refusal.NOT_SERVED_HERE: "by_operator",
    }
)
"""What a refusal means beyond "could not be verified"; no reply says which item was wrong."""


class CodeOutcome(StrEnum):
    """What keys were worth as the one-time code that was sent."""

    RIGHT = "right"
    WRONG = "wrong"
    OVER = "over"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Failures:
    """Counts of the last 24 hours, as stored before the answer in hand.

    Attributes:
        customer: wrong answers for this customer, over all calls and telephones.
        number: wrong answers from this calling number, over all customers.
        side: guesses beside the question for this customer (see `Attempt.side_guess`).
    """

    customer: int = 0
    number: int = 0
    side: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one answer was worth; made by `facts.assess`, never holds what was said.

    Attributes:
        matched: facts that it proved, also such as were not asked for.
        wrong: something in it was an answer and not the right one.
        declined: the caller said that he does not know or has not got it.
        side_guess: something was tried in vain where that is no failure; counted all the same.
        card: last four digits that matched, "" if none did.
    """

    matched: frozenset[Fact] = frozenset()
    wrong: bool = False
    declined: bool = False
    side_guess: bool = False
    card: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LadderState:
    """How far a caller has come in one call.

    Attributes:
        customer_id: whose account it is about, None when unknown to the bank.
        how: how the account was found: by the calling number, by a number that was named, by full name and birth
            (`found`, which opens no more than what assurance.yml marks `by_name`), or not yet.
        level: reached so far.
        facts: proven so far, in order; they count for later operations of the same call.
        failures: wrong answers in this call.
        counts: the last 24 hours, this call included.
        unreadable: answers in this call that held nothing usable.
        asked: everything asked for, in order, repeats included.
        declined: what the caller said he does not know.
        refusal: why the last reply was "refused", None when it was not.
        held: facts said before it was known whose they are; whoever drives the ladder keeps what was said.
        missed: name and birth fitted nobody, or more than one: only the number of the account is left.
        card: last four digits that were proven.
        told: the bot may have told the last digits of his cards to somebody who had not proven them: they prove
            nothing any more.
        purpose: what is to be done: the operation, and with it everything that a code is to confirm.
        available: second factors that this caller can be asked for.
        second: second factors proven; a one-time code counts for `purpose` alone, a voice for the call.
        flagged: the voice was another's: nothing more is asked or opened in this call.
    """

    customer_id: str | None = None
    how: Literal["", "number", "named", "found"] = ""
    level: AssuranceLevel = AssuranceLevel.NONE
    facts: tuple[Fact, ...] = ()
    failures: int = 0
    counts: Failures = Failures()
    unreadable: int = 0
    asked: tuple[str, ...] = ()
    declined: frozenset[str] = frozenset()
    refusal: Refusal | None = None
    held: frozenset[Fact] = frozenset()
    missed: bool = False
    card: str = field(default="", repr=False)
    told: bool = False
    purpose: str = field(default="", repr=False)
    available: frozenset[SecondFactor] = frozenset()
    second: frozenset[SecondFactor] = frozenset()
    flagged: bool = False

    @property
    def proofs(self) -> tuple[str, ...]:
        """Names of all that was proven, second factors last."""
        return (*(fact.value for fact in self.facts), *sorted(factor.value for factor in self.second))


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
    return _reply(_with_level(state, policy), policy, policy.requirement(operation), "ask")


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
    return _reply(_with_level(state, policy), policy, policy.requirement(operation), "ask")


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
    return _reply(state, policy, policy.requirement(operation), "ask")


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
        return _reply(state, policy, policy.requirement(operation), "wrong")
    state = replace(state, customer_id=customer_id, how="found", facts=FINDING)
    return _reply(_with_level(state, policy), policy, policy.requirement(operation), "ask")


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
    if reason := _blocked(state, policy):
        return _refused(state, reason)
    proven: tuple[Fact, ...] = ()
    if state.customer_id is not None:
        known = {*state.facts, *_given_away(state)}
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
    return _reply(_with_level(state, policy), policy, need, "wrong" if attempt.wrong and not proven else "ask")


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
    if reason := _blocked(state, policy):
        return _refused(state, reason)
    match outcome:
        case CodeOutcome.RIGHT:
            return _reply(_proven(state, policy, SecondFactor.ONE_TIME_CODE), policy, need, "ask")
        case CodeOutcome.WRONG:
            counts = replace(state.counts, customer=state.counts.customer + 1, number=state.counts.number + 1)
            wrong = replace(state, failures=state.failures + 1, counts=counts)
            return _reply(wrong, policy, need, "wrong")
        case CodeOutcome.UNREADABLE:
            unreadable = replace(state, unreadable=state.unreadable + 1)
            state, reply = _reply(unreadable, policy, need, "ask")
            return state, replace(reply, status="unclear") if reply.status == "ask" else reply
        case CodeOutcome.OVER:
            return _reply(state, policy, need, "ask")


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
        return _refused(replace(state, flagged=True), Refusal.VOICE_FLAGGED)
    if verdict is VoiceVerdict.ACCEPT and state.level.rank >= AssuranceLevel.VERIFIED.rank:
        return _reply(_proven(state, policy, SecondFactor.VOICE), policy, need, "ask")
    return _reply(replace(state, declined=state.declined | {SecondFactor.VOICE.value}), policy, need, "ask")


def refuse(state: LadderState, reason: Refusal) -> tuple[LadderState, AuthReply]:
    """End the asking for what the ladder itself cannot know: a code that could not be sent, an attack on all."""
    return _refused(state, reason)


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
    if reason := _blocked(state, policy) or _unservable(state, need):
        return _refused(state, reason)
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
    if _blocked(state, policy) is not None or state.customer_id is None:
        return False
    if need.level is AssuranceLevel.STRONG and (purpose or operation) != state.purpose:
        state = spent(state)
    return _enough(state, need)


def is_blocked(state: LadderState, policy: Policy) -> bool:
    """Whether nothing is judged any more; give the state fresh counts before."""
    return _blocked(state, policy) is not None


def may_compare_unasked_words(state: LadderState, policy: Policy) -> bool:
    """Whether what was not asked for may still be tried as an answer; give the state fresh counts before."""
    return state.counts.side < policy.limits.side_guesses_per_day


def tells_cards(state: LadderState) -> bool:
    """Whether the bot, going on from here, may tell a caller last digits that he has not proven himself."""
    return bool(state.customer_id and state.facts) and Fact.LAST_FOUR not in state.facts and not state.told


def cards_told(state: LadderState) -> LadderState:
    """With the last digits of his cards told, in this call or within a day; proven before, they count."""
    return state if Fact.LAST_FOUR in state.facts else replace(state, told=True)


def _given_away(state: LadderState) -> tuple[Fact, ...]:
    return (Fact.LAST_FOUR,) if state.told and Fact.LAST_FOUR not in state.facts else ()


def guessed_beside(state: LadderState) -> LadderState:
    """With one more guess beside the question; whoever drives the ladder stores it."""
    return replace(state, counts=replace(state.counts, side=state.counts.side + 1))


def _enough(state: LadderState, need: Requirement) -> bool:
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


def _with_level(state: LadderState, policy: Policy) -> LadderState:
    """A named number proves nothing by itself; facts about an unknown customer cannot exist."""
    finding = len(FINDING) if state.how == "found" else 0
    if state.customer_id is not None and len(state.facts) >= policy.verified_facts + finding:
        level = AssuranceLevel.STRONG if state.second else AssuranceLevel.VERIFIED
    elif state.how in {"number", "found"}:
        level = AssuranceLevel.IDENTIFIED
    else:
        level = AssuranceLevel.NONE
    return replace(state, level=level)


def _proven(state: LadderState, policy: Policy, factor: SecondFactor) -> LadderState:
    return _with_level(replace(state, second=state.second | {factor}), policy)


def _blocked(state: LadderState, policy: Policy) -> Refusal | None:
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


def _reply(
    state: LadderState, policy: Policy, need: Requirement, status: Literal["ask", "wrong"]
) -> tuple[LadderState, AuthReply]:
    if need.level is AssuranceLevel.NONE:
        return replace(state, refusal=None), AuthReply("granted")
    if reason := _blocked(state, policy) or _unservable(state, need):
        return _refused(state, reason)
    if state.how and state.customer_id is not None and _enough(state, need):
        return replace(state, refusal=None), AuthReply("granted", slots={"card": state.card} if state.card else {})
    facts_enough = bool(state.how) and state.customer_id is not None and _facts_enough(state, need)
    fact = _next_second(state, need) if facts_enough else _next_fact(state, policy, need)
    if fact is None:
        return _refused(state, Refusal.NOT_FOUND if state.missed and not state.how else Refusal.NOTHING_LEFT)
    return replace(state, asked=(*state.asked, fact), refusal=None), AuthReply(status, fact)


def _refused(state: LadderState, reason: Refusal) -> tuple[LadderState, AuthReply]:
    return replace(state, refusal=reason), AuthReply("refused", reason=_REASONS.get(reason, ""))


def _unservable(state: LadderState, need: Requirement) -> Refusal | None:
    if state.how != "number" and need.foreign_telephone is None:
        return Refusal.NOT_SERVED_HERE
    # Nobody is asked for his code word who is sent to an operator afterwards all the same.
    if need.level is AssuranceLevel.STRONG and _next_second(state, need) is None and not _enough(state, need):
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
        usable = fact not in state.declined and fact not in _given_away(state)
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

"""How far a caller has come in proving who he is, what an answer was worth, why he was refused. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from ivrbot.identity.policy import SecondFactor
from ivrbot.model.bank import Fact
from ivrbot.model.call import AssuranceLevel

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
        number_side: the same from this calling number, over all customers; of all withheld numbers together.
    """

    customer: int = 0
    number: int = 0
    side: int = 0
    number_side: int = 0


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

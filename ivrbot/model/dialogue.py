"""The dialogue's alphabet: what goes into a step (inputs) and what comes out (acts), and rendered speech."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ivrbot.model.speech import Expect, Hypothesis, Language, NluResult

Value = str | int | bool | None | tuple["Value", ...] | Mapping[str, "Value"]
"""What a slot holds; money is an int in minor units, dates are ISO text, a list of cards is a tuple."""


# --- inputs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserTurn:
    """All that the caller said before yielding.

    Attributes:
        hypotheses: readings, best first, never empty and never blank.
        nlu: meaning of the best reading.
        over_prompt: spoken while a prompt was playing.
    """

    hypotheses: tuple[Hypothesis, ...]
    nlu: NluResult
    over_prompt: bool = False

    @property
    def text(self) -> str:
        """The best reading."""
        return self.hypotheses[0].text


@dataclass(frozen=True, slots=True)
class Keys:
    """Telephone keys, in order; only 0-9, * and #."""

    digits: str


@dataclass(frozen=True, slots=True)
class NoInput:
    """Nothing was said or keyed before the time-out."""


@dataclass(frozen=True, slots=True)
class NoMatch:
    """Speech without usable meaning (the recogniser gave nothing that can be trusted)."""


@dataclass(frozen=True, slots=True)
class BankReply:
    """The bank answered, or failed.

    Attributes:
        action: the flow's action name, as in `CallBank.action`.
        status: "ok", "rejected", "unavailable" or "unknown" (the outcome of a write is not known).
        values: results, stored into slots of the same names.
    """

    action: str
    status: Literal["ok", "rejected", "unavailable", "unknown"]
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuthReply:
    """The ladder's answer.

    Attributes:
        status: "granted", "ask" (prove `fact` next), "wrong" (the last answer was refused, prove `fact`),
            "unclear" (the last answer could not be read as one: ask the same again),
            "beside" (the last answer was none, the caller spoke of something else: see `meaning`),
            "refused" (attempts used up, or nothing left to ask).
        fact: what to ask: a `Fact` value, "phone" (the number of the account), "name_and_birth" (both in one
            breath), "one_time_code" (key what was just sent) or "voice" (repeat what is given to be said).
        slots: what the ladder learnt and the flow may use (the card that was proven).
        say: response said before the question in place of the usual one, "" for the usual one.
        reason: of "refused", where it is more than that he could not be verified: "fraud" (to the fraud desk, in
            the words of any refusal), "sms_failure" (no code could be sent), "by_operator" (the bot does not do it
            for him).
        values: of the question: what stands for its variables (the digits to be said again).
        meaning: of "beside": what the words mean, when they were not the secret; never kept.
    """

    status: Literal["granted", "ask", "wrong", "unclear", "beside", "refused"]
    fact: str = ""
    slots: Mapping[str, Value] = field(default_factory=dict)
    say: str = ""
    reason: Literal["", "fraud", "sms_failure", "by_operator"] = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    meaning: NluResult | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TransferFailed:
    """Nobody took the call."""

    reason: str


@dataclass(frozen=True, slots=True)
class Routed:
    """Answer to `Route`: may the bot serve this topic for this caller?"""

    to_bot: bool
    reason: str


DialogueInput = UserTurn | Keys | NoInput | NoMatch | BankReply | AuthReply | TransferFailed | Routed


# --- acts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a response of `flows/<lang>.yml`.

    Attributes:
        response: its key ("utter_card_blocked").
        values: values of its variables.
        interruptible: False only for what the law requires to be heard.
        language: spoken in another language than the call's (the offer to switch).
    """

    response: str
    values: Mapping[str, Value] = field(default_factory=dict)
    interruptible: bool = True
    language: Language | None = None


@dataclass(frozen=True, slots=True)
class Collect:
    """Listen now.

    Attributes:
        slot: what is being asked for ("topic", "card", "confirm", "fact").
        expect: kind of answer.
        max_digits: number of keys that complete a keyed answer; 0 means `#` or a pause completes it.
        secret: the answer is masked everywhere.
        timeout_ms: silence after the prompt that counts as no-input.
        accepts: other slots that answer the question as well.
        lone_key: a key answers only where no other follows at once: several are a number that nobody asked for.
    """

    slot: str
    expect: Expect = Expect.OPEN
    max_digits: int = 0
    secret: bool = False
    timeout_ms: int = 5000
    accepts: tuple[str, ...] = ()
    lone_key: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """The topic is known: ask the router before anything else happens."""

    topic: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Ask the ladder for what `operation` needs.

    Attributes:
        operation: key of assurance.yml ("block_card").
        fact: what the caller was just asked for, "" at the first call.
        answers: readings of the caller's answer, best first; never logged.
        keyed: the answer came by keys.
        begin: the first of an operation; `answers` then hold what the caller has volunteered.
        details: with `begin`, what the operation is to be done with, as the bank will be asked for it.
        beside: the words are a question or a remark: where they prove nothing, they are no wrong answer.
        wish: the fact that the caller would rather name than the one asked for, "" when he has not said.
    """

    operation: str
    fact: str = ""
    answers: tuple[str, ...] = ()
    keyed: bool = False
    begin: bool = False
    details: Mapping[str, Value] = field(default_factory=dict)
    beside: bool = False
    wish: str = ""

    def __repr__(self) -> str:
        """Without the answers: they are secrets."""
        return f"Authenticate(operation={self.operation!r}, fact={self.fact!r}, keyed={self.keyed})"


@dataclass(frozen=True, slots=True)
class CallBank:
    """Run an operation of the back end; `write` operations carry an idempotency key added by the call."""

    action: str
    arguments: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the call to an operator, with a dossier.

    Attributes:
        queue: "" means the queue of the topic's branch.
        reason: an `EscalationReason` value.
        priority: 0 normal, 10 front of the queue.
    """

    reason: str
    queue: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Hangup:
    """Say goodbye has been said; close."""

    resolved: bool = True


DialogueAct = Say | Collect | Route | Authenticate | CallBank | Transfer | Hangup


# --- rendered speech ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is one sound.

    Attributes:
        kind: "static" (text of a response), "fragment" (number, money, date, name inventory) or
            "free" (text that nobody could pre-render).
    """

    text: str
    kind: Literal["static", "fragment", "free"]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A response with its values put in, ready for a voice.

    Attributes:
        text: the whole sentence as shown on screens and in transcripts.
        masked: the same with secrets masked, for events.
        pieces: in order of speaking.
    """

    language: Language
    text: str
    masked: str
    pieces: tuple[Piece, ...]

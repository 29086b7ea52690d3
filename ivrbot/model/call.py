"""A call: who rang, how it ended, and what an operator receives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from ivrbot.model.speech import Language

CallId = NewType("CallId", str)
"""A UUID in its canonical lower-case text form; the only name a call has on the wire."""

Topic = NewType("Topic", str)
"""An intent that names what the caller wants ("block_card"); see flows/branches.yml."""

BranchName = NewType("BranchName", str)
"""A menu branch, which is also the name of its operator queue."""

QueueName = NewType("QueueName", str)

EMERGENCY_QUEUE: Final = QueueName("block_card")
"""Where stolen cards and frauds are taken first."""


@dataclass(frozen=True, slots=True)
class CallRegistration:
    """What the PBX (or the softphone, or the command line) tells before the media connection opens.

    Attributes:
        call_id: the UUID that the media connection will carry.
        caller: number as signalled, "" when withheld.
        called: dialled number, "" when unknown.
        channel: the PBX's channel name, target of variables; "" without a PBX.
        uniqueid: the PBX's id of this channel.
        linkedid: the PBX's id of the whole contact.
        gateway: "audiosocket", "softphone", "text", "microphone".
        language: preselected language; None lets the dialled number and settings decide.
    """

    call_id: CallId
    caller: str = ""
    called: str = ""
    channel: str = ""
    uniqueid: str = ""
    linkedid: str = ""
    gateway: str = "audiosocket"
    language: Language | None = None


class Disposition(StrEnum):
    """How the bot's part of a call closed."""

    RESOLVED = "resolved"
    ESCALATED = "escalated"
    ABANDONED = "abandoned"
    FAILED = "failed"


class EscalationReason(StrEnum):
    """Why a call went to an operator."""

    CALLER_ASKED = "caller_asked"
    TOPIC_NOT_SERVED = "topic_not_served"
    CONTROL_ARM = "control_arm"
    NOT_ELIGIBLE = "not_eligible"
    NO_MATCH = "no_match"
    NO_INPUT = "no_input"
    AUTHENTICATION_FAILED = "authentication_failed"
    SMS_FAILURE = "sms_failure"
    CALLER_UPSET = "caller_upset"
    FRAUD = "fraud"
    FLOW = "flow"
    ASR_FAILURE = "asr_failure"
    TTS_FAILURE = "tts_failure"
    NLU_FAILURE = "nlu_failure"
    BANK_UNAVAILABLE = "bank_unavailable"
    BANK_REJECTED = "bank_rejected"
    BANK_OUTCOME_UNKNOWN = "bank_outcome_unknown"
    STORAGE_FAILURE = "storage_failure"
    INTERNAL_ERROR = "internal_error"
    OVERLOAD = "overload"
    TIME_LIMIT = "time_limit"


class AssuranceLevel(StrEnum):
    """How surely the caller is who he says; ordered by `rank`."""

    NONE = "none"
    IDENTIFIED = "identified"
    VERIFIED = "verified"
    STRONG = "strong"

    @property
    def rank(self) -> int:
        """0 for none to 3 for strong."""
        return list(AssuranceLevel).index(self)


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """One thing said or keyed, secrets already masked.

    Attributes:
        who: "bot", "caller" or "system".
        text: masked text.
        t_ms: since the call was answered.
    """

    who: str
    text: str
    t_ms: int


@dataclass(frozen=True, slots=True)
class PastContact:
    """An earlier contact of the same caller.

    Attributes:
        outcome: "resolved", "unresolved" or "unknown".
        by: "bot", "operator", "both", or "" when nobody served him.
    """

    at: datetime
    topic: str
    outcome: str
    by: str


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim that the bank is still looking into.

    Attributes:
        made_on: ISO date of the operation in dispute.
    """

    reference: str
    amount_minor: int
    currency: str
    made_on: str
    merchant: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """What the operator sees before he answers.

    Attributes:
        dossier_id: unguessable id, safe in a SIP header.
        queue: where the call goes.
        priority: 0 for normal, higher is served sooner; 10 is the front of the queue.
        level: how surely the caller is known, and `facts_used` how that was reached (names, never values).
        customer_name: as the bank knows it, "" below level identified.
        slots: what the caller said that matters, by slot.
        tried: what the bot did or attempted, in plain words codes ("bank:block_card:done:REF").
        suggestion: the next step proposed to the operator, a text key.
        confidence: how surely each slot was heard, 0..1; 1 for keys and for what the bank told.
        contacts: the same caller's last ones, newest first.
        claims: of the customer, not yet decided.
    """

    dossier_id: str
    call_id: CallId
    created_at: datetime
    queue: QueueName
    reason: EscalationReason
    topic: str
    language: Language
    priority: int = 0
    caller: str = ""
    customer_id: str = ""
    customer_name: str = ""
    level: AssuranceLevel = AssuranceLevel.NONE
    facts_used: tuple[str, ...] = ()
    slots: Mapping[str, str] = field(default_factory=dict)
    tried: tuple[str, ...] = ()
    transcript: tuple[TranscriptLine, ...] = ()
    suggestion: str = ""
    confidence: Mapping[str, float] = field(default_factory=dict)
    contacts: tuple[PastContact, ...] = ()
    claims: tuple[OpenClaim, ...] = ()

    @property
    def last_words(self) -> str:
        """The caller's last turn, "" when he said nothing."""
        return next((line.text for line in reversed(self.transcript) if line.who == "caller"), "")


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What the PBX is to do when the bot's leg has closed.

    Attributes:
        action: "transfer", "hangup" or "callback".
        queue: target of a transfer, else "".
    """

    action: str
    queue: str = ""
    topic: str = ""
    dossier_id: str = ""
    priority: int = 0

    def as_text(self) -> str:
        """The plain-text form that the dialplan reads: `action|topic|dossier_id|priority`."""
        action = f"{self.action}:{self.queue}" if self.queue else self.action
        return f"{action}|{self.topic}|{self.dossier_id}|{self.priority}"


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call closed on the bot's side."""

    disposition: Disposition
    reason: str
    topic: str = ""
    escalated_to: str = ""
    dossier: Dossier | None = None

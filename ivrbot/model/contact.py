"""One customer contact, as both arms are measured: the bot's part, the person's part, and how it closed.

Takes nothing, gives the types that `analytics.contacts` folds from events and queue rows and the store keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ivrbot.model.call import CallId, CallRegistration, Disposition
from ivrbot.model.events import CallEvent
from ivrbot.model.experiment import Exposure
from ivrbot.model.queue import QueueRow
from ivrbot.model.shadow import CallDisposition, Outcome


class Origin(StrEnum):
    """Who saw the contact; only the product's own can be evidence, since only they were drawn."""

    PRODUCT = "product"
    QUEUE_LOG = "queue_log"
    CSV = "csv"


class EndedBy(StrEnum):
    """Who ended the talk with a person, or the waiting for one."""

    CALLER = "caller"
    AGENT = "agent"
    TRANSFER = "transfer"
    SYSTEM = "system"


class Unserved(StrEnum):
    """Why nobody was reached."""

    ABANDONED = "abandoned"
    TIMED_OUT = "timed_out"
    QUEUE_EMPTY = "queue_empty"
    LEFT_BY_KEY = "left_by_key"
    NEVER_QUEUED = "never_queued"


@dataclass(frozen=True, slots=True)
class BotPart:
    """What the bot did.

    Attributes:
        disposition: how its part closed; None when it never said (it died in the call).
        reason: code beside the disposition.
        routed: the caller was sent to the bot to be served (in the control arm the bot only asks for the topic).
        served_s: seconds with the bot.
        done_after_s: from the contact's start to the bank's confirmation or the delivered answer; None: not done.
    """

    disposition: Disposition | None
    reason: str
    routed: bool
    served_s: float
    done_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class HumanPart:
    """What people did after a person was asked for (by the caller, the bot, or the draw).

    Attributes:
        asked_at: a person was asked for.
        entered_at: first queue entered; None: no row of a queue is known.
        connected_at: first person answered; None: nobody did (so far).
        wait_s: from the first queue to the first person, or to giving up; None while not known.
        talk_s: over all persons.
        hold_s: on hold within the talk.
        after_work_s: the operator's work after the talk.
        ended_by: None while it goes on, or not known.
        unserved: why the last attempt reached nobody; None when it reached somebody, or goes on.
        transfers: from one person to another place.
    """

    asked_at: datetime
    entered_at: datetime | None = None
    connected_at: datetime | None = None
    wait_s: float | None = None
    talk_s: float = 0.0
    hold_s: float = 0.0
    after_work_s: float = 0.0
    ended_by: EndedBy | None = None
    unserved: Unserved | None = None
    transfers: int = 0


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What went wrong in the bot's part, and its response gaps in ms in their order."""

    no_match: int = 0
    no_input: int = 0
    false_barge_in: int = 0
    engine_failures: int = 0
    gaps_ms: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Contact:
    """One call in one branch. A call that spoke of two branches is two contacts.

    Attributes:
        call_id: of the product; "queue:" and the PBX's id where the product never saw the call.
        branch: as drawn or stated, never an operator's later correction; "" when no topic was ever stated.
        unit: keyed hash of the caller's number.
        topic: last one stated in the branch.
        trunk: where the call came in, "" when unknown.
        gateway: "audiosocket", "softphone", ...; "" where the product never saw the call.
        started_at: the ring for the first branch of a call, the moment of the topic for a further one.
        ended_at: by the last thing known of it.
        bot: None when no bot took part.
        human: None when no person was asked for.
        score: the caller's own, 1..5; None when he gave none.
        misrouted: the operator names a topic of another branch; None while nobody has said.
        closed: the bot's part has ended, and so has a person's if one was asked for.
        score_asked: he was asked for a score after the call.
        qa_score: 0..100 by the quality rubric, the mean of its scorers; None when the call was not in a sample.
    """

    call_id: CallId
    branch: str
    unit: str
    topic: str
    trunk: str
    gateway: str
    started_at: datetime
    ended_at: datetime
    bot: BotPart | None
    human: HumanPart | None
    outcome: Outcome
    score: int | None
    diagnostics: Diagnostics
    origin: Origin
    closed: bool
    misrouted: bool | None = None
    score_asked: bool = False
    qa_score: float | None = None

    @property
    def duration_s(self) -> float:
        """From start to end, never negative."""
        return max(0.0, (self.ended_at - self.started_at).total_seconds())

    @property
    def solved_s(self) -> float | None:
        """From start to the confirmed task, or to the end of the talk that solved it; None unless resolved."""
        if self.outcome is not Outcome.RESOLVED:
            return None
        if self.bot is not None and self.bot.done_after_s is not None:
            return self.bot.done_after_s
        return self.duration_s


@dataclass(frozen=True, slots=True)
class ContactNote:
    """What another system says of a contact: an imported call.

    Attributes:
        call_id: of the product, or the PBX's id.
        origin: CSV for imported calls.
        unit: keyed hash, "" when no number was given.
        answered: a person did; None when not said.
        outcome: UNKNOWN when not said.
        transfers: to other people or places.
    """

    call_id: str
    origin: Origin
    started_at: datetime
    branch: str = ""
    unit: str = ""
    answered: bool | None = None
    wait_s: float | None = None
    talk_s: float | None = None
    hold_s: float | None = None
    after_work_s: float | None = None
    ended_by: EndedBy | None = None
    outcome: Outcome = Outcome.UNKNOWN
    transfers: int | None = None
    score: int | None = None


@dataclass(frozen=True, slots=True)
class CallMaterial:
    """Everything that is stored of one call, to be folded into contacts.

    Attributes:
        key: the product's call id, or the PBX's id where the product never saw the call.
        registration: None where the product never saw the call.
        unit: as stored before, "" when not.
        disposition: the operator's last word.
        queue_branch: branch of each queue that is not the branch itself.
        qa_score: 0..100, the mean of the quality scores that the call was given; None without.
    """

    key: str
    registration: CallRegistration | None = None
    unit: str = ""
    events: tuple[CallEvent, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    rows: tuple[QueueRow, ...] = ()
    note: ContactNote | None = None
    disposition: CallDisposition | None = None
    queue_branch: dict[str, str] = field(default_factory=dict)
    trunk: str = ""
    qa_score: float | None = None

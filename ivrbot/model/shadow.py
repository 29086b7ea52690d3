"""What the bot would have done with a call that people answered, and what they said it was about.

Takes nothing, gives types and pure functions that the shadow stage, the store and the pages share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from ivrbot.model.call import CallId, EscalationReason
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.evidence import ShadowEvidence

FRONT: Final = "front"
"""The open question, handed over like a branch: every call that stated its topic in words is one of its calls."""

By = Literal["speech", "keys"]
"""How the caller stated the topic."""


class Outcome(StrEnum):
    """How a call closed for the caller; `Disposition` closes only the bot's part of it."""

    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"
    UNKNOWN = "unknown"


class Expected(StrEnum):
    """What would have become of a call, had the bot answered it; all but `SERVED` go to an operator."""

    SERVED = "served"
    NOT_SERVED = "not_served"
    CALLER_ASKED = "caller_asked"
    NO_TOPIC = "no_topic"
    NO_SPEECH = "no_speech"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The bot's view of a call's opening.

    Attributes:
        topic: "" when none was stated.
        branch: of the topic, "" without one.
        confidence: of the topic, 0..1.
        expected: `SERVED` when the topic has a flow and nobody asked for a person.
        by: how the topic was stated.
    """

    topic: str
    branch: str
    confidence: float
    expected: Expected
    by: By = "speech"

    @property
    def would_resolve(self) -> bool:
        """The bot would have served this topic itself."""
        return self.expected is Expected.SERVED

    @property
    def only_a_person(self) -> bool:
        """The caller asked for a person and stated no topic."""
        return self.expected is Expected.CALLER_ASKED and self.topic in {"", "operator"}

    @property
    def has_topic_to_judge(self) -> bool:
        """Who says nothing, or only asks for a person, leaves nothing to be right or wrong about."""
        return self.expected is not Expected.NO_SPEECH and not self.only_a_person


@dataclass(frozen=True, slots=True)
class CallDisposition:
    """What the operator says of a call.

    Attributes:
        who: program or page that sent it.
        topic: of the menu, or "out_of_scope" when the menu has nothing like it.
        branch: of the topic, "" without one; for the shadow stage only, it never moves a call to another branch.
        note_code: the contact centre's own short code, "" without.
    """

    call_id: CallId
    at: datetime
    who: str
    topic: str
    branch: str
    outcome: Outcome
    note_code: str = ""


@dataclass(frozen=True, slots=True)
class ShadowCall:
    """A prediction beside the operator's word.

    Attributes:
        source: "live" or "recording".
        content_hash: hex SHA-256 of the recording, "" for live calls.
        at: when the prediction was made.
        synthetic: labelled as made for a test; counts for nothing.
        operator_topic: "" while nobody has said.
        operator_branch: branch of `operator_topic`, "" when it has none.
        outcome: None while nobody has said.
    """

    call_id: str
    source: Literal["live", "recording"]
    content_hash: str
    at: datetime
    prediction: Prediction
    synthetic: bool = False
    operator_topic: str = ""
    operator_branch: str = ""
    outcome: Outcome | None = None

    @property
    def right(self) -> bool:
        """The bot heard the operator's topic."""
        return bool(self.operator_topic) and self.prediction.topic == self.operator_topic


def calls_of_branch(branch: str, calls: Iterable[ShadowCall]) -> list[ShadowCall]:
    """A branch's calls: its operator or the bot says so. Thus what was missed and what was taken wrongly count."""
    if branch == FRONT:
        return [call for call in calls if call.prediction.by == "speech"]
    return [call for call in calls if branch in (call.operator_branch, call.prediction.branch)]


def judged(calls: Iterable[ShadowCall]) -> list[ShadowCall]:
    """Real calls that an operator has spoken of and whose topic can be right or wrong."""
    return [
        call for call in calls if not call.synthetic and call.operator_topic and call.prediction.has_topic_to_judge
    ]


def shadow_evidence(branch: str, calls: Iterable[ShadowCall]) -> ShadowEvidence:
    """What the controller reads. A wrong topic resolves nothing, so `would_resolve` counts right ones only.

    Args:
        branch: of the menu, or "front".
        calls: of any branches, each call once.
    """
    own = calls_of_branch(branch, calls)
    counted = judged(own)
    would_resolve = sum(call.right and call.prediction.would_resolve for call in counted)
    return ShadowEvidence(
        n=len(counted),
        correct=sum(call.right for call in counted),
        synthetic=sum(call.synthetic for call in own),
        would_resolve=would_resolve,
        would_escalate=sum(not call.prediction.would_resolve for call in counted),
    )


_REASONS: Final = {"shadow": Expected.SERVED, "not_served": Expected.NOT_SERVED}
_UNSTATED: Final = {
    EscalationReason.CALLER_ASKED.value: Expected.CALLER_ASKED,
    EscalationReason.NO_MATCH.value: Expected.NO_TOPIC,
    EscalationReason.NO_INPUT.value: Expected.NO_SPEECH,
}


def live_prediction(events: Sequence[CallEvent]) -> Prediction | None:
    """What the bot would have done with a live call, from its events in order.

    The topic as heard at the open question or keyed in the menu, when the call then went to an operator because
    its branch is in shadow or its topic is not served. None for every other call (drawn, killed, a test number).
    """
    by: By = "speech"
    topic, branch, intent, confidence = "", "", "", 0.0
    for event in events:
        data = event.data
        match event.type:
            case EventType.CALLER_SAID:
                by, intent, confidence = (
                    "speech",
                    str(data.get("intent", "")),
                    _share(data.get("intent_confidence")),
                )
            case EventType.KEYS_PRESSED:
                by, intent, confidence = "keys", "", 1.0
            case EventType.TOPIC_STATED:
                topic, branch = str(data.get("topic", "")), str(data.get("branch", ""))
            case EventType.ASSIGNED if topic and data.get("reason") in _REASONS:
                sure = confidence if by == "keys" or intent == topic else 0.0
                return Prediction(topic, branch, sure, _REASONS[str(data["reason"])], by)
            case EventType.ESCALATED if not topic and data.get("reason") in _UNSTATED:
                return Prediction("", "", 0.0, _UNSTATED[str(data["reason"])], by)
            case _:
                pass
    return None


def _share(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

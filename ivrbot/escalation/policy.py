"""Where an escalated call goes, how soon it is served and what the operator is advised to do.

Takes the reason, the topic and the table of branches (`flows/branches.yml` as plain mappings), gives a `Handover`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ivrbot.model.call import EMERGENCY_QUEUE, EscalationReason, QueueName

GENERAL_QUEUE = QueueName("other")
FRAUD_TOPIC = "report_fraud"
EMERGENCY_TOPICS = frozenset({"block_card", FRAUD_TOPIC})
NORMAL_PRIORITY = 0
FRONT_OF_QUEUE = 10

# With these the caller did not choose the operator: something broke, or the bot could not help him.
_FAILURES = frozenset(
    {
        EscalationReason.AUTHENTICATION_FAILED,
        EscalationReason.SMS_FAILURE,
        EscalationReason.NO_MATCH,
        EscalationReason.NO_INPUT,
        EscalationReason.TIME_LIMIT,
        EscalationReason.BANK_UNAVAILABLE,
        EscalationReason.BANK_REJECTED,
        EscalationReason.BANK_OUTCOME_UNKNOWN,
        EscalationReason.ASR_FAILURE,
        EscalationReason.TTS_FAILURE,
        EscalationReason.NLU_FAILURE,
        EscalationReason.STORAGE_FAILURE,
        EscalationReason.INTERNAL_ERROR,
    }
)


class Suggestion(StrEnum):
    """Text keys of the next step that is proposed to the operator."""

    SECURE_CARDS = "suggest_secure_cards"
    BLOCK_NOW = "suggest_block_now"
    CHECK_OUTCOME = "suggest_check_outcome"
    VERIFY_CALLER = "suggest_verify_caller"
    DO_OPERATION = "suggest_do_operation"
    LISTEN_FIRST = "suggest_listen_first"
    APOLOGISE = "suggest_apologise"
    ASK_TOPIC = "suggest_ask_topic"
    SERVE_TOPIC = "suggest_serve_topic"


@dataclass(frozen=True, slots=True)
class Handover:
    """Decision about an escalated call.

    Attributes:
        queue: operator queue.
        priority: 0 normal, 10 the front of the queue.
        suggestion: a `Suggestion` value, for `Dossier.suggestion`.
    """

    queue: QueueName
    priority: int
    suggestion: Suggestion


def hand_over(
    reason: EscalationReason, topic: str, branches: Mapping[str, Mapping[str, object]], queue: str = ""
) -> Handover:
    """Decide where an escalated call goes.

    Fraud, and blocking that failed (locked out, not understood, bank or engine down), go to the front of the
    block_card queue. A caller who simply asked, or who belongs to the control arm, waits as everybody does, or the
    arms would differ.

    Args:
        reason: why the call is handed over.
        topic: what it is about, "" when unknown; "operator" stands for no topic.
        branches: the table: per branch at least `topics`, a mapping or list of topic names.
        queue: named by the flow; taken only when it is a branch (no other target can be dialled).
    """
    return Handover(_queue(reason, topic, branches, queue), _priority(reason, topic), _suggestion(reason, topic))


def branch_of(topic: str, branches: Mapping[str, Mapping[str, object]]) -> str | None:
    """Branch that a topic belongs to, None for an unknown topic."""
    for name, branch in branches.items():
        topics = branch.get("topics", ())
        if isinstance(topics, Container) and not isinstance(topics, str) and topic in topics:
            return name
    return None


def _queue(
    reason: EscalationReason, topic: str, branches: Mapping[str, Mapping[str, object]], queue: str
) -> QueueName:
    if reason is EscalationReason.FRAUD:
        return EMERGENCY_QUEUE
    if queue and queue in branches:
        return QueueName(queue)
    found = branch_of(topic, branches)
    return GENERAL_QUEUE if found is None else QueueName(found)


def _priority(reason: EscalationReason, topic: str) -> int:
    fraud = reason is EscalationReason.FRAUD or topic == FRAUD_TOPIC
    stuck = topic in EMERGENCY_TOPICS and reason in _FAILURES
    return FRONT_OF_QUEUE if fraud or stuck else NORMAL_PRIORITY


def _suggestion(reason: EscalationReason, topic: str) -> Suggestion:
    if reason is EscalationReason.FRAUD or topic == FRAUD_TOPIC:
        return Suggestion.SECURE_CARDS
    if reason is EscalationReason.BANK_OUTCOME_UNKNOWN:
        return Suggestion.CHECK_OUTCOME
    if topic in EMERGENCY_TOPICS and reason in _FAILURES:
        return Suggestion.BLOCK_NOW
    by_reason = {
        EscalationReason.AUTHENTICATION_FAILED: Suggestion.VERIFY_CALLER,
        EscalationReason.SMS_FAILURE: Suggestion.VERIFY_CALLER,
        EscalationReason.BANK_UNAVAILABLE: Suggestion.DO_OPERATION,
        EscalationReason.BANK_REJECTED: Suggestion.DO_OPERATION,
        EscalationReason.CALLER_UPSET: Suggestion.LISTEN_FIRST,
    }
    if found := by_reason.get(reason):
        return found
    if topic in ("", "operator"):
        return Suggestion.ASK_TOPIC
    return Suggestion.APOLOGISE if reason in _FAILURES else Suggestion.SERVE_TOPIC

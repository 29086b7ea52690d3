"""Where escalated calls go."""

from __future__ import annotations

import pytest

from ivrbot.escalation.policy import FRONT_OF_QUEUE, Suggestion, branch_of, hand_over
from ivrbot.model.call import EscalationReason as Reason

BRANCHES: dict[str, dict[str, object]] = {
    "block_card": {"topics": {"block_card": {}, "card_reissue": {}, "report_fraud": {}}, "key": "1"},
    "balance": {"topics": ["check_balance", "salary_status"], "key": "2"},
    "other": {"topics": {"operator": {}, "complaint": {}}, "key": "0"},
}


@pytest.mark.parametrize(
    ("reason", "topic", "queue", "priority"),
    [
        (Reason.CALLER_ASKED, "check_balance", "balance", 0),
        (Reason.CALLER_ASKED, "operator", "other", 0),
        (Reason.CALLER_ASKED, "", "other", 0),
        (Reason.CALLER_ASKED, "astrology", "other", 0),
        (Reason.TOPIC_NOT_SERVED, "card_reissue", "block_card", 0),
        (Reason.TOPIC_NOT_SERVED, "report_fraud", "block_card", FRONT_OF_QUEUE),
        (Reason.FRAUD, "check_balance", "block_card", FRONT_OF_QUEUE),
        (Reason.FRAUD, "", "block_card", FRONT_OF_QUEUE),
        (Reason.AUTHENTICATION_FAILED, "block_card", "block_card", FRONT_OF_QUEUE),
        (Reason.AUTHENTICATION_FAILED, "check_balance", "balance", 0),
        (Reason.BANK_OUTCOME_UNKNOWN, "block_card", "block_card", FRONT_OF_QUEUE),
        (Reason.ASR_FAILURE, "block_card", "block_card", FRONT_OF_QUEUE),
        (Reason.NO_MATCH, "block_card", "block_card", FRONT_OF_QUEUE),
        (Reason.NO_INPUT, "", "other", 0),
        (Reason.ASR_FAILURE, "salary_status", "balance", 0),
    ],
)
def test_queue_and_priority(reason: Reason, topic: str, queue: str, priority: int) -> None:
    decided = hand_over(reason, topic, BRANCHES)
    assert (decided.queue, decided.priority) == (queue, priority)


def test_both_arms_of_an_emergency_wait_alike_unless_something_broke() -> None:
    control = hand_over(Reason.CONTROL_ARM, "block_card", BRANCHES)
    asked = hand_over(Reason.CALLER_ASKED, "block_card", BRANCHES)
    assert (control.queue, control.priority) == (asked.queue, asked.priority) == ("block_card", 0)


def test_a_flow_may_name_a_queue_but_only_a_listed_one() -> None:
    assert hand_over(Reason.FLOW, "check_balance", BRANCHES, queue="other").queue == "other"
    assert hand_over(Reason.FLOW, "check_balance", BRANCHES, queue="+882-premium").queue == "balance"


@pytest.mark.parametrize(
    ("reason", "topic", "suggestion"),
    [
        (Reason.FRAUD, "", Suggestion.SECURE_CARDS),
        (Reason.AUTHENTICATION_FAILED, "block_card", Suggestion.BLOCK_NOW),
        (Reason.AUTHENTICATION_FAILED, "check_balance", Suggestion.VERIFY_CALLER),
        (Reason.BANK_OUTCOME_UNKNOWN, "block_card", Suggestion.CHECK_OUTCOME),
        (Reason.BANK_UNAVAILABLE, "check_balance", Suggestion.DO_OPERATION),
        (Reason.CALLER_UPSET, "check_balance", Suggestion.LISTEN_FIRST),
        (Reason.TTS_FAILURE, "check_balance", Suggestion.APOLOGISE),
        (Reason.CALLER_ASKED, "operator", Suggestion.ASK_TOPIC),
        (Reason.NO_MATCH, "", Suggestion.ASK_TOPIC),
        (Reason.NO_MATCH, "block_card", Suggestion.BLOCK_NOW),
        (Reason.CONTROL_ARM, "check_balance", Suggestion.SERVE_TOPIC),
    ],
)
def test_suggestions(reason: Reason, topic: str, suggestion: Suggestion) -> None:
    assert hand_over(reason, topic, BRANCHES).suggestion is suggestion


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("topic", ["", "block_card", "nonsense"])
def test_every_reason_leads_to_a_listed_queue(reason: Reason, topic: str) -> None:
    assert hand_over(reason, topic, BRANCHES).queue in BRANCHES


def test_branches_of_topics() -> None:
    assert branch_of("salary_status", BRANCHES) == "balance"
    assert branch_of("salary", BRANCHES) is None
    assert branch_of("sal", {"balance": {"topics": "salary"}}) is None

"""What Asterisk tells of its queues, and what a caller may be told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ivrbot.model.operators import expected_wait_s
from ivrbot.telephony.asterisk_queues import callers_ahead, queue_states
from ivrbot.telephony.wire.ami import AmiMessage

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def message(event: str, queue: str, **fields: str) -> AmiMessage:
    return AmiMessage((("Event", event), ("Queue", queue), *fields.items()))


def params(queue: str, talk: int = 0, hold: int = 0, weight: int = 0) -> AmiMessage:
    return message("QueueParams", queue, TalkTime=str(talk), Holdtime=str(hold), Weight=str(weight))


def member(queue: str, name: str, status: int, paused: str = "0") -> AmiMessage:
    return message("QueueMember", queue, StateInterface=name, Status=str(status), Paused=paused, InCall="0")


def test_members_and_callers_are_counted() -> None:
    events = [
        params("loans", talk=120, hold=40),
        member("loans", "PJSIP/a", 1),
        member("loans", "PJSIP/b", 2),
        member("loans", "PJSIP/off", 5),
        member("loans", "PJSIP/break", 1, paused="1"),
    ]
    state = queue_states(events, AT)["loans"]
    assert (state.waiting, state.operators, state.free, state.hold_s) == (0, 2, 1, 40.0)
    assert state.serves_at_once and state.expected_wait_s == 0.0 and state.as_of == AT


def test_busy_operators_mean_talks_to_wait_for() -> None:
    events = [params("loans", talk=120), member("loans", "PJSIP/a", 2), member("loans", "PJSIP/b", 2)]
    events += [message("QueueEntry", "loans")] * 2
    assert queue_states(events, AT)["loans"].expected_wait_s == 3 * 120 / 2


def test_callers_of_other_queues_with_the_same_operators_stand_in_front() -> None:
    events = [params("loans", talk=100), params("block_card", talk=100, weight=10), params("far", talk=100)]
    for queue in ("loans", "block_card"):
        events.append(member(queue, "PJSIP/a", 2))
    events.append(member("far", "PJSIP/z", 2))
    events += [message("QueueEntry", "block_card"), message("QueueEntry", "far")]
    states = queue_states(events, AT)
    assert states["loans"].expected_wait_s == 200
    assert states["block_card"].expected_wait_s == 200
    events += [message("QueueEntry", "loans")]
    # a caller of less weight is not served first
    assert queue_states(events, AT)["block_card"].expected_wait_s == 200
    assert queue_states(events, AT)["loans"].expected_wait_s == 300


@pytest.mark.parametrize(
    ("known", "wait_s"),
    [
        ({"operators": 0, "free": 0, "ahead": 0, "talk_s": 60, "hold_s": 10}, None),
        ({"operators": 2, "free": 1, "ahead": 0, "talk_s": 60, "hold_s": 10}, 0.0),
        ({"operators": 2, "free": 1, "ahead": 1, "talk_s": 60, "hold_s": 10}, 30.0),
        ({"operators": 2, "free": 0, "ahead": 0, "talk_s": 0, "hold_s": 45}, 45.0),
        ({"operators": 2, "free": 0, "ahead": 0, "talk_s": 0, "hold_s": 0}, None),
    ],
)
def test_what_is_not_known_is_not_told(known: dict[str, int], wait_s: float | None) -> None:
    assert expected_wait_s(**known) == wait_s


def waits(queue: str, position: int, wait: int) -> AmiMessage:
    return message("QueueEntry", queue, Position=str(position), Wait=str(wait))


@pytest.mark.parametrize(
    ("waited_s", "ahead"),
    [(300.0, 0), (90.0, 1), (40.5, 3), (0.0, 4)],
    ids=["first", "behind the first", "behind an urgent one before the second", "last"],
)
def test_a_place_is_behind_all_who_came_before(waited_s: float, ahead: int) -> None:
    events = [
        waits("loans", 1, 200),
        waits("loans", 2, 10),  # urgent: came later, stands before
        waits("loans", 3, 60),
        waits("loans", 4, 20),
        waits("other", 9, 900),
    ]
    assert callers_ahead(events, "loans", waited_s) == ahead

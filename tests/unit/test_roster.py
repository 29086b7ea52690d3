"""Who of several workers is started when, and who leads: by what happens, at times that are told."""

from __future__ import annotations

import pytest

from ivrbot.cli.roster import Phase, Roster
from ivrbot.cli.supervisor import BACKOFF_S, LASTING_S


def served(*numbers: int, of: int = 3) -> Roster:
    """A roster in which some workers take calls."""
    roster = Roster(of)
    for number in numbers:
        roster.started(number, 0.0)
        roster.serves(number)
    roster.elect()
    return roster


def test_the_first_starts_alone_and_leads() -> None:
    roster = Roster(3)
    assert roster.due(0.0) == 1
    roster.started(1, 0.0)
    assert roster.due(100.0) is None
    assert not roster.elect()
    roster.serves(1)
    assert roster.elect()
    assert roster.leader == 1


def test_the_others_follow_one_after_another() -> None:
    roster = served(1)
    assert roster.due(1.0) == 2
    roster.started(2, 1.0)
    assert roster.due(2.0) is None
    roster.serves(2)
    assert roster.due(3.0) == 3
    assert not roster.elect()


def test_another_leads_as_soon_as_the_leader_is_gone() -> None:
    roster = served(1, 2, 3)
    roster.ended(1, -9, 10.0)
    assert roster.elect()
    assert roster.leader == 2
    assert roster.due(10.0) == 1
    roster.started(1, 10.0)
    roster.serves(1)
    assert not roster.elect()
    assert roster.leader == 2


def test_a_leader_that_leaves_gives_the_lead_away_and_is_replaced_at_once() -> None:
    roster = served(1, 2)
    roster.leaves(1)
    assert roster.elect()
    assert roster.leader == 2
    assert roster.ended(1, 0, 5.0) == 0.0
    assert not roster.over
    assert roster.due(5.0) == 1


def test_while_all_leave_somebody_leads_to_the_last() -> None:
    roster = served(1, 2)
    roster.stopping = True
    roster.leaves(1)
    assert not roster.elect()
    roster.leaves(2)
    roster.ended(1, 0, 1.0)
    assert roster.elect() and roster.leader == 2
    assert roster.due(1.0) is None
    roster.ended(2, 0, 2.0)
    assert roster.over
    assert not roster.elect()
    assert (roster.leader, roster.code) == (None, 0)


def test_one_that_keeps_failing_rests_longer_and_longer() -> None:
    roster = served(1)
    pauses, now_s = [], 0.0
    for _ in range(len(BACKOFF_S) + 2):
        roster.started(2, now_s)
        pauses.append(roster.ended(2, 1, now_s))
        now_s += pauses[-1]
        assert roster.due(now_s) == 2
        if pauses[-1]:
            assert roster.due(now_s - 0.01) == 3
    assert pauses == [0.0, *BACKOFF_S[2:], *[BACKOFF_S[-1]] * 4][: len(pauses)]


def test_one_that_has_lasted_starts_the_count_anew() -> None:
    roster = served(1, 2)
    for _ in range(4):
        roster.ended(2, 1, 1.0)
        roster.started(2, 1.0)
    assert roster.ended(2, 1, 1.0 + LASTING_S + 1) == 0.0


@pytest.mark.parametrize("code", [0, 2, 3])
def test_an_end_for_good_of_the_only_one_ends_everything(code: int) -> None:
    roster = Roster(2)
    roster.started(1, 0.0)
    roster.ended(1, code, 1.0)
    assert roster.over
    assert roster.code == code


def test_files_that_are_wrong_now_do_not_end_those_who_serve() -> None:
    roster = served(1, 2)
    roster.ended(2, 2, 1.0)
    assert not roster.stopping
    assert roster.due(1.0) == 2
    assert roster.those(Phase.SERVING) == (1,)


def test_a_sign_of_life_of_one_that_leaves_makes_it_serve_no_more() -> None:
    roster = served(1, 2)
    roster.leaves(2)
    roster.serves(2)
    assert roster.those(Phase.SERVING) == (1,)

from __future__ import annotations

from ivrbot.telephony.allowance import Allowance


def test_a_full_bucket_gives_its_most_and_no_more() -> None:
    bucket = Allowance(50, 50.0, 100.0)
    assert [bucket.take(10, 100.0) for _ in range(6)] == [True] * 5 + [False]


def test_it_fills_up_with_time_and_never_above_its_most() -> None:
    bucket = Allowance(50, 50.0, 0.0)
    assert bucket.take(50, 0.0)
    assert not bucket.take(26, 0.5)
    assert bucket.take(25, 0.5)
    assert not bucket.take(51, 1000.0)
    assert bucket.take(50, 1000.0)


def test_what_is_not_there_takes_nothing() -> None:
    bucket = Allowance(10, 1.0, 0.0)
    assert not bucket.take(11, 0.0)
    assert bucket.take(10, 0.0)

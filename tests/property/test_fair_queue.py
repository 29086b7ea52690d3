"""The queue before the recognisers: bounded, work conserving, in order of classes, fair between calls."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.asr.fairness import AGEING_S, FairQueue, Job, JobKind, allowed
from ivrbot.model.capacity import Ease, Wanted

FAR_S = 1e9
CALLS = ("a", "b", "c", "d")


def job(call: str, cost_s: float = 1.0, kind: JobKind = JobKind.READ, *, waits: bool = True) -> Job:
    return Job(Wanted(call, waits), kind, FAR_S, cost_s, used_s=cost_s)


any_job = st.builds(
    job, st.sampled_from(CALLS), st.floats(0.01, 5.0), st.sampled_from(list(JobKind)), waits=st.booleans()
)
steps = st.lists(st.one_of(any_job, st.sampled_from(["pick", "finish"])), max_size=120)


@given(steps, st.integers(1, 8))
def test_bounded_work_conserving_and_in_order_of_classes(story: list[Job | str], room: int) -> None:
    queue, running, waiting = FairQueue(room), list[Job](), list[Job]()
    for at_s, step in enumerate(story):
        now_s = at_s * 0.01  # too short for anything to age
        if isinstance(step, Job):
            lost = queue.add(step, now_s)
            waiting.append(step)
            if lost is not None:
                assert len(waiting) == room + 1
                assert lost.rank(now_s) == max(one.rank(now_s) for one in waiting)
                waiting.remove(lost)
        elif step == "pick":
            picked = queue.pick(now_s)
            assert (picked is None) == (not waiting)
            if picked is not None:
                assert picked.rank(now_s) == min(one.rank(now_s) for one in waiting)
                waiting.remove(picked)
                running.append(picked)
        elif running:
            queue.finish(running.pop(0))
        assert len(queue) == len(waiting) <= room
    for one in running:
        queue.finish(one)
    assert waiting or queue.calls_known == 0


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.05, 2.0), min_size=40, max_size=40),
    st.lists(st.floats(0.05, 2.0), min_size=40, max_size=40),
    st.booleans(),
)
def test_two_calls_with_work_all_the_time_get_the_same_share(
    one: list[float], other: list[float], known_before: bool
) -> None:
    """Goyal, Vin and Cheng, theorem 1: their shares differ by no more than the longest job of each."""
    queue, served = FairQueue(100), {"a": 0.0, "b": 0.0}
    for call, costs in (("a", one), ("b", other)):
        for cost_s in costs:
            asked = job(call, cost_s)
            # Where a cost is not known before, the pool expects what was usual.
            asked.expected_s = cost_s if known_before else 0.5
            queue.add(asked, 0.0)
    left = {"a": 40, "b": 40}
    error_s = 0.0 if known_before else 1.5
    while all(left.values()):
        picked = queue.pick(0.0)
        assert picked is not None
        queue.finish(picked)
        left[picked.wanted.call] -= 1
        served[picked.wanted.call] += picked.used_s
        assert abs(served["a"] - served["b"]) <= max(one) + max(other) + error_s


@given(st.integers(1, 30), st.integers(1, 6), st.floats(0.05, 3.0))
def test_whoever_asks_for_little_does_not_wait_for_whoever_asks_for_much(
    hoard: int, instances: int, cost_s: float
) -> None:
    queue = FairQueue(100)
    for _ in range(hoard):
        queue.add(job("chatty", cost_s), 0.0)
    running = [one for _ in range(instances) if (one := queue.pick(0.0)) is not None]
    shy = job("shy", cost_s)
    queue.add(shy, 0.0)
    if running:
        queue.finish(running.pop(0))
    overtaken = 0
    while (picked := queue.pick(0.0)) is not shy:
        assert picked is not None
        overtaken += 1
        queue.finish(picked)
    assert overtaken <= 1


@given(st.lists(st.sampled_from(CALLS), min_size=1, max_size=60))
def test_every_reading_has_its_turn_while_new_ones_keep_coming(calls: list[str]) -> None:
    """An early reading among readings that callers wait for, as many as can be served and more."""
    queue, early = FairQueue(1000), job("early", waits=False)
    queue.add(early, 0.0)
    now_s, rivals = 0.0, iter(calls * 1000)
    for _ in range(200):
        queue.add(job(next(rivals), 0.1), now_s)
        queue.add(job(next(rivals), 0.1), now_s)
        picked = queue.pick(now_s)
        assert picked is not None
        queue.finish(picked)
        if picked is early:
            break
        now_s += 0.1
    assert now_s <= AGEING_S + 0.2


def test_a_reading_is_waited_for_from_the_moment_its_caller_has_finished() -> None:
    queue, speaking = FairQueue(9), job("speaking", waits=False)
    queue.add(speaking, 0.0)
    queue.add(job("done"), 0.1)
    speaking.wanted.waits = True
    assert queue.pick(0.2) is speaking


def test_what_is_past_its_deadline_is_not_begun() -> None:
    queue, late = FairQueue(9), job("late")
    late.deadline_s = 1.0
    queue.add(late, 0.0)
    queue.add(job("other"), 0.5)
    picked = queue.pick(1.0)
    assert picked is not None
    assert picked.wanted.call == "other"
    assert len(queue) == 0


def test_nobody_waits_behind_more_than_he_may() -> None:
    queue = FairQueue(100, max_ahead_s=2.0)
    long = job("long", 5.0)
    assert queue.add(long, 0.0) is None, "whoever waits alone may be as long as he is"
    assert queue.add(job("early", 0.1, waits=False), 0.0) is not None, "he would wait behind five seconds"
    queue = FairQueue(100, max_ahead_s=2.0)
    waiting = [job(f"call {number}", 0.5) for number in range(6)]
    refused = [one for one in waiting if queue.add(one, 0.0) is not None]
    assert refused == waiting[5:]
    early = job("early", 0.1, waits=False)
    assert queue.add(early, 0.0) is early


def test_of_one_too_many_the_hoarder_goes() -> None:
    queue = FairQueue(3)
    hoarded = [job("chatty") for _ in range(3)]
    for one in hoarded:
        assert queue.add(one, 0.0) is None
    assert queue.add(job("shy"), 0.0) is hoarded[-1]


def test_what_is_left_out_grows_from_step_to_step() -> None:
    left_out = [{kind for kind in JobKind if not allowed(kind, ease)} for ease in Ease]
    assert left_out == [
        set(),
        {JobKind.PARTIAL},
        {JobKind.PARTIAL, JobKind.SECOND},
        {JobKind.PARTIAL, JobKind.SECOND, JobKind.DIP},
    ]

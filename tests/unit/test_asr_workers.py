"""The pool of recognisers: bounded, with deadlines, and never losing an instance."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from ivrbot.asr.fairness import JobKind
from ivrbot.asr.workers import Halves, WorkerPool
from ivrbot.errors import EngineBadOutput, EngineTimeout, EngineUnavailable
from ivrbot.model.capacity import Ease, Wanted
from tests.fakes.waiting import until

LONG_S = 30.0


class Gate:
    """A job that stays in its thread until it is let go."""

    def __init__(self) -> None:
        self.entered = 0
        self._open = threading.Event()

    def __call__(self, instance: int) -> int:
        self.entered += 1
        assert self._open.wait(LONG_S)
        return instance

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def freed() -> list[int]:
    return []


@pytest.fixture
async def pool(freed: list[int]) -> AsyncIterator[WorkerPool[int]]:
    pool: WorkerPool[int] = WorkerPool("test", max_waiting=2)
    await pool.start(_numbers(), 2)
    yield pool
    await pool.close(freed.append)


def _numbers() -> Callable[[], int]:
    made = iter(range(10))
    return lambda: next(made)


async def test_jobs_get_instances_of_their_own(pool: WorkerPool[int]) -> None:
    gate = Gate()
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(2)]
    await until(lambda: gate.entered == 2)
    gate.open()
    assert sorted(await asyncio.gather(*jobs)) == [0, 1]
    assert pool.idle == 2


async def test_too_many_waiting_are_refused_at_once(pool: WorkerPool[int]) -> None:
    gate = Gate()
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(4)]
    await until(lambda: pool.waiting == 2)
    with pytest.raises(EngineUnavailable, match="overloaded"):
        await pool.run(gate, LONG_S)
    assert pool.load.refused == 1
    gate.open()
    assert len(await asyncio.gather(*jobs)) == 4
    assert pool.idle == 2
    assert pool.load.max_queue_ms > 0


async def test_a_late_result_is_dropped_and_its_instance_comes_back(pool: WorkerPool[int]) -> None:
    gate = Gate()
    with pytest.raises(EngineTimeout):
        await pool.run(gate, 0.01)
    assert pool.idle == 1
    assert pool.load.timeouts == 1
    gate.open()
    await until(lambda: pool.idle == 2)


async def test_a_deadline_covers_the_waiting_too(pool: WorkerPool[int]) -> None:
    gate = Gate()
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(2)]
    await until(lambda: gate.entered == 2)
    with pytest.raises(EngineTimeout):
        await pool.run(gate, 0.01)
    assert pool.waiting == 0
    gate.open()
    await asyncio.gather(*jobs)
    assert pool.idle == 2


async def test_cancelled_waiters_leave_no_trace(pool: WorkerPool[int]) -> None:
    gate = Gate()
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(4)]
    await until(lambda: pool.waiting == 2)
    for job in jobs[2:]:
        job.cancel()
    gate.open()
    await asyncio.gather(*jobs, return_exceptions=True)
    await until(lambda: pool.idle == 2)
    assert gate.entered == 2


async def test_cancelled_in_the_moment_of_its_turn(pool: WorkerPool[int]) -> None:
    gates = [Gate(), Gate()]
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for gate in gates]
    waiting = asyncio.create_task(pool.run(lambda instance: instance, LONG_S))
    await until(lambda: pool.waiting == 1 and all(gate.entered for gate in gates))
    jobs[0].add_done_callback(lambda _: waiting.cancel())
    for gate in gates:
        gate.open()
    await asyncio.gather(*jobs, waiting, return_exceptions=True)
    await until(lambda: pool.idle == 2)


async def test_an_optional_job_never_waits(pool: WorkerPool[int]) -> None:
    gate = Gate()
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(2)]
    await until(lambda: gate.entered == 2)
    assert await pool.run_if_idle(lambda instance: instance) is None
    gate.open()
    await asyncio.gather(*jobs)
    assert await pool.run_if_idle(lambda instance: instance) in (0, 1)


async def test_a_failed_job_says_so_and_frees_its_instance(pool: WorkerPool[int]) -> None:
    def fail(_: int) -> None:
        raise EngineBadOutput("broken")

    with pytest.raises(EngineBadOutput, match="broken"):
        await pool.run(fail, LONG_S)
    assert pool.idle == 2


async def test_close_refuses_those_who_wait_and_frees_every_instance_once(
    pool: WorkerPool[int], freed: list[int]
) -> None:
    gate = Gate()
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(3)]
    await until(lambda: pool.waiting == 1)
    closing = asyncio.create_task(pool.close(freed.append))
    with pytest.raises(EngineUnavailable):
        await jobs[2]
    gate.open()
    await closing
    await pool.close(freed.append)
    assert sorted(await asyncio.gather(*jobs[:2])) == sorted(freed) == [0, 1]
    with pytest.raises(EngineUnavailable):
        await pool.run(gate, LONG_S)


async def test_an_instance_that_cannot_be_made(freed: list[int]) -> None:
    def fail() -> int:
        raise EngineUnavailable("no model")

    pool: WorkerPool[int] = WorkerPool("test", 1)
    with pytest.raises(EngineUnavailable, match="no model"):
        await pool.start(fail, 2)
    with pytest.raises(EngineUnavailable):
        await pool.run(lambda instance: instance, LONG_S)
    await pool.close(freed.append)
    assert freed == []


async def test_a_chatty_caller_waits_for_a_quiet_one() -> None:
    pool: WorkerPool[int] = WorkerPool("test", max_waiting=8)
    await pool.start(_numbers(), 1)
    gate, order = Gate(), list[str]()

    async def ask(call: str) -> None:
        await pool.run(lambda _: order.append(call), LONG_S, wanted=Wanted(call))

    holding = asyncio.create_task(pool.run(gate, LONG_S, wanted=Wanted("chatty")))
    await until(lambda: gate.entered == 1)
    asking = [asyncio.create_task(ask(call)) for call in ("chatty", "chatty", "chatty", "quiet")]
    await until(lambda: pool.waiting == 4)
    gate.open()
    await asyncio.gather(holding, *asking)
    assert order.index("quiet") == 0
    await pool.close(lambda _: None)


async def test_a_full_queue_gives_up_what_is_wanted_least(pool: WorkerPool[int]) -> None:
    gate = Gate()
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(2)]
    await until(lambda: gate.entered == 2)
    second = asyncio.create_task(pool.run(gate, LONG_S, kind=JobKind.SECOND))
    jobs += [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(2)]
    with pytest.raises(EngineUnavailable, match="overloaded"):
        await second
    assert pool.load.refused == 1
    gate.open()
    assert len(await asyncio.gather(*jobs)) == 4


async def test_what_is_left_out_is_not_made(pool: WorkerPool[int]) -> None:
    pool.ease = Ease.NO_PARTIALS
    assert await pool.run_if_idle(lambda instance: instance) is None
    assert await pool.run_if_idle(lambda instance: instance, kind=JobKind.DIP) in (0, 1)
    assert pool.allows(JobKind.READ)
    assert not pool.allows(JobKind.PARTIAL)


async def test_figures_tell_what_happened_since_they_were_taken(pool: WorkerPool[int]) -> None:
    gate = Gate()
    jobs = [asyncio.create_task(pool.run(gate, LONG_S)) for _ in range(3)]
    await until(lambda: pool.waiting == 1)
    midway = pool.take_figures()
    assert (midway.instances, midway.reads, midway.served, midway.waiting) == (2, 2, 0, 1)
    gate.open()
    await asyncio.gather(*jobs)
    await pool.run_if_idle(lambda instance: instance)
    after = pool.take_figures()
    assert (after.reads, after.served, after.waiting) == (1, 3, 0)
    assert after.busy_s >= after.served_s > 0
    assert after.longest_wait_s == after.waited_s > 0
    assert pool.take_figures().busy_s == 0


async def test_an_instance_that_hangs_is_replaced(
    pool: WorkerPool[int], monkeypatch: pytest.MonkeyPatch, freed: list[int]
) -> None:
    monkeypatch.setattr("ivrbot.asr.workers.STUCK_S", 0.01)
    gate = Gate()
    for _ in range(2):
        with pytest.raises(EngineTimeout):
            await pool.run(gate, 0.02)
    await until(lambda: pool.idle == 2)
    assert pool.load.replaced == 2
    assert {await pool.run(lambda instance: instance, LONG_S) for _ in range(2)} <= {2, 3}
    assert pool.take_figures().instances == 2
    gate.open()
    # What comes back late takes the place of the next that hangs; nothing is loaded for that.
    await until(lambda: len(pool._spare) == 2)
    again = Gate()
    with pytest.raises(EngineTimeout):
        await pool.run(again, 0.02)
    await until(lambda: pool.idle == 2)
    assert len(pool._all) == 4
    again.open()
    await until(lambda: not pool._running)
    await pool.close(freed.append)
    assert sorted(freed) == [0, 1, 2, 3]


async def test_a_slow_job_within_its_time_is_left_alone(
    pool: WorkerPool[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivrbot.asr.workers.STUCK_S", LONG_S)
    gate = Gate()
    with pytest.raises(EngineTimeout):
        await pool.run(gate, 0.01)
    gate.open()
    await until(lambda: pool.idle == 2)
    assert pool.load.replaced == 0


async def test_a_pool_with_a_hanging_instance_closes(
    pool: WorkerPool[int], monkeypatch: pytest.MonkeyPatch, freed: list[int]
) -> None:
    monkeypatch.setattr("ivrbot.asr.workers.CLOSE_S", 0.02)
    gate = Gate()
    with pytest.raises(EngineTimeout):
        await pool.run(gate, 0.01)
    await pool.close(freed.append)
    assert len(freed) == 1, "what a thread still uses is not freed under it"
    gate.open()
    await until(lambda: not pool._running)


async def test_instances_are_not_replaced_for_ever(pool: WorkerPool[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivrbot.asr.workers.STUCK_S", 0.0)
    monkeypatch.setattr("ivrbot.asr.workers.MOST_REPLACED", 1)
    gate = Gate()
    for _ in range(3):
        with pytest.raises(EngineTimeout):
            await pool.run(gate, 0.02)
    assert pool.load.replaced == 1
    gate.open()
    await until(lambda: not pool._running)


async def test_an_optional_job_that_hangs_is_not_waited_for_either(pool: WorkerPool[int]) -> None:
    gate = Gate()
    with pytest.raises(EngineTimeout):
        await pool.run_if_idle(gate, deadline_s=0.01)
    assert pool.load.timeouts == 1
    gate.open()
    await until(lambda: pool.idle == 2)


def adding(gate: Gate, begun: list[str]) -> Halves[int, int, tuple[int, int]]:
    """A job whose first half ends at a gate; gives the instances of both."""

    def first(instance: int) -> int:
        begun.append("first")
        gate(instance)
        return instance

    def then(instance: int, half: int) -> tuple[int, int]:
        begun.append("then")
        return half, instance

    return Halves(first, then)


async def test_both_halves_of_a_job_run_on_one_instance(pool: WorkerPool[int]) -> None:
    gate, begun = Gate(), list[str]()
    jobs = [asyncio.create_task(pool.run_if_idle(adding(gate, begun))) for _ in range(2)]
    await until(lambda: gate.entered == 2)
    gate.open()
    results = await asyncio.gather(*jobs)
    assert sorted(result for result in results if result) == [(0, 0), (1, 1)]
    assert begun == ["first", "first", "then", "then"]
    assert pool.idle == 2
    assert pool.load.jobs == 2


async def test_the_second_half_is_not_begun_for_nobody(pool: WorkerPool[int]) -> None:
    gate, begun = Gate(), list[str]()
    job = asyncio.create_task(pool.run_if_idle(adding(gate, begun)))
    await until(lambda: gate.entered == 1)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    assert pool.idle == 1
    gate.open()
    await until(lambda: pool.idle == 2)
    assert begun == ["first"]
    figures = pool.take_figures()
    assert (figures.served, figures.busy_s > 0) == (0, True), "half a job is no measure of jobs"


async def test_given_up_in_the_moment_between_the_halves(pool: WorkerPool[int]) -> None:
    gate, begun = Gate(), list[str]()
    job = asyncio.create_task(pool.run_if_idle(adding(gate, begun)))
    await until(lambda: gate.entered == 1)
    (running,) = pool._running
    running.add_done_callback(lambda _: job.cancel())
    gate.open()
    await asyncio.gather(job, return_exceptions=True)
    await until(lambda: pool.idle == 2)
    assert begun == ["first"]


async def test_a_first_half_that_fails_frees_its_instance(pool: WorkerPool[int]) -> None:
    def fail(_: int) -> int:
        raise EngineBadOutput("broken")

    with pytest.raises(EngineBadOutput):
        await pool.run_if_idle(Halves(fail, lambda instance, _: instance))
    await until(lambda: pool.idle == 2)


async def letting_go(gate: Gate) -> WorkerPool[int]:
    """One instance, whose job at the gate ends when it is given up."""
    pool: WorkerPool[int] = WorkerPool("test", 2, give_up=lambda _: gate.open())
    await pool.start(_numbers(), 1)
    return pool


def given_up_at(gate: Gate) -> Callable[[int], int]:
    def job(instance: int) -> int:
        gate(instance)
        raise EngineBadOutput("given up")

    return job


async def test_who_gives_up_a_job_that_runs_has_its_instance_let_go() -> None:
    gate = Gate()
    pool = await letting_go(gate)
    running = asyncio.create_task(pool.run(given_up_at(gate), LONG_S))
    await until(lambda: gate.entered == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await until(lambda: pool.idle == 1)
    assert pool.take_figures().served == 0, "what was given up is no measure of jobs"
    await pool.close(lambda _: None)


async def test_an_instance_that_works_for_another_job_by_then_is_left_alone() -> None:
    """The job was over when its waiter was cancelled: what runs there next is not touched."""
    given_up: list[int] = []
    gate = Gate()
    pool: WorkerPool[int] = WorkerPool("test", 2, give_up=given_up.append)
    await pool.start(_numbers(), 1)
    job = asyncio.create_task(pool.run(gate, LONG_S))
    await until(lambda: gate.entered == 1)
    following = asyncio.create_task(pool.run(gate, LONG_S))
    await until(lambda: pool.waiting == 1)
    (running,) = pool._running
    running.add_done_callback(lambda _: job.cancel())
    gate.open()
    await asyncio.gather(job, return_exceptions=True)
    assert await following == 0
    assert not given_up
    await pool.close(lambda _: None)


async def test_a_job_past_its_deadline_is_a_measure_of_how_long_jobs_take() -> None:
    """Or the queue would judge by the quick ones, just when readings have become slow."""
    gate = Gate()
    pool = await letting_go(gate)
    with pytest.raises(EngineTimeout):
        await pool.run(given_up_at(gate), 0.05)
    await until(lambda: pool.idle == 1)
    assert pool.take_figures().served == 1
    await pool.close(lambda _: None)

"""Load: what is left out, when it is taken up again, and when callers go to operators before the bot answers."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ivrbot.call.headroom import (
    HOLD_S,
    Admission,
    Demand,
    HeadroomBars,
    HeadroomLook,
    Queue,
    Refusal,
)
from ivrbot.call.load_watch import EVERY_S, LoadWatch, Probes
from ivrbot.call.machine import free_bytes, processors
from ivrbot.call.strain import HOLD_S as CALM_S
from ivrbot.call.strain import Easing, StrainBars, StrainLook
from ivrbot.config import CapacitySettings
from ivrbot.metrics import REGISTRY
from ivrbot.model.capacity import Ease, RecogniserFigures
from tests.fakes.waiting import until
from tests.unit.web_fixture import open_site

BARS = StrainBars(wait_s=0.15, processor=0.9, lag_s=0.1)
IDLE = StrainLook(0.0, 0.1, 0.001)
BUSY = StrainLook(0.4, 0.5, 0.001)
ROOM = HeadroomBars(always=2, wait_s=0.5, lag_s=0.3, free_bytes=100)
CALM = HeadroomLook(5, (Queue(2, 0.15, 0.15, 0.0),), 0.0, 1000)


# --- what is left out ---


def looked(easing: Easing, look: StrainLook, from_s: float, to_s: float) -> float:
    """Look twice a second for a while; gives when it ended."""
    now_s = from_s
    while now_s < to_s:
        easing.look(look, now_s)
        now_s += EVERY_S
    return now_s


def test_a_hiccup_changes_nothing() -> None:
    easing = Easing(BARS)
    easing.look(BUSY, 0.0)
    assert easing.look(IDLE, 0.5) is Ease.ALL
    assert easing.look(BUSY, 1.0) is Ease.ALL


@pytest.mark.parametrize("look", [BUSY, StrainLook(0, 0.95, 0), StrainLook(0, 0, 0.2)])
def test_load_that_stays_leaves_out_one_thing_after_the_other(look: StrainLook) -> None:
    easing = Easing(BARS)
    steps = [easing.look(look, at_s * EVERY_S) for at_s in range(8)]
    assert steps == [0, 1, 1, 2, 2, 3, 3, 3]


def test_calm_takes_everything_up_again_a_step_at_a_time() -> None:
    easing = Easing(BARS)
    at_s = looked(easing, BUSY, 0.0, 10.0)
    assert easing.step is Ease.NO_DIPS
    at_s = looked(easing, IDLE, at_s, at_s + CALM_S)
    assert easing.step is Ease.NO_DIPS
    at_s = looked(easing, IDLE, at_s, at_s + 1.0)
    assert easing.step is Ease.NO_SECOND_PASSES
    looked(easing, IDLE, at_s, at_s + 2 * CALM_S)
    assert easing.step is Ease.ALL
    assert easing.why == ""


def test_half_a_load_keeps_what_is_in_force() -> None:
    easing = Easing(BARS)
    at_s = looked(easing, BUSY, 0.0, 1.0)
    looked(easing, StrainLook(0.0, 0.7, 0.0), at_s, at_s + 1000.0)
    assert easing.step is Ease.NO_PARTIALS


def test_load_that_returns_at_once_is_waited_out_longer_each_time() -> None:
    """Work that is left out brings calm, and taking it up brings the load back: that must not flap for ever."""
    easing, changes, before = Easing(BARS), list[float](), Ease.ALL
    for at in range(4000):
        look = BUSY if easing.step is Ease.ALL else IDLE
        step = easing.look(look, at * EVERY_S)
        if step is not before:
            changes.append(at * EVERY_S)
            before = step
    assert len(changes) < 25
    assert max(later - earlier for earlier, later in zip(changes[-4:], changes[-3:], strict=False)) > 250


def test_a_calm_evening_makes_up_for_a_busy_day() -> None:
    easing, at_s = Easing(BARS), 0.0
    for _ in range(4):
        at_s = looked(easing, BUSY, at_s, at_s + 1.0)
        while easing.step is not Ease.ALL:
            at_s = looked(easing, IDLE, at_s, at_s + 1.0)
    at_s = looked(easing, IDLE, at_s, at_s + 3600.0)
    at_s = looked(easing, BUSY, at_s, at_s + 1.0)
    began_s = at_s
    while easing.step is not Ease.ALL:
        at_s = looked(easing, IDLE, at_s, at_s + 1.0)
    assert at_s - began_s <= CALM_S + 2.0


# --- one more call ---


def test_an_idle_machine_takes_everybody() -> None:
    demand = Demand()
    demand.note(RecogniserFigures(2), calls=0, over_s=0.5)
    admission = Admission(ROOM)
    for calls in range(50):
        look = HeadroomLook(calls, (demand.queue, demand.queue), 0.002, 10**9)
        assert admission.decide(look, 0.0) is None


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (replace(CALM, queues=(Queue(2, 0.15, 1.5, 0.0),)), Refusal.RECOGNISER),
        (replace(CALM, queues=(Queue(2, 0.15, 0.15, 0.0), Queue(2, 0.15, 0.15, 0.6))), Refusal.RECOGNISER),
        (replace(CALM, calls=27, queues=(Queue(2, 3.0, 0.02, 0.0),)), None),  # in hundredths of a second
        (replace(CALM, calls=28, queues=(Queue(2, 3.0, 0.02, 0.0),)), Refusal.RECOGNISER),
        (replace(CALM, lag_s=0.4), Refusal.LOOP),
        (replace(CALM, free_bytes=99), Refusal.MEMORY),
        (replace(CALM, calls=0, free_bytes=99), Refusal.MEMORY),
        (replace(CALM, free_bytes=None), None),
        (replace(CALM, calls=1, lag_s=9.0, queues=(Queue(1, 1.0, 9.0, 9.0),)), None),
        (CALM, None),
    ],
)
def test_why_one_more_call_is_not_taken(look: HeadroomLook, reason: Refusal | None) -> None:
    assert Admission(ROOM).decide(look, 0.0) is reason


def test_a_reason_holds_for_a_while() -> None:
    admission, slow = Admission(ROOM), replace(CALM, lag_s=0.4)
    assert admission.decide(slow, 0.0) is Refusal.LOOP
    assert admission.decide(replace(CALM, lag_s=0.2), 1.0) is Refusal.LOOP, "not calm enough"
    assert admission.decide(CALM, 2.0) is Refusal.LOOP
    assert admission.decide(CALM, 2.0 + HOLD_S - 0.1) is Refusal.LOOP
    assert admission.decide(CALM, 2.0 + HOLD_S) is None
    assert admission.refusing == ()


def test_a_starved_machine_does_not_flap() -> None:
    """Others take the processor every other second."""
    admission, answers = Admission(ROOM), list[Refusal | None]()
    for at in range(400):
        look = replace(CALM, lag_s=0.4 if at % 4 < 2 else 0.0)
        answers.append(admission.decide(look, at * EVERY_S))
    assert answers == [Refusal.LOOP] * 400


def test_what_calls_ask_for_is_learnt() -> None:
    demand = Demand()
    for _ in range(1200):
        demand.note(RecogniserFigures(4, asked=2, reads=2, served=2, served_s=1.0), calls=4, over_s=0.5)
    queue = demand.queue
    assert queue.servers == 4
    assert queue.reads_per_call_s == pytest.approx(1.0, rel=0.15)
    assert queue.read_s == pytest.approx(0.5, rel=0.05)


def test_a_wait_is_forgotten_within_a_minute() -> None:
    demand = Demand()
    demand.note(RecogniserFigures(2, asked=9, reads=9, waited_s=18.0), calls=4, over_s=0.5)
    assert demand.queue.wait_s > 1.0
    for _ in range(120):
        demand.note(RecogniserFigures(2), calls=4, over_s=0.5)
    assert demand.queue.wait_s < 0.15


# --- the watch ---


@dataclass
class Pool:
    figures: RecogniserFigures = field(default_factory=lambda: RecogniserFigures(2))
    ease: Ease = Ease.ALL

    def take_figures(self) -> RecogniserFigures:
        return self.figures


@dataclass
class Machine:
    """Clocks and measures that a test sets."""

    now_s: float = 0.0
    cpu_s: float = 0.0
    free: int | None = 10**9
    late_s: float = 0.0

    def probes(self) -> Probes:
        return Probes(
            clock_s=lambda: self.now_s,
            cpu_s=lambda: self.cpu_s,
            processors=lambda: 2.0,
            free_bytes=lambda: self.free,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds + self.late_s
        await asyncio.sleep(0)


def watch(machine: Machine, pool: Pool, calls: int = 5, **settings: object) -> LoadWatch:
    return LoadWatch(CapacitySettings.model_validate(settings), [pool], lambda: calls, machine.probes())


def looks(watched: LoadWatch, machine: Machine, times: int, cpu_s: float = 0.0) -> None:
    for _ in range(times):
        machine.now_s += EVERY_S
        machine.cpu_s += cpu_s
        watched.look(machine.late_s)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_what_is_left_out_reaches_the_recognisers_the_metrics_and_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    machine, pool = Machine(), Pool(RecogniserFigures(2, asked=1, reads=1, waited_s=0.4, longest_wait_s=0.4))
    watched = watch(machine, pool)
    before = metric("ivrbot_ease_changes_total", work="partials", change="left_out")
    looks(watched, machine, 2)
    assert pool.ease is watched.ease is Ease.NO_PARTIALS
    assert watched.left_out == ("partials",)
    assert metric("ivrbot_work_left_out", work="partials") == 1
    assert metric("ivrbot_work_left_out", work="dips") == 0
    assert metric("ivrbot_ease_changes_total", work="partials", change="left_out") == before + 1
    assert [record.message.split(";")[0] for record in caplog.records] == ["load (wait): partials are left out"]
    pool.figures = RecogniserFigures(2)
    looks(watched, machine, 30)
    assert pool.ease is Ease.ALL
    assert metric("ivrbot_work_left_out", work="partials") == 0
    assert len(caplog.records) == 2


def test_the_processor_counts_by_those_that_may_be_used() -> None:
    machine, pool = Machine(), Pool()
    watched = watch(machine, pool)
    looks(watched, machine, 4, cpu_s=0.5)  # one of two
    assert pool.ease is Ease.ALL
    looks(watched, machine, 4, cpu_s=0.95)
    assert pool.ease is Ease.NO_SECOND_PASSES


def test_of_several_workers_each_has_its_part_of_the_processors() -> None:
    machine, pool = Machine(), Pool()
    watched = LoadWatch(CapacitySettings(), [pool], lambda: 5, machine.probes(), workers=2)
    looks(watched, machine, 2, cpu_s=0.48)  # one of two, for one of two workers
    assert pool.ease is Ease.NO_PARTIALS


def test_easing_can_be_switched_off() -> None:
    machine, pool = Machine(), Pool(RecogniserFigures(2, asked=1, reads=1, waited_s=9.0))
    looks(watch(machine, pool, ease=False), machine, 9)
    assert pool.ease is Ease.ALL


def test_a_reading_that_still_waits_counts() -> None:
    machine, pool = Machine(), Pool(RecogniserFigures(2, longest_wait_s=2.0, waiting=1))
    looks(watch(machine, pool), machine, 2)
    assert pool.ease is Ease.NO_PARTIALS


def test_no_room_is_told_once_and_ends_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    machine, pool = Machine(free=1024), Pool()
    watched = watch(machine, pool)
    looks(watched, machine, 3)
    assert watched.refuses() is Refusal.MEMORY
    assert watched.refusing == ("memory",)
    assert metric("ivrbot_no_headroom", reason="memory") == 1
    machine.free = 10**9
    looks(watched, machine, 30)
    assert watched.refuses() is None
    assert metric("ivrbot_no_headroom", reason="memory") == 0
    assert [record.message for record in caplog.records] == [
        "no room for one call more (memory): callers go to operators; 5 calls",
        "room again for calls; 5 calls",
    ]


def test_with_the_cap_alone_nothing_measured_refuses() -> None:
    machine = Machine(free=1024)
    watched = watch(machine, Pool(), admit="cap")
    looks(watched, machine, 3)
    assert watched.refuses() is None
    assert watched.refusing == ()


async def test_it_measures_the_event_loop_by_sleeping_on_it() -> None:
    machine, pool = Machine(late_s=2.0), Pool()
    watched = watch(machine, pool)
    running = asyncio.create_task(watched.run())
    await until(lambda: machine.now_s >= 10.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert watched.left_out
    assert watched.refuses() is Refusal.LOOP


# --- what the system says ---


def test_memory_and_processors_are_those_of_the_container(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  2000 kB\nMemAvailable:  1000 kB\n")
    assert free_bytes(meminfo, tmp_path) == 1000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(meminfo, tmp_path) == 1000 * 1024
    (tmp_path / "memory.max").write_text("500000\n")
    (tmp_path / "memory.current").write_text("450000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 20000\n")
    assert free_bytes(meminfo, tmp_path) == 70000
    whole = processors(tmp_path)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert processors(tmp_path) == whole >= 1
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert processors(tmp_path) == 0.5


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "none", tmp_path) is None


# --- the health page ---


async def test_the_health_page_says_what_is_left_out_and_why_callers_go_to_operators(tmp_path: Path) -> None:
    machine, pool = Machine(free=1024, late_s=1.0), Pool()
    watched = watch(machine, pool)
    looks(watched, machine, 4)
    async with open_site(tmp_path) as site:
        assert await site.get("/readyz") == (200, "ready\n")
        object.__setattr__(site.parts, "load", watched)
        assert await site.get("/readyz") == (
            200,
            "ready\nload: left out: partials, second_passes\nload: callers go to operators: memory\n",
        )

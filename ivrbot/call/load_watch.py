"""Watches the load of the process: tells recognisers what to leave out, and the door whether one more call fits.

Takes pools of recognisers, the number of calls, clocks and what the system says, twice a second; gives the step in
force and reasons to refuse, as metrics, as a line of the log whenever something changes, and for the health page.
What it decides by lies in `strain` and `headroom`, which are pure.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from ivrbot import metrics
from ivrbot.call.headroom import Admission, Demand, HeadroomBars, HeadroomLook, Refusal
from ivrbot.call.machine import free_bytes, processors
from ivrbot.call.strain import Easing, StrainBars, StrainLook
from ivrbot.config import CapacitySettings
from ivrbot.model.capacity import Ease, RecogniserFigures

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5
LAG_MEMORY_S: Final = 5.0
"""Time constant of the mean lag of the event loop."""
WORK: Final = {Ease.NO_PARTIALS: "partials", Ease.NO_SECOND_PASSES: "second_passes", Ease.NO_DIPS: "dips"}


class Pool(Protocol):
    """What is watched of a pool of recognisers."""

    ease: Ease

    def take_figures(self) -> RecogniserFigures:
        """What happened since this was asked last."""
        ...


@dataclass(frozen=True, slots=True)
class Probes:
    """Where measures come from; replaced in tests.

    Attributes:
        clock_s: seconds, does not go back.
        cpu_s: processor time used by this process.
        processors: processors that it may use.
        free_bytes: memory that is left, None: not known.
        sleep: waits on the event loop.
    """

    clock_s: Callable[[], float] = time.monotonic
    cpu_s: Callable[[], float] = time.process_time
    processors: Callable[[], float] = processors
    free_bytes: Callable[[], int | None] = free_bytes
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class LoadWatch:
    """The load of one process.

    Args:
        settings: bars.
        pools: of recognisers.
        calls: how many calls are under way or announced.
        probes: where measures come from.
        workers: processes like this one that share the machine; each has its part of the processors.
    """

    def __init__(
        self,
        settings: CapacitySettings,
        pools: Iterable[Pool],
        calls: Callable[[], int],
        probes: Probes | None = None,
        workers: int = 1,
    ) -> None:
        self._settings = settings
        self._workers = workers
        self._pools = [(pool, Demand()) for pool in pools]
        self._calls = calls
        self._probes = probes or Probes()
        self._easing = Easing(
            StrainBars(settings.ease_wait_ms / 1000, settings.ease_processor, settings.ease_lag_ms / 1000)
        )
        self._admission = Admission(
            HeadroomBars(
                settings.admit_always,
                settings.admit_wait_ms / 1000,
                settings.admit_lag_ms / 1000,
                settings.min_free_mb * 1024 * 1024,
            )
        )
        self._processors = self._probes.processors()
        self._looked_s = self._probes.clock_s()
        self._cpu_s = self._probes.cpu_s()
        self._lag_s = 0.0
        self._free_bytes = self._probes.free_bytes()
        self._refusing: tuple[Refusal, ...] = ()
        self._show_step(Ease.ALL)

    @property
    def ease(self) -> Ease:
        """What is left out now."""
        return self._easing.step

    @property
    def left_out(self) -> tuple[str, ...]:
        """The same by name: "partials", "second_passes", "dips"."""
        return tuple(work for step, work in WORK.items() if self.ease >= step)

    @property
    def refusing(self) -> tuple[str, ...]:
        """Why calls are sent to operators at present, () when they are not."""
        return tuple(reason.value for reason in self._refusing)

    async def run(self) -> None:
        """Watch for as long as the process lives; ends only by being cancelled."""
        while True:
            began_s = self._probes.clock_s()
            await self._probes.sleep(EVERY_S)
            self.look(max(0.0, self._probes.clock_s() - began_s - EVERY_S))

    def look(self, lag_s: float) -> None:
        """Take every measure and act on it.

        Args:
            lag_s: how late the event loop came back just now.
        """
        now_s, cpu_s = self._probes.clock_s(), self._probes.cpu_s()
        over_s = max(1e-3, now_s - self._looked_s)
        used = max(0.0, cpu_s - self._cpu_s) / over_s / self._processors
        self._looked_s, self._cpu_s = now_s, cpu_s
        self._free_bytes = self._probes.free_bytes()
        kept = math.exp(-over_s / LAG_MEMORY_S)
        self._lag_s = kept * self._lag_s + (1 - kept) * lag_s
        calls, wait_s = self._calls(), 0.0
        for pool, demand in self._pools:
            figures = pool.take_figures()
            demand.note(figures, calls, over_s)
            wait_s = max(wait_s, _wait_s(figures))
        metrics.PROCESSOR_SHARE.set(used)
        if self._settings.ease:
            self._ease(StrainLook(wait_s, used * self._workers, lag_s), now_s)
        self._refuse(calls, now_s)

    def refuses(self) -> Refusal | None:
        """Why one more call cannot be taken now; None: it can."""
        if self._settings.admit != "measured":
            return None
        return self._refuse(self._calls(), self._probes.clock_s())

    def _ease(self, look: StrainLook, now_s: float) -> None:
        before = self._easing.step
        step = self._easing.look(look, now_s)
        if step is before:
            return
        for pool, _ in self._pools:
            pool.ease = step
        work, change = WORK[max(step, before)], "left_out" if step > before else "taken_up"
        metrics.EASE_CHANGES.labels(work, change).inc()
        self._show_step(step)
        log.log(
            logging.WARNING if step > before else logging.INFO,
            "load (%s): %s are %s; wait %.0f ms, processors %.0f %%, event loop late by %.0f ms",
            self._easing.why or "calm",
            work.replace("_", " "),
            change.replace("_", " "),
            look.wait_s * 1000,
            look.processor * 100,
            look.lag_s * 1000,
        )

    def _show_step(self, step: Ease) -> None:
        for at, work in WORK.items():
            metrics.WORK_LEFT_OUT.labels(work).set(step >= at)

    def _refuse(self, calls: int, now_s: float) -> Refusal | None:
        if self._settings.admit != "measured":
            return None
        queues = tuple(demand.queue for _, demand in self._pools)
        why = self._admission.decide(HeadroomLook(calls, queues, self._lag_s, self._free_bytes), now_s)
        refusing = (why,) if why else ()
        if refusing != self._refusing:
            for reason in (Refusal.RECOGNISER, Refusal.LOOP, Refusal.MEMORY):
                metrics.NO_HEADROOM.labels(reason.value).set(reason in refusing)
            if why:
                log.warning("no room for one call more (%s): callers go to operators; %d calls", why.value, calls)
            else:
                log.info("room again for calls; %d calls", calls)
            self._refusing = refusing
        return why


def _wait_s(figures: RecogniserFigures) -> float:
    """Mean wait of the readings begun, or half the wait of one that still waits, whichever is longer."""
    begun = figures.waited_s / figures.reads if figures.reads else 0.0
    return max(begun, figures.longest_wait_s / 2)

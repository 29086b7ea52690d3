"""One clock for all outbound sound: each leg gets a frame every 20 ms, on an absolute schedule.

Takes legs (a source of frames and a way to write them), drives them on the event loop's monotonic clock. A PBX
plays what it gets as it comes, so nothing may be sent early and silence is sent when there is nothing to say. Legs
are spread over a few phases of the 20 ms, so that a hundred of them do not wait for one burst.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ivrbot.metrics import FRAMES_DROPPED, PACING_LATE_S
from ivrbot.model.audio import FRAME_MS, SILENCE, Frame

PHASES: Final = 4
MAX_CATCH_UP_FRAMES: Final = 3
"""After a stall at most 60 ms are sent in a burst, which a telephone's jitter buffer still swallows."""

_FRAME_S: Final = FRAME_MS / 1000
_SLOT_S: Final = _FRAME_S / PHASES
_log = logging.getLogger(__name__)


class PacedLeg:
    """A leg's place on the clock."""

    __slots__ = ("next_frame", "phase", "write")

    def __init__(
        self, next_frame: Callable[[], Frame | None], write: Callable[[Frame], object], phase: int
    ) -> None:
        self.next_frame = next_frame
        self.write = write
        self.phase = phase


class Pacer:
    """The clock; runs while it has legs and stops by itself, holds no task.

    Slot n is due n * 5 ms after the start and serves the legs of phase n mod 4. The due times never depend on when
    the timer really fired, so the clock does not drift.
    """

    def __init__(self) -> None:
        self._phases: tuple[list[PacedLeg], ...] = tuple([] for _ in range(PHASES))
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._start_s = 0.0
        self._slot = 0

    @property
    def legs(self) -> int:
        """How many legs are being driven."""
        return sum(map(len, self._phases))

    def add(self, next_frame: Callable[[], Frame | None], write: Callable[[Frame], object]) -> PacedLeg:
        """Drive a leg from now on.

        Args:
            next_frame: asked once per 20 ms (a `MediaSink`'s method); None means silence.
            write: gets that frame, or silence; must return at once.

        Returns:
            A handle for `remove`.
        """
        phase = min(range(PHASES), key=lambda n: len(self._phases[n]))
        leg = PacedLeg(next_frame, write, phase)
        self._phases[phase].append(leg)
        if self._timer is None:
            self._loop = asyncio.get_running_loop()
            self._start_s = self._loop.time()
            self._slot = phase  # the first leg is served at once
            self._timer = self._loop.call_at(self._start_s, self._tick, self._loop)
            self._start_s -= phase * _SLOT_S
        return leg

    def remove(self, leg: PacedLeg) -> None:
        """Stop driving a leg. Idempotent; allowed from within a tick."""
        legs = self._phases[leg.phase]
        legs[:] = [other for other in legs if other is not leg]
        leg.next_frame, leg.write = _nothing, _nowhere  # a running tick may still have it on its list

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        late_s = max(0.0, loop.time() - self._due_s())
        PACING_LATE_S.observe(late_s)
        self._skip(int(late_s / _FRAME_S) - MAX_CATCH_UP_FRAMES)
        served = 0
        while True:
            for leg in tuple(self._phases[self._slot % PHASES]):
                try:
                    frame = leg.next_frame()
                    leg.write(SILENCE if frame is None else frame)
                except Exception:  # noqa: BLE001 - see _drop
                    self._drop(leg)
            self._advance()
            served += 1
            if self._due_s() > loop.time() or served > PHASES * (MAX_CATCH_UP_FRAMES + 1):
                break
        if self.legs:
            self._timer = loop.call_at(self._due_s(), self._tick, loop)
        else:
            self._timer = None

    def _due_s(self) -> float:
        return self._start_s + self._slot * _SLOT_S

    def _advance(self) -> None:
        """Go on to the next slot that has legs."""
        for _ in range(PHASES):
            self._slot += 1
            if self._phases[self._slot % PHASES]:
                return

    def _skip(self, frames: int) -> None:
        """Leave out whole frames of all legs after a stall too long to be made up for."""
        if frames > 0:
            self._slot += frames * PHASES
            FRAMES_DROPPED.labels("pacing").inc(frames * self.legs)

    def _drop(self, leg: PacedLeg) -> None:
        """Give a defective leg up: the clock is shared, so it must not silence the others.

        Without traffic the PBX takes the call back and goes on with its dialplan.
        """
        _log.exception("a leg could not be served")
        self.remove(leg)


def _nothing() -> None:
    return None


def _nowhere(frame: Frame) -> None:
    del frame

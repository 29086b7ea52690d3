"""`python -m benchmarks.media.steps`: CPU time of the media path without sockets, on a simulated clock.

The callers of the other table (`client.py`) over `calls.CallDoor`: every 20 ms a frame of each goes in, and the
gateway's clock takes one out. Nobody waits for anything, so a busy machine changes little but the caches; what is
printed is the process's CPU time per call-second, least and median of equal rounds. `--without silero echo` leaves
a part out, to see what it costs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from uuid import uuid4

from benchmarks.media.calls import CallDoor
from benchmarks.media.client import caller_sound
from ivrbot.media.framing import frames_of
from ivrbot.model.audio import FRAME_MS, Frame
from ivrbot.model.call import CallId
from ivrbot.ports import MediaSink
from ivrbot.speech import silero
from ivrbot.speech.echo import EchoGuard
from ivrbot.telephony.pacer import PHASES, Pacer
from tests.fakes.virtual_time import VirtualTimeLoop

PARTS = ("silero", "echo")
FRAME_S = FRAME_MS / 1000


@dataclass(slots=True, weakref_slot=True)
class Leg:
    """A leg without a socket."""

    call_id: CallId
    dropped: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        """Nothing is held."""

    def notify(self, message: dict[str, object]) -> None:
        """There is no screen."""


class Callers:
    """Who speaks: the frames of each caller in a loop, a phase of them every 5 ms."""

    def __init__(self, sinks: list[MediaSink], frames: list[Frame]) -> None:
        self._frames = frames
        self._phases = [list(enumerate(sinks))[phase::PHASES] for phase in range(PHASES)]
        self.steps = 0

    def speak(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        """One phase's frames; calls itself for the next."""
        at, phase = divmod(self.steps, PHASES)
        for number, sink in self._phases[phase]:
            sink.on_frame(self._frames[(at + number * 37) % len(self._frames)])
        self.steps += 1
        due_s += FRAME_S / PHASES
        loop.call_at(due_s, self.speak, loop, due_s)


def leave_out(parts: list[str]) -> None:
    """Make parts of the path cost nothing; what they would find is not found."""
    if "silero" in parts:
        silero.SileroNetwork.probabilities = lambda self, windows, states: [0.0] * len(windows)  # type: ignore[method-assign]
    if "echo" in parts:
        EchoGuard.heard = lambda self, frame: None  # type: ignore[method-assign]
        EchoGuard.said = lambda self, frame: None  # type: ignore[method-assign]
        EchoGuard.is_own = EchoGuard.could_be_own = lambda self: False  # type: ignore[method-assign]


async def measure(loop: VirtualTimeLoop, legs: int, seconds: int, rounds: int) -> list[float]:
    """CPU milliseconds per call-second of each round."""
    door, pacer = CallDoor(clock=loop.time), Pacer()
    sinks = []
    for _ in range(legs):
        sink = door.admit(Leg(CallId(str(uuid4()))))
        pacer.add(sink.next_frame, lambda frame: None)
        sinks.append(sink)
    Callers(sinks, list(frames_of(caller_sound()))).speak(loop, loop.time())
    await asyncio.sleep(3)
    gc.collect()
    gc.freeze()
    costs = []
    for _ in range(rounds):
        before_s = time.process_time()
        await asyncio.sleep(seconds)
        costs.append((time.process_time() - before_s) * 1000 / (legs * seconds))
    return costs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media.steps", description=__doc__)
    parser.add_argument("--legs", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=12, help="a whole turn of the callers, or several")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without", nargs="*", default=[], choices=PARTS)
    options = parser.parse_args()
    leave_out(options.without)
    loop = VirtualTimeLoop()
    costs = loop.run_until_complete(measure(loop, options.legs, options.seconds, options.rounds))
    print(
        f"{options.legs} callers, {options.rounds} times {options.seconds} s: least {min(costs):.3f}, "
        f"median {statistics.median(costs):.3f} CPU ms per call-second; load average {os.getloadavg()[0]:.1f}"
    )
    sys.stdout.flush()
    os._exit(0)  # the calls are not over, and nobody hangs up


if __name__ == "__main__":
    main()

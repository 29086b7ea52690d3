"""Watches the worker: a process whose event loop has stopped beating is killed, a dead one is replaced.

Takes the command that starts a worker, gives its exit code after an orderly end. Killing closes the worker's
sockets, and the PBX goes on with its dialplan: callers reach operators within seconds, whatever the worker was
stuck in. A worker that wants to run and gets no processor is not stuck: killing it would drop every caller and
make the crowded machine load all models again.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from ivrbot.cli.process_state import Look, look_at

log = logging.getLogger(__name__)

SILENT_S: Final = 2.0
"""A worker that misses its heartbeat for so long, though it could have run, is killed."""
STARVED_S: Final = 10.0
"""So long it may wait for a processor: then its callers have heard nothing for too long, whoever is to blame."""
START_S: Final = 180.0
"""So long a worker may do nothing before its first heartbeat; training and loading models are something."""
START_CPU_S: Final = 900.0
"""What computes for longer before it is an endless loop."""
BACKOFF_S: Final = (0.0, 1.0, 2.0, 5.0, 10.0)
SLICE_S: Final = 0.1
"""Waiting is done in slices: no signal cuts a sleep short, and each slice of silence is judged by itself."""
LASTING_S: Final = 60.0
"""A worker that lived so long starts the count of failures anew."""
HEARTBEAT_VARIABLE: Final = "_IVRBOT_HEARTBEAT_FD"
PERMANENT_EXITS: Final = frozenset({0, 2, 3})
"""Done, invalid files, something missing: starting again would not help."""


class Supervisor:
    """Keeps one worker alive.

    Args:
        command: starts a worker; the number of its heartbeat pipe comes in an environment variable.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._stopping = False
        self._worker: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Supervise until the worker ends in order or for good; gives its exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)
        failures = 0
        while True:
            started_s = time.monotonic()
            code = self._watch_one()
            if self._stopping or code in PERMANENT_EXITS:
                return max(code, 0)
            failures = 1 if time.monotonic() - started_s > LASTING_S else failures + 1
            pause_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)] if failures > 1 else 0.0
            log.error("the worker ended with %d; a new one starts in %.0f s", code, pause_s)
            if not self._rest(pause_s):
                return 0

    def _rest(self, pause_s: float) -> bool:
        """Wait before the next start; False when a stop was asked for meanwhile."""
        ends_s = time.monotonic() + pause_s
        while not self._stopping and (left_s := ends_s - time.monotonic()) > 0:
            time.sleep(min(left_s, SLICE_S))
        return not self._stopping

    def _pass_on(self, number: int, _frame: object) -> None:
        self._stopping = True
        if self._worker is not None and self._worker.poll() is None:
            self._worker.send_signal(signal.SIGTERM)

    def _watch_one(self) -> int:
        reader, writer = os.pipe()
        try:
            environment = {**os.environ, HEARTBEAT_VARIABLE: str(writer)}
            worker = subprocess.Popen(self._command, pass_fds=(writer,), env=environment)
        finally:
            os.close(writer)
        self._worker = worker
        if self._stopping:
            worker.send_signal(signal.SIGTERM)
        try:
            self._listen(reader, worker)
            return worker.wait()
        finally:
            os.close(reader)
            if worker.poll() is None:
                worker.kill()
                worker.wait()

    def _listen(self, reader: int, worker: subprocess.Popen[bytes]) -> None:
        """Until the pipe closes (the worker is gone) or falls silent (then it is killed)."""
        start = Start()
        while not _wait(reader, SLICE_S):
            if start.goes_on(look_at(worker.pid)):
                log.error("the worker did not start within %.0f s and is killed", start.lasts_s)
                worker.kill()
                return
        silence = Silence()
        while True:
            if _wait(reader, SLICE_S):
                if not os.read(reader, 4096):
                    return
                if silence.starved_s > SILENT_S:
                    log.warning(
                        "the worker got no processor for %.1f s: this machine is too busy", silence.starved_s
                    )
                silence = Silence()
            elif silence.goes_on(look_at(worker.pid)):
                log.error("the worker gave no sign of life for %.0f s and is killed", silence.lasts_s)
                worker.kill()
                return


class Start:
    """Judges a start slice by slice: training takes minutes on a crowded machine, and killing it begins it anew.

    Attributes:
        lasts_s: slices so far.
    """

    def __init__(self) -> None:
        self.lasts_s = 0.0
        self._idle_s = 0.0
        self._cpu_s = 0.0

    def goes_on(self, look: Look | None) -> bool:
        """Another slice without a first heartbeat; True when the worker is to be killed.

        Args:
            look: at the worker at the slice's end; None where nothing is known: then it counts as idle.
        """
        self.lasts_s += SLICE_S
        cpu_s = self._cpu_s if look is None else look.cpu_s
        if not (look is not None and look.runnable) and cpu_s <= self._cpu_s:
            self._idle_s += SLICE_S
        self._cpu_s = cpu_s
        return self._idle_s > START_S or cpu_s > START_CPU_S


class Silence:
    """Judges a silence slice by slice. One that began late, because this process got no processor, counts once.

    Attributes:
        lasts_s: slices so far.
        starved_s: of these, in which the worker wanted to run and could not.
    """

    def __init__(self) -> None:
        self.lasts_s = 0.0
        self.starved_s = 0.0
        self._held_against_s = 0.0
        self._cpu_s: float | None = None

    def goes_on(self, look: Look | None) -> bool:
        """Another slice without a sign of life; True when the worker is to be killed.

        Args:
            look: at the worker at the slice's end; None where nothing is known: then silence is silence.
        """
        self.lasts_s += SLICE_S
        ran_s = SLICE_S
        if look is not None:
            before_s, self._cpu_s = self._cpu_s, look.cpu_s
            if look.runnable:  # asleep, stopped or waiting for a lock that nobody gives back: all its own
                ran_s = min(SLICE_S, look.cpu_s - before_s) if before_s is not None else 0.0
        starved_s = SLICE_S - ran_s
        self.starved_s += starved_s
        self._held_against_s += ran_s + starved_s * SILENT_S / STARVED_S
        return self._held_against_s >= SILENT_S - SLICE_S / 2


def _wait(reader: int, patience_s: float) -> bool:
    """Whether there is anything to read within the time."""
    return bool(select.select([reader], [], [], patience_s)[0])


def heartbeat_fd() -> int | None:
    """The pipe that a worker beats on, None when it runs without a supervisor."""
    number = os.environ.get(HEARTBEAT_VARIABLE, "")
    return int(number) if number.isdigit() else None

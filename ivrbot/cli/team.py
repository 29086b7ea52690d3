"""Several workers on one machine: started, watched, replaced; one of them leads; all take calls on the same port.

Takes the command that starts a worker and the addresses to listen on, gives the exit code of an orderly end. The
supervisor binds the ports and hands them to every worker: whoever is free accepts, a frozen or full worker takes
none, and a connection that waits is not lost with the worker that died. While no worker lives, nobody listens, so
that the PBX is refused at once.

    supervisor -> worker   lines on its control pipe: lead, lead first, follow, living 1,3 (those who are there)
    worker -> supervisor   bytes on its heartbeat pipe: "." it lives, "d" it takes no new calls any more
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ivrbot.cli.process_state import look_at
from ivrbot.cli.roster import LIVING, Phase, Roster
from ivrbot.cli.supervisor import HEARTBEAT_VARIABLE, SILENT_S, SLICE_S, Silence, Start
from ivrbot.errors import ConfigError, Problem
from ivrbot.seat import Seat, metrics_folder

log = logging.getLogger(__name__)

LEAVING: Final = b"d"
"""Sign of life of a worker that takes no new calls."""
Address = tuple[str, int]


@dataclass(slots=True)
class _Worker:
    """A process and what connects it with its supervisor."""

    process: subprocess.Popen[bytes]
    heartbeat: int
    control: int
    start: Start = field(default_factory=Start)
    beats: bool = False  # in this slice
    silence: Silence = field(default_factory=Silence)


class Team:
    """Keeps some workers alive.

    Args:
        command: starts a worker; its seat comes in the environment.
        count: how many.
        web: address of the web, as in the settings.
        media: address of AudioSocket.
    """

    def __init__(self, command: Sequence[str], count: int, *, web: Address, media: Address) -> None:
        self._command = list(command)
        self._roster = Roster(count)
        self._node = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._addresses = {"web": web, "media": media}
        self._sockets: dict[str, list[socket.socket]] = {"web": [], "media": []}
        self._workers: dict[int, _Worker] = {}
        self._folder = ""
        self._told = ""
        self._led = self._stop_asked = self._terminated = False

    def run(self) -> int:
        """Supervise until all have ended in order, or for good; gives the exit code.

        Raises:
            ConfigError: a port cannot be used.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        with self._ports(), tempfile.TemporaryDirectory(prefix="ivrbot-", ignore_cleanup_errors=True) as folder:
            self._folder = folder
            metrics_folder(folder).mkdir()
            try:
                while not self._roster.over:
                    self._slice()
                return self._roster.code
            finally:
                for worker in self._workers.values():
                    worker.process.kill()
                    worker.process.wait()

    # --- a slice of time ---

    def _slice(self) -> None:
        self._roster.stopping |= self._stop_asked
        if self._roster.stopping and not self._terminated:
            self._terminated = True
            for worker in self._workers.values():
                worker.process.send_signal(signal.SIGTERM)
        if (number := self._roster.due(time.monotonic())) is not None:
            self._start(number)
        self._listen()
        for number, worker in list(self._workers.items()):
            if (code := worker.process.poll()) is not None:
                self._ended(number, code)
            elif self._has_fallen_silent(worker):
                lasts_s = worker.silence.lasts_s or worker.start.lasts_s
                log.error("worker %d gave no sign of life for %.0f s and is killed", number, lasts_s)
                worker.process.kill()
        self._tell()

    def _start(self, number: int) -> None:
        heard, beats = os.pipe()
        ordered, orders = os.pipe()
        fds = {name: tuple(one.fileno() for one in sockets) for name, sockets in self._sockets.items()}
        seat = Seat(
            number, self._roster.count, self._node, self._folder, fds["web"], fds["media"], control_fd=ordered
        )
        try:
            process = subprocess.Popen(
                self._command,
                pass_fds=(beats, ordered, *fds["web"], *fds["media"]),
                env={**os.environ, **seat.environment(), HEARTBEAT_VARIABLE: str(beats)},
            )
        finally:
            os.close(beats)
            os.close(ordered)
        self._workers[number] = _Worker(process, heard, orders)
        self._roster.started(number, time.monotonic())

    def _listen(self) -> None:
        """Hear signs of life for one slice."""
        ends_s = time.monotonic() + SLICE_S
        by_fd = {worker.heartbeat: (number, worker) for number, worker in self._workers.items()}
        while (left_s := ends_s - time.monotonic()) > 0:
            if not by_fd:
                time.sleep(left_s)
                return
            for fd in select.select(list(by_fd), [], [], left_s)[0]:
                number, worker = by_fd[fd]
                said = os.read(fd, 4096)
                if not said:  # it is gone, or about to be
                    del by_fd[fd]
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        worker.process.wait(SLICE_S)
                    return
                worker.beats = True
                self._roster.serves(number)
                if LEAVING in said:
                    self._roster.leaves(number)
                self._tell()

    def _has_fallen_silent(self, worker: _Worker) -> bool:
        if worker.beats:
            if (starved_s := worker.silence.starved_s) > SILENT_S:
                log.warning("a worker got no processor for %.1f s: this machine is too busy", starved_s)
            worker.beats, worker.silence = False, Silence()
            return False
        judge = worker.start if worker.heartbeat in self._starting() else worker.silence
        return judge.goes_on(look_at(worker.process.pid))

    def _starting(self) -> frozenset[int]:
        return frozenset(self._workers[number].heartbeat for number in self._roster.those(Phase.STARTING))

    def _ended(self, number: int, code: int) -> None:
        worker = self._workers.pop(number)
        os.close(worker.heartbeat)
        os.close(worker.control)
        for gauge in metrics_folder(self._folder).glob(f"gauge_live*_{number}.db"):
            gauge.unlink()  # what was true of it is so no more; its counters go on with whoever replaces it
        pause_s = self._roster.ended(number, code, time.monotonic())
        if not self._roster.stopping:
            level = logging.ERROR if code else logging.INFO
            log.log(level, "worker %d ended with %d; a new one starts in %.0f s", number, code, pause_s)
        if not self._roster.those(*LIVING):
            self._close_doors()

    # --- words to the workers ---

    def _tell(self) -> None:
        """Say who lives, which opens the door of who has just come, and who leads, whenever that has changed."""
        living = "living " + ",".join(map(str, self._roster.those(*LIVING)))
        if living != self._told:
            self._told = living
            for number in self._roster.those(*LIVING):
                self._say(number, living)
        before = self._roster.leader
        if self._roster.elect():
            if before is not None:
                self._say(before, "follow")
            log.info("worker %d leads", self._roster.leader)
            self._say(self._roster.leader or 0, "lead" if self._led else "lead first")
            self._led = True

    def _say(self, number: int, line: str) -> None:
        worker = self._workers.get(number)
        if worker is not None:
            with contextlib.suppress(OSError):  # it is about to be noticed that it is gone
                os.write(worker.control, line.encode() + b"\n")

    def _ask_to_stop(self, _number: int, _frame: object) -> None:
        self._stop_asked = True

    # --- ports ---

    @contextlib.contextmanager
    def _ports(self) -> Iterator[None]:
        try:
            for name, address in self._addresses.items():
                self._sockets[name] = bound(name, address)
            yield
        finally:
            for one in self._all_sockets():
                one.close()

    def _all_sockets(self) -> Iterator[socket.socket]:
        for sockets in self._sockets.values():
            yield from sockets

    def _close_doors(self) -> None:
        """Nobody lives who would accept: refuse, so that the PBX goes on at once, until a worker listens again."""
        for one in self._all_sockets():
            end_listening(one)


def end_listening(one: socket.socket) -> None:
    """Refuse connections from now on, and those that wait; the socket stays bound, and may listen again.

    Does nothing to a socket that does not listen: on Linux every connection that it accepts later would be read as
    ended. Where this is not Linux it goes on listening.
    """
    if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RD)


def bound(name: str, address: Address) -> list[socket.socket]:
    """Sockets bound to an address, not listening; to all that a name stands for, on the same port.

    Args:
        name: section of the settings, for what is said when it cannot be.
        address: host and port; port 0 takes a free one.

    Raises:
        ConfigError: the address or port cannot be used.
    """
    host, port = address
    found: list[socket.socket] = []
    try:
        for family, kind, proto, _, where in socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            one = socket.socket(family, kind, proto)
            found.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((where[0], port, *where[2:]))
            one.setblocking(False)
            if not port:
                # Bound to it by name, it is still ours after nobody has listened for a while.
                port = one.getsockname()[1]
                one.close()
                return bound(name, (host, port))
    except OSError as error:
        for one in found:
            one.close()
        raise ConfigError([_problem(error, name, f"{host}:{port}")]) from error
    return found


def _problem(error: OSError, name: str, where: str) -> Problem:
    if isinstance(error, socket.gaierror) or error.errno not in {errno.EADDRINUSE, errno.EACCES}:
        message = f"cannot listen: {error.strerror or error}"
        return Problem("", None, f"{name}.host", where, message, "an address of this machine")
    if error.errno == errno.EACCES:
        return Problem("", None, f"{name}.port", where, "no permission to listen", "a port above 1023")
    variable = f"IVRBOT_{name.upper()}__PORT"
    allowed = f"stop the program that holds it, or set {name}.port ({variable}) to a free one"
    return Problem("", None, f"{name}.port", where, "the port is in use", allowed)

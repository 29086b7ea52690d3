"""Which of several workers of one `serve` this process is, and what they share.

Takes the environment that the supervisor gave, gives a `Seat`; a process that nobody seated (the only worker, a
command, a test) has none. Read once and taken out of the environment: children of a worker are no workers.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

VARIABLE: Final = "_IVRBOT_SEAT"


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker's place among all of its machine.

    Attributes:
        number: from 1; whoever replaces a worker that ended gets his number.
        of: workers in all.
        node: the supervisor, unlike any other of any machine and any time.
        folder: of the workers only, gone with the supervisor; short, for names of sockets.
        web_fds: listening sockets of the web, bound but perhaps not listening yet.
        media_fds: the same of AudioSocket.
        control_fd: where the supervisor's words are read, a line each; see `ivrbot.cli.team`.
    """

    number: int
    of: int
    node: str
    folder: str
    web_fds: tuple[int, ...]
    media_fds: tuple[int, ...]
    control_fd: int

    @property
    def name(self) -> str:
        """Of this worker in the database."""
        return f"{self.node}/{self.number}"

    @property
    def metrics(self) -> Path:
        """Where the workers keep what they count, for whoever is asked for all of it."""
        return metrics_folder(self.folder)

    def share(self, whole: int) -> int:
        """This worker's part of something, rounded up, at least 1."""
        return max(1, -(-whole // self.of))

    def environment(self) -> dict[str, str]:
        """What the process must find in its environment."""
        return {VARIABLE: json.dumps(asdict(self)), "PROMETHEUS_MULTIPROC_DIR": str(self.metrics)}


def metrics_folder(folder: str) -> Path:
    """The folder of counts within the folder of the workers."""
    return Path(folder) / "metrics"


def seat_in(environ: Mapping[str, str]) -> Seat | None:
    """The seat that an environment names."""
    text = environ.get(VARIABLE)
    if not text:
        return None
    row = json.loads(text)
    return Seat(**{**row, "web_fds": tuple(row["web_fds"]), "media_fds": tuple(row["media_fds"])})


@cache
def seat_here() -> Seat | None:
    """This process's seat; None for the only worker."""
    seat = seat_in(os.environ)
    os.environ.pop(VARIABLE, None)
    return seat


def sockets_of(fds: Sequence[int]) -> list[socket.socket]:
    """Sockets that were handed down."""
    return [socket.socket(fileno=fd) for fd in fds]


async def accept_on(
    sockets: Sequence[socket.socket], protocol: Callable[[], asyncio.BaseProtocol], backlog: int
) -> list[asyncio.Server]:
    """Take connections of sockets that others take them from as well; closing the servers leaves these open.

    Args:
        sockets: bound; made to listen here if nobody does yet.
        protocol: makes one for each connection.
        backlog: connections that wait.
    """
    loop = asyncio.get_running_loop()
    return [await loop.create_server(protocol, sock=one.dup(), backlog=backlog) for one in sockets]

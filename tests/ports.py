"""Ports of this machine for the servers of tests.

A port that a test asks the system for, and gives back for its server to take, can be anybody's in between: the
system gives it to the next connection. So ports are counted through below those that it gives out by itself, in
blocks: a process holds a block's first port for as long as it lives, and so no other one takes from that block.
"""

from __future__ import annotations

import atexit
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Final

HOST: Final = "127.0.0.1"
BLOCK: Final = 200
FIRSTS: Final = (*range(2000, 6000, BLOCK), *range(6800, 12000, BLOCK))
"""Where blocks begin. From 12000 on telephones and Asterisk have their sound, from 6000 on SIPp unless told."""
STEP: Final = 4
"""A server that is given a port may take the three behind it too, as SIPp does for pictures."""


class Ports:
    """Free ports, none given twice until all have been.

    Args:
        firsts: first ports of the blocks to take from.
        size: of a block.
    """

    def __init__(self, firsts: Iterable[int] = FIRSTS, size: int = BLOCK) -> None:
        self._size = size
        self._firsts = iter(firsts)
        self._held = ExitStack()
        self._given: list[int] = []
        self._coming = self._count()

    def take(self) -> int:
        """A port of 127.0.0.1, for UDP and TCP, that nobody holds, and the three behind it.

        Raises:
            OSError: there is none.
        """
        for port in self._coming:
            if is_free(port):
                self._given.append(port)
                return port
        for number, port in enumerate(self._given):  # all have been given: the one that has been left longest
            if is_free(port):
                self._given.append(self._given.pop(number))
                return port
        raise OSError("no port is free")

    def close(self) -> None:
        """Leave the blocks to others."""
        self._held.close()

    def _count(self) -> Iterator[int]:
        for first in self._firsts:
            if self._hold(first):
                yield from range(first + STEP, first + self._size, STEP)

    def _hold(self, first: int) -> bool:
        mark = socket.socket()
        try:
            mark.bind((HOST, first))
        except OSError:
            mark.close()
            return False
        self._held.enter_context(mark)
        return True


def is_free(port: int) -> bool:
    """Whether a port and the three behind it can be had at every address of this machine."""
    with ExitStack() as probes:
        for number in range(port, port + STEP):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                try:
                    probes.enter_context(socket.socket(socket.AF_INET, kind)).bind(("", number))
                except OSError:
                    return False
    return True


_PORTS: Final = Ports()
atexit.register(_PORTS.close)


def free_port() -> int:
    """A port of this process; see `Ports.take`."""
    return _PORTS.take()

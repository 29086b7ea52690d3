"""The ports that workers share: bound once, closed while nobody takes calls, open again afterwards."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest

from ivrbot.cli.team import bound, end_listening
from ivrbot.errors import ConfigError

HOST = "127.0.0.1"
PATIENCE_S = 10.0


@pytest.fixture
def port() -> Iterator[socket.socket]:
    (one,) = bound("media", (HOST, 0))
    one.setblocking(True)
    one.settimeout(PATIENCE_S)
    yield one
    one.close()


def speaks(port: socket.socket) -> bool:
    """Whether what a caller says arrives, and nothing before he says it, not even an end."""
    with socket.create_connection(port.getsockname(), PATIENCE_S) as caller:
        taken, _ = port.accept()
        with taken:
            taken.setblocking(False)
            with pytest.raises(BlockingIOError):
                taken.recv(5)
            taken.settimeout(PATIENCE_S)
            caller.sendall(b"hello")
            return taken.recv(5) == b"hello"


def refuses(port: socket.socket) -> bool:
    try:
        socket.create_connection(port.getsockname(), PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a socket listens until it is closed")
def test_a_port_is_closed_and_opened_as_often_as_need_be(port: socket.socket) -> None:
    number = port.getsockname()[1]
    assert refuses(port)
    for _ in range(3):
        end_listening(port)  # once too often
        end_listening(port)
        assert refuses(port)
        port.listen(5)
        assert speaks(port)
    assert port.getsockname()[1] == number


def test_a_port_that_somebody_has_is_named(port: socket.socket) -> None:
    port.listen(1)
    with pytest.raises(ConfigError) as refused:
        bound("web", (HOST, port.getsockname()[1]))
    (problem,) = refused.value.problems
    assert (problem.path, problem.message) == ("web.port", "the port is in use")
    assert "IVRBOT_WEB__PORT" in problem.allowed


def test_no_address_of_this_machine_is_told_so() -> None:
    with pytest.raises(ConfigError) as refused:
        bound("media", ("192.0.2.1", 0))
    (problem,) = refused.value.problems
    assert problem.path == "media.host"

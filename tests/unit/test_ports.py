"""Ports for the servers of tests: each for one server only, whoever else asks."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest

from ivrbot.config import PROJECT_ROOT
from tests.ports import BLOCK, FIRSTS, HOST, STEP, Ports, free_port

FIRST_OF_THE_SYSTEM = 32768
SOUND = range(12000, 31000)
"""Of SIPp's crowds and of Asterisk."""


@pytest.fixture
def ports() -> Iterator[Ports]:
    found = Ports()
    yield found
    found.close()


def test_none_is_given_twice_and_none_is_the_systems_or_a_telephones(ports: Ports) -> None:
    given = [ports.take() for _ in range(3 * BLOCK // STEP)]  # more than two blocks hold
    assert len(set(given)) == len(given)
    assert max(given) + STEP < FIRST_OF_THE_SYSTEM
    assert not set(SOUND) & {port + more for port in given for more in range(STEP)}


@pytest.fixture
def few(ports: Ports) -> Iterator[Ports]:
    """Three ports, of a block that nobody else has, all free."""
    row = [ports.take() for _ in range(4)]
    while row[-1] - row[0] != 3 * STEP:
        row = [*row[1:], ports.take()]
    found = Ports([row[0]], size=4 * STEP)
    yield found
    found.close()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
@pytest.mark.parametrize("host", [HOST, "0.0.0.0", "127.0.0.2"])
@pytest.mark.parametrize("behind", [0, 2])
def test_one_that_somebody_holds_is_passed_over(
    few: Ports, kind: socket.SocketKind, host: str, behind: int
) -> None:
    first = few.take()
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind((host, first + STEP + behind))
        assert few.take() == first + 2 * STEP


def test_those_who_ask_beside_each_other_get_different_ones(ports: Ports) -> None:
    other = Ports()
    mine, others = ({one.take() for _ in range(BLOCK // 2)} for one in (ports, other))
    other.close()
    assert not mine & others


def test_another_process_gets_others() -> None:
    mine = {free_port() for _ in range(10)}
    code = "from tests.ports import free_port; print(*(free_port() for _ in range(10)))"
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    assert not mine & set(map(int, asked.stdout.split()))


def test_when_all_have_been_given_the_one_left_longest_comes_again(few: Ports) -> None:
    given = [few.take() for _ in range(3)]
    with socket.socket() as holder:
        holder.bind((HOST, given[0]))
        assert few.take() == given[1]
    assert few.take() == given[0]


def test_none_at_all_is_an_error() -> None:
    with pytest.raises(OSError, match="no port"):
        Ports([]).take()


def test_blocks_do_not_overlap() -> None:
    assert all(after - before >= BLOCK for before, after in pairwise(FIRSTS))

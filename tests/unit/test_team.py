"""Several tiny workers under one supervisor: who leads, who is replaced, who is killed, how all of them end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ivrbot.cli import roster, team
from ivrbot.cli.team import Team

PATIENCE_S = 30.0
HOST = ("127.0.0.1", 0)
WORKER = """
import json, os, select, signal, sys, time
seat = json.loads(os.environ['_IVRBOT_SEAT'])
number, control, heart = seat['number'], seat['control_fd'], int(os.environ['_IVRBOT_HEARTBEAT_FD'])
notes = os.open({notes!r}, os.O_WRONLY)
def note(text):
    os.write(notes, f'{{number}} {{text}}\\n'.encode())
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append('stop'))
note(f'up {{os.getpid()}}')
{begin}
while True:
    os.write(heart, b'd' if told else b'.')
    ready, _, _ = select.select([control], [], [], 0.02)
    if ready:
        for line in os.read(control, 4096).decode().split('\\n'):
            if line:
                note(line)
    if told and ({ends}):
        note('end')
        sys.exit(0)
"""


@pytest.fixture(autouse=True)
def own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The supervisor takes signals over; pauses between restarts are not waited for."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(roster, "BACKOFF_S", (0.0,))
    monkeypatch.setattr(team, "SLICE_S", 0.05)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Steps(threading.Thread):
    """Does one thing after another, each as soon as its condition holds; the last one stops the supervisor.

    Attributes:
        missed: numbers of conditions that never held.
    """

    def __init__(self, *acts: tuple[Callable[[], object], Callable[[], object]]) -> None:
        super().__init__()
        self._acts = acts
        self.missed: list[int] = []
        self.start()

    def run(self) -> None:
        ends_s = time.monotonic() + PATIENCE_S
        for number, (condition, act) in enumerate(self._acts):
            while not condition():
                if time.monotonic() > ends_s:
                    self.missed.append(number)
                    break
                time.sleep(0.01)
            act()

    def done(self) -> bool:
        """Whether all of it came to pass."""
        self.join()
        return not self.missed


class Notes:
    """What the workers have noted, and how to reach them; through a pipe, as none may wait for the disk."""

    def __init__(self, folder: Path, *, begin: str = "", ends: str = "True") -> None:
        pipe = folder / "notes"
        os.mkfifo(pipe)
        # Open at both ends as long as this object lives: no worker waits for a reader, nor is any told of an end.
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        weakref.finalize(self, os.close, self._pipe)
        self._read = b""
        self._reading = threading.Lock()
        self.script = folder / "worker.py"
        self.script.write_text(WORKER.format(notes=str(pipe), begin=textwrap.dedent(begin), ends=ends))

    def run(self, count: int = 2) -> int:
        return Team([sys.executable, "-S", "-E", str(self.script)], count, web=HOST, media=HOST).run()

    def lines(self) -> list[str]:
        with self._reading:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._read += os.read(self._pipe, 65536)
            return self._read.decode().splitlines()

    def pids(self, number: int) -> list[int]:
        return [int(line.split()[2]) for line in self.lines() if line.startswith(f"{number} up")]


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_first_leads_the_second_follows_and_both_stop_in_order(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    steps = Steps((lambda: "2 living 1,2" in notes.lines() and "1 living 1,2" in notes.lines(), stop))
    assert notes.run() == 0
    assert steps.done(), "\n".join(notes.lines())
    lines = notes.lines()
    assert lines.index("1 living 1") < lines.index("1 lead first") < lines.index("2 living 1,2")
    assert not any(line.startswith("2 lead") for line in lines[: lines.index("1 end")])
    assert {"1 end", "2 end"} <= set(lines)


def test_a_killed_leader_is_followed_by_the_other_and_replaced(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    steps = Steps(
        (lambda: "1 living 1,2" in notes.lines(), lambda: os.kill(notes.pids(1)[0], signal.SIGKILL)),
        (lambda: len(notes.pids(1)) == 2 and notes.lines().count("1 living 1,2") == 2, stop),
    )
    assert notes.run() == 0
    assert steps.done(), "\n".join(notes.lines())
    assert notes.lines().count("2 lead") == 1
    assert [line for line in notes.lines() if line.startswith("1 lead")][:1] == ["1 lead first"]


def test_one_that_is_told_to_stop_gives_the_lead_away_and_is_replaced(tmp_path: Path) -> None:
    notes = Notes(tmp_path, ends=f"os.path.exists({str(tmp_path / 'done')!r}) or number == 2")
    steps = Steps(
        (lambda: "1 living 1,2" in notes.lines(), lambda: os.kill(notes.pids(1)[0], signal.SIGTERM)),
        (lambda: "1 follow" in notes.lines() and "2 lead" in notes.lines(), (tmp_path / "done").touch),
        (lambda: len(notes.pids(1)) == 2 and notes.lines().count("1 living 1,2") == 2, stop),
    )
    assert notes.run() == 0
    assert steps.done(), "\n".join(notes.lines())


def test_a_frozen_worker_is_killed_and_the_other_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(tmp_path)
    steps = Steps(
        (lambda: "1 living 1,2" in notes.lines(), lambda: os.kill(notes.pids(2)[0], signal.SIGSTOP)),
        (lambda: len(notes.pids(2)) == 2, stop),
    )
    monkeypatch.setattr("ivrbot.cli.supervisor.SILENT_S", 0.5)
    with caplog.at_level(logging.ERROR, logger="ivrbot"):
        assert notes.run() == 0
    assert steps.done(), "\n".join(notes.lines())
    assert "worker 2 gave no sign of life" in caplog.text
    assert len(notes.pids(1)) == 1


def test_files_that_are_wrong_at_the_start_end_all(tmp_path: Path) -> None:
    assert Notes(tmp_path, begin="sys.exit(2)").run(3) == 2

"""A worker that gets no processor, among real processes: the supervisor leaves it alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivrbot.cli import supervisor
from ivrbot.cli.supervisor import HEARTBEAT_VARIABLE, Supervisor

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="priorities and processors are set as Linux does"),
]

WORKER = """
import os, sys, time
def beat():
    os.write(int(os.environ[{variable!r}]), b'.')
with open({starts!r}, 'a') as file:
    file.write('up ')
beat()
os.sched_setaffinity(0, {{{processor}}})
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
ends_s = time.process_time() + 0.005
while time.process_time() < ends_s:
    pass
beat()
"""
NEIGHBOUR = "import os\nos.sched_setaffinity(0, {{{processor}}})\nwhile 1: pass"


@pytest.fixture
def own_signals() -> Iterator[None]:
    """The supervisor takes signals over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_a_worker_that_gets_no_processor_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs only when nobody else wants to on its processor, where somebody always does."""
    monkeypatch.setattr(supervisor, "SILENT_S", 0.2)
    monkeypatch.setattr(supervisor, "STARVED_S", 1e6)
    processor, starts, script = min(os.sched_getaffinity(0)), tmp_path / "starts", tmp_path / "worker.py"
    script.write_text(WORKER.format(variable=HEARTBEAT_VARIABLE, starts=str(starts), processor=processor))
    python = [sys.executable, "-S", "-E"]
    with subprocess.Popen([*python, "-c", NEIGHBOUR.format(processor=processor)]) as neighbour:
        try:
            assert Supervisor([*python, str(script)]).run() == 0
        finally:
            neighbour.kill()
    assert starts.read_text().split() == ["up"]

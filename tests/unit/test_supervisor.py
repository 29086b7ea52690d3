"""The supervisor over tiny workers: what is restarted, what is killed, what is passed on."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ivrbot.cli import supervisor
from ivrbot.cli.process_state import Look, look_at
from ivrbot.cli.supervisor import (
    HEARTBEAT_VARIABLE,
    SILENT_S,
    SLICE_S,
    START_CPU_S,
    START_S,
    STARVED_S,
    Silence,
    Start,
    Supervisor,
    heartbeat_fd,
)

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The supervisor takes signals over; pauses between restarts are not waited for."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(supervisor, "BACKOFF_S", (0.0,))
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def worker(tmp_path: Path, body: str) -> list[str]:
    """A worker that writes its number (0, 1, ...) into `starts` and then does `body`; `beat()` beats."""
    script = tmp_path / "worker.py"
    head = f"""
    import os, signal, sys, time
    def beat():
        os.write(int(os.environ[{HEARTBEAT_VARIABLE!r}]), b'.')
    def note(text):
        with open({str(tmp_path / "starts")!r}, 'a') as file:
            file.write(text + ' ')
    with open({str(tmp_path / "starts")!r}, 'a+') as file:
        file.seek(0)
        number = len(file.read().split())
    """
    script.write_text(textwrap.dedent(head) + textwrap.dedent(body))
    return [sys.executable, "-S", "-E", str(script)]


def starts(tmp_path: Path) -> list[str]:
    path = tmp_path / "starts"
    return path.read_text().split() if path.exists() else []


def when(condition: object, act: object) -> threading.Thread:
    """Do something as soon as a condition holds, from another thread."""
    assert callable(condition) and callable(act)

    def watch() -> None:
        ends_s = time.monotonic() + PATIENCE_S
        while not condition() and time.monotonic() < ends_s:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("code", [0, 2, 3])
def test_an_end_that_starting_again_would_not_change_is_handed_on(tmp_path: Path, code: int) -> None:
    command = worker(tmp_path, f"note('up'); beat(); sys.exit({code})")
    assert Supervisor(command).run() == code
    assert starts(tmp_path) == ["up"]


def test_a_crashed_worker_is_replaced(tmp_path: Path) -> None:
    command = worker(tmp_path, "note('up'); beat(); sys.exit(0 if number == 2 else 1)")
    assert Supervisor(command).run() == 0
    assert starts(tmp_path) == ["up", "up", "up"]


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    body = """
    note('up')
    beat()
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert Supervisor(worker(tmp_path, body)).run() == 0
    assert starts(tmp_path) == ["up", "up"]


def test_a_worker_that_stops_beating_is_killed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = """
    note('up')
    beat()
    if number == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    """
    with caplog.at_level(logging.ERROR, logger="ivrbot"):
        assert Supervisor(worker(tmp_path, body)).run() == 0
    assert starts(tmp_path) == ["up", "up"]
    assert "no sign of life for 2 s" in caplog.text
    assert "ended with -9" in caplog.text


def slices(looks: Callable[[int], Look | None], most: int = 1000) -> float:
    """How long a silence lasts until the worker is killed; `most` slices when it is not."""
    silence = Silence()
    for number in range(most):
        if silence.goes_on(looks(number)):
            break
    return silence.lasts_s


@pytest.mark.parametrize(
    ("looks", "lasts_s"),
    [
        (lambda _: None, SILENT_S),
        (lambda _: Look(runnable=False, cpu_s=7.0), SILENT_S),
        (lambda n: Look(runnable=True, cpu_s=7.0 + n * SLICE_S), SILENT_S + SLICE_S),
        (lambda _: Look(runnable=True, cpu_s=7.0), STARVED_S),
    ],
    ids=["nothing is known", "stopped, or waiting for ever", "an endless loop", "no processor"],
)
def test_how_long_a_silence_may_last(looks: Callable[[int], Look | None], lasts_s: float) -> None:
    assert slices(looks) == pytest.approx(lasts_s, abs=3 * SLICE_S)


def test_an_endless_loop_on_a_crowded_machine_is_killed_in_between() -> None:
    assert SILENT_S < slices(lambda n: Look(runnable=True, cpu_s=n * SLICE_S / 4)) < STARVED_S


@pytest.mark.parametrize(
    ("looks", "lasts_s"),
    [
        (lambda _: None, START_S),
        (lambda _: Look(runnable=False, cpu_s=7.0), START_S),
        (lambda n: Look(runnable=True, cpu_s=n * SLICE_S), START_CPU_S),
        (lambda n: Look(runnable=n % 2 == 0, cpu_s=7.0), 2 * START_S),
    ],
    ids=["nothing is known", "waiting for ever", "an endless loop", "half of the time no processor"],
)
def test_how_long_a_start_may_last(looks: Callable[[int], Look | None], lasts_s: float) -> None:
    start = Start()
    assert any(start.goes_on(looks(number)) for number in range(20_000))
    assert start.lasts_s == pytest.approx(lasts_s, abs=3 * SLICE_S)


def test_training_on_a_crowded_machine_is_not_begun_anew() -> None:
    start = Start()
    quarter_of_an_hour = round(900 / SLICE_S)
    assert not any(start.goes_on(Look(runnable=True, cpu_s=n * SLICE_S / 10)) for n in range(quarter_of_an_hour))


@pytest.mark.parametrize(
    ("main", "other", "runnable"),
    [("S", "S", False), ("S", "R", True), ("D", "S", True), ("S", "D", False), ("T", "T", False)],
    ids=["all sleep", "one runs", "the loop waits for the disk", "only a helper does", "stopped"],
)
def test_who_could_run(tmp_path: Path, main: str, other: str, runnable: bool) -> None:
    for name, state in (("7", main), ("8", other)):
        task = tmp_path / "7" / "task" / name
        task.mkdir(parents=True)
        (task / "stat").write_text(f"{name} (python (3)) {state} " + "0 " * 10 + "100 50 0\n")
    (tmp_path / "7" / "stat").write_text(f"7 (python (3)) {main} " + "0 " * 10 + "100 50 0\n")
    look = look_at(7, tmp_path)
    assert look == Look(runnable, 150 / os.sysconf("SC_CLK_TCK"))


def running(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-E", "-c", code], stdout=subprocess.PIPE)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_sleeps_is_told_from_one_that_runs() -> None:
    sleeping = running("import time; print('on', flush=True); time.sleep(600)")
    spinning = running("print('on', flush=True)\nwhile 1: pass")
    with sleeping, spinning:
        try:
            for process in (sleeping, spinning):
                assert process.stdout is not None
                process.stdout.readline()
            ends_s = time.monotonic() + PATIENCE_S
            while (look := look_at(sleeping.pid)) and look.runnable and time.monotonic() < ends_s:
                time.sleep(0.01)
            first = look_at(spinning.pid)
            assert look is not None and not look.runnable
            assert first is not None and first.runnable
            while (later := look_at(spinning.pid)) and later.cpu_s <= first.cpu_s and time.monotonic() < ends_s:
                time.sleep(0.01)
            assert later is not None and later.cpu_s > first.cpu_s
            spinning.send_signal(signal.SIGSTOP)
            while (look := look_at(spinning.pid)) and look.runnable and time.monotonic() < ends_s:
                time.sleep(0.01)
            assert look is not None and not look.runnable
        finally:
            sleeping.kill()
            spinning.kill()
    assert look_at(spinning.pid) is None


def test_a_worker_that_beats_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SILENT_S", 1.0)
    body = """
    note('up')
    for _ in range(15):
        beat()
        time.sleep(0.1)
    """
    assert Supervisor(worker(tmp_path, body)).run() == 0
    assert starts(tmp_path) == ["up"]


def test_loading_may_take_longer_than_a_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SILENT_S", 0.1)
    assert Supervisor(worker(tmp_path, "note('up'); time.sleep(0.5); sys.exit(0)")).run() == 0
    assert starts(tmp_path) == ["up"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_passed_on_and_waited_for(tmp_path: Path, number: signal.Signals) -> None:
    body = """
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    note('up')
    while not stopped:
        beat()
        time.sleep(0.02)
    note('drained')
    """
    thread = when(lambda: starts(tmp_path) == ["up"], lambda: os.kill(os.getpid(), number))
    assert Supervisor(worker(tmp_path, body)).run() == 0
    thread.join()
    assert starts(tmp_path) == ["up", "drained"]


def test_a_stop_between_two_starts_starts_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "BACKOFF_S", (0.0, 0.0, 600.0))
    command = worker(tmp_path, "note('up'); beat(); sys.exit(1)")
    thread = when(
        lambda: len(starts(tmp_path)) == 2, lambda: (time.sleep(0.3), os.kill(os.getpid(), signal.SIGTERM))
    )
    assert Supervisor(command).run() == 0
    thread.join()
    assert starts(tmp_path) == ["up", "up"]


def test_without_a_supervisor_there_is_no_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEARTBEAT_VARIABLE, raising=False)
    assert heartbeat_fd() is None
    monkeypatch.setenv(HEARTBEAT_VARIABLE, "7")
    assert heartbeat_fd() == 7


def test_the_pipes_variable_is_no_setting(tmp_path: Path) -> None:
    from ivrbot.config import Settings, load_settings

    assert load_settings(tmp_path, {HEARTBEAT_VARIABLE: "7"}) == Settings()

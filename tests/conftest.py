"""For all tests: counts at the end, skips that fail where everything can be installed, no tasks left behind.

A disk that stalls or a processor that others use is no fault of what is tested: a deadline that a test does not
set itself is long.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import thread as thread_pool
from contextlib import nullcontext
from typing import Final

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from ivrbot.analytics import recorder
from ivrbot.storage.store import Store
from tests import caller_speech, lanes, trained
from tests.caller_processes import CallerProcesses

PATIENCE_S: Final = 60.0
"""For a disk; tests of a store's deadline give it one of their own."""
LEAK_TURNS: Final = 20
"""Turns of 10 ms that tasks have to end in, besides those in which a thread is at work that one may wait for."""

# How fast an example was, or was drawn, says what else the machine does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> lanes.Lanes | None:
    """Which process runs which test, where lanes are asked for; otherwise xdist's own way."""
    return lanes.Lanes(config, log) if lanes.in_use() else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In which order each lane runs its tests."""
    if lanes.in_use():
        lanes.order(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What computes lets the telephones go first."""
    if lanes.in_use():
        lanes.yield_processor(item)


@pytest.fixture(scope="session", autouse=True)
def patient_stores() -> Iterator[None]:
    """What is written or read comes to its end, however long the disk takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Store.__init__.__kwdefaults__, "deadline_s", PATIENCE_S)
        patch.setattr(recorder, "STORE_DEADLINE_S", PATIENCE_S)
        yield


@pytest.fixture(scope="session", autouse=True)
def callers_of_one_process() -> Iterator[None]:
    """Callers' words are made by voices that stay loaded."""
    voices = CallerProcesses()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caller_speech, "_speak", voices.speak)
        yield
    voices.close()


@pytest.fixture(scope="session", autouse=True)
def trained_once() -> Iterator[None]:
    """In lanes, where each test has what it needs of all that the others have trained."""
    with trained.once() if lanes.in_use() else nullcontext():
        yield


@pytest_asyncio.fixture(autouse=True)
async def no_leaked_tasks() -> AsyncIterator[None]:
    """Fail a test that leaves tasks running."""
    before = asyncio.all_tasks()
    yield
    turns, gives_up_s = 0, time.monotonic() + PATIENCE_S
    while left := _running(before):
        turns += not _thread_at_work()
        if turns > LEAK_TURNS or time.monotonic() > gives_up_s:
            raise AssertionError(f"tasks left running: {left}")
        await asyncio.sleep(0.01)


def _running(before: set[asyncio.Task[object]]) -> list[asyncio.Task[object]]:
    current = asyncio.current_task()
    return [task for task in asyncio.all_tasks() - before if not task.done() and task is not current]


def _thread_at_work() -> bool:
    """Whether a thread of a pool has something to do: an idle one waits in its `_worker` itself."""
    for innermost in sys._current_frames().values():
        callers = (frame.f_code for frame, _ in traceback.walk_stack(innermost.f_back))
        if thread_pool._worker.__code__ in callers:
            return True
    return False


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In continuous integration a skip is a failure: what was missing should have been installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter else 0
    if skipped and os.environ.get("TESTS_NO_SKIPS") and session.exitstatus == 0:
        reporter.write_line(f"{skipped} tests were skipped, which is a failure here", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many ran and how many were skipped."""
    counts = {kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "skipped")}
    terminalreporter.write_line(
        f"tests: {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"
    )

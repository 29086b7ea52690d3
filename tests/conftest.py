"""For all tests: counts at the end, skips that fail where everything can be installed, no tasks left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests import lanes


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> lanes.Lanes | None:
    """Which process runs which test, where lanes are asked for; otherwise xdist's own way."""
    return lanes.Lanes(config, log) if lanes.in_use() else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What computes lets the telephones go first."""
    if lanes.in_use():
        lanes.yield_processor(item)


@pytest_asyncio.fixture(autouse=True)
async def no_leaked_tasks() -> AsyncIterator[None]:
    """Fail a test that leaves tasks running."""
    before = asyncio.all_tasks()
    yield
    for _ in range(20):
        current = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() - before if not task.done() and task is not current]
        if not left:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"tasks left running: {left}")


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

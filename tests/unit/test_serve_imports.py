"""The supervisor must be up at once: what only the worker needs is not imported by it."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("aiohttp", "duckdb", "numpy", "onnxruntime", "sqlalchemy", "uvloop", "ivrbot.app", "ivrbot.worker")


def test_the_supervisor_imports_nothing_that_only_the_worker_needs() -> None:
    code = "import sys, ivrbot.cli.main, ivrbot.cli.serve; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(HEAVY).isdisjoint(told.stdout.split())
    assert "ivrbot.cli.supervisor" in told.stdout.split()

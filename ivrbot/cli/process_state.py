"""What the system says about a process: whether it could run, and how much it did.

Takes a process id, reads Linux's /proc (proc(5)); elsewhere nothing is known.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STATE, UTIME, STIME = 0, 11, 12
"""Fields of `/proc/PID/stat` after the name."""
RUNNABLE: Final = "R"
AT_THE_DISK: Final = "D"
PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Look:
    """A process at one moment.

    Attributes:
        runnable: a thread of it runs or waits for a processor, or the main one waits for the disk; False when all
            sleep or it is stopped.
        cpu_s: processor time used by all its threads since it began.
    """

    runnable: bool
    cpu_s: float


def look_at(pid: int, proc: Path = PROC) -> Look | None:
    """How a process stands; None when it is gone or this system does not tell."""
    folder = proc / str(pid)
    try:
        whole = _fields(folder / "stat")
        ticks = int(whole[UTIME]) + int(whole[STIME])
        threads = {task.name: _state(task / "stat") for task in (folder / "task").iterdir()}
    except (OSError, IndexError, ValueError):
        return None
    # The event loop lives in the main thread: a write to a log, or a page read again, can hold it up.
    runnable = RUNNABLE in threads.values() or threads.get(str(pid)) == AT_THE_DISK
    return Look(runnable, ticks / os.sysconf("SC_CLK_TCK"))


def _state(stat: Path) -> str:
    try:
        return _fields(stat)[STATE]
    except OSError:
        return ""  # that thread has just ended


def _fields(stat: Path) -> list[str]:
    """Everything after the name, which may itself contain blanks and brackets."""
    return stat.read_text("ascii", errors="replace").rpartition(")")[2].split()

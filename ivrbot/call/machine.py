"""What the system leaves to this process: memory and processors, within the limits of its container.

Takes nothing, reads Linux's /proc and control groups (version 2); elsewhere memory is not known and processors are
those of the machine.

Source: proc_meminfo(5); the kernel's admin-guide/cgroup-v2 (memory.max, memory.current, memory.stat, cpu.max).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

MEMINFO: Final = Path("/proc/meminfo")
CGROUP: Final = Path("/sys/fs/cgroup")


def free_bytes(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """Memory that can still be had without swapping; None where the system does not tell."""
    left = [one for one in (_available(_read(meminfo)), _left_in_group(cgroup)) if one is not None]
    return min(left, default=None)


def processors(cgroup: Path = CGROUP) -> float:
    """Processors that this process may use at the same time; a fraction where its container has a quota."""
    usable = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota, _, period = _read(cgroup / "cpu.max").partition(" ")
    try:
        return min(usable, int(quota) / int(period))
    except (ValueError, ZeroDivisionError):
        return usable


def _available(meminfo: str) -> int | None:
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _left_in_group(cgroup: Path) -> int | None:
    try:
        left = int(_read(cgroup / "memory.max")) - int(_read(cgroup / "memory.current"))
    except ValueError:
        return None  # no group, or one without a limit ("max")
    # Files that were read lately are counted as used, and given up when memory is needed.
    cached = dict(line.split() for line in _read(cgroup / "memory.stat").splitlines())
    return left + int(cached.get("inactive_file", 0))


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""

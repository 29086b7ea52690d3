"""Who goes first on a crowded machine: the event loop, then recognisers, last what is done beside calls.

Takes a thread, lowers it: the loop paces the sound of every call. Nobody is ever raised, so no rights are needed.
Source: sched(7) and setpriority(2), which on Linux take single threads.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Final

MODELS: Final = 3
"""Recognisers: half the share of the loop where there is not enough for both."""
BESIDE: Final = 10
"""Exports, reports, passwords, files: a tenth."""


def give_way(by: int) -> None:
    """Lower the calling thread, and those that it will start, by so many levels of niceness (1 to 19).

    Where threads have no priority of their own nothing happens.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + by)

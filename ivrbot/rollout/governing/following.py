"""The plan while the program runs: read again when its file changes, the old one kept when the new one is broken.

Takes a path, a loader and a store; gives the plan in force and what is wrong with the file.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from ivrbot.errors import ConfigError, StorageError
from ivrbot.rollout.governing.control import ControlStore, adopt
from ivrbot.rollout.planning.plan import Plan

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0


class PlanFollower:
    """Holds the plan in force.

    Args:
        path: rollout.yaml.
        plan: as read and adopted at the start.
        load: reads and checks the file, raising ConfigError.
        store: where a new plan is adopted.
        who: in whose name.
        now: aware clock.
    """

    def __init__(
        self,
        path: Path,
        plan: Plan,
        load: Callable[[Path], Plan],
        store: ControlStore,
        who: str,
        now: Callable[[], datetime],
    ) -> None:
        self._path = path
        self._plan = plan
        self._load = load
        self._store = store
        self._who = who
        self._now = now
        self._error = ""
        self._stamp = _stamp(path)
        self._hash = _hash(path)

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan

    @property
    def error(self) -> str:
        """What is wrong with the file as it is now, a problem a line; "" when it is the plan in force."""
        return self._error

    async def reload_if_changed(self) -> bool:
        """Look at the file, and bring it into force if it is new and right.

        Returns:
            Whether another plan is in force now.
        """
        stamp = await asyncio.to_thread(_stamp, self._path)
        if stamp == self._stamp and not self._error.startswith(_AWAY):
            return False
        content = await asyncio.to_thread(_hash, self._path)
        if content == self._hash and not self._error.startswith(_AWAY):
            self._stamp = stamp
            return False
        try:
            plan = await asyncio.to_thread(self._load, self._path)
            if plan.revision != self._plan.revision:
                await adopt(plan, self._store, self._who, self._now())
        except ConfigError as error:
            self._refuse(error)
        except StorageError as error:
            # Neither the file nor the plan is to blame: the next look tries again.
            self._error = f"{_AWAY}: {error.code}"
            return False
        else:
            changed = plan.revision != self._plan.revision
            self._plan, self._error = plan, ""
            self._stamp, self._hash = stamp, content
            if changed:
                log.warning("rollout: plan %s is in force", plan.revision)
            return changed
        self._stamp, self._hash = stamp, content
        return False

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look every `LOOK_S`; ends only by being cancelled."""
        while True:
            await sleep(LOOK_S)
            try:
                await self.reload_if_changed()
            except Exception:  # the plan in force stays in force, whatever is the matter with the file
                log.exception("rollout: the plan's file could not be looked at")

    def _refuse(self, error: ConfigError) -> None:
        self._error = str(error)
        for problem in error.problems:
            log.error("rollout: plan %s stays in force: %s", self._plan.revision, problem)


_AWAY: Final = "the store does not answer"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""

"""Whose a journal is, and what becomes of one whose owner does not come back.

Takes paths of journals, gives rights that end with the process that holds them, however it ends: a lock of the
operating system on a file beside the journal. Blocking calls are for threads.

Source: flock(2).
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from ivrbot.analytics.journal import EventJournal
from ivrbot.errors import IvrbotError, StorageUnavailable
from ivrbot.model.events import CallEvent
from ivrbot.ports import EventStore

log = logging.getLogger(__name__)

GROUP_EVENTS: Final = 500
LOOK_S: Final = 60.0
TRY_AGAIN_S: Final = 0.1


class JournalOwner:
    """The right to write a journal, and to clear it.

    Args:
        path: of the journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._held: int | None = None

    def take(self) -> bool:
        """Take the right; False while another process has it.

        Raises:
            OSError: the file cannot be made.
        """
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._held = descriptor
        return True

    async def wait(self) -> None:
        """Take it as soon as whoever is writing this journal's events to the store gives it back."""
        while not await asyncio.to_thread(self.take):  # noqa: ASYNC110 - another process gives it back
            await asyncio.sleep(TRY_AGAIN_S)

    def give_back(self) -> None:
        """Let another have it. Idempotent."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)


async def adopt_journals(store: EventStore, others: Callable[[], Iterable[Path]]) -> int:
    """Write what waits in journals that nobody owns to the store; gives how many events that were.

    Args:
        store: takes an event once, however often it is given.
        others: the journals that there are, without this process's own.

    Raises:
        StorageUnavailable: the rest waits on.
        OSError: a journal cannot be read.
    """
    adopted = 0
    for path in await asyncio.to_thread(lambda: list(others())):
        owner = JournalOwner(path)
        if not await asyncio.to_thread(owner.take):
            continue
        try:
            adopted += await _replay(store, EventJournal(path))
        finally:
            owner.give_back()
    return adopted


async def keep_adopting(store: EventStore, others: Callable[[], Iterable[Path]]) -> None:
    """Look for such journals now and then; until cancelled."""
    while True:
        try:
            if adopted := await adopt_journals(store, others):
                log.warning("%d events of a worker that is gone were written to the store", adopted)
        except (StorageUnavailable, OSError) as error:
            log.warning("journals of workers that are gone wait: %s", error)
        await asyncio.sleep(LOOK_S)


async def _replay(store: EventStore, journal: EventJournal) -> int:
    offset = written = 0
    while journal.pending():
        events, end, torn = await asyncio.to_thread(journal.read, offset, GROUP_EVENTS)
        if torn:
            log.warning("%d torn lines of a journal are skipped", torn)
        if end == offset:
            break
        await _store(store, events)
        offset, written = end, written + len(events)
    await asyncio.to_thread(journal.clear)
    return written


async def _store(store: EventStore, events: list[CallEvent]) -> None:
    """A group at once; an event that the store refuses for what it is must not hold up the others."""
    try:
        await store.append(events)
    except StorageUnavailable:
        raise
    except (IvrbotError, ValueError):
        for event in events:
            try:
                await store.append([event])
            except StorageUnavailable:
                raise
            except (IvrbotError, ValueError):
                log.exception("event %s/%d of a journal was refused", event.call_id, event.seq)

"""The only writer of events.

Takes facts of calls, returns at once; writes them in groups to the store, or to a local journal while the store is
away, from where they are written later: none lost, none twice ((call_id, seq) is unique in the store).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ivrbot import metrics
from ivrbot.analytics.journal import EventJournal
from ivrbot.analytics.subscription import Subscription
from ivrbot.errors import StorageUnavailable
from ivrbot.logs import mask_line
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.ports import EventStore

log = logging.getLogger(__name__)

GROUP_EVENTS = 50
GROUP_S = 0.02
QUEUE_EVENTS = 10_000
STORE_EVENTS = 500
BEHIND_EVENTS = 2_500
REPLAY_EVENTS = 1_000
RETRY_S = 1.0
STORE_DEADLINE_S = 5.0
REMEMBERED_CALLS = 20_000


class Recorder:
    """Numbers, masks, shows and stores events.

    The queue holds 10,000 events (45 s of 1,000 calls); while neither store nor journal takes any, further ones
    are dropped and counted, which the gap in `seq` shows for good.

    Attributes:
        dropped: events lost because queue, store and journal were all unable to take them.
        rejected: events that the store refused for what they are.
        journalled: events that went through the journal.
        skipped: torn journal lines met so far.
    """

    def __init__(
        self,
        store: EventStore,
        journal_path: Path,
        clock: Callable[[], datetime],
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._store = store
        self._journal = EventJournal(journal_path)
        self._clock = clock
        self._retry_s = retry_s
        self._queue: deque[CallEvent] = deque()
        self._next_seq: OrderedDict[CallId, int] = OrderedDict()
        self._subscriptions: list[Subscription] = []
        self._tell: Callable[[CallEvent], None] = lambda _: None
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._stop = asyncio.Event()
        self._accepted = 0
        self._kept = 0
        self._flushes: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._replayed_to = 0
        self._store_down_until = -math.inf
        self._storing = True
        self.dropped = 0
        self.rejected = 0
        self.journalled = 0
        self.skipped = 0

    @property
    def storing(self) -> bool:
        """Whether the last group went into the store, and not only into the journal.

        What went there is tried again every second, so that a store that is back is noticed without a call.
        """
        return self._storing

    @property
    def waiting(self) -> int:
        """Events that are on no disk yet."""
        return len(self._queue)

    def journal_bytes(self) -> int:
        """Size of the journal, 0 without one."""
        return self._journal.size_bytes()

    # --- for calls ------------------------------------------------------------------------------------

    def emit(
        self, call_id: CallId, type: EventType, t_ms: int, data: Mapping[str, Any] | None = None
    ) -> CallEvent:
        """Record a fact; returns at once and never raises.

        Args:
            call_id: of the call; one that this process did not begin needs `resume` first.
            type: kind of event.
            t_ms: since the call started.
            data: JSON-able details; runs of ten or more digits are masked here as a last defence.

        Returns:
            The event as it will be stored.
        """
        seq = self._next_seq.get(call_id, 0)
        self._remember(call_id, seq + 1)
        event = CallEvent(call_id, seq, type, t_ms, self._clock(), _masked_map(data or {}))
        if len(self._queue) >= QUEUE_EVENTS:
            self.dropped += 1
            metrics.EVENTS_LOST.labels("dropped").inc()
            if self.dropped == 1:
                log.error("events are being dropped: neither store nor journal takes them")
        else:
            self._queue.append(event)
            self._accepted += 1
            self._news.set()
            if len(self._queue) >= GROUP_EVENTS:
                self._hurry.set()
        self.show(event)
        self._tell(event)
        return event

    def pass_on(self, tell: Callable[[CallEvent], None]) -> None:
        """Tell other workers' views of every event from now on; `tell` returns at once and never raises."""
        self._tell = tell

    def show(self, event: CallEvent) -> None:
        """Show live views here an event that is stored by whoever has emitted it."""
        for subscription in tuple(self._subscriptions):
            subscription.put(event)

    async def resume(self, call_id: CallId) -> None:
        """Continue the numbering of a call that an earlier process began.

        Raises:
            StorageUnavailable: the store cannot tell where the numbering stands.
        """
        if call_id in self._next_seq:
            return
        if self._journal.pending():
            await self._replay_all()
        events = await self._store.of_call(call_id)
        self._remember(call_id, max(self._next_seq.get(call_id, 0), events[-1].seq + 1 if events else 0))

    def subscribe(self, call_id: CallId | None = None) -> Subscription:
        """Events from now on, of one call or of all. Past ones are in the store; `seq` tells where they meet."""
        subscription = Subscription(call_id, self._subscriptions.remove)
        self._subscriptions.append(subscription)
        return subscription

    def _remember(self, call_id: CallId, seq: int) -> None:
        self._next_seq[call_id] = seq
        self._next_seq.move_to_end(call_id)
        if len(self._next_seq) > REMEMBERED_CALLS:
            self._next_seq.popitem(last=False)

    # --- for the process ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start writing; what an earlier process left in the journal is written first."""
        if self._task is None:
            if self._journal.pending():
                self._news.set()
            self._task = asyncio.create_task(self._run(), name="recorder")

    async def flush(self) -> None:
        """Wait until everything emitted so far is on a disk (store or journal), however long that takes."""
        if self._task is not None and self._queue:
            flushed = asyncio.get_running_loop().create_future()
            self._flushes.append((self._accepted, flushed))
            self._hurry.set()
            self._news.set()
            await flushed

    async def close(self, timeout_s: float = 10.0) -> None:
        """Write what is queued and stop. Idempotent; live views end."""
        if self._task is None:
            return
        self._stop.set()
        self._hurry.set()
        self._news.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._task
        finally:
            self._task = None
            if self._queue:
                log.error("closed with %d events on no disk", len(self._queue))
            for _, flushed in self._flushes:
                flushed.cancel()
            for subscription in tuple(self._subscriptions):
                subscription.close()

    async def __aenter__(self) -> Recorder:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- writing --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Until closed: one group, then a stretch of the journal, then wait for more."""
        while True:
            try:
                kept = await self._write_group()
                moved = await self._replay_group()
            except Exception:  # events wait in the queue; a writer that has ended would never write them
                log.exception("the recorder failed")
                kept = moved = False
            if self._stop.is_set() and (not self._queue or not kept):
                return
            if not kept:
                await _wait(self._stop, self._retry_s)
            elif not self._queue and not moved:
                await self._wait_for_news()

    async def _wait_for_news(self) -> None:
        """Sleep until there is something to do, then 20 ms more for others to join the group."""
        self._hurry.clear()
        self._news.clear()
        if self._stop.is_set():
            return
        if await _wait(self._news, self._retry_s if self._journal.pending() else None):
            await _wait(self._hurry, GROUP_S)

    async def _write_group(self) -> bool:
        """Bring the oldest events to a disk; False when none would take them (they stay queued)."""
        group = self._oldest(STORE_EVENTS)
        # A store that is slow, or costs its deadline each second, must not let the queue run full: the journal's
        # groups are as large as the queue, so that one wait for the disk takes everything.
        behind = len(self._queue) >= BEHIND_EVENTS
        if group and (behind or not await self._to_store(group)):
            group = self._oldest(QUEUE_EVENTS)
            if not await self._to_journal(group):
                return False
        for _ in group:
            self._queue.popleft()
        self._kept += len(group)
        while self._flushes and self._flushes[0][0] <= self._kept:
            _, flushed = self._flushes.popleft()
            if not flushed.done():
                flushed.set_result(None)
        return True

    def _oldest(self, most: int) -> list[CallEvent]:
        return list(islice(self._queue, most))

    async def _to_store(self, events: Sequence[CallEvent]) -> bool:
        loop = asyncio.get_running_loop()
        if loop.time() < self._store_down_until:
            return False
        try:
            async with asyncio.timeout(STORE_DEADLINE_S):
                await self._store.append(events)
        except (StorageUnavailable, TimeoutError) as error:
            log.warning("the store takes no events (%s): they go to the journal", error or "too slow")
            self._store_down_until = loop.time() + self._retry_s
            self._storing = False
            return False
        except Exception:  # a group must not be lost, nor stop the writer, for one event in it
            log.exception("the store refused a group of %d events", len(events))
            self._storing = await self._one_by_one(events)
            return self._storing
        self._storing = True
        return True

    async def _one_by_one(self, events: Sequence[CallEvent]) -> bool:
        for event in events:
            try:
                await self._store.append([event])
            except StorageUnavailable:
                return False
            except Exception:  # the event's own fault, whatever the store calls it
                self.rejected += 1
                metrics.EVENTS_LOST.labels("rejected").inc()
                log.exception("event %s/%d was refused", event.call_id, event.seq)
        return True

    async def _to_journal(self, events: Sequence[CallEvent]) -> bool:
        try:
            await asyncio.to_thread(self._journal.append, events)
        except OSError as error:
            log.error("the journal takes no events: %s", error.strerror)
            return False
        self.journalled += len(events)
        return True

    async def _replay_group(self) -> bool:
        """Move a stretch of the journal into the store; False when there is nothing to move, or nowhere to."""
        if not self._journal.pending() or asyncio.get_running_loop().time() < self._store_down_until:
            return False
        if len(self._queue) >= STORE_EVENTS:
            return True  # what happens now comes first
        try:
            events, offset, torn = await asyncio.to_thread(self._journal.read, self._replayed_to, REPLAY_EVENTS)
        except OSError as error:
            log.error("the journal cannot be read: %s", error.strerror)
            self._store_down_until = asyncio.get_running_loop().time() + self._retry_s
            return False
        if events and not await self._to_store(events):
            return False
        if offset > self._replayed_to:
            self._replayed_to = offset
            self.skipped += torn
        else:  # the end: nobody else appends, this task is the only one
            self._journal.clear()
            self._replayed_to = 0
        return True

    async def _replay_all(self) -> None:
        while self._journal.pending():
            self._hurry.set()
            self._news.set()
            if asyncio.get_running_loop().time() < self._store_down_until or self._task is None:
                raise StorageUnavailable("the journal is not written to the store yet")
            await asyncio.sleep(GROUP_S)


async def _wait(event: asyncio.Event, timeout_s: float | None) -> bool:
    """Whether the event was set in time."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _masked_map(data: Mapping[str, Any]) -> dict[str, JsonValue]:
    """JSON-able copy without long digit runs; whatever is not JSON becomes its text."""
    return {_masked_text(str(key)): _masked(value) for key, value in data.items()}


def _masked(value: Any) -> JsonValue:
    if isinstance(value, str):
        return _masked_text(str(value))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Money in minor units stays; telephone (11) and card numbers (16 digits) do not.
        return int(value) if abs(value) < 10**10 else "***"
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _masked_map(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return _masked_text(str(value))


def _masked_text(text: str) -> str:
    return mask_line(text.encode("utf-8", "replace").decode())

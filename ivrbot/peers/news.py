"""What workers tell each other: events of calls, dossiers, and what each has to do.

Takes the parts of a worker that have news, puts them on the bus; shows what comes from others on the pages of this
one, and knows what all have to do together.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ivrbot.analytics.journal import event_of, line_of
from ivrbot.analytics.recorder import Recorder
from ivrbot.errors import StorageError
from ivrbot.model.call import CallId, Dossier
from ivrbot.model.events import CallEvent, EventType
from ivrbot.operators.desk import OperatorDesk
from ivrbot.peers.balance import Load
from ivrbot.peers.bus import Bus
from ivrbot.seat import Seat
from ivrbot.storage.store import Store

log = logging.getLogger(__name__)

SAY_AGAIN_S: Final = 0.5
EVENT, DOSSIER, LOAD = b"e", b"d", b"l"
GONE: Final = "worker_gone"
"""Reason that pages show for a call whose worker died."""


class News:
    """One worker's news and what it knows of the others.

    Args:
        seat: of this process.
        store: where dossiers are read that others have stored.
        recorder: of this worker's events.
        desk: its operators' screens.
        own: what it has to do now.
        heard: called when another has said something of itself.
    """

    def __init__(
        self,
        seat: Seat,
        store: Store,
        recorder: Recorder,
        desk: OperatorDesk,
        own: Callable[[], Load],
        heard: Callable[[], None],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._desk = desk
        self._own = own
        self._heard = heard
        self._bus = Bus(seat, self._hear, lambda: [self._load()])
        self._loads: dict[int, Load] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def loads(self) -> Mapping[int, Load]:
        """What the others have to do, as last heard, by their numbers."""
        return self._loads

    def live(self) -> set[str]:
        """Ids of calls in other workers."""
        return {call for load in self._loads.values() for call in load.live}

    def held(self) -> set[tuple[str, str]]:
        """Places with the bot that other workers hold."""
        return {place for load in self._loads.values() for place in load.held}

    async def open(self) -> None:
        """Hear and tell from now on."""
        await self._bus.open()
        self._recorder.pass_on(lambda event: self._bus.tell(EVENT + line_of(event).rstrip(b"\n")))
        self._desk.pass_on(self._tell_dossier)

    async def run(self) -> None:
        """Keep in touch; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bus.run(), name="bus")
            while True:
                self._changed.clear()
                self._bus.tell(self._load())
                try:
                    async with asyncio.timeout(SAY_AGAIN_S):
                        await self._changed.wait()
                except TimeoutError:
                    pass

    def say(self) -> None:
        """What this worker has to do has changed."""
        self._changed.set()

    async def gone(self, number: int) -> None:
        """A worker has ended: its calls are shown as ended as well."""
        load = self._loads.pop(number, Load())
        for call in load.live:
            try:
                events = await self._store.of_call(CallId(call))
            except StorageError:
                continue
            if events and events[-1].type is not EventType.CALL_ENDED:
                last = events[-1]
                data = {"disposition": "failed", "reason": GONE}
                ended = CallEvent(last.call_id, last.seq + 1, EventType.CALL_ENDED, last.t_ms, last.at, data)
                self._recorder.show(ended)

    def _load(self) -> bytes:
        own = self._own()
        row = {"live": own.live, "held": own.held, "able": own.able}
        return LOAD + json.dumps(row, separators=(",", ":")).encode()

    def _tell_dossier(self, dossier: Dossier, channels: Sequence[str]) -> None:
        row = {"dossier": dossier.dossier_id, "channels": list(channels)}
        self._bus.tell(DOSSIER + json.dumps(row, separators=(",", ":")).encode())

    def _hear(self, number: int, line: bytes) -> None:
        kind, rest = line[:1], line[1:]
        if kind == EVENT:
            if (event := event_of(rest)) is not None:
                self._recorder.show(event)
        elif kind == LOAD:
            row = json.loads(rest)
            held = tuple((str(call), str(branch)) for call, branch in row["held"])
            self._loads[number] = Load(tuple(row["live"]), held, bool(row["able"]), time.monotonic())
            self._heard()
        elif kind == DOSSIER:
            row = json.loads(rest)
            reading = self._show_dossier(str(row["dossier"]), [str(one) for one in row["channels"]])
            task = asyncio.get_running_loop().create_task(reading, name="dossier")
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _show_dossier(self, dossier_id: str, channels: Sequence[str]) -> None:
        try:
            dossier = await self._store.dossier(dossier_id)
        except StorageError as error:
            log.warning("a dossier of another worker cannot be shown: %s", error.code)
            return
        if dossier is not None:
            self._desk.show(dossier, channels)

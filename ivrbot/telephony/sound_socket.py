"""A WebSocket with sound both ways: bounded in, paced out, and one end, whoever ends it.

What every leg over a WebSocket does alike, whatever else travels on it. Source: RFC 6455.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Final

from aiohttp import web

from ivrbot.media.framing import Framer
from ivrbot.metrics import FRAMES_DROPPED, LEGS_CLOSED
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Frame
from ivrbot.model.call import CallId
from ivrbot.ports import CallDoor, MediaSink
from ivrbot.telephony.allowance import Allowance
from ivrbot.telephony.outbox import Outbox
from ivrbot.telephony.pacer import PacedLeg, Pacer

INBOUND_BURST_FRAMES: Final = 50
"""Sound may run ahead of real time by this much; of more, the newest is dropped."""
MAX_MESSAGES_AT_ONCE: Final = 500
CLOSE_S: Final = 2.0

_SOUND_BYTES_PER_S: Final = FRAME_BYTES * 1000 / FRAME_MS
_MESSAGES_PER_S: Final = 250.0
_PARTED: Final = frozenset({None, 1000, 1001, 1005})
"""Close codes of a peer that ended the call (RFC 6455, section 7.4.1)."""
_log = logging.getLogger(__name__)


class SoundSocket:
    """The socket and what waits for it on both sides; belongs to the event loop.

    Args:
        ws: prepared.
        transport: of its connection, None when that is gone already.
        pacer: the clock of all outbound sound.

    Attributes:
        call_id: "" until a leg was let in.
        cause: why the leg ended, "" before.
    """

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None, pacer: Pacer) -> None:
        self.call_id = CallId("")
        self.cause = ""
        self._outbox = Outbox(ws, transport)
        self._ws = ws
        self._pacer = pacer
        self._loop = asyncio.get_running_loop()
        self._sink: MediaSink | None = None
        self._paced: PacedLeg | None = None
        self._framer = Framer()
        self._lost = 0
        now_s = self._loop.time()
        self._sound = Allowance(INBOUND_BURST_FRAMES * FRAME_BYTES, _SOUND_BYTES_PER_S, now_s)
        self._messages = Allowance(MAX_MESSAGES_AT_ONCE, _MESSAGES_PER_S, now_s)

    @property
    def sink(self) -> MediaSink | None:
        """Who hears the caller; None before a leg was let in, and after it has ended."""
        return None if self.cause else self._sink

    @property
    def was_let_in(self) -> bool:
        """Whether there has been a leg at all."""
        return self._sink is not None

    @property
    def dropped(self) -> Mapping[str, int]:
        """Frames left out by policy, by side."""
        return {"inbound": self._lost, "outbound": self._outbox.dropped}

    def _let_in(self, door: CallDoor, play: Callable[[Frame], object]) -> None:
        """Bring the leg to the door; from then on it is asked for sound every 20 ms.

        Raises:
            LegRefused: the door does not take it.
        """
        self._sink = door.admit(self)
        if not self.cause:
            self._paced = self._pacer.add(self._sink.next_frame, play)

    def close(self) -> None:
        """End the leg politely; see `ports.Leg`."""
        self.end("closed")

    def end(self, cause: str) -> None:
        """End the leg once; `on_closed` follows in the loop's next round."""
        if self.cause:
            return
        self.cause = cause
        if self._paced:
            self._pacer.remove(self._paced)
        self._loop.call_soon(self._report)  # never from within a call of the sink

    def leave(self) -> None:
        """Let go of the peer once what waits for it is written."""
        self._outbox.finish()

    def notify(self, message: dict[str, object]) -> None:
        """Tell a screen something; see `ports.Leg`. Most peers have none."""

    def _report(self) -> None:
        if self._sink:
            LEGS_CLOSED.labels(self.cause).inc()
            self._sink.on_closed(self.cause)

    def _may_speak(self) -> bool:
        """Whether one more message is bearable; False is the end of a peer."""
        return self._messages.take(1, self._loop.time())

    def _takes(self, pcm: bytes) -> bool:
        """Whether sound may come now; what runs too far ahead of real time is counted as lost."""
        if self._sound.take(len(pcm), self._loop.time()):
            return True
        lost = max(1, len(pcm) // FRAME_BYTES)
        FRAMES_DROPPED.labels("inbound").inc(lost)
        self._lost += lost
        return False

    def _hear(self, pcm: bytes) -> None:
        """Hand 8 kHz PCM16 on, in frames."""
        if self.sink is not None:
            for frame in self._framer.feed(pcm):
                self.sink.on_frame(frame)

    async def _run(self, name: str, *work: Coroutine[None, None, None]) -> None:
        """Write, and do the work, until the first of all is over; then end the leg and close the socket.

        Args:
            name: of the kind of connection, for tasks and the log.
            work: at least what reads.
        """
        writer = asyncio.create_task(self._outbox.run(), name=f"{name}-write")
        tasks = [asyncio.create_task(one, name=name) for one in work]
        everything = (*tasks, writer)
        try:
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.end("hangup" if self._ws.close_code in _PARTED else "connection_lost")
            self.leave()
            try:
                async with asyncio.timeout(CLOSE_S):
                    await asyncio.gather(writer, return_exceptions=True)
                    await self._ws.close()
            except TimeoutError:
                self._outbox.abort()
            for task in everything:
                task.cancel()
            for result in await asyncio.gather(*everything, return_exceptions=True):
                if isinstance(result, Exception):
                    _log.error("a connection of kind %s broke", name, exc_info=result)

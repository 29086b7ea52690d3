"""One leg over a media WebSocket, whatever its dialect: sound paced out and bounded in, keys, marks, one end.

Takes a prepared aiohttp WebSocket and a dialect, gives the call door a `Leg` and drives its `MediaSink`. A peer
that queues what it gets plays late once either side was held up, and stays late; so a mark goes out every second,
and when its echo comes later than the promptest one of the call, the peer is made to drop what it holds: at the
next silence, or at once when it is too far behind to talk with.

Source: RFC 6455.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import WSMsgType, web

from ivrbot.errors import LegRefused, ProtocolError
from ivrbot.logs import call_id_var
from ivrbot.media.framing import Framer
from ivrbot.metrics import FRAMES_DROPPED, LEGS_CLOSED, LEGS_REFUSED
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, SILENCE, Frame
from ivrbot.model.call import CallId
from ivrbot.ports import CallDoor, MediaSink
from ivrbot.telephony.allowance import Allowance
from ivrbot.telephony.outbox import Outbox
from ivrbot.telephony.pacer import PacedLeg, Pacer
from ivrbot.telephony.wire.media_messages import Began, Dialect, Ended, KeyPress, MediaMessage, Played, Sound

IDENTIFY_S: Final = 5.0
"""The peer must have said which call it brings by then."""
MAX_MESSAGE_BYTES: Final = 32 * 1024
INBOUND_BURST_FRAMES: Final = 50
"""Sound may run ahead of real time by this much; of more, the newest is dropped."""
MAX_MESSAGES_AT_ONCE: Final = 500
MARK_EVERY_FRAMES: Final = 50
LATE_FRAMES: Final = 5
"""100 ms behind: dropped at the next silence."""
TOO_LATE_FRAMES: Final = 25
"""500 ms behind: dropped at once."""
CLOSE_S: Final = 2.0

_SOUND_BYTES_PER_S: Final = FRAME_BYTES * 1000 / FRAME_MS
_MESSAGES_PER_S: Final = 250.0
_PARTED: Final = frozenset({None, 1000, 1001, 1005})
"""Close codes of a peer that ended the call (RFC 6455, section 7.4.1)."""
_log = logging.getLogger(__name__)

Identify = Callable[[Began], CallId]
"""Which call a peer brings. Raises LegRefused when it is none of ours."""


class SocketLeg:
    """See `ports.Leg`. Made for one connection, served once.

    Args:
        ws: prepared.
        transport: of its connection, None when that is gone already.
        dialect: of this connection.
        door: decides about the leg.
        pacer: the clock of all outbound sound.
        identify: turns the peer's first words into a call.
    """

    def __init__(
        self,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        dialect: Dialect,
        door: CallDoor,
        pacer: Pacer,
        identify: Identify,
    ) -> None:
        self._ws = ws
        self._dialect = dialect
        self._door = door
        self._pacer = pacer
        self._identify = identify
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(ws, transport)
        self._call_id = CallId("")
        self._sink: MediaSink | None = None
        self._paced: PacedLeg | None = None
        self._cause = ""
        self._framer = Framer()
        self._lost_inbound = 0
        self._lag = _Lag()
        now_s = self._loop.time()
        self._sound = Allowance(INBOUND_BURST_FRAMES * FRAME_BYTES, _SOUND_BYTES_PER_S, now_s)
        self._messages = Allowance(MAX_MESSAGES_AT_ONCE, _MESSAGES_PER_S, now_s)

    @property
    def call_id(self) -> CallId:
        return self._call_id

    @property
    def dropped(self) -> Mapping[str, int]:
        return {"inbound": self._lost_inbound, "outbound": self._outbox.dropped + self._lag.dropped}

    def close(self) -> None:
        if not self._cause and (polite := self._dialect.hang_up()) is not None:
            self._outbox.tell(polite)
        self.end("closed")

    def notify(self, message: dict[str, object]) -> None:
        """A PBX has no screen."""

    async def serve(self) -> None:
        """Read and write until either side ends the leg."""
        reader = asyncio.create_task(self._read(), name="media-read")
        writer = asyncio.create_task(self._outbox.run(), name="media-write")
        late = self._loop.call_later(IDENTIFY_S, self._not_identified)
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            late.cancel()
            self.end("hangup" if self._ws.close_code in _PARTED else "connection_lost")
            try:
                async with asyncio.timeout(CLOSE_S):
                    await asyncio.gather(writer, return_exceptions=True)
                    await self._ws.close()
            except TimeoutError:
                self._outbox.abort()
            for task in (reader, writer):
                task.cancel()
            for result in await asyncio.gather(reader, writer, return_exceptions=True):
                if isinstance(result, Exception):
                    _log.error("a media connection broke", exc_info=result)

    def end(self, cause: str) -> None:
        """End the leg once; `on_closed` follows in the loop's next round."""
        if self._cause:
            return
        self._cause = cause
        if self._paced:
            self._pacer.remove(self._paced)
        self._outbox.finish()
        self._loop.call_soon(self._report)  # never from within a call of the sink

    def _report(self) -> None:
        if self._sink:
            LEGS_CLOSED.labels(self._cause).inc()
            self._sink.on_closed(self._cause)

    def _not_identified(self) -> None:
        if self._sink is None and not self._cause:
            LEGS_REFUSED.labels("unidentified").inc()
            self.end("refused")

    # --- from the peer ---

    async def _read(self) -> None:
        async for message in self._ws:
            if self._cause:
                return
            if not self._messages.take(1, self._loop.time()):
                self._broken(f"more than {MAX_MESSAGES_AT_ONCE} messages at once")
                return
            if message.type not in {WSMsgType.BINARY, WSMsgType.TEXT}:
                continue
            try:
                for item in self._dialect.parse(message.data):
                    self._take(item)
            except ProtocolError as error:
                self._broken(str(error))
                return

    def _take(self, item: MediaMessage) -> None:
        match item:
            case Sound():
                self._hear(item.pcm)
            case KeyPress():
                if self._sink and not self._cause:
                    self._sink.on_key(item.key)
            case Played():
                self._lag.played(item.mark)
            case Began():
                self._begin(item)
            case Ended():
                self.end("hangup")

    def _begin(self, began: Began) -> None:
        if self._sink is not None:
            raise ProtocolError("a second start")
        try:
            self._call_id = self._identify(began)
            call_id_var.set(self._call_id)
            self._sink = self._door.admit(self)
        except LegRefused as error:
            _log.warning("leg refused: %s", error)
            LEGS_REFUSED.labels("door").inc()
            self.end("refused")
            return
        self._paced = self._pacer.add(self._sink.next_frame, self._play)

    def _hear(self, pcm: bytes) -> None:
        if not self._sound.take(len(pcm), self._loop.time()):
            lost = max(1, len(pcm) // FRAME_BYTES)
            FRAMES_DROPPED.labels("inbound").inc(lost)
            self._lost_inbound += lost
        elif self._sink and not self._cause:
            for frame in self._framer.feed(pcm):
                self._sink.on_frame(frame)

    def _broken(self, what: str) -> None:
        _log.warning("media connection closed: %s", what)
        self.end("protocol_error")

    # --- to the peer ---

    def _play(self, frame: Frame) -> None:
        if self._lag.must_clear(frame == SILENCE):
            self._outbox.tell(self._dialect.clear())
        if self._outbox.play(self._dialect.sound(frame)) and (mark := self._lag.sent()):
            self._outbox.tell(self._dialect.mark(mark))


class _Lag:
    """How far the peer is behind with playing, from the marks that it echoes; pure."""

    def __init__(self) -> None:
        self._sent = 0
        self._waiting = ""
        self._promptest: int | None = None  # the way there and back, and what the peer always holds
        self._late = 0
        self.dropped = 0

    def sent(self) -> str | None:
        """A frame went out; the name of the mark to send after it, if any: one is on its way at a time."""
        self._sent += 1
        if self._waiting or self._sent % MARK_EVERY_FRAMES:
            return None
        self._waiting = str(self._sent)
        return self._waiting

    def played(self, mark: str) -> None:
        """The peer is past a mark; only the one on its way counts, and only once."""
        if mark != self._waiting:
            return
        after = self._sent - int(mark)
        self._promptest = after if self._promptest is None else min(after, self._promptest)
        self._late = after - self._promptest
        self._waiting = ""

    def must_clear(self, silent: bool) -> bool:
        """Whether the peer must drop what it holds, asked before the next frame."""
        held = self._late
        if held < LATE_FRAMES or (held < TOO_LATE_FRAMES and not silent):
            return False
        self._late, self._waiting = 0, ""
        if not silent:
            self.dropped += held
            FRAMES_DROPPED.labels("outbound").inc(held)
        return True

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
from ivrbot.media.comfort import is_backdrop
from ivrbot.metrics import FRAMES_DROPPED, LEGS_REFUSED
from ivrbot.model.audio import Frame
from ivrbot.model.call import CallId
from ivrbot.ports import CallDoor
from ivrbot.telephony.pacer import Pacer
from ivrbot.telephony.sound_socket import MAX_MESSAGES_AT_ONCE, SoundSocket
from ivrbot.telephony.wire.media_messages import Began, Dialect, Ended, KeyPress, MediaMessage, Played, Sound

IDENTIFY_S: Final = 5.0
"""The peer must have said which call it brings by then."""
MAX_MESSAGE_BYTES: Final = 32 * 1024
MARK_EVERY_FRAMES: Final = 50
LATE_FRAMES: Final = 5
"""100 ms behind: dropped at the next silence."""
TOO_LATE_FRAMES: Final = 25
"""500 ms behind: dropped at once."""

_log = logging.getLogger(__name__)

Identify = Callable[[Began], CallId]
"""Which call a peer brings. Raises LegRefused when it is none of ours."""


class SocketLeg(SoundSocket):
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
        super().__init__(ws, transport, pacer)
        self._dialect = dialect
        self._door = door
        self._identify = identify
        self._lag = _Lag()

    @property
    def dropped(self) -> Mapping[str, int]:
        """Frames left out by policy, by side."""
        return {"inbound": self._lost, "outbound": self._outbox.dropped + self._lag.dropped}

    def end(self, cause: str) -> None:
        """End the leg once, politely where it is the bot that ends it."""
        if not self.cause and cause == "closed" and (polite := self._dialect.hang_up()) is not None:
            self._outbox.tell(polite)
        super().end(cause)
        self.leave()

    async def serve(self) -> None:
        """Read and write until either side ends the leg."""
        late = self._loop.call_later(IDENTIFY_S, self._not_identified)
        try:
            await self._run("media", self._read())
        finally:
            late.cancel()

    def _not_identified(self) -> None:
        if not self.was_let_in and not self.cause:
            LEGS_REFUSED.labels("unidentified").inc()
            self.end("refused")

    # --- from the peer ---

    async def _read(self) -> None:
        async for message in self._ws:
            if self.cause:
                return
            if not self._may_speak():
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
                if self._takes(item.pcm):
                    self._hear(item.pcm)
            case KeyPress():
                if self.sink:
                    self.sink.on_key(item.key)
            case Played():
                self._lag.played(item.mark)
            case Began():
                self._begin(item)
            case Ended():
                self.end("hangup")

    def _begin(self, began: Began) -> None:
        if self.was_let_in:
            raise ProtocolError("a second start")
        try:
            self.call_id = self._identify(began)
            call_id_var.set(self.call_id)
            self._let_in(self._door, self._play)
        except LegRefused as error:
            _log.warning("leg refused: %s", error)
            LEGS_REFUSED.labels("door").inc()
            self.end("refused")

    def _broken(self, what: str) -> None:
        _log.warning("media connection closed: %s", what)
        self.end("protocol_error")

    # --- to the peer ---

    def _play(self, frame: Frame) -> None:
        if self._lag.must_clear(is_backdrop(frame)):
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

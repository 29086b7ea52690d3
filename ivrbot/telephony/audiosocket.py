"""AudioSocket gateway: Asterisk connects here, one TCP connection per leg.

Takes connections of the PBX, gives each admitted one to the call door as a `Leg` and drives its `MediaSink`. Built
on `asyncio.Protocol`: streams cost several times as much CPU per frame. Whatever a peer does wrong closes its leg
only.

Source: docs.asterisk.org, Configuration > Channel Drivers > AudioSocket; Asterisk ends its side after 2 s without
traffic and goes on with the dialplan when the connection closes.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ivrbot.config import MediaSettings
from ivrbot.errors import ConfigError, LegRefused, Problem, ProtocolError
from ivrbot.logs import call_id_var
from ivrbot.media.framing import Framer
from ivrbot.metrics import FRAMES_DROPPED, LEGS_CLOSED, LEGS_REFUSED
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, Frame
from ivrbot.model.call import CallId
from ivrbot.ports import CallDoor, MediaSink
from ivrbot.seat import accept_on
from ivrbot.telephony.allowance import Allowance
from ivrbot.telephony.allowed_peers import AllowedPeers
from ivrbot.telephony.pacer import PacedLeg, Pacer
from ivrbot.telephony.wire.audiosocket import (
    FRAME_HEADER,
    HEADER_BYTES,
    WHOLE_FRAME_BYTES,
    Audio,
    Error,
    Hangup,
    Key,
    Message,
    Parser,
    Uuid,
    hangup_frame,
    whole_frames,
)

IDENTIFY_S: Final = 2.0
"""The call's UUID must have come by then."""
MAX_UNIDENTIFIED: Final = 64
"""Connections that have not said who they are; the oldest makes room, so idle ones never keep a call out."""
INBOUND_BURST_FRAMES: Final = 50
"""Sound may run ahead of real time by this much; of more, the oldest is dropped."""
MAX_KEYS_AT_ONCE: Final = 40
"""Keys that may come faster than 20 per second before the peer counts as broken."""
MAX_MESSAGES_AT_ONCE: Final = 5000
"""Messages that may come faster than 1000 per second (20 times real time) before the peer counts as broken."""
WRITE_BUFFER_BYTES: Final = 10 * (FRAME_BYTES + 3)
KERNEL_BUFFER_BYTES: Final = 32 * 1024
"""Small, so that a slow reader costs frames now instead of hearing old sound later."""
CLOSE_FLUSH_S: Final = 1.0
BACKLOG: Final = 256

_SOUND_BYTES_PER_S: Final = FRAME_BYTES * 1000 / FRAME_MS
_KEYS_PER_S: Final = 20.0
_MESSAGES_PER_S: Final = 1000.0
_NOT_ON_TELEPHONES: Final = "ABCD"
_log = logging.getLogger(__name__)


class AudioSocketGateway:
    """The listening side.

    Args:
        door: decides about every leg.
        pacer: the clock of all outbound sound.
        settings: address, allowed peers, patience with silent ones.
    """

    def __init__(self, door: CallDoor, pacer: Pacer, settings: MediaSettings) -> None:
        self._door = door
        self._pacer = pacer
        self._settings = settings
        self._peers = AllowedPeers(settings.allowed_addresses)
        self._servers: list[asyncio.Server] = []
        self._shared: tuple[socket.socket, ...] = ()
        self._connections: set[_Connection] = set()
        self._unidentified: dict[_Connection, None] = {}

    @property
    def legs(self) -> int:
        """Open connections, identified or not."""
        return len(self._connections)

    async def start(self, shared: Sequence[socket.socket] = ()) -> int:
        """Listen.

        Args:
            shared: sockets that other workers take connections from as well; none: an own one is made.

        Returns:
            The port bound (the one chosen by the system when settings say 0).

        Raises:
            ConfigError: the address or port cannot be used.
        """
        loop = asyncio.get_running_loop()
        host, port = self._settings.host, self._settings.port
        self._shared = tuple(shared)
        try:
            if shared:
                await self.take_connections(True)
            else:
                server = await loop.create_server(lambda: _Connection(self, loop), host, port, backlog=BACKLOG)
                self._servers = [server]
        except OSError as error:
            raise ConfigError([_bind_problem(error, host, port)]) from error
        bound: int = self._servers[0].sockets[0].getsockname()[1]
        _log.info("AudioSocket listens on %s:%d", host, bound)
        return bound

    async def stop(self) -> None:
        """Stop listening and end every leg (cause "shutdown"). Idempotent."""
        servers, self._servers, self._shared = self._servers, [], ()
        for server in servers:
            server.close()
        for connection in tuple(self._connections):
            connection.finish("shutdown")
        waiting = [connection.gone for connection in self._connections]
        if waiting:
            await asyncio.wait(waiting, timeout=2 * CLOSE_FLUSH_S)
        for server in servers:
            await server.wait_closed()

    async def take_connections(self, willing: bool) -> None:
        """Take new connections of shared sockets, or leave them to the other workers; those there are go on."""
        if willing and not self._servers:
            loop = asyncio.get_running_loop()
            self._servers = await accept_on(self._shared, lambda: _Connection(self, loop), BACKLOG)
        elif not willing and self._shared:
            for server in self._servers:
                server.close()
            self._servers = []

    # What a connection needs of its gateway.

    @property
    def pacer(self) -> Pacer:
        """The clock of all outbound sound."""
        return self._pacer

    @property
    def silent_peer_s(self) -> float:
        """How long a peer may send nothing."""
        return self._settings.silent_peer_s

    def is_allowed(self, address: str) -> bool:
        """Whether a peer's address lies in one of the allowed networks."""
        return self._peers.allow(address)

    @property
    def door(self) -> CallDoor:
        """Decides about legs."""
        return self._door

    def opened(self, connection: _Connection) -> None:
        """A connection came in and still has to identify itself."""
        self._connections.add(connection)
        if len(self._unidentified) >= MAX_UNIDENTIFIED:
            next(iter(self._unidentified)).refuse("crowded")
        self._unidentified[connection] = None

    def identified(self, connection: _Connection) -> None:
        """A connection named its call, or will not do so any more."""
        self._unidentified.pop(connection, None)

    def closed(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)


class _Connection(asyncio.Protocol):
    """One leg; see ports.Leg."""

    def __init__(self, gateway: AudioSocketGateway, loop: asyncio.AbstractEventLoop) -> None:
        self._gateway = gateway
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = Parser()
        self._framer = Framer()
        self._dropped: Counter[str] = Counter()
        self._call_id = CallId("")
        self._sink: MediaSink | None = None
        self._sink_in_step: MediaSink | None = None  # set while a whole frame may take the short way
        self._paced: PacedLeg | None = None
        self._write_paused = False
        self._cause = ""
        self._timer: asyncio.TimerHandle | None = None
        self._heard_s = loop.time()
        self._sound = Allowance(INBOUND_BURST_FRAMES * FRAME_BYTES, _SOUND_BYTES_PER_S, self._heard_s)
        self._keys = Allowance(MAX_KEYS_AT_ONCE, _KEYS_PER_S, self._heard_s)
        self._messages = Allowance(MAX_MESSAGES_AT_ONCE, _MESSAGES_PER_S, self._heard_s)
        self.gone: asyncio.Future[None] = loop.create_future()

    # --- Leg ---

    @property
    def call_id(self) -> CallId:
        return self._call_id

    @property
    def dropped(self) -> Mapping[str, int]:
        return self._dropped

    def close(self) -> None:
        self.finish("closed")

    def notify(self, message: dict[str, object]) -> None:
        del message  # a PBX has no screen

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = self._transport.get_extra_info("peername")
        if not peer or not self._gateway.is_allowed(peer[0]):
            self.refuse("address")
            return
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._gateway.opened(self)
        self._timer = self._loop.call_later(IDENTIFY_S, self.refuse, "no_uuid")

    def data_received(self, data: bytes) -> None:
        if self._cause:
            return  # closing: read on, because closing a socket with unread bytes would reset the connection
        self._heard_s = now_s = self._loop.time()
        sink = self._sink_in_step
        if sink is not None and data.startswith(FRAME_HEADER):
            if len(data) == WHOLE_FRAME_BYTES:
                if self._sound.take(FRAME_BYTES, now_s):
                    frame: Any = data[HEADER_BYTES:]
                    sink.on_frame(frame)
                else:
                    self._lose("inbound", 1)
                return
            if frames := whole_frames(data):
                if self._may_send(len(frames)):
                    self._hear_frames(frames, sink)
                return
        messages = self._parser.feed(data)
        if self._may_send(len(messages)):
            self._take(messages)
        if self._parser.error and not self._cause:
            self._broken(self._parser.error)
        in_step = not self._cause and self._parser.is_idle and self._framer.is_empty
        self._sink_in_step = self._sink if in_step else None

    def eof_received(self) -> None:
        if self._cause:
            return
        try:
            self._parser.finish()
        except ProtocolError as error:
            self._broken(error)
        else:
            self.finish("hangup")

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._cause:
            self._ends("connection_lost" if exc else "hangup")
        if self._timer:
            self._timer.cancel()
        self._gateway.closed(self)
        self.gone.set_result(None)

    # --- what happens ---

    def refuse(self, cause: str) -> None:
        """End a connection that never became a leg; counted by cause."""
        if not self._cause:
            LEGS_REFUSED.labels(cause).inc()
            _log.warning("media connection refused: %s", cause)
            self._ends(cause)
            self._abort()

    def finish(self, cause: str) -> None:
        """End the leg politely: hang-up frame, end of stream, a moment for the peer to close. Idempotent."""
        if self._cause or not self._transport:
            return
        self._ends(cause)
        if not self._transport.is_closing():
            if cause != "hangup":
                self._transport.write(hangup_frame())
            self._transport.write_eof()
        self._timer = self._loop.call_later(CLOSE_FLUSH_S, self._abort)

    def _ends(self, cause: str) -> None:
        self._cause = cause
        self._sink_in_step = None
        if self._timer:
            self._timer.cancel()
        if self._paced:
            self._gateway.pacer.remove(self._paced)
        self._gateway.identified(self)
        self._loop.call_soon(self._report)  # never from within a call of the sink

    def _abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def _report(self) -> None:
        if self._sink:
            LEGS_CLOSED.labels(self._cause).inc()
            self._sink.on_closed(self._cause)

    def _broken(self, error: ProtocolError) -> None:
        if self._sink:
            _log.warning("leg closed: %s", error)
            self.finish(error.code + "_error")
        else:
            self.refuse("protocol_error")

    def _may_send(self, messages: int) -> bool:
        """Whether so many are no flood; ends the leg where they are."""
        if self._messages.take(messages, self._heard_s):
            return True
        self._broken(ProtocolError(f"more than {MAX_MESSAGES_AT_ONCE} messages at once"))
        return False

    def _hear_frames(self, frames: list[Frame], sink: MediaSink) -> None:
        """As `_hear`, of frames that came whole: late reads bring two or more of them."""
        kept = [frame for frame in reversed(frames) if self._sound.take(FRAME_BYTES, self._heard_s)]
        if len(kept) < len(frames):
            self._lose("inbound", len(frames) - len(kept))
        while kept:
            sink.on_frame(kept.pop())

    def _take(self, messages: list[Message]) -> None:
        sound: list[Audio] = []
        for message in messages:
            if isinstance(message, Audio) and self._sink:
                sound.append(message)
                continue
            if sound and self._sink:
                self._hear(sound, self._sink)  # sound and keys stay in order
                sound = []
            self._take_one(message)
            if self._cause:
                return
        if sound and self._sink:
            self._hear(sound, self._sink)

    def _take_one(self, message: Message) -> None:
        if self._sink is None:
            self._identify(message)
        elif isinstance(message, Key):
            self._press(message.key, self._sink)
        elif isinstance(message, Hangup):
            self.finish("hangup")
        elif isinstance(message, Error):
            _log.warning("the PBX reports error %s on a leg", message.error_code)
            self.finish("peer_error")
        else:
            self._broken(ProtocolError("a second UUID"))

    def _identify(self, message: Message) -> None:
        if not isinstance(message, Uuid):
            self.refuse("no_uuid")
            return
        self._call_id = message.call_id
        call_id_var.set(self._call_id)  # a connection's callbacks share one context
        self._gateway.identified(self)
        try:
            self._sink = self._gateway.door.admit(self)
        except LegRefused as error:
            _log.warning("leg refused: %s", error)
            LEGS_REFUSED.labels("door").inc()
            self.finish("refused")
            return
        if not self._cause:  # the door may have closed it at once
            if self._timer:
                self._timer.cancel()
            self._watch()
            self._paced = self._gateway.pacer.add(self._sink.next_frame, self._play)

    def _hear(self, sound: list[Audio], sink: MediaSink) -> None:
        """Pass sound on; of what runs too far ahead of real time, the oldest is left out."""
        kept = [audio for audio in reversed(sound) if self._sound.take(len(audio.pcm), self._heard_s)]
        kept.reverse()
        if len(kept) < len(sound):
            self._lose("inbound", len(sound) - len(kept))
        for audio in kept:
            for frame in self._framer.feed(audio.pcm):
                sink.on_frame(frame)

    def _press(self, key: str, sink: MediaSink) -> None:
        if not self._keys.take(1, self._heard_s):
            self._broken(ProtocolError(f"more than {MAX_KEYS_AT_ONCE} keys at once"))
        elif key not in _NOT_ON_TELEPHONES:
            sink.on_key(key)

    def _play(self, frame: Frame) -> None:
        """Write one frame, called by the clock. A peer that does not read loses it."""
        if self._write_paused:
            self._lose("outbound", 1)
        elif self._transport:
            self._transport.write(FRAME_HEADER + frame)

    def _lose(self, side: str, frames: int) -> None:
        FRAMES_DROPPED.labels(side).inc(frames)
        self._dropped[side] += frames

    def _watch(self) -> None:
        """Close the leg of a peer that fell silent; looks again when it could be due."""
        left_s = self._heard_s + self._gateway.silent_peer_s - self._loop.time()
        if left_s <= 0:
            self.finish("timeout")
        else:
            self._timer = self._loop.call_later(left_s, self._watch)


def _bind_problem(error: OSError, host: str, port: int) -> Problem:
    if error.errno == errno.EADDRINUSE:
        allowed = "stop the program that holds it, or set media.port (IVRBOT_MEDIA__PORT) to a free one"
        return Problem("", None, "media.port", f"{host}:{port}", "the port is in use", allowed)
    if error.errno == errno.EACCES:
        return Problem("", None, "media.port", f"{host}:{port}", "no permission to listen", "a port above 1023")
    return Problem(
        "",
        None,
        "media.host",
        f"{host}:{port}",
        f"cannot listen: {error.strerror or error}",
        "an address of this machine",
    )

"""The PBX's side of AudioSocket: places a call, speaks, presses keys, listens.

Takes 8 kHz PCM16 to say, gives what was heard; used by `ivrbot call --wav` and by tests. Everything said and heard
is laid on one time line, so that response gaps can be measured on the sound (`media.gap`).

Source: docs.asterisk.org, Configuration > Channel Drivers > AudioSocket.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from ivrbot.errors import LegClosed, MissingError, ProtocolError
from ivrbot.media.level import SPEECH_DBFS, rms_dbfs
from ivrbot.media.track import Track
from ivrbot.model.audio import FRAME_BYTES, FRAME_MS, SAMPLE_BYTES, Frame, Pcm
from ivrbot.model.call import CallId
from ivrbot.telephony.pacer import PacedLeg, Pacer
from ivrbot.telephony.wire.audiosocket import (
    Audio,
    Error,
    Hangup,
    Parser,
    audio_frame,
    hangup_frame,
    key_frame,
    uuid_frame,
)

CONNECT_S: Final = 5.0
CLOSE_S: Final = 2.0


class AudioSocketCall(asyncio.Protocol):
    """One call to an AudioSocket server.

    Args:
        pacer: clock for what is sent; an own one by default.

    Attributes:
        call_id: set by `connect`.
        cause: how the call ended: "hangup" (by the other side), "closed" (by `hang_up`), "peer_error",
            "protocol_error", "connection_lost"; "" while it lasts.
    """

    def __init__(self, pacer: Pacer | None = None) -> None:
        self._pacer = pacer or Pacer()
        self._paced: PacedLeg | None = None
        self._transport: asyncio.Transport | None = None
        self._parser = Parser()
        self._to_say = bytearray()
        self._said, self._heard = Track(), Track()
        self._audio = bytearray()
        self._start_s = 0.0
        self._voice_ms = -1
        self._closed = asyncio.Event()
        self._said_all = asyncio.Event()
        self._said_all.set()
        self.call_id = CallId("")
        self.cause = ""

    # --- calling ---

    async def connect(self, host: str, port: int, call_id: CallId, *, timeout_s: float = CONNECT_S) -> None:
        """Connect, name the call, and send silence from now on.

        Raises:
            MissingError: nobody answers there.
            ValueError: `call_id` is not a UUID.
        """
        first = uuid_frame(call_id)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                await loop.create_connection(lambda: self, host, port)
        except (OSError, TimeoutError) as error:
            fix = "Start the bot (ivrbot serve), or name its media address."
            raise MissingError(f"no AudioSocket server answers at {host}:{port}", fix) from error
        self.call_id = call_id
        self._start_s = loop.time()
        if self._transport and not self.cause:
            self._transport.write(first)
            self._paced = self._pacer.add(self._next_frame, self._write)

    def send(self, pcm: bytes) -> None:
        """Say something, after what is still to be said; frames leave every 20 ms.

        Raises:
            ValueError: half a sample.
        """
        if len(pcm) % SAMPLE_BYTES:
            raise ValueError("half a sample")
        if pcm and not self.cause:
            self._to_say += pcm
            self._said_all.clear()

    def press(self, key: str) -> None:
        """Press a key now.

        Raises:
            ValueError: no such key.
            LegClosed: the call is over.
        """
        frame = key_frame(key)
        if self.cause or not self._transport:
            raise LegClosed("the call is over")
        self._transport.write(frame)

    def hang_up(self) -> None:
        """End the call. Idempotent."""
        if self._transport and not self.cause:
            self._end("closed")
            self._transport.write(hangup_frame())
            self._transport.write_eof()
            asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)

    async def wait_closed(self) -> str:
        """Wait until the connection is gone; gives `cause`."""
        await self._closed.wait()
        return self.cause

    async def wait_said(self) -> None:
        """Wait until everything given to `send` has left, or the call is over."""
        await self._said_all.wait()

    async def wait_answered(self, since_ms: int, *, quiet_ms: int, deadline_s: float) -> bool:
        """Wait until the other side has spoken and then been quiet for a while, as a person does before his turn.

        Args:
            since_ms: only what is heard after this moment of the line counts (`elapsed_ms`).
            quiet_ms: pause that ends the other side's turn.
            deadline_s: how long to wait at most.

        Returns:
            Whether there was an answer and the line still stands.
        """
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + deadline_s
        while not self.cause and loop.time() < give_up_s:
            if self._voice_ms > since_ms and self.elapsed_ms - self._voice_ms >= quiet_ms:
                return True
            await asyncio.sleep(FRAME_MS / 1000)
        return False

    # --- what was said and heard ---

    @property
    def received(self) -> Pcm:
        """The other side's sound exactly as it came, without regard to time."""
        return Pcm(bytes(self._audio))

    @property
    def said_track(self) -> Pcm:
        """Own sound on the time line; sample 0 is the moment of connecting."""
        return self._said.pcm

    @property
    def heard_track(self) -> Pcm:
        """The other side's sound on the same time line, as a telephone would have played it."""
        return self._heard.pcm

    def heard_since(self, at_ms: int) -> Pcm:
        """The end of `heard_track` from a moment on."""
        return self._heard.since(at_ms / 1000)

    @property
    def elapsed_ms(self) -> int:
        """Time on the line's clock."""
        return round((asyncio.get_running_loop().time() - self._start_s) * 1000)

    # --- asyncio.Protocol and the clock ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now_s = asyncio.get_running_loop().time() - self._start_s
        for message in self._parser.feed(data):
            if isinstance(message, Audio):
                self._audio += message.pcm
                self._heard.add(message.pcm, now_s)
                if any(message.pcm) and rms_dbfs(message.pcm) >= SPEECH_DBFS:
                    self._voice_ms = round(now_s * 1000)
            elif isinstance(message, Hangup):
                self._end("hangup")
            elif isinstance(message, Error):
                self._end("peer_error")
        if self._parser.error:
            self._end("protocol_error")
            if self._transport:
                self._transport.abort()

    def eof_received(self) -> None:
        try:
            self._parser.finish()
        except ProtocolError:
            self._end("protocol_error")
        self._end("hangup")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("connection_lost" if exc else "hangup")
        self._closed.set()

    def _next_frame(self) -> Frame | None:
        if not self._to_say:
            return None
        frame = bytes(self._to_say[:FRAME_BYTES])
        del self._to_say[:FRAME_BYTES]
        if not self._to_say:
            # The frame that is being sent still lasts 20 ms.
            asyncio.get_running_loop().call_later(FRAME_MS / 1000, self._check_said_all)
        return Frame(Pcm(frame.ljust(FRAME_BYTES, b"\0")))

    def _write(self, frame: Frame) -> None:
        if self._transport and not self.cause:
            self._said.add(frame, asyncio.get_running_loop().time() - self._start_s)
            self._transport.write(audio_frame(frame))

    def _check_said_all(self) -> None:
        if not self._to_say:
            self._said_all.set()

    def _end(self, cause: str) -> None:
        if not self.cause:
            self.cause = cause
            self._to_say.clear()
            self._said_all.set()
            if self._paced:
                self._pacer.remove(self._paced)

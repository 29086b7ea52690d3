"""Callers of all kinds over AudioSocket, none of which keeps anything: they must not grow themselves."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from ivrbot.model.audio import FRAME_MS, SILENCE, Frame
from ivrbot.model.call import CallId
from ivrbot.telephony.pacer import PacedLeg, Pacer
from ivrbot.telephony.wire.audiosocket import HEADER_BYTES, audio_frame, hangup_frame, key_frame, uuid_frame

HOST: Final = "127.0.0.1"
MEAN_CALL_S: Final = 90.0
LONGEST_CALL_S: Final = 600.0
KEYS: Final = "0123456789*#"


class Phone(asyncio.Protocol):
    """One leg: says what it is given, forgets what it hears."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._paced: PacedLeg | None = None
        self._to_say: list[Frame] = []
        self.transport: asyncio.Transport | None = None
        self.heard_bytes = 0
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard_bytes += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.be_still()
        if not self.gone.done():
            self.gone.set_result(None)

    def begin(self, call_id: CallId) -> None:
        """Name the call; silence from now on."""
        self.write(uuid_frame(call_id))
        self._paced = self._pacer.add(self._next, lambda frame: self.write(audio_frame(frame)))

    def be_still(self) -> None:
        """Send nothing any more, but keep the line."""
        if self._paced is not None:
            self._pacer.remove(self._paced)
            self._paced = None

    def say(self, frames: Sequence[Frame]) -> None:
        """Speak, behind what is still to be said."""
        self._to_say += frames

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def _next(self) -> Frame:
        return self._to_say.pop(0) if self._to_say else SILENCE


class Callers:
    """Places calls.

    Args:
        port: of the gateway.
        register: announces a call as the PBX does; False: it goes to an operator.
        sentences: what can be said, in frames.
        seed: of everything that they do.
    """

    def __init__(
        self,
        port: int,
        register: Callable[[CallId, str], Awaitable[bool]],
        sentences: Sequence[Sequence[Frame]],
        seed: int,
    ) -> None:
        self._port = port
        self._register = register
        self._sentences = sentences
        self._random = random.Random(seed)
        self._pacer = Pacer()
        self.kinds = (
            *[self._talks] * 12,
            *[self._keys] * 5,
            self._asks_for_operator,
            self._vanishes,
            self._resets,
            self._sends_damage,
        )
        self.damages = (self._half_a_frame, self._bad_frame, self._floods, self._does_not_read, self._says_nothing)

    async def call(self) -> str:
        """One call from ring to end.

        Returns:
            Of what kind it was.
        """
        kind = self._random.choice(self.kinds)
        if kind == self._sends_damage:
            kind = self._random.choice(self.damages)
        call_id = CallId(str(uuid.UUID(int=self._random.getrandbits(128), version=4)))
        caller = f"+7999{self._random.randrange(400):07d}"  # some call again
        if not await self._register(call_id, caller):
            return "to an operator at once"
        phone = Phone(self._pacer)
        await asyncio.get_running_loop().create_connection(lambda: phone, HOST, self._port)
        assert phone.transport is not None
        try:
            if kind != self._says_nothing:
                phone.begin(call_id)
            async with asyncio.timeout(LONGEST_CALL_S):
                await kind(phone)
        except TimeoutError:
            pass
        finally:
            phone.be_still()
            phone.transport.abort()
        await phone.gone
        return kind.__name__.strip("_")

    # --- kinds of callers ---------------------------------------------------------------------------

    async def _talks(self, phone: Phone) -> None:
        await self._does_things(phone, lambda: phone.say(self._random.choice(self._sentences)))

    async def _keys(self, phone: Phone) -> None:
        await self._does_things(phone, lambda: self._press(phone))

    async def _asks_for_operator(self, phone: Phone) -> None:
        await asyncio.sleep(self._random.uniform(1, 15))
        phone.write(key_frame("0"))
        await phone.gone

    async def _vanishes(self, phone: Phone) -> None:
        await asyncio.sleep(self._random.uniform(0, 20))
        phone.be_still()
        await phone.gone  # the gateway gives it up

    async def _resets(self, phone: Phone) -> None:
        await asyncio.sleep(self._random.uniform(0, 20))
        assert phone.transport is not None
        connection: socket.socket = phone.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        phone.transport.abort()

    async def _sends_damage(self, phone: Phone) -> None:
        """Stands for one of `damages`."""

    async def _half_a_frame(self, phone: Phone) -> None:
        await asyncio.sleep(self._random.uniform(0, 5))
        phone.be_still()
        phone.write(audio_frame(SILENCE)[: self._random.randrange(1, HEADER_BYTES + 100)])
        await asyncio.sleep(1)

    async def _bad_frame(self, phone: Phone) -> None:
        await asyncio.sleep(self._random.uniform(0, 5))
        phone.write(self._random.randbytes(400))
        phone.write(b"\x10\xff\xff" + bytes(100))
        await phone.gone

    async def _floods(self, phone: Phone) -> None:
        for _ in range(self._random.randrange(5, 20)):
            phone.write(b"".join(map(audio_frame, self._random.choice(self._sentences))))
            phone.write(key_frame(self._random.choice(KEYS)))
            await asyncio.sleep(0.2)

    async def _does_not_read(self, phone: Phone) -> None:
        assert phone.transport is not None
        phone.transport.pause_reading()
        await asyncio.sleep(30)

    async def _says_nothing(self, phone: Phone) -> None:
        await phone.gone  # not even which call it is

    # --- what they do -------------------------------------------------------------------------------

    async def _does_things(self, phone: Phone, thing: Callable[[], None]) -> None:
        """Until he hangs up, at a random moment, in the middle of whatever."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + self._random.expovariate(1 / MEAN_CALL_S)
        while (left_s := ends_s - loop.time()) > 0 and not phone.gone.done():
            await asyncio.wait((phone.gone,), timeout=min(left_s, self._random.expovariate(1 / 6)))
            if not phone.gone.done():
                thing()
        if self._random.random() < 0.5:
            phone.write(hangup_frame())
            await asyncio.sleep(FRAME_MS / 1000)

    def _press(self, phone: Phone) -> None:
        for _ in range(self._random.choice((1, 1, 1, 4))):
            phone.write(key_frame(self._random.choice(KEYS[1:])))

"""Stand-ins for the bot, where the dialplan itself is under test: an AudioSocket peer and a registrar."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import uuid
from dataclasses import dataclass, field
from types import TracebackType

from aiohttp import web

from tests.integration.asterisk.sip import PATIENCE_S

HOST = "127.0.0.1"
KIND_HANGUP, KIND_UUID, KIND_DTMF, KIND_SOUND = 0x00, 0x01, 0x03, 0x10
HANGUP = b"\x00\x00\x00"


class BotCall:
    """One AudioSocket connection: echoes the caller's sound.

    Attributes:
        call_id: UUID that Asterisk sent.
        keys: keys pressed so far.
        sound: everything heard, PCM16 8 kHz.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.call_id = ""
        self.keys = ""
        self.sound = bytearray()
        self.identified = asyncio.Event()
        self.closed = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()

    async def serve(self) -> None:
        """Echo until either side closes."""
        try:
            while True:
                kind, size = struct.unpack("!BH", await self._reader.readexactly(3))
                payload = await self._reader.readexactly(size)
                await self._reading.wait()
                if kind == KIND_HANGUP:
                    break
                self._take(kind, payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side went away: normal here
        finally:
            self.closed.set()
            self._writer.close()

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == KIND_UUID:
            self.call_id = str(uuid.UUID(bytes=payload))
            self.identified.set()
        elif kind == KIND_DTMF:
            self.keys += payload.decode("ascii")
        elif kind == KIND_SOUND:
            self.sound += payload
            if not self._writer.is_closing():
                self._writer.write(struct.pack("!BH", KIND_SOUND, len(payload)) + payload)

    def hang_up(self) -> None:
        """Say 0x00 and close, as the bot does when it is done."""
        self._writer.write(HANGUP)
        self._writer.close()

    def reset(self) -> None:
        """Close with RST, as the kernel does for a process that was killed with data unread."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def freeze(self) -> None:
        """Neither read nor write from now on; the connection stays."""
        self._reading.clear()

    def thaw(self) -> None:
        """Go on."""
        self._reading.set()


class BotPeer:
    """Listens for AudioSocket; an asynchronous context manager.

    Attributes:
        calls: all connections, oldest first.
    """

    def __init__(self) -> None:
        self.calls: list[BotCall] = []
        self._server: asyncio.Server | None = None
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> BotPeer:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()

    @property
    def address(self) -> str:
        """host:port, for `Site.media`."""
        assert self._server is not None
        return f"{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def refuse(self) -> None:
        """Stop listening: connections are refused from now on; running ones are reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for call in self.calls:
            call.thaw()
            if not call.closed.is_set():
                call.reset()
                await call.closed.wait()

    async def call(self, number: int = 0, timeout_s: float = PATIENCE_S) -> BotCall:
        """The n-th call, waiting for it and for its UUID."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) > number)
        call = self.calls[number]
        async with asyncio.timeout(timeout_s):
            await call.identified.wait()
        return call

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = BotCall(reader, writer)
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()
        await call.serve()


@dataclass(slots=True)
class Registrar:
    """The bot's HTTP API as the dialplan uses it; an asynchronous context manager.

    Attributes:
        admit: body of the answer to a registration.
        outcome: body of the answer to the outcome request; None answers 404.
        delay_s: how long each answer takes.
        decision: body of the answer to "bot or operator?".
        decision_delay_s: how much longer than the others this answer takes.
        token: the only accepted API token.
        registrations: forms received.
        decisions_asked: forms of the decision received.
        outcomes_asked: UUIDs that the outcome was asked for.
        scores: UUIDs and scores that were told after calls.
        refused: requests without the right token.
    """

    admit: str = "ok"
    outcome: str | None = "hangup|||0"
    delay_s: float = 0.0
    decision: str = "operator"
    decision_delay_s: float = 0.0
    token: str = "test-token"
    registrations: list[dict[str, str]] = field(default_factory=list)
    decisions_asked: list[dict[str, str]] = field(default_factory=list)
    outcomes_asked: list[str] = field(default_factory=list)
    scores: list[tuple[str, str]] = field(default_factory=list)
    refused: int = 0
    _runner: web.AppRunner | None = None
    _port: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Registrar:
        app = web.Application()
        app.router.add_post("/api/v1/calls", self._register)
        app.router.add_get("/api/v1/calls/{uuid}/outcome", self._outcome)
        app.router.add_post("/api/v1/calls/{uuid}/score", self._score)
        app.router.add_post("/api/v1/rollout/decision", self._decide)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop listening. Idempotent."""
        self._stopping.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @property
    def address(self) -> str:
        """URL, for `Site.api`."""
        return f"http://{HOST}:{self._port}"

    async def _register(self, request: web.Request) -> web.Response:
        await self._dawdle()
        if not self._known(request):
            return web.Response(status=401, text="unknown token")
        form = await request.post()
        self.registrations.append({name: str(value) for name, value in form.items()})
        return web.Response(text=self.admit)

    async def _decide(self, request: web.Request) -> web.Response:
        await self._dawdle(self.decision_delay_s)
        if not self._known(request):
            return web.Response(status=401, text="unknown token")
        form = await request.post()
        self.decisions_asked.append({name: str(value) for name, value in form.items()})
        return web.Response(text=self.decision)

    async def _score(self, request: web.Request) -> web.Response:
        if not self._known(request):
            return web.Response(status=401, text="unknown token")
        self.scores.append((request.match_info["uuid"], str((await request.post())["score"])))
        return web.Response(text="noted")

    async def _outcome(self, request: web.Request) -> web.Response:
        await self._dawdle()
        if not self._known(request):
            return web.Response(status=401, text="unknown token")
        self.outcomes_asked.append(request.match_info["uuid"])
        if self.outcome is None:
            return web.Response(status=404, text="404: Not Found")
        return web.Response(text=self.outcome)

    async def _dawdle(self, longer_s: float = 0.0) -> None:
        # a plain sleep would outlive the server
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self.delay_s + longer_s)

    def _known(self, request: web.Request) -> bool:
        known = request.headers.get("Authorization") == f"Bearer {self.token}"
        self.refused += not known
        return known

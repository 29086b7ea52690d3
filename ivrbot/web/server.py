"""The web server: one port for the API, the pages, the live streams and the softphone's WebSockets.

Takes the parts of a process, gives a running server. Connections are limited in number, so that idle ones cost
calls nothing.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from ivrbot.errors import ConfigError, Problem
from ivrbot.seat import accept_on
from ivrbot.web.access import Guard, Handler, add_headers
from ivrbot.web.audit_pages import AuditPages
from ivrbot.web.board import LiveBoard
from ivrbot.web.callbacks import Callbacks
from ivrbot.web.caller import Audience, access_of, open_to
from ivrbot.web.calls_api import CallsApi
from ivrbot.web.calls_pages import CallsPages
from ivrbot.web.certificates import Certificates
from ivrbot.web.desk import Desk
from ivrbot.web.desk_bank import DeskBank
from ivrbot.web.dispositions import Dispositions
from ivrbot.web.docs_pages import DocsPages
from ivrbot.web.erasure import Erasures
from ivrbot.web.events import Streams
from ivrbot.web.health import Health
from ivrbot.web.login import LogInPages
from ivrbot.web.pages import Pages
from ivrbot.web.parts import WebParts
from ivrbot.web.people import PeoplePages
from ivrbot.web.quality import Quality
from ivrbot.web.recordings import RecordingPages
from ivrbot.web.rendering import SIMULATED, ZONE
from ivrbot.web.reports import ReportPages
from ivrbot.web.rollout_acts import RolloutActs
from ivrbot.web.rollout_api import RolloutApi
from ivrbot.web.rollout_pages import RolloutPages
from ivrbot.web.scores import Scores
from ivrbot.web.sessions import Sessions
from ivrbot.web.tokens import Tokens
from ivrbot.web.voiceprint import VoiceprintPages

__all__ = ["WebParts", "WebServer"]

MAX_BODY_BYTES: Final = 64 * 1024
MAX_CONNECTIONS: Final = 512
BACKLOG: Final = 100
KEEP_ALIVE_S: Final = 20.0
STOP_S: Final = 2.0

_log = logging.getLogger(__name__)


class WebServer:
    """The listening side.

    Args:
        parts: what handlers need.
    """

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._streams = Streams()
        self._board = LiveBoard()
        self._follower: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._servers: list[asyncio.Server] = []
        self._hand_over: Callable[[web.Request], bool] = lambda _: False

    async def start(self, shared: Sequence[socket.socket] = ()) -> int:
        """Listen.

        Args:
            shared: sockets that another worker listens on when this one does not; none: an own one is made.

        Returns:
            The port bound (the one chosen by the system when settings say 0).

        Raises:
            ConfigError: the address or port cannot be used.
        """
        runner = await self.prepare()
        host, port = self._parts.settings.host, self._parts.settings.port
        loop = asyncio.get_running_loop()
        try:
            if shared:
                self._servers = await accept_on(shared, lambda: _admitted(runner), BACKLOG)
            else:
                self._servers = [await loop.create_server(lambda: _admitted(runner), host, port)]
        except OSError as error:
            await self.stop()
            raise ConfigError([_bind_problem(error, host, port)]) from error
        bound: int = self._servers[0].sockets[0].getsockname()[1]
        _log.info("web listens on %s:%d", host, bound)
        return bound

    async def prepare(self) -> web.AppRunner:
        """Be ready to serve connections, and follow calls, without listening. Idempotent."""
        if self._runner is None:
            runner = web.AppRunner(
                self.application(), access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=STOP_S
            )
            await runner.setup()
            self._runner = runner
            self._follower = asyncio.create_task(self._follow(), name="live-board")
        return self._runner

    def take_no_more(self) -> None:
        """Leave new connections to another worker; those there are go on."""
        for server in self._servers:
            server.close()
        self._servers = []

    def share_media(self, hand_over: Callable[[web.Request], bool]) -> None:
        """Let other workers serve media WebSockets.

        Args:
            hand_over: gives a connection away that nothing has been answered to; False when it is served here.
        """
        self._hand_over = hand_over

    async def take_over(self, connection: socket.socket, head: bytes) -> None:
        """Serve a connection that another worker has accepted, from the bytes that it has read.

        Raises:
            OSError: it is gone.
        """
        runner = await self.prepare()
        loop = asyncio.get_running_loop()
        _, protocol = await loop.connect_accepted_socket(lambda: _admitted(runner), connection)
        if isinstance(protocol, asyncio.Protocol):
            protocol.data_received(head)

    async def stop(self) -> None:
        """Stop listening, end streams and sockets. Idempotent."""
        if self._runner is None:
            return
        self.take_no_more()
        if self._follower:
            self._follower.cancel()
        await self._streams.stop()
        await self._parts.softphone.stop()
        await self._parts.media.stop()
        await self._runner.cleanup()
        self._runner = None

    async def _follow(self) -> None:
        async with self._parts.recorder.subscribe() as events:
            async for event in events:
                self._board.take(event)

    def application(self) -> web.Application:
        """All handlers behind the guard."""
        parts = self._parts
        sessions = Sessions(parts.people, parts.activity, parts.passwords)
        guard = Guard(parts.settings, sessions, Tokens(parts.token, parts.people))
        application = web.Application(middlewares=[guard.guard], client_max_size=MAX_BODY_BYTES)
        application[SIMULATED] = parts.simulated
        application[ZONE] = lambda: parts.router.plan.timezone
        application.on_response_prepare.append(add_headers)
        application.add_routes(LogInPages(parts, sessions).routes())
        application.add_routes(PeoplePages(parts).routes())
        application.add_routes(CallsApi(parts, self._streams).routes())
        application.add_routes(Callbacks(parts).routes())
        application.add_routes(Dispositions(parts).routes())
        application.add_routes(RolloutApi(parts).routes())
        application.add_routes(Certificates(parts).routes())
        application.add_routes(Health(parts).routes())
        application.add_routes(RecordingPages(parts).routes())
        application.add_routes(Pages(self._board, self._streams).routes())
        application.add_routes(CallsPages(parts).routes())
        application.add_routes(RolloutPages(parts).routes())
        application.add_routes(RolloutActs(parts).routes())
        application.add_routes(AuditPages(parts).routes())
        application.add_routes(DocsPages(parts).routes())
        application.add_routes(Desk(parts, self._streams).routes())
        application.add_routes(DeskBank(parts).routes())
        application.add_routes(Scores(parts).routes())
        application.add_routes(Quality(parts).routes())
        application.add_routes(Erasures(parts).routes())
        application.add_routes(VoiceprintPages(parts).routes())
        application.add_routes(ReportPages(parts).routes())
        application.add_routes([web.get("/ws/softphone", _softphone(parts), allow_head=False)])
        application.add_routes(self._media_routes())
        _refuse_undeclared(application)
        return application

    def _media_routes(self) -> list[web.RouteDef]:
        """What a PBX or a provider opens; each gateway knows its peers itself."""
        media = self._parts.media
        sockets = {path: self._anywhere(gateway.handle) for path, gateway in media.gateways.items()}
        routes = [web.get(path, _to_anybody(handler), allow_head=False) for path, handler in sockets.items()]
        return routes + [web.post(path, _to_anybody(handler)) for path, handler in media.webhooks.items()]

    def _anywhere(self, handler: Handler) -> Handler:
        async def here_or_elsewhere(request: web.Request) -> web.StreamResponse:
            if self._hand_over(request):
                return web.Response()  # to nobody: the connection is another worker's
            return await handler(request)

        return here_or_elsewhere


def _refuse_undeclared(application: web.Application) -> None:
    """Fail closed: what nobody has decided about is not mounted.

    Raises:
        ValueError: handlers without `needs` or `open_to`, all of them named.
    """
    bare = [
        f"{route.method} {route.resource.canonical if route.resource else ''}"
        for route in application.router.routes()
        if not isinstance(route.resource, web.StaticResource) and access_of(route.handler) is None
    ]
    if bare:
        raise ValueError(f"handlers that declare no right (@needs or @open_to of web.caller): {', '.join(bare)}")


def _softphone(parts: WebParts) -> Handler:
    @open_to(Audience.CALLER)
    async def softphone(request: web.Request) -> web.StreamResponse:
        return await parts.softphone.handle(request)

    return softphone


def _to_anybody(handler: Handler) -> Handler:
    @open_to(Audience.ANYBODY)
    async def checked_by_itself(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    return checked_by_itself


def _admitted(runner: web.AppRunner) -> asyncio.BaseProtocol:
    """The protocol of a new connection; beyond the limit one that closes it at once."""
    server = runner.server
    if server is None or len(server.connections) >= MAX_CONNECTIONS:
        return _Full()
    protocol: asyncio.BaseProtocol = server()
    return protocol


class _Full(asyncio.Protocol):
    """Closes its connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _bind_problem(error: OSError, host: str, port: int) -> Problem:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        allowed = "stop the program that holds it, or set web.port (IVRBOT_WEB__PORT) to a free one"
        return Problem("", None, "web.port", where, "the port is in use", allowed)
    if error.errno == errno.EACCES:
        return Problem("", None, "web.port", where, "no permission to listen", "a port above 1023")
    message = f"cannot listen: {error.strerror or error}"
    return Problem("", None, "web.host", where, message, "an address of this machine")

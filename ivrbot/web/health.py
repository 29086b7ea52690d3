"""Alive, ready, metrics and the API's own description."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ivrbot.metrics import REGISTRY
from ivrbot.model.people import Right
from ivrbot.web.caller import Audience, needs, open_to
from ivrbot.web.parts import WebParts

OPENAPI = Path(__file__).parent / "openapi.json"


class Health:
    """Handlers of the probes."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.metrics),
            web.get("/api/v1/openapi.json", self.openapi),
        ]

    @open_to(Audience.ANYBODY)
    async def alive(self, request: web.Request) -> web.Response:
        """The process runs and its event loop turns."""
        del request
        return web.Response(text="ok\n")

    @open_to(Audience.ANYBODY)
    async def ready(self, request: web.Request) -> web.Response:
        """New calls are taken; a plan that cannot be followed is told, the one before stays in force."""
        del request
        ready = self._parts.calls.ready
        # Open to all: that there is a problem, never which.
        plan = "rollout plan: the file is not in force\n" if self._parts.router.plan_error else ""
        return web.Response(text=("ready\n" if ready else "not ready\n") + plan, status=200 if ready else 503)

    @needs(Right.METRICS_READ)
    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus text format."""
        del request
        return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @open_to(Audience.SOMEBODY)
    async def openapi(self, request: web.Request) -> web.StreamResponse:
        """What this API can do."""
        del request
        return web.FileResponse(OPENAPI, headers={"Content-Type": "application/json"})

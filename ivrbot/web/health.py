"""Alive, ready, metrics and the API's own description."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from ivrbot.metrics import exposition
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
        """New calls are taken; what is not as it should be is told: the plan's file, work left out, no room."""
        del request
        ready = self._parts.calls.ready
        # Open to all: that there is a problem, never which.
        plan = "rollout plan: the file is not in force\n" if self._parts.router.plan_error else ""
        text = ("ready\n" if ready else "not ready\n") + plan + self._load()
        return web.Response(text=text, status=200 if ready else 503)

    def _load(self) -> str:
        load = self._parts.load
        if load is None:
            return ""
        left_out = f"load: left out: {', '.join(load.left_out)}\n" if load.left_out else ""
        full = f"load: callers go to operators: {', '.join(load.refusing)}\n" if load.refusing else ""
        return left_out + full

    @needs(Right.METRICS_READ)
    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus text format."""
        del request
        return web.Response(body=exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @open_to(Audience.SOMEBODY)
    async def openapi(self, request: web.Request) -> web.StreamResponse:
        """What this API can do."""
        del request
        return web.FileResponse(OPENAPI, headers={"Content-Type": "application/json"})

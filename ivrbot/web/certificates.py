"""Certificates of promotions over HTTP: JSON for machines, a page for people.

Takes requests, gives what `ivrbot rollout certificate` gives.
"""

from __future__ import annotations

from aiohttp import web

from ivrbot.errors import ConfigError, StorageError
from ivrbot.model.people import Right
from ivrbot.reports.certificate_page import certificate_html, certificate_json, style_source
from ivrbot.rollout.governing.certificate import certify, find
from ivrbot.storage.audit_rows import whole_audit
from ivrbot.web.answers import Rejected, json_answer
from ivrbot.web.caller import needs, person_of
from ivrbot.web.parts import WebParts
from ivrbot.web.rendering import language_of


class Certificates:
    """Handler of `/api/v1/rollout/certificates/{seq}`."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Where the handler is mounted."""
        return [web.get(r"/api/v1/rollout/certificates/{seq:\d{1,15}}", self.certificate)]

    @needs(Right.ROLLOUT_SEE)
    async def certificate(self, request: web.Request) -> web.Response:
        """The certificate of the promotion that an audit row records; `?format=html` gives the page.

        404 for a row that is no promotion. The page's language is that of the browser, or `?lang=`.
        """
        form = request.query.get("format", "json")
        if form not in {"json", "html"}:
            raise Rejected(400, "invalid", [{"field": "format", "message": "allowed: json, html"}])
        try:
            rows = await whole_audit(self._parts.store)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        try:
            certificate = certify(rows, find(rows, request.match_info["seq"]))
        except ConfigError as error:
            raise Rejected(404, "not_found") from error
        if not person_of(request).sees(frozenset({certificate.branch})):
            raise Rejected(404, "not_found")
        if form == "json":
            return json_answer(certificate_json(certificate))
        page = certificate_html(certificate, language_of(request), self._parts.router.plan.timezone)
        policy = (
            f"default-src 'none'; style-src {style_source()}; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": policy})

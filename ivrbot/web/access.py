"""Who may come in: tokens of machines, pages for this computer's own user, nothing from foreign sites.

There are no accounts yet, so pages are served to loopback peers (or with the token) only. Every answer carries the
headers that keep a browser from doing anything with it that we did not mean.

Sources: RFC 6750 (bearer tokens), RFC 6797 left to the proxy in front, W3C CSP3, OWASP "DNS rebinding".
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from ivrbot.model.people import Person
from ivrbot.telephony.softphone import is_own_origin
from ivrbot.web.answers import Rejected, is_form
from ivrbot.web.caller import LOCAL, MACHINE, PERSON

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API: Final = "/api/"
OPEN_TO_ALL: Final = frozenset({"/healthz", "/readyz"})
"""Say nothing but "alive" and "ready"; probes come from anywhere."""
FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")

HEADERS: Final = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-store",
}

_log = logging.getLogger(__name__)


class Guard:
    """The guard in front of every handler.

    Args:
        token: what machine clients show.
        host: name that the server listens on, allowed as Host besides addresses and "localhost".
    """

    def __init__(self, token: str, host: str) -> None:
        if not token:
            raise ValueError("an empty token would let everybody in")
        self._token = token.encode()
        self._hosts = frozenset({"localhost", host.lower()})

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through or refuse it; errors become answers without details."""
        try:
            person = self._check(request)
            if person is not None:
                request[PERSON] = person
            return await handler(request)
        except Rejected as error:
            return error.response(plain=is_form(request))
        except web.HTTPRequestEntityTooLarge:
            return Rejected(413, "too_large").response(plain=is_form(request))
        except web.HTTPException as error:
            if not request.path.startswith(API) or error.status < 400:
                raise
            return Rejected(error.status, error.reason.lower().replace(" ", "_")).response(plain=is_form(request))
        except Exception:  # noqa: BLE001 - the request boundary
            _log.exception("request failed: %s %s", request.method, request.match_info.route.resource)
            return Rejected(500, "internal").response(plain=is_form(request))

    def _check(self, request: web.Request) -> Person | None:
        """Who asks (None where anybody may); raises `Rejected` unless the request may come in."""
        if request.path in OPEN_TO_ALL:
            return None
        if not is_own_origin(request):
            raise Rejected(403, "foreign_origin")
        if self.has_token(request):
            return MACHINE
        if request.path.startswith(API):
            raise Rejected(401, "unauthorised", headers={"WWW-Authenticate": 'Bearer realm="ivrbot"'})
        if not self._is_own_host(request.host):
            raise Rejected(403, "foreign_host")
        if not is_local(request):
            raise Rejected(403, "not_local")
        return LOCAL

    def has_token(self, request: web.BaseRequest) -> bool:
        """Whether the client shows the token; compared in constant time."""
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(shown.strip().encode("utf-8", "surrogateescape"), self._token)

    def _is_own_host(self, host: str) -> bool:
        """A name that others control may resolve to this computer; an address cannot."""
        name = host_name(host)
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


async def add_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Put the headers on an answer (signal `on_response_prepare`)."""
    del request
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "ivrbot"


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()


def is_local(request: web.BaseRequest) -> bool:
    """Whether the peer is on this computer; what came through a proxy is not."""
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        peer = ipaddress.ip_address((request.remote or "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    return peer.is_loopback

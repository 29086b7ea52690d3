"""The guard in front of every handler: who asks, whether he may, and whether the request is his own.

Machines show tokens, people have sessions in a cookie. What a handler has declared (`caller.needs`) is checked
before it runs; a request that changes something and rests on a cookie must also show the session's CSRF token.

Sources: RFC 6750 (bearer tokens), RFC 6265 (cookies), OWASP CSRF cheat sheet (synchroniser token and Origin).
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aiohttp import web

from ivrbot.config import WebSettings
from ivrbot.errors import StorageError
from ivrbot.model.people import Account, Person
from ivrbot.telephony.softphone import is_own_origin
from ivrbot.web.access_peer import Peers, host_name, is_address, is_local
from ivrbot.web.answers import Rejected, is_form
from ivrbot.web.caller import ANONYMOUS, CSRF, GUEST, LOCAL, PERSON, Access, Audience, access_of, forbidden
from ivrbot.web.rendering import page
from ivrbot.web.sessions import Sessions, csrf_of
from ivrbot.web.tokens import Tokens

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API: Final = "/api/"
NOT_PAGES: Final = (API, "/web/", "/ws/", "/static/", "/metrics", "/healthz", "/readyz")
"""Below these nobody looks at what is answered."""
PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Say nothing but "alive" and "ready"; asked for from anywhere."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf"
BEFORE_CHANGE: Final = frozenset({"/account", "/account/password", "/logout"})
"""All that is open to somebody who must choose another password."""
LOOK_AGAIN_S: Final = 15.0
"""A stream or socket ends so soon after the session that opened it."""
SESSION_COOKIE: Final = "session"

TOKEN: Final = web.RequestKey("session_token", str)
"""What the session's cookie holds."""

HEADERS: Final = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "media-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # "no-referrer" would make the Origin of our own forms "null" (Fetch)
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-store",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """Who asks, and by which session."""

    person: Person
    token: str = ""
    account: Account | None = None


class Guard:
    """Lets requests through, or refuses them.

    Args:
        settings: who has to log in, where the server listens.
        sessions: of people.
        tokens: of machines.
    """

    def __init__(self, settings: WebSettings, sessions: Sessions, tokens: Tokens) -> None:
        self._login = settings.login
        self._sessions = sessions
        self._tokens = tokens
        self._hosts = frozenset({"localhost", settings.host.lower()})
        self._peers = Peers(settings.proxies)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through or refuse it; errors become answers without details."""
        try:
            known = await self._admit(request)
            return await self._followed(request, handler, known)
        except Rejected as error:
            return self._refusal(request, error)
        except web.HTTPRequestEntityTooLarge:
            return self._refusal(request, Rejected(413, "too_large"))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            allow = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
            return self._refusal(request, Rejected(error.status, _code(error.reason), headers=allow))
        except Exception:  # noqa: BLE001 - the request boundary
            _log.exception("request failed: %s %s", request.method, request.match_info.route.resource)
            return self._refusal(request, Rejected(500, "internal"))

    async def _admit(self, request: web.Request) -> _Known | None:
        """Who asks (None where anybody may); raises `Rejected` unless the request may come in."""
        if request.path in PROBES:
            return None
        if not is_own_origin(request):
            raise Rejected(403, "foreign_origin")
        access = _declared(request)
        known = await self._known(request, access)
        if known is None:
            if access.audience is Audience.ANYBODY:
                request[PERSON] = ANONYMOUS
                return None
            raise self._stranger(request)
        request[PERSON] = known.person
        if known.token:
            request[TOKEN], request[CSRF] = known.token, csrf_of(known.token)
        if access.audience is Audience.ANYBODY:
            return known
        if known.account is not None and known.account.must_change and request.path not in BEFORE_CHANGE:
            raise _must_change(request)
        if access.rights and not any(known.person.may(right) for right in access.rights):
            raise forbidden(*access.rights)
        if known.token and request.method not in SAFE:
            await _check_csrf(request, csrf_of(known.token))
        return known

    async def _known(self, request: web.Request, access: Access) -> _Known | None:
        shown = _bearer(request)
        try:
            if shown is not None:
                machine = await self._tokens.person(shown)
                if machine is None:
                    raise _unauthorised()
                return _Known(machine)
            token = request.cookies.get(cookie_name(self._peers.is_secure(request)), "")
            account = await self._sessions.account(token) if token else None
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if account is not None:
            return _Known(account.person, token, account)
        if not self._is_here(request) or request.path.startswith(API):
            return None
        if self._login == "local":
            return _Known(LOCAL)
        return _Known(GUEST) if self._login == "phone" and access.audience is Audience.CALLER else None

    def _is_here(self, request: web.Request) -> bool:
        """Whether the request comes from a browser of this computer that knows where it is going."""
        name = host_name(request.host)
        # A name that others control may resolve to this computer; an address cannot.
        return is_local(request) and (name in self._hosts or is_address(name))

    def _stranger(self, request: web.Request) -> Rejected:
        if request.method in SAFE and not request.path.startswith(NOT_PAGES):
            query = request.query_string
            wanted = quote(request.path + (f"?{query}" if query else ""), safe="/")
            return Rejected(303, "log_in", headers={"Location": f"/login?next={wanted}"})
        return _unauthorised()

    async def _followed(self, request: web.Request, handler: Handler, known: _Known | None) -> web.StreamResponse:
        """Run the handler, and end it when the session that it rests on has ended."""
        if known is None or not known.token:
            return await handler(request)
        watch = asyncio.create_task(self._watch(known.token, asyncio.current_task()), name="session-watch")
        try:
            return await handler(request)
        finally:
            watch.cancel()

    async def _watch(self, token: str, task: asyncio.Task[object] | None) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            try:
                still_open = await self._sessions.account(token)
            except StorageError:
                continue
            if still_open is None and task is not None:
                task.cancel()
                return

    def _refusal(self, request: web.Request, error: Rejected) -> web.Response:
        """The answer: a page to people, JSON or a line of text to programs."""
        if error.status < 400:
            return web.Response(status=error.status, headers=error.headers)
        wants_page = "text/html" in request.headers.get("Accept", "")
        if not wants_page or request.path.startswith(NOT_PAGES):
            return error.response(plain=is_form(request))
        if PERSON not in request:
            request[PERSON] = ANONYMOUS
        again = str(request.rel_url) if error.status >= 500 and request.method in SAFE else ""
        told = {"code": error.error, "problems": error.problems, "again": again}
        response = page(request, "refused.html", status=error.status, **told)
        response.headers.update(error.headers)
        return response


def _declared(request: web.Request) -> Access:
    """What the handler has declared; whatever is not there is for whoever is known."""
    info = request.match_info
    if isinstance(info.route.resource, web.StaticResource):
        return Access(Audience.ANYBODY)
    if info.http_exception is not None:
        return Access(Audience.SOMEBODY)
    declared = access_of(info.handler)
    if declared is None:
        raise Rejected(403, "forbidden", [{"field": "right", "message": "the handler declares none"}])
    return declared


async def _check_csrf(request: web.Request, expected: str) -> None:
    shown = request.headers.get(CSRF_HEADER, "")
    if not shown and request.content_type == "application/x-www-form-urlencoded":
        shown = str((await request.post()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), expected.encode()):
        raise Rejected(403, "csrf", [{"field": CSRF_HEADER, "message": "missing or of another session"}])


def _must_change(request: web.Request) -> Rejected:
    if request.method in SAFE and not request.path.startswith(NOT_PAGES):
        return Rejected(303, "password_to_change", headers={"Location": "/account"})
    return Rejected(403, "password_to_change")


def _bearer(request: web.BaseRequest) -> str | None:
    """The token shown, None when no token is."""
    if "Authorization" not in request.headers:
        return None
    scheme, _, shown = request.headers["Authorization"].partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else ""


def _unauthorised() -> Rejected:
    return Rejected(401, "unauthorised", headers={"WWW-Authenticate": 'Bearer realm="ivrbot"'})


def _code(reason: str) -> str:
    return reason.lower().replace(" ", "_")


def cookie_name(is_secure: bool) -> str:
    """Name of the session's cookie; over HTTPS one that no other host and no plain page can set (RFC 6265bis)."""
    return f"__Host-{SESSION_COOKIE}" if is_secure else SESSION_COOKIE


async def add_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Put the headers on an answer (signal `on_response_prepare`)."""
    del request
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "ivrbot"

"""Log-in, log-out and one's own account.

Takes forms, gives pages and the session's cookie. Every refusal of a log-in reads the same.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from ivrbot.errors import StorageError
from ivrbot.model.people import Account, Right
from ivrbot.web.access import TOKEN, cookie_name
from ivrbot.web.access_peer import Peers
from ivrbot.web.answers import Rejected
from ivrbot.web.caller import Audience, open_to, person_of
from ivrbot.web.parts import WebParts
from ivrbot.web.people_passwords import fault_of
from ivrbot.web.rendering import language_of, page
from ivrbot.web.saying import Say
from ivrbot.web.sessions import WHOLE, LogIn, Sessions, hash_of

MAX_NEXT_CHARS: Final = 512
MAX_NAME_CHARS: Final = 64
"""Of a name that stays in the form when the log-in is refused."""


class LogInPages:
    """Handlers of `/login`, `/logout` and `/account`.

    Args:
        parts: of the process.
        sessions: of people.
    """

    def __init__(self, parts: WebParts, sessions: Sessions) -> None:
        self._parts = parts
        self._sessions = sessions
        self._peers = Peers(parts.settings.proxies)

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/login", self.form),
            web.post("/login", self.log_in),
            web.post("/logout", self.log_out),
            web.get("/account", self.account),
            web.post("/account/password", self.change_password),
        ]

    @open_to(Audience.ANYBODY)
    async def form(self, request: web.Request) -> web.Response:
        """Asks for name and password."""
        if TOKEN in request:
            return _see_other(own_path(request.query.get("next", "")))
        return page(request, "login.html", next=own_path(request.query.get("next", "")), refused=None, name="")

    @open_to(Audience.ANYBODY)
    async def log_in(self, request: web.Request) -> web.Response:
        """Opens a session with a new token, whatever cookie came along, and ends the one before."""
        form = await read_form(request)
        name, password = form.get("name", ""), form.get("password", "")
        wanted = own_path(form.get("next", ""))
        try:
            done = await self._sessions.log_in(name, password, self._peers.address(request))
            if done.token and TOKEN in request:
                await self._sessions.log_out(request[TOKEN], person_of(request).name)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if not done.token:
            return self._refused(request, done, wanted, name)
        must_change = done.account is not None and done.account.must_change
        return self._with_cookie(request, _see_other("/account" if must_change else wanted), done.token)

    @open_to(Audience.SOMEBODY)
    async def log_out(self, request: web.Request) -> web.Response:
        """Ends the session."""
        if TOKEN in request:
            try:
                await self._sessions.log_out(request[TOKEN], person_of(request).name)
            except StorageError as error:
                raise Rejected(503, "storage_unavailable") from error
        response = _see_other("/login")
        is_secure = self._peers.is_secure(request)
        response.del_cookie(cookie_name(is_secure), path="/", secure=is_secure, httponly=True, samesite="Lax")
        return response

    @open_to(Audience.SOMEBODY)
    async def account(self, request: web.Request) -> web.Response:
        """Who I am here, what I may, and where else I am logged in."""
        return await self._account_page(request, await self._mine(request))

    @open_to(Audience.SOMEBODY)
    async def change_password(self, request: web.Request) -> web.Response:
        """Takes another password and gives the session another token; all other sessions end."""
        account, form = await self._mine(request), await read_form(request)
        current, new = form.get("current", ""), form.get("new", "")
        fault = fault_of(new, account.name)
        if new != form.get("again", ""):
            fault = "password_differs"
        elif fault is None and new == current:
            fault = "password_same"
        try:
            if fault is None and not await self._sessions.proves(account, current):
                fault = "password_wrong"
            if fault is not None:
                return await self._account_page(request, account, fault=fault, status=400)
            hashed = await self._parts.passwords.hash(new)
            await self._parts.people.set_password(account.name, hashed, must_change=False)
            token = await self._sessions.renew(request[TOKEN], account.name)
            await self._parts.activity.note(account.name, "change_password", "person", account.name)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        return self._with_cookie(request, _see_other("/account?changed=1"), token)

    async def _mine(self, request: web.Request) -> Account:
        """The account of a session.

        Raises:
            Rejected: 404 for machines and where nobody has to log in.
        """
        try:
            found = await self._sessions.account(request[TOKEN]) if TOKEN in request else None
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if found is None:
            raise Rejected(404, "not_found")
        return found

    async def _account_page(
        self, request: web.Request, account: Account, *, fault: str = "", status: int = 200
    ) -> web.Response:
        try:
            sessions = await self._parts.people.sessions_of(account.name)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        mine = hash_of(request[TOKEN])
        return page(
            request,
            "account.html",
            status=status,
            account=account,
            my_rights=[right for right in Right if account.person.may(right)],
            say=Say(language_of(request), self._parts.router.plan.timezone),
            sessions=[(session.token_hash == mine, session.seen_at) for session in sessions],
            fault=fault,
            changed="changed" in request.query,
        )

    def _refused(self, request: web.Request, done: LogIn, wanted: str, name: str) -> web.Response:
        status = 429 if done.wait_s else 401
        values = {"next": wanted, "refused": -(-done.wait_s // 60), "name": name[:MAX_NAME_CHARS]}
        response = page(request, "login.html", status=status, **values)
        if done.wait_s:
            response.headers["Retry-After"] = str(done.wait_s)
        return response

    def _with_cookie(self, request: web.Request, response: web.Response, token: str) -> web.Response:
        is_secure = self._peers.is_secure(request)
        response.set_cookie(
            cookie_name(is_secure),
            token,
            max_age=int(WHOLE.total_seconds()),
            path="/",
            httponly=True,
            secure=is_secure,
            samesite="Lax",
        )
        return response


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        Rejected: 415 for anything else.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise Rejected(415, "unsupported")
    return {name: str(value) for name, value in (await request.post()).items()}


def own_path(wanted: str) -> str:
    """Where to go after the log-in: a path of this server, the first page if it is anything else."""
    is_plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and len(wanted) <= MAX_NEXT_CHARS
    is_path = wanted.startswith("/") and not wanted.startswith("//")
    return wanted if is_plain and is_path and not wanted.startswith(("/login", "/logout")) else "/"


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})

"""The pages for whoever manages people: accounts, their rights and passwords; tokens of machines.

Takes forms, gives pages. A password or a token made here is shown in the one answer to the form that made it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from aiohttp import web
from multidict import MultiDictProxy

from ivrbot.call.router import FRONT_BRANCH
from ivrbot.errors import StorageError
from ivrbot.model.people import Right, Role, rights_of
from ivrbot.web.answers import Rejected
from ivrbot.web.caller import needs, person_of
from ivrbot.web.parts import WebParts
from ivrbot.web.people_accounts import PeopleDesk, PeopleFault
from ivrbot.web.rendering import language_of, page
from ivrbot.web.saying import Say

RECENT: Final = 20
MAX_FIELD_CHARS: Final = 64

T = TypeVar("T")


class PeoplePages:
    """Handlers of `/people` and `/tokens`.

    Args:
        parts: of the process.
    """

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._book = parts.people
        self._desk = PeopleDesk(parts.people, parts.activity, parts.passwords)
        self._branches = (FRONT_BRANCH, *parts.router.menu.branches)

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/people", self.people),
            web.post("/people", self.add),
            web.get("/people/{name}", self.one),
            web.post("/people/{name}/rights", self.set_rights),
            web.post("/people/{name}/password", self.reset_password),
            web.post("/people/{name}/disabled", self.set_disabled),
            web.get("/tokens", self.tokens),
            web.post("/tokens", self.add_token),
            web.post("/tokens/{token_id}/revoke", self.revoke_token),
        ]

    # --- people -----------------------------------------------------------------------------------------

    @needs(Right.PEOPLE_MANAGE)
    async def people(self, request: web.Request) -> web.Response:
        """Who may log in."""
        _everywhere(request)
        return await self._people_page(request)

    @needs(Right.PEOPLE_MANAGE)
    async def add(self, request: web.Request) -> web.Response:
        """Add a person and show his first password."""
        _everywhere(request)
        form = await _form(request)
        name = _field(form, "name").lower()
        try:
            roles, branches = _roles(form), self._bounds(form)
            password = await _told(self._desk.add(name, roles, branches, by=person_of(request).name))
        except PeopleFault as fault:
            return await self._people_page(request, form=form, fault=fault.code, status=400)
        return await self._people_page(request, shown=(name, password))

    @needs(Right.PEOPLE_MANAGE)
    async def one(self, request: web.Request) -> web.Response:
        """One person: rights, password, what he did lately."""
        _everywhere(request)
        return await self._person_page(request, saved="saved" in request.query)

    @needs(Right.PEOPLE_MANAGE)
    async def set_rights(self, request: web.Request) -> web.Response:
        """Give a person other roles and branches."""
        _everywhere(request)
        name, form = request.match_info["name"], await _form(request)
        try:
            roles, branches = _roles(form), self._bounds(form)
            found = await _told(self._desk.set_rights(name, roles, branches, by=person_of(request).name))
        except PeopleFault as fault:
            return await self._person_page(request, fault=fault.code, status=400)
        return _back_to(name, found)

    @needs(Right.PEOPLE_MANAGE)
    async def reset_password(self, request: web.Request) -> web.Response:
        """Make a password and show it; the person has to change it."""
        _everywhere(request)
        name = request.match_info["name"]
        password = await _told(self._desk.reset_password(name, by=person_of(request).name))
        if not password:
            raise Rejected(404, "not_found")
        return await self._person_page(request, shown=(name, password))

    @needs(Right.PEOPLE_MANAGE)
    async def set_disabled(self, request: web.Request) -> web.Response:
        """Lock a person out, or let him in again."""
        _everywhere(request)
        name, wanted = request.match_info["name"], _field(await _form(request), "disabled")
        if wanted not in {"yes", "no"}:
            raise Rejected(400, "invalid")
        try:
            found = await _told(self._desk.set_disabled(name, wanted == "yes", by=person_of(request).name))
        except PeopleFault as fault:
            return await self._person_page(request, fault=fault.code, status=400)
        return _back_to(name, found)

    # --- tokens -----------------------------------------------------------------------------------------

    @needs(Right.PEOPLE_MANAGE)
    async def tokens(self, request: web.Request) -> web.Response:
        """Machines' ways in."""
        _everywhere(request)
        return await self._tokens_page(request)

    @needs(Right.PEOPLE_MANAGE)
    async def add_token(self, request: web.Request) -> web.Response:
        """Make a token and show it."""
        _everywhere(request)
        form = await _form(request)
        name = _field(form, "name").lower()
        try:
            scopes = {Right(scope) for scope in form.getall("scope", []) if scope in set(Right)}
            made = await _told(
                self._desk.add_token(
                    name, scopes, self._bounds(form), by=person_of(request).name, days=_days(form)
                )
            )
        except PeopleFault as fault:
            return await self._tokens_page(request, form=form, fault=fault.code, status=400)
        return await self._tokens_page(request, shown=(name, made))

    @needs(Right.PEOPLE_MANAGE)
    async def revoke_token(self, request: web.Request) -> web.Response:
        """End a token for good."""
        _everywhere(request)
        token_id = request.match_info["token_id"]
        token = next((one for one in await _told(self._book.tokens()) if one.token_id == token_id), None)
        if token is None:
            raise Rejected(404, "not_found")
        await _told(self._desk.revoke_token(token, by=person_of(request).name))
        return web.Response(status=303, headers={"Location": "/tokens"})

    # --- pages ------------------------------------------------------------------------------------------

    async def _people_page(self, request: web.Request, *, status: int = 200, **values: Any) -> web.Response:
        accounts = await _told(self._book.accounts())
        return self._page(request, "people.html", status, accounts=accounts, **values)

    async def _person_page(self, request: web.Request, *, status: int = 200, **values: Any) -> web.Response:
        name = request.match_info["name"]
        account = await _told(self._book.account(name))
        if account is None:
            raise Rejected(404, "not_found")
        recent = await _told(self._parts.activity.read(who=name, limit=RECENT))
        return self._page(request, "person.html", status, account=account, recent=recent, **values)

    async def _tokens_page(self, request: web.Request, *, status: int = 200, **values: Any) -> web.Response:
        tokens = await _told(self._book.tokens())
        return self._page(request, "tokens.html", status, tokens=tokens, now=datetime.now(UTC), **values)

    def _page(self, request: web.Request, template: str, status: int, **values: Any) -> web.Response:
        given: dict[str, Any] = {"form": None, "fault": "", "shown": None, "saved": False, **values}
        return page(
            request,
            template,
            status=status,
            all_roles={role: [right for right in Right if right in rights_of(frozenset({role}))] for role in Role},
            all_rights=list(Right),
            all_branches=self._branches,
            say=Say(language_of(request), self._parts.router.plan.timezone),
            **given,
        )

    def _bounds(self, form: MultiDictProxy[Any]) -> frozenset[str] | None:
        """Branches chosen; None for all of them.

        Raises:
            PeopleFault: none chosen, or one that there is not.
        """
        if form.get("bounds") == "all":
            return None
        chosen = frozenset(str(branch) for branch in form.getall("branch", []))
        if not chosen or not chosen <= set(self._branches):
            raise PeopleFault("branches")
        return chosen


def _everywhere(request: web.Request) -> None:
    """Whoever manages people must not be bound to branches: he could give himself the others.

    Raises:
        Rejected: 403.
    """
    if person_of(request).branches is not None:
        raise Rejected(403, "forbidden", [{"field": "branch", "message": "needs a right to every branch"}])


async def _form(request: web.Request) -> MultiDictProxy[Any]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise Rejected(415, "unsupported")
    return await request.post()


def _field(form: MultiDictProxy[Any], name: str) -> str:
    return str(form.get(name, "")).strip()[:MAX_FIELD_CHARS]


def _roles(form: MultiDictProxy[Any]) -> set[Role]:
    return {Role(role) for role in form.getall("role", []) if role in set(Role)}


def _days(form: MultiDictProxy[Any]) -> int | None:
    text = _field(form, "days")
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _back_to(name: str, found: bool) -> web.Response:
    if not found:
        raise Rejected(404, "not_found")
    return web.Response(status=303, headers={"Location": f"/people/{name}?saved=1"})


async def _told(work: Awaitable[T]) -> T:
    try:
        return await work
    except StorageError as error:
        raise Rejected(503, "storage_unavailable") from error

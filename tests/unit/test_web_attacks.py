"""Attacks over HTTP on everything that is mounted: the router is walked, so what is added later is attacked too.

Source: OWASP ASVS 4 (access control, session management), FAULTS of the threat model.
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import EventType
from ivrbot.model.operators import CallbackAsked
from ivrbot.model.people import Right, Role
from ivrbot.operators.desk import OperatorDesk
from ivrbot.storage.callbacks import CallbackBook
from ivrbot.web.caller import Access, Audience, access_of, needs, open_to
from ivrbot.web.server import WebServer, _refuse_undeclared
from ivrbot.web.tokens import make_token
from tests.unit.web_fixture import AT, Site, a_dossier, open_site

MEDIA = {"/ws/asterisk", "/ws/media-streams"}
"""Their gateways know the peers that may come, and which calls were registered."""
FREE = {"/healthz", "/readyz", "/login", "/static"} | MEDIA
"""All that answers to strangers."""
SAFE = {"GET", "HEAD"}
LOANS = frozenset({"loans"})


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, login="always") as site:
        yield site


def walk(site: Site) -> Iterator[tuple[str, str, Access]]:
    """Method, a path, and what the handler has declared, of every route."""
    for route in WebServer(site.parts).application().router.routes():
        resource = route.resource
        assert resource is not None
        declared = access_of(route.handler)
        if isinstance(resource, web.StaticResource):
            declared = Access(Audience.ANYBODY)
        assert declared is not None, resource.canonical
        yield route.method, reachable(resource), declared


CANDIDATES = ("x", "1", "2026-01-05", "propose", "approve", "kill")


def reachable(resource: web.AbstractResource) -> str:
    """A path that leads to a resource, its placeholders filled with what their patterns take."""
    pattern, canonical = resource.get_info().get("pattern"), resource.canonical
    parts = re.split(r"\{[^}]*\}", canonical)
    for values in itertools.product(CANDIDATES, repeat=len(parts) - 1):
        path = parts[0] + "".join(value + part for value, part in zip(values, parts[1:], strict=True))
        if pattern is None or pattern.fullmatch(path):
            return path
    raise AssertionError(f"nothing of CANDIDATES fits {canonical}")


async def status(session: aiohttp.ClientSession, method: str, url: str, **arguments: Any) -> int:
    async with session.request(method, URL(url, encoded=True), allow_redirects=False, **arguments) as response:
        return response.status


# --- whoever nobody knows -------------------------------------------------------------------------------


async def test_strangers_are_refused_everywhere(site: Site) -> None:
    tried = 0
    for method, path, access in walk(site):
        if path in FREE or path.startswith("/static/"):
            assert access.audience is Audience.ANYBODY
            continue
        assert access.audience is not Audience.ANYBODY, path
        code = await status(site.page, method, site.url + path)
        assert code == 401 or (code == 303 and method in SAFE), (method, path, code)
        for shown in ("Bearer wrong", "Basic YWRtaW46YWRtaW4=", "Bearer ivrbot_" + "x" * 43):
            headers = {"Authorization": shown}
            assert await status(site.page, method, site.url + path, headers=headers) == 401, path
        tried += 1
    assert tried > 40


async def test_a_guest_reaches_the_softphone_only(tmp_path: Path) -> None:
    async with open_site(tmp_path, login="phone") as site:
        for method, path, access in walk(site):
            if access.audience is Audience.ANYBODY or method not in SAFE:
                continue
            code = await status(site.page, method, site.url + path)
            if access.audience is Audience.CALLER:
                assert code in {200, 400}, path  # a WebSocket without its handshake is a bad request
            else:
                assert code in {303, 401}, path
        async with site.page.get(f"{site.url}/phone") as response:
            page = await response.text()
        assert 'href="/login"' in page
        assert 'href="/desk"' not in page
        for headers in ({"X-Forwarded-For": "203.0.113.9"}, {"Host": "evil.example"}):
            assert await status(site.page, "GET", f"{site.url}/phone", headers=headers) == 303
            assert await status(site.page, "GET", f"{site.url}/ws/softphone", headers=headers) == 401


async def test_nobody_gets_in_without_a_right(site: Site) -> None:
    now = AT.replace(year=2100)
    for method, path, access in walk(site):
        if not access.rights:
            continue
        scopes = frozenset(Right) - set(access.rights)
        shown, kept = make_token(f"t{uuid.uuid4().hex[:12]}", scopes, None, made_by="test", now=now)
        await site.parts.people.add_token(kept)
        headers = {"Authorization": f"Bearer {shown}"}
        assert await status(site.page, method, site.url + path, headers=headers) == 403, (method, path)


async def test_handlers_that_declare_nothing_are_not_mounted() -> None:
    async def bare(_request: web.Request) -> web.Response:
        return web.Response()

    @needs(Right.CALLS_SEE)
    async def declared(_request: web.Request) -> web.Response:
        return web.Response()

    application = web.Application()
    application.add_routes([web.get("/good", declared), web.get("/bad/{x}", bare), web.post("/worse", bare)])
    with pytest.raises(ValueError, match=re.escape("HEAD /bad/{x}, GET /bad/{x}, POST /worse")):
        _refuse_undeclared(application)
    with pytest.raises(ValueError, match="without a right"):
        needs()
    assert access_of(open_to(Audience.ANYBODY)(bare)) == Access(Audience.ANYBODY)


# --- cross-site -----------------------------------------------------------------------------------------


async def test_every_change_needs_the_csrf_token(site: Site) -> None:
    async with site.logged_in("anna", Role.ADMIN) as anna:
        tried = 0
        for method, path, access in walk(site):
            if method in SAFE or access.audience is Audience.ANYBODY:
                continue
            for form in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
                code, text = await anna.post(path, csrf="", data=form)
                assert (code, text.split(":")[0]) == (403, "csrf"), path
            headers = {"Origin": "https://evil.example", "X-CSRF-Token": anna.csrf}
            assert await status(anna.session, method, site.url + path, headers=headers) == 403, path
            tried += 1
        assert tried > 12


async def test_sockets_and_streams_of_foreign_pages_are_refused(site: Site) -> None:
    async with site.logged_in("anna", Role.ADMIN) as anna:
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", site.url + ".evil.example"):
            for path in ("/ws/softphone", "/ws/desk/d", "/web/live", "/web/desk"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await anna.session.ws_connect(site.url + path, origin=origin)
                assert refused.value.status == 403


# --- other people's things --------------------------------------------------------------------------------


class Things:
    """One call about a card, with everything that hangs on it.

    Attributes:
        call_id: registered, its topic stated, its dossier stored.
    """

    def __init__(self) -> None:
        self.call_id = CallId(str(uuid.uuid4()))
        self.dossier_id = uuid.uuid4().hex
        self.callback_id = ""

    async def put(self, site: Site) -> Things:
        call = CallRegistration(self.call_id, caller="+79161234567")
        await site.parts.store.register(call, AT)
        told = {"topic": "check_balance", "branch": "balance"}
        site.parts.recorder.emit(self.call_id, EventType.TOPIC_STATED, 0, cast(Any, told))
        site.parts.recorder.emit(self.call_id, EventType.CALL_ENDED, 9, {"disposition": "resolved"})
        await site.parts.recorder.flush()
        dossier = replace(a_dossier(self.dossier_id, self.call_id), topic="check_balance")
        book = CallbackBook(site.parts.store)
        desk = OperatorDesk(site.parts.store, callbacks=book, now=lambda: AT)
        await desk.promise_callback(call, dossier, CallbackAsked(AT, "+79161234567"))
        ((callback, _),) = await book.listed(2)
        self.callback_id = callback.callback_id
        return self


async def test_things_of_another_branch_do_not_exist(site: Site) -> None:
    things = await Things().put(site)
    said = {"topic": "check_balance", "outcome": "resolved"}
    why = {"why": "test"}
    async with (
        site.logged_in("loans", Role.ADMIN, branches=LOANS) as other,
        site.logged_in("balance", Role.ADMIN, branches=frozenset({"balance"})) as own,
    ):
        reads = [
            f"/api/v1/calls/{things.call_id}/events",
            f"/api/v1/dossiers/{things.dossier_id}",
            f"/web/dossiers/{things.dossier_id}",
            f"/web/calls/{things.call_id}/disposition",
            f"/calls/{things.call_id}",
        ]
        for path in reads:
            assert (await other.get(path))[0] == 404, path
            assert (await own.get(path))[0] == 200, path
        changes: list[tuple[str, dict[str, str]]] = [
            (f"/web/calls/{things.call_id}/disposition", said),
            (f"/api/v1/calls/{things.call_id}/disposition", said),
            (f"/web/callbacks/{things.callback_id}", {"action": "done"}),
            ("/api/v1/rollout/balance/kill", why),
            ("/api/v1/rollout/balance/propose", why),
            ("/api/v1/rollout/balance/rollback", why),
            ("/api/v1/rollout/balance/approve", {**why, "id": "x"}),
        ]
        before = await site.parts.store.own_states()
        for path, body in changes:
            assert (await other.post(path, json=body))[0] == 404, path
        assert await site.parts.store.own_states() == before
        assert (await other.post("/api/v1/rollout/kill", json=why))[0] == 403
        assert (await other.post("/api/v1/rollout/*/kill", json=why))[0] == 403
        for path, body in changes[:4]:
            assert (await own.post(path, json=body))[0] == 200, path


async def test_no_route_opens_another_branchs_things(site: Site) -> None:
    """Whatever is mounted with an id in its path, now or later."""
    things = await Things().put(site)
    ids = {"call_id": things.call_id, "uuid": things.call_id, "dossier_id": things.dossier_id}
    ids |= {"callback_id": things.callback_id, "branch": "balance"}
    tried = 0
    async with site.logged_in("loans", Role.ADMIN, branches=LOANS) as other:
        headers = {"X-CSRF-Token": other.csrf}
        for route in WebServer(site.parts).application().router.routes():
            resource = route.resource
            names = re.findall(r"\{(\w+)\}", resource.canonical) if resource is not None else []
            if resource is None or not set(names) & ids.keys():
                continue
            path = resource.canonical
            for name in names:
                path = path.replace(f"{{{name}}}", ids.get(name, "kill"))
            why = {"why": "test", "topic": "check_balance", "outcome": "resolved", "action": "done"}
            for body in ({"json": why}, {"data": why}) if route.method not in SAFE else ({},):
                code = await status(other.session, route.method, site.url + path, headers=headers, **body)
                assert 400 <= code < 500, (route.method, path, code)
            tried += 1
    assert tried > 15
    assert things.call_id not in str(await site.parts.activity.read(who="loans", action="view"))


async def test_lists_hold_ones_own_branch_only(site: Site) -> None:
    things = await Things().put(site)
    await site.post("/api/v1/rollout/balance/kill", json={"why": "test"})
    async with site.logged_in("loans", Role.ADMIN, branches=LOANS) as other:
        for path in ("/api/v1/callbacks", "/web/callbacks", "/api/v1/rollout", "/api/v1/rollout/proposals"):
            status_, text = await other.get(path)
            assert status_ == 200, path
            assert "balance" not in text, path
            assert things.call_id not in text
        assert "balance" not in (await other.get("/api/v1/rollout/history"))[1]


async def test_whoever_is_bound_to_a_branch_manages_nobody(site: Site) -> None:
    async with site.logged_in("loans", Role.ADMIN, branches=LOANS) as bound:
        for path in ("/people", "/tokens", "/people/loans"):
            assert (await bound.get(path))[0] == 403, path
        form = {"name": "eve", "role": "admin", "bounds": "all", "scope": "people:manage"}
        for path in (
            "/people",
            "/tokens",
            "/people/loans/rights",
            "/people/loans/password",
            "/people/loans/disabled",
        ):
            assert (await bound.post(path, data=form))[0] == 403, path
        assert [account.name for account in await site.parts.people.accounts()] == ["loans"]


async def test_an_operator_gives_himself_nothing(site: Site) -> None:
    async with site.logged_in("anna", Role.OPERATOR) as anna:
        form = {"role": "admin", "bounds": "all"}
        assert (await anna.post("/people/anna/rights", data=form))[0] == 403
        account = await site.parts.people.account("anna")
        assert account
        assert account.roles == {Role.OPERATOR}


async def test_every_look_is_noted(site: Site) -> None:
    things = await Things().put(site)
    async with site.logged_in("anna", Role.ADMIN) as anna:
        await anna.get(f"/web/dossiers/{things.dossier_id}")
        await anna.get(f"/api/v1/calls/{things.call_id}/events")
        seen = {(row.who, row.kind, row.ref, row.branch) for row in await site.parts.activity.read(action="view")}
        assert {
            ("anna", "dossier", things.dossier_id, "balance"),
            ("anna", "transcript", things.call_id, "balance"),
        } <= seen


# --- paths and lines --------------------------------------------------------------------------------------

TRAVERSALS = (
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fapi.token",
    "..%5c..%5capi.token",
    "%00",
    "%0d%0aSet-Cookie:%20a=b",
    "....//....//api.token",
    "'%20OR%201=1--",
    "%24%7bjndi:x%7d",
    "%7b%7b7*7%7d%7d",
    "%ff%fe",
    "x" * 5000,
    "%F0%9F%92%A9",
)


async def test_no_path_leads_out(site: Site) -> None:
    async with site.logged_in("anna", Role.ADMIN) as anna:
        headers = {"X-CSRF-Token": anna.csrf}
        routes = WebServer(site.parts).application().router.routes()
        found = {(route.method, route.resource.canonical) for route in routes if route.resource is not None}
        paths = {(method, path) for method, path in found if "{" in path and method != "HEAD"}
        assert len(paths) > 12
        for method, path in paths:
            for attack in TRAVERSALS:
                address = URL(site.url + attack.join(re.split(r"\{[^}]*\}", path)), encoded=True)
                arguments: dict[str, Any] = {} if method in SAFE else {"json": {"why": "test"}}
                async with anna.session.request(
                    method, address, headers=headers, allow_redirects=False, **arguments
                ) as answer:
                    assert 400 <= answer.status < 500, (path, attack, answer.status)
                    assert "a" not in answer.cookies
                    assert b"root:" not in await answer.read()


async def test_what_is_said_in_a_query_stays_out_of_headers(site: Site) -> None:
    for attack in ("%0d%0aSet-Cookie:%20a=b", "//evil.example", "%2f%2fevil.example"):
        address = URL(f"{site.url}/docs?next={attack}", encoded=True)
        async with site.page.get(address, allow_redirects=False) as answer:
            assert answer.status == 303
            assert "a" not in answer.cookies
            assert answer.headers["Location"].startswith("/login?next=/docs%3F")
            assert "\n" not in answer.headers["Location"]


async def test_what_people_type_is_shown_as_text(site: Site) -> None:
    attack = '"><script>alert(1)</script>'
    async with site.logged_in("anna", Role.ADMIN) as anna:
        form = {"name": attack, "role": "operator", "bounds": "all"}
        for path in ("/people", "/tokens"):
            status_, page = await anna.post(path, data=form)
            assert status_ == 400
            assert "<script>alert" not in page
        async with site.page.post(f"{site.url}/login", data={"name": attack, "next": attack}) as answer:
            assert "<script>alert" not in await answer.text()

"""Log-in, sessions, CSRF and tokens over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import aiohttp
import pytest

from ivrbot.call.router import FRONT_BRANCH
from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import StorageUnavailable
from ivrbot.model.people import Right, Role, Session
from ivrbot.rollout.planning.check import load_plan
from ivrbot.storage.activity import ActivityLog
from ivrbot.storage.people import PeopleBook
from ivrbot.storage.store import Store
from ivrbot.web import access
from ivrbot.web.login import own_path
from ivrbot.web.people_accounts import PeopleDesk, PeopleFault
from ivrbot.web.people_passwords import fault_of, new_password
from ivrbot.web.sessions import ADDRESS_LIMIT, IDLE, NAME_LIMIT, WHOLE, WINDOW, Sessions, csrf_of, hash_of
from ivrbot.web.tokens import make_token
from tests.unit.web_fixture import AT, CHEAP, FLOWS, PASSWORD, Site, Visitor, open_site

WHY = {"why": "test"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, login="always") as site:
        yield site


class Clock:
    """Aware UTC, moved by hand."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now


async def status_with_cookie(site: Site, cookie: str) -> int:
    """What a page answers to a browser with this cookie."""
    async with (
        aiohttp.ClientSession(cookies={"session": cookie}) as session,
        session.get(f"{site.url}/docs", allow_redirects=False) as response,
    ):
        return response.status


# --- log-in over HTTP -----------------------------------------------------------------------------------


async def test_a_page_leads_to_the_log_in_and_back(site: Site) -> None:
    await site.add_person("anna", Role.OWNER)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(f"{site.url}/docs?lang=ru", allow_redirects=False) as response:
            assert response.status == 303
            login = response.headers["Location"]
        assert login == "/login?next=/docs%3Flang%3Dru"
        async with session.get(site.url + login) as response:
            page = await response.text()
        assert 'name="next" value="/docs?lang=ru"' in page
        form = {"name": " Anna ", "password": PASSWORD, "next": "/docs?lang=ru"}
        async with session.post(f"{site.url}/login", data=form, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/docs?lang=ru")
            cookie = response.headers["Set-Cookie"]
        assert re.match(r"session=[\w-]{43};", cookie)
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        async with session.get(f"{site.url}/docs") as response:
            page = await response.text()
        assert response.status == 200
        assert ">anna</a>" in page
        assert 'action="/logout"' in page


async def test_the_cookie_is_secure_behind_a_proxy_with_tls(tmp_path: Path) -> None:
    async with open_site(tmp_path, login="always", proxies=("127.0.0.0/8",)) as site:
        await site.add_person("anna", Role.OWNER)
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
        form = {"name": "anna", "password": PASSWORD}
        async with site.page.post(
            f"{site.url}/login", data=form, headers=headers, allow_redirects=False
        ) as response:
            assert response.headers["Set-Cookie"].startswith("__Host-session=")
            assert "Secure" in response.headers["Set-Cookie"]
        (row,) = await site.parts.activity.read(action="log_in")
        assert (row.who, row.detail) == ("anna", {"from": "198.51.100.7"})


async def test_every_refusal_of_a_log_in_reads_the_same(site: Site) -> None:
    await site.add_person("anna", Role.OWNER)
    await site.add_person("gone", Role.OWNER)
    await site.parts.people.set_disabled("gone", True)
    answers = set()
    for name, password in (("anna", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("<b>", "x"), ("", "")):
        async with site.page.post(f"{site.url}/login", data={"name": name, "password": password}) as response:
            kept = f'required value="{escape(name)}"'
            text = await response.text()
            assert kept in text
            answers.add((response.status, text.replace(kept, "")))
            assert "Set-Cookie" not in response.headers
    ((status, text),) = answers
    assert status == 401
    assert "Name or password is wrong." in text
    assert re.search(r'id="password"[^>]* autofocus>', text)


async def test_names_are_not_noted_when_nobody_has_them(site: Site) -> None:
    await site.add_person("anna", Role.OWNER)
    for name in ("anna", "my-secret-password"):
        async with site.page.post(f"{site.url}/login", data={"name": name, "password": "x"}):
            pass
    assert [row.ref for row in await site.parts.activity.read(action="log_in_refused")] == ["", "anna"]


async def test_guessing_is_stopped_and_waiting_helps(tmp_path: Path) -> None:
    clock = Clock()
    async with Store(tmp_path / "s.sqlite") as store:
        book, log = PeopleBook(store), ActivityLog(store, clock)
        desk = PeopleDesk(book, log, CHEAP, clock)
        for name in ("anna", "boris"):
            await desk.add(name, {Role.OWNER}, None, by="test", password=PASSWORD)
        tries = await asyncio.gather(
            *(Sessions(book, log, CHEAP, clock).log_in("anna", "wrong", f"10.0.0.{n}") for n in range(NAME_LIMIT))
        )
        assert {done.wait_s for done in tries} == {0}
        again = Sessions(book, log, CHEAP, clock)  # a process that was started again knows as much
        refused = await again.log_in("anna", PASSWORD, "10.0.1.1")
        assert (refused.token, refused.wait_s) == ("", int(WINDOW.total_seconds()) + 1)
        assert (await again.log_in("boris", PASSWORD, "10.0.1.1")).token
        clock.now += WINDOW
        assert (await again.log_in("anna", PASSWORD, "10.0.1.1")).token


async def test_guessing_many_names_from_one_address_is_stopped(tmp_path: Path) -> None:
    clock = Clock()
    async with Store(tmp_path / "s.sqlite") as store:
        sessions = Sessions(PeopleBook(store), ActivityLog(store, clock), CHEAP, clock)
        for number in range(ADDRESS_LIMIT):
            assert (await sessions.log_in(f"name{number}", "wrong", "10.0.0.1")).wait_s == 0
        assert (await sessions.log_in("another", "wrong", "10.0.0.1")).wait_s > 0
        assert (await sessions.log_in("another", "wrong", "10.0.0.2")).wait_s == 0


async def test_a_household_of_addresses_counts_as_one(tmp_path: Path) -> None:
    clock = Clock()
    async with Store(tmp_path / "s.sqlite") as store:
        sessions = Sessions(PeopleBook(store), ActivityLog(store, clock), CHEAP, clock)
        for number in range(ADDRESS_LIMIT):
            await sessions.log_in(f"name{number}", "wrong", f"2001:db8::{number:x}")
        assert (await sessions.log_in("another", "wrong", "2001:db8::ffff")).wait_s > 0
        assert (await sessions.log_in("another", "wrong", "2001:db8:0:1::1")).wait_s == 0


async def test_too_many_tries_over_http(site: Site) -> None:
    await site.add_person("anna", Role.OWNER)
    for _ in range(NAME_LIMIT):
        async with site.page.post(f"{site.url}/login", data={"name": "anna", "password": "wrong"}) as response:
            assert response.status == 401
    async with site.page.post(f"{site.url}/login", data={"name": "anna", "password": PASSWORD}) as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 901
        assert "Too many attempts" in await response.text()


async def test_a_planted_session_is_not_taken_over(site: Site) -> None:
    """Session fixation: whatever cookie a browser brings, the log-in makes another one."""
    await site.add_person("anna", Role.OWNER)
    planted = "A" * 43
    async with aiohttp.ClientSession(cookies={"session": planted}) as session:
        form = {"name": "anna", "password": PASSWORD}
        async with session.post(f"{site.url}/login", data=form, allow_redirects=False) as response:
            assert planted not in response.headers["Set-Cookie"]
    assert await status_with_cookie(site, planted) == 303


async def test_a_second_log_in_ends_the_first_session(site: Site) -> None:
    async with site.logged_in("anna", Role.OWNER) as anna:
        await anna.log_in("anna")
        assert len(await site.parts.people.sessions_of("anna")) == 1


async def test_the_database_holds_no_secret(site: Site) -> None:
    async with site.logged_in("anna", Role.OWNER) as anna:
        cookie = next(iter(anna.session.cookie_jar)).value
        (session,) = await site.parts.people.sessions_of("anna")
        assert session.token_hash == hash_of(cookie) != cookie
        account = await site.parts.people.account("anna")
        assert account
        assert account.password_hash.startswith("$argon2id$")


async def test_log_out_ends_the_session(site: Site) -> None:
    async with site.logged_in("anna", Role.OWNER) as anna:
        cookie = next(iter(anna.session.cookie_jar)).value
        assert (await anna.post("/logout"))[0] == 303
        assert await status_with_cookie(site, cookie) == 303
        assert [row.action for row in await site.parts.activity.read(limit=1)] == ["log_out"]


async def test_who_is_disabled_is_out_at_once(site: Site) -> None:
    async with site.logged_in("anna", Role.OWNER) as anna:
        assert (await anna.get("/docs"))[0] == 200
        await site.parts.people.set_disabled("anna", True)
        assert (await anna.get("/docs"))[0] == 303


async def test_a_stream_ends_with_its_session(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "LOOK_AGAIN_S", 0.05)
    async with site.logged_in("anna", Role.OPERATOR) as anna, anna.session.get(f"{site.url}/web/live") as stream:
        assert stream.status == 200
        await stream.content.readline()
        await site.parts.people.set_disabled("anna", True)
        async with asyncio.timeout(30):
            with contextlib.suppress(aiohttp.ClientError):  # cut off, not ended in order
                while await stream.content.readline():
                    pass


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/calls?a=1&b=%2F", True),
        ("/", True),
        ("//evil.example", False),
        ("https://evil.example", False),
        ("/\\evil.example", False),
        ("\\\\evil.example", False),
        ("javascript:alert(1)", False),
        ("/x\r\nSet-Cookie: a=b", False),
        ("/login?next=/", False),
        ("/logout", False),
        ("/путь", False),
        ("/" + "x" * 600, False),
        ("", False),
    ],
)
def test_where_a_log_in_leads(path: str, kept: bool) -> None:
    assert own_path(path) == (path if kept else "/")


# --- sessions by the clock ------------------------------------------------------------------------------


async def test_sessions_end_when_idle_and_after_a_week(tmp_path: Path) -> None:
    clock = Clock()
    async with Store(tmp_path / "s.sqlite") as store:
        book, log = PeopleBook(store), ActivityLog(store, clock)
        await PeopleDesk(book, log, CHEAP, clock).add("anna", {Role.OWNER}, None, by="test", password=PASSWORD)
        sessions = Sessions(book, log, CHEAP, clock)
        token = (await sessions.log_in("anna", PASSWORD, "10.0.0.1")).token
        while clock.now < AT + WHOLE - IDLE:
            clock.now += IDLE - timedelta(minutes=1)
            assert await sessions.account(token)
        clock.now = AT + WHOLE
        assert await sessions.account(token) is None
        token = (await sessions.log_in("anna", PASSWORD, "10.0.0.1")).token
        clock.now += IDLE
        assert await sessions.account(token) is None


async def test_who_was_known_stays_known_while_the_database_is_away(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StorageUnavailable("away")

    async with site.logged_in("anna", Role.OWNER) as anna:
        await anna.get("/docs")
        monkeypatch.setattr(PeopleBook, "session", away)
        assert (await anna.get("/docs"))[0] == 200
        assert await status_with_cookie(site, "x" * 43) == 503
        assert (await site.get("/api/v1/rollout"))[0] == 200


async def test_a_session_of_nobody_is_none(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.sqlite") as store:
        book = PeopleBook(store)
        await book.open_session(Session(hash_of("x"), "erased", AT, AT), AT)
        assert await Sessions(book, ActivityLog(store), CHEAP, lambda: AT).account("x") is None


# --- passwords ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("x" * 11, "password_short"),
        ("x" * 257, "password_long"),
        ("aaaaaaaaaaaa", "password_weak"),
        ("annaannaanna", "password_weak"),
        ("Anna20242025", "password_weak"),
        ("correct horse", None),
        ("верный конь батарея", None),
    ],
)
def test_passwords_that_are_refused(password: str, fault: str | None) -> None:
    assert fault_of(password, "anna") == fault


def test_passwords_made_here_differ_and_pass() -> None:
    made = {new_password() for _ in range(50)}
    assert len(made) == 50
    assert {fault_of(password, "admin") for password in made} == {None}


async def test_one_changes_ones_password(site: Site) -> None:
    async with site.logged_in("anna", Role.OWNER) as anna:
        before = next(iter(anna.session.cookie_jar)).value
        other = "another four words"
        for form, fault in (
            ({"current": "wrong", "new": other, "again": other}, "The current password is wrong."),
            ({"current": PASSWORD, "new": other, "again": "x"}, "The two new passwords differ."),
            ({"current": PASSWORD, "new": "short", "again": "short"}, "At least 12 characters."),
            ({"current": PASSWORD, "new": PASSWORD, "again": PASSWORD}, "That is the old password."),
        ):
            status, page = await anna.post("/account/password", data=form)
            assert status == 400
            assert fault in page
        form = {"current": PASSWORD, "new": other, "again": other}
        assert (await anna.post("/account/password", data=form))[0] == 303
        assert next(iter(anna.session.cookie_jar)).value != before
        assert (await anna.get("/account?changed=1"))[0] == 200
        assert await anna.log_in("anna", PASSWORD) == 401
        assert await anna.log_in("anna", other) == 303


async def test_a_password_that_others_know_must_be_changed(site: Site) -> None:
    await site.add_person("anna", Role.ADMIN, must_change=True)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        anna = Visitor(site.url, session)
        await anna.log_in("anna")
        for path in ("/", "/docs", "/people"):
            async with session.get(site.url + path, allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (303, "/account")
        for path in ("/web/live", "/api/v1/rollout", "/ws/softphone"):
            assert (await anna.get(path))[0] == 403
        assert "Choose your own" in (await anna.get("/account"))[1]
        form = {"current": PASSWORD, "new": "another four words", "again": "another four words"}
        assert (await anna.post("/account/password", data=form))[0] == 303
        assert (await anna.get("/people"))[0] == 200


# --- CSRF -----------------------------------------------------------------------------------------------


async def test_a_change_needs_the_sessions_own_proof(site: Site) -> None:
    async with site.logged_in("anna", Role.ADMIN) as anna, site.logged_in("eve", Role.ADMIN) as eve:
        for csrf in ("", "x", eve.csrf, csrf_of("")):
            assert (await anna.post("/api/v1/rollout/balance/kill", csrf=csrf, json=WHY))[0] == 403
        assert (await anna.post("/api/v1/rollout/balance/kill", json=WHY))[0] == 200
        last = (await site.parts.store.history())[-1]
        assert (last.action, last.who) == ("kill", "anna")


async def test_a_form_may_carry_the_proof(site: Site) -> None:
    async with site.logged_in("anna", Role.ADMIN) as anna:
        form = {"why": "test"}
        assert (await anna.post("/api/v1/rollout/loans/kill", csrf="", data=form))[0] == 403
        assert (await anna.post("/api/v1/rollout/loans/kill", csrf="", data={**form, "csrf": anna.csrf}))[0] == 200


async def test_the_proof_stands_in_every_page(site: Site) -> None:
    async with site.logged_in("anna", Role.ADMIN) as anna:
        for path in ("/", "/docs", "/people", "/account"):
            assert f'data-csrf="{anna.csrf}"' in (await anna.get(path))[1]


async def test_a_foreign_page_cannot_log_somebody_in(site: Site) -> None:
    await site.add_person("eve", Role.OWNER)
    headers = {"Origin": "https://evil.example"}
    form = {"name": "eve", "password": PASSWORD}
    async with site.page.post(f"{site.url}/login", data=form, headers=headers) as response:
        assert response.status == 403
        assert "Set-Cookie" not in response.headers


# --- tokens ---------------------------------------------------------------------------------------------


async def test_a_token_opens_what_it_is_for(site: Site) -> None:
    now = datetime.now(UTC)
    shown, kept = make_token("grafana", frozenset({Right.METRICS_READ}), None, made_by="anna", now=now, days=1)
    await site.parts.people.add_token(kept)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {shown}"}) as machine:
        for path, status in (
            ("/metrics", 200),
            ("/api/v1/rollout", 403),
            ("/", 403),
            ("/api/v1/openapi.json", 200),
        ):
            async with machine.get(site.url + path) as response:
                assert response.status == status, path
        async with machine.post(f"{site.url}/api/v1/calls", json={"uuid": "x"}) as response:
            assert (response.status, (await response.json())["error"]) == (403, "forbidden")
        (token,) = await site.parts.people.tokens()
        assert token.last_used_on == now.date()
        await site.parts.people.revoke_token(kept.token_id)
        async with machine.get(f"{site.url}/metrics") as response:
            assert response.status == 401


async def test_tokens_that_are_none(site: Site) -> None:
    now = datetime.now(UTC)
    expired = make_token("old", frozenset(Right), None, made_by="x", now=now - timedelta(days=2), days=1)
    await site.parts.people.add_token(expired[1])
    for shown in (expired[0], "ivrbot_" + "x" * 43, "", "x", expired[1].token_hash):
        async with site.page.get(f"{site.url}/metrics", headers={"Authorization": f"Bearer {shown}"}) as response:
            assert response.status == 401


async def test_what_a_token_may_be(tmp_path: Path) -> None:
    async with Store(tmp_path / "s.sqlite") as store:
        desk = PeopleDesk(PeopleBook(store), ActivityLog(store), CHEAP)
        some = {Right.METRICS_READ}
        for name, scopes, branches, days, fault in (
            ("api", some, None, None, "name"),
            ("A b", some, None, None, "name"),
            ("a", set[Right](), None, None, "scopes"),
            ("a", some, frozenset[str](), None, "branches"),
            ("a", some, None, 0, "days"),
        ):
            with pytest.raises(PeopleFault, match=fault):
                await desk.add_token(name, scopes, branches, by="test", days=days)
        await desk.add_token("a", some, None, by="test")
        with pytest.raises(PeopleFault, match="name_taken"):
            await desk.add_token("a", some, None, by="test")


async def test_nobody_approves_his_own_proposal_by_a_token(tmp_path: Path) -> None:
    demo = load_plan(PROJECT_ROOT / "deploy" / "demo-rollout.yaml", {*FLOWS.branches.branches, FRONT_BRANCH})
    async with open_site(tmp_path, login="always", plan=replace(demo, two_person=True)) as site:
        shown, kept = make_token("mine", frozenset(Right), None, made_by="anna", now=datetime.now(UTC))
        await site.parts.people.add_token(kept)
        headers = {"Authorization": f"Bearer {shown}"}
        path = "/api/v1/rollout/balance"
        async with site.logged_in("anna", Role.OWNER) as anna, aiohttp.ClientSession(headers=headers) as machine:
            mine = Visitor(site.url, machine)
            await site.post(f"{path}/rollback", json={"why": "test"})
            for proposer, approver in ((anna, anna), (anna, mine), (mine, anna), (mine, mine)):
                status, text = await proposer.post(f"{path}/propose", json={"why": "up"})
                assert status == 200, text
                proposal = json.loads(text)["id"]
                status, text = await approver.post(f"{path}/approve", json={"id": proposal, "why": "yes"})
                assert status == 400
                assert "whoever proposed it cannot approve it" in text
                form = {"id": proposal, "why": "yes"}
                assert (await approver.post("/rollout/balance/approve", data=form))[0] == 400
            async with site.logged_in("boris", Role.OWNER) as boris:
                assert (await boris.post(f"{path}/approve", json={"id": proposal, "why": "yes"}))[0] == 200
            last = (await site.parts.store.history())[-1]
            assert (last.action, last.who) == ("approve", "boris")

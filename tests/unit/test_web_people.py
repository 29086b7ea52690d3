"""The pages about people and tokens, and the commands that do the same."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner, Result

from ivrbot.cli.users import users
from ivrbot.config import PROJECT_ROOT
from ivrbot.model.people import RIGHTS_OF_ROLE, Right, Role
from ivrbot.web.people_accounts import PeopleDesk
from ivrbot.web.texts.people import LABELS
from tests.unit.web_fixture import CHEAP, PASSWORD, Site, Visitor, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, login="always") as site:
        yield site


@pytest.fixture
async def boss(site: Site) -> AsyncIterator[Visitor]:
    async with site.logged_in("boss", Role.ADMIN) as boss:
        yield boss


def secret_in(page: str) -> str:
    """What a page shows this once."""
    found = re.search(r'<code class="secret">([^<]+)</code>', page)
    assert found
    return unescape(found[1])


# --- pages ------------------------------------------------------------------------------------------------


async def test_a_person_is_added_and_logs_in(site: Site, boss: Visitor) -> None:
    form = [
        ("name", "Anna.Petrova"),
        ("role", "owner"),
        ("role", "analyst"),
        ("bounds", "some"),
        ("branch", "loans"),
    ]
    status, page = await boss.post("/people", data=aiohttp.FormData(form))
    assert status == 200
    password = secret_in(page)
    account = await site.parts.people.account("anna.petrova")
    assert account
    assert account.roles == {Role.OWNER, Role.ANALYST}
    assert account.branches == frozenset({"loans"})
    assert (account.must_change, account.created_by) == (True, "boss")
    assert password not in (await boss.get("/people"))[1]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        assert await Visitor(site.url, session).log_in("anna.petrova", password) == 303
    (row,) = await site.parts.activity.read(action="add", ref="anna.petrova")
    assert (row.who, row.detail) == ("boss", {"roles": ["analyst", "owner"], "branches": ["loans"]})
    assert password not in str(await site.parts.activity.read())


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"name": "A b", "role": "owner", "bounds": "all"}, "name"),
        ({"name": "token:x", "role": "owner", "bounds": "all"}, "name"),
        ({"name": "anna", "bounds": "all"}, "roles"),
        ({"name": "anna", "role": "god", "bounds": "all"}, "roles"),
        ({"name": "anna", "role": "owner", "bounds": "some"}, "branches"),
        ({"name": "anna", "role": "owner", "bounds": "some", "branch": "nowhere"}, "branches"),
        ({"name": "boss", "role": "owner", "bounds": "all"}, "name_taken"),
        ({}, "branches"),
    ],
)
async def test_what_cannot_be_added_is_told(boss: Visitor, site: Site, form: dict[str, str], fault: str) -> None:
    status, page = await boss.post("/people", data=form)
    assert status == 400
    assert LABELS["people_faults"][fault]["en"] in page
    assert [one.name for one in await site.parts.people.accounts()] == ["boss"]


async def test_rights_password_and_lock(site: Site, boss: Visitor) -> None:
    async with site.logged_in("anna", Role.OPERATOR) as anna:
        form = {"role": "analyst", "bounds": "all"}
        assert (await boss.post("/people/anna/rights", data=form))[0] == 303
        assert (await anna.get("/reports"))[0] == 303  # logged out by the change
        await anna.log_in("anna")
        assert (await anna.get("/desk"))[0] == 403
        status, page = await boss.post("/people/anna/password")
        assert status == 200
        assert await anna.log_in("anna", PASSWORD) == 401
        assert await anna.log_in("anna", secret_in(page)) == 303
        assert (await boss.post("/people/anna/disabled", data={"disabled": "yes"}))[0] == 303
        assert (await anna.get("/account"))[0] == 303
        assert (await boss.post("/people/anna/disabled", data={"disabled": "no"}))[0] == 303
        actions = [row.action for row in await site.parts.activity.read(who="boss")]
        assert actions[:4] == ["enable", "disable", "reset_password", "set_rights"]
        page = (await boss.get("/people/anna"))[1]
        assert "log_in" in page


async def test_who_is_not_there(boss: Visitor) -> None:
    assert (await boss.get("/people/nobody"))[0] == 404
    for path, form in (
        ("rights", {"role": "owner", "bounds": "all"}),
        ("password", {}),
        ("disabled", {"disabled": "yes"}),
    ):
        assert (await boss.post(f"/people/nobody/{path}", data=form))[0] == 404
    assert (await boss.post("/tokens/unknown/revoke"))[0] == 404
    assert (await boss.post("/people/boss/disabled", data={"disabled": "maybe"}))[0] == 400


async def test_the_last_manager_stays(site: Site, boss: Visitor) -> None:
    status, page = await boss.post("/people/boss/disabled", data={"disabled": "yes"})
    assert status == 400
    assert "Nobody would be left to manage people." in page
    assert (await boss.post("/people/boss/rights", data={"role": "operator", "bounds": "all"}))[0] == 400


async def test_a_token_is_made_shown_once_and_revoked(site: Site, boss: Visitor) -> None:
    form = {"name": "grafana", "scope": "metrics:read", "bounds": "all", "days": "30"}
    status, page = await boss.post("/tokens", data=form)
    assert status == 200
    shown = secret_in(page)
    assert shown not in (await boss.get("/tokens"))[1]
    headers = {"Authorization": f"Bearer {shown}"}
    async with site.page.get(f"{site.url}/metrics", headers=headers) as response:
        assert response.status == 200
    (token,) = await site.parts.people.tokens()
    assert (await boss.post(f"/tokens/{token.token_id}/revoke"))[0] == 303
    async with site.page.get(f"{site.url}/metrics", headers=headers) as response:
        assert response.status == 401
    assert "revoked" in (await boss.get("/tokens"))[1]
    for days in ("0", "-1", "x", "9" * 9, "²"):
        status, page = await boss.post("/tokens", data={**form, "name": "other", "days": days})
        assert status == 400
        assert LABELS["people_faults"]["days"]["en"] in page


async def test_pages_in_russian(boss: Visitor) -> None:
    for path, word in (("/people", "Сотрудники"), ("/tokens", "Токены программ"), ("/account", "Сменить пароль")):
        assert word in (await boss.get(path, **{"Accept-Language": "ru"}))[1]


async def test_a_refusal_is_a_page_to_people_and_json_to_programs(boss: Visitor) -> None:
    status, page = await boss.get("/nowhere", Accept="text/html")
    assert status == 404
    assert "There is no such page" in page
    assert json.loads((await boss.get("/nowhere"))[1]) == {"error": "not_found"}


async def test_the_first_administrator_is_made_once(site: Site) -> None:
    desk = PeopleDesk(site.parts.people, site.parts.activity, CHEAP)
    password = await desk.first_admin()
    assert await desk.first_admin() == ""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        admin = Visitor(site.url, session)
        assert await admin.log_in("admin", password) == 303
        assert (await admin.get("/people"))[0] == 200


def test_every_role_right_and_fault_has_a_name() -> None:
    assert set(LABELS["roles"]) == set(Role)
    assert set(LABELS["rights"]) == set(Right)


def test_the_table_of_rights_is_what_the_code_says() -> None:
    """Of `docs/reference/rights.md`; what is expected is printed when it differs."""
    roles = (Role.OWNER, Role.ANALYST, Role.OPERATOR, Role.ADMIN)
    rows = [
        f"| `{right}` | {LABELS['rights'][right]['en']} | "
        + " | ".join("yes" if right in RIGHTS_OF_ROLE[role] else "" for role in roles)
        + " |"
        for right in Right
    ]
    page = (PROJECT_ROOT / "docs" / "reference" / "rights.md").read_text("utf-8")
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows


# --- commands ---------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("IVRBOT_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("ivrbot.cli.users.Passwords", lambda: CHEAP)

    def run(*arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(users, arguments, input=typed)

    return run


def test_people_by_command(run: Callable[..., Result]) -> None:
    secret = "four words in a line\n"
    assert (
        run("add", "anna", "--role", "owner", "--role", "analyst", "--branch", "loans", typed=secret).exit_code
        == 0
    )
    assert run("add", "boss", "--role", "admin", typed=secret).exit_code == 0
    again = run("add", "anna", "--role", "owner", typed=secret)
    assert (again.exit_code, "There is, or was, one of that name." in again.stderr) == (1, True)
    for arguments, typed, code in (
        (("add", "x", "--role", "owner"), "short\n", 2),
        (("add", "x", "--role", "owner"), "", 2),
        (("add", "x", "--role", "god"), secret, 2),
        (("add", "X Y", "--role", "owner"), secret, 2),
        (("add", "x", "--role", "owner", "--branch", "nowhere"), secret, 2),
        (("disable", "nobody"), "", 1),
        (("disable", "boss"), "", 1),
        (("password", "nobody"), secret, 1),
        (("revoke", "nothing"), "", 1),
    ):
        assert run(*arguments, typed=typed).exit_code == code, arguments
    assert run("disable", "anna").exit_code == 0
    listed = json.loads(run("list", "--json").stdout)
    assert [(one["name"], one["roles"], one["branches"], one["disabled"]) for one in listed["people"]] == [
        ("anna", ["analyst", "owner"], ["loans"], True),
        ("boss", ["admin"], None, False),
    ]
    assert run("enable", "anna").exit_code == 0
    assert run("password", "anna", typed="another four words\n").exit_code == 0
    assert "must change" not in run("list").stdout


def test_tokens_by_command(run: Callable[..., Result]) -> None:
    made = json.loads(run("token", "pbx", "--scope", "calls:register", "--days", "3", "--json").stdout)
    assert made["token"].startswith("ivrbot_")
    plain = run("token", "grafana", "--scope", "metrics:read")
    assert re.fullmatch(r"ivrbot_[\w-]{43}\n", plain.stdout)
    assert run("token", "pbx", "--scope", "calls:see").exit_code == 1
    assert run("token", "other", "--scope", "everything").exit_code == 2
    assert run("revoke", "pbx").exit_code == 0
    tokens = json.loads(run("list", "--json").stdout)["tokens"]
    assert [(one["name"], one["scopes"], one["revoked"]) for one in tokens] == [
        ("grafana", ["metrics:read"], False),
        ("pbx", ["calls:register"], True),
    ]
    assert made["token"] not in run("list", "--json").stdout

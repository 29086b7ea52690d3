"""Who may come in, and what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from ivrbot.storage.people import PeopleBook
from ivrbot.web.access_peer import Peers, host_name, is_local
from ivrbot.web.tokens import Tokens
from tests.unit.web_fixture import TOKEN, Site, open_site

API = ("/api/v1/rollout", "/api/v1/openapi.json", "/api/v1/dossiers/d", "/api/v1/calls/x/outcome", "/api/v1/none")
PAGES = ("/", "/phone", "/desk", "/docs", "/static/page.js", "/metrics", "/web/dossiers/d", "/nowhere")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def status(session: aiohttp.ClientSession, method: str, url: str, **headers: str) -> int:
    async with session.request(method, url, headers=headers, allow_redirects=False) as response:
        return response.status


@pytest.mark.parametrize("path", API)
@pytest.mark.parametrize(
    "shown",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer "}],
)
async def test_the_api_asks_for_the_token(site: Site, path: str, shown: dict[str, str]) -> None:
    async with site.page.get(site.url + path, headers=shown) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert await response.json() == {"error": "unauthorised"}


async def test_a_registration_without_a_token_is_refused(site: Site) -> None:
    async with site.page.post(f"{site.url}/api/v1/calls", data={"uuid": "x"}) as response:
        assert (response.status, await response.text()) == (401, "unauthorised")


async def test_the_scheme_may_be_written_in_any_case(site: Site) -> None:
    assert await status(site.page, "GET", f"{site.url}/api/v1/rollout", Authorization=f"bearer {TOKEN}") == 200


async def test_the_tokens_bytes_are_compared_whatever_they_are(site: Site) -> None:
    port = int(site.url.rpartition(":")[2])
    import asyncio

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /api/v1/rollout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n"
    )
    assert (await reader.read()).startswith(b"HTTP/1.1 401")
    writer.close()


async def test_pages_are_for_this_computer(site: Site) -> None:
    for path in PAGES:
        code = await status(site.page, "GET", site.url + path)
        assert code == (404 if path in {"/nowhere", "/web/dossiers/d"} else 200), path
        refused = {200} if path.startswith("/static/") else {303, 401}
        assert await status(site.page, "GET", site.url + path, **{"X-Forwarded-For": "203.0.113.9"}) in refused
        assert await status(site.page, "GET", site.url + path, Forwarded="for=127.0.0.1") in refused


async def test_a_rebound_name_is_refused(site: Site) -> None:
    port = site.url.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "localhost.evil.example"):
        assert await status(site.page, "GET", f"{site.url}/phone", Host=host) == 303, host
        assert await status(site.page, "GET", f"{site.url}/ws/softphone", Host=host) == 401, host
    for host in ("localhost", f"LOCALHOST:{port}", f"127.0.0.1:{port}", "[::1]:80"):
        assert await status(site.page, "GET", f"{site.url}/phone", Host=host) == 200, host


async def test_machines_may_use_any_name_of_the_host(site: Site) -> None:
    assert await status(site.api, "GET", f"{site.url}/api/v1/rollout", Host="ivrbot.internal") == 200


async def test_requests_of_foreign_pages_are_refused(site: Site) -> None:
    for origin in ("https://evil.example", "null", site.url + "1", "file://"):
        for method, path in (("POST", "/api/v1/calls"), ("GET", "/web/live"), ("GET", "/ws/desk/d"), ("GET", "/")):
            assert await status(site.api, method, site.url + path, Origin=origin) == 403, (origin, path)
    assert await status(site.page, "GET", f"{site.url}/", Origin=site.url) == 200


async def test_probes_need_nothing(site: Site) -> None:
    for path in ("/healthz", "/readyz"):
        headers = {"Host": "pod.cluster", "X-Forwarded-For": "10.0.0.1"}
        assert await status(site.page, "GET", site.url + path, **headers) == 200


async def test_every_answer_carries_the_headers(site: Site) -> None:
    for path in (*PAGES, *API, "/healthz"):
        async with site.page.get(site.url + path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Server"] == "ivrbot"
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_static_files_stay_in_their_folder(site: Site) -> None:
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static/"):
        async with site.page.get(URL(site.url + path, encoded=True)) as response:
            assert response.status in {403, 404}, path


async def test_an_unexpected_failure_tells_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> dict[str, object]:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(site.parts.store, "own_states", broken)
    assert await site.get("/api/v1/rollout") == (500, {"error": "internal"})


async def test_methods_that_are_not_there(site: Site) -> None:
    async with site.api.delete(f"{site.url}/api/v1/rollout") as response:
        assert (response.status, await response.json()) == (405, {"error": "method_not_allowed"})


def test_an_empty_token_is_no_token() -> None:
    with pytest.raises(ValueError, match="empty token"):
        Tokens("", cast(PeopleBook, None))


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.example:80", "a.example"), ("[::1]:80", "::1"), ("::1", "::1"), ("[::1", "::1"), ("x", "x"), ("", "")],
)
def test_names_of_hosts(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("remote", "told", "address"),
    [
        ("203.0.113.5", "198.51.100.7", "203.0.113.5"),  # no proxy of ours: what it says counts for nothing
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),  # the client may have written the first one itself
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "<script>", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_clients_behind_proxies(remote: str, told: str, address: str) -> None:
    headers = {"X-Forwarded-For": told, "X-Forwarded-Proto": "https"}
    request: web.BaseRequest = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    peers = Peers(("10.0.0.0/8",))
    assert peers.address(request) == address
    assert peers.is_secure(request) == remote.startswith("10.")


@pytest.mark.parametrize(
    ("remote", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.168.1.5", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("", False),
        ("unix", False),
    ],
)
def test_peers(remote: str, local: bool) -> None:
    request: web.BaseRequest = make_mocked_request("GET", "/").clone(remote=remote)
    assert is_local(request) is local

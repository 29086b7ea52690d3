"""What operators say of calls: the API, the desk's form, the rules of both."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.shadow import Outcome
from ivrbot.storage.shadow import DispositionBook
from ivrbot.web.texts import LABELS
from tests.unit.web_fixture import AT, FLOWS, Site, open_site

SAID = {"topic": "check_balance", "outcome": "resolved", "note_code": "B-7"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def a_call(site: Site) -> CallId:
    call_id = CallId(str(uuid.uuid4()))
    await site.parts.store.register(CallRegistration(call_id), AT)
    return call_id


async def test_the_last_disposition_counts_and_repeating_it_changes_nothing(site: Site) -> None:
    call_id = await a_call(site)
    path = f"/api/v1/calls/{call_id.upper()}/disposition"
    status, answer = await site.post(path, json=SAID)
    assert status == 200
    assert {name: answer[name] for name in ("call_id", *SAID, "new")} == {"call_id": call_id, **SAID, "new": True}
    assert (await site.post(path, json=SAID))[1]["new"] is False
    status, answer = await site.post(path, data={"topic": "loan_info", "outcome": "unresolved"})
    assert (status, answer["topic"], answer["new"]) == (200, "loan_info", True)
    history = await DispositionBook(site.parts.store).history(call_id)
    assert [(one.who, one.topic, one.branch, one.outcome, one.note_code) for one in history] == [
        ("token:api", "check_balance", "balance", Outcome.RESOLVED, "B-7"),
        ("token:api", "loan_info", "loans", Outcome.UNRESOLVED, ""),
    ]


@pytest.mark.parametrize("call_id", ["0b6f2c1e-6f0a-4d5c-9a57-3f2f6f6f7a10", "no-call-id", "%2e%2e"])
async def test_an_unknown_call_is_not_found(site: Site, call_id: str) -> None:
    status, answer = await site.post(f"/api/v1/calls/{call_id}/disposition", json=SAID)
    assert status == 404
    assert answer["error"] in {"unknown_call", "not_found"}


async def test_every_problem_is_told_at_once_and_no_value_is_repeated(site: Site) -> None:
    call_id = await a_call(site)
    body = {"topic": "cooking", "outcome": "solved", "note_code": "4276123412341234", "agent": "x"}
    status, answer = await site.post(f"/api/v1/calls/{call_id}/disposition", json=body)
    assert (status, answer["error"]) == (400, "invalid")
    assert {problem["field"] for problem in answer["problems"]} == {"topic", "outcome", "note_code", "agent"}
    assert "4276" not in json.dumps(answer)
    assert "cooking" not in json.dumps(answer)
    assert await DispositionBook(site.parts.store).latest(call_id) is None


async def test_what_the_menu_does_not_have_is_a_topic_too(site: Site) -> None:
    call_id = await a_call(site)
    body = {"topic": "out_of_scope", "outcome": "unknown"}
    assert (await site.post(f"/api/v1/calls/{call_id}/disposition", json=body))[0] == 200
    latest = await DispositionBook(site.parts.store).latest(call_id)
    assert latest
    assert (latest.topic, latest.branch) == ("out_of_scope", "")


async def test_the_api_asks_for_the_token(site: Site) -> None:
    call_id = await a_call(site)
    async with site.page.post(f"{site.url}/api/v1/calls/{call_id}/disposition", json=SAID) as response:
        assert response.status == 401


async def test_the_desk_sees_what_can_be_chosen_and_what_was_said(site: Site) -> None:
    call_id = await a_call(site)
    url = f"{site.url}/web/calls/{call_id}/disposition"
    async with site.page.get(url) as response:
        shown = await response.json()
    assert {row["branch"]: row["topics"] for row in shown["branches"]} == {
        name: list(branch.topics) for name, branch in FLOWS.branches.branches.items()
    }
    assert shown["outcomes"] == list(LABELS["outcomes"])
    assert shown["latest"] is None
    async with site.page.post(url, json=SAID) as response:
        assert response.status == 200
    async with site.page.get(url) as response:
        latest = (await response.json())["latest"]
    assert {name: latest[name] for name in SAID} == SAID
    (said,) = await DispositionBook(site.parts.store).history(call_id)
    assert said.who == "local"


async def test_another_site_cannot_fill_in_the_form(site: Site) -> None:
    call_id = await a_call(site)
    url = f"{site.url}/web/calls/{call_id}/disposition"
    async with site.page.post(url, json=SAID, headers={"Origin": "https://evil.example"}) as response:
        assert response.status == 403
    assert await DispositionBook(site.parts.store).latest(call_id) is None


async def test_while_the_store_is_away_nothing_is_promised(site: Site) -> None:
    call_id = await a_call(site)
    await site.parts.store.close()
    status, answer = await site.post(f"/api/v1/calls/{call_id}/disposition", json=SAID)
    assert (status, answer["error"]) == (503, "storage_unavailable")

"""The dialplan tells that it asked for a score, and the answer; each is kept once."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import EventType
from tests.unit.web_fixture import AT, Site, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def a_call(site: Site) -> CallId:
    call_id = CallId(str(uuid.uuid4()))
    await site.parts.store.register(CallRegistration(call_id), AT)
    return call_id


async def told(site: Site, call_id: CallId) -> list[tuple[EventType, dict[str, object]]]:
    await site.parts.recorder.flush()
    return [(event.type, dict(event.data)) for event in await site.parts.store.of_call(call_id)]


async def test_a_dialplan_tells_question_and_answer(site: Site) -> None:
    call_id = await a_call(site)
    path = f"/api/v1/calls/{call_id.upper()}/score"
    said = [(await site.post(path, data={"score": score}))[1] for score in ("0", "0", "4", "5")]
    assert said == ["noted", "ignored", "noted", "ignored"]
    assert await told(site, call_id) == [
        (EventType.SCORE_ASKED, {"by": "operator"}),
        (EventType.CALL_SCORED, {"score": 4, "by": "operator"}),
    ]


async def test_an_answer_without_a_question_brings_its_question(site: Site) -> None:
    call_id = await a_call(site)
    assert (await site.post(f"/api/v1/calls/{call_id}/score", json={"score": 1}))[1] == {"status": "noted"}
    assert [kind for kind, _ in await told(site, call_id)] == [EventType.SCORE_ASKED, EventType.CALL_SCORED]


@pytest.mark.parametrize("score", ["6", "-1", "five", ""])
async def test_only_0_to_5_is_a_score(site: Site, score: str) -> None:
    call_id = await a_call(site)
    assert (await site.post(f"/api/v1/calls/{call_id}/score", data={"score": score}))[0] == 400
    assert await told(site, call_id) == []


async def test_an_unknown_call_has_no_score(site: Site) -> None:
    assert (await site.post(f"/api/v1/calls/{uuid.uuid4()}/score", data={"score": "4"}))[0] == 404
    assert (await site.post("/api/v1/calls/no-id/score", data={"score": "4"}))[0] == 404

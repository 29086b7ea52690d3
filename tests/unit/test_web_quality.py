"""The quality page: drawing, scoring, what one scorer may see of another, and of other branches."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ivrbot.analytics.quality_rubric import RUBRIC
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.quality import QualityScore, Sampled, Why
from ivrbot.storage.quality import QualityBook
from ivrbot.web.quality import bounds, lines_of, rows_of
from tests.unit.test_quality import a_call, folded
from tests.unit.web_fixture import Site, open_site

MARKS = {criterion.name: "yes" for criterion in RUBRIC}
PAST = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def drawn(site: Site) -> str:
    call_id = str(uuid.uuid4())
    await a_call(site.parts.store, call_id, "check_balance", "balance", PAST)
    words = {"text": "<script>alert(1)</script> баланс", "intent": "check_balance"}
    event = CallEvent(CallId(call_id), 9, EventType.CALLER_SAID, 9, PAST, words)
    await site.parts.store.append([event])
    await folded(site.parts.store)
    async with site.api.post(f"{site.url}/quality/draw", data={"month": "2026-01"}) as response:
        assert response.status == 200
        assert call_id[:8] in await response.text()
    return call_id


async def test_a_call_is_drawn_scored_and_shown(site: Site) -> None:
    call_id = await drawn(site)
    status, form = await site.get(f"/quality/calls/{call_id}")
    assert status == 200
    assert "&lt;script&gt;" in form and "<script>alert" not in form
    fields = MARKS | {"tone": "partly", "note": "звонил с +79161234567"}
    status, saved = await site.post(f"/quality/calls/{call_id}", data=fields)
    assert status == 200
    assert "95" in saved
    (score,) = await QualityBook(site.parts.store).scores_of(call_id)
    assert (score.points, score.scorer, score.month) == (95.0, "token:api", "2026-01")
    assert "9161234567" not in score.note
    status, page = await site.get("/quality?month=2026-01&lang=ru")
    assert status == 200
    assert "95,0" in page
    noted = {(one.action, one.ref) for one in await site.parts.activity.read(limit=20)}
    assert {("draw_sample", "2026-01"), ("view", call_id), ("score", call_id)} <= noted


async def test_a_form_with_a_gap_is_shown_again_with_its_marks(site: Site) -> None:
    call_id = await drawn(site)
    marks = {name: mark for name, mark in MARKS.items() if name != "tone"} | {"effort": "no"}
    status, page = await site.post(f"/quality/calls/{call_id}", data=marks)
    assert status == 400
    assert re.search(r'name="effort" value="no" required checked', page)
    assert await QualityBook(site.parts.store).scores_of(call_id) == ()


async def test_what_was_not_drawn_cannot_be_scored(site: Site) -> None:
    call_id = str(uuid.uuid4())
    await a_call(site.parts.store, call_id, "check_balance", "balance", PAST)
    assert (await site.get(f"/quality/calls/{call_id}"))[0] == 404
    assert (await site.post(f"/quality/calls/{call_id}", data=MARKS))[0] == 404


def sampled(call_id: str, *, twice: bool = False) -> Sampled:
    return Sampled("2026-01", call_id, "balance", "treatment", Why.DRAWN, True, twice)


def test_a_second_scorer_sees_no_points_of_the_first() -> None:
    score = QualityScore("2026-01", "a", "olga", PAST, MARKS, 80.0, 1)
    sample = [sampled("a", twice=True), sampled("b")]

    def seen(who: str, *scores: QualityScore) -> list[tuple[str, str, float | None]]:
        return [(row.call.call_id, row.state, row.points) for row in rows_of(sample, scores, who)]

    assert seen("boris", score) == [("b", "waiting", None), ("a", "second", None)]
    assert seen("olga", score) == [("b", "waiting", None), ("a", "yours", 80.0)]
    both = (score, replace(score, scorer="boris", points=60.0))
    assert seen("anyone", *both) == [("b", "waiting", None), ("a", "done", 70.0)]


def test_a_month_begins_and_ends_by_the_banks_clock() -> None:
    since, until = bounds("2026-12", ZoneInfo("Europe/Moscow"))
    assert since.astimezone(UTC) == datetime(2026, 11, 30, 21, tzinfo=UTC)
    assert until - since == timedelta(days=31)


def test_the_conversation_holds_words_only() -> None:
    told = [(EventType.BOT_SAID, "Здравствуйте!"), (EventType.NO_INPUT, ""), (EventType.CALLER_SAID, "баланс")]
    events = [
        CallEvent(CallId("c"), seq, kind, seq, PAST, {"text": text}) for seq, (kind, text) in enumerate(told)
    ]
    assert lines_of(events) == [("bot", "Здравствуйте!"), ("caller", "баланс")]

"""The list of calls and one call: filters, paging, rights, the timeline, what is noted and what is never shown."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from ivrbot.analytics.contact_writer import ContactWriter
from ivrbot.identity.policy import SecondFactor
from ivrbot.identity.state import Refusal
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.model.speech import LANGUAGES
from ivrbot.storage.call_lines import call_list
from ivrbot.storage.call_list import CallFilter, CallList, offsets
from ivrbot.storage.contacts import ContactBook
from ivrbot.web.call_query import read_query
from ivrbot.web.rendering import labels_of, texts_of
from ivrbot.web.saying import Say
from ivrbot.web.time_axis import draw_axis
from ivrbot.web.timeline import Words, timeline
from tests.unit.web_fixture import AT, Site, open_site

NUMBER = "+79161234567"
ENGLISH = Words(texts_of("en"), labels_of("en"), Say("en"))

STORY: tuple[tuple[EventType, int, Mapping[str, JsonValue]], ...] = (
    (EventType.CALL_REGISTERED, 0, {"gateway": "audiosocket", "called": "", "withheld": False}),
    (EventType.CALL_STARTED, 0, {"language": "en", "gateway": "audiosocket"}),
    (EventType.BOT_SAID, 100, {"text": "What has happened?", "response": "utter_ask_topic"}),
    (EventType.BARGE_IN, 1900, {}),
    (
        EventType.CALLER_SAID,
        4000,
        {"text": "<b>balance</b>", "intent": "check_balance", "intent_confidence": 0.97, "asr_ms": 300},
    ),
    (EventType.TOPIC_STATED, 4100, {"topic": "check_balance", "branch": "balance"}),
    (
        EventType.ASSIGNED,
        4200,
        {"branch": "balance", "route": "bot", "arm": "treatment", "stage": "full", "reason": "drawn"},
    ),
    (EventType.BOT_SAID, 4600, {"text": "The last four digits, please.", "response": "utter_ask"}),
    (EventType.RESPONSE_GAP, 4600, {"gap_ms": 910}),
    (EventType.KEYS_PRESSED, 9000, {"text": "[keys]"}),
    (
        EventType.AUTHENTICATION,
        9100,
        {
            "operation": "get_balance",
            "status": "granted",
            "level": "verified",
            "facts": ["last_four"],
            "failures": 1,
        },
    ),
    (EventType.BANK_REQUESTED, 9200, {"action": "bank_get_balance"}),
    (
        EventType.BANK_REPLIED,
        9700,
        {"action": "bank_get_balance", "status": "ok", "reference": "", "served": True},
    ),
    (EventType.ENGINE_FAILED, 9800, {"engine": "tts", "code": "timeout"}),
    (EventType.CALL_ENDED, 12_000, {"disposition": "resolved", "reason": "served", "topic": "check_balance"}),
)


def events(call_id: str) -> tuple[CallEvent, ...]:
    return tuple(
        CallEvent(CallId(call_id), seq, kind, t_ms, AT + timedelta(milliseconds=t_ms), data)
        for seq, (kind, t_ms, data) in enumerate(STORY)
    )


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def a_call(site: Site) -> str:
    """A call as it is stored, folded into its contact."""
    call_id = str(uuid.uuid4())
    await site.parts.store.register(CallRegistration(CallId(call_id), caller=NUMBER), AT)
    await site.parts.store.append(events(call_id))
    writer = ContactWriter(
        ContactBook(site.parts.store), unit_of=lambda *_: "f" * 64, now=lambda: AT, max_call_s=600
    )
    while await writer.step():
        pass
    return call_id


async def text_of(site: Site, path: str, language: str = "en", status: int = 200) -> str:
    async with site.page.get(site.url + path, headers={"Accept-Language": language}) as response:
        assert response.status == status, await response.text()
        return await response.text()


# --- the timeline -----------------------------------------------------------------------------------------


def test_a_story_is_told_line_by_line() -> None:
    lines = timeline(events("c"), ENGLISH)
    assert [line.who for line in lines].count("bot") == 2
    said = next(line for line in lines if line.who == "caller")
    assert said.details[:2] == ("understood as “Balance”", "97\u00a0% sure")
    asked = next(line for line in lines if line.text.startswith("The last four"))
    assert asked.gap_ms == 910
    bank = [line for line in lines if line.kind in {"bank_requested", "bank_replied"}]
    assert [(line.text, line.tone) for line in bank] == [("The bank is asked: balance", "good")]
    assert "after 0.50\u00a0s" in bank[0].details
    keys = next(line for line in lines if line.kind == "keys_pressed")
    assert keys.text == "(answer hidden)"
    checked = next(line for line in lines if line.kind == "authentication")
    assert checked.details == ("for: balance", "verified", "checked by card digits", "wrong answers so far: 1")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_type_of_event_can_be_told_without_its_data(language: str) -> None:
    words = Words(texts_of(language), labels_of(language), Say(language))  # type: ignore[arg-type]
    silent = {EventType.RESPONSE_GAP}
    for kind in set(EventType) - silent:
        (line,) = timeline((CallEvent(CallId("c"), 0, kind, 5, AT, {}),), words)
        assert line.kind == kind.value
    assert not timeline([CallEvent(CallId("c"), 0, kind, 5, AT, {}) for kind in silent], words)


def test_the_axis_links_every_line_and_escapes_words() -> None:
    lines = timeline(events("c"), ENGLISH)
    drawn = str(draw_axis(lines, {"bot": "Bot", "caller": "Caller", "mark": "Events"}, "Axis <of>"))
    assert re.findall(r'href="#e(\d+)"', drawn).sort() == [str(line.seq) for line in lines].sort()
    assert drawn.count("<a ") == len(lines)
    assert "<b>" not in drawn
    assert "style=" not in drawn
    assert 'class="axis-gap"' in drawn
    assert draw_axis((), {}, "") == ""


# --- filters ----------------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_named() -> None:
    asked = read_query({"from": "yesterday", "hour": "25", "branch": "loans", "arm": "none"}, "UTC", None)
    assert asked.unread == ("from", "hour")
    assert (asked.wanted.branch, asked.wanted.arm) == ("loans", "")
    assert asked.href() == "/calls?branch=loans&arm=none"


def test_days_are_the_banks_own() -> None:
    asked = read_query({"from": "2026-03-01", "to": "2026-03-01"}, "Europe/Moscow", None)
    assert asked.wanted.since == datetime(2026, 2, 28, 21, tzinfo=UTC)
    assert asked.wanted.until == datetime(2026, 3, 1, 21, tzinfo=UTC)


def test_a_place_survives_its_address() -> None:
    asked = read_query({"branch": "loans"}, "UTC", None)
    place = (1_700_000_000_000_000, "queue:1712.34", "loans")
    query = dict(part.split("=") for part in asked.href(place).partition("?")[2].split("&"))
    again = read_query({"page": query["page"].replace("%3A", ":")}, "UTC", None)
    assert again.after == place
    assert read_query({"page": "1~2"}, "UTC", None).after is None
    assert read_query({"page": "x~2~3"}, "UTC", None).after is None


def test_a_zone_that_changes_its_clock_has_two_stretches_a_change() -> None:
    spring = offsets(
        ZoneInfo("Europe/Berlin"), datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 30, tzinfo=UTC)
    )
    assert [offset_s for _, _, offset_s in spring] == [3600, 7200]
    assert spring[0][1] == spring[1][0]
    assert len(offsets(ZoneInfo("Europe/Moscow"), AT, AT + timedelta(days=90))) == 1


async def test_pages_follow_each_other_without_gaps_or_repeats(site: Site) -> None:
    lines = CallList(site.parts.store)
    begun = int(AT.timestamp()) * 1_000_000
    blank = dict.fromkeys(("topic", "gateway", "stage", "draw", "disposition", "reason", "queue", "unserved"), "")
    rows = [
        blank
        | {
            "started_us": begun + at // 3 * 60_000_000,
            "call_id": f"c{at:03d}",
            "branch": "loans" if at % 2 else "balance",
        }
        | {"arm": "treatment", "outcome": "unknown", "duration_s": 1.0, "closed": True, "first": at % 10 != 0}
        for at in range(100)
    ]
    await site.parts.store.write(partial(_insert, rows=rows))
    seen: list[str] = []
    page = await lines.page(CallFilter(), size=7)
    while True:
        seen += [line.call_id for line in page.lines]
        if page.following is None:
            break
        page = await lines.page(CallFilter(), page.following, size=7)
    wanted = sorted((row for row in rows if row["first"]), key=lambda row: (row["started_us"], row["call_id"]))
    assert seen == [row["call_id"] for row in reversed(wanted)]
    mine = await lines.page(CallFilter(branches=frozenset({"loans"})))
    assert {line.branch for line in mine.lines} == {"loans"}
    assert (mine.count, mine.count_is_bound) == (50, False)
    at_nine = await lines.page(CallFilter(hour=12, timezone="Europe/Moscow", branch="loans"))
    assert at_nine.count == 50
    assert not (await lines.page(CallFilter(hour=9, timezone="Europe/Moscow"))).lines
    assert (await lines.realised(AT))["loans"] == 1.0


def _insert(conn: object, rows: list[dict[str, object]]) -> None:
    conn.execute(insert(call_list), rows)  # type: ignore[attr-defined]


async def test_what_went_past_the_fold_is_filled_in(site: Site) -> None:
    call_id = await a_call(site)
    store = site.parts.store
    await store.write(lambda conn: conn.execute(call_list.delete()) and None)
    lines = CallList(store)
    assert await lines.fill() == 1
    (line,) = await lines.of_call(call_id)
    assert (line.branch, line.topic, line.disposition) == ("balance", "check_balance", "resolved")
    assert await lines.fill() == 0


# --- pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_call_is_found_and_opened(site: Site, language: str) -> None:
    call_id = await a_call(site)
    listed = await text_of(site, "/calls?branch=balance&disposition=resolved", language)
    assert f'href="/calls/{call_id}"' in listed
    assert f'href="/calls/{call_id}"' not in await text_of(site, "/calls?branch=loans", language)
    opened = await text_of(site, f"/calls/{call_id}", language)
    assert "&lt;b&gt;balance&lt;/b&gt;" in opened
    assert "<b>balance" not in opened
    for page in (listed, opened):
        assert NUMBER not in page
        assert NUMBER[2:] not in page
        assert f'lang="{language}"' in page
    noted = await site.parts.activity.read(kind="call", ref=call_id)
    assert [row.action for row in noted] == ["view"]


async def test_there_is_no_such_call(site: Site) -> None:
    await text_of(site, f"/calls/{uuid.uuid4()}", status=404)
    await text_of(site, "/calls/" + "x" * 200, status=404)
    assert not await site.parts.activity.read(kind="call")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_a_refusal_has_words(language: str) -> None:
    labels = labels_of(language)  # type: ignore[arg-type]
    assert set(labels["refusals"]) == {refusal.value for refusal in Refusal}
    assert set(labels["second_factors"]) == {factor.value for factor in SecondFactor}


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        (
            EventType.AUTHENTICATION,
            {"status": "granted", "level": "strong", "second": ["one_time_code"]},
            ("Identity: confirmed", "code by SMS"),
        ),
        (
            EventType.AUTHENTICATION,
            {"status": "refused", "reason": "spraying"},
            ("Identity: refused", "attack under way: operators only"),
        ),
        (
            EventType.VOICE_COMPARED,
            {"verdict": "step_up", "score": 0.7, "doubt": "keyed"},
            ("Voice compared: not sure: a code was asked", "likeness 0.70", "keys were pressed instead"),
        ),
        (EventType.VOICE_CONSENT, {"answer": "no"}, ("May his voice be kept? no",)),
        (
            EventType.VOICE_ENROLLED,
            {"kept": True, "done": True},
            ("Voice: this call is one more sample", "the voiceprint is complete"),
        ),
    ],
)
def test_proofs_are_told(kind: EventType, data: dict[str, JsonValue], told: tuple[str, ...]) -> None:
    words = Words(texts_of("en"), labels_of("en"), Say("en"))
    (line,) = timeline((CallEvent(CallId("c"), 0, kind, 5, AT, data),), words)
    shown = " ".join((line.text, *line.details))
    assert all(part in shown for part in told), shown

"""Pages and what they show, live board, desk."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ivrbot.config import PROJECT_ROOT
from ivrbot.errors import StorageUnavailable
from ivrbot.escalation.policy import Suggestion
from ivrbot.model.bank import Fact
from ivrbot.model.call import AssuranceLevel, CallId, CallRegistration, Disposition, EscalationReason
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.speech import LANGUAGES
from ivrbot.reports.charts import COLOURS
from ivrbot.reports.texts import KPI_NAMES, VERDICTS
from ivrbot.simulate import calls
from ivrbot.simulate.history import town
from ivrbot.web.board import LiveBoard
from ivrbot.web.pages import FOLDER
from ivrbot.web.texts import LABELS, SCRIPT_NAMES, TEXTS
from tests.fakes.waiting import until
from tests.unit.web_fixture import AT, FLOWS, Site, a_dossier, open_site

SCRIPTS = sorted((FOLDER / "static").glob("*.js"))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def text_of(site: Site, path: str, **headers: str) -> str:
    async with site.page.get(site.url + path, headers=headers) as response:
        assert response.status == 200
        return await response.text()


# --- texts ------------------------------------------------------------------------------------------------


def test_every_text_is_there_in_every_language() -> None:
    for text in (*TEXTS.values(), *(text for table in LABELS.values() for text in table.values())):
        assert set(text) == set(LANGUAGES)
        assert all(text.values())


def test_texts_that_pages_and_scripts_ask_for_exist() -> None:
    asked = set()
    for template in (FOLDER / "templates").glob("*.html"):
        asked |= set(re.findall(r"\bt\.(\w+)", template.read_text("utf-8")))
    for script in SCRIPTS:
        asked |= set(re.findall(r"\btexts\.(\w+)", script.read_text("utf-8"))) - {"labels"}
        asked |= set(re.findall(r'"(error_\w+)"', script.read_text("utf-8")))
        for_script = set(re.findall(r"\btexts\.(\w+)", script.read_text("utf-8"))) - {"labels"}
        assert for_script <= SCRIPT_NAMES, script.name
    assert asked <= set(TEXTS)
    assert len(asked) > 60


def test_every_code_has_a_name() -> None:
    topics = {topic for branch in FLOWS.branches.branches.values() for topic in branch.topics}
    assert topics <= set(LABELS["topics"])
    assert set(FLOWS.branches.branches) <= set(LABELS["queues"])
    for kind, codes in (
        ("reasons", EscalationReason),
        ("dispositions", Disposition),
        ("levels", AssuranceLevel),
        ("facts", Fact),
        ("suggestions", Suggestion),
    ):
        assert {code.value for code in codes} <= set(LABELS[kind]), kind
    assert {calls.GATEWAY, town.GATEWAY} <= set(LABELS["gateways"])


def test_every_operation_of_the_bank_has_a_name() -> None:
    asked = {name.removeprefix("bank_") for name in FLOWS.domain.actions if name.startswith("bank_")}
    assert asked <= set(LABELS["operations"])


def noted() -> Iterator[tuple[str, str]]:
    """Action and kind of the rows of the activity log, wherever the program writes both out."""
    first = {"note": 1, "note_change": 2}
    for file in (PROJECT_ROOT / "ivrbot").rglob("*.py"):
        calls_made = (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call))
        for call in calls_made:
            at = first.get(getattr(call.func, "attr", getattr(call.func, "id", "")))
            if at is None or len(call.args) < at + 2 or isinstance(call.args[at], ast.JoinedStr):
                continue
            actions, kinds = (
                [leaf.value for leaf in ast.walk(part) if isinstance(leaf, ast.Constant)]
                for part in call.args[at : at + 2]
            )
            yield from ((str(action), str(kind)) for action in actions for kind in kinds)


def test_every_row_of_the_activity_log_can_be_read() -> None:
    rows = set(noted())
    assert {("log_in_refused", "person"), ("backup", "database"), ("score", "call")} <= rows
    assert {action for action, _ in rows} <= set(LABELS["activity_actions"])
    assert {kind for _, kind in rows} <= set(LABELS["activity_kinds"])


def test_what_is_not_decided_is_called_the_same_everywhere() -> None:
    for language, word in (("en", "not decided yet"), ("ru", "пока не решено")):
        assert LABELS["verdict_words"]["inconclusive"][language] == word
        assert VERDICTS["inconclusive"][language] == word
        assert word in LABELS["glossary"]["verdict"][language]


def test_no_number_is_parted_from_its_per_cent_sign() -> None:
    texts = (*TEXTS.values(), *(text for table in LABELS.values() for text in table.values()), *KPI_NAMES.values())
    shown = [text[language] for text in texts for language in LANGUAGES]
    assert sum("\u00a0%" in text for text in shown) > 20
    assert not [text for text in shown if " %" in text]


def test_scripts_never_make_markup_from_strings() -> None:
    for script in SCRIPTS:
        source = script.read_text("utf-8")
        for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert danger not in source, (script.name, danger)


def test_pages_hold_nothing_inline() -> None:
    for template in (FOLDER / "templates").glob("*.html"):
        source = template.read_text("utf-8")
        assert not re.search(r"<style|\bstyle=|\bon\w+=|javascript:", source), template.name
        assert not re.search(r"<script(?![^>]*\bsrc=)", source), template.name
        assert "safe" not in re.findall(r"\|\s*(\w+)", source), template.name


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_have_enough_contrast() -> None:
    """WCAG 2.2: criteria 1.4.3 (text, 4.5:1) and 1.4.11 (edges of controls and graphics, 3:1)."""
    style = (FOLDER / "static" / "style.css").read_text("utf-8")
    blocks = re.findall(r":root \{([^}]*)\}", style)
    palettes = [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in blocks]
    light, dark = (palette for palette in palettes if "focus" in palette)
    grounds = ("ground", "panel", "tint")
    texts = [
        *((ink, ground) for ink in ("ink", "soft", "accent") for ground in grounds),
        *((ink, ground) for ink in ("bad", "warn", "info") for ground in ("panel", f"{ink}-tint")),
        ("accent-ink", "accent"),
        ("on-colour", "go"),
        ("on-colour", "stop"),
    ]
    shapes = [(shape, ground) for shape in ("edge", "focus", "bot", "human") for ground in ("ground", "panel")]
    assert light.keys() == dark.keys()
    for palette in (light, dark):
        for least, pairs in ((4.5, texts), (3.0, shapes)):
            for front, back in pairs:
                dim, bright = sorted((_luminance(palette[front]), _luminance(palette[back])))
                assert (bright + 0.05) / (dim + 0.05) >= least, (front, back, palette[front], palette[back])


# --- pages ------------------------------------------------------------------------------------------------


def test_charts_are_seen_on_both_grounds() -> None:
    sheet = (FOLDER / "static" / "style.css").read_text("utf-8")
    grounds = re.findall(r"--panel: (#\w+)", sheet)[:2]
    assert len(set(grounds)) == 2
    for colour in COLOURS.values():
        for ground in grounds:
            dim, bright = sorted((_luminance(colour), _luminance(ground)))
            assert (bright + 0.05) / (dim + 0.05) >= 3, (colour, ground)


async def test_the_language_is_chosen_and_kept(site: Site) -> None:
    assert "Call the bank" in await text_of(site, "/phone")
    assert "Позвонить в банк" in await text_of(site, "/phone", **{"Accept-Language": "fr, ru;q=0.9"})
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(f"{site.url}/phone?lang=ru") as response:
            assert '<html lang="ru">' in await response.text()
        async with session.get(f"{site.url}/desk") as response:
            assert "Место оператора" in await response.text()
        async with session.get(f"{site.url}/desk?lang=%22%3E%3Cscript%3E") as response:
            assert '<html lang="ru">' in await response.text()


async def test_the_softphone_offers_the_demo_customers(site: Site) -> None:
    page = await text_of(site, "/phone")
    assert re.findall(r'value="(\+7\d+)"', page) == ["+79161234567", "+79031112233", "+79265550011"]
    for secret in ("cherry", "черёмуха", "1989"):
        assert secret not in page


async def test_every_page_is_valid_for_its_scripts(site: Site) -> None:
    for path in ("/", "/phone", "/desk", "/docs"):
        page = await text_of(site, path)
        raw = re.search(r'data-texts="([^"]*)"', page)
        assert raw
        from html import unescape

        texts = json.loads(unescape(raw[1]))
        assert set(TEXTS) & SCRIPT_NAMES <= set(texts)
        for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
            await text_of(site, name)


async def test_a_page_says_what_zone_its_times_are_of(site: Site) -> None:
    page = await text_of(site, "/calls", Cookie="lang=en")
    assert 'data-zone="Europe/Moscow"' in page
    assert "All times are of the zone Europe/Moscow." in page


def test_wide_tables_scroll_within_their_frame() -> None:
    for template in (FOLDER / "templates").glob("*.html"):
        tables = re.findall(r"(\S*\s*)<table", template.read_text("utf-8"))
        assert all(before.strip().endswith('class="scroll">') for before in tables), template.name


def test_scripts_say_times_in_the_banks_zone() -> None:
    for script in SCRIPTS:
        source = script.read_text("utf-8")
        assert not re.findall(r"new Date\([^)]*\)\.toLocale\w*", source), script.name
        for formatted in re.findall(r"new Intl\.DateTimeFormat\(.*", source):
            assert "timeZone: zone" in formatted, script.name


@pytest.mark.parametrize(
    ("number", "fits"),
    [
        ("+7 (916) 123-45-67", True),
        ("89161234567", True),
        ("", False),
        ("anna", False),
        ("+", False),
        ("7+9", False),
    ],
)
async def test_another_number_has_to_be_a_number(site: Site, number: str, fits: bool) -> None:
    field = re.search(r'<input id="number"[^>]*>', await text_of(site, "/phone"))
    assert field
    assert " required" in field[0]
    pattern = re.search(r'pattern="([^"]*)"', field[0])
    assert pattern
    assert bool(re.fullmatch(pattern[1], number)) == fits


async def test_a_page_that_failed_can_be_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StorageUnavailable("away")

    monkeypatch.setattr(site.parts.store, "own_states", away)
    async with site.page.get(site.url + "/rollout?a=1&lang=ru", headers={"Accept": "text/html"}) as response:
        assert response.status == 503
        page = await response.text()
    assert 'href="/rollout?a=1&amp;lang=ru">Повторить' in page
    assert 'href="/">На главную' in page
    async with site.page.get(site.url + "/nowhere", headers={"Accept": "text/html"}) as response:
        assert response.status == 404
        assert "Повторить" not in await response.text()


# --- live board -------------------------------------------------------------------------------------------


def event(call_id: str, type_: EventType, **data: Any) -> CallEvent:
    return CallEvent(CallId(call_id), 0, type_, 0, AT, data)


async def test_the_board_follows_calls() -> None:
    now = [100.0]
    board = LiveBoard(lambda: now[0])
    board.take(event("a", EventType.CALL_STARTED, gateway="softphone", language="ru"))
    board.take(event("b", EventType.BOT_SAID, text="a call whose start was not seen"))
    for number in range(9):
        board.take(event("a", EventType.CALLER_SAID, text=str(number)))
    board.take(event("a", EventType.TOPIC_STATED, topic="loan_info"))
    now[0] = 107.9
    (row,) = board.rows()
    assert (row["topic"], row["gateway"], row["duration_s"], row["live"]) == ("loan_info", "softphone", 7, True)
    assert [line["text"] for line in row["lines"]] == list("345678")
    board.take(event("a", EventType.ASSIGNED, reason="drawn"))
    board.take(event("a", EventType.CALL_ENDED, disposition="escalated", reason="flow", dossier="d1", topic=""))
    now[0] = 500.0
    (row,) = board.rows()
    assert (row["live"], row["duration_s"], row["reason"], row["dossier"]) == (False, 7, "flow", "d1")
    assert row["topic"] == "loan_info"


async def test_the_board_is_bounded_and_running_calls_come_first() -> None:
    now = [0.0]
    board = LiveBoard(lambda: now[0])
    board.take(event("running", EventType.CALL_STARTED))
    for number in range(50):
        now[0] += 1
        board.take(event(str(number), EventType.CALL_STARTED))
        board.take(event(str(number), EventType.CALL_ENDED))
    rows = board.rows()
    assert rows[0]["call_id"] == "running"
    assert [row["call_id"] for row in rows[1:]] == [str(number) for number in range(49, 41, -1)]


class Stream:
    """The last message of a page's stream."""

    def __init__(self, site: Site, path: str) -> None:
        self.last: dict[str, Any] = {}
        self.task = asyncio.create_task(self._read(site, path))

    async def _read(self, site: Site, path: str) -> None:
        async with site.page.get(site.url + path) as response:
            assert response.status == 200
            async for line in response.content:
                if line.startswith(b"data: "):
                    self.last = json.loads(line[6:])

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_the_live_page_is_told(site: Site) -> None:
    stream = Stream(site, "/web/live")
    await until(lambda: stream.last)
    assert stream.last == {"calls": []}
    site.parts.recorder.emit(CallId("a"), EventType.CALL_STARTED, 0, {"gateway": "audiosocket", "language": "en"})
    site.parts.recorder.emit(CallId("a"), EventType.BOT_SAID, 0, {"text": "<b>Hello</b>"})
    await until(lambda: stream.last["calls"])
    assert stream.last["calls"][0]["lines"] == [{"who": "bot", "text": "<b>Hello</b>"}]
    await stream.close()


# --- desk -------------------------------------------------------------------------------------------------


async def test_an_escalated_call_pops_up_and_is_taken(site: Site) -> None:
    desk = Stream(site, "/web/desk")
    await until(lambda: desk.last)
    assert desk.last == {"calls": [], "waiting": [], "phones": {}}
    phone = await site.page.ws_connect(f"{site.url}/ws/softphone", headers={"Origin": site.url})
    await phone.send_json({"type": "start", "language": "ru", "caller": "+79161234567"})
    await until(lambda: site.door.sinks)
    call_id = site.door.asked[0]
    dossier = a_dossier(call_id=call_id)
    await site.parts.operators.transfer(CallRegistration(call_id), dossier)
    ending = {"disposition": "escalated", "reason": "caller_asked", "escalated_to": "balance"}
    site.door.sinks[0].leg.close()
    site.parts.recorder.emit(call_id, EventType.CALL_ENDED, 9, {**ending, "dossier": dossier.dossier_id})
    await until(lambda: desk.last["waiting"] == [dossier.dossier_id])
    assert desk.last["calls"][0]["customer_name"] == "Анна"
    async with site.page.get(f"{site.url}/web/dossiers/{dossier.dossier_id}") as response:
        assert (await response.json())["caller"] == "+79161234567"
    operator = await site.page.ws_connect(f"{site.url}/ws/desk/{dossier.dossier_id}", headers={"Origin": site.url})
    await until(lambda: desk.last["waiting"] == [])
    async with site.page.get(f"{site.url}/ws/desk/{dossier.dossier_id}") as response:
        assert response.status == 409
    await operator.send_json({"type": "say", "text": "Слушаю вас"})
    told = []
    while not told or told[-1]["type"] != "said":
        message = await phone.receive(5)
        if message.type is aiohttp.WSMsgType.TEXT:
            told.append(json.loads(message.data))
    assert told[-1] == {"type": "said", "who": "operator", "text": "Слушаю вас"}
    assert await operator.receive_json(timeout=5) == told[-1]
    await phone.send_json({"type": "hangup"})
    assert await operator.receive_json(timeout=5) == {"type": "left", "who": "caller"}
    assert (await operator.receive(5)).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    await phone.close()
    await desk.close()


@pytest.mark.parametrize("nonsense", ["{", "[]", '{"type":"start"}', b"\0"])
async def test_an_operators_broken_page_ends_the_talk(site: Site, nonsense: str | bytes) -> None:
    told: list[Any] = []
    line = site.parts.softphone.lines.open("d1", told.append)
    operator = await site.page.ws_connect(f"{site.url}/ws/desk/d1")
    await (operator.send_bytes(nonsense) if isinstance(nonsense, bytes) else operator.send_str(nonsense))
    await until(line.over.is_set)
    assert told[-1] == {"type": "left", "who": "operator"}
    await operator.close()


async def test_nobody_waits_there(site: Site) -> None:
    async with site.page.get(f"{site.url}/ws/desk/{'e' * 32}") as response:
        assert (response.status, await response.json()) == (404, {"error": "caller_gone"})

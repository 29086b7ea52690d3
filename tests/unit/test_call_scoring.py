"""The question for a score: who is asked, what counts, and that nothing depends on the answer."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from ivrbot import app
from ivrbot.analytics.contacts import fold
from ivrbot.call.channel import Silence
from ivrbot.call.scoring import ASK, may_ask
from ivrbot.call.scoring import THANKS as THANKS_TEXT
from ivrbot.call.session import CallSession
from ivrbot.config import PROJECT_ROOT, Settings
from ivrbot.dialogue.responses import render
from ivrbot.errors import EngineUnavailable
from ivrbot.media.g711 import alaw_to_pcm
from ivrbot.model.call import CallEnd, CallId, CallRegistration, Disposition
from ivrbot.model.contact import CallMaterial, Contact
from ivrbot.model.dialogue import Say
from ivrbot.model.events import CallEvent, EventType, JsonValue
from ivrbot.model.queue import QueueRow
from ivrbot.model.speech import LANGUAGES, Language
from ivrbot.tts.prompts import PromptStore
from tests.fakes.calls import FakeNlu, ScriptedCaller, Turn, product_files

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OFFICE: list[Turn] = ["отделение", "Москва", "нет"]
QUESTION = "Оцените нашу помощь"
THANKS = "Спасибо за оценку!"


class Line:
    def __init__(self, core: app.Core) -> None:
        self._core = core
        self.events: list[CallEvent] = []

    async def call(self, caller: ScriptedCaller, gateway: str = "audiosocket") -> CallEnd:
        call = CallRegistration(CallId(str(uuid.uuid4())), gateway=gateway)

        def emit(kind: EventType, t_ms: int, data: dict[str, JsonValue]) -> None:
            self.events.append(CallEvent(call.call_id, len(self.events), kind, t_ms, AT, data))

        return await CallSession(self._core.parts, call, "ru", caller, emit).run()

    def of(self, kind: EventType) -> list[dict[str, JsonValue]]:
        return [dict(event.data) for event in self.events if event.type is kind]

    def contact(self) -> Contact:
        material = CallMaterial(self.events[0].call_id, events=tuple(self.events))
        (contact,) = fold(material, unit_of=lambda number, call_id: call_id)
        return contact


@pytest_asyncio.fixture
async def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    monkeypatch.setattr(app, "_load_files", lambda *_: product_files())
    nlu = FakeNlu({"отделение": "find_office", "потеряла карту": "block_card", "нет": "deny"})
    async with app.open_core(Settings(data_dir=tmp_path), plan_file=app.DEMO_PLAN, nlu=nlu) as core:
        yield Line(core)


def asked(caller: ScriptedCaller) -> bool:
    return any(text.startswith(QUESTION) for text in caller.said)


async def test_a_served_caller_presses_a_key(line: Line) -> None:
    caller = ScriptedCaller([*OFFICE, "4"])
    end = await line.call(caller)
    assert (end.disposition, end.reason) == (Disposition.RESOLVED, "served")
    assert caller.said[-3].endswith("До свидания!") and asked(caller) and caller.said[-1] == THANKS
    assert line.of(EventType.SCORE_ASKED) == [{"by": "bot"}]
    assert line.of(EventType.CALL_SCORED) == [{"score": 4, "by": "bot"}]
    contact = line.contact()
    assert (contact.score, contact.score_asked) == (4, True)


@pytest.mark.parametrize("answer", [Silence(), "пять", "7", "0"], ids=["silence", "words", "7", "0"])
async def test_anything_but_a_key_from_1_to_5_is_no_score(line: Line, answer: Turn) -> None:
    end = await line.call(ScriptedCaller([*OFFICE, answer]))
    assert end.disposition is Disposition.RESOLVED
    assert line.of(EventType.SCORE_ASKED) and not line.of(EventType.CALL_SCORED)
    contact = line.contact()
    assert (contact.score, contact.score_asked) == (None, True)
    assert contact.diagnostics.no_input == contact.diagnostics.no_match == 0


async def test_who_hangs_up_at_the_question_was_served_all_the_same(line: Line) -> None:
    end = await line.call(ScriptedCaller(OFFICE))
    assert (end.disposition, end.reason) == (Disposition.RESOLVED, "served")
    assert not line.of(EventType.CALL_SCORED)


async def test_a_voice_that_fails_at_the_question_changes_nothing(line: Line) -> None:
    caller = ScriptedCaller([*OFFICE, "4"])

    def fail_after_goodbye(text: str) -> None:
        if text.endswith("До свидания!"):
            caller.say_failure = EngineUnavailable("no voice")

    caller.on_say = fail_after_goodbye
    end = await line.call(caller)
    assert (end.disposition, end.reason) == (Disposition.RESOLVED, "served")


async def test_the_question_takes_no_handling_time(line: Line) -> None:
    await line.call(ScriptedCaller([*OFFICE, "5"]))
    at = next(event.seq for event in line.events if event.type is EventType.SCORE_ASKED)
    contact = line.contact()
    line.events = [event if event.seq <= at else replace(event, t_ms=event.t_ms + 30_000) for event in line.events]
    assert line.contact() == contact


async def test_a_lost_card_ends_without_a_question(line: Line) -> None:
    caller = ScriptedCaller(["потеряла карту", "1"])
    await line.call(caller)
    assert not asked(caller)


@pytest.mark.parametrize(
    ("gateway", "served", "emergency", "expected"),
    [
        ("audiosocket", True, False, True),
        ("audiosocket", False, False, False),
        ("audiosocket", True, True, False),
        ("softphone", True, False, False),
        ("text", True, False, False),
    ],
)
def test_who_is_asked(gateway: str, served: bool, emergency: bool, expected: bool) -> None:
    assert may_ask(gateway, served=served, emergency=emergency) is expected


def test_a_score_after_an_operators_call_belongs_to_its_contact() -> None:
    told: list[tuple[EventType, dict[str, JsonValue]]] = [
        (EventType.CALL_STARTED, {}),
        (EventType.TOPIC_STATED, {"topic": "check_balance", "branch": "balance"}),
        (EventType.ESCALATED, {"reason": "control_arm", "queue": "balance"}),
        (EventType.CALL_ENDED, {"disposition": "escalated", "reason": "control_arm", "escalated_to": "balance"}),
        (EventType.SCORE_ASKED, {"by": "operator"}),
        (EventType.CALL_SCORED, {"score": 2, "by": "operator"}),
    ]
    events = tuple(
        CallEvent(CallId("c"), seq, kind, min(seq, 3) * 1000 if seq < 4 else 0, AT + timedelta(seconds=seq), data)
        for seq, (kind, data) in enumerate(told)
    )
    (contact,) = fold(CallMaterial("c", events=events), unit_of=lambda number, call_id: call_id)
    assert (contact.score, contact.score_asked) == (2, True)
    assert contact.started_at == AT and contact.bot is not None
    assert contact.bot.served_s == 3.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_dialplan_plays_the_same_recordings(language: Language) -> None:
    """Both arms hear one voice say the same words."""
    prompts = PromptStore(PROJECT_ROOT / "audio_prompts", language)
    for response in (ASK, THANKS_TEXT):
        sound = PROJECT_ROOT / "deploy" / "asterisk" / "sounds" / language / f"{response}.alaw"
        text = render(product_files()[0], Say(response), language).text
        assert alaw_to_pcm(sound.read_bytes()) == prompts.find(text)


def test_a_queues_row_of_0_means_asked() -> None:
    def row(second: int, event: str, *data: str) -> QueueRow:
        return QueueRow((1_772_000_000 + second) * 1_000_000, "1.1", "balance", "operator1", event, data)

    rows = [
        row(0, "ENTERQUEUE", "", "u"),
        row(5, "CONNECT", "5", "1.2", "1"),
        row(60, "COMPLETEAGENT", "5", "55", "1"),
    ]
    for scores, expected in (([], (None, False)), (["0"], (None, True)), (["0", "3"], (3, True))):
        asked = [row(61 + at, "BOTSCORE", score) for at, score in enumerate(scores)]
        (contact,) = fold(CallMaterial("1.1", rows=(*rows, *asked)), unit_of=lambda number, call_id: call_id)
        assert (contact.score, contact.score_asked) == expected

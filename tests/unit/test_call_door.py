"""Who may ring: registrations, the cap, draining, and calls that do not harm each other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ivrbot import app
from ivrbot.call import door as door_module
from ivrbot.call.door import REGISTRATION_S, CallDesk, canonical_call_id
from ivrbot.call.headroom import Refusal
from ivrbot.call.running import CallParts
from ivrbot.config import CallSettings, Settings
from ivrbot.errors import LegRefused
from ivrbot.metrics import REGISTRY
from ivrbot.model.audio import SILENCE
from ivrbot.model.call import CallId, CallRegistration
from ivrbot.model.events import EventType, JsonValue
from tests.fakes.asr import FakeAsr
from tests.fakes.calls import FakeNlu, product_files
from tests.fakes.line import MarkedVoice, QuietLeg
from tests.fakes.store import MemoryStore
from tests.fakes.waiting import until


def new_id() -> CallId:
    return CallId(str(uuid.uuid4()))


class Exchange:
    """A door with its store and all events."""

    def __init__(
        self, parts: CallParts, store: MemoryStore, settings: CallSettings, registered_only: bool
    ) -> None:
        self.store = store
        self.asr = FakeAsr()
        self.voice = MarkedVoice()
        self.events: list[tuple[CallId, EventType, dict[str, JsonValue]]] = []
        self.desk = CallDesk(
            parts,
            asr=lambda _language: self.asr,
            voice=self.voice,
            settings=settings,
            record=self._record,
            registered_only=registered_only,
        )

    def _record(self, call_id: CallId, type_: EventType, _t_ms: int, data: dict[str, JsonValue]) -> None:
        self.events.append((call_id, type_, data))

    def ended(self, call_id: CallId) -> list[str]:
        return [
            str(data["disposition"]) for who, type_, data in self.events if (who, type_) == (call_id, "call_ended")
        ]

    async def registered(self, **changes: Any) -> CallId:
        call_id = new_id()
        assert await self.desk.register(CallRegistration(call_id, **changes))
        return call_id


Open = Callable[..., Any]


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setattr(app, "_load_files", lambda *_: product_files())

    @asynccontextmanager
    async def opened(registered_only: bool = True, opened: bool = True, **limits: Any) -> AsyncIterator[Exchange]:
        store = MemoryStore()
        async with app.open_core(Settings(data_dir=tmp_path), plan_file=app.DEMO_PLAN, nlu=FakeNlu()) as core:
            parts = replace(core.parts, calls=store)
            built = Exchange(parts, store, CallSettings(**limits), registered_only)
            await built.asr.start()
            async with asyncio.TaskGroup() as group:
                if opened:
                    built.desk.open(group)
                yield built

    return opened


async def test_a_registered_call_comes_in_once(exchange: Open) -> None:
    async with exchange() as built:
        call_id = await built.registered(caller="+79161234567", called="100")
        assert built.events[0][1:] == (
            EventType.CALL_REGISTERED,
            {"gateway": "audiosocket", "called": "100", "withheld": False, "uniqueid": "", "linkedid": ""},
        )
        leg = QuietLeg(call_id)
        sink = built.desk.admit(leg)
        assert [live.registration.call_id for live in built.desk.live] == [call_id]
        with pytest.raises(LegRefused, match="had its leg"):
            built.desk.admit(QuietLeg(call_id))
        with pytest.raises(LegRefused, match="has been used"):
            await built.desk.register(CallRegistration(call_id))
        sink.on_closed("hangup")
        await until(lambda: not built.desk.live)
        assert built.ended(call_id) == ["abandoned"]
        assert leg.closed >= 1
        with pytest.raises(LegRefused, match="had its leg"):
            built.desk.admit(QuietLeg(call_id))


async def test_nobody_comes_in_unregistered(exchange: Open) -> None:
    async with exchange() as built:
        with pytest.raises(LegRefused, match="nobody registered"):
            built.desk.admit(QuietLeg(new_id()))
        assert built.desk.live == ()


async def test_without_the_rule_anybody_comes_in_once(exchange: Open) -> None:
    async with exchange(registered_only=False) as built:
        call_id = new_id()
        sink = built.desk.admit(QuietLeg(call_id))
        with pytest.raises(LegRefused):
            built.desk.admit(QuietLeg(call_id))
        sink.on_closed("hangup")


async def test_a_registration_is_overdue_after_a_while(exchange: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with exchange() as built:
        call_id = await built.registered()
        now_s = door_module.time.monotonic()
        with monkeypatch.context() as later:
            later.setattr(door_module.time, "monotonic", lambda: now_s + REGISTRATION_S + 1)
            with pytest.raises(LegRefused, match="nobody registered"):
                built.desk.admit(QuietLeg(call_id))
        with pytest.raises(LegRefused, match="has been used"):
            await built.desk.register(CallRegistration(call_id))


async def test_an_id_that_an_earlier_process_has_used(exchange: Open) -> None:
    async with exchange() as built:
        call_id = new_id()
        await built.store.register(CallRegistration(call_id), app.utc_now())
        with pytest.raises(LegRefused, match="has been used"):
            await built.desk.register(CallRegistration(call_id))
        with pytest.raises(LegRefused, match="nobody registered"):
            built.desk.admit(QuietLeg(call_id))


async def test_above_the_cap_the_answer_is_operator_before_the_bot_answers(exchange: Open) -> None:
    async with exchange(max_calls=2) as built:
        first, _second = await built.registered(), await built.registered()
        assert not await built.desk.register(CallRegistration(new_id()))
        sink = built.desk.admit(QuietLeg(first))
        assert not await built.desk.register(CallRegistration(new_id()))
        sink.on_closed("hangup")
        await until(lambda: not built.desk.live)
        assert await built.desk.register(CallRegistration(new_id()))


async def test_whoever_a_menu_of_the_banks_sent_to_an_operator_takes_no_room(exchange: Open) -> None:
    async with exchange(max_calls=1) as built:
        first = await built.registered()
        assert not await built.desk.register(CallRegistration(new_id()))
        built.desk.decided(first, to_bot=False)
        second = await built.registered()
        with pytest.raises(LegRefused, match="sent to an operator"):
            built.desk.admit(QuietLeg(first))
        built.desk.decided(second, to_bot=True)
        assert not await built.desk.register(CallRegistration(new_id()))
        built.desk.decided(new_id(), to_bot=True)  # never registered: none of ours


@pytest.mark.parametrize(("topic", "stated"), [("check_balance", ["check_balance"]), ("", [])])
async def test_a_call_out_of_the_banks_own_menu_is_not_asked_again(
    exchange: Open, topic: str, stated: list[str]
) -> None:
    async with exchange() as built:
        call_id = await built.registered(caller="+79161234567")
        built.desk.decided(call_id, to_bot=True, topic=topic)
        sink = built.desk.admit(QuietLeg(call_id))
        await until(lambda: "bot_said" in [type_ for _, type_, _ in built.events])
        sink.on_closed("hangup")
        await until(lambda: not built.desk.live)
        assert [data["topic"] for _, type_, data in built.events if type_ == "topic_stated"] == stated
        said = [data["response"] for _, type_, data in built.events if type_ == "bot_said"]
        assert (said[0] == "utter_ask_topic") is not bool(stated), said
        drawn = [data["branch"] for _, type_, data in built.events if type_ == "assigned"]
        assert drawn == (["balance"] if stated else [])


async def test_the_cap_holds_for_legs_as_well(exchange: Open) -> None:
    async with exchange(max_calls=1, registered_only=False) as built:
        sink = built.desk.admit(QuietLeg(new_id()))
        with pytest.raises(LegRefused, match="no room"):
            built.desk.admit(QuietLeg(new_id()))
        sink.on_closed("hangup")


async def test_the_store_is_away(exchange: Open) -> None:
    async with exchange() as built:
        built.store.down = True
        call_id = new_id()
        assert not await built.desk.register(CallRegistration(call_id))
        with pytest.raises(LegRefused):
            built.desk.admit(QuietLeg(call_id))
        assert built.events == []


async def test_not_open_yet(exchange: Open) -> None:
    async with exchange(opened=False) as built:
        assert not built.desk.ready
        assert not await built.desk.register(CallRegistration(new_id()))
        with pytest.raises(LegRefused, match="not taking calls"):
            built.desk.admit(QuietLeg(new_id()))


async def test_draining_takes_no_new_calls_and_waits_for_running_ones(exchange: Open) -> None:
    async with exchange() as built:
        call_id, late = await built.registered(), await built.registered()
        sink = built.desk.admit(QuietLeg(call_id))
        draining = asyncio.create_task(built.desk.drain(60))
        await until(lambda: not built.desk.ready)
        assert not await built.desk.register(CallRegistration(new_id()))
        with pytest.raises(LegRefused, match="not taking calls"):
            built.desk.admit(QuietLeg(late))
        assert not draining.done()
        sink.on_closed("hangup")
        assert await draining is True


async def test_draining_gives_up_at_its_end(exchange: Open) -> None:
    async with exchange() as built:
        sink = built.desk.admit(QuietLeg(await built.registered()))
        assert await built.desk.drain(0.01) is False
        sink.on_closed("hangup")


async def test_one_calls_crash_does_not_end_the_others(exchange: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with exchange() as built:
        good, bad = await built.registered(), await built.registered()
        good_sink = built.desk.admit(QuietLeg(good))
        await until(lambda: built.voice.spoken)
        real_run = door_module.CallSession.run

        async def run(session: Any) -> Any:
            if session._call.registration.call_id == bad:
                raise ZeroDivisionError("a bug where no bug should be")
            return await real_run(session)

        monkeypatch.setattr(door_module.CallSession, "run", run)
        bad_leg = QuietLeg(bad)
        built.desk.admit(bad_leg)
        await until(lambda: len(built.desk.live) == 1)
        assert bad_leg.closed == 1
        assert built.desk.live[0].registration.call_id == good
        good_sink.on_frame(SILENCE)
        good_sink.on_key("0")

        def is_over() -> bool:
            good_sink.next_frame()  # what is said is played
            return bool(built.ended(good))

        await until(is_over)
        assert built.ended(good) == ["escalated"]


async def test_the_language_of_the_first_words(exchange: Open) -> None:
    async with exchange(language="ru", language_by_called={"200": "en"}) as built:
        of = built.desk.language_of
        assert of(CallRegistration(new_id())) == "ru"
        assert of(CallRegistration(new_id(), called="200")) == "en"
        assert of(CallRegistration(new_id(), called="200", language="ru")) == "ru"


@pytest.mark.parametrize(
    "text", ["", "x", "../../etc/passwd", "1234", None, 5, "550e8400-e29b-41d4-a716-44665544000g"]
)
def test_what_is_no_call_id(text: Any) -> None:
    assert canonical_call_id(text) is None


def test_call_ids_have_one_form() -> None:
    canonical = "550e8400-e29b-41d4-a716-446655440000"
    assert {canonical_call_id(form) for form in (canonical, canonical.upper(), canonical.replace("-", ""))} == {
        canonical
    }


async def test_without_headroom_a_caller_goes_to_an_operator_and_is_counted(exchange: Open) -> None:
    def counted(reason: str) -> float:
        return REGISTRY.get_sample_value("ivrbot_calls_refused_total", {"reason": reason}) or 0.0

    async with exchange(max_calls=1) as built:
        why: list[Refusal | None] = [Refusal.RECOGNISER]
        built.desk._headroom = lambda: why[0]
        before = {reason: counted(reason) for reason in ("recogniser", "cap")}
        assert not await built.desk.register(CallRegistration(new_id()))
        assert counted("recogniser") == before["recogniser"] + 1
        why[0] = None
        await built.registered()
        assert not await built.desk.register(CallRegistration(new_id()))
        assert counted("cap") == before["cap"] + 1

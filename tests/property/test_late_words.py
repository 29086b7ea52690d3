"""Callers who go on after their turn was taken as over: always an end, no litany, no effect twice or in vain."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot import app
from ivrbot.call.channel import Completes, Heard, Spoken
from ivrbot.call.late_words import LATE_MS
from ivrbot.call.listening import MOST_ASKED_AGAIN
from ivrbot.call.session import CallSession
from ivrbot.dialogue.walking import MAX_TIMES_ASKED
from ivrbot.model.call import CallEnd, CallId, CallRegistration
from ivrbot.model.dialogue import Collect
from ivrbot.model.events import TAKEN_UP, EventType, JsonValue
from ivrbot.model.speech import Hypothesis
from tests.fakes.calls import ScriptedCaller
from tests.property.test_calls import ANNA, ANSWERS, NEAR, TOPICS, TableNlu, check_leave
from tests.scenario.runner import core

PIECE_MS = 500
LATE = ("по зарплатной карте", "нет", "не эту", "пожалуйста", "да", "9030", "минутку", "оператора", "эээ")

words = st.sampled_from(("потеряла карту", *TOPICS, *NEAR, *ANSWERS, *LATE))
pauses_ms = st.sampled_from([60, 200, 350, 599, LATE_MS, LATE_MS + 1, 4000])
pieces = st.lists(st.tuples(words, pauses_ms, st.booleans(), st.booleans()), min_size=2, max_size=14)


class Stammering(ScriptedCaller):
    """Speaks in pieces: at times before the question was put, at times while the piece before is being read."""

    def __init__(self, pieces: list[tuple[str, int, bool, bool]]) -> None:
        self._at_ms = 1000
        self._going_on = [still for _, _, _, still in pieces]
        super().__init__([self._heard(*piece) for piece in pieces])

    def _heard(self, text: str, pause_ms: int, early: bool, _still: bool) -> Heard | str:
        if set(text) <= set("0123456789*#+") or text == "silence":
            self._at_ms += 5000
            return "" if text == "silence" else text.removeprefix("+")
        began_ms = self._at_ms + pause_ms
        self._at_ms = began_ms + PIECE_MS
        before = early and pause_ms <= LATE_MS
        return Spoken((Hypothesis(text),), "fake", pause_ms < 300, began_ms, self._at_ms, 0, before)

    async def listen(self, collect: Collect, completes: Completes) -> Heard:
        heard = await super().listen(collect, completes)
        self.goes_on = isinstance(heard, Spoken) and bool(self._going_on) and self._going_on.pop(0)
        if isinstance(heard, Spoken):
            await completes(heard.hypotheses[0].text)
        return heard


async def held(
    pieces: list[tuple[str, int, bool, bool]],
) -> tuple[CallEnd, list[tuple[EventType, dict[str, JsonValue]]], Stammering]:
    events: list[tuple[EventType, dict[str, JsonValue]]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with core(Path(folder), TableNlu(TOPICS)) as built:
            registration = CallRegistration(CallId(str(uuid.uuid4())), caller=ANNA, gateway="text")
            await built.store.register(registration, app.utc_now())
            caller = Stammering(pieces)
            session = CallSession(
                built.parts, registration, "ru", caller, lambda type_, _t_ms, data: events.append((type_, data))
            )
            async with asyncio.timeout(60):
                end = await session.run()
    return end, events, caller


@settings(max_examples=10, deadline=None)
@given(pieces)
def test_any_call_in_pieces(pieces: list[tuple[str, int, bool, bool]]) -> None:
    end, events, caller = asyncio.run(held(pieces))
    assert end is not None
    check_leave(events)
    check_taken_up(events)
    assert len(caller.asked) <= len(pieces) + 1
    check_answers(events)


def check_taken_up(events: list[tuple[EventType, dict[str, JsonValue]]]) -> None:
    """Nothing that cannot be undone was done upon a turn that was taken up, and its draw is not drawn again."""
    for at, (type_, data) in enumerate(events):
        if type_ is not EventType.TURN_RESUMED or data["result"] != TAKEN_UP:
            continue
        began = max(before for before in range(at) if events[before][0] is EventType.CALLER_SAID)
        upon = events[began:at]
        assert not {EventType.BANK_REQUESTED, EventType.ESCALATED, EventType.CALL_ENDED} & {one for one, _ in upon}
        assert all(one["status"] == "ask" for kind, one in upon if kind is EventType.AUTHENTICATION)
        assert events[at + 1][0] is EventType.CALLER_SAID
        following = events[at + 2 :]
        next_turn = next(
            (
                number
                for number, (kind, _) in enumerate(following)
                if kind in {EventType.CALLER_SAID, EventType.KEYS_PRESSED, EventType.NO_INPUT}
            ),
            len(following),
        )
        if any(kind is EventType.ASSIGNED for kind, _ in upon):
            assert all(kind is not EventType.ASSIGNED for kind, _ in following[:next_turn])


def check_answers(events: list[tuple[EventType, dict[str, JsonValue]]]) -> None:
    """The bot never goes on by itself: between two turns it says a few sentences and asks the bank for little."""
    said: list[str] = []
    asked: list[str] = []
    most = 8 * (MOST_ASKED_AGAIN + 1)
    for type_, data in events:
        if type_ is EventType.BOT_SAID:
            said.append(str(data["response"]))
        elif type_ is EventType.BANK_REQUESTED:
            asked.append(str(data["action"]))
        elif type_ in {EventType.CALLER_SAID, EventType.KEYS_PRESSED, EventType.NO_INPUT, EventType.NO_MATCH}:
            said.clear()
            asked.clear()
        assert len(said) <= most
        assert len(asked) == len(set(asked)), "asked of the bank twice for one turn"
        assert len(said) == 0 or said.count(said[-1]) <= max(MAX_TIMES_ASKED, MOST_ASKED_AGAIN + 1)

"""The answer is worked out at the pause; nothing is done, and a late word drops it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivrbot import metrics
from ivrbot.call.channel import Spoken
from ivrbot.call.foresight import Foresight, probably_said
from ivrbot.dialogue.engine import Dialogue
from ivrbot.model.dialogue import Authenticate, AuthReply, NoInput
from ivrbot.model.events import EventType
from ivrbot.model.speech import Hypothesis
from tests.fakes.calls import ScriptedCaller
from tests.unit.test_call_session import BALANCE, LOST, Line, line
from tests.unit.test_dialogue_engine import FLOWS, YES, confirming, turn
from tests.unit.test_dialogue_engine import LOST as LOST_TURN

__all__ = ["line"]

ENGINE = Dialogue(FLOWS)


def counted(result: str) -> float:
    return float(metrics.TURNS_PREPARED.labels(result)._value.get())


def nothing(_act: Authenticate) -> AuthReply | None:
    return None


def last_four(_act: Authenticate) -> AuthReply | None:
    return AuthReply("ask", "last_four")


def test_the_question_after_others_have_decided_is_foreseen() -> None:
    state, _ = ENGINE.start("ru", "speech")
    result = ENGINE.step(state, LOST_TURN)
    said = probably_said(ENGINE, result, last_four)
    assert [(act.response, language) for act, language in said] == [("utter_ask_fact_last_four", "ru")]
    assert probably_said(ENGINE, result, nothing) == ()


def test_what_the_bank_will_say_is_not_guessed() -> None:
    talk = confirming()
    said = probably_said(ENGINE, ENGINE.step(talk.state, YES), last_four)
    assert [act.response for act, _ in said] == ["utter_blocking"]


def test_the_step_of_the_pause_is_taken_as_it_is_when_nothing_was_added() -> None:
    state, foresight, before = confirming().state, Foresight(ENGINE), counted("hit")
    early = foresight.look(YES, state)
    assert foresight.look(turn("да"), state) is early, "the same words at the next pause"
    assert foresight.step(state, turn("да")) is early
    assert counted("hit") == before + 1


@pytest.mark.parametrize(
    "late",
    [
        turn("да нет"),
        replace(turn("да"), hypotheses=(Hypothesis("да"), Hypothesis("дай"))),
        turn("да", "affirm"),
    ],
)
def test_a_late_word_drops_it(late: object) -> None:
    state, foresight, before = confirming().state, Foresight(ENGINE), counted("miss")
    early = foresight.look(YES, state)
    assert foresight.step(state, late) is not early  # type: ignore[arg-type]
    assert counted("miss") == before + 1


def test_what_was_foreseen_in_another_state_is_worth_nothing() -> None:
    foresight, state = Foresight(ENGINE), confirming().state
    early = foresight.look(YES, state)
    assert foresight.step(replace(state, failures=1), YES) is not early
    before = counted("none")
    foresight.step(state, YES)
    foresight.step(state, NoInput())
    assert counted("none") == before + 1, "silence is no turn to be prepared"


class PausingCaller(ScriptedCaller):
    """Pauses before the end of each turn: what he has said so far is read."""

    early: tuple[str, ...] = ()
    after_pause = 0

    async def listen(self, collect, completes):  # type: ignore[no-untyped-def]
        heard = await super().listen(collect, completes)
        if isinstance(heard, Spoken):
            for text in self.early or (heard.hypotheses[0].text,):
                await completes(text)
        return heard


async def test_nothing_is_done_at_the_pause_and_nothing_is_understood_twice(line: Line) -> None:
    caller = PausingCaller([LOST, "4271", "да"])
    done_at_pause: list[int] = []
    prepare = caller.prepare

    def look(utterances):  # type: ignore[no-untyped-def]
        if utterances:
            done_at_pause.append(len(line.of(EventType.TOPIC_STATED)) + len(line.bank.executed))
        prepare(utterances)

    caller.prepare = look  # type: ignore[method-assign]
    await line.call(caller)
    assert done_at_pause[0] == 0
    assert line.nlu.read.count(LOST) == line.nlu.read.count("да") == 1
    assert (await line.cards())["4271"] == "blocked"


async def test_the_sound_of_the_answer_and_of_the_next_question_is_prepared(line: Line) -> None:
    caller = PausingCaller([LOST])
    await line.call(caller)
    assert [texts for texts in caller.prepared if texts] == [[caller.said[-1]]], "the ladder's first question"
    assert caller.ready == [], "it is asked by now"


async def test_a_word_after_the_pause_changes_the_answer(line: Line) -> None:
    caller = PausingCaller([BALANCE])
    caller.early = (LOST,)
    before = counted("miss")
    ready_when_said: list[list[str]] = []
    caller.on_say = lambda _text: ready_when_said.append(caller.ready)
    end = await line.call(caller)
    assert ready_when_said[-1] == [], "what was prepared for other words is dropped before the answer is made"
    assert end.topic == "check_balance"
    assert counted("miss") == before + 1
    assert [data["topic"] for data in line.of(EventType.TOPIC_STATED)] == ["check_balance"]


async def test_a_secret_is_not_shown_to_the_engine_at_the_pause_either(line: Line) -> None:
    caller = PausingCaller([BALANCE, "четыре два семь один", "черёмуха"])
    await line.call(caller)
    assert set(line.nlu.read) == {BALANCE}

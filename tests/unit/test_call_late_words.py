"""The caller goes on after his turn was taken as over: one turn, one answer, no effect twice."""

from __future__ import annotations

from typing import Any

import pytest

from ivrbot.call.channel import Spoken, Unclear
from ivrbot.call.late_words import LATE_MS, MOST_PIECES, goes_on, joined
from ivrbot.call.listening import MOST_ASKED_AGAIN
from ivrbot.errors import EngineTimeout
from ivrbot.model.call import Disposition, EscalationReason
from ivrbot.model.events import TAKEN_UP, EventType
from ivrbot.model.speech import Hypothesis
from tests.fakes.calls import ScriptedCaller, Turn
from tests.unit.test_call_session import BALANCE, LOST, Line, escalated, line

__all__ = ["line"]

ALL = "какой баланс по зарплатной карте"


def said(text: str, began_ms: int, ended_ms: int, **more: Any) -> Spoken:
    return Spoken((Hypothesis(text),), "fake", began_ms=began_ms, ended_ms=ended_ms, **more)


def talk(*pieces: tuple[str, int], start_ms: int = 10_000) -> list[Turn]:
    """Pieces of speech of 500 ms, each after a pause of so many milliseconds."""
    at_ms, heard = start_ms, list[Turn]()
    for text, pause_ms in pieces:
        at_ms += pause_ms
        heard.append(said(text, at_ms, at_ms + 500))
        at_ms += 500
    return heard


def results(line: Line) -> list[Any]:
    return [data["result"] for data in line.of(EventType.TURN_RESUMED)]


def test_pieces_belong_together_when_the_pause_is_short() -> None:
    first = said("баланс", 1000, 1500)
    assert goes_on(first, said("карты", 1500 + LATE_MS, 2300))
    assert not goes_on(first, said("карты", 1501 + LATE_MS, 2300))
    assert not goes_on(said("typed", 0, 0), said("typed", 0, 0))


def test_joined_pieces_keep_the_likeliest_readings_and_all_the_time() -> None:
    first = Spoken((Hypothesis("сорок два", 0.9), Hypothesis("сорока два", 0.3)), "fake", True, 100, 600)
    then = Spoken((Hypothesis("семь один", 0.5), Hypothesis("семья один", 0.4)), "fake", False, 900, 1400, 20)
    whole = joined(first, then)
    assert [one.text for one in whole.hypotheses][:2] == ["сорок два семь один", "сорок два семья один"]
    assert (whole.began_ms, whole.ended_ms, whole.over_prompt, whole.asr_ms) == (100, 1400, True, 20)


async def test_a_topic_and_its_rest_are_one_draw_and_one_turn(line: Line) -> None:
    line.nlu._intents |= {ALL: "check_balance"}
    caller = ScriptedCaller(talk((BALANCE, 0), ("по зарплатной карте", 300)))
    end = await line.call(caller)
    assert end.topic == "check_balance"
    assert results(line) == [TAKEN_UP]
    assert line.of(EventType.TURN_RESUMED)[0]["pause_ms"] == 300
    assert len(line.of(EventType.TOPIC_STATED)) == len(line.of(EventType.ASSIGNED)) == 1
    assert [data["text"] for data in line.of(EventType.CALLER_SAID)] == [BALANCE, ALL]
    assert [collect.slot for collect in caller.asked] == ["topic", "fact", "fact"]


async def test_the_transcript_has_one_turn_and_one_answer(line: Line) -> None:
    line.nlu._intents |= {ALL: "check_balance"}
    turns = [*talk((BALANCE, 0), ("по зарплатной карте", 300)), "оператора"]
    dossier = escalated(await line.call(turns), EscalationReason.CALLER_ASKED)
    heard = [row.text for row in dossier.transcript if row.who == "caller"]
    assert heard[0] == ALL
    assert BALANCE not in heard
    answers = [row.text for row in dossier.transcript if row.who == "bot"]
    assert len(answers) == len(set(answers))


async def test_half_a_number_is_no_failure_and_its_rest_completes_it(line: Line) -> None:
    line.nlu._intents |= {"оспорить операцию": "dispute_transaction"}
    number = talk(("потеряла", 0), ("карту", 400))
    caller = ScriptedCaller([*number, "4271"])
    await line.call(caller)
    assert results(line) == [TAKEN_UP]
    assert line.of(EventType.TOPIC_STATED)[0]["topic"] == "block_card"
    assert sum("не понял" in text for text in caller.said) == 1, "said to the first half, and taken back"


async def test_who_goes_on_with_something_else_after_a_draw_is_asked_again_for_his_secret(line: Line) -> None:
    """The words were spoken before anybody can have heard the question: they are no wrong answer to it."""
    caller = ScriptedCaller([*talk((BALANCE, 0), ("синие трактора летят", 300)), "4271"])
    await line.call(caller)
    assert results(line) == ["asked_again"]
    statuses = [data["status"] for data in line.of(EventType.AUTHENTICATION)]
    assert statuses == ["ask", "ask"]
    assert [collect.slot for collect in caller.asked] == ["topic", "fact", "fact", "fact"]


async def test_after_an_operation_the_words_are_a_turn_of_their_own(line: Line) -> None:
    yes, doubt = talk(("да", 0), ("нет не эту", 300), start_ms=60_000)
    await line.call([LOST, "4271", yes, doubt])
    assert (await line.cards())["4271"] == "blocked"
    assert results(line) == ["own_turn"]
    assert len([request for request in line.bank.executed if request.operation.value == "block_card"]) == 1


def thinks_again(*pieces: tuple[str, int], after: list[Turn]) -> ScriptedCaller:
    """A caller who says yes to the card's blocking and goes on in the time that he is given."""
    caller = ScriptedCaller([LOST, "4271", *talk(*pieces, start_ms=60_000), *after])
    caller.on_time_given = lambda: setattr(caller, "goes_on", len(caller.given) < len(pieces))
    caller.on_listen = lambda: setattr(caller, "goes_on", False)
    return caller


def blockings(line: Line) -> int:
    return len([request for request in line.bank.executed if request.operation.value == "block_card"])


async def test_a_yes_waits_for_second_thoughts_before_anything_is_written(line: Line) -> None:
    caller = thinks_again(("да", 0), after=[])
    await line.call(caller)
    assert caller.given == [60_500 + LATE_MS]
    assert (await line.cards())["4271"] == "blocked"
    assert results(line) == []


async def test_a_no_right_behind_a_yes_is_in_time(line: Line) -> None:
    caller = thinks_again(("да", 0), ("нет не эту", 400), after=[])
    await line.call(caller)
    assert blockings(line) == 0
    assert (await line.cards())["4271"] == "active"
    assert results(line) == [TAKEN_UP]
    assert line.of(EventType.CALLER_SAID)[-1]["text"] == "да нет не эту"


async def test_second_thoughts_that_say_nothing_clear_bring_the_question_again(line: Line) -> None:
    caller = thinks_again(("да", 0), ("ой нет", 400), after=["да", "нет"])
    await line.call(caller)
    assert [collect.slot for collect in caller.asked].count("confirm_block") >= 2
    assert blockings(line) == 1, "his yes to the question that was put again"


async def test_a_yes_said_twice_is_one_yes_and_is_logged_as_one(line: Line) -> None:
    caller = thinks_again(("да", 0), ("да конечно", 300), after=["нет", "нет"])
    end = await line.call(caller)
    assert (end.disposition, end.reason) == (Disposition.RESOLVED, "served")
    assert blockings(line) == 1
    assert {request.confirmation for request in line.bank.executed if request.confirmation} == {
        "confirm_block in words"
    }


async def test_a_command_right_behind_a_yes_comes_first(line: Line) -> None:
    caller = thinks_again(("да", 0), ("оператор", 300), after=[])
    await line.call(caller)
    assert blockings(line) == 0
    assert results(line) == ["own_turn"]


@pytest.mark.parametrize(("key", "times"), [("2", 0), ("1", 1)], ids=["no", "yes"])
@pytest.mark.parametrize("pressed", ["while the yes is understood", "before the write"])
async def test_a_key_right_behind_a_yes_is_the_answer(line: Line, pressed: str, key: str, times: int) -> None:
    caller = ScriptedCaller([LOST, "4271", *talk(("да", 0), start_ms=60_000), key, "нет", "нет"])
    if pressed == "before the write":
        caller.on_time_given = lambda: setattr(caller, "goes_on", len(caller.given) == 1)
        caller.on_listen = lambda: setattr(caller, "goes_on", False)
    else:
        heard = iter((False, False, True))
        caller.on_listen = lambda: setattr(caller, "goes_on", next(heard, False))
    await line.call(caller)
    assert blockings(line) == times
    assert (await line.cards())["4271"] == ("blocked" if times else "active")
    assert len(line.of(EventType.KEYS_PRESSED)) == 2


async def test_a_noise_behind_a_yes_changes_nothing(line: Line) -> None:
    caller = ScriptedCaller([LOST, "4271", *talk(("да", 0), start_ms=60_000), Unclear(), "нет", "нет"])
    caller.on_time_given = lambda: setattr(caller, "goes_on", True)
    caller.on_listen = lambda: setattr(caller, "goes_on", False)
    await line.call(caller)
    assert blockings(line) == 1


@pytest.mark.parametrize("lost", [EngineTimeout("too late"), TimeoutError("he speaks on and on")], ids=type)
@pytest.mark.parametrize("added_before", ["the yes is taken", "the write"])
async def test_words_behind_a_yes_that_were_lost_bring_the_question_again(
    line: Line, added_before: str, lost: Exception
) -> None:
    caller = ScriptedCaller([LOST, "4271", *talk(("да", 0), start_ms=60_000), lost, "нет", "нет"])
    if added_before == "the write":
        caller.on_time_given = lambda: setattr(caller, "goes_on", True)
        caller.on_listen = lambda: setattr(caller, "goes_on", False)
    else:
        heard = iter((False, False, True))
        caller.on_listen = lambda: setattr(caller, "goes_on", next(heard, False))
    await line.call(caller)
    assert [collect.slot for collect in caller.asked].count("confirm_block") >= 2
    assert blockings(line) == 0
    assert (await line.cards())["4271"] == "active"


async def test_typed_and_keyed_answers_wait_for_nothing(line: Line) -> None:
    caller = ScriptedCaller([LOST, "4271", "да", "нет", "нет"])
    await line.call(caller)
    assert caller.given == []
    assert blockings(line) == 1


async def test_no_and_not_this_one_are_one_answer(line: Line) -> None:
    no, other = talk(("нет", 0), ("не эту", 300), start_ms=60_000)
    caller = ScriptedCaller([LOST, "4271", no, other])
    await line.call(caller)
    assert results(line) == [TAKEN_UP]
    assert (await line.cards())["4271"] == "active"


@pytest.mark.parametrize("command", ["подождите", "оператор", "повторите"])
async def test_a_command_stands_for_itself(line: Line, command: str) -> None:
    await line.call(talk((BALANCE, 0), (command, 300)))
    assert results(line) == []


async def test_after_a_longer_pause_it_is_another_turn(line: Line) -> None:
    await line.call(talk((BALANCE, 0), ("по зарплатной карте", LATE_MS + 1)))
    assert results(line) == []


async def test_nobody_goes_on_for_ever(line: Line) -> None:
    pieces = [(f"слово {number}", 200) for number in range(12)]
    end = await line.call(talk(*pieces))
    assert results(line).count(TAKEN_UP) <= 12 - 12 // MOST_PIECES
    assert end.reason in {"hung_up", "no_match"}


async def test_words_from_before_the_question_are_dropped_and_it_is_put_again_but_not_for_ever(line: Line) -> None:
    stale = said("ну вот", 100, 400, before_question=True)
    turns: list[Turn] = [stale for _ in range(2 * (MOST_ASKED_AGAIN + 1))]
    end = await line.call(turns)
    assert (end.disposition, end.reason) == (Disposition.ESCALATED, "no_match")


async def test_who_is_still_speaking_is_heard_out_before_anything_is_done(line: Line) -> None:
    line.nlu._intents |= {ALL: "check_balance"}
    caller = ScriptedCaller(talk((BALANCE, 0), ("по зарплатной карте", 300)))

    def hears() -> None:
        caller.goes_on = len(caller.asked) == 1

    caller.on_listen = hears
    await line.call(caller)
    assert results(line) == ["before_answer"]
    assert [data["text"] for data in line.of(EventType.CALLER_SAID)] == [ALL]
    assert line.of(EventType.CALLER_SAID)[0]["intent"] == "check_balance"


async def test_keys_pressed_while_the_rest_was_waited_for_are_not_lost(line: Line) -> None:
    caller = ScriptedCaller([*talk((LOST, 0)), "4271", "да"])
    caller.on_listen = lambda: setattr(caller, "goes_on", len(caller.asked) == 1)
    await line.call(caller)
    assert (await line.cards())["4271"] == "blocked"

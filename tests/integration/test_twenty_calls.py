"""Twenty calls at once through Asterisk and the whole product: nobody is dropped, everybody gets an answer."""

from __future__ import annotations

import asyncio

import pytest

from tests.caller_speech import CallerVoice
from tests.integration.asterisk.stage import Call, Event, Stage, is_cut_short

pytestmark = [pytest.mark.integration, pytest.mark.models, pytest.mark.asyncio(loop_scope="session")]

CALLS = 20
VOICES: tuple[CallerVoice, ...] = ("anna", "irina", "elena")
PATIENCE_S = 60.0
RINGS = 3
QUESTION = "utter_ask_fact_name_and_birth"
HEARD = {"caller_said", "no_match", "no_input"}
QUEUE_METRIC = "ivrbot_asr_queue_seconds_bucket"


async def one_of_many(line: Stage, number: int, everybody: asyncio.Barrier) -> Call:
    """A key for the topic, then an answer in words, spoken when all others speak too.

    Whom a disk that stood still has sent to an operator before that rings once more.
    """
    await asyncio.sleep(number * 0.1)
    for _ in range(RINGS):
        async with line.call(f"+7922{number:07d}") as call:
            await call.story.until(lambda event: event["type"] == "bot_said", PATIENCE_S)
            await call.press("1")
            if is_cut_short(await call.story.until(is_asked_or_over, PATIENCE_S)):
                continue
            asked = await call.asked(QUESTION, PATIENCE_S)
            await everybody.wait()
            await call.say("Иванов Сергей Петрович", VOICES[number % len(VOICES)])
            heard = await call.story.until(
                lambda event: is_heard(event) or event["type"] == "call_ended", PATIENCE_S, asked["seq"]
            )
            assert is_heard(heard), call.story
            await call.story.until(lambda event: event["type"] == "bot_said", PATIENCE_S, heard["seq"])
            assert not call.caller.was_hung_up_on()
            return call
    raise AssertionError(f"caller {number} was sent away {RINGS} times")


def is_asked_or_over(event: Event) -> bool:
    """Whether the question has come, or it is told why it will not come."""
    is_asked = event["type"] == "bot_said" and event["response"] == QUESTION
    return is_asked or event["type"] == "call_ended" or is_cut_short(event)


def is_heard(event: Event) -> bool:
    """Whether his words came to something; of too many at once a recogniser refuses some, who are asked again."""
    return event["type"] in HEARD or (event["type"] == "engine_failed" and event["engine"] == "asr")


def row(name: str, values: list[float]) -> str:
    values = sorted(values)
    p50, p99 = values[len(values) // 2], values[int(0.99 * len(values))]
    return f"{name}: p50 {p50:.1f}, p99 {p99:.1f}, longest {values[-1]:.1f} ({len(values)} values)"


async def test_of_twenty_calls_at_once_none_is_dropped_and_each_is_answered(line: Stage) -> None:
    before = await line.metric(QUEUE_METRIC)
    everybody = asyncio.Barrier(CALLS)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one_of_many(line, number, everybody)) for number in range(CALLS)]
    calls = [task.result() for task in tasks]
    after = await line.metric(QUEUE_METRIC)
    lost = 0
    for call in calls:
        numbers = [packet.sequence for packet in call.phone.heard.packets]
        lost += ((numbers[-1] - numbers[0]) & 0xFFFF) + 1 - len(numbers)
    waits = ", ".join(f"{name} {after[name] - before.get(name, 0.0):.0f}" for name in after)
    print(
        "\n" + row("jitter of the received RTP, ms", [ms for call in calls for ms in call.phone.heard.jitter_ms()])
    )
    print(row("response gap, ms", [event["gap_ms"] for call in calls for event in call.story.of("response_gap")]))
    print(f"wait for a recogniser, s, utterances up to: {waits}")
    print(f"heard: {sum(bool(call.story.of('caller_said')) for call in calls)} of {CALLS}")
    print(f"refused by the recogniser: {sum(bool(call.story.of('engine_failed')) for call in calls)}")
    print(f"RTP packets missing: {lost}")
    assert lost == 0
    assert sum(after.values()) > sum(before.values())

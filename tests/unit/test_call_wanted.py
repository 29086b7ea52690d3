"""Whose readings are: recognisers learn it from the call, and when its caller begins to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context

from ivrbot.errors import EngineUnavailable
from ivrbot.logs import call_id_var
from ivrbot.model.capacity import Wanted, wanted_var
from ivrbot.model.speech import Expect, Language, Partial
from tests.fakes.room import Room, Stream, in_a_room
from tests.fakes.virtual_time import VirtualTimeLoop, run_virtual


def learning(room: Room) -> list[Wanted]:
    """What the recogniser finds whenever an utterance is opened."""
    found: list[Wanted] = []
    opened = room.engine.open

    def learn(language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> Stream:
        wanted = wanted_var.get()
        assert wanted is not None
        assert not wanted.waits, "he has only begun to speak"
        found.append(wanted)
        return opened(language, expect, on_partial)

    room.engine.open = learn  # type: ignore[method-assign]
    return found


@in_a_room()
async def test_a_reading_is_waited_for_when_the_turn_has_ended(room: Room) -> None:
    found = learning(room)
    await room.loud(400)
    await room.silence(200)
    assert room.engine.streams[0].decodes == 1
    assert not found[0].waits, "he may still go on"
    await room.silence(900)
    assert found[0].waits
    await room.loud(400)
    await room.silence(200)
    assert found[1] is not found[0]
    assert not found[1].waits
    assert wanted_var.get() is None, "nobody else is taken for this caller"


@in_a_room()
async def test_an_early_reading_that_was_sent_away_is_asked_for_again_when_it_is_waited_for(room: Room) -> None:
    room.engine.decode_failure = EngineUnavailable("too many readings wait already")
    await room.loud(400)
    await room.silence(200)
    assert room.engine.streams[0].decodes == 1
    room.engine.decode_failure = None
    await room.silence(1500)
    (reading,) = room.readings
    assert reading.error is None
    assert room.engine.streams[0].decodes == 2


def test_the_call_is_the_one_whose_context_began_to_hear() -> None:
    async def main(loop: VirtualTimeLoop) -> None:
        call_id_var.set("call-7")
        room = Room(loop, real_activity=False)
        found = learning(room)
        async with asyncio.TaskGroup() as group:
            room.hearing.start(group)
            # Frames come in a gateway's context, which knows no call.
            await asyncio.create_task(room.loud(400), context=Context())
            assert [wanted.call for wanted in found] == ["call-7"]
            room.hearing.stop()

    run_virtual(main)

"""Whose sound is shared for comparing voices: the caller's turns with words, and nothing with the bot in it."""

from __future__ import annotations

from ivrbot.errors import EngineTimeout
from ivrbot.model.audio import Pcm
from tests.fakes.room import Room, in_a_room


@in_a_room()
async def test_a_turn_is_shared_whole_and_before_its_reading(room: Room) -> None:
    shared: list[tuple[Pcm, int]] = []
    room.hearing.share_turns(lambda turn: shared.append((turn, len(room.readings))))
    await room.loud(600)
    await room.silence(2000)
    ((turn, readings_before),) = shared
    assert bytes(turn) == bytes(room.engine.streams[0].sound)
    assert readings_before == 0
    assert len(room.readings) == 1


@in_a_room()
async def test_each_turn_is_shared_by_itself(room: Room) -> None:
    shared: list[Pcm] = []
    room.hearing.share_turns(shared.append)
    for _ in range(2):
        await room.loud(500)
        await room.silence(2000)
    assert [bytes(turn) for turn in shared] == [bytes(stream.sound) for stream in room.engine.streams]


@in_a_room()
async def test_what_began_over_the_bots_words_is_not_shared(room: Room) -> None:
    shared: list[Pcm] = []
    room.hearing.share_turns(shared.append)
    room.hearing._is_speaking = lambda: True
    await room.loud(600)
    await room.silence(2000)
    assert room.readings[0].over_prompt
    assert shared == []


@in_a_room()
async def test_what_could_not_be_read_is_not_shared(room: Room) -> None:
    shared: list[Pcm] = []
    room.hearing.share_turns(shared.append)
    room.engine.decode_failure = EngineTimeout("slow")
    await room.loud(600)
    await room.silence(2000)
    assert room.readings[0].error is not None
    assert shared == []


@in_a_room()
async def test_where_nobody_shares_no_sound_is_held(room: Room) -> None:
    await room.loud(600)
    turn = room.hearing._turn
    assert turn is not None
    assert turn.sound == b""
    await room.silence(2000)

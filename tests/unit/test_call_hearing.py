"""One caller's speech, from frames to readings, with the real voice activity and whatever recognisers do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ivrbot.call import hearing
from ivrbot.call.hearing import ENDPOINTING
from ivrbot.errors import EngineBadOutput, EngineError, EngineTimeout
from ivrbot.media.framing import frames_of
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import FRAME_MS
from ivrbot.model.speech import Expect
from tests.fakes.room import Room, in_a_room, says_all, says_nothing_yet

SPEECH = Path(__file__).parents[1] / "data" / "speech_en.wav"


@in_a_room(real_activity=True)
async def test_real_speech_becomes_one_reading_of_all_of_it(room: Room) -> None:
    speech = read_wav(SPEECH)
    frames = list(frames_of(speech))
    await room.frames(*frames)
    await room.silence(2000)
    assert room.told[0] == "speech"
    assert len(room.readings) >= 1
    heard = sum(len(stream.sound) for stream in room.engine.streams)
    assert heard > 0.5 * len(speech), "most of the recording is speech"
    assert all(reading.error is None for reading in room.readings)


@in_a_room(real_activity=True)
async def test_silence_is_no_speech(room: Room) -> None:
    room.hearing.wait_for_speech(3000)
    await room.silence(3100)
    assert room.told == ["no input"]
    assert room.engine.streams == []


@in_a_room()
async def test_a_pause_is_read_before_it_is_known_to_be_the_end(room: Room) -> None:
    await room.loud(400)
    await room.silence(300)
    assert room.told == ["speech", "words"]
    assert room.readings == []
    await room.silence(600)
    (reading,) = room.readings
    assert room.engine.streams[0].decodes == 1, "the early reading is the reading"
    assert reading.asr_ms == 0
    assert reading.ended_ms - reading.began_ms == pytest.approx(400, abs=2 * FRAME_MS)


@in_a_room()
async def test_going_on_after_a_pause_makes_a_new_reading_of_everything(room: Room) -> None:
    await room.loud(400)
    await room.silence(300)
    await room.loud(400)
    await room.silence(1000)
    (reading,) = room.readings
    assert len(room.engine.streams) == 1
    assert room.engine.streams[0].decodes == 2
    assert reading.transcript is not None
    assert reading.transcript.text == f"{len(room.engine.streams[0].sound)} bytes"


@in_a_room()
async def test_who_breathes_in_the_middle_of_an_open_answer_is_waited_for(room: Room) -> None:
    room.hearing.prepare("ru", Expect.OPEN, says_nothing_yet)
    room.engine.text = "я вчера была в магазине и"
    await room.loud(400)
    await room.silence(1100)
    assert room.readings == [], "nothing in these words ends the turn, and they may go on"
    await room.loud(400)
    await room.silence(1400)
    (reading,) = room.readings
    assert reading.ended_ms - reading.began_ms > 1500


@in_a_room()
async def test_an_open_answer_that_is_all_ends_the_turn_at_once(room: Room) -> None:
    room.hearing.prepare("ru", Expect.OPEN, says_all)
    await room.loud(400)
    await room.silence(400)
    assert len(room.readings) == 1


@in_a_room()
async def test_a_late_reading_that_answers_ends_the_turn_without_waiting_for_a_frame(room: Room) -> None:
    room.hearing.prepare("ru", Expect.OPEN, says_all)
    room.engine.text = "заблокируйте карту"
    room.engine.delay_s = 0.125
    await room.loud(400)
    await room.silence(ENDPOINTING.pause_ms + 100)
    assert room.readings == []
    await asyncio.sleep(0.010)  # no frame has come since
    (reading,) = room.readings
    length_ms = reading.ended_ms - reading.began_ms
    assert length_ms == pytest.approx(400, abs=FRAME_MS), "counted from his voice, not from this moment"


@in_a_room()
async def test_a_monologue_is_read_to_its_limit_and_not_only_its_beginning(room: Room) -> None:
    await room.loud(1400)
    room.hearing.read_now()
    await room.loud(19_000)
    (reading,) = room.readings
    assert reading.transcript is not None
    assert reading.transcript.text == f"{len(room.engine.streams[0].sound)} bytes"
    assert len(room.engine.streams[0].sound) > 19 * 16_000


@in_a_room()
async def test_a_voice_without_a_word_is_no_noise_while_it_goes_on(room: Room) -> None:
    room.engine.garbled = True
    await room.loud(900)
    room.hearing.read_now()
    await room.loud(300)
    assert room.told == ["speech", "garbled"]
    room.hearing.read_now()
    await room.loud(100)
    assert room.told == ["speech", "garbled", "garbled"], "all that he has said since is read as well"
    await room.silence(1000)
    assert set(room.told[3:]) == {"nothing"}, "he said it all, and no word of it could be made out"


@pytest.mark.parametrize(
    ("failure", "code"),
    [(EngineTimeout("slow"), "engine_timeout"), (ValueError("a bug"), EngineBadOutput.code)],
    ids=["expected", "a surprise"],
)
@pytest.mark.parametrize("where", ["open_failure", "feed_failure", "decode_failure"])
def test_whatever_a_recogniser_raises_is_a_reading_with_an_error(
    where: str, failure: Exception, code: str
) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        setattr(room.engine, where, failure)
        await room.loud(400)
        await room.silence(1000)
        (reading,) = room.readings
        assert reading.transcript is None
        assert isinstance(reading.error, EngineError) and reading.error.code == code
        setattr(room.engine, where, None)
        await room.loud(400)
        await room.silence(1000)
        assert room.readings[-1].transcript is not None

    scenario()


@in_a_room()
async def test_a_recogniser_that_hangs_is_given_up(room: Room) -> None:
    room.engine.hangs = True
    await room.loud(400)
    await room.silence(int(hearing.DECODE_S * 1000) + 1000)
    (reading,) = room.readings
    assert isinstance(reading.error, EngineTimeout)


@in_a_room()
async def test_understanding_that_fails_does_not_end_the_turn_early_and_harms_nothing(room: Room) -> None:
    async def broken(_text: str) -> bool:
        raise ValueError("a bug")

    room.hearing.prepare("en", Expect.OPEN, broken)
    await room.loud(400)
    await room.silence(1000)
    (reading,) = room.readings
    assert reading.error is None


@in_a_room()
async def test_stopping_while_a_reading_hangs_leaves_nothing(room: Room) -> None:
    room.engine.hangs = True
    await room.loud(400)
    await room.silence(1000)
    started = room.loop.time()
    room.hearing.stop()
    await asyncio.sleep(0)
    assert room.loop.time() == started
    await room.loud(400)
    assert len(room.engine.streams) == 1


@in_a_room()
async def test_a_turn_lost_by_its_recogniser_leaves_a_clock_running(room: Room) -> None:
    room.engine.feed_failure = EngineBadOutput("garbage")
    await room.loud(400)
    assert [reading.error is not None for reading in room.readings] == [True]
    room.hearing.wait_for_speech(2000)  # the question is asked again while the caller still speaks
    await room.loud(400)
    await room.silence(3500)
    assert room.told[-1] == "no input"


@in_a_room()
async def test_a_turn_being_read_is_not_taken_for_silence(room: Room) -> None:
    room.engine.hangs = True
    await room.loud(400)
    room.hearing.wait_for_speech(2000)
    await room.loud(200)
    await room.silence(6000)
    assert "no input" not in room.told


@in_a_room()
async def test_a_dip_is_read_and_an_answer_in_it_is_the_reading(room: Room) -> None:
    room.engine.guesses = True
    room.hearing.prepare("ru", Expect.OPEN, says_all)
    await room.loud(400)
    await room.silence(220)
    (reading,) = room.readings
    assert (room.engine.streams[0].guessed, room.engine.streams[0].decodes) == (1, 0)
    assert reading.asr_ms == 0
    assert reading.ended_ms - reading.began_ms == pytest.approx(400, abs=2 * FRAME_MS)


@in_a_room()
async def test_a_guess_that_answers_nothing_is_followed_by_all_that_the_engine_can_do(room: Room) -> None:
    room.engine.guesses = True
    await room.loud(400)
    await room.silence(1000)
    assert len(room.readings) == 1
    assert (room.engine.streams[0].guessed, room.engine.streams[0].decodes) == (1, 1)


@in_a_room()
async def test_the_burst_after_a_dip_is_read_too(room: Room) -> None:
    room.engine.guesses = True
    await room.loud(400)
    await room.silence(100)
    await room.loud(20)
    await room.silence(1000)
    (reading,) = room.readings
    assert room.engine.streams[0].guessed == 2
    assert reading.transcript is not None
    assert reading.transcript.text == f"{len(room.engine.streams[0].sound)} bytes"
    assert len(room.engine.streams[0].sound) >= 16 * (400 + 100 + 20)


@in_a_room()
async def test_a_guess_that_fails_is_made_good_at_the_pause(room: Room) -> None:
    room.engine.guesses = True
    room.engine.decode_failure = EngineTimeout("slow")
    await room.loud(400)
    await room.silence(100)
    room.engine.decode_failure = None
    await room.silence(900)
    (reading,) = room.readings
    assert reading.error is None

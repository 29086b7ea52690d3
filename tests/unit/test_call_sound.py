"""Turn taking on a line: barge-in, time-outs, late readings, hang-ups; all in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from ivrbot.call.channel import Keyed, Silence, Spoken, Unclear
from ivrbot.errors import EngineError, EngineUnavailable, LegClosed
from ivrbot.model.audio import FRAME_MS
from ivrbot.model.events import EventType
from tests.fakes.line import LOUD, Line, on_a_line, utterance
from tests.fakes.questions import CARD, TOPIC, YES, Listening, always, ask, never

# --- words --------------------------------------------------------------------------------------------


@on_a_line(["lost my card"])
async def test_words_after_the_prompt(line: Line) -> None:
    listening = await ask(line)
    await line.silence(1500)
    await line.speech(800)
    await line.silence(1500)
    heard = await listening.result()
    assert isinstance(heard, Spoken)
    assert (heard.hypotheses[0].text, heard.over_prompt, heard.engine) == ("lost my card", False, "fake")
    assert line.of(EventType.BARGE_IN) == []


@on_a_line(["lost my card"])
async def test_speech_pauses_the_prompt_within_two_frames_and_its_words_are_used(line: Line) -> None:
    listening = await ask(line)
    await line.silence(200)
    await line.speech(800)
    first_speech = 200 // FRAME_MS
    silent_from = next(at for at, mark in enumerate(line.played) if at >= first_speech and not mark)
    detected = first_speech + 80 // FRAME_MS
    assert silent_from <= detected + 2
    await line.silence(1500)
    heard = await listening.result()
    assert isinstance(heard, Spoken) and heard.over_prompt
    assert heard.hypotheses[0].text == "lost my card"
    assert not any(line.played[silent_from:]), "the prompt went on after words"
    assert len(line.of(EventType.BARGE_IN)) == 1
    assert line.of(EventType.FALSE_BARGE_IN) == []


@on_a_line([""])
async def test_noise_pauses_the_prompt_and_it_goes_on_from_the_phrases_start(line: Line) -> None:
    listening = await ask(line)
    await line.silence(700)
    await line.speech(200)
    await line.silence(3000)
    played = [mark for mark in line.played if mark]
    assert played.count(10) == 25
    assert played.count(11) > 25, "the interrupted phrase was not started again"
    assert line.played[: line.played.index(11) + 5].count(0) == 0
    assert len(line.of(EventType.FALSE_BARGE_IN)) == 1
    assert not listening.over
    await line.silence(6000)
    assert await listening.result() == Silence()


@on_a_line(["", "", ""], frames=500)
async def test_a_noisy_place_does_not_stall_the_prompt_for_ever(line: Line) -> None:
    listening = await ask(line)
    for _ in range(3):
        await line.speech(200)
        await line.silence(1200)
    assert len(line.of(EventType.BARGE_IN)) == 2
    await line.silence(12000)
    assert 11 in line.played
    line.channel.on_closed("hangup")
    with pytest.raises(LegClosed):
        await listening.result()


@on_a_line([""], frames=100)
async def test_a_long_noise_holds_the_prompt_up_no_longer_than_the_confirmation_takes(line: Line) -> None:
    listening = await ask(line)
    await line.silence(200)
    before = len(line.played)
    await line.speech(3000)
    resumed = next(at for at, mark in enumerate(line.played[before + 20 :]) if mark) + 20
    assert resumed * FRAME_MS <= 1200 + 200
    line.channel.on_closed("hangup")
    with pytest.raises(LegClosed):
        await listening.result()


@on_a_line(["operator please"])
async def test_words_cut_what_has_not_been_made_yet(line: Line) -> None:
    line.channel.speak_in("en")
    await line.channel.say(utterance("one"), interruptible=True)
    await line.silence(100)
    await line.speech(800)
    await line.silence(1500)
    await line.channel.say(utterance("two"), interruptible=True)
    assert line.voice.spoken == ["one"]
    heard = await line.channel.listen(TOPIC, never)
    assert isinstance(heard, Spoken)
    line.channel.speak_in("en")
    await line.channel.say(utterance("three"), interruptible=True)
    assert line.voice.spoken == ["one", "three"]


@on_a_line(["stop it"])
async def test_what_the_law_requires_is_heard_to_its_end(line: Line) -> None:
    line.channel.speak_in("en")
    await line.channel.say(utterance("recorded"), interruptible=False)
    await line.channel.say(utterance("what?"), interruptible=True)
    listening = Listening(line)
    await line.silence(100)
    await line.speech(600)
    await line.silence(1500)
    heard = await listening.result()
    assert isinstance(heard, Spoken) and heard.over_prompt
    played = [mark for mark in line.played if mark]
    assert played == [10] * 25 + [11] * 25


@on_a_line(["yes"])
async def test_keys_do_not_cut_what_the_law_requires(line: Line) -> None:
    line.channel.speak_in("en")
    await line.channel.say(utterance("recorded"), interruptible=False)
    await line.channel.say(utterance("what?"), interruptible=True)
    listening = Listening(line)
    await line.silence(100)
    line.channel.on_key("1")
    await line.silence(2000)
    assert await listening.result() == Keyed("1")
    assert [mark for mark in line.played if mark] == [10] * 25 + [11] * 25


@on_a_line([""])
async def test_speech_without_words_after_the_prompt_is_unclear(line: Line) -> None:
    listening = await ask(line)
    await line.silence(1500)
    await line.speech(400)
    await line.silence(1500)
    assert await listening.result() == Unclear()


@on_a_line(["that is what i said before", "yes"])
async def test_what_was_said_before_the_question_is_dropped_and_the_clock_runs_on(line: Line) -> None:
    await line.speech(1000)
    listening = await ask(line, YES)
    await line.speech(1600)
    await line.silence(2000)
    assert not listening.over
    await line.silence(6000)
    assert await listening.result() == Silence()


@on_a_line(["the blue one"])
async def test_who_hangs_up_while_his_words_are_being_understood_is_gone_at_once(line: Line) -> None:
    understood: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def completes(_text: str) -> bool:
        return await understood

    await line.speech(600)
    await line.silence(1500)
    line.channel.speak_in("en")
    listening = asyncio.get_running_loop().create_task(line.channel.listen(CARD, completes))
    await line.silence(100)
    line.channel.on_closed("hangup")
    understood.set_result(False)
    with pytest.raises(LegClosed):
        await asyncio.wait_for(listening, 1)


@on_a_line(["the blue one", "the red one"])
async def test_understanding_that_fails_on_words_before_the_question_is_no_failure_to_hear(line: Line) -> None:
    async def completes(text: str) -> bool:
        if text == "the blue one":
            raise EngineUnavailable("the server is gone")
        return True

    await line.speech(600)
    await line.silence(1500)
    line.channel.speak_in("en")
    listening = asyncio.get_running_loop().create_task(line.channel.listen(CARD, completes))
    await line.silence(1000)
    await line.speech(600)
    await line.silence(1500)
    heard = await listening
    assert isinstance(heard, Spoken) and heard.hypotheses[0].text == "the red one"


@on_a_line(["operator"])
async def test_a_wish_for_an_operator_counts_whenever_it_was_said(line: Line) -> None:
    await line.speech(1000)
    listening = await ask(line, YES)
    await line.silence(1500)
    heard = await listening.result()
    assert isinstance(heard, Spoken) and heard.hypotheses[0].text == "operator"


@on_a_line(["first", "second"])
async def test_a_late_reading_of_an_old_turn_does_not_answer_the_next_question(line: Line) -> None:
    listening = await ask(line)
    await line.silence(1500)
    await line.speech(400)
    await line.silence(1500)
    assert isinstance(await listening.result(), Spoken)
    await line.speech(400)
    listening = await ask(line, YES)
    await line.silence(2000)
    assert not listening.over
    line.channel.on_key("1")
    assert await listening.result() == Keyed("1")


# --- silence ------------------------------------------------------------------------------------------


@on_a_line(frames=200)
async def test_silence_counts_from_the_end_of_the_prompt(line: Line) -> None:
    listening = await ask(line)
    await line.silence(4000 + 4900)
    assert not listening.over
    await line.silence(200)
    assert await listening.result() == Silence()


@on_a_line()
async def test_silence_counts_again_for_the_next_question(line: Line) -> None:
    for _ in range(2):
        listening = await ask(line)
        await line.silence(1000 + 4900)
        assert not listening.over
        await line.silence(200)
        assert await listening.result() == Silence()


# --- what breaks --------------------------------------------------------------------------------------


@on_a_line(["never read"])
async def test_a_recogniser_that_raises_is_told_to_whoever_listens(line: Line) -> None:
    line.asr.failures = [EngineUnavailable("deaf"), EngineUnavailable("deaf")]
    listening = await ask(line)
    await line.silence(1500)
    await line.speech(400)
    await line.silence(1500)
    with pytest.raises(EngineError):
        await listening.result()


@on_a_line()
async def test_a_recogniser_that_is_gone_is_told_to_whoever_listens(line: Line) -> None:
    await line.asr.close()
    listening = await ask(line)
    await line.silence(1500)
    await line.speech(400)
    with pytest.raises(EngineUnavailable):
        await listening.result()
    line.channel.on_key("1")
    assert await line.channel.listen(TOPIC, never) == Keyed("1")


@on_a_line()
async def test_a_voice_that_breaks_in_the_middle(line: Line) -> None:
    line.voice.failure = EngineUnavailable("mute")
    line.channel.speak_in("en")
    with pytest.raises(EngineUnavailable):
        await line.channel.say(utterance("what?"), interruptible=True)
    await line.silence(2000)
    await line.channel.finish()


# --- hang-ups -----------------------------------------------------------------------------------------


@on_a_line()
async def test_hang_up_before_the_first_word(line: Line) -> None:
    line.channel.on_closed("hangup")
    with pytest.raises(LegClosed):
        await line.channel.say(utterance("hello"), interruptible=True)


@on_a_line()
async def test_hang_up_while_the_voice_is_at_work(line: Line) -> None:
    gates = [line.loop.create_future(), line.loop.create_future()]
    waiting = list(gates)
    line.voice.slow = lambda: waiting.pop(0)
    saying = line.loop.create_task(line.channel.say(utterance("hello"), interruptible=True))
    gates[0].set_result(None)
    await line.silence(100)
    line.channel.on_closed("hangup")
    gates[1].set_result(None)
    with pytest.raises(LegClosed):
        await saying
    started = line.loop.time()
    await line.channel.finish()
    assert line.loop.time() == started, "nobody hears the rest, so nobody waits for it"


@on_a_line()
async def test_hang_up_while_listening(line: Line) -> None:
    listening = await ask(line)
    await line.silence(100)
    line.channel.on_closed("hangup")
    with pytest.raises(LegClosed):
        await listening.result()


@on_a_line()
async def test_hang_up_in_the_middle_of_a_word(line: Line) -> None:
    listening = await ask(line)
    await line.silence(200)
    await line.speech(300)
    line.channel.on_closed("hangup")
    with pytest.raises(LegClosed):
        await listening.result()
    line.channel.on_frame(LOUD)
    assert line.channel.next_frame() is None


@on_a_line()
async def test_hang_up_while_a_turn_is_read(line: Line) -> None:
    listening = await ask(line)
    await line.silence(1200)
    await line.speech(400)
    for _ in range(100):
        line.channel.on_frame(bytes(320))  # type: ignore[arg-type]
    line.channel.on_closed("hangup")
    with pytest.raises(LegClosed):
        await listening.result()


@on_a_line(frames=100)
async def test_the_last_words_are_heard_before_the_bot_hangs_up(line: Line) -> None:
    await line.channel.say(utterance("goodbye"), interruptible=True)
    finishing = line.loop.create_task(line.channel.finish())
    await line.silence(1980)
    assert not finishing.done()
    await line.silence(60)
    assert finishing.done()
    line.channel.close()
    assert line.leg.closed == 1


@on_a_line()
async def test_a_gateway_that_stops_asking_holds_nobody_up_for_ever(line: Line) -> None:
    await line.channel.say(utterance("goodbye"), interruptible=True)
    started = line.loop.time()
    await line.channel.finish()
    assert line.loop.time() - started == pytest.approx(30.0)


# --- the response gap ---------------------------------------------------------------------------------


@on_a_line(["lost my card"])
async def test_the_response_gap_is_from_the_last_voiced_sound_to_the_first_sound_of_the_answer(line: Line) -> None:
    listening = await ask(line)
    await line.silence(1500)
    await line.speech(600)
    spoken_until = line.loop.time()
    while not listening.over:
        await line.silence(20)
    assert line.of(EventType.RESPONSE_GAP) == []
    await line.channel.say(utterance("which one?"), interruptible=True)
    started = line.loop.time()
    await line.silence(100)
    (gap,) = line.of(EventType.RESPONSE_GAP)
    assert gap["gap_ms"] == pytest.approx((started - spoken_until) * 1000, abs=2 * FRAME_MS)
    await line.silence(2000)
    assert len(line.of(EventType.RESPONSE_GAP)) == 1


@on_a_line(["my balance"])
async def test_an_answer_that_is_complete_ends_the_turn_sooner(line: Line) -> None:
    line.channel.speak_in("en")
    await line.silence(200)
    quick = line.loop.create_task(line.channel.listen(TOPIC, always))
    await line.speech(400)
    began = line.loop.time()
    while not quick.done():
        await line.silence(20)
    assert line.loop.time() - began < 0.5


# --- the end of the sound -----------------------------------------------------------------------------


@on_a_line()
async def test_sound_that_was_lost_is_told_once_at_the_end(line: Line) -> None:
    line.leg.dropped = {"inbound": 3, "outbound": 0}
    line.channel.close()
    line.channel.close()
    assert line.of(EventType.FRAMES_DROPPED) == [{"inbound": 3}]
    assert line.of(EventType.RECORDING_ENDED) == []


@on_a_line()
async def test_a_call_without_losses_tells_of_none(line: Line) -> None:
    await line.silence(200)
    line.channel.close()
    assert line.of(EventType.FRAMES_DROPPED) == []


@on_a_line(["uh-huh"])
async def test_what_begins_like_a_mere_uh_huh_keeps_the_floor_until_he_pauses(line: Line) -> None:
    listening = await ask(line)
    await line.silence(200)
    await line.speech(1600)
    assert len(line.of(EventType.BARGE_IN)) == 1
    assert line.of(EventType.FALSE_BARGE_IN) == [], "the prompt went on while he was speaking"
    assert not any(line.played[-400 // FRAME_MS :])
    await line.silence(1500)
    assert len(line.of(EventType.FALSE_BARGE_IN)) == 1
    line.channel.on_closed("hangup")
    with pytest.raises(LegClosed):
        await listening.result()

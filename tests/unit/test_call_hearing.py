"""One caller's speech, from frames to readings, with the real voice activity and whatever recognisers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ivrbot.call import hearing
from ivrbot.call.hearing import ENDPOINTING, Hearing, Reading
from ivrbot.errors import EngineBadOutput, EngineError, EngineTimeout
from ivrbot.media.framing import frames_of
from ivrbot.media.wav import read_wav
from ivrbot.model.audio import FRAME_MS, SILENCE, Frame, Pcm
from ivrbot.model.speech import Expect, Hypothesis, Language, Partial, Transcript
from tests.fakes.line import LOUD, LoudnessActivity
from tests.fakes.virtual_time import VirtualTimeLoop, run_virtual

SPEECH = Path(__file__).parents[1] / "data" / "speech_en.wav"


class Stream:
    """A recogniser's stream that does what its engine is told.

    Attributes:
        decodes: how many were asked for.
        guessed: how many guesses.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.sound = bytearray()
        self.decodes = 0
        self.guessed = 0
        self.closed = False

    def feed(self, pcm: Pcm) -> None:
        if self._engine.feed_failure is not None:
            raise self._engine.feed_failure
        self.sound += pcm

    def may_guess(self) -> bool:
        return self._engine.guesses

    async def guess(self) -> Transcript:
        self.guessed += 1
        if self._engine.guess_failure is not None:
            raise self._engine.guess_failure
        return await self._read()

    async def decode(self) -> Transcript:
        self.decodes += 1
        return await self._read()

    async def _read(self) -> Transcript:
        if self._engine.hangs:
            await asyncio.Event().wait()
        if self._engine.decode_failure is not None:
            raise self._engine.decode_failure
        if self._engine.garbled:
            return Transcript((), "told", garbled=True)
        text = self._engine.text or f"{len(self.sound)} bytes"
        if self._engine.delay_s:
            await asyncio.sleep(self._engine.delay_s)
        texts = (text, *self._engine.others)
        return Transcript(tuple(Hypothesis(one, self._engine.confidence) for one in texts), "told")

    def close(self) -> None:
        self.closed = True


class Engine:
    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.open_failure: Exception | None = None
        self.feed_failure: Exception | None = None
        self.decode_failure: Exception | None = None
        self.guess_failure: Exception | None = None
        self.delay_s = 0.0
        self.hangs = False
        self.guesses = False
        self.garbled = False
        self.text = ""
        self.others: tuple[str, ...] = ()
        self.confidence = 1.0

    @property
    def name(self) -> str:
        return "told"

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def open(self, language: Language, expect: Expect, on_partial: Callable[[Partial], None]) -> Stream:
        if self.open_failure is not None:
            raise self.open_failure
        self.streams.append(Stream(self))
        return self.streams[-1]


class Room:
    """A `Hearing` with everything that it tells."""

    def __init__(self, loop: VirtualTimeLoop, *, real_activity: bool) -> None:
        self.loop = loop
        self.engine = Engine()
        self.told: list[str] = []
        self.readings: list[Reading] = []
        self.hearing = Hearing(
            lambda _language: self.engine,
            now_ms=lambda: int(loop.time() * 1000),
            is_speaking=lambda: False,
            on_speech=lambda: self.told.append("speech"),
            on_words=lambda _text: self.told.append("words"),
            on_nothing=lambda: self.told.append("nothing"),
            on_garbled=lambda: self.told.append("garbled"),
            on_reading=self.readings.append,
            on_no_input=lambda: self.told.append("no input"),
        )
        if not real_activity:
            self.hearing._activity = LoudnessActivity()  # type: ignore[assignment]

    async def frames(self, *frames: Frame) -> None:
        for frame in frames:
            self.hearing.feed(frame)
            await asyncio.sleep(FRAME_MS / 1000)

    async def loud(self, ms: int) -> None:
        await self.frames(*[LOUD] * (ms // FRAME_MS))

    async def silence(self, ms: int) -> None:
        await self.frames(*[SILENCE] * (ms // FRAME_MS))


def in_a_room(
    *, real_activity: bool = False
) -> Callable[[Callable[[Room], Coroutine[Any, Any, None]]], Callable[[], None]]:
    def make(scenario: Callable[[Room], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        async def main(loop: VirtualTimeLoop) -> None:
            room = Room(loop, real_activity=real_activity)
            async with asyncio.TaskGroup() as group:
                room.hearing.start(group)
                await scenario(room)
                room.hearing.stop()
            assert all(stream.closed for stream in room.engine.streams)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        def test() -> None:
            run_virtual(main)

        test.__name__ = test.__qualname__ = scenario.__name__
        return test

    return make


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


async def says_nothing_yet(_text: str) -> bool:
    return False


async def says_all(_text: str) -> bool:
    return True


@in_a_room()
async def test_a_whole_sentence_without_a_topic_is_not_waited_for_as_long_as_half_of_one(room: Room) -> None:
    room.hearing.prepare("ru", Expect.OPEN, says_nothing_yet)
    room.engine.text = "мне соседка про вас рассказывала"
    await room.loud(400)
    await room.silence(ENDPOINTING.complete_ms + FRAME_MS)
    assert len(room.readings) == 1


@in_a_room()
async def test_an_answer_that_goes_on_is_not_cut_off(room: Room) -> None:
    room.hearing.prepare("ru", Expect.OPEN, says_all)
    room.engine.text = "заблокируйте карту и"
    await room.loud(400)
    await room.silence(ENDPOINTING.answered_ms + 5 * FRAME_MS)
    assert room.readings == []


@in_a_room()
async def test_figures_that_are_not_all_there_are_waited_for(room: Room) -> None:
    room.hearing.prepare("ru", Expect.DIGITS, says_nothing_yet, digits=4)
    room.engine.text = "четыре два"
    await room.loud(400)
    await room.silence(1100)
    assert room.readings == []
    room.engine.text = "четыре два семь один"
    await room.loud(400)
    await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
    assert len(room.readings) == 1


@pytest.mark.parametrize(("expect", "decodes"), [(Expect.OPEN, 0), (Expect.DIGITS, 1), (Expect.YES_NO, 1)])
def test_a_doubtful_guess_of_anything_but_a_topic_is_read_again(expect: Expect, decodes: int) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.guesses, room.engine.confidence = True, 0.4
        room.hearing.prepare("ru", expect, says_all)
        await room.loud(400)
        await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
        assert len(room.readings) == 1
        assert room.engine.streams[0].decodes == decodes

    scenario()


@pytest.mark.parametrize(
    ("texts", "decodes"),
    [(("Да.", "Дай.", "да"), 0), (("Нина да", "не надо"), 1), (("Дай.", "да"), 1), (("нет", "не нет"), 0)],
)
def test_an_unsure_yes_or_no_stands_when_all_its_readings_mean_the_same(
    texts: tuple[str, ...], decodes: int
) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.guesses, room.engine.confidence = True, 0.35
        room.engine.text, room.engine.others = texts[0], texts[1:]
        room.hearing.prepare("ru", Expect.YES_NO, says_all)
        await room.loud(400)
        await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
        assert [reading.transcript and reading.transcript.text for reading in room.readings] == [texts[0]]
        assert room.engine.streams[0].decodes == decodes

    scenario()


@pytest.mark.parametrize(
    ("text", "spoken_ms", "waits"),
    [
        ("Нет.", 140, True),  # a "ну", most likely
        ("Нет.", 160, False),
        ("да", 120, False),
        ("Нет, нет, нет, не надо.", 580, False),  # a loop of the recogniser's
    ],
)
def test_a_no_too_short_to_be_one_is_waited_upon(text: str, spoken_ms: int, waits: bool) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text = text
        room.hearing.prepare("ru", Expect.YES_NO, says_all)
        await room.loud(spoken_ms)
        await room.silence(ENDPOINTING.unknown_ms[Expect.YES_NO] + 100)
        assert bool(room.readings) is not waits
        await room.silence(ENDPOINTING.unfinished_ms)
        assert len(room.readings) == 1

    scenario()


@in_a_room()
async def test_what_follows_such_a_sound_is_the_answer(room: Room) -> None:
    room.engine.text = "Нет."
    room.hearing.prepare("ru", Expect.YES_NO, says_all)
    await room.loud(140)
    await room.silence(700)
    room.engine.text = "Ну да."
    await room.loud(300)
    await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
    assert [reading.transcript and reading.transcript.text for reading in room.readings] == ["Ну да."]


@pytest.mark.parametrize(
    ("expect", "text", "decodes"),
    [
        (Expect.DIGITS, "четыре два семь один", 0),
        (Expect.DIGITS, "4 2, 7 1.", 0),
        (Expect.DIGITS, "четыре два семь один ноль", 1),
        (Expect.DATE, "пятое марта тысяча девятьсот восьмидесятого", 0),
    ],
)
def test_unsure_figures_and_days_stand_when_just_what_is_wanted_was_read(
    expect: Expect, text: str, decodes: int
) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.guesses, room.engine.confidence, room.engine.text = True, 0.4, text
        room.hearing.prepare("ru", expect, says_all, digits=4)
        await room.loud(400)
        await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
        assert [reading.transcript and reading.transcript.text for reading in room.readings] == [text]
        assert room.engine.streams[0].decodes == decodes

    scenario()


@pytest.mark.parametrize(("text", "decodes"), [("Казань.", 0), ("в Казани", 0), ("оператора", 1)])
def test_a_name_found_in_a_list_stands_alone_a_doubtful_command_does_not(text: str, decodes: int) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.guesses, room.engine.confidence, room.engine.text = True, 0.4, text
        room.hearing.prepare("ru", Expect.NAME, says_all)
        await room.loud(400)
        await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
        assert [reading.transcript and reading.transcript.text for reading in room.readings] == [text]
        assert room.engine.streams[0].decodes == decodes

    scenario()


async def says_yes(text: str) -> bool:
    return text == "да"


@pytest.mark.parametrize("before_end_ms", [300, 0], ids=["long before the end", "right before it"])
def test_a_yes_read_within_speech_is_not_the_answer_when_more_is_said(before_end_ms: int) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.guesses = True
        room.hearing.prepare("ru", Expect.YES_NO, says_yes)
        room.engine.text, room.engine.delay_s = "да", 0.1
        await room.loud(900)
        room.hearing.read_now()
        await room.loud(before_end_ms + 2 * FRAME_MS)
        room.engine.text, room.engine.delay_s = "да но не эту", 0.0
        await room.silence(1500)
        assert [reading.transcript and reading.transcript.text for reading in room.readings] == ["да но не эту"]

    scenario()


@in_a_room()
async def test_a_guess_that_fails_leaves_no_answer_of_the_beginning(room: Room) -> None:
    room.engine.guesses = True
    room.hearing.prepare("ru", Expect.YES_NO, says_yes)
    room.engine.text = "да"
    await room.loud(900)
    room.hearing.read_now()
    await room.loud(300)
    room.engine.text, room.engine.guess_failure = "да но не эту", EngineTimeout("slow")
    await room.silence(1500)
    assert [reading.transcript and reading.transcript.text for reading in room.readings] == ["да но не эту"]


@in_a_room()
async def test_one_word_of_a_full_name_is_waited_upon(room: Room) -> None:
    room.engine.text = "Орлов"
    room.hearing.prepare("ru", Expect.NAME, says_nothing_yet, in_full=True)
    await room.loud(400)
    await room.silence(900)
    assert room.readings == []


@in_a_room()
async def test_the_name_of_a_place_is_one_word_also_when_it_is_not_understood(room: Room) -> None:
    room.engine.text = "в Урюпинске"
    room.hearing.prepare("ru", Expect.NAME, says_nothing_yet)
    await room.loud(400)
    await room.silence(ENDPOINTING.unknown_ms[Expect.NAME] + 2 * FRAME_MS)
    assert len(room.readings) == 1


@pytest.mark.parametrize(("text", "over"), [("I have not got it with me", True), ("seven", False), ("it", False)])
def test_a_sentence_without_figures_is_not_waited_upon_as_if_it_were_dictated(text: str, over: bool) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text = text
        room.hearing.prepare("en", Expect.DIGITS, says_nothing_yet, digits=4)
        await room.loud(400)
        await room.silence(ENDPOINTING.complete_ms + 2 * FRAME_MS)
        assert bool(room.readings) is over

    scenario()


@in_a_room()
async def test_a_topic_guessed_from_a_verb_alone_leaves_time_for_its_noun(room: Room) -> None:
    room.hearing.prepare("ru", Expect.OPEN, says_all)
    room.engine.text = "можно перевыпустить"
    await room.loud(400)
    await room.silence(1000)
    assert room.readings == []
    await room.silence(240)
    assert len(room.readings) == 1


@pytest.mark.parametrize(("text", "waits"), [("У меня украли сумку.", True), ("Заблокируйте карту.", False)])
def test_who_only_tells_what_happened_may_say_what_he_wants(text: str, waits: bool) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text = text
        room.hearing.prepare("ru", Expect.OPEN, says_all)
        await room.loud(400)
        await room.silence(ENDPOINTING.answered_ms + 100)
        assert bool(room.readings) is not waits
        await room.silence(ENDPOINTING.told_ms - ENDPOINTING.answered_ms)
        assert len(room.readings) == 1

    scenario()

"""Which early readings end a turn, and which are waited upon."""

from __future__ import annotations

import pytest

from ivrbot.call.hearing import ENDPOINTING
from ivrbot.errors import EngineTimeout
from ivrbot.model.audio import FRAME_MS
from ivrbot.model.speech import Expect, Language
from tests.fakes.room import Room, in_a_room, says_all, says_nothing_yet


async def says_all_but_the_best(text: str) -> bool:
    return text != "Ставить."


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
        wait_ms = ENDPOINTING.denied_ms if texts[0] == "нет" else ENDPOINTING.answered_ms
        await room.silence(wait_ms + 2 * FRAME_MS)
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
        await room.silence(ENDPOINTING.denied_ms + 100)
        assert bool(room.readings) is not waits
        await room.silence(ENDPOINTING.unfinished_ms)
        assert len(room.readings) == 1

    scenario()


@pytest.mark.parametrize(("spoken_ms", "waits"), [(160, True), (400, False)])
def test_a_syllable_that_answers_nothing_is_waited_upon_where_a_yes_was_asked_for(
    spoken_ms: int, waits: bool
) -> None:
    """A "ну" read as "Кот.": to say that it was not understood is to speak between it and its "да"."""

    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text = "Кот."
        room.hearing.prepare("ru", Expect.YES_NO, says_nothing_yet)
        await room.loud(spoken_ms)
        await room.silence(ENDPOINTING.unknown_ms[Expect.YES_NO] + 100)
        assert bool(room.readings) is not waits
        await room.silence(ENDPOINTING.unfinished_ms)
        assert len(room.readings) == 1

    scenario()


@pytest.mark.parametrize(
    ("language", "text"), [("ru", "Нет."), ("ru", "Ну, нет"), ("en", "No."), ("en", "Well, no.")]
)
def test_a_no_alone_has_time_for_what_comes_after_it(language: Language, text: str) -> None:
    """ "No ... not that one", "no ... thank you"."""

    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text = text
        room.hearing.prepare(language, Expect.YES_NO, says_all)
        await room.loud(400)
        await room.silence(ENDPOINTING.denied_ms - 2 * FRAME_MS)
        assert not room.readings
        await room.silence(4 * FRAME_MS)
        assert len(room.readings) == 1

    scenario()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "Нет, э..."),
        ("ru", "Нет,"),
        ("ru", "Нет, это"),
        ("en", "No, um"),
        ("en", "No..."),
        ("en", "No, well,"),
    ],
)
def test_a_no_that_plainly_goes_on_is_waited_upon(language: Language, text: str) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text = text
        room.hearing.prepare(language, Expect.YES_NO, says_all)
        await room.loud(400)
        await room.silence(ENDPOINTING.unfinished_ms - 2 * FRAME_MS)
        assert not room.readings

    scenario()


@in_a_room()
async def test_a_short_yes_that_understanding_failed_on_is_no_syllable(room: Room) -> None:
    room.engine.text = "Да."
    room.hearing.prepare("ru", Expect.YES_NO, says_nothing_yet)
    await room.loud(200)
    await room.silence(ENDPOINTING.unknown_ms[Expect.YES_NO] + 2 * FRAME_MS)
    assert len(room.readings) == 1


@pytest.mark.parametrize(
    ("language", "text"), [("ru", "Да."), ("ru", "Нет, спасибо."), ("en", "No, thank you."), ("en", "Yes.")]
)
def test_a_yes_and_a_no_with_its_thanks_are_answered_at_once(language: Language, text: str) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text = text
        room.hearing.prepare(language, Expect.YES_NO, says_all)
        await room.loud(400)
        await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
        assert len(room.readings) == 1

    scenario()


@pytest.mark.parametrize(("in_full", "waits"), [(False, False), (True, True)])
def test_one_of_a_list_is_found_in_any_reading_of_it(in_full: bool, waits: bool) -> None:
    """A person's name is no list, and who only begins it is not to be taken at his word."""

    async def is_listed(text: str) -> bool:
        return text == "in Moscow"

    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text, room.engine.others = "in musk school", ("in Moscow",)
        room.hearing.prepare("en", Expect.NAME, is_listed, in_full=in_full)
        await room.loud(400)
        await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
        assert bool(room.readings) is not waits

    scenario()


@in_a_room()
async def test_a_command_that_only_another_reading_holds_ends_no_answer(room: Room) -> None:
    room.engine.text, room.engine.others = "Ставить.", ("Стоп.",)
    room.hearing.prepare("ru", Expect.NAME, says_all_but_the_best)
    await room.loud(400)
    await room.silence(ENDPOINTING.answered_ms + 2 * FRAME_MS)
    assert not room.readings


@pytest.mark.parametrize(
    ("others", "wait_ms"),
    [
        (("7719", "77 19"), ENDPOINTING.complete_ms),  # two of three hold four figures
        (("77,9.", "7719"), ENDPOINTING.unfinished_ms),
        (("77", "7 9"), ENDPOINTING.unfinished_ms),
    ],
)
def test_figures_are_all_there_when_most_readings_say_so(others: tuple[str, ...], wait_ms: int) -> None:
    @in_a_room()
    async def scenario(room: Room) -> None:
        room.engine.text, room.engine.others = "7,7,9.", others
        room.hearing.prepare("ru", Expect.DIGITS, says_nothing_yet, digits=4)
        await room.loud(900)
        await room.silence(wait_ms - 2 * FRAME_MS)
        assert not room.readings
        await room.silence(4 * FRAME_MS)
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

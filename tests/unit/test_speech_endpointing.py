"""Turns are found by durations alone."""

from __future__ import annotations

import pytest

from ivrbot.model.speech import Expect
from ivrbot.speech.endpointing import (
    Completeness,
    EndpointConfig,
    Endpointer,
    MaxLength,
    NoInput,
    SpeechDipped,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TurnEnded,
)

FRAME_MS = 20


def run(endpointer: Endpointer, *stretches: tuple[bool, int]) -> list[tuple[int, SpeechEvent]]:
    """Feed stretches of (speech, ms); gives (time, event)."""
    found = []
    now_ms = 0
    for is_speech, length_ms in stretches:
        for _ in range(length_ms // FRAME_MS):
            now_ms += FRAME_MS
            found += [(now_ms, event) for event in endpointer.feed(is_speech, FRAME_MS)]
    return found


def test_a_turn_from_start_to_end() -> None:
    assert run(Endpointer(), (False, 1000), (True, 800), (False, 1000)) == [
        (1080, SpeechStarted(80)),
        (2000, SpeechPaused(200)),
        (2400, TurnEnded(800, 600)),
    ]


@pytest.mark.parametrize("click_ms", [20, 40, 60])
def test_clicks_are_no_speech(click_ms: int) -> None:
    assert run(Endpointer(), (False, 500), (True, click_ms), (False, 500), (True, click_ms), (False, 500)) == []


def test_broken_onset_counts_from_its_first_frame() -> None:
    events = run(Endpointer(), (False, 200), (True, 40), (False, 40), (True, 40))
    assert events == [(320, SpeechStarted(120))]


@pytest.mark.parametrize(
    ("completeness", "wait_ms"),
    [
        (Completeness.ANSWERED, 200),
        (Completeness.TOLD, 640),
        (Completeness.DENIED, 600),
        (Completeness.COMPLETE, 500),
        (Completeness.UNFINISHED, 1200),
    ],
)
def test_the_wait_follows_what_was_said(completeness: Completeness, wait_ms: int) -> None:
    endpointer = Endpointer()
    run(endpointer, (True, 400))
    endpointer.expect(Expect.OPEN, completeness)
    events = run(endpointer, (False, 2000))
    assert events[0] == (200, SpeechPaused(200))
    assert events[1] == (wait_ms, TurnEnded(400, wait_ms))
    assert len(events) == 2


def test_figures_are_given_more_time_than_a_yes() -> None:
    waits = {}
    for expect in Expect:
        endpointer = Endpointer()
        endpointer.expect(expect)
        waits[expect] = run(endpointer, (True, 400), (False, 2000))[-1][0] - 400
    assert waits[Expect.YES_NO] < waits[Expect.OPEN] < waits[Expect.DIGITS]


def test_an_answer_recognised_within_the_pause_ends_it_with_the_next_frame() -> None:
    endpointer = Endpointer()
    assert [type(event) for _, event in run(endpointer, (True, 400), (False, 300))] == [
        SpeechStarted,
        SpeechPaused,
    ]
    endpointer.expect(Expect.DIGITS, Completeness.ANSWERED)
    assert endpointer.feed(False, FRAME_MS) == (TurnEnded(400, 320),)


def test_what_becomes_known_between_two_frames_ends_the_turn_at_once() -> None:
    endpointer = Endpointer()
    run(endpointer, (True, 400), (False, 300))
    assert endpointer.look() == ()
    endpointer.expect(Expect.DIGITS, Completeness.ANSWERED)
    assert endpointer.look() == (TurnEnded(400, 300),)
    assert endpointer.look() == ()


@pytest.mark.parametrize("after", [((False, 100),), ((False, 300), (True, 20))])
def test_nothing_ends_within_a_dip_or_when_a_word_may_be_beginning(after: tuple[tuple[bool, int], ...]) -> None:
    endpointer = Endpointer(EndpointConfig(dip_ms=60))
    run(endpointer, (True, 400), *after)
    endpointer.expect(Expect.DIGITS, Completeness.ANSWERED)
    assert endpointer.look() == ()


def test_a_late_word_cancels_the_end_and_what_was_known() -> None:
    endpointer = Endpointer()
    run(endpointer, (True, 400), (False, 220))
    endpointer.expect(Expect.OPEN, Completeness.UNFINISHED)
    events = run(endpointer, (False, 300), (True, 300), (False, 600))
    assert events == [
        (380, SpeechResumed(80)),
        (800, SpeechPaused(200)),
        (1200, TurnEnded(1220, 600)),
    ]


def test_a_word_that_is_just_beginning_is_not_cut_off() -> None:
    events = run(Endpointer(), (True, 400), (False, 580), (True, 100), (False, 600))
    assert [type(event) for _, event in events] == [
        SpeechStarted,
        SpeechPaused,
        SpeechResumed,
        SpeechPaused,
        TurnEnded,
    ]


def test_a_click_in_the_pause_delays_the_end_by_its_own_length_only() -> None:
    events = run(Endpointer(), (True, 400), (False, 580), (True, 40), (False, 600))
    assert events[-1] == (1040, TurnEnded(400, 640))


def test_no_input_once_per_listening() -> None:
    endpointer = Endpointer()
    endpointer.listen(1000)
    assert run(endpointer, (False, 5000)) == [(1000, NoInput(1000))]
    endpointer.listen(500)
    assert run(endpointer, (False, 5000)) == [(500, NoInput(500))]


def test_speech_disarms_the_no_input_timer() -> None:
    endpointer = Endpointer()
    endpointer.listen(1000)
    kinds = [type(event) for _, event in run(endpointer, (False, 900), (True, 200), (False, 5000))]
    assert kinds == [SpeechStarted, SpeechPaused, TurnEnded]


def test_no_input_waits_for_an_onset_to_be_decided() -> None:
    endpointer = Endpointer()
    endpointer.listen(1000)
    assert run(endpointer, (False, 960), (True, 60), (False, 500)) == [(1180, NoInput(1180))]


def test_a_disarmed_timer_is_silent() -> None:
    endpointer = Endpointer()
    endpointer.listen(1000)
    endpointer.stop_listening()
    assert run(endpointer, (False, 5000)) == []


def test_the_clock_armed_within_a_turn_runs_from_its_end() -> None:
    endpointer = Endpointer()
    run(endpointer, (True, 200))
    endpointer.listen(100)
    kinds = [type(event) for _, event in run(endpointer, (True, 400), (False, 3000))]
    assert kinds == [SpeechPaused, TurnEnded, NoInput]


def test_sound_that_never_pauses_does_not_hold_the_clock_back() -> None:
    endpointer = Endpointer(EndpointConfig(max_ms=3000))
    run(endpointer, (True, 4000))
    endpointer.listen(1000)
    assert run(endpointer, (True, 5000)) == [(1000, NoInput(1000))]


def test_a_monologue_ends_once_and_starts_again_after_a_pause() -> None:
    events = run(Endpointer(EndpointConfig(max_ms=3000)), (True, 10_000), (False, 400), (True, 200))
    assert events == [(80, SpeechStarted(80)), (3000, MaxLength(3000)), (10_480, SpeechStarted(80))]


def test_halting_speech_cannot_outlast_the_limit() -> None:
    endpointer = Endpointer(EndpointConfig(max_ms=3000))
    events = run(endpointer, *([(True, 200), (False, 400)] * 10))
    assert MaxLength(3000) in [event for _, event in events]


DIPS = EndpointConfig(dip_ms=80, pause_ms=180, answered_ms=200)


def test_a_dip_is_told_before_the_pause() -> None:
    events = run(Endpointer(DIPS), (True, 400), (False, 1000))
    assert events[1:] == [(480, SpeechDipped(80)), (580, SpeechPaused(180)), (1000, TurnEnded(400, 600))]


def test_one_voiced_frame_ends_a_dip() -> None:
    events = run(Endpointer(DIPS), (True, 400), (False, 100), (True, 20), (False, 1000))
    assert events[1:] == [
        (480, SpeechDipped(80)),
        (520, SpeechResumed(20)),
        (600, SpeechDipped(80)),
        (700, SpeechPaused(180)),
        (1120, TurnEnded(520, 600)),
    ]


def test_one_loud_frame_does_not_end_a_pause() -> None:
    events = run(Endpointer(DIPS), (True, 400), (False, 200), (True, 20), (False, 1000))
    assert [type(event) for _, event in events] == [SpeechStarted, SpeechDipped, SpeechPaused, TurnEnded]


def test_an_answer_known_within_a_dip_ends_the_turn_after_its_wait() -> None:
    endpointer = Endpointer(DIPS)
    run(endpointer, (True, 400), (False, 100))
    endpointer.expect(Expect.OPEN, Completeness.ANSWERED)
    assert run(endpointer, (False, 300)) == [(80, SpeechPaused(180)), (100, TurnEnded(400, 200))]


def test_a_dip_at_the_limit_of_a_turn_is_its_end() -> None:
    endpointer = Endpointer(EndpointConfig(dip_ms=80, pause_ms=180, max_ms=500))
    assert run(endpointer, (True, 400), (False, 100))[-1] == (500, MaxLength(500))

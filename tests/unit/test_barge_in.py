"""Barge-in, echo guard, back-channels and what is heard while nothing is said: the pure parts."""

from __future__ import annotations

import numpy as np
import pytest

from ivrbot.call.backdrop import THINKING_AFTER_MS, Backdrop
from ivrbot.call.barge_in import GIVE_UP_MS, READ_AFTER_MS, READ_AGAIN_MS, SUSPENDED_MS, BargeIn
from ivrbot.call.playout import Playout
from ivrbot.language.backchannels import is_back_channel
from ivrbot.media.comfort import comfort_noise, is_backdrop, is_quiet, thinking_sound
from ivrbot.media.level import SPEECH_DBFS, rms_dbfs
from ivrbot.model.audio import FRAME_BYTES, SILENCE, Frame, Pcm
from ivrbot.model.events import EventType
from ivrbot.speech.echo import EchoGuard


class Table:
    def __init__(self) -> None:
        self.told: list[EventType] = []
        self.reads = 0
        self.playout = Playout(lambda: None, lambda: None)
        self.playout.add(Pcm(b"\x10\x27" * (50 * FRAME_BYTES // 2)))
        self.barge_in = BargeIn(self.playout, self.told.append, self._read)

    def is_paused(self) -> bool:
        return self.playout.paused

    def _read(self) -> None:
        self.reads += 1


def test_a_suspension_for_nothing_is_no_barge_in() -> None:
    table = Table()
    table.barge_in.may_begin(0)
    assert table.is_paused()
    table.barge_in.tick(SUSPENDED_MS)
    assert not table.is_paused() and table.told == []


def test_speech_pauses_is_read_and_noise_goes_on() -> None:
    table = Table()
    table.barge_in.begins(100)
    table.barge_in.tick(100 + READ_AFTER_MS)
    assert table.is_paused() and table.reads == 1
    table.barge_in.was_noise()
    assert not table.is_paused()
    assert table.told == [EventType.BARGE_IN, EventType.FALSE_BARGE_IN]


def test_a_voice_of_which_no_word_can_be_made_out_is_read_once_more() -> None:
    table = Table()
    table.barge_in.begins(0)
    table.barge_in.tick(READ_AFTER_MS)
    table.barge_in.was_garbled(1100)
    table.barge_in.tick(1100 + READ_AGAIN_MS - 20)
    assert table.is_paused() and table.reads == 1
    table.barge_in.tick(1100 + READ_AGAIN_MS)
    assert table.is_paused() and table.reads == 2
    table.barge_in.was_garbled(1600)
    assert not table.is_paused()
    assert table.told == [EventType.BARGE_IN, EventType.FALSE_BARGE_IN]


def test_the_next_pause_gives_a_voice_as_much_time() -> None:
    table = Table()
    for start_ms in (0, 5000):
        table.barge_in.begins(start_ms)
        table.barge_in.was_garbled(start_ms + 1000)
        assert table.is_paused()
        table.barge_in.was_garbled(start_ms + 1500)
        assert not table.is_paused()


def test_no_verdict_holds_a_prompt_up_no_longer_than_it_may() -> None:
    table = Table()
    table.barge_in.begins(0)
    table.barge_in.tick(GIVE_UP_MS)
    assert not table.is_paused() and table.playout.speaking


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Угу.", "ru"),
        ("ага, так", "ru"),
        ("Uh-huh", "en"),
        ("I see", "en"),
        ("а", "ru"),
        ("Таааа!", "ru"),
        ("I", "en"),
        ("Oh.", "en"),
    ],
)
def test_a_listener_takes_no_turn(text: str, language: str) -> None:
    assert is_back_channel(text, "ru" if language == "ru" else "en")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("да", "ru"),
        ("так подождите", "ru"),
        ("", "ru"),
        ("ok stop", "en"),
        ("3", "ru"),
        ("I lost it", "en"),
        ("1", "en"),
    ],
)
def test_words_take_one(text: str, language: str) -> None:
    assert not is_back_channel(text, "ru" if language == "ru" else "en")


def test_what_is_heard_while_nothing_is_said_is_no_speech() -> None:
    assert all(is_backdrop(frame) and is_quiet(frame) for frame in (SILENCE, *comfort_noise()))
    assert all(rms_dbfs(frame) < SPEECH_DBFS for frame in thinking_sound())
    backdrop = Backdrop(noise=True, thinking=True)
    assert backdrop.next_frame(0) in comfort_noise()
    assert backdrop.next_frame(THINKING_AFTER_MS) == thinking_sound()[0]
    assert Backdrop(noise=False, thinking=False).next_frame(THINKING_AFTER_MS) is None


@pytest.mark.parametrize("delay", [1, 10, 20])
def test_an_echo_is_told_from_another_voice(delay: int) -> None:
    chance = np.random.default_rng(1)
    ours, other = (chance.standard_normal((60, 160)) * 3000 for _ in range(2))
    own, foreign = EchoGuard(), EchoGuard()
    for number in range(60):
        frame = Frame(Pcm(ours[number].astype("<i2").tobytes()))
        own.said(frame)
        foreign.said(frame)
        back = ours[number - delay] * 0.1 if number >= delay else np.zeros(160)
        own.heard(Frame(Pcm(back.astype("<i2").tobytes())))
        foreign.heard(Frame(Pcm(other[number].astype("<i2").tobytes())))
    assert own.is_own()
    assert not foreign.is_own()


@pytest.mark.parametrize(("loss", "could_be"), [(0.1, True), (0.25, True), (0.4, False)])
def test_a_voice_far_louder_than_the_echo_so_far_is_no_echo(loss: float, could_be: bool) -> None:
    chance = np.random.default_rng(2)
    ours, other = (chance.uniform(-9000, 9000, (60, 160)) for _ in range(2))
    guard = EchoGuard()
    for number, frame in enumerate(ours):
        guard.said(Frame(Pcm(frame.astype("<i2").tobytes())))
        back = ours[number - 10] * 0.1 if number >= 10 else np.zeros(160)
        guard.heard(Frame(Pcm(back.astype("<i2").tobytes())))
        guard.is_own()
    assert guard.could_be_own()
    for frame in other[:2]:
        guard.heard(Frame(Pcm((frame * loss).astype("<i2").tobytes())))
    assert guard.could_be_own() is could_be


def test_a_chance_likeness_is_not_counted_again_in_the_same_sound() -> None:
    """It stands out of the window in one place, and is still half there in those that follow at once."""
    chance = np.random.default_rng(2)
    ours, other = (chance.standard_normal((60, 160)) * 3000 for _ in range(2))
    guard, seen = EchoGuard(), 0
    for number, frame in enumerate(ours):
        guard.said(Frame(Pcm(frame.astype("<i2").tobytes())))
        alike = 0.608 * ours[number - 10] + 0.794 * other[number] if 20 <= number < 32 else other[number]
        guard.heard(Frame(Pcm((alike * 0.1).astype("<i2").tobytes())))
        seen += guard.is_own()
    assert seen == 1
    assert guard.delay_ms is None


@pytest.mark.parametrize(("part", "gain", "is_own"), [(0.7, 1.0, True), (0.7, 3.0, False), (0.0, 1.0, False)])
def test_an_echo_seen_once_is_believed_sooner_if_it_is_no_louder(part: float, gain: float, is_own: bool) -> None:
    """The second sound is an echo only in part (0.7 of its amplitude, half of its energy), or not at all."""
    chance = np.random.default_rng(3)
    ours, other = (chance.standard_normal((90, 160)) * 3000 for _ in range(2))
    guard, verdicts = EchoGuard(), []
    for number, frame in enumerate(ours):
        guard.said(Frame(Pcm(frame.astype("<i2").tobytes())))
        echo = ours[number - 10] * 0.1 if number >= 10 else np.zeros(160)
        if number >= 45:
            echo = gain * (part * echo + np.sqrt(1 - part**2) * 0.1 * other[number])
        is_quiet = number < 20 or 24 <= number < 45
        guard.heard(SILENCE if is_quiet else Frame(Pcm(echo.astype("<i2").tobytes())))
        if number in (23, 50):
            verdicts.append(guard.is_own())
    assert verdicts == [True, is_own]

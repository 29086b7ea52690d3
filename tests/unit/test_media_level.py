from __future__ import annotations

import numpy as np
import pytest

from ivrbot.media.gap import measure_gaps
from ivrbot.media.level import SILENCE_DBFS, rms_dbfs, speech_stretches
from ivrbot.media.track import Track
from ivrbot.model.audio import silence


def tone(duration_ms: int, amplitude: int = 8000) -> bytes:
    t = np.arange(duration_ms * 8)
    return (amplitude * np.sign(np.sin(2 * np.pi * 250 * (t + 0.5) / 8000))).astype("<i2").tobytes()


def noise(duration_ms: int, amplitude: float) -> bytes:
    return np.random.default_rng(1).normal(0, amplitude, duration_ms * 8).astype("<i2").tobytes()


def test_levels() -> None:
    assert rms_dbfs(tone(100, 32767)) == pytest.approx(0, abs=0.01)
    assert rms_dbfs(tone(100, 3277)) == pytest.approx(-20, abs=0.01)
    assert rms_dbfs(silence(100)) == rms_dbfs(b"") == SILENCE_DBFS


def test_speech_is_found_to_the_sample() -> None:
    sound = silence(203) + tone(501) + silence(400) + tone(200) + silence(99)
    found = speech_stretches(sound)
    assert [(stretch.start_ms, stretch.end_ms) for stretch in found] == [(203, 704), (1104, 1304)]


def test_short_pauses_join_and_clicks_are_ignored() -> None:
    sound = silence(500) + tone(20) + silence(500) + tone(300) + silence(200) + tone(300)
    assert [(stretch.start_ms, stretch.end_ms) for stretch in speech_stretches(sound)] == [(1020, 1820)]


def test_speech_stands_out_of_steady_noise() -> None:
    voice = np.frombuffer(silence(1000) + tone(600) + silence(1000), "<i2")
    sound = (voice + np.frombuffer(noise(2600, 600), "<i2")).astype("<i2").tobytes()
    found = speech_stretches(sound)
    assert len(found) == 1
    assert found[0].start_ms == pytest.approx(1000, abs=5)
    assert found[0].end_ms == pytest.approx(1600, abs=5)


@pytest.mark.parametrize("sound", [b"", silence(1000), tone(1000, 20)])
def test_silence_holds_no_speech(sound: bytes) -> None:
    assert speech_stretches(sound) == ()


def test_a_recording_that_is_all_speech_is_found() -> None:
    assert [(stretch.start_ms, stretch.end_ms) for stretch in speech_stretches(tone(1000))] == [(0, 1000)]


def test_gaps_are_from_the_callers_last_sound_to_the_bots_first() -> None:
    caller = silence(1000) + tone(700) + silence(3000) + tone(400) + silence(2000)
    bot = tone(600) + silence(1650) + tone(900) + silence(2450) + tone(500)
    gaps = measure_gaps(caller, bot)
    assert [(gap.caller_end_ms, gap.bot_start_ms, gap.gap_ms) for gap in gaps] == [
        (1700, 2250, 550),
        (5100, 5600, 500),
    ]


def test_the_bots_first_words_and_its_own_pauses_are_no_answers() -> None:
    bot = tone(600) + silence(700) + tone(600)
    assert measure_gaps(silence(2000), bot) == ()


def test_a_pause_of_the_caller_restarts_the_gap() -> None:
    caller = tone(300) + silence(500) + tone(300) + silence(2000)
    bot = silence(1900) + tone(300)
    assert [gap.gap_ms for gap in measure_gaps(caller, bot)] == [800]


def test_a_track_lays_pieces_where_they_arrived() -> None:
    track = Track()
    track.add(tone(20), 0.1)
    track.add(tone(20), 0.11)  # early: waits for its turn
    track.add(silence(20), 0.115)  # early silence: left out, the track catches up
    track.add(tone(20), 0.5)
    assert track.pcm == silence(100) + tone(40) + silence(360) + tone(20)
    assert track.end_s == pytest.approx(0.52)
    assert track.since(0.49) == silence(10) + tone(20)
    assert track.since(-1) == track.pcm
    assert track.since(9) == b""


def test_a_track_closes_small_holes_in_sound_but_places_onsets_exactly() -> None:
    track = Track()
    track.add(silence(20), 0.0)
    track.add(tone(20), 0.025)  # after silence: where it arrived
    track.add(tone(20), 0.055)  # 10 ms late in sound: closed up
    track.add(silence(20), 0.065)  # on time again: the hole is in the pause
    track.add(tone(20), 0.2)
    track.add(tone(20), 0.5)  # too late to be called continuous
    assert track.pcm == silence(25) + tone(40) + silence(20) + silence(115) + tone(20) + silence(280) + tone(20)

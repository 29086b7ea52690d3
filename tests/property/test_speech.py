"""Whatever comes in, turns are well-formed, times add up, and no sound of a turn is lost or doubled."""

from __future__ import annotations

import struct
from dataclasses import astuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ivrbot.asr.transcribe import PIECE_MAX_MS, pieces
from ivrbot.model.audio import FRAME_MS, FRAME_SAMPLES, Frame, Pcm, duration_ms
from ivrbot.model.speech import Expect
from ivrbot.speech.ear import PRE_ROLL_MS, Ear
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

runs = st.lists(st.tuples(st.booleans(), st.integers(1, 80)), max_size=30)
CONFIG = EndpointConfig(max_ms=4000)
configs = st.sampled_from([CONFIG, EndpointConfig(dip_ms=80, pause_ms=180, max_ms=4000)])


def flags(spans: list[tuple[bool, int]]) -> list[bool]:
    return [flag for flag, frames in spans for _ in range(frames)]


def events_of(
    spans: list[tuple[bool, int]], parts: int = 1, config: EndpointConfig = CONFIG
) -> list[tuple[int, SpeechEvent]]:
    endpointer = Endpointer(config)
    endpointer.listen(2000)
    found = []
    for index, flag in enumerate(flags(spans)):
        for _ in range(parts):
            found += [(index, event) for event in endpointer.feed(flag, FRAME_MS // parts)]
    return found


@given(runs, configs)
def test_events_follow_the_grammar(spans: list[tuple[bool, int]], config: EndpointConfig) -> None:
    allowed: dict[str, dict[type[SpeechEvent], str]] = {
        "waiting": {SpeechStarted: "speaking", NoInput: "waiting"},
        "speaking": {SpeechDipped: "dipping", SpeechPaused: "pausing", MaxLength: "waiting"},
        "dipping": {SpeechResumed: "speaking", SpeechPaused: "pausing", MaxLength: "waiting"},
        "pausing": {SpeechResumed: "speaking", TurnEnded: "waiting", MaxLength: "waiting"},
    }
    state = "waiting"
    for _, event in events_of(spans, config=config):
        assert type(event) in allowed[state]
        state = allowed[state][type(event)]


@settings(deadline=None)
@given(runs, st.sampled_from([2, 4, 5]), configs)
def test_finer_frames_tell_the_same_story(
    spans: list[tuple[bool, int]], parts: int, config: EndpointConfig
) -> None:
    fine, coarse = events_of(spans, parts, config), events_of(spans, config=config)
    assert [(index, type(event)) for index, event in fine] == [(index, type(event)) for index, event in coarse]
    for (_, one), (_, other) in zip(fine, coarse, strict=True):
        # A wait that ends within a coarse frame is told with that frame's end.
        assert all(abs(a - b) < FRAME_MS for a, b in zip(astuple(one), astuple(other), strict=True))


@given(runs, configs)
def test_every_turn_ends_in_silence(spans: list[tuple[bool, int]], config: EndpointConfig) -> None:
    events = [event for _, event in events_of([*spans, (False, 100)], config=config)]
    starts = sum(isinstance(event, SpeechStarted) for event in events)
    ends = sum(isinstance(event, (TurnEnded, MaxLength)) for event in events)
    assert starts == ends


@given(runs, configs)
def test_times_look_back_no_further_than_the_call(spans: list[tuple[bool, int]], config: EndpointConfig) -> None:
    dipping = False
    for index, event in events_of(spans, config=config):
        now_ms = (index + 1) * FRAME_MS
        match event:
            case SpeechResumed(ago_ms) if dipping:
                assert ago_ms == FRAME_MS
            case SpeechStarted(ago_ms) | SpeechResumed(ago_ms):
                assert CONFIG.start_ms <= ago_ms <= min(now_ms, CONFIG.start_window_ms)
            case TurnEnded(speech_ms, silence_ms):
                assert speech_ms >= 0
                assert config.pause_ms <= silence_ms
                assert speech_ms + silence_ms <= min(now_ms, CONFIG.max_ms)
            case _:
                pass
        dipping = isinstance(event, SpeechDipped)


@given(runs, st.lists(st.tuples(st.integers(0, 500), st.sampled_from(Completeness), st.sampled_from(Expect))))
def test_expectations_at_any_moment_do_no_harm(
    spans: list[tuple[bool, int]], changes: list[tuple[int, Completeness, Expect]]
) -> None:
    endpointer = Endpointer(CONFIG)
    open_turns = 0
    for index, flag in enumerate(flags([*spans, (False, 100)])):
        for at, completeness, expect in changes:
            if at == index:
                endpointer.expect(expect, completeness)
        for event in endpointer.feed(flag, FRAME_MS):
            open_turns += isinstance(event, SpeechStarted) - isinstance(event, (TurnEnded, MaxLength))
            assert open_turns in (0, 1)
        assert endpointer.in_turn == bool(open_turns)
    assert open_turns == 0


@given(runs, configs)
def test_the_ear_hands_out_each_frame_once_and_in_order(
    spans: list[tuple[bool, int]], config: EndpointConfig
) -> None:
    ear = Ear(Endpointer(config))
    turns: list[list[int]] = []
    voiced = flags(spans)
    for number, flag in enumerate(voiced):
        heard = ear.feed(Frame(Pcm(struct.pack("<h", number) * FRAME_SAMPLES)), flag)
        if any(isinstance(event, SpeechStarted) for event in heard.events):
            turns.append([])
        if heard.sound:
            turns[-1] += [
                struct.unpack_from("<h", heard.sound, start)[0]
                for start in range(0, len(heard.sound), 2 * FRAME_SAMPLES)
            ]
    numbers = [number for turn in turns for number in turn]
    assert numbers == sorted(set(numbers))
    for turn in turns:
        assert turn == list(range(turn[0], turn[-1] + 1))
        assert any(voiced[number] for number in turn)


@given(st.integers(0, 60), st.integers(5, 40))
def test_pre_roll_precedes_the_first_speech(silent: int, spoken: int) -> None:
    ear = Ear(Endpointer())
    sound = b""
    for flag in flags([(False, silent), (True, spoken)]):
        sound += ear.feed(Frame(Pcm(bytes(2 * FRAME_SAMPLES))), flag).sound
    assert duration_ms(sound) == min(silent * FRAME_MS, PRE_ROLL_MS) + spoken * FRAME_MS


@given(st.integers(0, 100 * 8000), st.binary(min_size=64, max_size=512))
def test_cutting_a_recording_loses_nothing(samples: int, pattern: bytes) -> None:
    pcm = Pcm((pattern * (2 * samples // len(pattern) + 1))[: 2 * samples])
    cut = list(pieces(pcm))
    assert b"".join(cut) == pcm
    assert all(0 < duration_ms(piece) <= PIECE_MAX_MS or samples < 8 for piece in cut)
